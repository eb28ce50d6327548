"""Metrics, as OpenMetrics has them: what a Prometheus that somebody already has wants to know of each job."""

from collections.abc import Callable, Iterator

from starlette.responses import Response

from job_tracker.core.states import State
from job_tracker.moments import MICROSECONDS
from job_tracker.web.board import Row
from job_tracker.web.context import Context

KIND = "application/openmetrics-text; version=1.0.0; charset=utf-8"


def metrics(context: Context) -> Response:
    """All jobs, a line for each and each figure; job names hold nothing that would have to be escaped."""
    return Response("\n".join([*_lines(context), "# EOF", ""]), headers={"content-type": KIND})


def _lines(context: Context) -> Iterator[str]:
    rows, now = list(context.board.rows.values()), context.now
    yield from _head("job_tracker_up", "whether the tracker reports")
    yield f"job_tracker_up {int(context.stale_since is None)}"
    written = context.board.meta.get("written")
    if written is not None:
        yield from _head("job_tracker_age_seconds", "how old what it reported last is", unit="seconds")
        yield f"job_tracker_age_seconds {max(0, now - written) / MICROSECONDS}"
    yield from _head("job_tracker_jobs", "jobs by state")
    for state in State:
        yield f'job_tracker_jobs{{state="{state.value}"}} {sum(row.state == state.value for row in rows)}'
    for name, (text, unit, figure) in _FIGURES.items():
        yield from _head(name, text, unit=unit)
        for row in rows:
            value = figure(row, now)
            if value is not None:
                yield f'{name}{{job="{row.key}"}} {value}'


def _head(name: str, text: str, unit: str = "") -> Iterator[str]:
    yield f"# TYPE {name} gauge"
    if unit:
        yield f"# UNIT {name} {unit}"
    yield f"# HELP {name} {text}"


def _seconds(duration: int) -> float:
    return duration / MICROSECONDS


def _duration(row: Row, now: int) -> float | None:
    return None if row.begun is None else _seconds((row.ended or max(now, row.begun)) - row.begun)


def _late(row: Row, now: int) -> float | None:
    return None if row.expected is None else _seconds(max(0, now - row.expected))


def _success(row: Row, _: int) -> float | None:
    return _seconds(row.ended) if row.outcome == "well" and row.ended is not None else None


_FIGURES: dict[str, tuple[str, str, Callable[[Row, int], float | int | None]]] = {
    "job_tracker_job_status": ("0 OK, 1 WARN, 2 CRIT, 3 UNKNOWN", "", lambda row, _: row.status),
    "job_tracker_job_errors": ("errors that count", "", lambda row, _: row.errors),
    "job_tracker_job_missed": ("starts that were missed", "", lambda row, _: row.missed),
    "job_tracker_job_running": ("runs that are open", "", lambda row, _: row.open_runs),
    "job_tracker_job_paused": ("whether it is paused", "", lambda row, _: int(row.paused_until is not None)),
    "job_tracker_job_duration_seconds": ("how long its run took, or takes", "seconds", _duration),
    "job_tracker_job_late_seconds": ("how long an expected start is overdue", "seconds", _late),
    "job_tracker_job_last_success_timestamp_seconds": ("when its run ended well", "seconds", _success),
}
