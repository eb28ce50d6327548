"""Replay: the core over recorded messages, with a clock of its own.

Rule: it judges exactly as the daemon would have, had it heard the same messages at the same moments.

The daemon would have made a step for each message.  How often a step is made changes nothing in what it finds, as long
as every message is heard when it is said and every source can be heard all the time.  So what arrived like that,
between two outages, is judged many messages at once; all else at its own moment.
"""

from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import replace
from itertools import groupby
from operator import attrgetter
from typing import Any

from job_tracker.core.board import Board, Watermark, make_board
from job_tracker.core.finding import found
from job_tracker.core.intake import why_not
from job_tracker.core.jobs import Jobs
from job_tracker.core.messages import Message
from job_tracker.core.operator_word import OPERATOR
from job_tracker.core.record import Change
from job_tracker.core.states import Shown
from job_tracker.core.step import step
from job_tracker.core.verdicts import shown
from job_tracker.errors import ReplayError
from job_tracker.moments import DAY
from job_tracker.replay.kept_history import KeptHistory, TakenUids
from job_tracker.replay.recording import Recording
from job_tracker.replay.told import Told

RUN_ON = 2 * DAY
AT_ONCE = 2_000
"""Messages, or deadlines, judged by one step, about.  Never a bound for a step with messages: what comes late of a job,
behind one that was ahead of its clock, would then be told as one change instead of one each."""
LONGEST = DAY // 4
"""What is judged at once does not span more than this, or silence within it could fill the memory."""


class Replay:
    """A recording judged by a configuration; iterate `changes` to its end, then ask for `final`."""

    def __init__(
        self,
        jobs: Jobs,
        recording: Recording,
        *,
        begin: int | None = None,
        until: int | None = None,
        progress: Callable[[int], None] = lambda _: None,
        tells: bool = False,
    ) -> None:
        if recording.first is None and begin is None:
            raise ReplayError("there is no message to begin with: name --from, or give a file with messages")
        self.begin = (recording.first or 0) if begin is None else begin
        self.until = (self.begin if recording.last is None else recording.last) + RUN_ON if until is None else until
        self.sources = (*jobs.sources, *sorted(recording.sources - {*jobs.sources, OPERATOR}))
        self.jobs = replace(jobs, sources=jobs.sources or self.sources)
        self.recording, self.progress = recording, progress
        self.turns = sorted({moment for outage in recording.outages for moment in (outage.begin, outage.end)})
        self.board: Board = make_board(self.jobs, {}, {}, self.begin)
        self.memory = KeptHistory(self.board, jobs.history)
        self.taken = TakenUids()
        self.unmatched: dict[str, int] = {}
        self.judged = 0
        self.told = Told(self.begin) if tells else None
        self.untold: list[dict[str, Any]] = []

    def events(self) -> Iterator[dict[str, Any]]:
        """Every event that the daemon would have told, as programs read it; of a replay that tells."""
        for _ in self.changes():
            told, self.untold = self.untold, []
            yield from told
        yield from self.untold

    def changes(self) -> Iterator[Change]:
        """Every change, in the order in which the daemon would have found them."""
        arrivals = _Arrivals(each for each in self.recording.messages() if self.is_heard(each))
        now = min([self.begin, *arrivals.upcoming()])
        while now <= self.until:
            messages = [each for each in arrivals.up_to(now) if self.take(each)]
            is_calm = self.is_calm(now) and all(each.moment == each.received for each in messages)
            if is_calm:
                now = self.take_more(messages, arrivals, now)
            if messages:  # their sources were drained at every moment before, too
                yield from self.judge((), messages[0].received - 1, most=AT_ONCE if is_calm else None)
            wake = yield from self.judge(messages, now, most=AT_ONCE if is_calm and not messages else None)
            upcoming = [*arrivals.upcoming(), *(moment for moment in self.turns if moment > now), self.until]
            if wake is not None and not self.is_calm(now):
                upcoming.append(wake)
            now = min((moment for moment in upcoming if moment > now), default=self.until + 1)

    def is_calm(self, now: int) -> bool:
        """Whether every source can be heard: then it does not matter, but for what is told, when a step is made."""
        return self.told is None and not any(outage.begin <= now < outage.end for outage in self.recording.outages)

    def take_more(self, messages: list[Message], arrivals: "_Arrivals", now: int) -> int:
        """With messages that were said when they were heard, take those that follow in the same way; until when."""
        calm_until, begun = next((moment for moment in self.turns if moment > now), self.until + 1), now
        while arrivals.together and len(messages) < AT_ONCE:
            moment = arrivals.together[0].received
            if moment >= min(calm_until, begun + LONGEST) or any(each.moment != moment for each in arrivals.together):
                break
            now = moment
            messages += [each for each in arrivals.up_to(now) if self.take(each)]
        return now

    def judge(
        self, messages: Iterable[Message], now: int, *, most: int | None = None
    ) -> Generator[Change, None, int | None]:
        """The tracker's steps at one moment; when the next one is due, None if only a message can change anything.

        most: how much one of them may have to do.
        """
        while True:
            trail = self.told is not None
            made = step(self.board, self.jobs, messages, self.watermarks(now), now, self.memory, most, trail=trail)
            if self.told is not None:
                told = found(made, self.board, self.jobs, self.memory, self.told)
                self.untold += self.told.take(told, now)
            self.memory.keep(made.records)
            self.board = made.board
            yield from made.changes
            if not made.unheard and made.wake != now:
                return made.wake
            messages = made.unheard

    def is_heard(self, message: Message) -> bool:
        """Whether it is said and heard before the replay ends."""
        return message.received <= self.until and message.moment <= self.until

    def take(self, message: Message) -> bool:
        """Whether a message is to be judged: taken for the first time, of a configured job, and not from ages ago."""
        self.judged += 1
        self.progress(self.judged)
        if message.uid and not self.taken.add(message.uid, message.received):
            return False
        if why_not(self.jobs, message) is None:
            return True
        self.unmatched[message.key] = self.unmatched.get(message.key, 0) + 1
        return False

    def watermarks(self, now: int) -> dict[str, Watermark]:
        """Sources are drained at every moment, but for outages: then as far as the outage's begin."""
        return {source: self.watermark(source, now) for source in self.sources}

    def watermark(self, source: str, now: int) -> Watermark:
        """How far one source is drained at a moment."""
        begin = now
        for outage in sorted(self.recording.outages, key=lambda each: each.begin, reverse=True):
            if outage.source == source and outage.begin <= begin <= outage.end:  # those that touch are one
                begin = outage.begin
        if any(o.source == source and o.begin <= now < o.end for o in self.recording.outages):
            return Watermark(drained=begin, lags_from=begin)
        return Watermark(drained=now + 1, lags_from=now)

    def final(self) -> dict[str, Shown]:
        """What every configured job shows at the end."""
        return {key: shown(job, self.board.standing(job)) for key, job in self.jobs.by_key.items()}


class _Arrivals:
    """Messages by their arrival; together: those that come next, all at one moment."""

    def __init__(self, messages: Iterator[Message]) -> None:
        self._moments = groupby(messages, key=attrgetter("received"))
        self.together: list[Message] = []
        self._look()

    def upcoming(self) -> tuple[int, ...]:
        """When the next ones arrive, if there are any."""
        return tuple(each.received for each in self.together[:1])

    def up_to(self, now: int) -> Iterator[Message]:
        """Those that have arrived by now."""
        while self.together and self.together[0].received <= now:
            yield from self.together
            self._look()

    def _look(self) -> None:
        _, found = next(self._moments, (0, iter(())))
        self.together = list(found)
