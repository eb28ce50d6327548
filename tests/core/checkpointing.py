"""An archive that keeps and forgets as the ledger does, in memory: what it may not remember, the core may not need.

Rule: what is asked and what is kept here is `store.ledger`'s, statement by statement (`past`, `run`, `_save_records`);
standings travel through the ledger's codec, so that nothing but what it writes down survives.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from job_tracker.core.board import Board
from job_tracker.core.folding import reach
from job_tracker.core.messages import Message, Position
from job_tracker.core.record import Past, Record
from job_tracker.core.standing import Outcome, Run, Standing
from job_tracker.ledger.checkpoints import CHANGES_PER_RUN, SILENCE_KEPT
from job_tracker.ledger.codec import run_from_row, run_to_row, standing_from_text, standing_to_text


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """A row of the ledger's table of that name."""

    serial: int
    runs: int
    floor: Position | None
    standing: str


@dataclass(kw_only=True)
class Kept:
    """What is remembered of one job."""

    text: str
    checkpoints: list[Checkpoint]
    messages: dict[tuple[Position, str], Message] = field(default_factory=dict)
    runs: dict[int, Run] = field(default_factory=dict)


class Checkpointing:
    """Standings, runs, checkpoints and messages, as far back as the history reaches."""

    def __init__(self, board: Board, history: int = 1_000_000) -> None:
        self.history = history
        self.kept: dict[str, Kept] = {}
        for key, standing in board.standings():
            text = standing_to_text(standing, with_runs=True)
            first = Checkpoint(serial=standing.serial, runs=standing.count, floor=None, standing=text)
            self.kept[key] = Kept(text=standing_to_text(standing, with_runs=False), checkpoints=[first])

    @property
    def runs(self) -> dict[str, dict[int, Run]]:
        """All kept runs by job and order."""
        return {key: kept.runs for key, kept in self.kept.items()}

    def keep(self, records: Mapping[str, Record]) -> None:
        """Take in what a step wrote."""
        for key, record in records.items():
            kept = self.kept[key]
            if record.rewound is not None:
                kept.runs = {n: run for n, run in kept.runs.items() if n <= record.rewound.count}
                kept.checkpoints = [each for each in kept.checkpoints if each.serial <= record.rewound.serial]
            kept.runs.update((run.order, run_from_row(run_to_row(run))) for run in record.runs.values())
            for message in record.messages:
                kept.messages.setdefault((message.position, message.uid), message)
            kept.text = standing_to_text(record.standing, with_runs=False)
            if record.checkpoints:
                self._checkpoint(kept, record)

    def begin_anew(self, key: str, standing: Standing) -> None:
        """A promise has changed: nothing can be folded again from before it, but all runs are still known."""
        kept = self.kept[key]
        kept.runs.update(standing.changed)
        text = standing_to_text(standing, with_runs=True)
        first = Checkpoint(serial=standing.serial, runs=standing.count, floor=reach(standing), standing=text)
        kept.checkpoints, kept.text = [first], standing_to_text(standing, with_runs=False)
        if first.floor is not None:
            kept.messages = {place: each for place, each in kept.messages.items() if place[0] <= first.floor}

    def past(self, key: str, position: Position, run: int | None) -> Past:
        """See `core.record.Archive`."""
        kept = self.kept[key]
        fitting = [
            each
            for each in kept.checkpoints
            if (run is None or each.runs < run) and (each.floor is None or each.floor < position)
        ]
        found = fitting[-1] if fitting else kept.checkpoints[0]
        messages = sorted(kept.messages.items())
        return Past(
            checkpoint=standing_from_text(found.standing),
            floor=found.floor,
            messages=tuple(m for (place, _uid), m in messages if found.floor is None or place > found.floor),
        )

    def run(self, key: str, id: str, up_to: int) -> Run | None:
        """See `core.record.Archive`."""
        named = [run for run in self.kept[key].runs.values() if run.id == id and run.order <= up_to]
        return max(named, key=lambda run: run.order, default=None)

    def standings(self) -> dict[str, Standing]:
        """What a tracker begins with that finds only what is written here."""
        return {key: self._standing(key) for key in self.kept}

    def _standing(self, key: str) -> Standing:
        kept = self.kept[key]
        bare = standing_from_text(kept.text)
        closed = (run.order for run in kept.runs.values() if run.outcome not in (Outcome.OPEN, Outcome.SKIPPED))
        newest = max(closed, default=0)
        wanted = [
            run
            for run in kept.runs.values()
            if run.outcome is Outcome.OPEN or run.errors > 0 or run.order in (bare.count, newest)
        ]
        return standing_from_text(kept.text, tuple(sorted(wanted, key=lambda run: run.order)))

    def _checkpoint(self, kept: Kept, record: Record) -> None:
        for each in record.checkpoints:
            assert each.serial > kept.checkpoints[-1].serial, "no checkpoint is made twice"
            text = standing_to_text(each, with_runs=True)
            made = Checkpoint(serial=each.serial, runs=each.count, floor=reach(each), standing=text)
            kept.checkpoints.append(made)
        standing, history = record.standing, self.history
        if standing.count <= history and standing.serial <= CHANGES_PER_RUN * max(history, 100):
            return
        old = [
            each
            for each in kept.checkpoints
            if each.runs <= standing.count - history
            or each.serial <= standing.serial - CHANGES_PER_RUN * max(history, 100)
        ]
        if not old:
            return
        least = min(old[-1].serial, standing.serial - SILENCE_KEPT)
        spoken = [each for each in old if each.floor is None or (standing.last and each.floor <= standing.last)]
        oldest = next((each for each in reversed(spoken) if each.serial >= least), old[-1])
        kept.checkpoints = [each for each in kept.checkpoints if each.serial >= old[-1].serial or each is oldest]
        if oldest.floor is not None:
            kept.messages = {place: each for place, each in kept.messages.items() if place[0] > oldest.floor}
        kept.runs = {
            number: run
            for number, run in kept.runs.items()
            if not (
                number <= oldest.runs
                and number <= standing.count - history
                and run.outcome is not Outcome.OPEN
                and run.errors == 0
                and (standing.newest_closed is None or number != standing.newest_closed.order)
            )
        }
