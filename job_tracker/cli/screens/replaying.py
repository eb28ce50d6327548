"""Replaying: fetches a recording, judges it, and shows the changes as they are found."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from job_tracker.cli.screens import events as told
from job_tracker.cli.screens import output, progress, timeline
from job_tracker.cli.screens.timeline import change_as_text as as_text
from job_tracker.config import reading as config
from job_tracker.errors import ReplayError
from job_tracker.replay.recording import Recording, read
from job_tracker.replay.replay import Replay
from job_tracker.telling.harmless import safe
from job_tracker.telling.times import moment

STDIN = "-"


def show(path: Path, messages: str, begin: str | None, until: str | None, *, json: bool, events: bool = False) -> None:
    """Judge the recording in a file by the configuration in another; events: what would have been told of it."""
    settled = config.load(path)
    zone = settled.settings.time_zone
    first, last = moment("--from", begin, zone), moment("--until", until, zone)
    with _opened(messages) as lines, progress.shown("lines read") as tell:
        recording = read(lines, settled.jobs, tell)
    _complain(messages, recording)
    width = max(map(len, settled.jobs.by_key), default=0)
    judged = f"of {recording.count:,} messages judged"
    with progress.shown(judged, beside_the_answer=True) as tell:
        replay = Replay(settled.jobs, recording, begin=first, until=last, progress=tell, tells=events)
        if events:
            output.put_lines(map(told.as_json if json else told.as_text, replay.events()))
        found = iter(()) if events else replay.changes()
        output.put_lines(map(timeline.change_as_json, found) if json else (as_text(each, width) for each in found))
    final = replay.final()
    if json:
        output.put(timeline.final_as_json(final))
    else:
        output.put("")
        output.put_table(timeline.final_table(final))
    for name, count in sorted(replay.unmatched.items()):
        belong = "message of {} belongs" if count == 1 else "messages of {} belong"
        output.complain(f"{count} {belong.format(name)} to no configured job")


@contextmanager
def _opened(messages: str) -> Iterator[TextIO]:
    """The recording's lines; bytes that are no UTF-8 become marks, and the line is judged all the same."""
    if messages == STDIN:
        if hasattr(sys.stdin, "reconfigure"):
            sys.stdin.reconfigure(encoding="utf-8", errors="replace")
        yield sys.stdin
        return
    try:
        file = open(messages, encoding="utf-8", errors="replace")  # noqa: SIM115 - closed below; errors of reading pass
    except (OSError, ValueError) as failure:
        reason = getattr(failure, "strerror", None) or failure
        raise ReplayError(
            f"--messages {safe(messages)}: cannot be read: {reason}; name a file, or - for stdin"
        ) from None
    try:
        with file:
            yield file
    except IsADirectoryError:
        raise ReplayError(f"--messages {safe(messages)}: is a directory; name a file, or - for stdin") from None


def _complain(messages: str, recording: Recording) -> None:
    for fault in recording.faults:
        output.complain(f"{messages}: {fault}; left out")
    more = recording.fault_count - len(recording.faults)
    if more > 0:
        output.complain(f"{messages}: {more} more lines left out")
