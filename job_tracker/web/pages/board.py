"""The board: how many jobs are how, and then the jobs, problems first."""

from typing import Any

from starlette.responses import Response

from job_tracker.web.answers import document, fragment, page
from job_tracker.web.board import Row
from job_tracker.web.context import Context
from job_tracker.web.pages.wanted import Wanted, counts, in_groups, in_order
from job_tracker.web.pages.wording import STATE_TONES, line
from job_tracker.web.problems import Problem

A_PAGE = 200
"""Jobs on a page; more would be neither read nor sent."""


def show(context: Context) -> Response:
    """The board, or with `part=list` what a search changes of it."""
    template = "board_list.html" if context.query.get("part") == "list" else "board.html"
    return page(context, template, here="/", **_values(context))


def rows(context: Context) -> Response:
    """The lines of some jobs, for a page that shows them; of a job that is not there any more, none."""
    keys = [key for value in context.all_of("keys") for key in value.split(",") if key]
    if len(keys) > A_PAGE:
        raise Problem(400, f"at most {A_PAGE} jobs at once")
    found = [context.board.rows[key] for key in keys if key in context.board.rows and context.who.sees(key)]
    wanted = Wanted.of(context)
    return document(
        {
            "as_of": context.now / 1_000_000,
            "rows": {row.key: fragment(context, "board_row.html", line=line(row, context.now)) for row in found},
            "tiles": fragment(context, "board_tiles.html", **_tiles(context, wanted)),
        }
    )


def _values(context: Context) -> dict[str, Any]:
    wanted = Wanted.of(context)
    found = in_order([row for row in context.rows if wanted.fits(row)], wanted.by)
    pages = max(1, -(-len(found) // A_PAGE))
    at = min(max(1, context.number("page", 1, pages)), pages)
    shown = found[(at - 1) * A_PAGE : at * A_PAGE]
    groups = [(name, [line(row, context.now) for row in part]) for name, part in in_groups(shown, wanted.by)]
    return {
        "wanted": wanted,
        "groups": groups,
        "total": len(found),
        "at": at,
        "pages": pages,
        "choices": _choices(context.rows),
        **_tiles(context, wanted),
    }


def _tiles(context: Context, wanted: Wanted) -> dict[str, Any]:
    found = [row for row in context.rows if wanted.fits_but_for_state(row)]
    tiles = []
    for state, count, is_bad in counts(found):
        tone = STATE_TONES.get(state, "paused")
        is_mild = tone == "crit" and count > 0 and not is_bad  # errors below their threshold alarm nobody
        tiles.append((state, count, "warn" if is_mild else tone))
    return {"tiles": tiles, "all": len(found), "wanted": wanted}


def _choices(rows: list[Row]) -> dict[str, list[str]]:
    """What can be chosen from, where there is a choice; a thousand sources are searched for by name instead."""
    found = {
        "source": sorted({source for row in rows for source in row.sources}),
        "env": sorted({row.env for row in rows}),
        "group": sorted({row.group for row in rows if row.group}),
    }
    return {name: values for name, values in found.items() if 1 < len(values) <= A_PAGE}
