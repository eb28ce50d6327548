"""A recorded case, judged by the core while a test decides how often it looks and what it remembers."""

import json
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

from cases import Case

from job_tracker.config.reading import parse
from job_tracker.core.board import Board
from job_tracker.core.jobs import Jobs
from job_tracker.core.memory import Memory
from job_tracker.core.messages import Message
from job_tracker.core.record import Change, Step
from job_tracker.core.standing import Standing
from job_tracker.core.step import step
from job_tracker.moments import MICROSECONDS
from job_tracker.replay.recording import read
from job_tracker.replay.replay import Replay

Hook = Callable[["Watch", Step, int], None]


class Watch(Replay):
    """A replay that looks at more moments than it must, or at none but those at which something arrives.

    looks: further moments, in microseconds.  patient: wakes are slept through.  archive: made of the first board.
    most: deadlines of one step; what is left is the next step's.
    """

    def __init__(
        self,
        case: Case,
        *,
        looks: tuple[int, ...] = (),
        patient: bool = False,
        archive: Callable[[Board], Any] = Memory,
        most: int | None = None,
    ) -> None:
        config, lines, start, until = case
        jobs = jobs_of(json.dumps(config))
        recording = read(map(json.dumps, lines), jobs)
        super().__init__(jobs, recording, begin=_micros(start), until=_micros(until))
        self.looks, self.patient, self.most = sorted(set(looks)), patient, most
        self.archive: Any = archive(self.board)  # what each kind of it has more than the core asks for, tests ask for
        self.steps: list[tuple[Board, tuple[Message, ...], Step, int]] = []
        self.history: dict[str, list[Change]] = {}
        self.lines = [_line(change) for change in self.changes()]

    def changes(self) -> Iterator[Change]:
        """As `Replay.changes`, at other moments."""
        arrivals = [message for message in self.recording.messages() if self.is_heard(message)]
        ends = sorted({outage.end for outage in self.recording.outages})
        fixed = sorted({*(arrival.received for arrival in arrivals), *ends, *self.looks, self.begin, self.until})
        at = 0
        now = min([self.begin, *(arrival.received for arrival in arrivals[:1])])
        while now <= self.until:
            messages: list[Message] = []
            while at < len(arrivals) and arrivals[at].received <= now:
                messages += [arrivals[at]] if self.take(arrivals[at]) else []
                at += 1
            if messages and not self.patient:
                yield from self.advance((), now - 1).changes
            made = self.advance(messages, now)
            yield from made.changes
            while made.unheard or made.wake == now:
                made = self.advance(made.unheard, now)
                yield from made.changes
            upcoming = [moment for moment in fixed if moment > now][:1]
            if made.wake is not None and not self.patient:
                upcoming.append(made.wake)
            now = min(upcoming, default=self.until + 1)

    def advance(self, messages: Any, now: int) -> Step:
        """One step of the tracker, remembered."""
        heard, before = tuple(messages), self.board
        made = step(before, self.jobs, heard, self.watermarks(now), now, self.archive, self.most)
        self.archive.keep(made.records)
        for key, record in made.records.items():
            if record.rewound is not None:
                self.history[key] = []
            self.history.setdefault(key, []).extend(record.changes)
        self.board = made.board
        self.steps.append((before, heard, made, now))
        return made

    @property
    def moments(self) -> list[int]:
        """All moments at which it looked."""
        return [now for _, _, _, now in self.steps]

    @property
    def standings(self) -> dict[str, Standing]:
        """What every job carries in the end."""
        return dict(self.board.standings())

    @property
    def ends(self) -> dict[str, dict[str, Any]]:
        """What every job shows in the end, as `replay --json` prints it."""
        return {
            key: {"state": end.state.value, "status": end.status, "errors": end.errors, "missed": end.missed}
            for key, end in self.final().items()
        }


@lru_cache(maxsize=64)
def jobs_of(config: str) -> Jobs:
    """The promises of a configuration."""
    return parse(config, name="case").jobs


def _micros(seconds: float | None) -> int | None:
    return None if seconds is None else round(seconds * MICROSECONDS)


def _line(change: Change) -> dict[str, Any]:
    return {
        "at": change.at / MICROSECONDS,
        "job": change.job.key,
        "from": change.before.state.value,
        "to": change.after.state.value,
        "status": change.after.status,
        "errors": change.after.errors,
        "missed": change.after.missed,
    }


class Restarted(Watch):
    """A tracker that is killed after every step that wrote something, and finds only what the ledger would have."""

    def advance(self, messages: Any, now: int) -> Step:
        made = super().advance(messages, now)
        if made.records:
            self.board = made.board.updated(self.jobs, self.archive.standings(), made.board.drained)
        return made
