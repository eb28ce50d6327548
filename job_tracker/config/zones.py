"""Zones: time zones by their IANA names, and which one this host lives in.

Rule: a zone is always one with a name; a host whose zone has none is taken to live in UTC, and that is said.
"""

import os
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path
from zoneinfo import ZoneInfo, available_timezones

from job_tracker.config.notation import shown

UTC = ZoneInfo("UTC")

_FIXED = re.compile(r"(?:Etc/)?GMT([+-])([0-9]{1,2})")
PLACES_AHEAD: Mapping[int, str] = {
    -11: "Pacific/Pago_Pago",
    -10: "Pacific/Honolulu",
    -9: "Pacific/Gambier",
    -8: "Pacific/Pitcairn",
    -7: "America/Phoenix",
    -6: "America/Guatemala",
    -5: "America/Bogota",
    -4: "America/La_Paz",
    -3: "America/Sao_Paulo",
    -2: "America/Noronha",
    -1: "Atlantic/Cape_Verde",
    1: "Africa/Algiers",
    2: "Africa/Maputo",
    3: "Africa/Nairobi",
    4: "Asia/Dubai",
    5: "Asia/Karachi",
    6: "Asia/Dhaka",
    7: "Asia/Bangkok",
    8: "Asia/Singapore",
    9: "Asia/Tokyo",
    10: "Australia/Brisbane",
    11: "Pacific/Guadalcanal",
    12: "Pacific/Tarawa",
    13: "Pacific/Fakaofo",
    14: "Pacific/Kiritimati",
}
"""Places so many hours ahead of UTC all year."""
_ABBREVIATIONS: Mapping[str, str] = {
    "EST": "America/New_York",
    "EST5EDT": "America/New_York",
    "CST6CDT": "America/Chicago",
    "MST": "America/Denver",
    "MST7MDT": "America/Denver",
    "PST8PDT": "America/Los_Angeles",
    "HST": "Pacific/Honolulu",
    "CET": "Europe/Berlin",
    "MET": "Europe/Berlin",
    "EET": "Europe/Athens",
    "WET": "Europe/Lisbon",
}
"""Names that are of the database for the sake of old systems, and a place that people mean by them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HostZone:
    """The zone of this host; doubt says why it is only a guess, and is empty when it is not."""

    zone: ZoneInfo
    doubt: str = ""


def zone(value: object) -> ZoneInfo:
    """Read the IANA name of a time zone."""
    if not isinstance(value, str):
        raise ValueError(f"{shown(value)} is not the name of a time zone")
    found = _zone(value)
    if found is None:
        raise ValueError(f"{shown(value)} is not the IANA name of a time zone")
    why = _misleading(value)
    if why:
        raise ValueError(f"{shown(value)} {why}")
    return found


def _misleading(name: str) -> str:
    """Why a zone's name means something else to people than to the time zone database; empty if it does not."""
    fixed = _FIXED.fullmatch(name)
    if fixed and int(fixed[2]):
        ahead = int(fixed[2]) * (-1 if fixed[1] == "+" else 1)
        return (
            f"is {abs(ahead)} hours {'ahead of' if ahead > 0 else 'behind'} UTC, for its sign is the other way round; "
            f"name a place, as {PLACES_AHEAD.get(ahead, 'the one whose clocks are meant')}"
        )
    if name in _ABBREVIATIONS:
        return f"is an abbreviation that says nothing of summer time; name a place, as {_ABBREVIATIONS[name]}"
    return ""


def nearest(name: str) -> str:
    """Ask whether a zone of a similar name was meant; this takes some milliseconds."""
    if _misleading(name):
        return ""  # a place was named already, and what is near to it misleads as well
    names = {known.lower(): known for known in available_timezones() if not _misleading(known)}
    wanted = name[:60].lower().replace(" ", "_")
    near = [names[match] for match in get_close_matches(wanted, names, n=3)]
    # 'Berlin' alone is not near 'europe/berlin' to difflib, but it is what people write.
    near += [known for lower, known in names.items() if lower.endswith(f"/{wanted}") and known not in near]
    return f"; did you mean {' or '.join(near[:3])}?" if near else ""


def host_zone(environment: Mapping[str, str] = os.environ, etc: Path = Path("/etc")) -> HostZone:
    """Find the name of this host's zone, where the C library looks and where distributions write it down."""
    if "TZ" in environment:
        found = _zone(_name_in(environment["TZ"].removeprefix(":")) or "UTC")
        return HostZone(zone=found) if found else _doubtful(f"TZ={shown(environment['TZ'])} is no IANA name")
    for name in _written_down(etc):
        found = _zone(name)
        if found is not None:
            return HostZone(zone=found)
    return _doubtful(f"neither {etc}/localtime nor {etc}/timezone names one")


def _written_down(etc: Path) -> list[str]:
    names = []
    localtime = etc / "localtime"
    if localtime.is_symlink():
        names += [_name_in(os.readlink(localtime)), _name_in(os.path.realpath(localtime))]
    with suppress(OSError, ValueError):
        names.append((etc / "timezone").read_text(encoding="ascii").strip())
    return [name for name in names if name]


def _name_in(path: str) -> str:
    """Cut /usr/share/zoneinfo/Europe/Berlin down to Europe/Berlin."""
    return path.rpartition("zoneinfo/")[2]


def _doubtful(reason: str) -> HostZone:
    return HostZone(zone=UTC, doubt=f"this host's time zone is not known ({reason}), so UTC is taken")


@lru_cache(maxsize=1024)
def _zone(name: str) -> ZoneInfo | None:
    # Names are paths to zoneinfo: '../x', a directory, a NUL and an endless name each fail in their own way.
    try:
        return ZoneInfo(name)
    except (LookupError, ValueError, OSError):
        return None
