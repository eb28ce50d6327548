"""The timeline screen: what a replay finds, as it finds it."""

import json
from collections.abc import Mapping

from job_tracker.cli.screens.plain import STYLES, Table, cell
from job_tracker.core.record import Change
from job_tracker.core.states import Shown
from job_tracker.core.texts import describe
from job_tracker.moments import MICROSECONDS
from job_tracker.telling.harmless import safe
from job_tracker.telling.times import STATUS_WORDS, local


def change_as_json(change: Change) -> str:
    """One change on a line."""
    after = change.after
    return json.dumps(
        {
            "at": change.at / MICROSECONDS,
            "job": change.job.key,
            "from": change.before.state.value,
            "to": after.state.value,
            "status": after.status,
            "errors": after.errors,
            "missed": after.missed,
            "text": describe(change.job, change.standing),
        }
    )


def final_as_json(final: Mapping[str, Shown]) -> str:
    """What every job shows at the end, on a line."""
    jobs = {
        key: {"state": shown.state.value, "status": shown.status, "errors": shown.errors, "missed": shown.missed}
        for key, shown in final.items()
    }
    return json.dumps({"final": jobs})


def change_as_text(change: Change, width: int) -> str:
    """One change, in the job's time zone; width: of the longest job's name."""
    before, after, zone = change.before.state.value, change.after, change.job.zone.key
    states = f"{before} to {after.state.value}" if before != after.state.value else f"still {before}"
    return (
        f"{local(change.at, zone):%Y-%m-%d %H:%M:%S %Z}  {change.job.key:<{width}}  {STATUS_WORDS[after.status]:<7}  "
        f"{states:<26}  {safe(describe(change.job, change.standing))}"
    )


def final_table(final: Mapping[str, Shown]) -> Table:
    """What every job shows at the end."""
    return Table(
        headings=("JOB", "STATE", "STATUS", "ERRORS", "MISSED"),
        rows=[
            [
                cell(key),
                cell(shown.state.value, STYLES[shown.status]),
                cell(STATUS_WORDS[shown.status], STYLES[shown.status]),
                cell(shown.errors),
                cell(shown.missed),
            ]
            for key, shown in final.items()
        ],
        narrow=frozenset({"JOB"}),
        right=frozenset({"ERRORS", "MISSED"}),
    )
