"""Calendars: the days that a calendar of the configuration holds: its dates, an .ics file's, a country's holidays.

Rule: days are read once, at load, from six years before that day to ten after; nobody opens the file a second time.
Rule: the libraries for files and holidays are an extra, and are loaded only where a calendar asks for them.
"""

import os
import re
import stat
from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator

from job_tracker.config.notation import escaped, shown
from job_tracker.config.settings import LocalPath, Section, Text
from job_tracker.core.schedules.calendars import Calendar

YEARS_BEFORE, YEARS_AFTER = 6, 10
LONGEST = 16 * 1024 * 1024
EXTRA = "pip install 'job_tracker[calendars]', or with the Ansible role job_tracker_parts: [calendars]"
_DATE = re.compile(r"(?:([0-9]{4})-)?([0-9]{2})-([0-9]{2})")

Dates = tuple[tuple[int | None, int, int], ...]


def listed_dates(value: object) -> Dates:
    """Read a list of days: 2026-12-24, or 12-24 of each year."""
    return tuple(map(_date, value if isinstance(value, list) else [value]))


class CalendarEntry(Section):
    """calendars: the days of one calendar, from any of its keys."""

    dates: Annotated[Dates, BeforeValidator(listed_dates)] = ()
    ics: LocalPath | None = None
    country: Text = ""
    subdivision: Text = ""


def faults(entry: CalendarEntry) -> Iterator[tuple[str, str]]:
    """What keys say against each other."""
    if not (entry.dates or entry.ics or entry.country):
        yield "dates", "is missing, as are ics and country; a calendar needs one of them"
    if entry.subdivision and not entry.country:
        yield "subdivision", "needs country beside it"


def read(name: str, entry: CalendarEntry, today: date) -> tuple[Calendar, list[tuple[str, str]]]:
    """The days of a calendar around a day, and each key that cannot be understood, with the reason."""
    first, last = _years_on(today, -YEARS_BEFORE), _years_on(today, YEARS_AFTER)
    found: set[date] = set(_of_dates(entry.dates, first, last))
    wrong = []
    parts: list[tuple[str, Callable[[], set[date]]]] = []
    if entry.ics is not None:
        parts.append(("ics", partial(_of_file, entry.ics, first, last)))
    if entry.country:
        parts.append(("country", partial(_of_country, entry.country, entry.subdivision, first, last)))
    for key, days in parts:
        try:
            found |= days()
        except ImportError as missing:
            wrong.append((key, f"needs the library {missing.name}, which is not installed: {EXTRA}"))
        except _Misspelled as fault:
            wrong.append((fault.key, str(fault)))
        except ValueError as fault:
            wrong.append((key, str(fault)))
    days_held = frozenset(day.toordinal() for day in found if first <= day <= last)
    return Calendar(name=name, days=days_held, first=first.toordinal(), last=last.toordinal()), wrong


class _Misspelled(ValueError):
    """The library knows no such country or subdivision."""

    def __init__(self, key: str, reason: str) -> None:
        super().__init__(reason)
        self.key = key


def _date(value: object) -> tuple[int | None, int, int]:
    found = _DATE.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise ValueError(f"{shown(value)} is not a day: 2026-12-24, or 12-24 for each year")
    year, month, day = found.groups()
    try:
        date(int(year or 2000), int(month), int(day))  # 02-29 is a day of leap years
    except ValueError as error:
        raise ValueError(f"{shown(value)} is no day of any calendar") from error
    return (int(year) if year else None), int(month), int(day)


def _of_dates(dates: Dates, first: date, last: date) -> Iterator[date]:
    for year, month, day in dates:
        for each in (year,) if year else range(first.year, last.year + 1):
            if (month, day) != (2, 29) or (each % 4 == 0 and (each % 100 or each % 400 == 0)):
                yield date(each, month, day)


def _of_file(path: Path, first: date, last: date) -> set[date]:
    """The days of all-day events that are not cancelled, from their begin to before their end."""
    name, content = shown(str(path), 200), _content(path)
    import icalendar
    import recurring_ical_events

    found: set[date] = set()
    try:
        calendars = icalendar.Calendar.from_ical(content, multiple=True)
        if not calendars:
            raise ValueError("there is no calendar in it")
        for calendar in calendars:
            for event in recurring_ical_events.of(calendar).between(first, last + timedelta(days=1)):
                found.update(_days_of(event))
    except Exception as error:  # strangers' text in a library with errors of many kinds: any is a fault of the file
        raise ValueError(f"{name} cannot be read as a calendar: {escaped(str(error), 200)}") from error
    return found


def _days_of(event: Any) -> Iterator[date]:
    begin, end = event.get("DTSTART").dt, event.end
    if isinstance(begin, datetime) or str(event.get("STATUS", "")).upper() == "CANCELLED":
        return
    yield begin
    for further in range(1, (end - begin).days):
        yield begin + timedelta(days=further)


def _content(path: Path) -> bytes:
    name = shown(str(path), 200)
    try:
        file = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # a FIFO would keep us waiting
        with os.fdopen(file, "rb") as stream:
            if not stat.S_ISREG(os.fstat(file).st_mode):
                raise ValueError(f"{name} is not a file")
            content = stream.read(LONGEST + 1)
    except OSError as error:
        raise ValueError(f"{name} cannot be read: {error.strerror}") from error
    if len(content) > LONGEST:
        raise ValueError(f"{name} is larger than {LONGEST // 1024 // 1024} MiB")
    return content


def _of_country(country: str, subdivision: str, first: date, last: date) -> set[date]:
    import holidays
    from holidays.registry import COUNTRIES

    # Asked by its code: the library's own list of countries loads the holidays of all of them, which takes a second.
    names = {code: name for name, *codes in COUNTRIES.values() for code in codes if code.isupper()}
    if country not in names:
        raise _Misspelled("country", f"{shown(country)} is no country that the library holidays knows: AT, DE, CH, …")
    known = getattr(holidays, names[country]).subdivisions
    if subdivision and subdivision not in known:
        some = ", ".join(known) or "none"
        raise _Misspelled("subdivision", f"{shown(subdivision)} is none of {country}: {some}")
    years = range(first.year, last.year + 1)
    return set(holidays.country_holidays(country, subdiv=subdivision or None, years=years))


def _years_on(day: date, years: int) -> date:
    """The same day of another year; of 29 February the day before, where there is none."""
    try:
        return day.replace(year=day.year + years)
    except ValueError:
        return day.replace(year=day.year + years, day=28)
