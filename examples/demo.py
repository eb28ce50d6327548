"""The demonstration behind `make run`: a tracker, its pages, a queue and a handful of jobs, all on this machine, under
var/demo.

The jobs are shell commands that really run, through `message-queue.py run`.  Their intervals are seconds, so that every
state is seen within two minutes, but for UNKNOWN: the queue of this machine can always be seen.
"""

import argparse
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HOME = ROOT / "var" / "demo"
QUEUE = HOME / "queue.sqlite"
CONFIG = HOME / "job_tracker.cfg"
RUN_DIR = HOME / "run"
VIEW = HOME / "view.sqlite"
WEB = HOME / "web"
PORT = 5001
"""Where the pages are, unless somebody else is there."""
HANDLER = ROOT / "job_tracker" / "onhost" / "message-queue.py"


class Job(threading.Thread):
    """One example job: starts its command every so many seconds, or not, as its script says."""

    def __init__(self, name: str, every: float, commands: list[str | None], stopped: threading.Event) -> None:
        super().__init__(name=name, daemon=True)
        self.every, self.commands, self.stopped = every, commands, stopped
        self.running: list[subprocess.Popen[bytes]] = []

    def run(self) -> None:
        """Go through the script again and again."""
        begun = time.monotonic()
        for turn in range(1_000_000):
            if self.stopped.wait(max(0.0, begun + turn * self.every - time.monotonic())):
                return
            command = self.commands[turn % len(self.commands)]
            if command is not None:
                self.running = [each for each in self.running if each.poll() is None]
                self.running.append(start_job(self.name, command))

    def end(self) -> None:
        """End what still runs of it."""
        for process in self.running:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGTERM)
            process.wait()


def start_job(name: str, command: str) -> "subprocess.Popen[bytes]":
    """Run a command as a cron job would: its start and its end go into the queue."""
    tool = [sys.executable, str(HANDLER), "-f", str(QUEUE), "run", "--instance", "DEMO", "--job", name, "--"]
    words, silent = [*tool, "sh", "-c", command], subprocess.DEVNULL
    return subprocess.Popen(words, stdout=silent, stderr=silent, start_new_session=True)


def jobs(nightly: datetime, stopped: threading.Event) -> list[Job]:
    """The example jobs and their scripts; None: this time it does not start."""
    wait = (nightly - datetime.now().astimezone()).total_seconds()
    return [
        Job("always-well", 10, ["sleep 3"], stopped),
        Job("fails-now-and-then", 12, ["sleep 2", "sleep 2; exit 3", "sleep 2; exit 4"], stopped),
        Job("hangs-sometimes", 24, ["sleep 3", "sleep 20"], stopped),
        Job("forgets-to-start", 10, ["sleep 2", "sleep 2", None, None], stopped),
        Job("nightly-backup", max(wait, 1.0), [None, "sleep 5", *[None] * 1000], stopped),
    ]


def configuration(nightly: datetime, port: int) -> dict[str, object]:
    """What is promised of the example jobs."""

    def cyclic(name: str, interval: int, timeout: int, **more: object) -> dict[str, object]:
        return {
            "name": name,
            "env": "DEMO",
            "cyclic_or_daily": "cyclic",
            "cyclic_interval_in_hh:mm:ss": f"00:00:{interval:02d}",
            "timeout_in_hh:mm:ss": f"00:00:{timeout:02d}",
            **more,
        }

    return {
        "global_config": {
            "controller_message_grace_period_in_sec": 1,
            "controller_interval_in_sec": 2,
            "controller_data_load_timeout_in_sec": 10,
            "run_dir": str(RUN_DIR),
            "store_file": str(HOME / "job_tracker.sqlite"),
            "view_file": str(VIEW),
            "log_file": str(HOME / "job_tracker.log"),
        },
        "web": {
            "listen": f"127.0.0.1:{port}",
            "store_file": str(WEB / "web.sqlite"),
            "page_title": "job_tracker demo",
        },
        "source_hosts": [
            {"name": "here", "connection": "local", "message_queue": str(QUEUE), "python": sys.executable}
        ],
        "jobs": [
            cyclic("always-well", 10, 8),
            cyclic("fails-now-and-then", 12, 8, exit_codes={"warning": [4]}),
            cyclic("hangs-sometimes", 24, 6),
            cyclic("forgets-to-start", 10, 8, **{"start_max_delay_in_hh:mm:ss": "00:00:02"}),
            {
                "name": "nightly-backup",
                "env": "DEMO",
                "cyclic_or_daily": "daily",
                "daily_start_time_in_hh:mm": f"{nightly:%H:%M}",
                "start_max_delay_in_hh:mm:ss": "00:00:10",
                "timeout_in_hh:mm:ss": "00:00:30",
            },
        ],
    }


@contextmanager
def tracker() -> Iterator["subprocess.Popen[bytes]"]:
    """The daemon in the foreground of a process of its own; it ends with us."""
    command = [sys.executable, "-m", "job_tracker", "run", "-c", str(CONFIG)]
    # its own session: Ctrl-C reaches this script alone, which then stops everything in order
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        yield process
    finally:
        process.terminate()
        process.wait()


def free_port() -> int:
    """The port of the pages; where it is taken, any other, and that is said."""
    with socket.socket() as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind(("127.0.0.1", PORT))
        except OSError as taken:
            with socket.socket() as other:
                other.bind(("127.0.0.1", 0))
                port: int = other.getsockname()[1]
            print(f"Port {PORT} cannot be had ({taken.strerror}); the pages take {port} instead.")
            return port
    return PORT


@contextmanager
def pages() -> Iterator[str]:
    """The pages, in a process of their own; gives a link that logs in once, empty where they are not installed.

    Nobody's password is kept anywhere: whoever may log in is made for this demonstration, and gone with it.
    """
    if find_spec("starlette") is None or find_spec("uvicorn") is None:
        print("The pages are not installed here; `pip install 'job_tracker[web]'` brings them.")
        yield ""
        return
    manage("add", "demo", "--role", "cop", "--password-file", "-", given=secrets.token_urlsafe(24))
    command = [sys.executable, "-m", "job_tracker", "web", "-c", str(CONFIG)]
    with (HOME / "web.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=ROOT, stderr=log, start_new_session=True)
    try:
        yield manage("token", "demo", "--login-link")
    finally:
        process.terminate()
        process.wait()
        shutil.rmtree(WEB, ignore_errors=True)


def manage(*arguments: str, given: str = "") -> str:
    """`job_tracker web-user`, and what it said."""
    command = [sys.executable, "-m", "job_tracker", "web-user", *arguments, "-c", str(CONFIG)]
    done = subprocess.run(command, cwd=ROOT, input=given, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"the pages could not be prepared: {done.stderr.strip()}")
    return done.stdout.strip()


def state_lines() -> dict[str, str]:
    """Every state file's line, by its name."""
    return {path.name: path.read_text(encoding="utf-8").strip() for path in sorted(RUN_DIR.glob("*.state"))}


def word_of(line: str) -> str:
    """The state's word of a state file's line."""
    return line.split(" ", 3)[3].split(" ", 1)[0]


def print_changes(process: "subprocess.Popen[bytes]", until: float) -> set[str]:
    """Without a terminal: a line per changed state; returns the states seen."""
    before: dict[str, str] = {}
    seen: set[str] = set()
    while time.monotonic() < until and process.poll() is None:
        now = state_lines()
        for name, line in now.items():
            if word_of(line) != word_of(before.get(name, "0 - - -")):
                print(f"{datetime.now().astimezone():%H:%M:%S}  {line}", flush=True)
                seen.add(word_of(line))
        before = now
        time.sleep(0.1)  # the pace of a reader, nothing waits for it
    return seen


WATCH = (
    "import sys; from pathlib import Path; from job_tracker.cli.screens.commands import Wanted, watch_jobs; "
    "from job_tracker.cli.screens.ending import leave; "
    "leave(lambda: watch_jobs(Path(sys.argv[1]), Wanted(), below=sys.argv[2]))"
)
"""The live table of the command line, which takes the whole terminal: so it shows what to try as well."""


def watch(process: "subprocess.Popen[bytes]", until: float, link: str) -> None:
    """On a terminal: the live table, and what to try under it."""
    screen = subprocess.Popen([sys.executable, "-c", WATCH, str(VIEW), to_try(link)], cwd=ROOT)
    try:
        while time.monotonic() < until and process.poll() is None and screen.poll() is None:
            time.sleep(0.1)
    finally:
        if screen.poll() is None:
            screen.send_signal(signal.SIGINT)
        screen.wait()


def introduce(link: str) -> None:
    """Say what runs, and where its traces are."""
    print("Five example jobs are watched; every state but UNKNOWN is seen within two minutes.  Ctrl-C stops all of it.")
    print(to_try(link), flush=True)


def to_try(link: str) -> str:
    """Where the traces are, and commands for another terminal."""
    shown = HOME.relative_to(ROOT)
    pages = f"  pages         {link}\n                (logs in once, within a quarter of an hour)\n" if link else ""
    return (
        f"{pages}"
        f"  state files   {shown}/run/job_tracker.<job>.state\n"
        f"  log           {shown}/job_tracker.log\n"
        f"  try, in another terminal:\n"
        f"    .venv/bin/job_tracker explain hangs-sometimes__DEMO --view {shown}/view.sqlite\n"
        f"    .venv/bin/job_tracker history fails-now-and-then__DEMO --view {shown}/view.sqlite\n"
        f"    python3 job_tracker/onhost/message-queue.py -f {shown}/queue.sqlite add"
        f" --instance DEMO --job stranger --event STARTED\n"
        f"    .venv/bin/job_tracker unmatched --view {shown}/view.sqlite\n"
    )


def wait_until_running(process: "subprocess.Popen[bytes]") -> None:
    """Until the first state files are there."""
    while not (RUN_DIR / "job_tracker.services").exists():
        if process.poll() is not None:
            sys.exit(f"the tracker did not start; see {HOME / 'job_tracker.log'}")
        time.sleep(0.05)


def main() -> None:
    """Run the demonstration."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=0.0, help="stop after so many seconds; 0: until Ctrl-C")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    RUN_DIR.mkdir(parents=True, exist_ok=True)
    for leftover in (*RUN_DIR.iterdir(), *HOME.glob("*.sqlite*")):
        leftover.unlink()
    nightly = (datetime.now().astimezone() + timedelta(seconds=75)).replace(second=0, microsecond=0)
    shutil.rmtree(WEB, ignore_errors=True)
    CONFIG.write_text(json.dumps(configuration(nightly, free_port()), indent=2), encoding="utf-8")
    stopped = threading.Event()
    examples = jobs(nightly, stopped)
    try:
        with tracker() as process, pages() as link:
            introduce(link)
            wait_until_running(process)
            until = time.monotonic() + (arguments.seconds or float("inf"))
            for job in examples:
                job.start()
            if sys.stdout.isatty():
                watch(process, until, link)
            else:
                print(f"\nstates seen: {', '.join(sorted(print_changes(process, until)))}")
    except KeyboardInterrupt:
        pass
    finally:
        stopped.set()
        for job in examples:
            job.join()
            job.end()
    print("stopped; the last state files, the log and the store are still under var/demo")


if __name__ == "__main__":
    main()
