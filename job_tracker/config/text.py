"""Configuration text: from the bytes of a file to plain objects, lists and texts, whatever the file contains.

Rule: every scalar stays the text it was written as; what it means is decided later, by one rule for JSON and YAML.
(YAML would otherwise make the number 37800 of 10:30:00, and JSON a rounded float of 0.1.)
Rule: whatever can be wrong with a text ends here as a ConfigError with its line and column.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Never, TypeAlias

import yaml

from job_tracker.config.notation import escaped, shown
from job_tracker.errors import ConfigError

Tree: TypeAlias = "dict[str, Tree] | list[Tree] | str | bool | None"

MAX_BYTES = 64 * 1024 * 1024
MAX_DEPTH = 20

_UNFIT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\ufffe\uffff]")
_BRACKETS = re.compile(r'"(?:[^"\\]|\\.)*"|[][{}]')
# As YAML itself has it; in JSON it is the word null.
_YAML_NULLS = frozenset({"", "~", "null", "Null", "NULL"})


class Fields(dict[str, Tree]):
    """An object of the text in which some keys occur more than once."""

    repeated: tuple[str, ...] = ()


def read_file(path: Path) -> str:
    """Read a configuration file whole; what cannot be read, or is not UTF-8, is a ConfigError."""
    name = escaped(str(path), 200)
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise ConfigError([f"{name}: cannot be read: {reason}"]) from error
    if len(content) > MAX_BYTES:
        raise ConfigError([f"{name}: is larger than {MAX_BYTES // 1024 // 1024} MiB"])
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        before = content[: error.start].decode("utf-8")
        _refuse(name, before, len(before), f"is not UTF-8 (byte 0x{content[error.start]:02x})")


def read(text: str, *, name: str) -> Tree:
    """Read JSON if the text begins with an object's brace, YAML otherwise."""
    text = text.removeprefix("\ufeff")
    unfit = _UNFIT.search(text)
    if unfit:
        _refuse(name, text, unfit.start(), f"the character {shown(unfit.group())} cannot be in a configuration")
    return _json(text, name) if text.lstrip().startswith("{") else _yaml(text, name)


def _json(text: str, name: str) -> Tree:
    try:
        # A number of 5,000 digits is a ValueError to int, and 0.1 is not 0.1 to float: numbers stay text.
        tree: Tree = json.loads(text, object_pairs_hook=_fields, parse_int=str, parse_float=str, parse_constant=str)
    except json.JSONDecodeError as error:
        if text[error.pos :].startswith(("//", "/*", "#")):
            _refuse(name, text, error.pos, "JSON has no comments; leave them out, or write the file as YAML, which has")
        _refuse(name, text, error.pos, error.msg.removesuffix(" at"))
    except RecursionError:
        _refuse(name, text, _too_deep(text), "nested too deeply")
    return tree


def _too_deep(text: str) -> int:
    depth = 0
    for bracket in _BRACKETS.finditer(text):
        depth += (bracket.group() in "[{") - (bracket.group() in "]}")
        if depth > MAX_DEPTH:
            return bracket.start()
    return 0


def _fields(pairs: list[tuple[str, Tree]]) -> dict[str, Tree]:
    fields = dict(pairs)
    if len(fields) == len(pairs):
        return fields
    marked = Fields(fields)
    marked.repeated = tuple(key for key, count in Counter(key for key, _ in pairs).items() if count > 1)
    return marked


def _yaml(text: str, name: str) -> Tree:
    """Build the tree from YAML's events: no recursion, no aliases that multiply, no tags that construct."""
    builder = _Builder()
    try:
        for event in yaml.parse(text, Loader=getattr(yaml, "CBaseLoader", yaml.BaseLoader)):
            fault = builder.take(event)
            if fault:
                raise ConfigError([f"{name}: {_at(event.start_mark)}: {fault}"])
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        reason = ", ".join(filter(None, [error.context, error.problem]))
        if mark and _at_a_tab(text, mark):
            reason = "a tab; YAML indents with blanks"
        raise ConfigError([f"{name}: {_at(mark) if mark else 'YAML'}: {reason}"]) from error
    except (yaml.YAMLError, RecursionError) as error:
        raise ConfigError([f"{name}: cannot be read as YAML: {escaped(str(error), 200)}"]) from error
    return builder.document[0] if builder.document else None


class _Builder:
    """Puts YAML's events together; a collection is on the stack from its start to its end."""

    def __init__(self) -> None:
        self.document: list[Tree] = []
        self.stack: list[tuple[list[Tree], bool]] = [(self.document, False)]

    def take(self, event: yaml.Event) -> str:
        """Take one event; the answer is what is wrong with it, or nothing."""
        if getattr(event, "anchor", None) is not None:
            return "anchors and aliases are not accepted; write the value out"
        tag = getattr(event, "tag", None)
        if tag is not None:
            return f"the tag {shown(tag)} is not accepted; every value is read as text"
        match event:
            case yaml.DocumentStartEvent() if self.document:
                return "a second document begins; a configuration is one"
            case yaml.ScalarEvent():
                null = not event.style and event.value in _YAML_NULLS and not self._at_a_key()
                self._add(None if null else event.value)
            case yaml.MappingStartEvent() | yaml.SequenceStartEvent():
                if self._at_a_key():
                    return "a list or an object is not a key; keys are texts"
                self.stack.append(([], isinstance(event, yaml.MappingStartEvent)))
                return "nested too deeply" if len(self.stack) - 1 > MAX_DEPTH else ""
            case yaml.MappingEndEvent() | yaml.SequenceEndEvent():
                items, is_object = self.stack.pop()
                self._add(_fields(list(_pairs(items))) if is_object else items)
        return ""

    def _add(self, value: Tree) -> None:
        self.stack[-1][0].append(value)

    def _at_a_key(self) -> bool:
        items, is_object = self.stack[-1]
        return is_object and len(items) % 2 == 0


def _pairs(items: list[Tree]) -> Iterator[tuple[str, Tree]]:
    for key, value in zip(items[::2], items[1::2], strict=True):
        yield str(key), value


def _at_a_tab(text: str, mark: yaml.error.Mark | Any) -> bool:
    """Whether YAML stumbled over a tab where a line's indentation ends."""
    line = [*text.split("\n", mark.line + 1), ""][mark.line]  # what is missing may be missed behind the last line
    return line[: len(line) - len(line.lstrip())].find("\t") in range(mark.column + 1)


def _at(mark: yaml.error.Mark | Any) -> str:
    return f"line {mark.line + 1}, column {mark.column + 1}"


def _refuse(name: str, text: str, position: int, reason: str) -> Never:
    line = text.count("\n", 0, position) + 1
    column = position - text.rfind("\n", 0, position)
    raise ConfigError([f"{name}: line {line}, column {column}: {reason}"])
