"""The night: a lane for each job over a window, as a picture, as a table, and as the data behind both."""

from datetime import datetime
from typing import Any

from starlette.responses import Response

from job_tracker.moments import DAY, MICROSECONDS, MINUTE
from job_tracker.telling.night.looking import look
from job_tracker.telling.night.window import Window
from job_tracker.web.answers import document, page
from job_tracker.web.context import Context
from job_tracker.web.pages.wanted import Wanted, group_of
from job_tracker.web.problems import Problem

LANES = 500
"""Jobs in one picture; whoever has more asks for a part of them."""
BACK, AHEAD = 18, 6
"""Hours before and after now."""
SHORTEST, LONGEST = 5 * MINUTE, 31 * DAY
HOUR = 60 * MINUTE


def show(context: Context) -> Response:
    """The picture, or with `as=table` what it says in words."""
    wanted, window = Wanted.of(context), window_of(context)
    keys, total = _keys(context, wanted)
    values: dict[str, Any] = {"wanted": wanted, "window": window, "lanes": len(keys), "total": total, "here": "/night"}
    if context.query.get("as") != "table":
        return page(context, "night.html", **values)
    found = _looked(context, wanted, keys, window)
    return page(context, "night_table.html", night=found, microseconds=MICROSECONDS, **values)


def data(context: Context) -> Response:
    """What the picture is drawn from, for programs, too; its moments are seconds."""
    wanted, window = Wanted.of(context), window_of(context)
    keys, total = _keys(context, wanted)
    found = _looked(context, wanted, keys, window)
    return document({**found, "total": total, "stale": context.stale_since is not None})


def window_of(context: Context) -> Window:
    """From when to when, by `from` and `to`, or by `back` and `ahead` in hours from now."""
    now = context.now
    back, ahead = context.number("back", BACK, 24 * 31), context.number("ahead", AHEAD, 24 * 31)
    begin = _moment(context, "from", now - back * HOUR)
    end = _moment(context, "to", now + ahead * HOUR)
    if end <= begin:
        raise Problem(400, "a night ends after it begins")
    if end - begin < SHORTEST:
        middle = (begin + end) // 2
        begin, end = middle - SHORTEST // 2, middle + SHORTEST // 2
    if end - begin > LONGEST:
        raise Problem(400, "a night is at most 31 days long; ask for less between from and to")
    return Window(begin=begin, end=end, now=now, pixels=max(50, context.number("px", 1200, 10_000)))


def _looked(context: Context, wanted: Wanted, keys: list[str], window: Window) -> dict[str, Any]:
    """The night of these jobs, each under the heading that it is ordered by."""
    found = look(context.view, context.events, keys, window, context.zone)
    for lane in found["lanes"]:
        row = context.board.rows.get(lane["job"])
        lane["group"] = "" if row is None else group_of(row, wanted.by or "group")
    return found


def _moment(context: Context, name: str, default: int) -> int:
    """RFC 3339, or seconds since 1970."""
    text = context.query.get(name, "")[:40]
    if not text:
        return default
    try:
        seconds = float(text) if text[:1].isdigit() and "T" not in text else datetime.fromisoformat(text).timestamp()
        moment = round(seconds * MICROSECONDS)
    except (ValueError, OverflowError) as fault:
        raise Problem(
            400, f"{name} is no moment; write it as 2026-11-23T02:00:00Z, or in seconds since 1970"
        ) from fault
    if not 0 <= moment < 1 << 58:
        raise Problem(400, f"{name} lies outside of what can be shown")
    return moment


def _keys(context: Context, wanted: Wanted) -> tuple[list[str], int]:
    by = wanted.by or "group"
    found = sorted((row for row in context.rows if wanted.fits(row)), key=lambda row: (group_of(row, by), row.order))
    return [row.key for row in found[:LANES]], len(found)
