"""Jobs, for programs: the list, one of them, its runs, its changes, its days, and why it is in its state."""

from typing import Any

from starlette.responses import Response

from job_tracker.telling import servers
from job_tracker.telling.explain import explain as sections_of
from job_tracker.view import reading
from job_tracker.view.reading import JobView
from job_tracker.web import written
from job_tracker.web.api.answering import A_PAGE, MOST, answer
from job_tracker.web.board import Row
from job_tracker.web.context import Context
from job_tracker.web.pages.wanted import Wanted
from job_tracker.web.problems import Problem

DAYS = 400


def listed(context: Context) -> Response:
    """The jobs that he sees, in the order of the configuration; filtered, and a part at a time."""
    limit = max(1, context.number("limit", A_PAGE, MOST))
    cursor = context.number("cursor", 0, 1 << 62)
    wanted = Wanted.of(context)
    found = [row for row in context.rows if row.order >= cursor and wanted.fits(row)]
    shown, rest = found[:limit], found[limit:]
    return answer(context, {"jobs": [as_told(row) for row in shown], "next": str(rest[0].order) if rest else None})


def one(context: Context) -> Response:
    """A job, with its promise."""
    found = _view(context)
    return answer(context, {"job": written.told({**found.job, "promise": found.promise})})


def runs(context: Context) -> Response:
    """Its runs, the newest first; `before`: a number."""
    limit = max(1, context.number("limit", A_PAGE, MOST))
    before = context.number("before", 1 << 62, 1 << 62)
    found = [run for run in reversed(_view(context).runs) if run["order"] < before]
    shown, rest = found[:limit], found[limit:]
    return answer(context, {"runs": [_run(run) for run in shown], "next": str(shown[-1]["order"]) if rest else None})


def changes(context: Context) -> Response:
    """What changed that no run tells by itself, the newest first."""
    return answer(context, {"changes": [written.told(each) for each in reversed(_view(context).changes)]})


def days(context: Context) -> Response:
    """What its days came to, the oldest first; and since when they are counted."""
    meta, found = reading.read_days(context.view, str(context.path["key"]), DAYS)
    return answer(context, {"days": written.told(found), "since": written.optional(meta["days_since"])})


def explain(context: Context) -> Response:
    """Why it is in its state, and what would change it, in sentences."""
    found = _view(context)
    by_server = servers.words_of(context.events, found.job) if servers.is_by_server(found.meta, found.job) else ()
    told = sections_of(found.meta, found.job, found.promise, found.messages, context.now, by_server)
    return answer(context, {"sentences": {section.name: list(section.sentences) for section in told}})


def as_told(row: Row) -> dict[str, Any]:
    """A job's line."""
    run = None
    if row.number:
        run = {
            "number": row.number,
            "begin": written.optional(row.begun),
            "end": written.optional(row.ended),
            "outcome": row.outcome,
        }
    moments = {
        name: written.optional(getattr(row, name))
        for name in ("since", "expected", "deadline", "paused_until", "unseen")
    }
    plain = {
        name: getattr(row, name)
        for name in ("key", "name", "env", "group", "state", "status", "text", "errors", "missed", "max_errors", "runs")
    }
    return {
        **plain,
        **moments,
        "deadline_of": row.deadline_of or None,
        "run": run,
        "open_runs": row.open_runs,
        "sources": list(row.sources),
        "zone": row.zone,
    }


def _run(run: dict[str, Any]) -> dict[str, Any]:
    told: dict[str, Any] = written.told(run)
    return {"number": told.pop("order"), "begin": told.pop("begun"), "end": told.pop("ended"), **told}


def _view(context: Context) -> JobView:
    found = reading.read_job(context.view, str(context.path["key"]))
    if found is None:  # a reload took it out at this very moment
        raise Problem(404, "there is no such job, or you may not see it")
    return found
