"""The summary screen: what a configuration amounts to."""

from pathlib import Path
from typing import Any

from job_tracker.cli.screens.plain import columns
from job_tracker.cli.screens.schedule import next_starts
from job_tracker.cli.screens.suggest import of_ends
from job_tracker.config.reading import Config
from job_tracker.config.settings import SourceHost
from job_tracker.core.board import newcomer
from job_tracker.core.jobs import Job, Kind
from job_tracker.core.schedules.quiet import Quiet
from job_tracker.telling.harmless import safe
from job_tracker.telling.times import hours, local
from job_tracker.view.promises import day_words, promise_words

SHOWN = 50
"""Jobs whose next starts are shown to people; --json has them all."""
THEN = 2
"""Starts that are shown after a job's next one."""


def summary(path: Path, config: Config, now: int) -> dict[str, Any]:
    """What is configured, and what would be expected first if the tracker started now."""
    jobs = list(config.jobs.by_key.values())
    return {
        "config": str(path),
        "jobs": {
            "all": len(jobs),
            **{kind.value: sum(1 for job in jobs if job.kind is kind) for kind in Kind},
        },
        "quiet": sorted({_quiet(rule) for job in jobs if job.windows for rule in job.windows.rules}),
        "sources": [_source(source) for source in config.sources],
        "next": [
            {
                "job": job.key,
                "next_start": moment,
                "zone": job.zone.key,
                "promise": promise_words(job),
                "then": next_starts(job, moment + 1, THEN),
            }
            for moment, job in _soonest(jobs, now)
        ],
        "view_file": str(config.settings.view_file),
        "store_file": str(config.settings.store_file),
        "run_dir": str(config.settings.run_dir),
        "recommendations": [*config.recommendations, *of_ends(config, config.settings.view_file)],
    }


def as_text(found: dict[str, Any]) -> str:
    """A summary for people."""
    jobs, sources = found["jobs"], found["sources"]
    lines = [
        f"{safe(found['config'])} is in order.",
        columns(
            [
                ("jobs", f"{jobs['all']}{_kinds(jobs)}"),
                *[("quiet", f"{window}, when silence of some jobs raises no alarm") for window in found["quiet"]],
                ("sources", ", ".join(f"{each['name']} ({each['where']})" for each in sources) or "none"),
                ("state files", safe(found["run_dir"])),
                ("store", safe(found["store_file"])),
                ("view", safe(found["view_file"])),
            ]
        ),
    ]
    if found["next"]:
        lines += ["", "Expected first, if the tracker started now:"]
        lines += [
            f"  {local(each['next_start'], each['zone']):%Y-%m-%d %H:%M:%S %Z}  {each['job']}: {each['promise']}"
            f"{_then(each)}"
            for each in found["next"][:SHOWN]
        ]
        more = len(found["next"]) - SHOWN
        lines += [f"  and {more} more jobs: job_tracker schedule"] if more > 0 else []
    if found["recommendations"]:
        lines += ["", "Recommended:", *(f"  {safe(each)}" for each in found["recommendations"])]
    return "\n".join(lines)


def _then(found: dict[str, Any]) -> str:
    """The starts after the next one."""
    starts = [f"{local(each, found['zone']):%Y-%m-%d %H:%M %Z}" for each in found["then"]]
    return f"; then {', '.join(starts)}" if starts else ""


def _kinds(jobs: dict[str, int]) -> str:
    kinds = [f"{jobs[kind.value]} {kind.value.replace('_', ' ')}" for kind in Kind if jobs[kind.value]]
    return f": {', '.join(kinds)}" if kinds else ""


def _quiet(rule: Quiet) -> str:
    return hours(rule.begin, rule.end) + day_words(rule.days)


def _source(source: SourceHost) -> dict[str, Any]:
    where = "this host" if source.connection == "local" else safe(f"{source.hostname}:{source.port}")
    return {"name": source.name, "where": where, "message_queue": source.message_queue}


def _soonest(jobs: list[Job], now: int) -> list[tuple[int, Job]]:
    awaited = ((newcomer(job, now).expected, job) for job in jobs)
    known = [(moment, job) for moment, job in awaited if moment is not None]
    return sorted(known, key=lambda each: (each[0], each[1].order))
