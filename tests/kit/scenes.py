"""Scenes: nights like those that people have, told to a real core and published into a real view.

Rule: moments are counted back from the real now, for that is what pages show.
"""

import random
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from published import BERLIN, HOUR, SECOND, Published, cyclic, daily, is_finished, jobs_of

from job_tracker.core.jobs import Job, Jobs, Kind
from job_tracker.core.messages import Message
from job_tracker.core.schedules.cron import Cron
from job_tracker.core.schedules.daily import Daily
from job_tracker.core.schedules.quiet import Quiet, Windows
from job_tracker.moments import DAY
from job_tracker.view.view import View

MINUTE = 60 * SECOND
NAMES = ("LOAD_DWH", "LOAD_CRM", "STAGE_SALES", "EXPORT_SAP", "CHECK_STOCK", "BACKUP_ORA", "MAIL_REPORT", "SYNC_USERS")
TEXTS = ("ORA-01555: snapshot too old", "ODI-1217: Session fails with return code 7000", "No space left on device")


class Scene:
    """Messages of many runs, and the view that they end in."""

    def __init__(self, path: Path, jobs: Jobs, now: int, *, known: int) -> None:
        self.path, self.jobs, self.now, self.number = path, jobs, now, 0
        self.messages: list[Message] = []
        self.published = Published(path, jobs, now=known)
        self.random = random.Random(7)
        self.spans: list[dict[str, Any]] = [
            {"source": name, "begin": known, "contact": "reachable"} for name in jobs.sources
        ]

    def run(self, job: Job, begun: int, took: int, event: str = "SUCCESS", text: str = "", source: str = "") -> None:
        """One run, as far as it has come by now."""
        source = source or (job.sources[0] if job.sources else self.jobs.sources[0])
        run = f"{job.key}-{begun}"
        for moment, word, said in ((begun, "STARTED", ""), (begun + took, event, text)):
            if moment > self.now:
                break
            self.number += 1
            self.messages.append(
                Message(
                    moment=moment,
                    claimed=moment,
                    received=moment + SECOND,
                    source=source,
                    number=self.number,
                    name=job.name,
                    env=job.env,
                    event=word,
                    text=said,
                    uid=str(self.number),
                    run=run,
                )
            )

    def lived(self, job: Job, since: int, usual: int, *, fails: float = 0.03) -> None:
        """A job that does what was promised, most of the time."""
        for begun in self._starts(job, since):
            late = round(self.random.random() * 0.2 * usual)
            took = round(usual * self.random.uniform(0.7, 1.5))
            failed = self.random.random() < fails
            text = self.random.choice(TEXTS) if failed else ""
            self.run(job, begun + late, took, "ERROR" if failed else "SUCCESS", text)

    def outage(self, source: str, begin: int, end: int) -> None:
        """A source that could not be reached; what it reported meanwhile was heard afterwards."""
        self.spans += [
            {"source": source, "begin": begin, "contact": "unreachable"},
            {"source": source, "begin": end, "contact": "reachable"},
        ]

    def show(self) -> Published:
        """Fold it all, and publish it; the daemon that it seems to come from is this process."""
        published = self.published
        published.step(self.now, sorted(self.messages, key=lambda each: (each.moment, each.number)))
        published.close()
        published.view = view = View(self.path)
        view.begin(self.jobs.by_key, self.jobs.history)
        view.fill(map(published.past, self.jobs.by_key))
        view.finish(published.unmatched, published.meta(), self.spans)
        assert is_finished(view)
        return published

    def _starts(self, job: Job, since: int) -> list[int]:
        found: list[int] = []
        if job.starts is None:
            first = since + self.random.randrange(max(1, job.interval))
            return list(range(first, self.now, job.interval))
        following = job.starts.next_at_or_after(since)
        while following is not None and following < self.now:
            found.append(following)
            following = job.starts.next_at_or_after(following + 1)
        return found


def five(path: Path, now: int) -> Scene:
    """A small shop: a nightly load, two cyclic jobs, a backup with a quiet window, one that never ran."""
    quiet = Windows(zone=BERLIN, rules=(Quiet(begin=_clock(now - 9 * HOUR), end=_clock(now - 7 * HOUR)),))
    jobs = jobs_of(
        _at(daily("LOAD_DWH", max_delay=20 * MINUTE, timeout=3 * HOUR), now - 8 * HOUR, now + 3 * HOUR),
        cyclic("STAGE_SALES", interval=HOUR, max_delay=10 * MINUTE, windows=quiet),
        cyclic("SYNC_USERS", interval=20 * MINUTE, timeout=6 * MINUTE, max_delay=2 * MINUTE, max_errors=2),
        _at(daily("BACKUP_ORA", max_delay=HOUR, timeout=4 * HOUR), now - 2 * HOUR),
        _at(daily("EXPORT_SAP", max_delay=10 * MINUTE), now - 5 * HOUR),
        sources=("app1", "app2"),
    )
    load, stage, sync, backup, _ = jobs.by_key.values()
    scene = Scene(path, jobs, now, known=now - 3 * DAY)
    scene.lived(load, now - 2 * DAY, 80 * MINUTE, fails=0)
    scene.lived(stage, now - 2 * DAY, 7 * MINUTE, fails=0.08)
    scene.lived(sync, now - 2 * DAY, 3 * MINUTE, fails=0.05)
    scene.run(backup, now - 100 * MINUTE, 5 * HOUR)
    return scene


def outage(path: Path, now: int) -> Scene:
    """One of two sources was away for two hours."""
    scene = sixty(path, now)
    scene.outage("app2", now - 6 * HOUR, now - 4 * HOUR)
    return scene


def sixty(path: Path, now: int) -> Scene:
    """A data warehouse's night on three hosts."""
    return _many(path, now, 60, ("app1", "app2", "db1"))


def five_hundred(path: Path, now: int) -> Scene:
    """The night of a whole company."""
    return _many(path, now, 500, ("app1", "app2", "db1", "db2", "etl"))


def thousand_runs(path: Path, now: int) -> Scene:
    """One job that runs every minute, and one beside it that does not."""
    every = cyclic("EVERY_MINUTE", interval=MINUTE, timeout=5 * MINUTE, max_delay=MINUTE)
    jobs = jobs_of(every, _at(daily("LOAD_DWH"), now - 8 * HOUR), history=1200)
    scene = Scene(path, jobs, now, known=now - 2 * DAY)
    first, load = jobs.by_key.values()
    for number in range(1000):
        begun = now - (1000 - number) * MINUTE
        failed = number in (400, 401, 402, 700)
        scene.run(first, begun, 25 * SECOND, "ERROR" if failed else "SUCCESS", TEXTS[0] if failed else "")
    scene.lived(load, now - DAY, 50 * MINUTE, fails=0)
    return scene


SCENES = {"5": five, "60": sixty, "500": five_hundred, "outage": outage, "1000-runs": thousand_runs}


def _many(path: Path, now: int, count: int, sources: tuple[str, ...]) -> Scene:
    choice = random.Random(count)
    made = []
    for number in range(count):
        name = f"{NAMES[number % len(NAMES)]}_{number:03d}"
        source = (sources[number % len(sources)],)
        kind = choice.random()
        if kind < 0.55:
            at = [now - round(choice.uniform(-5, 17) * HOUR) for _ in range(choice.choice((1, 1, 2)))]
            job = _at(daily(name, max_delay=choice.choice((0, 10, 30)) * MINUTE, timeout=2 * HOUR), *at)
        elif kind < 0.75:
            starts = Cron(zone=BERLIN, max_early=MINUTE, expression=choice.choice(("*/30 * * * *", "5 */2 * * *")))
            job = daily(name, max_delay=10 * MINUTE)
            job = replace(job, kind=Kind.CRON, starts=starts)
        else:
            job = cyclic(name, interval=choice.choice((1, 2, 4)) * HOUR, max_delay=15 * MINUTE)
        made.append(replace(job, sources=source, group=choice.choice(("finance", "sales", "stock", ""))))
    jobs = jobs_of(*made, sources=sources)
    scene = Scene(path, jobs, now, known=now - 2 * DAY)
    for number, job in enumerate(jobs.by_key.values()):
        if number % 23 != 11:
            scene.lived(job, now - 20 * HOUR, choice.choice((4, 9, 25, 60)) * MINUTE)
    return scene


def _at(job: Job, *moments: int) -> Job:
    """A daily job at the clock times of some moments."""
    assert isinstance(job.starts, Daily)
    times = tuple(sorted({_clock(each) for each in moments}))
    return replace(job, starts=replace(job.starts, times=times))


def _clock(moment: int) -> int:
    """Minutes after midnight that Berlin's clocks show, at full five minutes."""
    shown = datetime.fromtimestamp(moment // SECOND, BERLIN)
    return (shown.hour * 60 + shown.minute) // 5 * 5
