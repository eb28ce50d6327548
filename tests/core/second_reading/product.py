"""The core as a black box: a case judged by a replay, and what it told in the model's words."""

import json
from typing import Any

from job_tracker.config.reading import parse
from job_tracker.errors import ConfigError
from job_tracker.replay.recording import read
from job_tracker.replay.replay import Replay
from second_reading.cases import SECOND, Case


class Refused(Exception):
    """The configuration has faults."""


def product(case: Case) -> dict[str, list[tuple[Any, ...]]]:
    """Replay a case; for each job its changes and what it shows at the end."""
    try:
        jobs = parse(json.dumps(case.config), name="case").jobs
    except ConfigError as error:
        raise Refused(str(error)) from error
    recording = read((json.dumps(line) for line in case.recording), jobs)
    if recording.faults:
        raise Refused(str(recording.faults))
    begin = None if case.begin is None else round(case.begin * SECOND)
    replay = Replay(jobs, recording, begin=begin, until=round(case.until * SECOND))
    told: dict[str, list[tuple[Any, ...]]] = {}
    for change in replay.changes():
        after = change.after
        told.setdefault(change.job.key, []).append((change.at, *_shown(after)))
    for key, final in replay.final().items():
        told.setdefault(key, []).append(("final", *_shown(final)))
    return told


def _shown(shown: Any) -> tuple[Any, ...]:
    state = "NEVER_RAN" if shown.state.value == "UNKNOWN" and shown.status == 0 else shown.state.value
    return state, shown.status, shown.errors, shown.missed
