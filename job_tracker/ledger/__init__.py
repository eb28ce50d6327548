"""The store: what is known for certain, in one transaction a step."""
