"""Event Console: what a notification says, and how send-notification.py is called with it.

Rule: texts come from a template the operator may replace; one that fails costs its wording, never the notification.
Rule: pure; who calls the command, and when, is `delivery` and `notifying`.

What a template finds, always all of it (times as texts, on the job's own clock, empty where there is none):

    subject, application     name__env, or source_NAME; the event's application, as the service is called
    name, env                of the job, empty for a source
    state, status, word      ERROR, 2, CRIT
    at, since, text, reason  when this became true; since when the state holds; the service's text; its part behind ":"
    errors, missed, max_errors
    runs                     the last ones, newest first: begun, ended, took, outcome, errors, text, exit_code
    meanwhile                what became true before and is told only now, oldest first: at, state, status, text
    forgotten                how many changes before those were let go because too many waited
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from functools import lru_cache
from typing import Any

from jinja2 import StrictUndefined, Template, TemplateError
from jinja2.sandbox import SandboxedEnvironment

from job_tracker.core.jobs import MICROSECONDS, Job
from job_tracker.core.standing import Run, Standing
from job_tracker.core.texts import clock, span

LONGEST_TEXT = 3500
"""Bytes that the Event Console's line has room for."""

MEANWHILE = 40
"""Changes that are told one by one; of older ones only the number."""

RUNS = 3
WORDS = ("OK", "WARN", "CRIT", "UNKNOWN")

DEFAULT_TEMPLATE = """\
{{ text }}
{%- if status and runs %}; last runs:
{%- for run in runs %} {{ run.begun or "(start not seen)" }} {{ run.outcome }}
{%- if run.took %} after {{ run.took }}{% endif %}{{ "" if loop.last else "," }}
{%- endfor %}{% endif %}
{%- if meanwhile or forgotten %}; meanwhile:
{%- if forgotten %} {{ forgotten }} more changes{{ "," if meanwhile else "" }}{% endif %}
{%- for each in meanwhile %} {{ each.at }} {{ each.state }}{{ "" if loop.last else "," }}{% endfor %}
{%- endif %}
"""


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


def check_template(text: str) -> None:
    """Raises ValueError for a template that cannot be read, or fails on one of a few typical notifications."""
    try:
        template = _compiled(text)
        for values in _SAMPLES:
            template.render(values)
    except TemplateError as error:
        line = getattr(error, "lineno", None)
        raise ValueError(f"{f'line {line}: ' if line else ''}{error.message}") from error
    except Exception as error:
        raise ValueError(f"{type(error).__name__}: {error}") from error


def message(notification: Notification, template: str) -> str:
    """The text of an event, by the operator's template; raises whatever goes wrong in it."""
    return cut(_compiled(template or DEFAULT_TEMPLATE).render(_values(notification)))


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


@lru_cache(maxsize=4)
def _compiled(text: str) -> Template:
    return SandboxedEnvironment(undefined=StrictUndefined, autoescape=False).from_string(text)


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
        "word": WORDS[newest.status],
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
    return "" if moment is None else f"{datetime.fromtimestamp(moment // MICROSECONDS, zone):%Y-%m-%d %H:%M:%S}"


_WHEN = "2026-11-23 02:14:07"
_RUN = {"begun": _WHEN, "ended": _WHEN, "took": "00:03:00", "outcome": "badly", "errors": 1, "text": "", "exit_code": 1}
_SAMPLE: Mapping[str, Any] = {
    "subject": "LOAD__P",
    "application": "job_LOAD__P",
    "name": "LOAD",
    "env": "P",
    "state": "ERROR",
    "status": 2,
    "word": "CRIT",
    "at": _WHEN,
    "since": _WHEN,
    "text": f"ERROR since {_WHEN} (1 of 1 errors): ORA-01555",
    "reason": "ORA-01555",
    "errors": 1,
    "missed": 0,
    "max_errors": 1,
    "runs": [_RUN],
    "meanwhile": [],
    "forgotten": 0,
}
_SAMPLES: Sequence[Mapping[str, Any]] = (
    _SAMPLE,
    {**_SAMPLE, "meanwhile": [{"at": _WHEN, "state": "RUNNING", "status": 0, "text": "RUNNING"}], "forgotten": 3},
    {**_SAMPLE, "state": "NOT_RUNNING", "status": 0, "word": "OK", "errors": 0, "reason": "", "runs": []},
    {**_SAMPLE, "subject": "source_app1", "name": "", "env": "", "max_errors": 0, "runs": [], "status": 3},
)
