"""Lanes: all that a window shows of one job.

Rule: nothing is judged here: what was missed is read from the changes that were found, what is awaited from the view,
and when a start is expected is asked of the core.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from job_tracker.core.schedules.quiet import Windows, move_expected
from job_tracker.core.schedules.starts import Starts
from job_tracker.moments import DAY
from job_tracker.telling.night.bars import bars, usual
from job_tracker.telling.night.window import Span, Window, seconds, spans_in_seconds, united
from job_tracker.view.promises import schedule_of

Document = dict[str, Any]

CLOSE = 5
"""Pixels between expected starts below which they are one stretch."""
MOST = 120
"""Expected starts shown one by one of a job."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """What is known of a job: its two documents, its runs and changes in order, and its pauses (begin, end, text)."""

    job: Document
    promise: Document
    runs: Sequence[Document] = ()
    changes: Sequence[Document] = ()
    pauses: Sequence[tuple[int, int, str]] = ()


def lane(past: Past, window: Window, unseen: Sequence[Span]) -> Document:
    """A job over a window; unseen: when it could not be seen."""
    job, promise = past.job, past.promise
    starts, windows = schedule_of(promise)
    missed = _missed(past.changes)
    found: Document = {
        "job": job["job"],
        "group": promise["group"] or ", ".join(job["sources"][:2]),
        "state": job["state"],
        "status": job["status"],
        "bars": bars(past.runs, window),
        "known_since": seconds(_known_since(past)),
        "usual": seconds(usual(past.runs)),
    }
    further: Mapping[str, list[Any]] = {
        "expected": list(_expected(past, starts, windows, window, missed)),
        "forecast": spans_in_seconds(_forecast(past, starts, window)),
        "missed": [seconds(at) for at in missed if window.begin <= at < window.end],
        "quiet": spans_in_seconds(_quiet(windows, window)),
        "paused": list(_paused(past, window)),
        "unseen": spans_in_seconds(unseen),
    }
    return {**found, **{name: value for name, value in further.items() if value}}


def _missed(changes: Iterable[Document]) -> list[int]:
    """The deadlines at which a start was found missed."""
    found, before = [], 0
    for change in changes:
        if change["missed"] > before:
            found.append(change["at"])
        before = change["missed"]
    return found


def _expected(
    past: Past, starts: Starts | None, windows: Windows | None, window: Window, missed: Sequence[int]
) -> Iterator[Document]:
    """Expected starts: [start, latest allowed, deadline] and what became of each."""
    job, promise = past.job, past.promise
    delay, grace = promise["max_delay"], promise["grace"]
    if starts is None:
        if job["expected"] is not None and job["expected"] < window.end:
            deadline = job["deadline"] if job["deadline_of"] == "missed start" else job["expected"] + delay + grace
            yield _start(job["expected"], delay, deadline, "awaited")
        return
    moments = list(_between(starts, max(window.begin - delay - grace, job["known_since"]), window.end))
    is_dense = len(moments) > MOST or (
        len(moments) > 1 and (moments[-1] - moments[0]) // (len(moments) - 1) < CLOSE * window.pixel
    )
    if is_dense:
        for begin, end in united(((each, each + max(delay, window.pixel)) for each in moments), CLOSE * window.pixel):
            count = sum(1 for each in moments if begin <= each < end)
            yield {"start": seconds(begin), "latest": seconds(end), "what": "many", "count": count}
        return
    begun = (run["ended"] if run["begun"] is None else run["begun"] for run in past.runs)
    since = moments[0] - starts.max_early if moments else window.end
    made = {starts.made_by(at) for at in begun if at is not None and at >= since}
    awaited = job["expected"]
    for moment in moments:
        deadline = move_expected(windows, starts, moment, delay, grace)
        if moment in made:
            what = "made"
        elif deadline in missed:
            what = "missed"
        else:
            what = "awaited" if moment > window.now or moment == awaited else "passed"
        yield _start(moment, delay, deadline, what)


def _start(moment: int, delay: int, deadline: int, what: str) -> Document:
    return {"start": seconds(moment), "latest": seconds(moment + delay), "deadline": seconds(deadline), "what": what}


def _between(starts: Starts, begin: int, end: int, most: int = 2000) -> Iterator[int]:
    following = starts.next_at_or_after(begin)
    while following is not None and following < end and most > 0:
        yield following
        most -= 1
        following = starts.next_at_or_after(following + 1)


def _forecast(past: Past, starts: Starts | None, window: Window) -> Iterator[Span]:
    """How long the open run, and those to come, will take, if they take as long as usual."""
    takes, job = usual(past.runs), past.job
    if takes is None:
        return
    for run in past.runs:
        if run["outcome"] == "open" and run["begun"] is not None and run["begun"] + takes > window.now:
            yield max(window.now, run["begun"]), run["begun"] + takes
    interval = past.promise["interval"]
    if job["expected"] is None or job["paused"]:
        return
    if starts is not None:
        moments: Iterable[int] = _between(starts, max(job["expected"], window.now), window.end, MOST)
    elif interval:
        first = max(job["expected"], window.now)
        step = interval + takes if past.promise["counts_from"] == "end" else interval
        count = min(MOST, max(0, window.end - first) // step + 1)
        moments = (first + at * step for at in range(count))
    else:
        moments = ()
    yield from united((each, each + max(takes, window.pixel)) for each in moments if window.cut(each, each + takes + 1))


def _quiet(windows: Windows | None, window: Window) -> list[Span]:
    if windows is None:
        return []
    days = range(window.begin // DAY, window.end // DAY + 1)
    cut = (window.cut(*each) for day in days for each in windows.around(day))
    return united(each for each in cut if each is not None)


def _paused(past: Past, window: Window) -> Iterator[Document]:
    lasting = past.job["paused"]
    pauses = list(past.pauses)
    if lasting and all(begin != lasting["since"] for begin, _, _ in pauses):
        pauses.append((lasting["since"], lasting["ends"], lasting["text"]))
    for begin, end, text in pauses:
        cut = window.cut(begin, end)
        if cut is not None:
            yield {"begin": seconds(cut[0]), "end": seconds(cut[1]), "text": text}


def _known_since(past: Past) -> int:
    """From when on all runs of it are here: those before the oldest that is kept are not, if there were any."""
    known: int = past.job["known_since"]
    if not past.runs:
        return known
    oldest = past.runs[0]
    begin: int = oldest["begun"] if oldest["begun"] is not None else oldest["ended"]
    return begin if oldest["order"] > 1 else min(known, begin)
