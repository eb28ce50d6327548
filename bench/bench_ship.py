"""Measures `job_tracker ship`: events a second into each target, the way of one event, memory and idle time.

And what it costs to ask a server about its jobs, besides the server's own time.

Wall times are only worth something on a machine that has nothing else to do; the load is printed for that reason.
"""

import argparse
import http.client
import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(1, str(Path(__file__).resolve().parent.parent))

from rig import ROOT, GaveUpError, Row, cpu_seconds, default_base, median, memory, wait_for

from bench import surroundings, table
from job_tracker.config.shippers import ShipperEntry
from job_tracker.events.file import EventsFile
from job_tracker.events.reading import EventsReader
from job_tracker.moments import DAY, MICROSECONDS
from job_tracker.shippers.choosing import item

FIRST = 1_000_000
ONE_BY_ONE = 60
IDLE_SECONDS = 10.0
OPEN, ENDED, SWEEPS, EVERY = 500, 10_000, 5, 20

Json = dict[str, Any]


class Log:
    """An events file, written as the daemon writes it."""

    def __init__(self, path: Path) -> None:
        self.file = EventsFile(path, "bench")
        self.file.keep, self.file.most = 3650 * DAY, 1 << 40
        self.file.open()
        self.next = FIRST

    def add(self, count: int) -> int:
        """So many runs that ended well; the last number."""
        now = time.time_ns() // 1000
        doc = {
            "begin": now / MICROSECONDS,
            "end": now / MICROSECONDS,
            "seconds": 12.5,
            "exit_code": 0,
            "outcome": "well",
        }
        text = json.dumps({**doc, "text": "4711 rows loaded", "source": "app1"})
        numbers = range(self.next, self.next + count)
        rows = [(n, now, now, "run.succeeded", f"LOAD_{n % 500}__P", n, 0, None, text) for n in numbers]
        for begin in range(0, count, 2_000):
            self.file.take(rows[begin : begin + 2_000], now)
        self.next += count
        return self.next - 1


@contextmanager
def shipping(place: Path, *shippers: Json) -> Iterator[int]:
    """The process, and its number."""
    config = place / "job_tracker.cfg"
    settings = {
        "events_file": str(place / "events.sqlite"),
        "ship_store_file": str(place / "state" / "ship.sqlite"),
        "ship_run_dir": str(place / "run"),
    }
    config.write_text(json.dumps({"global_config": settings, "shippers": shippers}))
    command = [sys.executable, "-m", "job_tracker", "ship", "-c", str(config)]
    environment = {
        **os.environ,
        "AWS_ACCESS_KEY_ID": "b",
        "AWS_SECRET_ACCESS_KEY": "b",
        "AWS_EC2_METADATA_DISABLED": "1",
    }
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL, env=environment)
    try:
        yield process.pid
    finally:
        process.terminate()
        process.wait(60)


def through(place: Path, name: str) -> int:
    """How far a shipper has come, as its store says."""
    import sqlite3

    try:
        with sqlite3.connect(f"file:{place}/state/ship.sqlite?mode=ro", uri=True) as store:
            rows = store.execute("SELECT seq FROM cursors WHERE name = ?", (name,)).fetchall()
        return int(rows[0][0]) if rows else -1
    except sqlite3.Error:
        return -1


def lines(base: Path, count: int) -> Iterator[Row]:
    """Into a file: catching up, one event, memory, doing nothing."""
    with tempfile.TemporaryDirectory(dir=base) as name:
        place = Path(name)
        log, path = Log(place / "events.sqlite"), place / "lines.jsonl"
        target = {"name": "lines", "to": "jsonl", "path": str(path), "from": "beginning"}
        with shipping(place, target) as pid:
            wait_for(lambda: through(place, "lines") >= 0, "a start")
            begun, used = time.monotonic(), cpu_seconds(pid)
            last = log.add(count)
            wait_for(lambda: through(place, "lines") == last, "all lines")
            took, used = time.monotonic() - begun, cpu_seconds(pid) - used
            bare = _bare(place, count)
            yield Row(
                figure="events a second into a file",
                target="≥ 5,000",
                measured=f"{count / took:,.0f}; {used / count * 1e6:.0f} µs of a core each",
                comparison=f"bare appending, fsynced in hundreds: {count / bare:,.0f}",
                met=count / took >= 5_000,
            )
            ways = []
            for _ in range(ONE_BY_ONE):
                size, begun = path.stat().st_size, time.monotonic()
                log.add(1)
                wait_for(lambda size=size: path.stat().st_size > size, "a line")
                ways.append(time.monotonic() - begun)
            yield Row(
                figure="event → line",
                target="≤ 150 ms (median)",
                measured=f"{median(ways) * 1000:.0f} ms, {max(ways) * 1000:.0f} at most",
                met=median(ways) <= 0.15,
            )
            yield _memory(pid, "memory with a file", 60)
            used = cpu_seconds(pid)
            time.sleep(IDLE_SECONDS)  # what it costs while nothing happens is what is measured
            used = (cpu_seconds(pid) - used) / IDLE_SECONDS * 100
            yield Row(figure="doing nothing", measured=f"{used:.2f} % of a core", target="< 1 %", met=used < 1)
        log.file.close()


def documents(base: Path, count: int) -> Iterator[Row]:
    """Into a search server; and memory with all targets."""
    from osmem_server import resolve_binary

    command = [resolve_binary(), "-addr", "127.0.0.1:0", "-no-ja"]
    with (
        tempfile.TemporaryDirectory(dir=base) as name,
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server,
    ):
        assert server.stdout is not None
        url = json.loads(server.stdout.readline())["url"]
        place = Path(name)
        log = Log(place / "events.sqlite")
        all_of_them = [
            {"name": "docs", "to": "elasticsearch", "url": url, "index": "e", "document": "event", "from": "beginning"},
            {"name": "lines", "to": "jsonl", "path": str(place / "lines.jsonl")},
            {
                "name": "queue",
                "to": "sqs",
                "queue": "q",
                "region": "eu-central-1",
                "endpoint_url": "http://127.0.0.1:9",
            },
        ]
        with shipping(place, *all_of_them) as pid:
            wait_for(lambda: through(place, "docs") >= 0, "a start")
            begun = time.monotonic()
            last = log.add(count)
            wait_for(lambda: through(place, "docs") == last, "all documents")
            took = time.monotonic() - begun
            reader = EventsReader(place / "events.sqlite")
            alone = _bulk(url, ShipperEntry.model_validate(all_of_them[0]), reader.after(FIRST - 1, count))
            reader.close()
            yield Row(
                figure="events a second into osmem-server",
                target="≥ 2,000",
                measured=f"{count / took:,.0f}",
                comparison=f"the same documents, nothing else done: {count / alone:,.0f}",
                met=count / took >= 2_000,
            )
            yield _memory(pid, "memory with all targets", 100)
        log.file.close()
        server.kill()


def sweeps(base: Path, count: int) -> Iterator[Row]:
    """Of a server with 500 open jobs, and with 10,000 more that have ended; it answers in a process of its own."""
    del base, count
    sys.path.insert(1, str(ROOT / "tests" / "kit"))
    from job_server import JobServer
    from server_asking import asked, server_of

    mine, its = multiprocessing.Pipe()
    server = JobServer(dialect="ogc", processes=["load"])
    process = multiprocessing.get_context("fork").Process(target=_serve, args=(server, its))
    process.start()
    try:
        with asked(server_of(mine.recv())) as source:
            costs = []
            for ended in (0, ENDED):
                mine.send(ended)
                mine.recv()
                source.next()
                begun, used = time.monotonic(), time.process_time()
                for _ in range(SWEEPS):
                    source.first()
                wall, used = time.monotonic() - begun, time.process_time() - used
                mine.send(-1)
                costs.append((wall / SWEEPS, used / SWEEPS, mine.recv()))
    finally:
        process.terminate()
        process.join()
    (wall, used, _), (_, with_ended, requests) = costs
    share = used / EVERY * 100
    yield Row(
        figure=f"a sweep of {OPEN} open jobs",
        target="< 1 % of a core",
        measured=f"{share:.2f} % of a core, every {EVERY} s; {wall:.2f} s with the server's answers",
        met=share < 1,
    )
    yield Row(
        figure=f"{ENDED:,} more that have ended",
        measured=f"{with_ended * 1000:.0f} ms of a core a sweep instead of {used * 1000:.0f}",
        comparison=f"{requests:.0f} requests a sweep, {OPEN} of them for the open ones",
    )


def _serve(server: Any, pipe: Any) -> None:
    """The server: submits so many jobs that have ended, or says how often it was asked for each list."""
    for number in range(OPEN):
        server.submit(f"open-{number}", "running", process="load")
    with server.running():
        pipe.send(server.url)
        while True:
            ended = pipe.recv()
            if ended < 0:
                lists = sum(each.startswith("/jobs?") and "offset" not in each for each in server.requests)
                pipe.send(len(server.requests) / max(1, lists))
                continue
            for number in range(ended):
                server.submit(
                    f"ended-{number}", "successful", process="load", more={"finished": "2020-01-01T00:00:00Z"}
                )
            server.requests.clear()
            pipe.send(None)


def _memory(pid: int, figure: str, most: int) -> Row:
    used = memory(pid, "VmHWM")
    return Row(figure=figure, target=f"< {most} MB", measured=f"{used:.0f} MB at most", met=used < most)


def _bare(place: Path, count: int) -> float:
    line = b"x" * 330 + b"\n"
    begun = time.monotonic()
    file = os.open(place / "bare", os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
    for _ in range(count // 100):
        os.write(file, line * 100)
        os.fsync(file)
    os.close(file)
    return time.monotonic() - begun


def _bulk(url: str, entry: ShipperEntry, events: list[Json]) -> float:
    """The same documents, as large at once, by a loop that does nothing else."""
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=60)
    items = [each for each in (item(entry, event) for event in events) if each is not None]
    begun = time.monotonic()
    for begin in range(0, len(items), 200):
        body = "".join(
            f"{json.dumps({'create': {'_index': 'alone', '_id': each.uid}})}\n{json.dumps(each.document)}\n"
            for each in items[begin : begin + 200]
        )
        connection.request("POST", "/_bulk", body.encode(), {"content-type": "application/x-ndjson"})
        connection.getresponse().read()
    connection.close()
    return time.monotonic() - begun


def main() -> None:
    """Run the measurements; exit code 1 if a target was missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=50_000, help="to catch up with [%(default)s]")
    parser.add_argument("--dir", type=Path, default=default_base(), help="where the files lie [%(default)s]")
    arguments = parser.parse_args()
    print(surroundings(arguments.dir), flush=True)
    rows: list[Row] = []
    for bench in (lines, documents, sweeps):
        try:
            rows += bench(arguments.dir, arguments.events)
        except GaveUpError as failure:
            rows.append(Row(figure=bench.__name__, measured=str(failure), met=False))
    print(table(rows))
    print(f"load {os.getloadavg()[0]:.1f} at the end")
    sys.exit(any(row.met is False for row in rows))


if __name__ == "__main__":
    main()
