"""The explain screen: why a job is in its state, in sentences that can be read at 3 a.m.

Rule: each sentence says one thing, with the moments and the numbers it rests on; nothing is left to be known by heart.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from job_tracker.core.operator_word import OPERATOR
from job_tracker.moments import MICROSECONDS, span
from job_tracker.telling import reasons
from job_tracker.telling.harmless import safe
from job_tracker.telling.times import STATUS_WORDS, ago, clock, hours, local
from job_tracker.telling.usage import used

Document = dict[str, Any]

TAKEN_AS = {"end": "a success", "warning": "a warning", "error": "an error", "skipped": "skipped"}

_EARLIER = 10 * MICROSECONDS
"""A message that took longer than this to be heard is said to have come late."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A heading and its sentences."""

    name: str
    sentences: tuple[str, ...] = field(default=())


def explain(
    meta: Document,
    job: Document,
    promise: Document,
    messages: tuple[Document, ...],
    now: int,
    by_server: tuple[str, ...] = (),
) -> list[Section]:
    """All that led to a job's state, and what would change it next; by_server: what the server says that runs it."""
    told = (
        ("now", tuple(_now(job))),
        ("why", tuple(reasons.why(job, promise, unheard_words(meta, messages)))),
        ("server", by_server),
        ("promise", tuple(_promise(job, promise))),
        ("awaited", tuple(_awaited(job, promise))),
        ("quiet window", tuple(_quiet(job, promise, now))),
        ("sources", tuple(_sources(meta, job, promise, now))),
        ("messages", tuple(_messages(meta, job, messages))),
        ("next", tuple(reasons.following(job, promise))),
    )
    return [Section(name=name, sentences=sentences) for name, sentences in told if sentences]


def unheard_words(meta: Document, messages: tuple[Document, ...]) -> tuple[str, ...]:
    """The events of a job's last messages that mean nothing, as they are configured."""
    events = {message["event"] for message in messages if message["source"] != OPERATOR}
    return tuple(sorted(events - set(meta["words"])))


def as_text(sections: list[Section]) -> str:
    """The sections for people."""
    lines: list[str] = []
    for section in sections:
        lines += [*([""] if lines else []), section.name.upper(), *(f"  {each}" for each in section.sentences)]
    return "\n".join(lines)


def _now(job: Document) -> Iterator[str]:
    zone = job["zone"]
    yield f"{job['job']} is {job['state']} ({STATUS_WORDS[job['status']]}) since {clock(job['since'], zone)} ({zone})."
    yield f"The monitoring is told: {safe(job['text'])}"
    if job["last_run"] and job["last_run"]["usage"]:
        yield f"Its last run used {used(job['last_run']['usage'])}."


def _promise(job: Document, promise: Document) -> Iterator[str]:
    yield f"It {promise['words']}."
    yield f"A grace of {_seconds(promise['grace'])} is added to every deadline."
    known = f"It is known to the tracker since {clock(job['known_since'], job['zone'])}"
    if job["promised_since"] != job["known_since"]:
        known += f", and its promise was changed at {clock(job['promised_since'], job['zone'])} and counts from then"
    yield f"{known}."


def _awaited(job: Document, promise: Document) -> Iterator[str]:
    zone = job["zone"]
    for run in [*job["open_runs"], *([job["last_run"]] if job["last_run"] else [])]:
        if run["outcome"] == "open" and run["begun"] is not None:
            yield (
                f"Run {run['order']} began at {clock(run['begun'], zone)} and may take {reasons.allowed(promise)}; "
                f"{_next_timeout(run)} {clock(run['timeout_at'], zone)}."
            )
    for run in job["open_runs"]:
        named = f" --run {safe(run['id'])}" if run["id"] else ""
        yield (
            f"Nobody has ended run {run['order']} though later ones ended. If it is over, say so on its host: "
            f"`message-queue.py … add … --event SUCCESS{named}`{_by_hand(job, run)}."
        )
    if job["expected"] is None:
        if promise["kind"] == "on_demand":
            yield "No start is ever awaited: somebody or something starts it."
        elif job["last_run"] is not None:
            yield "No start is awaited while the newest run is open."
        return
    if job["deadline_of"] == "missed start":
        late = f"{span(promise['max_delay'])} of delay and " if promise["max_delay"] else ""
        again = "one more start is missed" if job["missed"] else "it is missed"
        yield (
            f"A start is expected at {clock(job['expected'], zone)}; with {late}{_seconds(promise['grace'])} of grace, "
            f"{again} at the deadline {clock(job['deadline'], zone)}."
        )
    else:
        yield f"A start is expected at {clock(job['expected'], zone)}."


def _by_hand(job: Document, run: Document) -> str:
    """The command that says it here; a word without an id is about the newest open run alone."""
    is_newest = run is job["open_runs"][-1] and job["last_run"]["outcome"] != "open"
    return f", or here: `job_tracker mark {job['job']} --success --why TEXT`" if is_newest else ""


def _next_timeout(run: Document) -> str:
    if run["timeouts"]:
        return f"it has counted {run['timeouts']} and counts one more at"
    return "with the grace, it times out at"


def _quiet(job: Document, promise: Document, now: int) -> Iterator[str]:
    shown = local(now, job["zone"])
    for window in promise["quiet"]:
        begin, end = window["from"], window["until"]
        if window["on"]:
            yield f"From {hours(begin, end)} {safe(window['on'])} silence raises no alarm."
        else:
            inside = (shown.hour * 60 + shown.minute - begin) % 1440 < (end - begin) % 1440
            where = "inside" if inside else "outside"
            yield f"Daily from {hours(begin, end)} silence raises no alarm; it is {where} that window now."
    moved = job["moved_by_quiet_window"]
    if moved is not None:
        first, last = (clock(moment, job["zone"]) for moment in moved)
        yield f"The next deadline would have fallen into the window from {first} to {last} and was moved behind it."


def _sources(meta: Document, job: Document, promise: Document, now: int) -> Iterator[str]:
    if promise["named_sources"]:
        yield f"Only {', '.join(map(safe, promise['named_sources']))} may speak for it, as configured."
    elif job["last_run"] is None and len(job["sources"]) > 1:
        yield "It names no source and none has spoken of it, so silence counts only when all of these are drained."
    for name in job["sources"]:
        yield _source(name, meta["sources"].get(name, {}), job["zone"], now)


def _source(name: str, source: Document, zone: str, now: int) -> str:
    contact = source.get("contact", "not heard of yet")
    since = f" since {clock(source['since'], zone)}" if source.get("since") is not None else ""
    why = f" ({safe(source['text'])})" if source.get("text") else ""
    drained = source.get("drained")
    if drained is None:
        heard = "it has not been drained since the daemon started, so silence proves nothing yet"
    else:
        heard = f"it is drained up to {clock(drained, zone)} (the watermark), {ago(now - drained)} ago"
    waiting = source.get("depth") if contact == "reachable" else None
    unknown = "; how many messages wait there is not known" if contact not in ("reachable", "not heard of yet") else ""
    depth = f", {waiting} message{' waits' if waiting == 1 else 's wait'} there" if waiting else ""
    return f"{safe(name)} is {contact}{since}{why}; {heard}{depth}{unknown}."


def _messages(meta: Document, job: Document, messages: tuple[Document, ...]) -> Iterator[str]:
    zone = job["zone"]
    odd = unheard_words(meta, messages)
    if not messages:
        yield "None is kept in the view."
    for message in messages:
        run = f", run {safe(message['run'])}" if message["run"] else ""
        run += _taken(meta, message)
        late = ""
        if message["received"] - message["moment"] > _EARLIER:
            late = f", heard {ago(message['received'] - message['moment'])} later"
        if message["claimed"] != message["moment"]:
            late += f", dated {clock(message['claimed'], zone)} by a clock ahead of ours"
        text = f": {safe(message['text'])}" if message["text"] else ""
        source = safe(message["source"])
        means_nothing = message["event"] in odd and message["source"] != OPERATOR
        event = f"'{safe(message['event'])}' (means nothing)" if means_nothing else safe(message["event"])
        yield f"{clock(message['moment'], zone)}  {event} from {source}{run}{late}{text}"
    if odd:
        yield f"The words that mean something here are {', '.join(map(safe, meta['words']))}, spelt exactly so."


def _taken(meta: Document, message: Document) -> str:
    """The exit code of a message, and what it is taken as where its word says something else."""
    code, means = message.get("exit_code"), message.get("means")
    said = dict(zip(meta["words"], ("start", "error", "end", "warning"), strict=False)).get(message["event"])
    taken = f", taken as {TAKEN_AS[means]}" if means in TAKEN_AS and said not in (None, means) else ""
    return (f", exit code {code}" if code is not None else "") + taken


def _seconds(duration: int) -> str:
    return f"{duration / MICROSECONDS:g} s"
