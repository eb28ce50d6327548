"""A job: why it is as it is, how long it takes, what its year was like, and what it said; and one run of it."""

from typing import Any

from starlette.responses import Response

from job_tracker.moments import MICROSECONDS, MINUTE
from job_tracker.telling import past, servers
from job_tracker.telling.explain import explain
from job_tracker.telling.night.bars import usual
from job_tracker.view import reading
from job_tracker.view.reading import JobView
from job_tracker.web.answers import document, page
from job_tracker.web.context import Context
from job_tracker.web.pages.wording import tone
from job_tracker.web.pages.year import year
from job_tracker.web.problems import Problem

RUNS, CHANGES = 50, 30
AROUND = 60 * MINUTE
"""What of the night a run's page leads to, before and after it."""


def show(context: Context) -> Response:
    """The job's page."""
    found = _found(context)
    job = found.job
    by_server = servers.words_of(context.events, job) if servers.is_by_server(found.meta, job) else ()
    sections = explain(found.meta, job, found.promise, found.messages, context.now, by_server)
    _, days = reading.read_days(context.view, job["job"], 400)
    values: dict[str, Any] = {
        "job": job,
        "promise": found.promise,
        "zone": job["zone"],
        "tone_of_it": tone(job["state"], job["status"], is_paused=job["paused"] is not None),
        "sections": [section for section in sections if section.name != "messages"],
        "runs": found.runs[::-1][:RUNS],
        "changes": [(past.kind_of(each), each) for each in found.changes[::-1][:CHANGES]],
        "messages": found.messages[::-1],
        "usual": usual(found.runs),
        "year": year(days, context.now, job["zone"]),
        "days_since": found.meta["days_since"],
    }
    return page(context, "job.html", here="", **values)


def durations(context: Context) -> Response:
    """How long the last runs took: what the picture of durations is drawn from; seconds."""
    found = _found(context)
    ended = [run for run in found.runs if run["begun"] is not None and run["ended"] is not None]
    takes = usual(found.runs)
    return document(
        {
            "timeout": found.promise["timeout"] / MICROSECONDS,
            "usual": None if takes is None else takes / MICROSECONDS,
            "runs": [
                [
                    run["begun"] / MICROSECONDS,
                    max(0, run["ended"] - run["begun"]) / MICROSECONDS,
                    run["outcome"],
                    run["order"],
                ]
                for run in ended
            ],
        }
    )


def run(context: Context) -> Response:
    """One run's page."""
    found, number = _found(context), int(context.path["number"])
    every = {each["order"]: each for each in (*found.job["open_runs"], *found.runs)}
    if number not in every:
        raise Problem(404, "this run is not kept, or there was none of this number")
    shown = every[number]
    begin = shown["ended"] if shown["begun"] is None else shown["begun"]
    end = context.now if shown["ended"] is None else shown["ended"]
    orders = sorted(every)
    values = {
        "job": found.job,
        "run": shown,
        "zone": found.job["zone"],
        "usual": usual(found.runs),
        "messages": [each for each in found.messages if shown["id"] and each["run"] == shown["id"]],
        "before": max((order for order in orders if order < number), default=None),
        "after": min((order for order in orders if order > number), default=None),
        "night_from": (begin - AROUND) // MICROSECONDS,
        "night_to": (end + AROUND) // MICROSECONDS,
    }
    return page(context, "run.html", here="", **values)


def _found(context: Context) -> JobView:
    found = reading.read_job(context.view, context.path["key"])
    if found is None:
        raise Problem(404, "there is no such job, or you may not see it")
    return found
