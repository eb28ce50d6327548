"""Arguments: what a client of core4 says, in the query or in the body, which is all one to it.

Rule: the query comes first, and of what is repeated there the last.
Rule: a body that cannot be read says nothing; a value of another kind than is wanted is refused by its name.
"""

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

from job_tracker.web.context import FORM_TYPE, Context
from job_tracker.web.problems import Problem

WORDS = {"yes": True, "y": True, "on": True, "1": True, "t": True, "true": True,
         "no": False, "n": False, "off": False, "0": False, "f": False, "false": False}  # fmt: skip
MOST_FIELDS = 100
LONGEST_NUMBER = 10


def merged(query: Mapping[str, str], body: bytes, content_type: str) -> dict[str, Any]:
    """All that was said."""
    return {**said_in_body(body, content_type), **query}


def said_in_body(body: bytes, content_type: str) -> dict[str, Any]:
    """What a body says: an object of JSON, or a form."""
    try:
        if content_type.partition(";")[0].strip().lower() == FORM_TYPE:
            return dict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=MOST_FIELDS))
        found = json.loads(body or b"{}")
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


class Arguments:
    """What was said, asked for by name and kind.  All raise Problem."""

    def __init__(self, given: Mapping[str, Any]) -> None:
        self.given = given

    @classmethod
    def of(cls, context: Context) -> "Arguments":
        """What a request says."""
        return cls(merged(context.query, context.body, context.request.headers.get("content-type", "")))

    def __contains__(self, name: str) -> bool:
        return self.given.get(name) is not None

    def text(self, name: str) -> str | None:
        """A text, None where there is none."""
        found = self.given.get(name)
        if found is not None and not isinstance(found, str):
            raise wrong(name, "str")
        return found

    def needed(self, name: str) -> str:
        """A text that there has to be."""
        found = self.text(name)
        if not found:
            raise Problem(400, f"Missing argument {name}")
        return found

    def number(self, name: str, default: int) -> int:
        """A whole number."""
        found = self.given.get(name, default)
        if isinstance(found, bool) or not isinstance(found, int | str) or len(str(found)) > LONGEST_NUMBER:
            raise wrong(name, "int")
        try:
            return int(found)
        except ValueError as fault:
            raise wrong(name, "int") from fault

    def flag(self, name: str, default: bool) -> bool:
        """Yes or no, in any of core4's words for it."""
        found = self.given.get(name, default)
        word = WORDS.get(str(found).lower()[:10])
        if word is None:
            raise wrong(name, "bool")
        return word

    def texts(self, name: str) -> list[str] | None:
        """A list of texts, or one that is written as JSON; None where there is none."""
        found = self.given.get(name)
        if isinstance(found, str):
            found = _read(found, name, "list")
        if found is not None and not (isinstance(found, list) and all(isinstance(each, str) for each in found)):
            raise wrong(name, "list")
        return found

    def mapping(self, name: str) -> dict[str, Any]:
        """An object, or one that is written as JSON."""
        found = self.given.get(name) or {}
        if isinstance(found, str):
            found = _read(found, name, "dict")
        if not isinstance(found, dict):
            raise wrong(name, "dict")
        return found


def wrong(name: str, kind: str) -> Problem:
    """That an argument is of another kind."""
    return Problem(400, f"parameter [{name[:60]}] expected as_type [{kind}]")


def _read(text: str, name: str, kind: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as fault:
        raise wrong(name, kind) from fault
