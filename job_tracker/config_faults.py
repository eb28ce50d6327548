"""Faults: what is wrong with one section of a configuration, in words for who wrote it.

Rule: a fault is a key and a reason; where the section lies is its reader's business.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path
from typing import Any, Generic, TypeAlias, TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from job_tracker.config_text import Fields, Tree
from job_tracker.notation import escaped
from job_tracker.settings import Section, keys_of

SectionT = TypeVar("SectionT", bound=Section)
Fault: TypeAlias = tuple[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Examined(Generic[SectionT]):
    """A section as it was understood, None if it was not, and each faulty key with the reason."""

    section: SectionT | None
    faults: tuple[Fault, ...] = ()


def examine(section: type[SectionT], given: dict[str, Tree], base: Path) -> Examined[SectionT]:
    """Let pydantic understand a section; relative paths in it start at base."""
    repeated = tuple(repetitions(given))
    try:
        understood = section.model_validate(given, context={"base": base})
    except ValidationError as error:
        details = error.errors(include_url=False, include_input=False)
        return Examined(section=None, faults=(*repeated, *(_fault(detail, section) for detail in details)))
    return Examined(section=None if repeated else understood, faults=repeated)


def repetitions(given: dict[str, Tree]) -> Iterable[Fault]:
    """Tell which keys an object of the text has more than once: of two promises, which one was meant?"""
    if isinstance(given, Fields):
        for key in given.repeated:
            yield key, "is given more than once"


def unknown(key: str, known: tuple[str, ...]) -> str:
    """Say that there is no such key, and which one may have been meant."""
    return f"unknown key; the nearest known key is {_nearest(key[:100], known)}"


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


def _fault(detail: ErrorDetails, section: type[Section]) -> Fault:
    key = str(detail["loc"][0]) if detail["loc"] else "it"
    context: dict[str, Any] = detail.get("ctx", {})
    match detail["type"]:
        case "missing":
            return key, "is missing"
        case "extra_forbidden":
            return key, unknown(key, keys_of(section))
        case "value_error":
            return key, str(context["error"])
    return key, detail["msg"]


@lru_cache(maxsize=1024)
def _nearest(key: str, known: tuple[str, ...]) -> str:
    return get_close_matches(key, known, n=1, cutoff=0.0)[0]
