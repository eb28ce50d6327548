"""Faults: what is wrong with one section of a configuration, in words for who wrote it.

Rule: a fault is a key and a reason; where the section lies is its reader's business.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Generic, TypeAlias, TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from job_tracker.config import zones
from job_tracker.config.notation import escaped
from job_tracker.config.settings import Section, keys_of
from job_tracker.config.text import Fields, Tree

SectionT = TypeVar("SectionT", bound=Section)
Fault: TypeAlias = tuple[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Examined(Generic[SectionT]):
    """A section as it was understood, None if it was not, and each faulty key with the reason."""

    section: SectionT | None
    faults: tuple[Fault, ...] = ()


@dataclass(kw_only=True)
class Hints:
    """Finds what may have been meant, for the first few dozen slips of a configuration.

    Ten thousand jobs with as many misspelled zones would take minutes, in which a daemon that reloads does nothing.
    """

    left: int = 50
    found: dict[tuple[str, tuple[str, ...]], str] = field(default_factory=dict)

    def unknown_key(self, key: str, known: tuple[str, ...]) -> str:
        """Say that there is no such key, and which known key is nearest."""
        return "unknown key" + self._remembered(_nearest_key, key, known)

    def near(self, name: str, known: tuple[str, ...]) -> str:
        """Ask whether another name was meant."""
        return self._remembered(_near_names, name, known)

    def near_zone(self, name: str) -> str:
        """Ask whether another time zone was meant."""
        return self._remembered(lambda written, _: zones.nearest(written), name, ())

    def _remembered(self, find: Callable[[str, tuple[str, ...]], str], name: str, known: tuple[str, ...]) -> str:
        asked = (name[:100], known)
        if asked not in self.found and self.left > 0:
            self.left -= 1
            self.found[asked] = find(*asked)
        return self.found.get(asked, "")


def examine(section: type[SectionT], given: dict[str, Tree], base: Path, hints: Hints) -> Examined[SectionT]:
    """Let pydantic understand a section; relative paths in it start at base."""
    repeated = tuple(repetitions(given))
    if not all(map(str.isascii, given)):
        # pydantic cannot take a key with half a surrogate pair, and without its key a fault has no place.
        given = {key.encode("utf-8", "replace").decode("utf-8"): value for key, value in given.items()}
    try:
        understood = section.model_validate(given, context={"base": base})
    except ValidationError as error:
        found = (_fault(detail, section, hints) for detail in error.errors(include_url=False))
        return Examined(section=None, faults=(*repeated, *found))
    return Examined(section=None if repeated else understood, faults=repeated)


def repetitions(given: dict[str, Tree]) -> Iterable[Fault]:
    """Tell which keys an object of the text has more than once: of two promises, which one was meant?"""
    if isinstance(given, Fields):
        for key in given.repeated:
            yield key, "is given more than once"


def placed(place: str, fault: Fault) -> str:
    """Put a fault at its place."""
    key, reason = fault
    return f"{place}: {escaped(key, 100)}: {reason}"


def kind_of(value: Tree) -> str:
    """Say what a value is that should have been an object or a list."""
    match value:
        case dict():
            return "an object"
        case list():
            return f"a list of {len(value)}"
        case None:
            return "empty"
    return "a single value"


def _fault(detail: ErrorDetails, section: type[Section], hints: Hints) -> Fault:
    key = str(detail["loc"][0]) if detail["loc"] else "it"
    context: dict[str, Any] = detail.get("ctx", {})
    match detail["type"]:
        case "missing":
            return key, "is missing"
        case "extra_forbidden":
            return key, hints.unknown_key(key, keys_of(section))
        case "value_error" if key == "time_zone":
            return key, f"{context['error']}{hints.near_zone(str(detail['input']))}"
        case "value_error":
            return key, str(context["error"])
    return key, detail["msg"]


def _nearest_key(key: str, known: tuple[str, ...]) -> str:
    # Who writes 'timeout' means 'timeout_in_hh:mm:ss', though 'time_zone' has more letters in common.
    longer = [name for name in known if len(key) > 2 and key in name]
    nearest = longer or get_close_matches(key, known, n=1, cutoff=0.0)
    return f"; the nearest known key is {nearest[0]}"


def _near_names(name: str, known: tuple[str, ...]) -> str:
    near = get_close_matches(name, known, n=1)
    return f"; did you mean {escaped(near[0], 100)}?" if near else ""
