"""Ten thousand cron jobs with calendars: what their start costs, and what they cost while nothing happens."""

import time
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path

from large import rest
from rig import Json, Row, name_of, place, tracker

JOBS = 10_000
QUARTER = JOBS // 4
WEEKDAYS = ("*", "1-5", "1-6", "0-5", "2-6", "0-6", "0-4")
HOURS = [
    ",".join(str(hour) for hour in range(24) if hour not in without)
    for count in (0, 1, 2)
    for without in combinations(range(24), count)
]
CALENDARS: Json = {"calendars": {"HOLIDAYS": {"country": "DE", "subdivision": "BY"}, "YEAR_END": {"dates": ["12-31"]}}}


def cron(base: Path) -> Iterator[Row]:
    """Expressions that are all different, a quarter of them due every five minutes; half look at two calendars."""
    assert len({expression(number) for number in range(JOBS)}) == JOBS
    with place(base, jobs=JOBS, made_by=job, sections=CALENDARS) as where, tracker(where) as running:
        took = running.wait_for_state_files()
        used = running.start_cpu
        yield Row(
            figure="start, 10,000 cron jobs with calendars",
            target="< 6 s",
            measured=f"{took:.2f} s",
            comparison=f"CPU {used:.2f} s",
            met=took < 6,
            values={"seconds": took, "cpu_seconds": used},
        )
        time.sleep(20.0)  # until the view is whole
        yield rest(running)


def job(number: int) -> Json:
    """One job that is due by its expression."""
    made: Json = {
        "name": name_of(number),
        "env": "P",
        "cyclic_or_daily": "cron",
        "cron_expression": expression(number),
        "start_max_delay_in_hh:mm:ss": "00:03:00",
        "timeout_in_hh:mm:ss": "00:30:00",
    }
    return made | {"not_on": ["HOLIDAYS", "YEAR_END"]} if number % 2 else made


def expression(number: int) -> str:
    """Five fields that no other number has."""
    if number < QUARTER:
        minute, which = number % 5, number // 5
        return f"{minute}-59/5 {HOURS[which % len(HOURS)]} * * {WEEKDAYS[which // len(HOURS)]}"
    minute, hour = number % 60, number // 60 % 24
    return f"{minute} {hour} * * {WEEKDAYS[number // 1440 % len(WEEKDAYS)]}"
