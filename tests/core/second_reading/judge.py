"""Judging a recording: what a tracker would have found, and when.

The observer walks through the moments at which anything can become true: an arrival, a deadline, the begin and the end
of an outage.  At each it judges the job anew from all that has arrived, and compares what it shows with what it showed.

Rule: a deadline is judged once all sources the job belongs to are known to be drained past it.
Rule: when a deadline has passed, and a source has not been heard for longer than a cycle and an answer may take, a job
of status 0 is UNKNOWN, from the later of the deadline and the last look plus that time on.
Rule: a change carries the moment of what caused it: a message's, a deadline's, or that of becoming UNKNOWN.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from second_reading import messages, promise
from second_reading.fold import first_deadline, fold, next_deadline
from second_reading.messages import Message, Recording, microseconds
from second_reading.promise import House, Promise
from second_reading.runs import Story
from second_reading.states import Shown, shown, state_of

HOURS_AFTER = 48 * 3600 * 1_000_000


@dataclass(frozen=True, kw_only=True)
class Change:
    """What a job shows from a moment on; found: when the tracker could know it."""

    job: str
    at: int
    state: str
    status: int
    errors: int
    missed: int
    found: int


@dataclass(frozen=True, kw_only=True)
class Final:
    """What a job shows at the end, and when it is expected next."""

    state: str
    status: int
    errors: int
    missed: int
    next_deadline: int | None


@dataclass(frozen=True, kw_only=True)
class Verdicts:
    """All changes in the order in which they were found, and what every job shows at the end.

    shown: what each job showed, and from when on by the tracker's clock.  rewritten: from when on changes are told of a
    past that had been judged already; which of them deserve to be told, the rules leave open.
    """

    changes: list[Change]
    final: dict[str, Final]
    shown: dict[str, list[tuple[int, Shown]]]
    rewritten: dict[str, int | None]


def judge(
    config: Mapping[str, Any],
    recording: Sequence[Mapping[str, Any]],
    *,
    begin: float | None = None,
    until: float | None = None,
) -> Verdicts:
    """Judge a recording by a configuration; begin and until in seconds, as a replay takes them."""
    house = promise.read(config)
    first = None if begin is None else microseconds(begin)
    heard = messages.read(recording, house)
    began = heard.first if first is None else first
    end = heard.last + HOURS_AFTER if until is None else microseconds(until)
    changes = []
    verdicts = Verdicts(changes=[], final={}, shown={}, rewritten={})
    for order, one in enumerate(house.promises):
        observer = Observer(one, house, heard, began, end)
        changes += [(change.found, order, number, change) for number, change in enumerate(observer.watch())]
        verdicts.final[one.key] = observer.final()
        verdicts.shown[one.key] = observer.shown_since
        verdicts.rewritten[one.key] = observer.rewritten
    verdicts.changes.extend(found[-1] for found in sorted(changes, key=lambda found: found[:3]))
    return verdicts


class Observer:
    """One job under observation.

    heard: the messages that have arrived.  horizon: deadlines before it are judged; it never goes back.
    blind_for: the deadline for which nobody can tell whether it was kept, while that is so.  over_for: the end of a
    pause that is over though nobody could judge that yet, and the deadline that comes first.
    beneath: state, errors and missed, had all been seen.
    """

    def __init__(self, one: Promise, house: House, recording: Recording, began: int, end: int) -> None:
        """Begin to watch at the moment the tracker began."""
        self.promise, self.house, self.recording, self.began, self.end = one, house, recording, began, end
        self.heard: list[Message] = []
        self.horizon = 0
        self.owners = one.source_hosts or recording.sources
        self.now = began
        self.shown = Shown(state="NEVER_RAN", status=0, errors=0, missed=0)
        self.beneath: tuple[str, int, int] = "NEVER_RAN", 0, 0
        self.shown_since: list[tuple[int, Shown]] = []
        self.rewritten: int | None = None
        self.blind_for: int | None = None
        self.over_for: tuple[int, int | None] | None = None
        self._deadlines: dict[tuple[int, int, int], int | None] = {}
        self._stories: dict[tuple[int, int], Story] = {}

    def watch(self) -> Iterator[Change]:
        """Walk through all moments at which something may change, and tell what does."""
        # What was heard before the tracker began is told as of then.
        first = min((message.arrived for message in self._messages()), default=self.began)
        now: int | None = min(first, self.began)
        while now is not None and now <= self.end:
            self.now = now
            yield from self._step(now)
            self.shown_since.append((now, self.shown))
            now = self._next_moment(now)
        self.now = self.end

    def final(self) -> Final:
        """Say what the job shows at the end."""
        story = self._story()
        deadline = next_deadline(story)
        found = self.shown
        return Final(
            state=found.state,
            status=found.status,
            errors=found.errors,
            missed=found.missed,
            next_deadline=None if deadline is None else deadline.at,
        )

    def _step(self, now: int) -> Iterator[Change]:
        if self.heard or now > self.began:
            # A tracker looks all the time: what could be judged before this moment has been.
            yield from self._judge_until(max(self.horizon, self._reach(now - 1)))
        arrived = [message for message in self._messages() if message.arrived == now]
        for message in sorted(arrived, key=lambda message: message.place):
            if self.promise.source_hosts is None and not message.by_operator:
                self.owners = frozenset({message.source})
        reach = max(self.horizon, self._reach(now))
        for message in arrived:
            yield from self._judge_until(min(reach, message.at))
            if message.at < self.horizon and self.rewritten is None:
                self.rewritten = now
            self.heard.append(message)
            yield from self._look(message.at)
        yield from self._judge_until(reach)
        yield from self._look(None)

    def _judge_until(self, horizon: int) -> Iterator[Change]:
        """Pass deadline after deadline, and look after each."""
        while self.horizon < horizon:
            at = self._first_deadline(self.horizon, horizon)
            if at is None or at >= horizon:
                self.horizon = horizon
                return
            self.horizon, more = at, 1
            while fold(self.promise, self.began, self.heard, at, more)[1] == more:
                yield from self._look(at, more)
                more += 1
            self.horizon = at + 1

    def _look(self, at: int | None, more: int = 0) -> Iterator[Change]:
        """Compare what is shown now with what was; at: the moment of what happened, None if only time has passed.

        more: how many deadlines at the horizon itself have been judged.
        """
        story = fold(self.promise, self.began, self.heard, self.horizon, more)[0] if more else self._story()
        # Of two that are late at one moment the first does not end what nobody can tell of that moment.
        is_last = not more or fold(self.promise, self.began, self.heard, self.horizon, more + 1)[1] == more
        deadline = self._reason(story, self.horizon + (more > 0)) if is_last else self.horizon
        blind_since = self._blind_since()
        if at is None:
            is_blind = blind_since is not None and blind_since <= self.now
        else:
            # What happens at this very moment comes before it is known that nobody can tell; and a job stays UNKNOWN
            # until the walk has passed that deadline.
            is_blind = blind_since is not None and blind_since < self.now
            is_blind = is_blind or (self.blind_for is not None and deadline == self.blind_for)
        silent_until = self._silent_until(story)
        beneath, self.beneath = self.beneath, (state_of(story), story.errors, story.missed)
        if at is not None and story.pause is not None and story.pause.end < self._reach(self.now):
            # The walk is still within the pause, whose end it will judge; until then there is only to tell what is new.
            if self.beneath == beneath and self.over_for == (story.pause.end, deadline):
                return
            silent_until = self.now + 1
        found = shown(story, self.now, is_blind=is_blind, silent_until=silent_until, is_walking=at is not None)
        self.blind_for = deadline if found.state == "UNKNOWN" else None
        is_over = story.pause is not None and silent_until is not None and silent_until <= self.now
        self.over_for = (story.pause.end, deadline) if is_over and story.pause is not None else None
        if found == self.shown:
            return
        self.shown = found
        if at is None:
            at = max(moment for moment in (blind_since, silent_until) if moment is not None and moment <= self.now)
        yield Change(
            job=self.promise.key,
            at=at,
            state=found.state,
            status=found.status,
            errors=found.errors,
            missed=found.missed,
            found=self.now,
        )

    def _blind_since(self) -> int | None:
        """Say since when nobody can tell whether a deadline was kept; it may lie ahead."""
        seen = self._watermark(self.now)
        deadline = self._reason(self._story(), self.horizon)
        if seen is None or deadline is None or deadline < seen:
            return None
        return max(deadline, seen + self.house.lag)

    def _reason(self, story: Story, horizon: int) -> int | None:
        """Say for which deadline nobody may be able to tell; one within a pause counts nothing, but its end does."""
        deadline = self._first_deadline(horizon, self.end)
        if deadline is None or story.pause is None or not story.pause.begin <= deadline < story.pause.end:
            return deadline
        return story.pause.end

    def _silent_until(self, story: Story) -> int | None:
        """Say until when a pause lasts: its end is a deadline like any, and may be judged as late as any."""
        if story.pause is None:
            return None
        seen = self._watermark(self.now)
        return story.pause.end if seen is None else max(story.pause.end, seen + self.house.lag)

    def _first_deadline(self, horizon: int, until: int) -> int | None:
        asked = len(self.heard), horizon, until
        if asked not in self._deadlines:
            self._deadlines[asked] = first_deadline(self.promise, self.began, self.heard, horizon, until)
        return self._deadlines[asked]

    def _story(self) -> Story:
        asked = len(self.heard), self.horizon
        if asked not in self._stories:
            self._stories = {asked: fold(self.promise, self.began, self.heard, self.horizon)[0]}
        return self._stories[asked]

    def _messages(self) -> list[Message]:
        """What is heard at all: a message of a time after the end of the replay is not."""
        return [message for message in self.recording.messages[self.promise.key] if message.at <= self.end]

    def _watermark(self, now: int) -> int | None:
        """Say how far the job's sources are drained where one of them does not answer; None: all do."""
        silent = [
            outage.begin
            for outage in self.recording.outages
            if outage.source in self.owners and outage.begin <= now < outage.end
        ]
        return min(silent, default=None)

    def _reach(self, now: int) -> int:
        """Say before which moment deadlines may be judged."""
        seen = self._watermark(now)
        return now + 1 if seen is None else seen

    def _next_moment(self, now: int) -> int | None:
        moments = [self.began, *(message.arrived for message in self._messages())]
        for outage in self.recording.outages:
            moments += [outage.begin, outage.end]
        deadline = self._first_deadline(self.horizon, self.end)
        blind_since = self._blind_since()
        story = self._story()
        moments += [moment for moment in (deadline, blind_since) if moment is not None]
        if story.pause is not None:
            moments += [story.pause.end, self._silent_until(story) or 0]
        return min((moment for moment in moments if moment > now), default=None)
