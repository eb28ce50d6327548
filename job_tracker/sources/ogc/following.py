"""Following: what a job of another server has come to since it was seen last, as messages and events.

Rule: pure; the same sighting of the same job gives the same, with the same uids, whoever asks and whenever.
Rule: an end is told once; a job that was gone and is there again may end once more, and the last word counts.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any

from job_tracker.core.events import REMOTE_METRICS, REMOTE_STATUS, Event
from job_tracker.core.signals import DISMISSED, GONE
from job_tracker.moments import MICROSECONDS
from job_tracker.ports import RemoteJob, Server
from job_tracker.sources.ogc import words
from job_tracker.sources.ogc.reading import Sighting
from job_tracker.sources.ogc.words import ENDED, Phase, phase_of

Element = dict[str, Any]
UNNAMED = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Followed:
    """What a sighting came to: the job as it is known from now on, messages without numbers, and events."""

    job: RemoteJob
    elements: tuple[Element, ...] = ()
    events: tuple[Event, ...] = ()


class Follower:
    """Follows the jobs of one source.  since: before this moment nobody asked; None once all was seen then."""

    def __init__(self, source: str, server: Server, said: tuple[str, str, str], since: int | None) -> None:
        """said: the words for a start, an error, an end."""
        self._source, self._server = source, server
        self._start, self._error, self._end = said
        self._rules: list[tuple[re.Pattern[str], str]] = [(re.compile(p), job) for p, job in server.process_to_job]
        self.since = since

    def follow(self, known: RemoteJob | None, seen: Sighting) -> Followed | None:
        """None where nothing is new."""
        before = known
        if known is None:
            known = RemoteJob(id=seen.id, process=seen.process, status="", since=seen.seen)
            if self.is_of_no_interest(seen):
                return Followed(job=replace(known, status=seen.status, is_ignored=True, since=seen.seen))
        elif known.process == "" and seen.process:
            known = replace(known, process=seen.process)
        job = replace(known, absent_since=None)
        elements: list[Element] = []
        events: list[Event] = []
        if seen.status != known.status:
            job = replace(job, status=seen.status, since=seen.seen, step=known.step + 1)
            if not job.is_ignored:
                job, elements = self._messages(job, known, seen)
                events.append(self._event(REMOTE_STATUS, job, seen, {"from": known.status or None}))
        if phase_of(seen.status) in ENDED and seen.metrics and not job.metrics:
            job = replace(job, metrics=True)
            if not job.is_ignored:
                events.append(self._event(REMOTE_METRICS, job, seen, {"metrics": dict(seen.metrics)}))
        if job == before:
            return None
        return Followed(job=job, elements=tuple(elements), events=tuple(events))

    def gone(self, known: RemoteJob, moment: int, since: str) -> Followed:
        """A job that its server no longer knows."""
        text = f"no longer known to the server; it was {known.status} since {since}"
        seen = Sighting(id=known.id, process=known.process, status=words.GONE, seen=moment, text=text)
        followed = self.follow(known, seen)
        job = known if followed is None else followed.job
        elements, events = ((), ()) if followed is None else (followed.elements, followed.events)
        return Followed(job=replace(job, absent_since=moment), elements=elements, events=events)

    def is_of_no_interest(self, seen: Sighting) -> bool:
        """Whether nothing is told of a job that was there before anybody asked."""
        if self.since is None or self._server.adopt == "all":
            return False
        if self._server.adopt == "none":
            return True
        end = seen.ended or seen.updated
        return phase_of(seen.status) in ENDED and (end is None or end < self.since)

    def name_of(self, process: str) -> str:
        """What a job is called by its process."""
        for pattern, job in self._rules:
            if found := pattern.fullmatch(process):
                return found.expand(job) or UNNAMED
        return process or UNNAMED

    def _messages(self, job: RemoteJob, known: RemoteJob, seen: Sighting) -> tuple[RemoteJob, list[Element]]:
        phase = phase_of(seen.status)
        if known.is_ended and known.status != words.GONE:
            return job, []  # what was a success is dismissed: that changes nothing of how it ended
        found: list[Element] = []
        begins = phase in (Phase.RUNNING, Phase.GOOD, Phase.BAD)
        end = _end(seen)
        if begins and not job.is_started:
            moment = seen.begun or (seen.seen if phase is Phase.RUNNING else seen.queued or end)
            begun = min(moment, seen.seen if phase is Phase.RUNNING else end)
            found.append(self._element(job, seen, self._start, begun))
            job = replace(job, is_started=True)
        if phase in ENDED:
            job = replace(job, is_ended=True)
            found.append(self._element(job, seen, *self._how(phase, seen, end)))
        elif phase is Phase.RUNNING:
            job = replace(job, is_ended=False)
        return job, found

    def _how(self, phase: Phase, seen: Sighting, end: int) -> tuple[str, int, str, int | None]:
        """The word, moment, text and exit code of an end.  An error with 0 is an error all the same."""
        match phase:
            case Phase.GOOD:
                return self._end, end, seen.text, seen.exit_code
            case Phase.DISMISSED:
                return self._error, end, seen.text or seen.status, DISMISSED
            case Phase.GONE:
                return self._error, seen.seen, seen.text, GONE
            case _:
                return self._error, end, seen.text or seen.status, seen.exit_code or None

    def _element(
        self, job: RemoteJob, seen: Sighting, event: str, moment: int, text: str = "", exit_code: int | None = None
    ) -> Element:
        element: Element = {
            "uid": self._uid(job, event),
            "timestamp": moment / MICROSECONDS,
            "instance": self._server.env,
            "job": self.name_of(job.process),
            "event": event,
            "message": text,
            "run": seen.id,
        }
        return element if exit_code is None else {**element, "exit_code": exit_code}

    def _event(self, kind: str, job: RemoteJob, seen: Sighting, more: Mapping[str, Any]) -> Event:
        begun, ended = seen.begun, _end(seen) if phase_of(seen.status) in ENDED else None
        at = {Phase.RUNNING: begun, Phase.WAITING: seen.queued}.get(phase_of(seen.status), ended)
        body: dict[str, Any] = {
            "source": self._source,
            "name": self.name_of(job.process),
            "env": self._server.env,
            "id": seen.id,
            "uid": self._uid(job, kind),
            "process": job.process,
            "to": seen.status,
            "queued": _seconds(seen.queued),
            "begin": _seconds(begun),
            "end": _seconds(ended),
            "seconds": None if begun is None or ended is None else max(0, ended - begun) / MICROSECONDS,
            "text": seen.text,
            **{name: seen.facts.get(name) for name in FACTS},
            **more,
        }
        if seen.inputs:
            body["inputs"] = dict(seen.inputs)
        return Event(kind=kind, at=seen.seen if at is None else min(at, seen.seen), body=body)

    def _uid(self, job: RemoteJob, what: str) -> str:
        told = json.dumps([self._source, job.id, job.step, job.status, what])
        return sha256(told.encode()).hexdigest()


FACTS = ("server", "api_version", "username", "job_type", "image", "node", "address")
"""What a server says of a job besides, and what others are told of it."""


def _end(seen: Sighting) -> int:
    """When it ended: as the server says, else when it last changed there, else now; never before it began."""
    end = seen.ended or seen.updated or seen.seen
    return max(end, seen.begun or 0)


def _seconds(moment: int | None) -> float | None:
    return None if moment is None else moment / MICROSECONDS
