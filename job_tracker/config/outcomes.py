"""Outcomes: how exit codes are written, and what an end that somebody caused counts as.

Rule: as in `notation`: what is wrong is a ValueError that quotes the value and says what was expected.
"""

import re
from collections.abc import Mapping

from job_tracker.config.notation import shown
from job_tracker.core.signals import CANCELED, CAUSED, DISMISSED, GONE, Signal

_CODE = re.compile(r"-?[0-9]{1,9}")

LISTS = {"success": Signal.END, "warning": Signal.WARNING, "skipped": Signal.SKIPPED}

COUNTS_AS: Mapping[str, Signal | None] = {"error": None, "success": Signal.END, "skipped": Signal.SKIPPED}
"""An error is what the message says anyway."""


def exit_codes(value: object) -> Mapping[int, Signal]:
    """Read lists of exit codes by what they mean; a code that is in two of them means nothing."""
    if not isinstance(value, dict):
        raise ValueError(f"{shown(value)} is not an object with some of {', '.join(LISTS)}")
    found: dict[int, Signal] = {}
    faults = [f"{shown(key)} is not one of {', '.join(LISTS)}" for key in value if key not in LISTS]
    for word, signal in LISTS.items():
        given = value.get(word)
        for each in given if isinstance(given, list) else [] if given is None else [given]:
            if not (isinstance(each, str) and _CODE.fullmatch(each)):
                faults.append(f"{word}: {shown(each)} is not a whole number")
                continue
            code = int(each)
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
    own = {code: COUNTS_AS[word] for code, word in said.items() if word is not None} | dict(listed)
    codes = {code: signal for code, signal in ({**CAUSED, **own}).items() if signal is not None}
    return codes, Signal.SKIPPED in own.values()
