"""The Event Console: what it has to be told, kept until it has taken it."""
