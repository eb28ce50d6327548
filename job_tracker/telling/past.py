"""Past: a job's runs, and the alarms between them, in the order of their moments, and how each run ended."""

from collections.abc import Sequence
from typing import Any

from job_tracker.core.operator_word import OPERATOR
from job_tracker.telling.jobs import RESULTS

Document = dict[str, Any]

ID_SHOWN = 8
"""Characters of a run's id that tell it from its neighbours; `explain` and --json have the whole."""


def entries(
    runs: Sequence[Document], changes: Sequence[Document], most: int, messages: Sequence[Document] = ()
) -> list[Document]:
    """The last runs, and the changes since the first of them; each with `what`, in the order of their moments.

    messages: the last of the job; what operators said among them stands between.
    """
    shown = list(runs[-most:])
    since = min((_moment(run) for run in shown), default=0) if len(runs) > len(shown) else 0
    lines = [{"what": "run", **run} for run in shown]
    lines += [{"what": kind_of(change), **change} for change in changes if change["at"] >= since]
    words = (message for message in messages if message["source"] == OPERATOR and message["moment"] >= since)
    lines += [{"what": "operator", "at": word["moment"], **word} for word in words]
    return sorted(lines, key=lambda line: (_moment(line), line["what"] != "run"))


def kind_of(change: Document) -> str:
    """What a change was to whoever is called at night."""
    before, after = change["status_from"], change["status_to"]
    if after == 2:
        return "alarm" if before != 2 else "still alarm"
    if after == 3:
        return "cannot tell"
    return "alarm over" if before == 2 else "change"


def result_of(run: Document) -> str:
    """How a run ended, with all that was counted for it."""
    notes = []
    if run["exit_code"]:
        notes.append(f"exit code {run['exit_code']}")
    if run["timeouts"]:
        notes.append("past its timeout" if run["timeouts"] == 1 else f"{run['timeouts']} timeouts")
    if run["begun"] is None:
        notes.append("start not seen")
    if run["id"]:
        notes.append(f"run {run['id'][:ID_SHOWN]}")
    return RESULTS[run["outcome"]] + (f" ({', '.join(notes)})" if notes else "")


def _moment(line: Document) -> int:
    for name in ("at", "begun", "ended"):
        if line.get(name) is not None:
            return int(line[name])
    return 0
