"""Exit codes: what a process of ours says when it ends.

Rule: those of the LSB where it has one (init scripts ask for them), those of a shell for what a shell would say.
"""

DONE = 0
FAILED = 1
"""The program itself, or what it needs, failed."""

AT_FAULT = 2
"""The command, the configuration or the view is; the message says what to do."""

NOT_ALLOWED = 4
NOT_RUNNING = 7
INTERRUPTED = 130
NOBODY_LISTENS = 141
BY_SIGNAL = range(129, 193)
"""Of a command that a signal ended: 128 and its number; 255 is what ssh says when it could not even ask."""

NOT_STARTED = frozenset({126, 127})
"""Of a command that could not be."""

"""Whoever read the answer has gone."""

RUNS, IS_DEAD, IS_STOPPED = 0, 1, 3
"""Of `status` alone: it runs; it was killed, and its pid file is left; it does not run."""
