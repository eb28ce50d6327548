"""Strays: messages that belong to no configured job, counted by source, name and reason, with a sample of each.

Rule: whoever sends a million names of his own fills no disk: the names heard of last are kept.
"""

import json
from collections.abc import Iterable
from typing import Any

from job_tracker.core.intake import Unmatched, in_words
from job_tracker.ledger.access import Access
from job_tracker.ledger.codec import STRAY, UNMATCHED, checked, why_from_text, why_to_text

NAMES = 2_000
SAMPLE_LIMIT = 2_000


class Strays:
    """Them, on the ledger's connection; put and forgotten within its transactions."""

    def __init__(self, access: Access) -> None:
        self._access, self._connection = access, access.connection

    def every(self) -> list[dict[str, Any]]:
        """What is kept of them, the latest first.  Raises StoreFailed."""
        names = ("source", "name", "env", "why", "count", "first", "last", "sample")
        with self._access.reading():
            rows = self._connection.execute(
                "SELECT source, name, env, reason, count, first, last, sample FROM unmatched ORDER BY last DESC"
            )
            found = [dict(zip(names, checked(row, UNMATCHED), strict=True)) for row in rows]
        for row in found:
            why, detail = why_from_text(row["why"])
            row |= {"why": why.value, "reason": in_words(why, detail)}
        return found

    def names(self) -> list[tuple[str, str, int]]:
        """Name, environment and first moment, the newest name first.  Raises StoreFailed."""
        with self._access.reading():
            rows = self._connection.execute(
                "SELECT name, env, min(first) FROM unmatched GROUP BY name, env ORDER BY min(first) DESC"
            )
            return [(name, env, first) for name, env, first in (checked(row, STRAY) for row in rows)]

    def forget(self, named: Iterable[tuple[str, str]]) -> None:
        """Let go of names and environments that are configured now."""
        self._connection.executemany("DELETE FROM unmatched WHERE name = ? AND env = ?", named)

    def put(self, unmatched: tuple[Unmatched, ...]) -> None:
        """Count them, with the last of each kind as a sample."""
        for each in unmatched:
            name, env = ("", "") if each.message is None else (each.message.name[:200], each.message.env[:200])
            self._connection.execute(
                "INSERT INTO unmatched (source, name, env, reason, count, first, last, sample)"
                " VALUES (?1, ?2, ?3, ?4, 1, ?5, ?5, ?6) ON CONFLICT (source, name, env, reason)"
                " DO UPDATE SET count = count + 1, last = ?5, sample = ?6",
                (each.source, name, env, why_to_text(each.why, each.detail), each.received, _sample(each.element)),
            )
        if unmatched:
            self._connection.execute(
                "DELETE FROM unmatched WHERE (source, name, env, reason) IN"
                " (SELECT source, name, env, reason FROM unmatched ORDER BY last DESC LIMIT -1 OFFSET ?)",
                (NAMES,),
            )


def _sample(element: Any) -> str:
    try:
        return json.dumps(element)[:SAMPLE_LIMIT]
    except (ValueError, RecursionError):
        return '"not to be shown"'
