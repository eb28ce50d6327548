"""Wording: how states, moments and runs are shown on pages: a shape, a word, a colour.

Rule: a colour never says anything alone; whoever cannot see it has the shape and the word.
"""

from typing import Any, NamedTuple

from job_tracker.moments import span
from job_tracker.telling.jobs import RESULTS
from job_tracker.telling.past import result_of
from job_tracker.telling.times import STATUS_WORDS, ago, clock, short, took
from job_tracker.telling.usage import used
from job_tracker.web.board import Row
from job_tracker.web.rights import Who

Document = dict[str, Any]

PAGES = (("/", "Board"), ("/night", "Night"), ("/events", "Events"))
FOR_ALL_SEEING = (("/sources", "Sources"), ("/unmatched", "Unmatched"), ("/notifications", "Notifications"))
FOR_COPS = (("/users", "Users"), ("/audit", "Audit"))

GLYPHS = {"ok": "●", "running": "▶", "warn": "▲", "crit": "◆", "unknown": "?", "never": "○", "paused": "‖"}
"""By tone; each has a shape of its own."""

OUTCOME_TONES = {"well": "ok", "open": "running", "warned": "warn", "skipped": "never", "badly": "crit", "lost": "crit"}

STATES = ("ERROR", "TIMEOUT", "DELAYED", "UNKNOWN", "WARNING", "RUNNING", "NOT_RUNNING", "NEVER_RAN")
STATE_TONES = {
    **dict.fromkeys(("ERROR", "TIMEOUT", "DELAYED"), "crit"),
    "UNKNOWN": "unknown",
    "WARNING": "warn",
    "RUNNING": "running",
    "NOT_RUNNING": "ok",
    "NEVER_RAN": "never",
}


class Line(NamedTuple):
    """A job, as a line of the board shows it."""

    key: str
    state: str
    tone: str
    glyph: str
    status: str
    text: str
    since: str
    run: str
    run_tone: str
    next: str
    source: str
    number: int


def line(row: Row, now: int) -> Line:
    """A job's line."""
    shown = tone(row.state, row.status, is_paused=row.paused_until is not None)
    run = {"begun": row.begun, "ended": row.ended, "outcome": row.outcome or "open"}
    more = f" +{row.open_runs - 1} open" if row.open_runs > 1 else ""
    lasted = took(run, now) if row.outcome else ""
    return Line(
        key=row.key,
        state=row.state,
        tone=shown,
        glyph=GLYPHS[shown],
        status=STATUS_WORDS[row.status],
        text=_reason(row),
        since=short(row.since, row.zone, now),
        run=f"{RESULTS[row.outcome]} {lasted}{more}".strip() if row.outcome else "never ran",
        run_tone=OUTCOME_TONES.get(row.outcome, "never"),
        next=_next(row, now),
        source=", ".join(row.sources[:2]) + (f" +{len(row.sources) - 2}" if len(row.sources) > 2 else ""),
        number=row.number,
    )


def tone(state: str, status: int, *, is_paused: bool = False) -> str:
    """Which colour and shape a state has."""
    if is_paused and status == 0:
        return "paused"
    if status:
        return {1: "warn", 2: "crit", 3: "unknown"}[status]
    return {"RUNNING": "running", "NEVER_RAN": "never", "UNKNOWN": "unknown"}.get(state, "ok")


def nav(who: Who) -> list[tuple[str, str]]:
    """The pages that somebody may open."""
    return [*PAGES, *(FOR_ALL_SEEING if who.sees_all else ()), *(FOR_COPS if who.is_cop else ())]


def _reason(row: Row) -> str:
    """What the state's line says behind the state and since when, which the board shows by themselves."""
    _, colon, reason = row.text.partition("): ") if "): " in row.text[:60] else row.text.partition(": ")
    return reason if colon and row.text.startswith(row.state) else row.text


def _next(row: Row, now: int) -> str:
    if row.paused_until is not None:
        return f"paused until {short(row.paused_until, row.zone, now)}"
    if row.expected is not None and row.deadline_of == "missed start":
        return f"starts {short(row.expected, row.zone, now)}"
    if row.deadline is not None and row.deadline_of == "timeout":
        return f"times out {short(row.deadline, row.zone, now)}"
    return "" if row.expected is None else f"starts {short(row.expected, row.zone, now)}"


GLOBALS = {
    "nav": nav,
    "short": short,
    "clock": clock,
    "ago": ago,
    "span": span,
    "took": took,
    "used": used,
    "result_of": result_of,
    "tone": tone,
    "glyphs": GLYPHS,
    "outcome_tones": OUTCOME_TONES,
    "results": RESULTS,
    "status_words": STATUS_WORDS,
}
"""What templates may call."""
