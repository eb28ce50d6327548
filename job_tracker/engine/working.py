"""A worker, and its owner: who starts it again when it has ended because of its store.

Rule: a worker that ended by itself is started again a second later, for as long as nobody wants it to end; a disk that
is full, or a file that somebody locks, therefore costs time and nothing else.
Rule: what a job's end was is not given up while the worker lives: it is stored, or found to be somebody else's by now.

Procrastinate ends a worker that cannot claim, and leaves one alone that cannot beat: without a periodic task of its own
nobody looks at its side tasks any more.  Its cron is not used here, so its deferrer only waits, and they are looked at.
"""

import asyncio
import contextlib
import logging
from typing import Any

from procrastinate import App, exceptions
from procrastinate.job_context import JobContext, JobResult
from procrastinate.jobs import Job, Status
from procrastinate.retry import RetryDecision
from procrastinate.worker import Worker

log = logging.getLogger(__name__)

PAUSE_SECONDS = 1.0


async def keep_working(app: App, until: asyncio.Event, **options: Any) -> None:
    """Run one worker after the other, until somebody wants it to end; options: Procrastinate's of a worker."""
    while not until.is_set():
        worker = _Worker(app, until, **options)
        stopping = asyncio.create_task(_stop(worker, until))
        try:
            await worker.run()  # type: ignore[no-untyped-call] # upstream says no type
            if not until.is_set():
                log.error("worker ended because a part of it failed; another begins in %g s", PAUSE_SECONDS)
        except exceptions.ConnectorException as failure:
            log.error("worker ended: %s; another begins in %g s", said(failure), PAUSE_SECONDS)
        finally:
            stopping.cancel()
        await _pause(until)


async def _stop(worker: Worker, until: asyncio.Event) -> None:
    await until.wait()
    worker.stop()  # type: ignore[no-untyped-call] # upstream says no type


async def _pause(until: asyncio.Event) -> None:
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(until.wait(), PAUSE_SECONDS)


def said(failure: exceptions.ConnectorException) -> str:
    """What happened; of PostgreSQL it stands only in the cause."""
    return str(failure) or str(failure.__cause__)


class _Worker(Worker):
    def __init__(self, app: App, until: asyncio.Event, **options: Any) -> None:
        super().__init__(app, install_signal_handlers=False, **options)
        self._until = until

    async def _periodic_deferrer(self) -> None:
        await asyncio.Event().wait()

    async def _persist_job_status(
        self,
        job: Job,
        status: Status,
        retry_decision: RetryDecision | None,
        context: JobContext,
        job_result: JobResult | None,
    ) -> None:
        """Once, or again and again; one that is no longer ours, or whose worker is to end, is found as stalled."""
        while True:
            try:
                await super()._persist_job_status(job, status, retry_decision, context, job_result)
            except exceptions.ConnectorException as failure:
                if self._until.is_set() or not await self._is_ours(job):
                    raise
                log.error("end not stored job=%d: %s; tried again in %g s", job.id, said(failure), PAUSE_SECONDS)
            else:
                return
            await _pause(self._until)

    async def _is_ours(self, job: Job) -> bool:
        assert job.id is not None  # noqa: S101 - it was claimed
        try:
            return await self.app.job_manager.get_job_status_async(job.id) is Status.DOING
        except exceptions.NoResult:
            return False
        except exceptions.ConnectorException:
            return True  # as far as can be seen
