"""Wanted: which jobs are asked for, of a page or by a program, and in which order and groups they are shown.

Rule: all of it is in the query, so that a link shows somebody else the same, and a program what a page shows.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from job_tracker.telling.jobs import URGENCY, matches
from job_tracker.web.board import Row
from job_tracker.web.context import Context
from job_tracker.web.pages.wording import STATES

PAUSED = "PAUSED"
BY = ("", "group", "source", "env")
MOST_TEXT = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which jobs: any of the values of a name, and all of the names.  states: PAUSED is one; by: what groups them."""

    q: str = ""
    states: tuple[str, ...] = ()
    statuses: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    envs: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    problems: bool = False
    by: str = ""

    @classmethod
    def of(cls, context: Context) -> "Wanted":
        """What a query asks for; what it asks for that there is not shows nothing, and is no error."""
        query = context.query
        states = [state for value in context.all_of("state") for state in value.upper().split(",")]
        statuses, sources, envs, groups = (_several(context, name) for name in ("status", "source", "env", "group"))
        by = query.get("by", "")
        return cls(
            q=query.get("q", "").strip()[:MOST_TEXT],
            states=tuple(dict.fromkeys(states)),
            statuses=statuses,
            sources=sources,
            envs=envs,
            groups=groups,
            problems=query.get("problems", "") not in ("", "0"),
            by=by if by in BY else "",
        )

    @property
    def is_narrowed(self) -> bool:
        """Whether not all jobs are asked for."""
        named = self.states or self.statuses or self.sources or self.envs or self.groups
        return bool(self.q or named or self.problems)

    def fits_but_for_state(self, row: Row) -> bool:
        """Whether a job is wanted, whatever its state."""
        return (
            (not self.q or matches(row.key, self.q) or self.q.lower() in row.group.lower())
            and (not self.statuses or str(row.status) in self.statuses)
            and (not self.sources or not set(self.sources).isdisjoint(row.sources))
            and (not self.envs or row.env in self.envs)
            and (not self.groups or row.group in self.groups)
        )

    def fits(self, row: Row) -> bool:
        """Whether a job is wanted."""
        if self.problems and not row.status:
            return False
        if self.states and row.state not in self.states:
            return PAUSED in self.states and row.paused_until is not None and self.fits_but_for_state(row)
        return self.fits_but_for_state(row)


def _several(context: Context, name: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(value[:MOST_TEXT] for value in context.all_of(name)))


def in_order(rows: Sequence[Row], by: str) -> list[Row]:
    """Problems first, the oldest of them first; the others as they are configured, or by group."""

    def place(row: Row) -> tuple[int, int, str, int]:
        return URGENCY.index(row.status), row.since if row.status else 0, group_of(row, by), row.order

    return sorted(rows, key=place)


def group_of(row: Row, by: str) -> str:
    """What a job is grouped by."""
    if by == "source":
        return ", ".join(row.sources) or "no source yet"
    if by == "env":
        return row.env
    if by == "group":
        return row.group or ", ".join(row.sources) or "no group"
    return ""


def in_groups(rows: Sequence[Row], by: str) -> list[tuple[str, list[Row]]]:
    """Ordered jobs under their headings: those with a problem, then each group."""

    def heading(row: Row) -> str:
        if row.status:
            return "Problems"
        return group_of(row, by) if by else "No problem"

    return [(name, list(found)) for name, found in groupby(rows, key=heading)]


def counts(rows: Sequence[Row]) -> list[tuple[str, int, bool]]:
    """Of each state how many jobs there are, and whether one of them is no good; and how many are paused."""
    by_state = Counter(row.state for row in rows)
    paused = sum(1 for row in rows if row.paused_until is not None)
    bad = {row.state for row in rows if row.status == 2}
    found = [(state, by_state[state], state in bad) for state in STATES]
    return [*found, *([(PAUSED, paused, False)] if paused else [])]
