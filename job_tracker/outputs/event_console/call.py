"""Errands: what is to be told, made into a command and a text for the courier.

Rule: a notification is worth more than its words; what its text lacks, or a template that fails, holds up none.
"""

import logging
from collections.abc import Sequence

from job_tracker.config.reading import DAEMON_SERVICE, Config
from job_tracker.core.board import Board
from job_tracker.core.standing import Run
from job_tracker.errors import StoreFailed
from job_tracker.ledger.history import History
from job_tracker.ledger.outbox import Waiting
from job_tracker.moments import MICROSECONDS
from job_tracker.outputs.event_console import message
from job_tracker.outputs.event_console.courier import Errand
from job_tracker.outputs.event_console.message import Fact, Notification

log = logging.getLogger("job_tracker")

HEARTBEAT = ""
"""The subject of the heartbeat, which is never stored."""


def of_subject(config: Config, board: Board, history: History, subject: str, rows: Sequence[Waiting]) -> Errand:
    """All that waits of a subject, a job's key or a source, the newest as the event."""
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
    return _errand(config, notification, config.settings.notification_template)


def of_heartbeat(config: Config, waiting: int, now: int) -> Errand:
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
    return _errand(config, notification, template="")


def _last_runs(history: History, key: str) -> tuple[Run, ...]:
    try:
        return tuple(history.last_runs(key, message.RUNS))
    except StoreFailed as failure:
        log.warning("runs not read, the notification goes without them subject=%s error=%s", key, failure)
        return ()


def _errand(config: Config, notification: Notification, template: str) -> Errand:
    settings = config.settings

    def text() -> str:
        try:
            return message.message(notification, template)
        except Exception as error:  # a template may do anything
            log.warning("template failed, the text is plain subject=%s error=%s", notification.subject, error)
            return message.plain(notification)

    return Errand(
        subject=notification.subject,
        command=settings.notification_command,
        arguments=tuple(message.arguments(notification, settings.notification_host)),
        text=text,
        timeout=settings.notification_timeout_microseconds / MICROSECONDS,
    )
