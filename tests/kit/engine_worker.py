"""Workers in processes of their own, for tests that kill them or fill their disk: engine_worker.py STORE RECORD

For each line on stdin one is forked, and its number is printed.  What their jobs do is append a line to RECORD when
they begin and one when they end.
"""

import asyncio
import logging
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

from procrastinate import App
from waiting import wait_until

from job_tracker.engine.embedded.connector import SqliteConnector
from job_tracker.engine.working import keep_working


def app_of(store: Path, record: Path | None = None) -> App:
    app = App(connector=SqliteConnector(store))

    @app.task(name="note")
    async def note(number: int) -> None:
        assert record is not None
        write(record, f"begin {number} {os.getpid()}\n")
        await asyncio.sleep(random.uniform(0, 0.02))  # a moment in which it can be killed
        write(record, f"end {number} {os.getpid()}\n")

    return app


def write(record: Path, line: str) -> None:
    """Whole, and known whatever becomes of this process."""
    descriptor = os.open(record, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(descriptor, line.encode())
    os.close(descriptor)


async def work(store: Path, record: Path) -> None:
    app, until = app_of(store, record), asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, until.set)
    async with app.open_async():
        await keep_working(app, until, concurrency=3, update_heartbeat_interval=0.5, fetch_job_polling_interval=0.5)


def main() -> None:
    logging.basicConfig(level="ERROR", format="%(message)s")
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # who is dead is gone
    for _ in sys.stdin:
        if (pid := os.fork()) == 0:
            asyncio.run(work(Path(sys.argv[1]), Path(sys.argv[2])))
            os._exit(0)
        print(pid, flush=True)  # noqa: T201 - its answer


class Workers:
    """All workers of one store."""

    def __init__(self, store: Path, record: Path) -> None:
        pipe, self._errors = subprocess.PIPE, record.with_name("errors")
        command = [sys.executable, __file__, str(store), str(record)]
        with self._errors.open("w") as errors:
            self.nursery = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=errors, text=True)
        self.living: list[int] = []

    def start(self) -> int:
        """Its number."""
        assert self.nursery.stdin is not None
        assert self.nursery.stdout is not None
        self.nursery.stdin.write("\n")
        self.nursery.stdin.flush()
        self.living.append(int(self.nursery.stdout.readline()))
        return self.living[-1]

    def end(self, pid: int, by: signal.Signals) -> None:
        """And wait until it has."""
        os.kill(pid, by)
        wait_until(lambda: not is_there(pid), 60)
        self.living.remove(pid)

    def said(self) -> str:
        """What they said on their stderr."""
        return self._errors.read_text()

    def close(self) -> None:
        for pid in list(self.living):
            self.end(pid, signal.SIGKILL)
        self.nursery.communicate()


def is_there(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


if __name__ == "__main__":
    main()
