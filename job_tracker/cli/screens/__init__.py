"""Screens: what an operator is shown.

Rule: a screen is made from documents and a moment, and reads no file and no clock; `commands` and `replaying` fetch
what it needs, `output` prints it, `ending` turns what went wrong into a line and an exit code.
Rule: whatever a job or a host has said is shown by `plain.safe`, so that it can neither colour nor steer a terminal.
"""
