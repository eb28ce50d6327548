"""The view: what people are shown; derived, readable by the group, harmless when lost."""
