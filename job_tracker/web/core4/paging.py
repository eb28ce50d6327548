"""Paging: a part of a list, as core4's pager has it.

Rule: pages count from 0, from the end below it, and what lies behind the end is empty and no fault.
"""

from collections.abc import Sequence
from typing import Any

from job_tracker.web.core4.arguments import Arguments
from job_tracker.web.problems import Problem

USUAL, MOST = 10, 1_000


def page_of(found: Sequence[Any], asked: Arguments) -> tuple[Sequence[Any], dict[str, Any]]:
    """The part that is asked for, and what is said of it.  Raises Problem."""
    per_page, page = asked.number("per_page", USUAL), asked.number("page", 0)
    if not 0 < per_page <= MOST:
        raise Problem(400, f"per_page is a number from 1 to {MOST}")
    pages = -(-len(found) // per_page)
    begin = (page if page >= 0 else pages + page) * per_page
    part = found[begin : begin + per_page] if begin >= 0 else found[:0]
    told = {
        "page_count": pages,
        "total_count": float(len(found)),
        "page": page,
        "per_page": per_page,
        "count": len(part),
    }
    return part, told
