"""Configurations and recorded messages in which as many rules as possible meet.

Rule: every number is small and taken from few, so that moments coincide.  Rule: whatever is drawn is a valid
configuration; one source's outages do not overlap or touch; `_id` is unique within a source.
"""

import json
import random
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from hypothesis import strategies as st
from oracle import SECOND, at_clock

Line = dict[str, Any]
Case = tuple[Line, list[Line], float | None, float | None]
Below = Callable[[int], int]
OPERATOR = "(operator)"

# A time zone, a day, and the clocks between which its interesting hour lies; ordinary days first.
SCENES = [
    ("UTC", date(2025, 6, 11), ["12:00", "23:30", "00:00"]),
    ("Europe/Berlin", date(2025, 6, 11), ["00:00", "02:00", "22:00"]),
    ("Europe/Berlin", date(2025, 3, 30), ["01:30", "02:00", "02:30", "03:00"]),
    ("Europe/Berlin", date(2025, 10, 26), ["01:30", "02:00", "02:30", "03:00"]),
    ("Australia/Lord_Howe", date(2025, 4, 6), ["01:15", "01:30", "01:45", "02:00"]),
    ("Australia/Lord_Howe", date(2025, 10, 5), ["01:30", "02:00", "02:15", "02:30"]),
    ("America/Santiago", date(2025, 9, 7), ["00:00", "00:30", "01:00", "23:30"]),
    ("America/Santiago", date(2025, 4, 5), ["22:45", "23:00", "23:30", "23:45"]),
    ("America/Santiago", date(2025, 4, 6), ["00:00", "00:30", "01:00"]),
]


def random_case(rng: random.Random, **limits: Any) -> Case:
    """A case for bulk runs; limits as in `Deck`."""
    return Deck(rng.randrange, **limits).case()


@st.composite
def cases(draw: st.DrawFn, /, **limits: Any) -> Case:
    """The same cases for Hypothesis, which finds the smaller one."""
    return Deck(lambda count: draw(st.integers(0, count - 1)), **limits).case()


def smaller(case: Case, still_fails: Callable[[Case], bool]) -> Case:
    """Leave out lines, jobs and keys one by one as long as the case still fails (for bulk runs)."""
    before = None
    while before != case:
        before = case
        for candidate in _simpler(case):
            # Without any message time would begin in 1970.
            if any("timestamp" in line for line in candidate[1]) and still_fails(candidate):
                case = candidate
                break
    return case


def _simpler(case: Case) -> list[Case]:
    """Everything that is one thing less than this case."""
    config, lines, start, until = case
    found: list[Case] = [(config, lines[:n] + lines[n + 1 :], start, until) for n in range(len(lines))]
    jobs = config["jobs"]
    if len(jobs) > 1:
        found += [({**config, "jobs": jobs[:n] + jobs[n + 1 :]}, lines, start, until) for n in range(len(jobs))]
    if len(config["source_hosts"]) > 1 and not any("source_host" in job for job in jobs):
        found.append(({**config, "source_hosts": config["source_hosts"][:1]}, lines, start, until))
    for n, job in enumerate(jobs):
        optional = ["source_host", "max_errors_before_alerting", "status_below_threshold", "time_zone"]
        optional += ["start_max_delay_in_hh:mm:ss", "cyclic_interval_counts_from", "start_max_early_in_hh:mm:ss"]
        for key in optional:
            if key in job:
                less = {k: v for k, v in job.items() if k != key}
                found.append(({**config, "jobs": [*jobs[:n], less, *jobs[n + 1 :]]}, lines, start, until))
    quiet = [key for key in config["global_config"] if key.startswith("no_timeout")]
    if quiet:
        less = {k: v for k, v in config["global_config"].items() if k not in quiet}
        found.append(({**config, "global_config": less}, lines, start, until))
    for n, line in enumerate(lines):
        found += [
            (config, [*lines[:n], {k: v for k, v in line.items() if k != key}, *lines[n + 1 :]], start, until)
            for key in ("received", "run", "uid", "source", "message")
            if key in line
        ]
    if start is not None:
        found.append((config, lines, None, until))
    return found


ChoiceT = TypeVar("ChoiceT")


class Deck:
    """Draws one case; every choice is one number, and 0 is the plainest.

    The limits switch off whole kinds of trouble: `outages`, `late` (arrival differs from timestamp), `duplicates`,
    `unnamed` (jobs without source_host beside several sources), `quiet`, `dst`; `most` is the number of messages.
    `words` switches on what the oracle does not know: pauses, resumes and marks, runs that warn or are skipped.
    """

    def __init__(
        self,
        below: Below,
        *,
        most: int = 40,
        outages: bool = True,
        late: bool = True,
        duplicates: bool = True,
        unnamed: bool = True,
        quiet: bool = True,
        dst: bool = True,
        words: bool = False,
    ) -> None:
        self.below = below
        self.most, self.outages, self.late, self.duplicates = most, outages, late, duplicates
        self.unnamed, self.quiet, self.dst, self.words = unnamed, quiet, dst, words

    def pick(self, *choices: ChoiceT) -> ChoiceT:
        """One of these; the first is the plainest."""
        return choices[self.below(len(choices))]

    def chance(self, percent: int) -> bool:
        """True that often; False is plainer."""
        return self.below(100) >= 100 - percent

    def case(self) -> Case:
        """All of it."""
        zone, day, self.clocks = SCENES[self.below(len(SCENES) if self.dst else 2)]
        self.zone = ZoneInfo(zone)
        self.day = day
        around = at_clock(self.zone, day, self.clocks[self.below(len(self.clocks))]) // SECOND
        self.base = around - self.pick(0, 60, 300, 900, 1800, 3600, 4 * 3600)
        self.grain = self.pick(5, 10, 30, 60)
        self.grace = self.pick(0, 1, 5, 30)
        self.sources = ["app1", "app2"][: self.pick(1, 2)]
        config: Line = {"global_config": self.global_config(zone), "source_hosts": self.source_hosts()}
        config["jobs"] = [self.job(number, zone) for number in range(self.pick(1, 2, 3))]
        # Days of one line a minute show nothing that an hour does not; long spans are for slow promises.
        self.slow = all(
            min(_read(job["timeout_in_hh:mm:ss"]), _read(job.get("cyclic_interval_in_hh:mm:ss", "1:0:0"))) >= 600
            for job in config["jobs"]
        )
        self.breaks = {source: self.breaks_of() for source in self.sources} if self.outages else {}
        lines = self.messages(config)
        last = max(line["timestamp"] for line in lines)
        first = min(line["timestamp"] for line in lines)
        lines += [
            {"source": source, "unreachable_from": opens, "unreachable_until": closes}
            for source, breaks in self.breaks.items()
            for opens, closes in breaks
        ]
        tails = (6 * 3600, 26 * 3600, 50 * 3600) if self.slow else (1200, 3600)
        until: float | None = last + self.pick(600, 0, 60, *tails)
        if all(job["cyclic_or_daily"] == "daily" for job in config["jobs"]) and self.chance(20):
            until = None
        elif self.chance(15):
            until = first + self.grain * self.below(int(last - first) // self.grain + 2)
        start = first + self.pick(0, 0, -60, -600, -7200, 60, 600) if self.chance(40) else None
        return config, lines, start, until

    # configuration

    def global_config(self, zone: str) -> Line:
        """The keys that judge, all given."""
        found: Line = {
            "controller_message_grace_period_in_sec": self.grace,
            "controller_interval_in_sec": self.pick(10, 1, 60),
            "controller_data_load_timeout_in_sec": self.pick(5, 1),
            "time_zone": zone,
        }
        if self.words:
            found["jobs_warning_keyword"] = "WARNING"
        self.patience = found["controller_interval_in_sec"] + found["controller_data_load_timeout_in_sec"]
        if self.quiet and self.chance(35):
            begins = self.clock()
            minutes = int(begins[:2]) * 60 + int(begins[3:])
            minutes = (minutes + self.pick(30, 10, 60, 120, 480, 1200, 1320, 1380)) % 1440
            found["no_timeout_for_cyclic_jobs_from_in_hh:mm"] = begins
            found["no_timeout_for_cyclic_jobs_until_in_hh:mm"] = f"{minutes // 60:02}:{minutes % 60:02}"
        return found

    def source_hosts(self) -> list[Line]:
        """Hosts nobody connects to."""
        return [
            {
                "name": name,
                "hostname": f"{name}.example",
                "port": 22,
                "user": "jobs",
                "key": "",
                "known_hosts": "/etc/ssh/ssh_known_hosts",
                "message_queue": "/var/lib/job_tracker/messages.sqlite",
                "message_queue_handler": "/usr/local/bin/message-queue.py",
            }
            for name in self.sources
        ]

    def clock(self) -> str:
        """A clock time near the messages, or in the hour that the zone makes interesting."""
        if self.chance(40):
            return self.pick(*self.clocks)
        minutes = self.pick(0, 1, 5, 15, 30, 60, 90, 120, 240, -1, -15, -60, -120)
        near = datetime.fromtimestamp(self.base + minutes * 60, UTC).astimezone(self.zone)
        return f"{near:%H:%M}"

    def job(self, number: int, zone: str) -> Line:
        """A promise of either kind."""
        found: Line = {"name": f"JOB{number}", "env": "P"}
        if self.chance(35):
            found["cyclic_or_daily"] = "daily"
            found["daily_start_time_in_hh:mm"] = self.clock()
            delay, timeout = self.pick(0, 60, 600, 3600), self.pick(60, 300, 3600, 7200, 100_000)
            early = self.pick(None, 0, 60, 3600, 6 * 3600)
            if early is not None:
                found["start_max_early_in_hh:mm:ss"] = _spell(early)
        else:
            found["cyclic_or_daily"] = "cyclic"
            interval = self.pick(60, 120, 300, 600, 90, 3600, 4 * 3600) if self.chance(30) else self.pick(60, 300, 600)
            found["cyclic_interval_in_hh:mm:ss"] = _spell(interval)
            delay, timeout = self.pick(0, 10, 30, 60, 120), self.pick(60, 30, 120, 300, 600)
            if interval >= 600 and self.chance(60):
                timeout = self.pick(600, 900)
            if self.chance(35):
                found["cyclic_interval_counts_from"] = self.pick("start", "end")
        if delay or self.chance(20):
            found["start_max_delay_in_hh:mm:ss"] = _spell(delay)
        found["timeout_in_hh:mm:ss"] = _spell(timeout)
        if self.chance(60):
            found["max_errors_before_alerting"] = self.pick(1, 2, 3)
        if self.chance(50):
            found["status_below_threshold"] = self.pick(0, 1)
        if self.chance(10):
            found["time_zone"] = self.pick(zone, "UTC", "Europe/Berlin", "Australia/Lord_Howe")
        if self.words and self.chance(50):
            found["exit_codes"] = {"warning": [3], "skipped": self.pick([7], [])}
        if (len(self.sources) > 1 and not self.unnamed) or self.chance(50):
            found["source_host"] = self.pick(self.sources[0], self.sources[-1], self.sources)
        return found

    # what happens

    def breaks_of(self) -> list[tuple[int, int]]:
        """Up to two outages of a source, on the grain of the messages."""
        found, begins = [], self.base
        for _ in range(self.pick(0, 1, 1, 2)):
            begins += self.grain * (1 + self.below(40))
            ends = begins + self.pick(
                self.grain, self.patience, self.patience + 1, 60, 300 + self.grace, 600, 1800, 3 * 3600
            )
            found.append((begins, ends))
            begins = ends
        return found

    def messages(self, config: Line) -> list[Line]:
        """Reports of all jobs, in the order in which the file has them."""
        reach = self.pick(600, 3600, 3600 * 4, 3600 * 30) if self.slow else self.pick(600, 120, 1800, 3600)
        numbers = dict.fromkeys(
            [*self.sources, OPERATOR], 1000
        )  # a line without `_id` is given its number in the file, which is less
        lines: list[Line] = []
        for _ in range(1 + self.below(self.most)):
            if self.duplicates and lines and self.chance(6):
                again = dict(self.pick(*lines))
                if "uid" in again:
                    again["received"] = again["timestamp"] + self.grain * self.below(20)
                    lines.append(again)
                    continue
            is_by_hand = self.words and self.chance(25)
            make = self.word if is_by_hand else self.message
            lines.append(make(config, lines, reach, numbers))
        if self.chance(30):
            lines.sort(key=lambda line: line["timestamp"])
        return lines

    def message(self, config: Line, lines: list[Line], reach: int, numbers: dict[str, int]) -> Line:
        """One report."""
        job = self.pick(*config["jobs"])
        named = job.get("source_host", self.sources)
        source = self.pick(*([named] if isinstance(named, str) else named))
        if self.chance(3):
            source = self.pick(*self.sources)
        line: Line = {"timestamp": self.stamp(job, lines, reach), "instance": job["env"], "job": job["name"]}
        if self.chance(2):
            line["job"] = "NOBODY"
        line["event"] = self.pick("STARTED", "STARTED", "STARTED", "SUCCESS", "SUCCESS", "ERROR", "ERROR", "NOTE")
        if self.words and self.chance(30):
            line["event"], line["exit_code"] = self.pick("ERROR", "SUCCESS", "WARNING"), self.pick(3, 7, 0, 1)
        if self.chance(20):
            line["message"] = "text"
        if self.chance(45):
            line["run"] = self.pick("a", "b", "c")
        if self.chance(90):
            numbers[source] += self.pick(1, 2)
            line["_id"] = numbers[source]
        if self.chance(85) or len(self.sources) > 1:
            line["source"] = source
        if self.chance(50):
            line["uid"] = f"u{len(lines)}"
        if self.late and (received := self.received(line["timestamp"], source)) is not None:
            line["received"] = received
        return line

    def word(self, config: Line, lines: list[Line], reach: int, numbers: dict[str, int]) -> Line:
        """What an operator says of a job, in the tracker's own queue."""
        job = self.pick(*config["jobs"])
        stamp = self.stamp(job, lines, reach)
        event = self.pick("PAUSE", "PAUSE", "RESUME", "SUCCESS", "ERROR")
        note: Line = {"author": "anna", "why": "new disks"}
        if event == "PAUSE" and self.chance(90):
            note["until"] = self.stamp(job, lines, reach) if self.chance(30) else stamp + self.grain * self.below(60)
        numbers[OPERATOR] += self.pick(1, 2)
        line: Line = {"timestamp": stamp, "instance": job["env"], "job": job["name"], "event": event}
        line |= {"source": OPERATOR, "_id": numbers[OPERATOR], "uid": f"u{len(lines)}", "message": json.dumps(note)}
        if self.late and (received := self.received(stamp, OPERATOR)) is not None:
            line["received"] = received
        return line

    def stamp(self, job: Line, lines: list[Line], reach: int) -> int:
        """A moment on the grain, or one that an earlier message and the promise make interesting."""
        if not lines or not self.chance(50):
            return self.base + self.grain * self.below(reach // self.grain + 1)
        seen = self.pick(*lines[-5:])["timestamp"]
        timeout, delay = _read(job["timeout_in_hh:mm:ss"]), _read(job.get("start_max_delay_in_hh:mm:ss", "0:0:0"))
        if job["cyclic_or_daily"] == "cyclic":
            interval = _read(job["cyclic_interval_in_hh:mm:ss"])
            late = interval + delay + self.grace
            steps = [0, self.grain, interval, late, late + interval, timeout + self.grace, 2 * timeout + self.grace]
            return int(seen + self.pick(*steps)) + self.pick(0, 0, 0, 1, -1)
        day = self.day + timedelta(days=self.pick(0, 1, -1) if self.slow else 0)
        expected = at_clock(self.zone, day, job["daily_start_time_in_hh:mm"]) // SECOND
        early = _read(job.get("start_max_early_in_hh:mm:ss", "0:5:0"))
        moments = [expected, expected - early, expected + delay + self.grace, seen + timeout + self.grace]
        return int(self.pick(*moments)) + self.pick(0, 0, 0, 1, -1, self.grain)

    def received(self, stamp: int, source: str) -> int | None:
        """When it arrives, if not at once: with its source again, later, or before its own timestamp."""
        for opens, closes in self.breaks.get(source, []):
            if opens <= stamp < closes and not self.chance(30):
                return closes
        if not self.chance(25):
            return None
        behind = (self.grain, 60, 300, 600, self.grain * self.below(60))
        ahead = (-1, -self.grace, -self.grace - 1, -60, -600)
        return stamp + self.pick(*behind, *ahead)


def _spell(seconds: int) -> str:
    """Write hh:mm:ss."""
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"


def _read(text: str) -> int:
    """Read hh:mm:ss in seconds."""
    hours, minutes, seconds = (int(part) for part in text.split(":"))
    return hours * 3600 + minutes * 60 + seconds
