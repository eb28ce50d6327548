"""Intake: which of the elements that a source delivered are messages of a configured job.

Rule: one bad element costs itself and nothing else; whatever is not taken is kept aside with the reason.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from enum import Enum
from functools import partial
from typing import Any

from job_tracker.core.jobs import Jobs
from job_tracker.core.messages import Meaning, Message, decode, encodable, uid_from
from job_tracker.core.operator_word import OPERATOR, decode_word, forgotten
from job_tracker.core.signals import Signal, meant, signal_of
from job_tracker.errors import BadMessage
from job_tracker.moments import DAY

OLDEST = 5 * 365 * DAY
"""How far back a message may lie when it is heard: by a clock that stands in 1970 a job would be judged for decades."""


class Why(Enum):
    """Why an element is kept aside; the value is what is stored and handed on, `in_words` what people read."""

    UNKNOWN_JOB = "unknown_job"
    OTHER_SOURCE = "other_source"
    TOO_OLD = "too_old"
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Unmatched:
    """An element that belongs to no configured job.

    detail: what the reason is about: the sources that may speak for the job, or what cannot be read.  message: None
    where it could not be read.
    """

    source: str
    received: int
    why: Why
    detail: str = ""
    element: Any
    message: Message | None = None

    @property
    def reason(self) -> str:
        """The reason in words."""
        return in_words(self.why, self.detail)


def in_words(why: Why, detail: str) -> str:
    """What people read of a reason."""
    match why:
        case Why.UNKNOWN_JOB:
            return "no such job is configured"
        case Why.OTHER_SOURCE:
            return f"only {detail} may speak for this job"
        case Why.TOO_OLD:
            return f"its timestamp lies more than {OLDEST // DAY // 365} years back; is the clock of its host right?"
    return detail


@dataclass(frozen=True, slots=True, kw_only=True)
class Intake:
    """What is to be judged, and what is kept aside.  drifting: sources with a message too far ahead of the clock.

    forgotten: names and environments of which what was kept aside before is to go.
    """

    messages: tuple[Message, ...]
    unmatched: tuple[Unmatched, ...]
    drifting: frozenset[str]
    forgotten: tuple[tuple[str, str], ...] = ()


def take_in(jobs: Jobs, source: str, elements: Iterable[Any], received: int, is_known: Callable[[str], bool]) -> Intake:
    """Read what a source delivered at a moment; is_known: whether a uid was taken before."""
    messages: list[Message] = []
    unmatched: list[Unmatched] = []
    names: list[tuple[str, str]] = []
    drifting = False
    fresh: set[str] = set()
    meaning = partial(_meaning, jobs)
    for element in elements:
        uid = uid_of(element)
        if uid:
            if uid in fresh or is_known(uid):
                continue
            fresh.add(uid)
        try:
            name = forgotten(element) if source == OPERATOR else None
            if name is not None:
                names.append(name)
                continue
            message = _understood(jobs, element, source, received, meaning)
        except BadMessage as bad:
            unmatched.append(
                Unmatched(source=source, received=received, why=Why.UNREADABLE, detail=str(bad), element=element)
            )
            continue
        drifting = drifting or message.moment != message.claimed
        found = why_not(jobs, message)
        if found is None:
            messages.append(message)
        else:
            why, detail = found
            unmatched.append(
                Unmatched(source=source, received=received, why=why, detail=detail, element=element, message=message)
            )
    return Intake(
        messages=tuple(messages),
        unmatched=tuple(unmatched),
        drifting=frozenset({source} if drifting else ()),
        forgotten=tuple(names),
    )


def understood(jobs: Jobs, element: Any, *, source: str, received: int) -> Message:
    """The message that an element is, with the job it is of and the word it means, decided here and for good.

    Raises BadMessage with the reason.
    """
    return _understood(jobs, element, source, received, partial(_meaning, jobs))


def _understood(jobs: Jobs, element: Any, source: str, received: int, meaning: Meaning) -> Message:
    if source != OPERATOR:
        return decode(element, source=source, received=received, grace=jobs.grace, meaning=meaning)
    message = decode_word(element, received=received, grace=jobs.grace)
    job = jobs.of(message.name, message.env)
    return message if job is None else replace(message, key=job.key)


def _meaning(
    jobs: Jobs, name: str, env: str, event: str, run: str | None, exit_code: int | None
) -> tuple[str, Signal | None]:
    job = jobs.of(name, env)
    if job is None:
        return "", None
    return job.key, meant(signal_of(event, jobs.keywords), exit_code, run, job.exit_codes)


def why_not(jobs: Jobs, message: Message) -> tuple[Why, str] | None:
    """Why a message is not judged, with what that is about; None if it is."""
    job = jobs.of(message.name, message.env)
    if job is None:
        return Why.UNKNOWN_JOB, ""
    if job.sources and message.source not in job.sources and message.source != OPERATOR:
        return Why.OTHER_SOURCE, ", ".join(job.sources)
    if message.moment < message.received - OLDEST:
        return Why.TOO_OLD, ""
    return None


def uid_of(element: Any) -> str:
    """The uid of a queue's element as its message will have it, empty if it has none that could be one."""
    uid = element.get("uid") if isinstance(element, dict) else None
    return uid_from(encodable(uid)) if isinstance(uid, str) else ""
