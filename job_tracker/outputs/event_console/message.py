"""Event Console: what a notification says, and how send-notification.py is called with it.

Rule: texts come from a template the operator may replace; one that fails costs its wording, never the notification.
Rule: pure; who calls the command, and when, is `courier` and `keeper`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import tzinfo
from typing import Any

from job_tracker.config.notification_template import DEFAULT_TEMPLATE, compiled
from job_tracker.core.jobs import Job
from job_tracker.core.standing import Run, Standing
from job_tracker.core.states import STATUS_WORDS
from job_tracker.core.texts import clock
from job_tracker.moments import MICROSECONDS, clock_text, span

LONGEST_TEXT = 3500
"""Bytes that the Event Console's line has room for."""

MEANWHILE = 40
"""Changes that are told one by one; of older ones only the number."""

RUNS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """One thing that became true; at: microseconds."""

    at: int
    state: str
    status: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Notification:
    """What is to be told of one subject.  facts: all that is told with it, the newest last.

    job, standing: None for a source, and for a job that is not configured any more.  zone: where no job has one.
    """

    subject: str
    application: str
    facts: tuple[Fact, ...]
    forgotten: int
    job: Job | None
    standing: Standing | None
    runs: tuple[Run, ...]
    zone: tzinfo


def message(notification: Notification, template: str) -> str:
    """The text of an event, by the operator's template; raises whatever goes wrong in it."""
    return cut(compiled(template or DEFAULT_TEMPLATE).render(_values(notification)))


def plain(notification: Notification) -> str:
    """The text of an event without any template of the operator's."""
    return message(notification, "")


def arguments(notification: Notification, host: str) -> list[str]:
    """What the command is called with; the text goes to its stdin."""
    newest = notification.facts[-1]
    words = ["event", "-m", "-", "--application", notification.application, "--status", str(newest.status)]
    words += ["--at", str(newest.at // MICROSECONDS)]
    return words + (["--host", host] if host else [])


def cut(text: str) -> str:
    """The text, no longer in UTF-8 than an event may be."""
    data = text.encode("utf-8", "replace")
    if len(data) <= LONGEST_TEXT:
        return data.decode()
    return data[: LONGEST_TEXT - 3].decode("utf-8", "ignore") + "…"


def _values(notification: Notification) -> dict[str, Any]:
    newest, job, standing = notification.facts[-1], notification.job, notification.standing
    zone = notification.zone if job is None else job.zone
    earlier = notification.facts[:-1]
    _, _, reason = newest.text.partition(": ")
    return {
        "subject": notification.subject,
        "application": notification.application,
        "name": "" if job is None else job.name,
        "env": "" if job is None else job.env,
        "state": newest.state,
        "status": newest.status,
        "word": STATUS_WORDS[newest.status],
        "at": _clock(newest.at, zone),
        "since": _clock(newest.at, zone) if job is None or standing is None else clock(job, standing.since),
        "text": newest.text,
        "reason": reason,
        "errors": 0 if standing is None else standing.errors,
        "missed": 0 if standing is None else standing.missed,
        "max_errors": 0 if job is None else job.max_errors,
        "runs": [_run(run, zone) for run in notification.runs],
        "meanwhile": [_fact(fact, zone) for fact in earlier[-MEANWHILE:]],
        "forgotten": notification.forgotten + len(earlier[:-MEANWHILE]),
    }


def _fact(fact: Fact, zone: tzinfo) -> Mapping[str, Any]:
    return {"at": _clock(fact.at, zone), "state": fact.state, "status": fact.status, "text": fact.text}


def _run(run: Run, zone: tzinfo) -> Mapping[str, Any]:
    took = "" if run.begun is None or run.ended is None else span(max(0, run.ended - run.begun))
    return {
        "begun": _clock(run.begun, zone),
        "ended": _clock(run.ended, zone),
        "took": took,
        "outcome": run.outcome.value,
        "errors": run.errors,
        "text": run.text,
        "exit_code": run.exit_code,
    }


def _clock(moment: int | None, zone: tzinfo) -> str:
    return "" if moment is None else clock_text(moment, zone)
