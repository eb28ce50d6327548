"""A second opinion on every verdict: how a job is judged, written down once more, slowly and plainly.

Rule: nothing here is imported from the program and nothing here is clever.  At each moment of simulated time the
messages known so far are folded again from the first one, and what is shown is compared with what was shown before.
Comments in quotation marks are sentences of the contract.  Moments and spans are whole microseconds.
"""

from bisect import bisect_right, insort
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SECOND = 1_000_000
DAY = 86_400 * SECOND
TIMEOUT, MISSED = 0, 1  # "At equal moments: timeouts, then missed starts"

Line = dict[str, Any]
Shown = tuple[str, int, int, int]
Bound = tuple[int, int]  # deadlines before this moment are judged, and so many of those at this very moment


def replay(
    config: Line, lines: list[Line], start: float | None = None, until: float | None = None
) -> tuple[list[Line], Line]:
    """Say what `replay --json` prints for these lines, without texts: the change lines, and the final state by job."""
    return Replay(config, lines, start, until).run()


# --- clocks -----------------------------------------------------------------------------------------------------------


def micros(seconds: float | str) -> int:
    """“Moments are whole microseconds from decode to verdict.”"""
    return round(float(seconds) * SECOND)


def span(text: str) -> int:
    """Read hh:mm:ss; "hours may exceed 23"."""
    hours, minutes, seconds = (int(part) for part in text.split(":"))
    return (hours * 3600 + minutes * 60 + seconds) * SECOND


def utc(moment: int) -> datetime:
    """The moment as an aware datetime."""
    return EPOCH + timedelta(microseconds=moment)


def local_day(zone: ZoneInfo, moment: int) -> date:
    """The date that a calendar on the wall shows at that moment."""
    return utc(moment).astimezone(zone).date()


@lru_cache(maxsize=100_000)
def at_clock(zone: ZoneInfo, day: date, clock: str) -> int:
    """The moment at which a local clock shows hh:mm on that day.

    "an E that does not exist (spring) is the first valid moment after the gap; one that exists twice (autumn) is
    the first."
    """
    hours, minutes = (int(part) for part in clock.split(":"))
    wall = datetime.combine(day, time(hours, minutes))
    first = wall.replace(tzinfo=zone, fold=0).astimezone(UTC)
    if first.astimezone(zone).replace(tzinfo=None) != wall:
        # In the gap fold=0 reads the clock with the old offset, so behind the gap; fold=1 lies before it.
        before, behind = wall.replace(tzinfo=zone, fold=1).astimezone(UTC), first
        while behind - before > timedelta(seconds=1):
            middle = (before + (behind - before) / 2).replace(microsecond=0)
            if middle.astimezone(zone).utcoffset() == behind.astimezone(zone).utcoffset():
                behind = middle
            else:
                before = middle
        first = behind
    return (first - EPOCH) // timedelta(microseconds=1)


# --- the configuration ------------------------------------------------------------------------------------------------


@dataclass(kw_only=True)
class Promise:
    """One configured job with the spans that judge it."""

    key: str
    place: int
    daily: bool
    interval: int
    counts_from: str
    clock: str
    delay: int
    early: int
    timeout: int
    grace: int
    max_errors: int
    below: int
    zone: ZoneInfo
    sources: list[str]
    quiet: tuple[str, str] | None

    def expected(self, day: date) -> int:
        """“an expected start E per local day”"""
        return at_clock(self.zone, day, self.clock)

    def day_of(self, moment: int) -> date:
        """“A start belongs to the latest E with E − early ≤ start.”"""
        day = local_day(self.zone, moment + self.early) + timedelta(days=2)
        while self.expected(day) - self.early > moment:
            day -= timedelta(days=1)
        return day

    def first_day(self, known_since: int) -> date:
        """“the first E at or after known since”"""
        day = local_day(self.zone, known_since) - timedelta(days=2)
        while self.expected(day) < known_since:
            day += timedelta(days=1)
        return day

    def window(self, moment: int) -> tuple[int, int] | None:
        """The quiet window around that moment: "[from, until), in the job's time zone … may wrap midnight"."""
        if self.quiet is None:
            return None
        start, end = self.quiet
        today = local_day(self.zone, moment)
        for shift in (-2, -1, 0, 1):
            day = today + timedelta(days=shift)
            # "the span between its two ends resolved like an E"
            opens = at_clock(self.zone, day, start)
            closes = at_clock(self.zone, day if start < end else day + timedelta(days=1), end)
            if opens <= moment < closes:
                return opens, closes
        return None

    def moved_missed(self, deadline: int) -> int:
        """“A missed-start deadline inside it moves to the window's end + interval + L + G, or, if a window begins after
        that end and at or before that moment, to the window's end + G; … what lands inside again moves again”"""
        whole = self.interval + self.delay + self.grace
        while window := self.window(deadline):
            patient = window[1] + whole
            deadline = patient if self.next_begin(window[1]) > patient else window[1] + self.grace
        return deadline

    def next_begin(self, moment: int) -> int:
        """When the next quiet window begins after a moment."""
        assert self.quiet is not None
        start, end = self.quiet
        day = local_day(self.zone, moment) - timedelta(days=1)
        while True:
            opens = at_clock(self.zone, day, start)
            closes = at_clock(self.zone, day if start < end else day + timedelta(days=1), end)
            if moment < opens < closes:
                return opens
            day += timedelta(days=1)

    def moved_timeout(self, deadline: int) -> int:
        """“a timeout inside it to the window's end + G; what lands inside again moves again”"""
        while window := self.window(deadline):
            deadline = window[1] + self.grace
        return deadline


def the_global(config: Line) -> Line:
    """“`global_config` may be an object or a list holding one.”"""
    found = config.get("global_config", {})
    one: Line = found[0] if isinstance(found, list) else found
    return one


def read_promise(config: Line, place: int) -> Promise:
    """Read one entry of `jobs`."""
    everywhere, job = the_global(config), config["jobs"][place]
    daily = job["cyclic_or_daily"] == "daily"
    grace = micros(everywhere.get("controller_message_grace_period_in_sec", 5.0))
    quiet_from = everywhere.get("no_timeout_for_cyclic_jobs_from_in_hh:mm")
    quiet_until = everywhere.get("no_timeout_for_cyclic_jobs_until_in_hh:mm")
    quiet = None
    # "cyclic jobs only; from = until is none"
    if not daily and quiet_from and quiet_until and quiet_from != quiet_until:
        quiet = (quiet_from, quiet_until)
    early = job.get("start_max_early_in_hh:mm:ss")
    named = job.get("source_host") or []
    return Promise(
        key=f"{job['name']}__{job['env']}",
        place=place,
        daily=daily,
        interval=0 if daily else span(job["cyclic_interval_in_hh:mm:ss"]),
        counts_from=job.get("cyclic_interval_counts_from", "start"),
        clock=job.get("daily_start_time_in_hh:mm", "00:00"),
        delay=span(job.get("start_max_delay_in_hh:mm:ss", "00:00:00")),
        early=max(grace, 300 * SECOND) if early is None else span(early),
        timeout=span(job["timeout_in_hh:mm:ss"]),
        grace=grace,
        max_errors=int(job.get("max_errors_before_alerting", 1)),
        below=int(job.get("status_below_threshold", 0)),
        zone=ZoneInfo(job.get("time_zone") or everywhere.get("time_zone") or "UTC"),
        sources=[named] if isinstance(named, str) else list(named),
        quiet=quiet,
    )


# --- what the messages of one job add up to ---------------------------------------------------------------------------


@dataclass(kw_only=True, order=True, frozen=True)
class Message:
    """“Messages are folded by timestamp, then source, then `_id`, not by arrival”"""

    moment: int
    source: str
    number: int
    line: int
    arrival: int = field(compare=False)
    event: str = field(compare=False)  # start, end, error or other
    run: str | None = field(compare=False)


@dataclass(kw_only=True)
class Run:
    """One execution."""

    run: str | None
    start: int | None
    made: Message | None = None
    end: int | None = None
    result: str = "open"  # open, well, badly, lost
    errors: int = 0
    timeouts: int = 0
    next_timeout: int = 0


class Deadline(NamedTuple):
    """A moment from which on something is late."""

    moment: int
    kind: int
    run: int


class Standing:
    """What a job carries."""

    def __init__(self, promise: Promise, known_since: int) -> None:
        self.promise = promise
        self.known_since = known_since
        self.runs: list[Run] = []
        self.missed = 0
        self.due: int | None = None
        self.next_missed: int | None = None
        self.day = promise.first_day(known_since) if promise.daily else date.min
        self.set_due()

    # messages

    def hear(self, message: Message) -> None:
        """Fold one message."""
        if message.event == "start":
            self.hear_start(message)
        elif message.event in ("end", "error"):
            self.hear_end_or_error(message)
        # "Any other event … changes nothing, and does not make a job seen."
        self.set_due()

    def hear_start(self, message: Message) -> None:
        """“*start*: opens a run at the message's timestamp; `missed` becomes 0.”"""
        promise, moment = self.promise, message.moment
        # "a second start with the id of an open run changes nothing"
        if message.run is not None and any(r.run == message.run and r.result == "open" for r in self.runs):
            return
        for older in self.runs:
            # "An older run that is still open is closed as *lost* if either of the two has no run id, or if it has
            # counted as timed out."
            if older.result == "open" and (older.run is None or message.run is None or older.timeouts):
                older.result = "lost"
                # "A lost run counts one error, unless it has counted as timed out, or the job is cyclic and both
                # starts lie in the same quiet window."
                assert older.start is not None
                window = promise.window(older.start)
                same_window = window is not None and window == promise.window(moment)
                if not older.timeouts and not same_window:
                    older.errors += 1
        last = self.runs[-1] if self.runs else None
        # "A start that carries the id of the job's last run, whose start was not seen, is the start of that run and
        # opens none, if the message that made that run came from the same source with a larger `_id`, or from another
        # source at most the grace earlier."
        if last is not None and last.made is not None and last.start is None and last.run is not None:
            made = last.made
            same = made.source == message.source
            if last.run == message.run and (
                made.number > message.number if same else moment - made.moment <= promise.grace
            ):
                last.start = last.end = moment  # "It then has begun and ended at the start's moment"
                self.made_expected_start(moment)
                self.forgive_until(moment)
                return
        run = Run(run=message.run, start=moment, made=message)
        # "start + timeout + G counts one error"
        run.next_timeout = promise.moved_timeout(moment + promise.timeout + promise.grace)
        self.runs.append(run)
        self.made_expected_start(moment)

    def hear_end_or_error(self, message: Message) -> None:
        """“*end*: closes the run well …  *error*: counts one error and closes the run badly”"""
        run = self.which_run(message)
        if run is None:
            # "Anything else is a run whose start was not seen: it began at an unknown moment, `missed` becomes 0,
            # and it makes the expected start that its moment belongs to."
            run = Run(run=message.run, start=None, made=message)
            self.runs.append(run)
            self.made_expected_start(message.moment)
        was = run.result
        if message.event == "end":
            # "an end for a run that ended badly makes it a success and is its end … a second end moves the end."
            run.result, run.end = "well", message.moment
            # "forgets its errors and those of all closed runs before it"
            for other in self.runs[: self.place(run) + 1]:
                if other.result != "open":
                    other.errors = 0
        else:
            # "each further error message of it counts one more and leaves its end where it was."
            # "an error that names, by id, a run that ended well makes it a failure and leaves its end"
            # "A lost run that an end or error names is found again: the message closes it at its moment"
            run.errors += 1
            run.result = "badly"
            if was in ("open", "lost"):
                run.end = message.moment
        if run is self.runs[-1] and run.end == message.moment:
            self.forgive_until(message.moment)

    def forgive_until(self, moment: int) -> None:
        """“While the newest run is open no start is missed, and expected starts whose deadline passes meanwhile, or at
        the very moment of its end, are forgiven.”"""
        while self.promise.daily and self.daily_deadline() <= moment:
            self.day += timedelta(days=1)

    def which_run(self, message: Message) -> Run | None:
        """“*Which run*: with an id, the newest run that carries it.”"""
        if message.run is not None:
            return next((r for r in reversed(self.runs) if r.run == message.run), None)
        # "Without, the newest open run, with or without id"
        for run in reversed(self.runs):
            if run.result == "open":
                return run
        # "if none is open, the newest ended badly, no start has been missed since, and the moment lies before the
        # next expected start (cyclic: due; daily: E − early), that newest one."
        if not self.runs or self.runs[-1].result != "badly" or self.missed:
            return None
        following = self.promise.expected(self.day) - self.promise.early if self.promise.daily else self.due
        assert following is not None
        return self.runs[-1] if message.moment < following else None

    def made_expected_start(self, moment: int) -> None:
        """A run has begun, seen or not."""
        self.missed = 0
        if self.promise.daily:
            self.day = self.promise.day_of(moment) + timedelta(days=1)

    def place(self, run: Run) -> int:
        """Runs are "ordered by their first message"."""
        return next(place for place, other in enumerate(self.runs) if other is run)

    # deadlines

    def set_due(self) -> None:
        """Move due after a message; the deadlines of missed starts count from the new one only if it did move."""
        due = None if self.promise.daily else self.cyclic_due()
        if due != self.due:
            self.due = due
            # "The deadline is due + L + G, then one more each interval."
            self.next_missed = None
            if due is not None:
                self.next_missed = self.promise.moved_missed(due + self.promise.delay + self.promise.grace)

    def cyclic_due(self) -> int | None:
        """“*missed start, cyclic*: due = last start + interval”"""
        interval = self.promise.interval
        if not self.runs:
            # "A job never seen: due = known since + interval."
            return self.known_since + interval
        newest = self.runs[-1]
        # "the last end (the latest end of any run)"
        last_end = max((r.end for r in self.runs if r.end is not None), default=None)
        from_end = None if last_end is None else last_end + interval
        # "but last end + interval where the interval counts from "end", where the newest run's start was not seen,"
        if self.promise.counts_from == "end" or newest.start is None:
            return from_end
        # "or where the last end … is at or after last start + interval"
        if last_end is not None and last_end >= newest.start + interval:
            return from_end
        return newest.start + interval

    def daily_deadline(self) -> int:
        """“its deadline E + L + G”"""
        return self.promise.expected(self.day) + self.promise.delay + self.promise.grace

    def next_deadline(self) -> Deadline | None:
        """The first moment at which this job, hearing nothing more, has one more thing counted."""
        # "Every open run has its own."
        found = [
            Deadline(moment=run.next_timeout, kind=TIMEOUT, run=place)
            for place, run in enumerate(self.runs)
            if run.result == "open"
        ]
        # "While the newest run is open no start is missed."
        if not self.runs or self.runs[-1].result != "open":
            missed = self.daily_deadline() if self.promise.daily else self.next_missed
            if missed is not None:
                found.append(Deadline(moment=missed, kind=MISSED, run=0))
        return min(found, default=None)

    def judge(self, deadline: Deadline) -> None:
        """Count what the deadline says."""
        if deadline.kind == TIMEOUT:
            # "counts one error; each further full timeout counts one more."
            run = self.runs[deadline.run]
            run.errors += 1
            run.timeouts += 1
            # "the following ones count from there"
            run.next_timeout = self.promise.moved_timeout(deadline.moment + self.promise.timeout)
            return
        self.missed += 1
        if self.promise.daily:
            # "Each E whose deadline passes without one counts one."
            self.day += timedelta(days=1)
        else:
            self.next_missed = self.promise.moved_missed(deadline.moment + self.promise.interval)

    # what is shown

    def shown(self) -> Shown:
        """State, status, errors and missed, as long as every source can be seen."""
        errors = sum(run.errors for run in self.runs)
        late = any(run.result == "open" and run.timeouts for run in self.runs)
        state = self.state(late=late)
        # "2 if `errors + missed ≥ max_errors_before_alerting`, and for a daily job also if `missed` > 0 or an open
        # run is past its timeout; otherwise, while errors + missed > 0, `status_below_threshold`; else 0."
        if errors + self.missed >= self.promise.max_errors or (self.promise.daily and (self.missed > 0 or late)):
            status = 2
        elif errors + self.missed > 0:
            status = self.promise.below
        else:
            status = 0
        return state, status, errors, self.missed

    def state(self, *, late: bool) -> str:
        """“**State**, the first that holds”"""
        if self.runs and self.runs[-1].result == "badly":
            return "ERROR"
        if late:
            return "TIMEOUT"
        if self.missed > 0:
            return "DELAYED"
        if any(run.result == "open" for run in self.runs):
            return "RUNNING"
        return "NOT_RUNNING" if self.runs else "NEVER_RAN"


class Fold:
    """All of a job's messages, and its deadlines up to a bound, folded in the order of their moments."""

    def __init__(self, promise: Promise, known_since: int, messages: list[Message], bound: Bound) -> None:
        self.standing = Standing(promise, known_since)
        self.counted: list[int] = []
        self.pending: Deadline | None = None  # the first that is not judged yet; perhaps behind it messages are folded
        for message in [*messages, None]:
            while self.pending is None:
                deadline = self.standing.next_deadline()
                # "A message at the very moment of a deadline is folded before it"
                if deadline is None or (message is not None and message.moment <= deadline.moment):
                    break
                if (deadline.moment, self.at_moment(deadline.moment)) >= bound:
                    self.pending = deadline
                else:
                    self.count(deadline)
            if message is not None:
                self.standing.hear(message)

    def count(self, deadline: Deadline) -> None:
        """Judge one deadline."""
        self.standing.judge(deadline)
        self.counted.append(deadline.moment)

    def at_moment(self, moment: int) -> int:
        """How many deadlines were counted at exactly this moment."""
        return len(self.counted) - next(
            (place for place in range(len(self.counted), 0, -1) if self.counted[place - 1] != moment), 0
        )


# --- simulated time ---------------------------------------------------------------------------------------------------


@dataclass(kw_only=True)
class Desk:
    """Where one job is looked after while time passes."""

    promise: Promise
    fold: Fold
    known: list[Message] = field(default_factory=list)
    waiting: list[Message] = field(default_factory=list)  # arrived at this moment, not folded yet
    shown: Shown = ("NEVER_RAN", 0, 0, 0)
    speaker: str = ""  # the source that delivered last
    reach: int = -(10**18)  # deadlines before this are judged
    old_reach: int = -(10**18)  # the same, just before this moment
    bound: Bound = (-(10**18), 0)
    unknown_about: int | None = None  # the deadline about which nothing can be told

    def last_is_counted(self, deadline: Deadline) -> bool:
        """Whether no message is folded behind that deadline."""
        return not self.known or self.known[-1].moment <= deadline.moment


class Replay:
    """Recorded messages, heard one moment after the other."""

    def __init__(self, config: Line, lines: list[Line], start: float | None, until: float | None) -> None:
        everywhere = the_global(config)
        self.grace = micros(everywhere.get("controller_message_grace_period_in_sec", 5.0))
        # "a watermark lags by more than controller_interval + load timeout"
        self.patience = micros(everywhere.get("controller_interval_in_sec", 10)) + micros(
            everywhere.get("controller_data_load_timeout_in_sec", 5)
        )
        self.events = {
            everywhere.get("jobs_start_keyword", "STARTED"): "start",
            everywhere.get("jobs_end_keyword", "SUCCESS"): "end",
            everywhere.get("jobs_error_keyword", "ERROR"): "error",
        }
        self.hosts = [host.get("name") or host["hostname"] for host in config.get("source_hosts", [])]
        self.outages = self.read_outages(lines)
        stamps = [micros(line["timestamp"]) for line in lines if "unreachable_from" not in line]
        # "`known since` is `--from`, by default the first timestamp"
        self.known_since = min(stamps, default=0) if start is None else micros(start)
        # "it runs on to `--until`, by default 48 hours after the last message"
        self.until = max(stamps, default=self.known_since) + 2 * DAY if until is None else micros(until)
        self.desks = [self.new_desk(read_promise(config, place)) for place in range(len(config["jobs"]))]
        self.arrivals = self.read_messages(lines)
        self.changes: list[Line] = []

    def new_desk(self, promise: Promise) -> Desk:
        """A job nothing has been heard of."""
        return Desk(promise=promise, fold=Fold(promise, self.known_since, [], (-(10**18), 0)))

    def read_outages(self, lines: list[Line]) -> dict[str, list[tuple[int, int]]]:
        """Outages by source; those that overlap or touch are one, for there is no moment between them."""
        outages: dict[str, list[tuple[int, int]]] = {}
        rows = [line for line in lines if "unreachable_from" in line]
        for line in sorted(rows, key=lambda line: line["unreachable_from"]):
            opens, closes = micros(line["unreachable_from"]), micros(line["unreachable_until"])
            mine = outages.setdefault(line["source"], [])
            if mine and opens <= mine[-1][1]:
                mine[-1] = (mine[-1][0], max(mine[-1][1], closes))
            elif opens < closes:
                mine.append((opens, closes))
        return outages

    def read_messages(self, lines: list[Line]) -> dict[int, list[tuple[Desk, Message]]]:
        """Messages by arrival: only those that may speak for a configured job, each once."""
        desks = {desk.promise.key: desk for desk in self.desks}
        found = []
        for number, line in enumerate(lines, start=1):
            if "unreachable_from" in line or f"{line['job']}__{line['instance']}" not in desks:
                continue
            desk = desks[f"{line['job']}__{line['instance']}"]
            named = desk.promise.sources
            source = line.get("source") or [*named, *self.hosts, ""][0]
            # "then only these may speak for it"
            if named and source not in named:
                continue
            moment = micros(line["timestamp"])
            arrival = micros(line["received"] if "received" in line else line["timestamp"])
            # "A timestamp more than the grace ahead of the tracker's clock is taken as now, decided once, at arrival"
            if moment > arrival + self.grace:
                moment = arrival
            message = Message(
                moment=moment,
                source=source,
                number=line.get("_id", number),
                line=number,
                arrival=arrival,
                event=self.events.get(line["event"], "other"),
                run=line.get("run"),
            )
            found.append((arrival, number, line.get("uid"), desk, message))
        seen: set[str] = set()
        arrivals: dict[int, list[tuple[Desk, Message]]] = {}
        for arrival, _, uid, desk, message in sorted(found, key=lambda row: row[:2]):
            # "The same `uid`: the same message, ignored."
            if uid is not None and uid in seen:
                continue
            if uid is not None:
                seen.add(uid)
            arrivals.setdefault(arrival, []).append((desk, message))
        return arrivals

    # what passes

    def run(self) -> tuple[list[Line], Line]:
        """Let time pass up to `until`."""
        edges = [edge for outages in self.outages.values() for outage in outages for edge in outage]
        fixed = sorted({*self.arrivals, *edges, self.known_since})
        now = -(10**18)
        while True:
            place = bisect_right(fixed, now)
            following = fixed[place : place + 1]
            for desk in self.desks:
                following += self.wakes(desk, now)
            # "messages after `--until` are ignored, deadlines at `--until` count"
            if not following or min(following) > self.until:
                break
            now = min(following)
            self.pass_moment(now)
        final = {
            desk.promise.key: dict(zip(("state", "status", "errors", "missed"), desk.shown, strict=True))
            for desk in self.desks
        }
        return self.changes, final

    def wakes(self, desk: Desk, now: int) -> list[int]:
        """When time alone may change what this job shows."""
        wakes = []
        if desk.fold.pending is not None and desk.fold.pending.moment > now:
            wakes.append(desk.fold.pending.moment)
        following = desk.fold.pending
        if following is not None:
            for source in self.belongs_to(desk):
                for opens, closes in self.outages.get(source, []):
                    onset = max(following.moment, opens + self.patience)
                    if opens <= following.moment and now < onset < closes:
                        wakes.append(onset)
        return wakes

    def pass_moment(self, now: int) -> None:
        """Fold what arrives and what becomes judged at this moment, in the order of its own moments."""
        for desk, message in self.arrivals.get(now, []):
            insort(desk.waiting, message)
        for desk in self.desks:
            desk.old_reach = max(desk.reach, self.drained(self.belongs_to(desk), now - 1))
            if desk.waiting:
                desk.speaker = desk.waiting[-1].source
            desk.reach = max(desk.old_reach, self.drained(self.belongs_to(desk), now))
        while True:
            ready = [(self.order(desk), desk.promise.place, desk) for desk in self.desks if self.order(desk)]
            if not ready:
                break
            _, _, desk = min(ready, key=lambda row: row[:2])
            self.fold_next(desk, now)
        for desk in self.desks:
            desk.bound = (desk.reach, 0)
            self.tell_unknown(desk, now)

    def order(self, desk: Desk) -> tuple[Any, ...] | None:
        """Where the next thing of this job stands among those of all jobs; None if there is none."""
        message = desk.waiting[0] if desk.waiting else None
        deadline = desk.fold.pending
        if deadline is not None and deadline.moment < desk.reach and (not message or deadline.moment < message.moment):
            # "At equal moments: timeouts, then missed starts, then the order of configuration."
            return deadline.moment, 1, deadline.kind
        if message is not None:
            return message.moment, 0, (message.source, message.number, message.line)
        return None

    def fold_next(self, desk: Desk, now: int) -> None:
        """Fold the next message or deadline of this job and print what it changed."""
        order = self.order(desk)
        assert order is not None
        if order[1] == 0:
            message = desk.waiting.pop(0)
            late = any(other > message for other in desk.known) or any(
                moment >= message.moment for moment in desk.fold.counted
            )
            # "one that arrives late is folded where it belongs" and prints one line for all that it changed; one with
            # nothing behind it leaves the deadlines behind it to print their own.
            desk.bound = max(desk.bound, (desk.old_reach, 0)) if late else min(desk.bound, (message.moment, 0))
            insort(desk.known, message)
            self.fold_again(desk)
            self.tell(desk, message.moment, now)
            return
        deadline = desk.fold.pending
        assert deadline is not None
        desk.bound = (deadline.moment, desk.fold.at_moment(deadline.moment) + 1)
        if desk.last_is_counted(deadline):
            desk.fold.count(deadline)  # the same as folding all again, only sooner
            desk.fold.pending = desk.fold.standing.next_deadline()
        else:
            self.fold_again(desk)
        self.tell(desk, deadline.moment, now)

    def fold_again(self, desk: Desk) -> None:
        """Everything from the first message on."""
        desk.fold = Fold(desk.promise, self.known_since, desk.known, desk.bound)

    # what can be seen

    def belongs_to(self, desk: Desk) -> list[str]:
        """“it belongs to the source that last delivered a message of it, and before the first one to all”"""
        return desk.promise.sources or ([desk.speaker] if desk.speaker else self.hosts)

    def drained(self, sources: list[str], now: int) -> int:
        """“a deadline D is judged once the watermarks of all sources the job belongs to are later than D”: before
        which moment that is so at this one."""
        held = [opens for s in sources for opens, closes in self.outages.get(s, []) if opens <= now < closes]
        return min([now + 1, *held])

    def cannot_tell(self, desk: Desk, now: int) -> int | None:
        """“That becomes true at the later of D and watermark + interval + load timeout”: the first such moment."""
        deadline = desk.fold.pending
        if deadline is None:
            return None
        onsets = [
            max(deadline.moment, opens + self.patience)
            for source in self.belongs_to(desk)
            for opens, closes in self.outages.get(source, [])
            if opens <= now < closes and opens <= deadline.moment
        ]
        return min(onsets, default=None)

    # what is said

    def tell(self, desk: Desk, at: int, now: int, *, onset_counts: bool = False) -> None:
        """Print a line if what is shown has changed."""
        shown = desk.fold.standing.shown()
        deadline = desk.fold.pending
        onset = self.cannot_tell(desk, now)
        # "a job whose status is 0 becomes UNKNOWN … and ends when the watermark passes D"
        still = deadline is not None and deadline.moment == desk.unknown_about
        unknown = onset is not None and (onset < now or (onset_counts and onset == now))
        if shown[1] == 0 and (still or unknown):
            assert deadline is not None
            desk.unknown_about = deadline.moment
            shown = ("UNKNOWN", 3, shown[2], shown[3])
        else:
            desk.unknown_about = None
        if shown != desk.shown:
            self.changes.append(
                {
                    "at": at / SECOND,
                    "job": desk.promise.key,
                    "from": desk.shown[0],
                    "to": shown[0],
                    "status": shown[1],
                    "errors": shown[2],
                    "missed": shown[3],
                }
            )
            desk.shown = shown

    def tell_unknown(self, desk: Desk, now: int) -> None:
        """Print the line for a job of which nothing can be told from this moment on."""
        onset = self.cannot_tell(desk, now)
        if onset is not None and onset <= now:
            self.tell(desk, onset, now, onset_counts=True)
