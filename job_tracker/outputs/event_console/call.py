"""Calls: what is to be told, made into a command and what it reads.

Rule: a notification is worth more than its words; what its text lacks, or a template that fails, holds up none.
Rule: pure but for the runs of a job that its text names; who calls the command, and when, is `courier` and `keeper`.
"""

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath

from job_tracker.config.reading import DAEMON_SERVICE, Config
from job_tracker.core.board import Board
from job_tracker.core.standing import Run
from job_tracker.errors import StoreFailed
from job_tracker.ledger.history import History
from job_tracker.ledger.outbox import Waiting
from job_tracker.moments import MICROSECONDS
from job_tracker.outputs.event_console import message
from job_tracker.outputs.event_console.message import Fact, Notification

log = logging.getLogger("job_tracker")

HEARTBEAT = ""
"""The subject of the heartbeat, which is never stored."""

OUR_COMMAND = "send-notification.py"
MOST_AT_ONCE = 100
"""Events of one call: a thousand take ten times as long as the command needs to start."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """All that is told of a subject at once.  through: the last row of it; text: makes the words, on any thread."""

    subject: str
    through: int
    application: str
    status: int
    at: int
    host: str
    text: Callable[[], str]

    def arguments(self) -> list[str]:
        """What the command is called with for this one; the text goes to its stdin."""
        words = ["event", "-m", "-", "--application", self.application, "--status", str(self.status)]
        return [*words, "--at", str(self.at), *(["--host", self.host] if self.host else [])]

    def document(self) -> Mapping[str, object]:
        """The same as one of many."""
        given = {"message": self.text(), "application": self.application, "status": self.status, "at": self.at}
        return {**given, "host": self.host} if self.host else given


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call of the command.  timeout: seconds, from one answer to the next where it brings many events."""

    command: tuple[str, ...]
    events: tuple[Event, ...]
    timeout: float

    @property
    def is_for_many(self) -> bool:
        """Whether the command is asked for an answer to each."""
        return len(self.events) > 1

    def words(self) -> list[str]:
        """What follows the command."""
        return ["event", "--many"] if self.is_for_many else self.events[0].arguments()

    def given(self) -> bytes:
        """What the command reads."""
        if not self.is_for_many:
            return self.events[0].text().encode("utf-8", "replace")
        return "".join(f"{json.dumps(each.document())}\n" for each in self.events).encode("ascii")


def offers_many(config: Config) -> bool:
    """Whether the command is ours, as far as its words say; it may be an older one all the same."""
    return any(PurePath(word).name == OUR_COMMAND for word in config.settings.notification_command)


def of_subjects(config: Config, board: Board, history: History, rows: Mapping[str, Sequence[Waiting]]) -> Call:
    """All that waits of some subjects, each a job's key or a source; the newest of each as the event."""
    return _call(config, [_of_subject(config, board, history, subject, each) for subject, each in rows.items()])


def of_heartbeat(config: Config, waiting: int, now: int) -> Call:
    """That we are alive; waiting: notifications, now: microseconds."""
    jobs = config.jobs
    text = f"alive: {len(jobs.by_key)} jobs, {len(jobs.sources)} sources, {waiting} notifications waiting"
    notification = Notification(
        subject=HEARTBEAT,
        application=DAEMON_SERVICE,
        facts=(Fact(at=now, state="ALIVE", status=0, text=text),),
        forgotten=0,
        job=None,
        standing=None,
        runs=(),
        zone=config.settings.time_zone,
    )
    return _call(config, [_event(config, notification, template="", through=0)])


def _of_subject(config: Config, board: Board, history: History, subject: str, rows: Sequence[Waiting]) -> Event:
    job = config.jobs.by_key.get(subject)
    notification = Notification(
        subject=subject,
        application=config.settings.service_prefix + subject,
        facts=tuple(Fact(at=each.at, state=each.state, status=each.status, text=each.text) for each in rows),
        forgotten=sum(each.superseded for each in rows),
        job=job,
        standing=None if job is None else board.standing(job),
        runs=() if job is None else _last_runs(history, subject),
        zone=config.settings.time_zone,
    )
    return _event(config, notification, config.settings.notification_template, through=rows[-1].id)


def _last_runs(history: History, key: str) -> tuple[Run, ...]:
    try:
        return tuple(history.last_runs(key, message.RUNS))
    except StoreFailed as failure:
        log.warning("runs not read, the notification goes without them subject=%s error=%s", key, failure)
        return ()


def _event(config: Config, notification: Notification, template: str, *, through: int) -> Event:
    newest = notification.facts[-1]

    def text() -> str:
        try:
            return message.message(notification, template)
        except Exception as error:  # noqa: BLE001 - a template may do anything
            log.warning("template failed, the text is plain subject=%s error=%s", notification.subject, error)
            return message.plain(notification)

    return Event(
        subject=notification.subject,
        through=through,
        application=notification.application,
        status=newest.status,
        at=newest.at // MICROSECONDS,
        host=config.settings.notification_host,
        text=text,
    )


def _call(config: Config, events: Sequence[Event]) -> Call:
    settings = config.settings
    return Call(
        command=settings.notification_command,
        events=tuple(events),
        timeout=settings.notification_timeout_microseconds / MICROSECONDS,
    )
