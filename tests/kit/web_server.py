"""The pages as they are served: a process, a port of loopback, a log; and whoever asks it over real connections."""

import json
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
from running import ROOT, SLOW, wait_until

from job_tracker import clock
from job_tracker.moments import DAY
from job_tracker.web.doors.hashing import hashed
from job_tracker.web.doors.people import People
from job_tracker.web.doors.store import Store
from job_tracker.web.doors.tokens import TOKEN, Tokens

PASSWORD = "correct horse battery"  # noqa: S105 - of a test's user
KEPT = hashed(PASSWORD)


class WebServer:
    """`job_tracker web` over a view in a directory.  web: keys of the section; log: what it said, whole."""

    def __init__(self, place: Path, **web: Any) -> None:
        self.place, self.view = place, place / "view.sqlite"
        self.config = place / "job_tracker.cfg"
        self.web = {"listen": "127.0.0.1:0", "store_file": str(place / "web" / "web.sqlite"), **web}
        self.log = ""
        self.address = ""
        self.process: subprocess.Popen[str] | None = None
        self._readers: list[threading.Thread] = []
        self._clients: list[httpx2.Client] = []
        self.configure()

    def configure(self) -> None:
        tree = {"global_config": {"view_file": str(self.view)}, "web": self.web}
        self.config.write_text(json.dumps(tree))

    def manage(self, *arguments: str, stdin: str = f"{PASSWORD}\n", code: int = 0) -> str:
        """`job_tracker web-user`; what it printed, on both ways."""
        command = [sys.executable, "-m", "job_tracker", "web-user", *arguments, "-c", str(self.config)]
        done = subprocess.run(command, cwd=ROOT, input=stdin, capture_output=True, text=True, check=False)
        assert done.returncode == code, done.stderr
        return done.stdout + done.stderr

    @contextmanager
    def people(self) -> Iterator[People]:
        """Whom it knows, as the command line changes it, without a process for each word."""
        store = Store(Path(self.web["store_file"]), clock.now())
        try:
            yield People(store)
        finally:
            store.close()

    def add(self, name: str, *roles: str, permissions: tuple[str, ...] = ()) -> None:
        """A user; permissions: of a role of his own."""
        with self.people() as people:
            if permissions:
                people.set_role(f"of_{name}", permissions, author="test", now=clock.now())
                roles = (*roles, f"of_{name}")
            people.add(name, KEPT, roles, author="test", now=clock.now())

    def token(self, name: str, kind: str = TOKEN, **how: Any) -> str:
        with self.people() as people:
            now = clock.now()
            return Tokens(people.store, DAY).make(name, kind, now + DAY, now=now, **how)

    def start(self) -> "WebServer":
        command = [sys.executable, "-m", "job_tracker", "web", "-c", str(self.config)]
        begun = len(self.log)
        self.process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
        self._readers.append(threading.Thread(target=self._read, args=(self.process,)))
        self._readers[-1].start()
        process = self.process
        wait_until(
            lambda: "started version=" in self.log[begun:] or process.poll() is not None, "the start of the pages"
        )
        found = re.findall(r"started version=.* address=(\S+)", self.log[begun:])
        assert found, self.log
        self.address = found[-1]
        if self.address.startswith("http"):
            wait_until(self._answers, "an answer of the pages")
        return self

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        assert self.process is not None
        self.process.send_signal(number)
        code = self.process.wait(SLOW)
        self._readers[-1].join(SLOW)
        return code

    def client(self, token: str = "", **headers: str) -> httpx2.Client:
        """Somebody who asks, by a token if he has one."""
        if token:
            headers["authorization"] = f"Bearer {token}"
        made = httpx2.Client(base_url=self.address, headers=headers, timeout=SLOW, trust_env=False)
        self._clients.append(made)
        return made

    def logged_in(self, name: str) -> httpx2.Client:
        """Somebody in a browser."""
        client = self.client()
        answer = client.post("/login", data={"name": name, "password": PASSWORD})
        assert answer.status_code == 303, answer.text
        return client

    @property
    def port(self) -> int:
        return urlsplit(self.address).port or 0

    def __enter__(self) -> "WebServer":
        return self

    def __exit__(self, *_: object) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait(SLOW)
        for reader in self._readers:
            reader.join(SLOW)
        for client in self._clients:
            client.close()

    def _answers(self) -> bool:
        try:
            with self.client() as client:
                return client.get("/login").status_code == 200
        except httpx2.TransportError:
            return False

    def _read(self, process: "subprocess.Popen[str]") -> None:
        assert process.stderr is not None
        with process.stderr:
            for line in process.stderr:
                self.log += line


class Stream:
    """An open stream, read in a thread.  messages: what came, each as (name, data, id)."""

    def __init__(self, client: httpx2.Client, path: str = "/api/v1/events/stream", **headers: str) -> None:
        self.messages: list[tuple[str, Any, str | None]] = []
        self.text = ""
        self.status = 0
        self.has_ended = False
        self._client, self._path, self._headers = client, path, headers
        threading.Thread(target=self._read, daemon=True).start()
        wait_until(lambda: self.status or self.has_ended, "an answer to a stream")

    def named(self, *names: str) -> list[Any]:
        return [data for name, data, _ in self.messages if name in names]

    def _read(self) -> None:
        try:
            with self._client.stream("GET", self._path, headers=self._headers) as answer:
                self.status = answer.status_code
                for message in self._messages(answer.iter_lines()):
                    self.messages.append(message)
        except httpx2.TransportError:
            pass
        finally:
            self.has_ended = True

    def _messages(self, lines: Iterator[str]) -> Iterator[tuple[str, Any, str | None]]:
        fields: dict[str, str] = {}
        for line in lines:
            self.text += f"{line}\n"
            if line:
                key, _, value = line.partition(":")
                fields[key] = value.strip()
            else:
                if "data" in fields:
                    yield fields.get("event", "message"), json.loads(fields["data"]), fields.get("id")
                fields = {}
