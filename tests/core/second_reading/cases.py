"""Cases: random configurations and recordings, in the corners where two readings of the rules would part.

Moments lie mostly at a deadline or a microsecond beside it, in zones and weeks in which clocks change.  Which features
a case has is drawn; `plain` keeps to what every job can promise, a named feature is in every case.  A seed always gives
the same case.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from second_reading import messages as reading
from second_reading import promise, zones
from second_reading.fold import fold, next_deadline
from second_reading.promise import House, Promise

SECOND, MINUTE, HOUR, DAY = 1_000_000, 60_000_000, 3_600_000_000, 86_400_000_000
ZONES = (
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "America/Sao_Paulo",
    "Asia/Kolkata",
    "Pacific/Apia",
    "Africa/Casablanca",
    "UTC",
)
PLAIN = (
    "quiet",
    "sources",
    "named_sources",
    "outages",
    "late",
    "uid",
    "ahead",
    "ids",
    "other",
    "two_jobs",
    "words",
    "below",
)
MORE = (
    "times",
    "weekdays",
    "days_of_month",
    "working_days",
    "calendars",
    "closed_day",
    "cron",
    "on_demand",
    "end_by",
    "min_duration",
    "exit_codes",
    "skipped",
    "warning",
    "caused",
    "windows",
    "groups",
    "reported_as",
    "operator",
    "stepped",
)
CRONS = {
    "0 2 * * *": 1,
    "30 2 * * *": 1,
    "*/30 * * * *": 48,
    "15 */3 * * *": 8,
    "0 0 * * *": 1,
    "30 1,2,3 * * mon-fri": 3,
    "0 12 1 * *": 1,
    "0 6 * * 1#1": 1,
    "45 23 L * *": 1,
    "5 4 */2 * sun": 1,
    "0 * * * *": 24,
    "17 0-6 * * *": 7,
    "0 1-3 * * *": 3,
    "*/20 2 * * *": 3,
    "59 23 * * 5L": 1,
}
"""Expressions, and how often a day they may be due."""
MOST_EXPECTED = 70
CALENDAR_PICKS = (1, 2, 3, 5, 9)


@dataclass(frozen=True, kw_only=True)
class Case:
    """A configuration and a recording; begin and until in seconds."""

    seed: int
    features: frozenset[str]
    config: dict[str, Any]
    recording: list[dict[str, Any]]
    begin: float
    until: float

    def as_json(self) -> str:
        """Write the case so that it can be read and replayed."""
        lines = "\n".join(json.dumps(line) for line in self.recording)
        return f"{json.dumps(self.config, indent=1)}\nbegin={self.begin} until={self.until}\n{lines}"


def case(
    seed: int,
    *,
    plain: bool = False,
    feature: str | None = None,
    without: frozenset[str] = frozenset(),
    among: tuple[str, ...] = MORE,
) -> Case:
    """Make the case of a seed; among: what may be drawn beside what is plain."""
    return _Maker(seed=seed, plain=plain, feature=feature, without=without, among=among).make()


@dataclass(kw_only=True)
class _Maker:
    seed: int
    plain: bool
    feature: str | None
    without: frozenset[str]
    among: tuple[str, ...]
    random: Random = field(default_factory=Random)
    features: set[str] = field(default_factory=set)
    calendars: dict[str, dict[str, list[str]]] = field(default_factory=dict)

    def make(self) -> Case:
        self.random.seed(f"case {self.seed}")
        self.features = self.drawn_features()
        zone = self.random.choice(ZONES)
        begin = self.begin(zone)
        span = self.random.choice((6 * HOUR, DAY, 2 * DAY, 3 * DAY, 6 * DAY))
        if self.features & {"weekdays", "days_of_month", "working_days", "calendars", "closed_day"}:
            span = self.random.choice((6, 12, 35)) * DAY
        config = self.config(zone, begin, span)
        house = promise.read(config)
        lines: list[dict[str, Any]] = []
        for one, given in zip(house.promises, config["jobs"], strict=True):
            lines += _Story(self, one, given, house, begin, span, self.sources(config)).lines()
        lines += self.outages(lines, begin, span, self.sources(config))
        lines.sort(key=lambda line: line.get("timestamp", 0))
        until = begin + span + self.random.choice((0, HOUR, DAY))
        return Case(
            seed=self.seed,
            features=frozenset(self.features),
            config=config,
            recording=lines,
            begin=begin / SECOND,
            until=until / SECOND,
        )

    def drawn_features(self) -> set[str]:
        found = {name for name in PLAIN if self.random.random() < 0.3}
        if not self.plain:
            chance = self.random.choice((0.1, 0.3))
            found |= {name for name in self.among if self.random.random() < chance}
        if self.feature:
            found.add(self.feature)
        if "outages" in found:
            found.add("sources")
        if found & {"skipped", "stepped", "caused"}:
            found.add("ids")
        return found - self.without

    def has(self, feature: str) -> bool:
        return feature in self.features

    def maybe(self, chance: float) -> bool:
        return self.random.random() < chance

    def begin(self, zone: str) -> int:
        """Begin somewhat before a change of clocks, if the zone has one in a random year."""
        years = range(2021, 2031) if self.has("calendars") else range(2009, 2027)
        year = self.random.choice(years)
        if zone == "Pacific/Apia" and 2011 in years and self.maybe(0.5) and not self.has("cron"):
            year = 2011
        changes = list(_changes(zone, year))
        at = (
            self.random.choice(changes)
            if changes and self.maybe(0.8)
            else _first_of(year) + self.random.randrange(365) * DAY
        )
        early = self.random.choice((2 * HOUR, 9 * HOUR, DAY, 2 * DAY, 5 * DAY))
        return at - early + self.random.choice((0, 1, HOUR, self.random.randrange(DAY)))

    def config(self, zone: str, begin: int, span: int) -> dict[str, Any]:
        settings: dict[str, Any] = {"time_zone": self.random.choice((zone, zone, "UTC"))}
        if self.maybe(0.5):
            settings["controller_message_grace_period_in_sec"] = self.random.choice(
                ("0", "2.5", "0.000001", "300", "5")
            )
        if self.maybe(0.3):
            settings["controller_interval_in_sec"] = self.random.choice(("0.1", "60", "600"))
        if self.has("words"):
            settings |= {"jobs_start_keyword": "GO", "jobs_error_keyword": "BAD", "jobs_end_keyword": "DONE"}
        if self.has("warning"):
            settings["jobs_warning_keyword"] = "WARNING"
        if self.has("quiet"):
            settings["no_timeout_for_cyclic_jobs_from_in_hh:mm"] = self.clock()
            settings["no_timeout_for_cyclic_jobs_until_in_hh:mm"] = self.clock()
        names = ["A", "B", "C"][: 1 + self.has("two_jobs") + (self.has("two_jobs") and self.maybe(0.3))]
        if self.features & {"calendars", "windows"}:
            self.calendars = {name: {"dates": self.dates(begin, span)} for name in ("one", "two")}
        config: dict[str, Any] = {"global_config": settings}
        if self.has("sources"):
            hosts = ["app1", "app2", "app3"][: self.random.choice((1, 2, 2, 3))]
            config["source_hosts"] = [
                {"name": host, "connection": "local", "message_queue": f"/var/lib/queues/{host}.sqlite"}
                for host in hosts
            ]
        if self.calendars:
            config["calendars"] = self.calendars
        hosts = self.sources(config)
        config["jobs"] = [self.job(name, zone, span, hosts) for name in names]
        if self.has("groups"):
            self.group(config)
        return config

    def sources(self, config: dict[str, Any]) -> list[str]:
        return [source["name"] for source in config.get("source_hosts", ())]

    def job(self, name: str, zone: str, span: int, hosts: list[str]) -> dict[str, Any]:
        job: dict[str, Any] = {"name": name, "env": "P", "cyclic_or_daily": self.kind(), "time_zone": zone}
        if self.maybe(0.2):
            del job["time_zone"]
        timeout = self.length(span // 25, span // 2)
        job["timeout_in_hh:mm:ss"] = _hms(timeout)
        if self.maybe(0.6):
            job["max_errors_before_alerting"] = self.random.choice((1, 2, 3, 5))
            job["status_below_threshold"] = self.random.choice((0, 1)) if self.has("below") else 0
        if hosts and self.has("named_sources"):
            job["source_host"] = self.random.sample(hosts, self.random.randint(1, len(hosts)))
        getattr(self, f"as_{job['cyclic_or_daily']}")(job, span)
        self.more(job, timeout)
        return job

    def kind(self) -> str:
        if self.feature in {"times", "weekdays", "days_of_month", "working_days", "closed_day"}:
            return "daily"
        if self.feature in {"cron", "on_demand"}:
            return self.feature
        kinds = ["cyclic", "daily"] + [kind for kind in ("cron", "on_demand") if self.has(kind)]
        return self.random.choice(kinds)

    def as_cyclic(self, job: dict[str, Any], span: int) -> None:
        job["cyclic_interval_in_hh:mm:ss"] = _hms(self.length(span // 30, span // 3))
        if self.maybe(0.4):
            job["cyclic_interval_counts_from"] = self.random.choice(("start", "end"))
        if self.maybe(0.5):
            job["start_max_delay_in_hh:mm:ss"] = _hms(self.length(SECOND, 2 * HOUR))

    def as_daily(self, job: dict[str, Any], span: int) -> None:
        times = [self.clock()]
        if self.has("times"):
            times = sorted({self.clock() for _ in range(self.random.randint(2, 4))})
            job["daily_start_time_in_hh:mm"] = times
        else:
            job["daily_start_time_in_hh:mm"] = times[0]
        if self.maybe(0.6):
            job["start_max_delay_in_hh:mm:ss"] = _hms(self.length(SECOND, 11 * HOUR))
        if self.maybe(0.6):
            job["start_max_early_in_hh:mm:ss"] = _hms(self.length(SECOND, 11 * HOUR))
        if self.has("weekdays"):
            job["weekdays"] = self.weekdays()
        if self.has("days_of_month"):
            job["days_of_month"] = self.random.sample((1, 2, 5, 10, 15, 20, 25, 28, 29, 30, 31, -1, -2, -7), 6)
        if self.has("working_days"):
            job["working_days_of_month"] = self.random.sample((1, 2, 3, 5, 8, 12, 15, 20, 23, -1, -2, -5), 5)
        if self.has("closed_day"):
            job["closed_day"] = self.random.choice(("skip", "next", "previous"))
            job.setdefault("weekdays", self.weekdays())
        self.days_of_calendars(job)
        self.ends_by(job)

    def as_cron(self, job: dict[str, Any], span: int) -> None:
        fitting = [expression for expression, often in CRONS.items() if often * span <= MOST_EXPECTED * DAY]
        job["cron_expression"] = self.random.choice(fitting)
        if self.maybe(0.6):
            job["start_max_delay_in_hh:mm:ss"] = _hms(self.length(SECOND, 5 * HOUR))
        if self.maybe(0.6):
            job["start_max_early_in_hh:mm:ss"] = _hms(self.length(SECOND, 5 * HOUR))
        self.days_of_calendars(job)
        self.ends_by(job)

    def as_on_demand(self, job: dict[str, Any], span: int) -> None:
        pass

    def ends_by(self, job: dict[str, Any]) -> None:
        if self.has("end_by"):
            job["end_by_in_hh:mm"] = self.clock()

    def days_of_calendars(self, job: dict[str, Any]) -> None:
        if not self.has("calendars"):
            return
        if self.maybe(0.7):
            job["only_on"] = self.random.choice(("one", ["one"], ["one", "two"]))
        if self.maybe(0.5):
            job["not_on"] = self.random.choice(("two", ["two"], ["one", "two"]))

    def more(self, job: dict[str, Any], timeout: int) -> None:
        if self.has("min_duration"):
            job["min_duration_in_hh:mm:ss"] = _hms(self.length(SECOND, timeout - SECOND))
        if self.has("exit_codes") or self.has("skipped"):
            codes: dict[str, list[int]] = {"success": [3], "warning": [4]}
            if self.has("skipped"):
                codes["skipped"] = self.random.choice(([5], [5, -2]))
            job["exit_codes"] = codes
        if self.has("caused") and self.maybe(0.6):
            key = self.random.choice(("canceled_counts_as", "dismissed_counts_as", "gone_counts_as"))
            job[key] = self.random.choice(("error", "success", "skipped"))
        if self.has("windows"):
            job["quiet_windows"] = [self.window() for _ in range(self.random.choice((1, 1, 2, 3)))]
        if self.has("reported_as"):
            job["reported_as"] = [f"{job['name']} alias", {"job": f"{job['name']}/x", "instance": "Q q"}]

    def window(self) -> dict[str, Any]:
        begin, end = self.clock(), self.random.choice((self.clock(), self.clock(), "24:00"))
        window: dict[str, Any] = {"from": begin, "until": "23:59" if begin == end else end}
        if self.maybe(0.4):
            window["weekdays"] = self.weekdays()
        if self.maybe(0.2):
            window["only_on"] = "one"
        if self.maybe(0.2):
            window["not_on"] = ["two"]
        return window

    def group(self, config: dict[str, Any]) -> None:
        """Move keys of jobs into a group, and put some there that are not for every kind."""
        keys = {
            "daily_start_time_in_hh:mm": "03:00",
            "cyclic_interval_in_hh:mm:ss": "07:00:00",
            "max_errors_before_alerting": 4,
        }
        group = {key: value for key, value in keys.items() if self.maybe(0.4)}
        for job in config["jobs"]:
            if self.maybe(0.7):
                job["group"] = "night"
                for key in list(job):
                    if (
                        key not in ("name", "env", "group", "reported_as", "cyclic_or_daily")
                        and key not in group
                        and self.maybe(0.3)
                    ):
                        group[key] = job.pop(key)
        config["groups"] = {"night": group}

    def outages(self, lines: list[dict[str, Any]], begin: int, span: int, hosts: list[str]) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        if not self.has("outages") or not hosts:
            return found
        for _ in range(self.random.choice((1, 1, 2, 3))):
            first = begin + self.random.randrange(-HOUR, span)
            if lines and self.maybe(0.5):
                first = round(self.random.choice(lines)["timestamp"] * SECOND) + self.random.choice((-1, 0, 1, MINUTE))
            last = first + self.length(SECOND, span // 3) + self.random.choice((0, 1))
            found.append(
                {
                    "source": self.random.choice(hosts),
                    "unreachable_from": first / SECOND,
                    "unreachable_until": last / SECOND,
                }
            )
        if self.maybe(0.7):
            for line in lines:
                for outage in found:
                    if (
                        line.get("source") == outage["source"]
                        and outage["unreachable_from"] <= line["timestamp"] < outage["unreachable_until"]
                    ):
                        line["received"] = max(line.get("received", 0), outage["unreachable_until"])
        return found

    def clock(self) -> str:
        hour = self.random.choice((0, 1, 1, 2, 2, 2, 3, 3, 4, 23, self.random.randrange(24)))
        return f"{hour:02}:{self.random.choice((0, 0, 30, 15, 45, 59, 1)):02}"

    def length(self, low: int, high: int) -> int:
        """Draw a duration in whole seconds, round ones more often."""
        low, high = max(1, low // SECOND), max(2, high // SECOND)
        if self.maybe(0.6):
            rounds = [
                length
                for length in (60, 300, 900, 1800, 3600, 7200, 14400, 28800, 43200, 86400, 129600)
                if low <= length <= high
            ]
            if rounds:
                return self.random.choice(rounds) * SECOND
        return self.random.randint(low, high) * SECOND

    def weekdays(self) -> Any:
        return self.random.choice(
            ("mon-fri", "fri-mon", "sat-sun", ["mon", "wed-thu", "sun"], "tue", ["sat", "mon"], "mon-sun")
        )

    def dates(self, begin: int, span: int) -> list[str]:
        first = zones.on_wall("UTC", begin).date()
        days = [first + timedelta(days=number) for number in range(-3, span // DAY + 5)]
        picked = self.random.sample(days, min(len(days), self.random.choice(CALENDAR_PICKS)))
        return [day.isoformat() if self.maybe(0.6) else f"{day:%m-%d}" for day in picked]


@dataclass
class _Story:
    """What one job does: each message looks at the deadlines that the ones before it have left."""

    maker: _Maker
    promise: Promise
    given: dict[str, Any]
    house: House
    begin: int
    span: int
    hosts: list[str]
    number: int = 0

    def lines(self) -> list[dict[str, Any]]:
        random, found = self.maker.random, []
        at, is_open = self.begin + random.choice((0, 0, 1, HOUR, -HOUR)), False
        for _ in range(random.choice((1, 3, 5, 8, 12, 16))):
            if at > self.begin + self.span:
                break
            found += self.beat(at, is_open)
            at, is_open = self.next(found, at)
        return found

    def next(self, lines: list[dict[str, Any]], at: int) -> tuple[int, bool]:
        """Choose the moment of the next message: near the next deadline, near another corner, or anywhere.

        Says also whether a run is open: who ends what has begun gets into deeper corners.
        """
        random = self.maker.random
        story, _ = fold(self.promise, self.begin, self.understood(lines), at)
        corners = [moment for moment in self.corners(story, at) if moment > at]
        near = random.choice((0, 0, 1, -1, SECOND, -SECOND))
        if corners and self.maker.maybe(0.75):
            return max(at, random.choice(corners) + near), bool(story.open_runs)
        step = random.choice((0, 1, SECOND, random.randrange(HOUR), random.randrange(max(1, self.span // 5))))
        return at + step, bool(story.open_runs)

    def corners(self, story: Any, at: int) -> Iterator[int]:
        deadline = next_deadline(story)
        if deadline is not None:
            yield from (deadline.at, deadline.at, deadline.at, deadline.at - self.promise.grace)
        if story.due is not None:
            yield from (story.due, story.due + self.promise.max_delay)
        if story.pause is not None:
            yield story.pause.end
        sequence = self.promise.sequence
        if sequence is not None and (awaited := sequence.after(at)) is not None:
            yield from (
                awaited,
                awaited - sequence.early(awaited),
                awaited + self.promise.max_delay + self.promise.grace,
            )
        for run in story.open_runs:
            yield run.begun + self.promise.min_duration
            if run.next_timeout is not None:
                yield run.next_timeout
        if self.promise.windows.windows:
            yield from (
                edge for span in self.promise.windows.between(at, at + DAY) for edge in span if at < edge < at + 2 * DAY
            )

    def understood(self, lines: list[dict[str, Any]]) -> tuple[reading.Message, ...]:
        return reading.read(lines, self.house).messages[self.promise.key]

    def beat(self, at: int, is_open: bool) -> list[dict[str, Any]]:
        """Say one thing, or two where a clock steps within a run."""
        random, maker = self.maker.random, self.maker
        if maker.has("operator") and maker.maybe(0.3):
            return [self.operator(at)]
        if maker.has("stepped") and maker.maybe(0.35):
            return self.stepped(at)
        words = ["start"] * (3 if is_open else 9) + ["end"] * (7 if is_open else 2) + ["error"] * 3
        words += ["warning"] * 3 if maker.has("warning") else []
        words += ["other"] if maker.has("other") else []
        line = self.line(at, random.choice(words), self.run())
        found = [line]
        if maker.has("uid") and maker.maybe(0.4):
            line["uid"] = f"{self.promise.key}-{self.number}"
            if maker.maybe(0.5):
                received = line.get("received", line["timestamp"])
                found.append({**line, "_id": line["_id"] + 500, "received": received + random.choice((1, 60, 4000))})
        return found

    def run(self) -> str | None:
        maker = self.maker
        return maker.random.choice(("a", "b", "c", "d", None)) if maker.has("ids") else None

    def stepped(self, at: int) -> list[dict[str, Any]]:
        """End a run before it starts: the end is stored later, or by another host whose clock is behind."""
        random = self.maker.random
        end = self.line(at, random.choice(("end", "error")), run := f"r{self.number}")
        if self.maker.maybe(0.8):
            end.pop("exit_code", None)
        distance = random.choice((0, 1, SECOND, self.promise.grace, self.promise.grace + 1, MINUTE))
        start = self.line(at + distance, "start", run)
        if self.maker.maybe(0.7):
            end["_id"], start["_id"] = start["_id"], end["_id"]
        return [end, start]

    def line(self, at: int, word: str, run: str | None) -> dict[str, Any]:
        random, maker = self.maker.random, self.maker
        self.number += 1
        words = {meaning: keyword for keyword, meaning in self.house.words.items()} | {"other": "PROGRESS"}
        line: dict[str, Any] = {
            "_id": self.identity(),
            "timestamp": at / SECOND,
            **self.reported(),
            "event": words[word],
            "message": "",
        }
        if self.hosts:
            line["source"] = random.choice(self.hosts[:1] + self.hosts) if maker.maybe(0.8) else self.hosts[0]
        if run is not None:
            line["run"] = run
        if word != "start" and maker.features & {"exit_codes", "skipped", "caused"} and maker.maybe(0.6):
            line["exit_code"] = random.choice((0, 1, 3, 4, 5, 5, -1, -2, -3))
        if maker.has("late") and maker.maybe(0.25):
            line["received"] = (
                at + random.choice((1, SECOND, HOUR, random.randrange(max(1, self.span // 3))))
            ) / SECOND
        elif maker.has("ahead") and maker.maybe(0.3):
            ahead = random.choice((1, self.promise.grace, self.promise.grace + 1, self.promise.grace - 1, HOUR))
            line["received"] = (at - max(0, ahead)) / SECOND
        return line

    def identity(self) -> int:
        """Number messages as a queue would, each job in a range of its own."""
        return ord(self.given["name"][0]) * 1000 + self.number

    def reported(self) -> dict[str, str]:
        name, env = self.given["name"], self.given["env"]
        if self.maker.has("reported_as"):
            name, env = self.maker.random.choice(
                ((name, env), (f"{name} alias", env), (f"{name}/x", "Q q"), (f"{name} Alias", env))
            )
        return {"job": name, "instance": env}

    def operator(self, at: int) -> dict[str, Any]:
        random = self.maker.random
        self.number += 1
        event = random.choice(("PAUSE", "PAUSE", "PAUSE", "RESUME", "SUCCESS", "ERROR"))
        message: dict[str, Any] = {"author": "ops", "why": "maintenance"}
        if event == "PAUSE":
            until = at + random.choice(
                (0, -HOUR, 1, HOUR, self.span // 4, self.promise.timeout, self.promise.interval, DAY)
            )
            message["until"] = until / SECOND
        line = {
            "_id": self.identity(),
            "timestamp": at / SECOND,
            "instance": self.given["env"],
            "job": self.given["name"],
            "event": event,
            "message": json.dumps(message),
            "source": reading.OPERATOR,
        }
        if self.maker.has("late") and self.maker.maybe(0.3):
            line["received"] = (at + random.choice((1, SECOND, HOUR))) / SECOND
        return line


def _changes(zone: str, year: int) -> Iterator[int]:
    """List the moments at which a zone's offset changes in a year, to the hour before."""
    at = _first_of(year)
    offset = zones.on_wall(zone, at) - zones.on_wall("UTC", at)
    for _ in range(366 * 24):
        at += HOUR
        now = zones.on_wall(zone, at) - zones.on_wall("UTC", at)
        if now != offset:
            yield at - HOUR
        offset = now


def _first_of(year: int) -> int:
    return zones.of(datetime(year, 1, 1, tzinfo=UTC))


def _hms(length: int) -> str:
    seconds = max(1, length // SECOND)
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
