"""Asking: many jobs singly, over as many connections as are wanted.

Rule: an answer that cannot be read is the job's own; whatever the server is at fault with ends all of it.
Rule: whoever was sent to ask is back before this ends; a connection that its owner has closed is opened by nobody.
"""

from collections import deque
from collections.abc import Callable, Generator, Sequence
from queue import SimpleQueue
from threading import Thread
from typing import TypeAlias

from job_tracker.errors import BadAnswer
from job_tracker.sources.ogc.client import Answer, Client
from job_tracker.sources.ogc.reading import Sighting

Outcome: TypeAlias = Answer | BadAnswer


def ask_all(
    clients: Sequence[Client], jobs: Sequence[Sighting], path: Callable[[Sighting], str]
) -> Generator[tuple[Sighting, Outcome], None, None]:
    """Each job with what became of it, as they come in; to be closed by whoever leaves before the last.

    Raises SourceUnreachable, SourceRefused.
    """
    if len(clients) == 1 or len(jobs) < 2:
        for job in jobs:
            yield job, _asked(clients[0], path(job))
        return
    waiting = deque(jobs)
    answers: SimpleQueue[tuple[Sighting, Outcome | Exception]] = SimpleQueue()

    def work(client: Client) -> None:
        while True:
            try:
                job = waiting.popleft()
            except IndexError:
                return
            try:
                answers.put((job, _asked(client, path(job))))
            except Exception as failure:  # noqa: BLE001 - whoever waits for it has to hear of it
                answers.put((job, failure))

    threads = []
    try:
        for client in clients:
            thread = Thread(target=work, args=(client,), name="asks a server", daemon=True)
            thread.start()
            threads.append(thread)
        for _ in jobs:
            job, outcome = answers.get()
            if isinstance(outcome, Exception) and not isinstance(outcome, BadAnswer):
                raise outcome
            yield job, outcome
    except BaseException:
        waiting.clear()
        for client in clients:
            client.interrupt()
        raise
    finally:
        for thread in threads:
            thread.join()  # a request has a deadline


def _asked(client: Client, target: str) -> Outcome:
    try:
        return client.get(target)
    except BadAnswer as fault:
        return fault
