"""Sequences: how the days and times of expected starts and quiet windows are written.

Rule: as in `notation`: what is wrong is a ValueError that quotes the value and says what was expected.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any

from job_tracker.config import notation
from job_tracker.config.notation import shown
from job_tracker.core.schedules import cron
from job_tracker.core.schedules.calendars import EVERY_DAY

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
MIDNIGHT = 24 * 60
_PLACE = re.compile(r"-?[0-9]{1,2}")
_WINDOW_KEYS = ("from", "until", "weekdays", "only_on", "not_on")


def clock_times(value: object) -> tuple[int, ...]:
    """Read one clock time or a list of them, as minutes after midnight, in order."""
    times = [notation.clock_time(each) for each in _listed(value)]
    if len(set(times)) < len(times):
        raise ValueError("names a time twice")
    return tuple(sorted(times))


def weekdays(value: object) -> int:
    """Read weekdays: mon-fri, fri-mon, or a list of days and such ranges; as bits, Monday the lowest."""
    found = 0
    for part in _listed(value):
        if not isinstance(part, str):
            raise ValueError(f"{shown(part)} is not a weekday or a range of them, as mon-fri")
        for word in part.split(","):
            found |= _weekdays(word.strip())
    return found


def places_in_month(value: object) -> tuple[int, ...]:
    """Read one place or a list of them: 1 to 31 from the month's begin, -1 to -31 from its end."""
    found = []
    for each in _listed(value):
        if not (isinstance(each, str) and _PLACE.fullmatch(each) and 1 <= abs(int(each)) <= 31):
            raise ValueError(f"{shown(each)} is not a whole number from 1 to 31, or from -1, the last, to -31")
        found.append(int(each))
    if len(set(found)) < len(found):
        raise ValueError("names a day twice")
    return tuple(sorted(found, key=lambda place: (place < 0, place)))


def names(value: object) -> tuple[str, ...]:
    """Read one name or a list of them; each counts once."""
    return tuple(dict.fromkeys(map(notation.text, _listed(value))))


def cron_expression(value: object) -> str:
    """Read a cron expression of five fields, with single blanks between them."""
    written = " ".join(notation.text(value).split())
    fault = cron.check(written)
    if fault is not None:
        raise ValueError(f"{shown(written)}: {fault}")
    return written


def windows(value: object) -> tuple[dict[str, Any], ...]:
    """Read a list of quiet windows: from, until, weekdays, only_on, not_on, each understood; all faults together."""
    if not isinstance(value, list) or not value:
        raise ValueError("is not a list of windows, each with from and until; leave the key out for none")
    found, faults = [], []
    for index, given in enumerate(value):
        window, wrong = _window(given)
        found.append(window)
        faults += [f"[{index}] {each}" for each in wrong]
    if faults:
        raise ValueError("; ".join(faults))
    return tuple(found)


def reported_names(value: object) -> tuple[tuple[str, str | None], ...]:
    """Read further names of a job: a text, or an object with job and instance; None: the job's own env."""
    return tuple(dict.fromkeys(map(_reported, _listed(value))))


def _reported(value: object) -> tuple[str, str | None]:
    match value:
        case str() if value:
            return value, None
        case {"job": str(job), "instance": str(instance), **more} if job and instance and not more:
            return job, instance
    raise ValueError(f"{shown(value)} is neither a name nor an object with job and instance")


def _window(given: object) -> tuple[dict[str, Any], list[str]]:
    if not isinstance(given, dict):
        return {}, [f"{shown(given)} is not an object with from and until"]
    given = {key: value for key, value in given.items() if value is not None}
    faults = [f"{notation.escaped(key, 60)}: unknown key" for key in given if key not in _WINDOW_KEYS]
    faults += [f"{key}: is missing" for key in ("from", "until") if key not in given]
    found: dict[str, Any] = {"weekdays": EVERY_DAY, "only_on": (), "not_on": ()}
    for key, read in _WINDOW_READERS.items():
        if key in given:
            try:
                found[key] = read(given[key])
            except ValueError as fault:
                faults.append(f"{key}: {fault}")
    if not faults and found["from"] == found["until"]:
        faults.append("until: is the same as from; a whole day is from 00:00 until 24:00")
    return found, faults


def _until(value: object) -> int:
    return MIDNIGHT if value == "24:00" else notation.clock_time(value)


_WINDOW_READERS: dict[str, Callable[[object], Any]] = {
    "from": notation.clock_time,
    "until": _until,
    "weekdays": weekdays,
    "only_on": names,
    "not_on": names,
}


def _weekdays(word: str) -> int:
    first, dash, last = word.lower().partition("-")
    first, last = first.strip(), last.strip()
    if first not in WEEKDAYS or (dash and last not in WEEKDAYS):
        raise ValueError(f"{shown(word)} is not a weekday ({', '.join(WEEKDAYS)}) or a range of them, as mon-fri")
    begin = WEEKDAYS.index(first)
    length = (WEEKDAYS.index(last) - begin) % 7 if dash else 0
    return sum(1 << (begin + step) % 7 for step in range(length + 1))


def _listed(value: object) -> Iterator[object]:
    if value == []:
        raise ValueError("is an empty list; leave the key out")
    return iter(value if isinstance(value, list) else [value])
