"""The context: what a handler is given of whoever asks, and of what is known.

Rule: a handler takes nothing from anywhere else: no global, no header of its own reading, no clock of its own.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode
from zoneinfo import ZoneInfo

from starlette.requests import Request

from job_tracker import clock
from job_tracker.config.web import Web
from job_tracker.web.board import Row, Snapshot
from job_tracker.web.problems import Problem
from job_tracker.web.rights import Who

if TYPE_CHECKING:
    from job_tracker.web.app import Part

JSON_TYPE, FORM_TYPE = "application/json", "application/x-www-form-urlencoded"


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """One request.  now: when it came, in microseconds; board: what was known then; body: whole, if it has one."""

    request: Request
    part: "Part"
    who: Who
    board: Snapshot
    now: int
    body: bytes = b""

    @classmethod
    def of(cls, request: Request, part: "Part", who: Who, body: bytes) -> "Context":
        """The context of a request that was let in."""
        return cls(request=request, part=part, who=who, board=part.reader.board, now=clock.now(), body=body)

    @property
    def web(self) -> Web:
        """The section `web` of the configuration."""
        return self.part.web

    @property
    def view(self) -> Path:
        """Where the view lies, for a job's whole document."""
        return self.part.view

    @property
    def events(self) -> Path:
        """Where the events lie."""
        return self.part.events

    @property
    def zone(self) -> ZoneInfo:
        """In which zone moments are shown that belong to no job."""
        return self.part.zone

    @property
    def path(self) -> Mapping[str, Any]:
        """What the path names, by the names in the route."""
        return self.request.path_params

    @property
    def query(self) -> Mapping[str, str]:
        """What stands behind the question mark; of what is repeated, the last."""
        return self.request.query_params

    def all_of(self, name: str) -> list[str]:
        """All values of what may be repeated in the query, without the empty ones."""
        return [value for value in self.request.query_params.getlist(name) if value]

    @property
    def rows(self) -> list[Row]:
        """The jobs that he sees, in the order of the configuration."""
        if self.who.sees_all:
            return list(self.board.rows.values())
        return [row for row in self.board.rows.values() if self.who.sees(row.key)]

    @property
    def stale_since(self) -> int | None:
        """Since when nobody knows whether it is still so; None while the daemon reports."""
        return self.board.stale_since(self.now)

    def number(self, name: str, default: int, most: int) -> int:
        """A whole number of the query, from 0 on.  Raises Problem."""
        written = self.query.get(name, "")
        if not written:
            return default
        if not written.isascii() or not written.isdigit() or len(written) > 18:
            raise Problem(400, f"{name} is not a whole number")
        return min(int(written), most)

    def form(self) -> dict[str, str]:
        """What a form holds, or an object of JSON whose values are texts; of what is repeated, the last."""
        kind = self.request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind == FORM_TYPE:
            try:
                return dict(parse_qsl(self.body.decode(), keep_blank_values=True, max_num_fields=100))
            except ValueError as fault:
                raise Problem(400, "the form cannot be read") from fault
        return {key: value for key, value in self.json().items() if isinstance(value, str)}

    def json(self) -> dict[str, Any]:
        """The object that was sent.  Raises Problem."""
        try:
            found = json.loads(self.body or b"{}")
        except (ValueError, RecursionError) as fault:
            raise Problem(400, "the body is not JSON") from fault
        if not isinstance(found, dict):
            raise Problem(400, "the body is not an object of JSON")
        return found

    def url(self, **changes: object) -> str:
        """This page with some values of its query changed; one that is None or empty is left out."""
        pairs = [(key, value) for key, value in self.request.query_params.multi_items() if key not in changes]
        pairs += [(key, str(value)) for key, value in changes.items() if value not in (None, "")]
        return self.request.url.path + (f"?{urlencode(pairs)}" if pairs else "")
