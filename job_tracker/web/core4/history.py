"""History: what happened in the queue, and how many jobs were then in which state; the newest first.

Rule: a filter names fields of ours and compares them; it is no query of a database, and reaches no other channel.
"""

import operator
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from starlette.responses import Response

from job_tracker.moments import MICROSECONDS
from job_tracker.web.context import Context
from job_tracker.web.core4.arguments import Arguments
from job_tracker.web.core4.envelope import moment, reply
from job_tracker.web.core4.paging import page_of
from job_tracker.web.core4.queue import Told
from job_tracker.web.core4.words import NAMES, STATES
from job_tracker.web.problems import Problem

MOST_LISTED = 100
COMPARED: Mapping[str, Callable[[Any, Any], bool]] = {
    "$gt": operator.gt,
    "$gte": operator.ge,
    "$lt": operator.lt,
    "$lte": operator.le,
}


async def of_jobs(context: Context) -> Response:
    """A page of what happened."""
    asked = Arguments.of(context)
    is_meant = filtered(asked.mapping("filter"))
    order = asked.number("sort", -1)
    if order not in (1, -1):
        raise Problem(400, "sort is 1, the oldest first, or -1")
    await context.part.core4.ready()
    found = [each for each in context.part.core4.queue.history if is_meant(each)]
    part, paging = page_of(found if order > 0 else found[::-1], asked)
    return reply([row(each) for each in part], **paging)


def row(told: Told) -> dict[str, Any]:
    """What it came to."""
    return {"created": moment(told.created), **told.counts, "total": sum(told.counts.values())}


def filtered(wanted: Mapping[str, Any]) -> Callable[[Told], bool]:
    """Whether something is meant by a filter.  Raises Problem."""
    tests = [_test(field, value) for field, value in wanted.items()]
    return lambda told: all(test(told) for test in tests)


def _test(field: str, value: Any) -> Callable[[Told], bool]:
    match field:
        case "created":
            return _compared(value, _moment, lambda told: (told.created // MICROSECONDS,))
        case "name":
            return _compared(value, lambda text: _one_of(text, NAMES), lambda told: (told.name,))
        case "state":
            return _compared(value, lambda text: _one_of(text, STATES), lambda told: told.counts.keys())
    raise Problem(400, f"filter: {field[:60]!r} is not known here; created, name and state are")


def _compared(value: Any, read: Callable[[Any], Any], of: Callable[[Told], Any]) -> Callable[[Told], bool]:
    """Whether any of what something has is equal to a value, one of a list, or as `$gt` and the others say."""
    if not isinstance(value, dict):
        wanted = read(value)
        return lambda told: wanted in of(told)
    tests = [_bound(word, given, read, of) for word, given in value.items()]
    return lambda told: all(test(told) for test in tests)


def _bound(word: str, given: Any, read: Callable[[Any], Any], of: Callable[[Told], Any]) -> Callable[[Told], bool]:
    if word == "$in" and isinstance(given, list) and len(given) <= MOST_LISTED:
        several = [read(each) for each in given]
        return lambda told: any(each in several for each in of(told))
    if word in COMPARED:
        bound, is_so = read(given), COMPARED[word]
        return lambda told: any(is_so(each, bound) for each in of(told))
    raise Problem(400, f"filter: {word[:60]!r} is not known here; $gt, $gte, $lt, $lte and $in are")


def _moment(text: Any) -> int:
    """Seconds since 1970."""
    try:
        return int(datetime.strptime(text, "%Y-%m-%dT%H:%M:%S").replace(tzinfo=UTC).timestamp())
    except (TypeError, ValueError) as fault:
        raise Problem(400, "filter: a moment is written as 2026-11-23T02:00:00, in UTC") from fault


def _one_of(text: Any, known: Any) -> str:
    if not isinstance(text, str) or text not in known:
        raise Problem(400, f"filter: one of {', '.join(sorted(known))} is wanted")
    return text
