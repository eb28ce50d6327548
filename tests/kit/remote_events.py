"""Events of remote jobs, as they are read from the events file; what a server may write into them is written here."""

from typing import Any

Document = dict[str, Any]

HOSTILE = {
    "apostrophe": "can't open 'input'",
    "separators": "a+++b ++++ c+",
    "carriage_return": "first\rsecond\r\nthird",
    "umlauts": "Größe überschritten – Ausnahme ✗ \u2028",
    "surrogate": "half \ud800 a pair",
    "quotes": 'he said "no" \\ \\n',
    "megabyte": "x'+" * 350_000,
}
"""What a text may hold, and a csv filter could stumble over."""


def status(**other: Any) -> Document:
    """A job that has ended, of a server whose times are in whole seconds."""
    return {
        "seq": 1_763_942_400_017,
        "tracker": "0123456789abcdef",
        "kind": "remote.status",
        "at": 1_763_942_460.0,
        "created": 1_763_942_461.5,
        "job": "sentinel__ADES",
        "source": "ades1",
        "id": "sentinel-1.0-3f786850e387550fdab836ed7e6dc881de23001b",
        "uid": "8f0c",
        "process": "sentinel-1.0",
        "from": "running",
        "to": "successful",
        "queued": 1_763_942_400.0,
        "begin": 1_763_942_410.0,
        "end": 1_763_942_460.0,
        "seconds": 50.0,
        "text": "",
        "server": "ades-pbs-dev",
        "api_version": "1.0",
        "username": "ann",
        "job_type": "sentinel",
        "image": "https://example.org/app-packages/sentinel.cwl",
        "node": "pbs7",
        "address": "10.0.0.7",
        **other,
    }


def metrics(**other: Any) -> Document:
    """What that job used."""
    step = {"time_start": "2025-11-24T00:00:10+0000", "time_end": "2025-11-24T00:01:00+0000", "exit_code": 0}
    whole = {
        "workflow": {**step, "time_duration_seconds": 50, "node": {"hostname": "pbs7", "cores": 4}},
        "stage-in": step,
    }
    return status(kind="remote.metrics", seq=1_763_942_400_018, uid="8f0d", metrics=whole, **other)


def accepted(**other: Any) -> Document:
    """A job of which nothing is known but that it waits."""
    unknown = dict.fromkeys(("begin", "end", "seconds", "username", "job_type", "image", "node", "address"))
    return status(**{**unknown, "from": None, "to": "accepted", "uid": "8f0b", **other})
