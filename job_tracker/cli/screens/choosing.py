"""Choosing: of which jobs an operator speaks.

Rule: a name is a whole name or a glob, never a part of one: what acts must not hit what only looks alike.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from job_tracker.cli.screens.commands import NoSuchThing
from job_tracker.telling.harmless import safe
from job_tracker.view import reading

Document = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """What was asked for: names or globs, and of these only the jobs of a group, or of a source, where one is named."""

    patterns: tuple[str, ...] = ()
    group: str | None = None
    source: str | None = None


def choose(view: Path, chosen: Chosen) -> tuple[Document, list[Document]]:
    """The meta document of a view, and the jobs in the order of the configuration; at least one."""
    if not chosen.patterns and chosen.group is None and chosen.source is None:
        raise NoSuchThing("name the jobs, or a --group or --source of them")
    meta, jobs = reading.read_jobs(view)
    names = {job["job"]: job["promise"]["name"] for job in jobs}
    named = {key for pattern in chosen.patterns for key in _named(pattern, names)} if chosen.patterns else set(names)
    _require("group", chosen.group, {job["promise"]["group"] for job in jobs} - {""})
    _require("source", chosen.source, set(meta["sources"]))
    found = [
        job
        for job in jobs
        if job["job"] in named
        and chosen.group in (None, job["promise"]["group"])
        and (chosen.source is None or chosen.source in job["sources"])
    ]
    if not found:
        raise NoSuchThing("no job is all of that; `job_tracker jobs` lists them")
    return meta, found


def _named(pattern: str, keys: Mapping[str, str]) -> list[str]:
    """The jobs of a glob; of a whole name, which without its env is enough where only one env has it.

    keys: of all jobs, each with its name.
    """
    if any(letter in pattern for letter in "*?["):
        found = [key for key in keys if fnmatchcase(key, pattern)]
    else:
        found = [key for key in keys if key == pattern] or [key for key, name in keys.items() if name == pattern]
        if len(found) > 1:
            several = " or ".join([*found[:3], f"{pattern}__*"])
            raise NoSuchThing(f"{safe(pattern)}: there is more than one; name {several}")
    if not found:
        names = {key: key for key in keys} | {name: key for key, name in keys.items()}
        close = [names[each] for each in get_close_matches(pattern, names, n=3)]
        near = [key for key in keys if pattern.lower() in key.lower()] or close
        hint = f"did you mean {' or '.join(near[:3])}?" if near else "`job_tracker jobs` lists them"
        raise NoSuchThing(f"{safe(pattern)}: there is no such job; {hint}")
    return found


def _require(what: str, name: str | None, known: set[str]) -> None:
    if name is not None and name not in known:
        listed = ", ".join(sorted(known)) or "none"
        raise NoSuchThing(f"--{what} {safe(name)}: there is no such {what}; there are: {safe(listed)}")
