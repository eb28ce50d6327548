"""Answers: what became of each event of a call, from what the command said and how it ended.

Rule: pure.  Rule: delivered is only what was said to be; of many, those behind one that was not taken were not tried.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from job_tracker.outputs.event_console.call import Call

COMPLAINT = 500
"""Characters of why something was not delivered."""

AT_FAULT = 2
"""What our command, and any other, ends with where it does not know an option."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a call ended.

    problems: for each of its events why it was not delivered, empty if it was, None if it was not tried.
    refuses_many: the command does not know how to take more than one.
    """

    call: Call
    problems: tuple[str | None, ...]
    refuses_many: bool = False


def outcome_of(call: Call, name: str, answers: bytes, complaint: bytes, *, code: int | None, reason: str) -> Outcome:
    """What became of a call; name: of the command, code: it ended with, reason: why it did not end by itself."""
    said = cut(complaint.decode("utf-8", "replace"))
    ending = reason if code is None else f"{name} ended with {code}{': ' if said else ''}{said}"
    if not call.is_for_many:
        return Outcome(call=call, problems=("" if code == 0 else ending,))
    if code == AT_FAULT and not answers:
        return Outcome(call=call, problems=(None,) * len(call.events), refuses_many=True)
    problems = list(_problems(answers, name))[: len(call.events)]
    if None not in problems and len(problems) < len(call.events):
        problems.append(ending if code != 0 else f"{name} ended without an answer to each event")
    return Outcome(call=call, problems=(*problems, *[None] * (len(call.events) - len(problems))))


def cut(text: str) -> str:
    """A complaint on one line; what is cut ends with a mark."""
    line = " ".join(text.split())
    return line if len(line) <= COMPLAINT else f"{line[: COMPLAINT - 1]}…"


def _problems(answers: bytes, name: str) -> Iterator[str | None]:
    """One for each whole line."""
    has_failed = False
    for line in answers.split(b"\n")[:-1]:
        answer = _read(line)
        code = answer.get("code")
        if code == 0 and type(code) is int:
            yield ""
        elif has_failed and code == 1:
            yield None  # not tried: no target is left
        else:
            has_failed = has_failed or code != AT_FAULT
            complaints = answer.get("complaints")
            said = "; ".join(map(str, complaints)) if isinstance(complaints, list) else ""
            yield cut(f"{name} answered {code!r}{': ' if said else ''}{said}")


def _read(line: bytes) -> dict[str, Any]:
    try:
        answer = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return answer if isinstance(answer, dict) else {}
