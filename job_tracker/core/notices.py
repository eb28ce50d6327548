"""Notices: which changes are worth waking somebody for, and what somebody is told of them.

Rule: an alarm that was over before anybody could have been told of it stays in the history and is not notified.
Rule: what is to be told follows from what was told last, so nothing that was told once stays uncorrected, whatever
happens to the configuration meanwhile.
Rule: a job of which nothing can be told because its source is unreachable says nothing; its source does, once.
Rule: a pause is told once, and so is its end, also of a job that was well before and is well after it.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from job_tracker.core.board import Board
from job_tracker.core.jobs import Job, Jobs
from job_tracker.core.record import Change
from job_tracker.core.sight import owners
from job_tracker.core.standing import Standing
from job_tracker.core.states import OK, UNSEEN, State
from job_tracker.core.texts import clock, describe
from job_tracker.core.verdicts import is_silenced, shown, status_of

LISTED = 2_800
"""Characters that the names of a source's jobs may take in its notice."""

Told = tuple[str, int]
"""A state and a status; a subject that nothing is known of was told, or need not be told, that all is well."""

PAUSED = "PAUSED"
"""What is told of a job while somebody has paused it, whatever it does meanwhile."""

WELL: Told = ("", OK)
REACHABLE = "REACHABLE"
"""What is told of a source when none of its jobs is UNKNOWN any more; while one is, it is told to be UNKNOWN."""

HIDDEN = "OK"
"""What is told of it when those that would be are paused: it may be as far away as ever."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """What somebody is to be told.  subject: a job's key, or a source's behind `source_`, which no job's key can be.

    at: microseconds, when it became true.
    """

    subject: str
    at: int
    state: str
    status: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Notices:
    """What to tell, what will have been told then, and the source by which each UNKNOWN job is not seen."""

    notices: tuple[Notice, ...]
    told: Mapping[str, Told]
    unseen: Mapping[str, str]


def notices(
    changes: Iterable[Change],
    touched: Iterable[str],
    board: Board,
    jobs: Jobs,
    told: Mapping[str, Told],
    unseen: Mapping[str, str],
) -> Notices:
    """What one step gives cause to tell; board: after it.  unseen: as it was before; told: of subjects not well.

    touched: jobs that the step wrote; one that stays UNKNOWN may now be unseen because of another source.
    """
    found: list[Notice] = []
    last = {change.job.key: change for change in changes}
    seen_by = dict(unseen)
    moments = {key: change.at for key, change in last.items()}
    for key in touched:
        hidden = board.standing(jobs.by_key[key]).unseen if key in unseen and key not in last else None
        if hidden is not None and hidden.source != unseen[key]:
            seen_by[key], moments[key] = hidden.source, hidden.since
        elif key not in last and _is_paused(board.standing(jobs.by_key[key])) != _is_told_paused(told, key):
            found.extend(_of_job(jobs.by_key[key], board.standing(jobs.by_key[key]), 0, told))
    for key, change in last.items():
        job, standing = change.job, change.standing
        now = board.standing(job)  # a pause may have begun or ended since, which is no change if it changed no status
        found.extend(_of_job(job, now if _is_paused(now) != _is_paused(standing) else standing, change.at, told))
        if change.after.status == UNSEEN and standing.unseen is not None:
            seen_by[key] = standing.unseen.source
        else:
            seen_by.pop(key, None)
    for source in sorted({each[key] for key in moments for each in (unseen, seen_by) if key in each}):
        concerned = [key for key in moments if source in (unseen.get(key), seen_by.get(key))]
        at = max(moments[key] for key in concerned)
        found.extend(_of_source(source, seen_by, board, jobs, at, jobs.by_key[concerned[0]], told))
    return _gathered(found, seen_by)


def present(board: Board, jobs: Jobs, told: Mapping[str, Told], now: int) -> Notices:
    """What is to be told where nothing but the configuration, or the wish to be told, has changed."""
    found: list[Notice] = []
    unseen = {}
    for key, job in jobs.by_key.items():
        standing = board.standing(job)
        found.extend(_of_job(job, standing, standing.since, told))
        if standing.unseen is not None and shown(job, standing).status == UNSEEN:
            unseen[key] = standing.unseen.source
    for source in sorted(set(unseen.values())):
        first = next(jobs.by_key[key] for key, by in unseen.items() if by == source)
        found.extend(_of_source(source, unseen, board, jobs, now, first, told))
    open_sources = {subject_of(source) for source in unseen.values()}
    for subject in told:
        if subject not in jobs.by_key and subject not in open_sources:
            text = "nothing is told of it any more: it is not configured, or can be seen again"
            found.append(Notice(subject=subject, at=now, state="GONE", status=OK, text=text))
    return _gathered(found, unseen)


def subject_of(source: str) -> str:
    """The subject that a source is in notices, as it is in service names."""
    return f"source_{source}"


def is_kept(told: Told) -> bool:
    """Whether it is remembered that a subject was told so: what is well now need not be told that it is."""
    return told[1] != OK or told[0] == PAUSED


def _is_news(told: Mapping[str, Told], subject: str, state: str, status: int) -> bool:
    before = told.get(subject, WELL)
    return before[1] != status or (before[0] != state and is_kept((state, status))) or before[0] == PAUSED != state


def _is_paused(standing: Standing) -> bool:
    return standing.pause is not None and is_silenced(standing)


def _is_told_paused(told: Mapping[str, Told], key: str) -> bool:
    return told.get(key, WELL)[0] == PAUSED


def _of_job(job: Job, standing: Standing, at: int, told: Mapping[str, Told]) -> Iterator[Notice]:
    """What is known of a job, whether or not it can be seen now; the text says if it cannot."""
    state, status, text = standing.state.value, status_of(job, standing), describe(job, standing)
    if standing.pause is not None and is_silenced(standing):
        state, at = PAUSED, standing.pause.begin
    elif _is_told_paused(told, job.key):
        at, text = max(at, standing.judged or 0), f"{text}; the pause is over"
    if _is_news(told, job.key, state, status):
        yield Notice(subject=job.key, at=at, state=state, status=status, text=text)


def _of_source(
    source: str, unseen: Mapping[str, str], board: Board, jobs: Jobs, at: int, first: Job, told: Mapping[str, Told]
) -> Iterator[Notice]:
    """All jobs of the source are listed at once: those that follow into UNKNOWN are not told one by one."""
    dark = [key for key, by in unseen.items() if by == source]
    state, status = (State.UNKNOWN.value, UNSEEN) if dark else (REACHABLE, OK)
    subject = subject_of(source)
    if not _is_news(told, subject, state, status):
        return
    if dark:
        text = _text_of_dark(source, dark, board, jobs, at, first)
    elif _is_paused(board.standing(first)):
        state = HIDDEN
        text = f"OK since {clock(first, at)}: all jobs of {source} that cannot be seen are paused"
    else:
        at = max(at, board.drained.get(source, 0))  # a verdict keeps its own moment, which may lie in the outage
        text = f"REACHABLE since {clock(first, at)}: the jobs of {source} can be judged again"
    yield Notice(subject=subject, at=at, state=state, status=status, text=text)


def _text_of_dark(source: str, dark: list[str], board: Board, jobs: Jobs, at: int, first: Job) -> str:
    unseen = board.standing(jobs.by_key[dark[0]]).unseen
    since = clock(first, at if unseen is None else unseen.unheard_since)
    listed = set(dark)
    others = [key for key, job in jobs.by_key.items() if key not in listed and _belongs(job, board, jobs, source)]
    count = f"{len(dark)} of its {len(dark) + len(others)} jobs"
    text = f"UNKNOWN since {clock(first, at)}: {source} unreachable since {since}, cannot tell about {count}"
    following = f"; as soon as something is due also: {_listed(others)}" if others else ""
    return f"{text}: {_listed(dark)}{following}"


def _belongs(job: Job, board: Board, jobs: Jobs, source: str) -> bool:
    return source in owners(job, board.standing(job), jobs)


def _listed(keys: list[str]) -> str:
    """Names, as many as there is room for."""
    shown_, room = 0, LISTED // 2
    for key in keys:
        room -= len(key) + 2
        if room < 0:
            break
        shown_ += 1
    more = f" and {len(keys) - shown_} more" if shown_ < len(keys) else ""
    return ", ".join(keys[:shown_]) + more


def _gathered(found: list[Notice], unseen: Mapping[str, str]) -> Notices:
    told = {notice.subject: (notice.state, notice.status) for notice in found}
    return Notices(notices=tuple(found), told=told, unseen=unseen)


def worth_telling(changes: Iterable[Change]) -> list[Change]:
    """Of what one step found, per job the last change, if status, or state while not OK, differ from before."""
    first: dict[str, Change] = {}
    last: dict[str, Change] = {}
    for change in changes:
        first.setdefault(change.job.key, change)
        last[change.job.key] = change
    return [change for key, change in last.items() if _differs(first[key], change)]


def _differs(first: Change, last: Change) -> bool:
    before, after = first.before, last.after
    return before.status != after.status or (after.status != OK and before.state is not after.state)
