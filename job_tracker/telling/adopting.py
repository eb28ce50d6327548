"""Adopting: the lines of configuration by which messages that belong to no job would belong to one."""

import json
import re
import unicodedata
from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Any

from job_tracker.core.intake import Why
from job_tracker.view.hints.names import nearest

Document = dict[str, Any]

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")


def of_name(rows: Sequence[Document], pattern: str) -> list[Document]:
    """Those whose name, as it was reported, is this or fits this glob; all for none."""
    return [row for row in rows if not pattern or fnmatchcase(row["name"], pattern)]


def quoted(name: str) -> str:
    """A name in which every blank can be seen."""
    return name if _NAME.fullmatch(name) or not name else f"'{name}'"


def guesses(rows: Sequence[Document], keys: Sequence[str]) -> list[tuple[str, str]]:
    """Of each name that is nearly that of a configured job: the name as reported, and the job."""
    found: dict[str, str] = {}
    for row in adoptable(rows):
        near = nearest(row["name"], row["env"], keys)
        if near is not None:
            found[f"{quoted(row['name'])} of {quoted(row['env'])}"] = near
    return list(found.items())


def snippet(rows: Sequence[Document], *, as_yaml: bool = False) -> str:
    """The entries for `jobs` that would adopt what can be adopted; empty if nothing can."""
    entries = adopting(rows)
    if as_yaml:
        return "\n".join(_yaml(entry) for entry in entries)
    return ",\n".join(json.dumps(entry, indent=2, ensure_ascii=False) for entry in entries)


def adopting(rows: Sequence[Document]) -> list[Document]:
    """A job for each name, with all the sources that spoke of it; its promise is only a guess.

    One that no job may be called is reported under its own name by a job of another.
    """
    sources: dict[tuple[str, str], list[str]] = {}
    for row in adoptable(rows):
        sources.setdefault((row["name"], row["env"]), []).append(row["source"])
    return [
        {
            **_called(name, env),
            "source_host": named[0] if len(named) == 1 else sorted(named),
            "cyclic_or_daily": "cyclic",
            "cyclic_interval_in_hh:mm:ss": "24:00:00",
            "timeout_in_hh:mm:ss": "01:00:00",
        }
        for (name, env), named in sources.items()
    ]


def adoptable(rows: Sequence[Document]) -> list[Document]:
    """Those that a job in the configuration would take."""
    return [row for row in rows if row["why"] == Why.UNKNOWN_JOB.value and row["name"] and row["env"]]


def _called(name: str, env: str) -> Document:
    if _NAME.fullmatch(name) and _NAME.fullmatch(env):
        return {"name": name, "env": env}
    reported: Document = {"job": name, "instance": env}
    return {"name": _allowed(name), "env": _allowed(env), "reported_as": [reported]}


def _allowed(name: str) -> str:
    """The nearest name that a job may have."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    return re.sub(r"[^A-Za-z0-9_.-]+", "_", plain).strip("_.-")[:100] or "JOB"


def _yaml(entry: Document) -> str:
    lines = [f'"{key}": {json.dumps(value, ensure_ascii=False)}' for key, value in entry.items()]
    return "\n".join(f"{'  - ' if at == 0 else '    '}{_unquoted(line)}" for at, line in enumerate(lines))


def _unquoted(line: str) -> str:
    return re.sub(r'^"([a-z_:]+)"', r"\1", line)
