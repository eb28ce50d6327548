"""docs/promises.md: each piece of configuration, tried on a year of messages with planted breaks of the promise.

What a job does in that year is written here from the calendar on the wall, not from the program: Bavaria's holidays of
2026 are listed, and clock times are made moments by the standard library.
"""

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from itertools import chain
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from job_tracker.config import reading
from job_tracker.moments import MICROSECONDS
from job_tracker.replay.recording import read
from job_tracker.replay.replay import Replay
from job_tracker.telling import times

ROOT = Path(__file__).parents[2]
DOCUMENT = (ROOT / "docs" / "promises.md").read_text(encoding="utf-8")
PIECES = {
    title: found
    for title, body in (section.split("\n", 1) for section in DOCUMENT.split("\n## ")[1:])
    if (found := re.search(r"```yaml\n(.*?)```", body, flags=re.DOTALL))
}
BERLIN = ZoneInfo("Europe/Berlin")
HEADER = (
    "global_config: {time_zone: Europe/Berlin}\nsource_hosts: [{connection: local, name: app1, message_queue: q}]\n"
)
HOLIDAYS = {
    *("2026-01-01", "2026-01-06", "2026-04-03", "2026-04-06", "2026-05-01", "2026-05-14", "2026-05-25", "2026-06-04"),
    *("2026-10-03", "2026-11-01", "2026-12-25", "2026-12-26"),
}
Run = tuple[str, int] | tuple[str, int, int]
"""When it starts on Berlin's clocks, how many minutes it takes, and the exit code with which it fails, if it does."""


def days() -> list[date]:
    return [date(2026, 1, 2) + timedelta(days=each) for each in range(364)]


def is_working(day: date) -> bool:
    return day.weekday() < 5 and day.isoformat() not in HOLIDAYS


def working_days() -> Iterator[Run]:
    """Each working day at six; not on 30 March, after the change of the clocks; late on 26 October."""
    for day in filter(is_working, days()):
        if day != date(2026, 3, 30):
            yield f"{day} 06:{30 if day == date(2026, 10, 26) else 0:02d}", 20


def last_working_days() -> Iterator[Run]:
    """In May a day late: the 29th is a Friday, and it ran on Saturday; at the end of December it did not run at all."""
    for month in range(1, 12):
        last = [day for day in days() if day.month == month and is_working(day)][-1]
        yield f"{last + timedelta(days=month == 5)} 20:05", 90


def twice_a_day() -> Iterator[Run]:
    """Both, but for the evening of 1 July."""
    for day in days():
        yield f"{day} 06:00", 60
        if day != date(2026, 7, 1):
            yield f"{day} 18:09", 60


def finished_by_seven() -> Iterator[Run]:
    """On 10 March it takes five hours, too long; on 29 March the hour of its start does not exist."""
    for day in days():
        start = f"{day} 03:00" if day == date(2026, 3, 29) else f"{day} 02:30"
        yield start, 300 if day == date(2026, 3, 10) else 240


def not_during_backups() -> Iterator[Run]:
    """Each hour but from one to three and on Sundays; on 1 June it rests from ten to one, on 2 June a run hangs."""
    for day in days():
        for hour in (0, *range(3, 24)):
            if day.weekday() != 6 and not (day == date(2026, 6, 1) and 10 <= hour < 13):
                yield f"{day} {hour:02d}:00", 30 if (day, hour) == (date(2026, 6, 2), 12) else 5


def mirrored() -> Iterator[Run]:
    """Each Sunday with 24, and once with 23."""
    for day in days():
        code = {date(2026, 5, 5): (23,)}.get(day, (24,) if day.weekday() == 6 else ())
        yield f"{day} 01:00", 30, *code


def each_night_at_four() -> Iterator[Run]:
    """But for 1 September."""
    for day in days():
        if day != date(2026, 9, 1):
            yield f"{day} 04:10", 30


ODI = "An ODI load that reports"


def each_morning_at_five() -> Iterator[Run]:
    """But for 1 July and 2 December, and for the days of the pause."""
    for day in days():
        if day not in {date(2026, 7, 1), date(2026, 11, 28), date(2026, 11, 29), date(2026, 11, 30), date(2026, 12, 2)}:
            yield f"{day} 05:05", 30


YEARS = {
    "A job that runs on working days": (working_days, ("EXPORT", "P"), ["03-30 06:15:05", "10-26 06:15:05"]),
    "The last working day of the month": (
        last_working_days,
        ("CLOSE_MONTH", "P"),
        ["05-29 20:30:05", "12-31 20:30:05"],
    ),
    "Twice a day": (twice_a_day, ("STOCK", "P"), ["07-01 18:10:05"]),
    "Must be finished by seven": (finished_by_seven, ("LOAD_DWH", "P"), ["03-10 07:00:05"]),
    "Not during backups": (not_during_backups, ("SYNC", "P"), ["06-01 10:05:05", "06-02 12:20:05"]),
    "Exit code 24 is fine": (mirrored, ("MIRROR", "P"), ["05-05 01:30:00"]),
    ODI: (
        each_night_at_four,
        ("Lade Kunden/Größe", "P"),
        ["09-01 04:20:05"],
    ),
    "Stop it from alarming until Tuesday": (
        each_morning_at_five,
        ("EXPORT_BI", "P"),
        ["07-01 05:15:05", "12-02 05:15:05"],
    ),
}
FRIDAY_EVENING = datetime(2026, 11, 27, 18, 0, tzinfo=BERLIN).timestamp()
"""When the pause of the document is said."""


def recording(runs: Iterator[Run], name: str, instance: str) -> Iterator[str]:
    """A start and an end for each run, as `list` prints them."""
    said: list[tuple[float, dict[str, Any]]] = []
    for start, minutes, *code in runs:
        begun = datetime.fromisoformat(start).replace(tzinfo=BERLIN).timestamp()
        said += [(begun, {"event": "STARTED"}), (begun + 60 * minutes, {"event": "SUCCESS"})]
        if code:
            said[-1] = (begun + 60 * minutes, {"event": "ERROR", "exit_code": code[0]})
    for number, (moment, what) in enumerate(sorted(said, key=lambda each: each[0]), 1):
        whole = {"_id": number, "timestamp": moment, "job": name, "instance": instance, "message": ""} | what
        yield json.dumps(whole)


def said_by_hand(title: str) -> Iterator[str]:
    """The pause that the document gives as a command, as the control queue has it."""
    _, _, body = DOCUMENT.partition(f"\n## {title}\n")
    for command in re.findall(r"^job_tracker pause .*$", body.partition("\n## ")[0], flags=re.MULTILINE):
        _, event, job, *options = shlex.split(command)
        given = dict(zip(options[::2], options[1::2], strict=True))
        until = times.moment("--until", given["--until"], BERLIN)
        assert until is not None
        note = {"until": until / MICROSECONDS, "author": "anna", "why": given["--why"]}
        name, env = job.split("__")
        word = {"_id": 1, "timestamp": FRIDAY_EVENING, "job": name, "instance": env, "event": event.upper()}
        yield json.dumps({**word, "source": "(operator)", "message": json.dumps(note)})


def test_each_piece_is_tried() -> None:
    """A piece that nobody tried would be the first to be wrong."""
    assert set(PIECES) == set(YEARS)


@pytest.mark.parametrize("title", YEARS)
def test_a_year_of_a_promise_alarms_exactly_where_it_was_broken(title: str) -> None:
    """No alarm on a holiday, none by a change of the clocks, and none left out."""
    piece = PIECES[title]
    config = reading.parse(HEADER + piece[1], name="promises.md", today=date(2026, 1, 2))
    runs, (name, instance), broken = YEARS[title]
    begin, until = (datetime(2026, *day, tzinfo=BERLIN).timestamp() for day in ((1, 2), (12, 31)))
    until += 86_400

    heard = read(chain(recording(runs(), name, instance), said_by_hand(title)), config.jobs)
    replay = Replay(
        config.jobs,
        heard,
        begin=round(begin) * MICROSECONDS,
        until=round(until) * MICROSECONDS,
        progress=lambda _: None,
    )
    alarms = [change.at for change in replay.changes() if change.after.status == 2 != change.before.status]

    assert [f"{datetime.fromtimestamp(at / MICROSECONDS, BERLIN):%m-%d %H:%M:%S}" for at in alarms] == broken
    assert not replay.unmatched


def test_the_steps_of_the_package_are_heard_as_that_job(tmp_path: Path) -> None:
    """The lines of the document, run as the agent runs them: a night that ends well, one that says why not."""
    steps = re.search(r"```sh\n(.*?)```", DOCUMENT.split(f"\n## {ODI}\n")[1], flags=re.DOTALL)
    assert steps is not None
    started, succeeded, failed = steps[1].splitlines()
    config = reading.parse(HEADER + PIECES[ODI][1], name="promises.md", today=date(2026, 1, 2))
    first = datetime(2026, 3, 1, 4, 10, tzinfo=BERLIN).timestamp()
    nights = ((first, started), (first + 1800, succeeded), (first + 86_400, started), (first + 88_200, failed))

    for number, (moment, step) in enumerate(nights):
        run_step(step, tmp_path / "queue.sqlite", moment, session=number // 2)
    listed = subprocess.run(
        [*TOOL, "-f", tmp_path / "queue.sqlite", "list"], check=True, capture_output=True, text=True
    )
    replay = Replay(
        config.jobs,
        read(listed.stdout.splitlines(), config.jobs),
        begin=round(first - 7200) * MICROSECONDS,
        until=round(first + 90_000) * MICROSECONDS,
        progress=lambda _: None,
    )
    told = [(change.after.state.value, change.after.status) for change in replay.changes()]

    assert told == [("RUNNING", 0), ("NOT_RUNNING", 0), ("RUNNING", 0), ("ERROR", 2)]
    assert not replay.unmatched
    assert "ORA-01555" in listed.stdout


TOOL = (sys.executable, "-I", str(ROOT / "job_tracker" / "onhost" / "message-queue.py"))


def run_step(step: str, queue: Path, moment: float, *, session: int) -> None:
    """One OdiOSCommand, after the agent has put in what odiRef says."""
    said = step.replace('<%=odiRef.getSession("SESS_NO")%>', str(session))
    said = said.replace('<%=odiRef.getPrevStepLog("MESSAGE")%>', "ORA-01555: snapshot too old")
    tool, words = said.replace("QUEUE", str(queue)).split(" ", 1)
    assert (tool, "odiRef" in words) == ("message-queue.py", False)
    subprocess.run(["/bin/sh", "-c", f'"$@" {words} --timestamp {moment}', "sh", *TOOL], check=True)
