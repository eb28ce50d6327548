"""A second reading of the rules: the same promises judged by a model that was written without looking at the core.

It is plain and slow on purpose.  Each room holds one part of the rules, and judges a job anew from all its messages
whenever something is heard; `compare` looks for a recording about which it and the core do not agree.
"""

from second_reading.judge import Change, Final, Verdicts, judge

__all__ = ["Change", "Final", "Verdicts", "judge"]
