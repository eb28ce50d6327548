"""Acting: pause, resume and mark, where this process may speak to the tracker.

Rule: what the web part may do is decided by who may write the operators' queue, and looked at each time anew.
Rule: the author is whoever is logged in, and each word stands in the audit.
"""

from starlette.responses import Response

from job_tracker import operators
from job_tracker.core.operator_word import LONGEST, USUAL
from job_tracker.moments import DAY, MICROSECONDS
from job_tracker.operators import NotSaid, Word
from job_tracker.web.answers import document
from job_tracker.web.context import Context
from job_tracker.web.doors.store import note
from job_tracker.web.problems import Problem

MOST_TEXT = 500


def may_speak(context: Context) -> str:
    """Why the tracker cannot be spoken to from here; empty if it can."""
    if not context.board.meta:
        return "nothing is known of the tracker yet"
    try:
        operators.queue_of(context.board.meta)
    except NotSaid as refusal:
        return str(refusal)
    return ""


def pause(context: Context) -> Response:
    """Let nothing of a job alarm for `seconds`, or a day."""
    given = context.json().get("seconds", USUAL // MICROSECONDS)
    if isinstance(given, bool) or not isinstance(given, int | float) or not 0 < given <= LONGEST // MICROSECONDS:
        raise Problem(422, f"seconds is a number above 0, and at most {LONGEST // DAY} days")
    return said(context, Word(event="PAUSE", why=_why(context), until=context.now + round(given * MICROSECONDS)))


def resume(context: Context) -> Response:
    """End a pause before its time."""
    return said(context, Word(event="RESUME", why=_why(context, is_needed=False)))


def mark(context: Context) -> Response:
    """End the newest run by hand, `as` success or error."""
    events = {"success": "SUCCESS", "error": "ERROR"}
    event = events.get(str(context.json().get("as")))
    if event is None:
        raise Problem(422, "say `as`: success or error")
    return said(context, Word(event=event, why=_why(context)))


def said(context: Context, word: Word) -> Response:
    """Say it to the tracker, and put down who did; 202, for the tracker judges it."""
    row = context.board.rows[str(context.path["key"])]
    try:
        operators.say(context.board.meta, [(row.name, row.env)], word, context.who.name, context.now)
    except NotSaid as refusal:
        raise Problem(503, str(refusal)) from refusal
    doors = context.part.doors
    with doors.store.change() as connection:
        address = doors.address_of(context.request)
        note(connection, context.now, context.who.name, word.event, row.key, address=address, text=word.why)
    return document({"job": row.key, "said": word.event}, status=202)


def _why(context: Context, *, is_needed: bool = True) -> str:
    why = context.json().get("why", "")
    if not isinstance(why, str) or len(why) > MOST_TEXT or (is_needed and not why.strip()):
        raise Problem(422, f"say why, in at most {MOST_TEXT} characters: whoever finds it at night asks that first")
    return why
