"""Documents: what the command line is shown of jobs, as JSON.

Rule: pure; moments and durations are whole microseconds, and a job's document names the zone to show them in.
Rule: a message costs a small document and rows of its own, never a job's history.

The view's tables, by their keys (a job's key holds no blank):

    jobs       "<job>"             what it shows now, its newest run, what is awaited; rewritten when it is touched
    promises   "<job>"             what was promised; written when the configuration is read
    runs       "<job> <order>"     one run
    changes    "<job> <number>"    one change of state or status that no run tells by itself
    days       "<job> <month>"     by date, an array of what that day came to; `core.tallies.DAY` names its places
    spans      "<begin> <source>"  since when a source was in contact, or nobody looked
    messages   "<job> <slot>"      one of the last messages; the slots are a ring
    unmatched  "<number>"          one name that belongs to no configured job
    outbox     "<number>"          one subject of which notifications wait to be delivered
    meta       "meta"              who wrote all this, when, and how its sources stand
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median_low as median
from typing import Any

from job_tracker.core.board import Watermarks
from job_tracker.core.jobs import Job, Jobs
from job_tracker.core.messages import Message
from job_tracker.core.operator_word import OPERATOR
from job_tracker.core.record import Change, Record
from job_tracker.core.sight import owners
from job_tracker.core.standing import Outcome, Rank, Run, Standing
from job_tracker.core.states import OK, State
from job_tracker.core.texts import describe
from job_tracker.core.verdicts import shown
from job_tracker.ports import Report
from job_tracker.view.promises import promise_document

LAYOUT = 3
"""Of the view; a reader that knows another one says so."""

MESSAGES = 10
"""Last messages kept of a job."""

Document = dict[str, Any]

ROUTINE = frozenset({State.RUNNING.value, State.NOT_RUNNING.value})


@dataclass(frozen=True, slots=True, kw_only=True)
class Publication:
    """What is new since the last one.

    rewound: by job, the number of runs and the serial behind which everything is replaced by what is here.
    outdated: runs that the history no longer has room for, or that nothing keeps beyond it any more.
    unmatched: all rows, the latest first; None if they are as they were.  outbox: the same of what is to be delivered.
    days: by job and month, as JSON.  spans: those that were added.
    """

    meta: Document
    jobs: tuple[Document, ...] = ()
    rewound: tuple[tuple[str, int, int], ...] = ()
    runs: tuple[tuple[str, Run], ...] = ()
    outdated: tuple[tuple[str, int], ...] = ()
    changes: tuple[tuple[str, Document], ...] = ()
    messages: tuple[tuple[str, Message], ...] = ()
    unmatched: tuple[Document, ...] | None = None
    outbox: tuple[Document, ...] | None = None
    days: Mapping[tuple[str, str], str] = field(default_factory=dict)
    spans: tuple[Document, ...] = ()


def publication(
    jobs: Jobs,
    records: Mapping[str, Record],
    *,
    meta: Document,
    now: int,
    unmatched: Iterable[Document] | None = None,
    outbox: Iterable[Document] | None = None,
    days: Mapping[tuple[str, str], str] | None = None,
    spans: Iterable[Document] = (),
) -> Publication:
    """What a step did, for the view."""
    runs: list[tuple[str, Run]] = []
    outdated: list[tuple[str, int]] = []
    changes: list[tuple[str, Document]] = []
    messages: list[tuple[str, Message]] = []
    for key, record in records.items():
        _sort_runs(key, record, jobs.history, runs, outdated)
        if record.changes:
            telling = (change for change in record.changes if _tells_something(change))
            changes.extend((key, change_document(change, now)) for change in telling)
        messages.extend((key, message) for message in record.messages[-MESSAGES:])
    return Publication(
        meta=meta,
        jobs=tuple(job_document(jobs, jobs.by_key[key], record.standing) for key, record in records.items()),
        rewound=tuple(
            (key, record.rewound.count, record.rewound.serial)
            for key, record in records.items()
            if record.rewound is not None
        ),
        runs=tuple(runs),
        outdated=tuple(outdated),
        changes=tuple(changes),
        messages=tuple(messages),
        unmatched=None if unmatched is None else tuple(unmatched),
        outbox=None if outbox is None else tuple(outbox),
        days=days or {},
        spans=tuple(spans),
    )


def whole_document(jobs: Jobs, job: Job, standing: Standing) -> Document:
    """A job's document, its promise included, for a view that is built anew."""
    return {**job_document(jobs, job, standing), "promise": promise_document(job)}


def job_document(jobs: Jobs, job: Job, standing: Standing) -> Document:
    """What a job shows now, and what it waits for."""
    state, status, errors, missed = shown(job, standing)
    newest, deadline, unseen = standing.newest, standing.deadline, standing.unseen
    return {
        "job": job.key,
        "state": state.value,
        "status": status,
        "since": standing.since if unseen is None or state is standing.state else unseen.since,
        "errors": errors,
        "missed": missed,
        "max_errors": job.max_errors,
        "text": describe(job, standing),
        "known_state": standing.state.value,
        "known_since": standing.known_since,
        "promised_since": standing.promised_since,
        "runs": standing.count,
        "last_run": None if newest is None else run_document(newest),
        "open_runs": [run_document(run) for run in standing.runs if run.outcome is Outcome.OPEN and run is not newest],
        "counted": [[run.order, run.errors] for run in standing.runs if run.errors],
        "expected": standing.expected,
        "deadline": None if deadline is None else deadline.moment,
        "deadline_of": None if deadline is None else _RANKS[deadline.rank],
        "moved_by_quiet_window": _moved(job, standing),
        "sources": owners(job, standing, jobs),
        "unseen": unseen
        and {
            "since": unseen.since,
            "deadline": unseen.deadline,
            "source": unseen.source,
            "unheard_since": unseen.unheard_since,
        },
        "paused": standing.pause
        and {"since": standing.pause.begin, "ends": standing.pause.end, "text": standing.pause.text},
        "zone": job.zone.key,
    }


def run_document(run: Run) -> Document:
    """One run."""
    return {
        "order": run.order,
        "id": run.id,
        "begun": run.begun,
        "ended": run.ended,
        "outcome": run.outcome.value,
        "errors": run.errors,
        "timeouts": run.timeouts,
        "timeout_at": run.timeout_at,
        "exit_code": run.exit_code,
        "is_out_of_order": run.is_out_of_order,
        "usage": None if run.usage is None else dict(run.usage),
        "text": run.text,
    }


def message_document(message: Message) -> Document:
    """One message, as far as it explains a verdict."""
    return {
        "moment": message.moment,
        "received": message.received,
        "claimed": message.claimed,
        "source": message.source,
        "number": message.number,
        "exit_code": message.exit_code,
        "means": None if message.signal is None else message.signal.value,
        "event": message.event,
        "run": message.run,
        "text": message.text,
        "ends": message.until,
    }


def change_document(change: Change, found: int) -> Document:
    """One change, as the ledger gives those it has kept."""
    before, after = change.before, change.after
    return {
        "at": change.at,
        "found": found,
        "state_from": before.state.value,
        "status_from": before.status,
        "state_to": after.state.value,
        "status_to": after.status,
        "errors": after.errors,
        "missed": after.missed,
        "text": describe(change.job, change.standing),
        "serial": change.standing.serial,
    }


def tells_something(change: Document) -> bool:
    """Whether a change says more than its run does: an alarm, the end of one, or a state worth a look."""
    return _tells(change["state_from"], change["status_from"], change["state_to"], change["status_to"])


def meta_document(
    *,
    now: int,
    started: int,
    stopped: int | None = None,
    pid: int,
    version: str,
    interval: int,
    store: str,
    history: int,
    jobs: int,
    zone: str,
    words: Sequence[str],
    control: str,
    watermarks: Watermarks,
    reports: Mapping[str, Report],
    days_since: int | None = None,
) -> Document:
    """Who writes the view, when, and how its sources stand; interval: microseconds between two cycles at most.

    days_since: when statistics of days began to be whole, None where there are none.
    history: runs and changes shown of each job.  zone: the configuration's.  words: the events that mean something.
    control: the queue in which operators speak, which is no source host's.
    """
    return {
        "layout": LAYOUT,
        "written": now,
        "started": started,
        "stopped": stopped,
        "pid": pid,
        "version": version,
        "interval": interval,
        "store": store,
        "history": history,
        "days_since": days_since,
        "jobs": jobs,
        "zone": zone,
        "words": list(words),
        "sources": {
            name: {
                "drained": watermark.drained,
                "lags_from": watermark.lags_from,
                **(report_document(reports[name]) if name in reports else {}),
            }
            for name, watermark in watermarks.items()
        },
        "operator": {"queue": control, **(report_document(reports[OPERATOR]) if OPERATOR in reports else {})},
    }


def report_document(report: Report) -> Document:
    """How a source stands."""
    return {
        "contact": report.contact.value,
        "since": report.since,
        "text": report.text,
        "clock_offset": report.clock_offset,
        "latency": report.latency,
        "latency_median": median(report.latencies) if report.latencies else None,
        "latency_worst": max(report.latencies, default=None),
        "depth": report.depth,
        "messages": report.messages,
        "bytes": report.size,
        "last_message": report.last_message,
        "notice": report.notice,
        "path": report.path,
        "differs": report.differs,
        "about": report.about,
    }


_RANKS = {Rank.PAUSE_OVER: "end of a pause", Rank.TIMEOUT: "timeout", Rank.MISSED_START: "missed start"}


def _sort_runs(
    key: str, record: Record, history: int, runs: list[tuple[str, Run]], outdated: list[tuple[str, int]]
) -> None:
    """Each new run pushes one out; a run that still matters stays until it no longer does."""
    standing = record.standing
    oldest = standing.count - history
    matter = (run for run in standing.runs if run.outcome is Outcome.OPEN or run.errors > 0)
    kept = {run.order for run in matter} if oldest > 0 else ()
    for order, run in record.runs.items():
        if order > oldest or order in kept:
            runs.append((key, run))
        else:
            outdated.append((key, order))
        if order > history and order - history not in kept:
            outdated.append((key, order - history))


def _moved(job: Job, standing: Standing) -> list[int] | None:
    """The quiet window that moved the next deadline; [begin, end), None if none did.

    A later deadline of a row counts from the moved one before it, so only a first one is asked.
    """
    deadline = standing.deadline
    if deadline is None or job.windows is None:
        return None
    unmoved = None
    if deadline.rank is Rank.MISSED_START and not standing.missed and standing.expected is not None:
        unmoved = standing.expected + job.max_delay + job.grace
    for run in standing.runs if deadline.rank is Rank.TIMEOUT else ():
        if run.order == deadline.run and not run.timeouts and run.begun is not None:
            unmoved = run.begun + job.timeout + job.grace
    window = None if unmoved is None or unmoved == deadline.moment else job.windows.window_at(unmoved)
    return None if window is None else list(window)


def _tells_something(change: Change) -> bool:
    before, after = change.before, change.after
    return _tells(before.state.value, before.status, after.state.value, after.status)


def _tells(state_from: str, status_from: int, state_to: str, status_to: int) -> bool:
    return status_from != OK or status_to != OK or state_from not in ROUTINE or state_to not in ROUTINE
