"""Zones: time zones by their IANA names, and which one this host lives in.

Rule: a zone is always one with a name; a host whose zone has none is taken to live in UTC, and that is said.
"""

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path
from zoneinfo import ZoneInfo, available_timezones

from job_tracker.config.notation import shown

UTC = ZoneInfo("UTC")


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
    return found


def nearest(name: str) -> str:
    """Ask whether a zone of a similar name was meant; this takes some milliseconds."""
    names = {known.lower(): known for known in available_timezones()}
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
