"""Outcomes: how exit codes are written, and what an end that somebody caused counts as.

Rule: as in `notation`: what is wrong is a ValueError that quotes the value and says what was expected.
"""

from collections.abc import Mapping

from job_tracker.config import notation
from job_tracker.config.notation import shown
from job_tracker.core.signals import CANCELED, CAUSED, DISMISSED, GONE, Signal

CODE = notation.whole(-(1 << 31), (1 << 31) - 1)

LISTS = {"success": Signal.END, "warning": Signal.WARNING, "skipped": Signal.SKIPPED}

COUNTS_AS = {"error": Signal.ERROR, "success": Signal.END, "skipped": Signal.SKIPPED}


def exit_codes(value: object) -> Mapping[int, Signal]:
    """Read lists of exit codes by what they mean; a code that is in two of them means nothing."""
    if not isinstance(value, dict):
        raise ValueError(f"{shown(value)} is not an object with some of {', '.join(LISTS)}")
    found: dict[int, Signal] = {}
    faults = [f"{shown(key)} is not one of {', '.join(LISTS)}" for key in value if key not in LISTS]
    for word, signal in LISTS.items():
        given = value.get(word)
        for each in given if isinstance(given, list) else [] if given is None else [given]:
            try:
                code = CODE(each)
            except ValueError as fault:
                faults.append(f"{word}: {fault}")
                continue
            if code in found:
                faults.append(f"{word}: {code} is listed twice")
            found.setdefault(code, signal)
    if faults:
        raise ValueError("; ".join(faults))
    return found


def codes_of(
    listed: Mapping[int, Signal], canceled: str | None, dismissed: str | None, gone: str | None
) -> tuple[Mapping[int, Signal], bool]:
    """All exit codes that mean something, and whether the configuration itself has one that means skipped."""
    said = {CANCELED: canceled, DISMISSED: dismissed, GONE: gone}
    codes = {**CAUSED, **{code: COUNTS_AS[word] for code, word in said.items() if word is not None}, **listed}
    may_skip = any(word == "skipped" and codes[code] is Signal.SKIPPED for code, word in said.items())
    return codes, may_skip or Signal.SKIPPED in listed.values()
