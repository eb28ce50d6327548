"""Included files: what `include` adds to a configuration, file by file.

Rule: relative paths in a file start where that file lies, and each of its faults names it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from glob import glob, has_magic
from pathlib import Path

from job_tracker.config import notation
from job_tracker.config import text as config_text
from job_tracker.config.faults import Fault, Hints, kind_of, placed, repetitions
from job_tracker.config.text import Tree
from job_tracker.errors import ConfigError

INCLUDE = "include"


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """One file of a configuration: what is in it, where relative paths start, and what its places begin with."""

    tree: dict[str, Tree]
    base: Path
    prefix: str = ""


def read_included(main: Document, sections: tuple[str, ...], hints: Hints, faults: list[str]) -> list[Document]:
    """The files that a configuration includes, in the order of their names, each once; what is wrong is added."""
    found = []
    for path in _paths(main, faults):
        name = notation.escaped(str(path), 200)
        try:
            tree = config_text.read(config_text.read_file(path), name=name)
        except ConfigError as error:
            faults += error.faults
            continue
        if not isinstance(tree, dict):
            faults.append(f"{name}: is {kind_of(tree)}, not an object with {', '.join(sections)}")
            continue
        found.append(Document(tree=tree, base=path.parent, prefix=f"{name}: "))
        faults += [placed(f"{name}: top level", fault) for fault in _strangers(tree, sections, hints)]
    return found


def _strangers(tree: dict[str, Tree], sections: tuple[str, ...], hints: Hints) -> Iterator[Fault]:
    for key in tree:
        if key not in sections:
            yield key, hints.unknown_key(key, sections) + f"; an included file has {', '.join(sections)}"
    yield from repetitions(tree)


def _paths(main: Document, faults: list[str]) -> list[Path]:
    given = main.tree.get(INCLUDE)
    if given is None:
        return []
    found: dict[Path, None] = {}
    for index, pattern in enumerate(given if isinstance(given, list) else [given]):
        place = f"{INCLUDE}[{index}]"
        try:
            written = notation.unexpanded(notation.text(pattern))
        except ValueError as fault:
            faults.append(f"{place}: {fault}")
            continue
        paths = sorted(glob(str(main.base / written)))
        if not paths and not has_magic(written):
            faults.append(f"{place}: {notation.shown(written)} is not there")
        found.update((Path(path), None) for path in paths)
    return list(found)
