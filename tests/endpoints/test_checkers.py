"""The document's two commands, as they stand there: a line for each change, once, whatever happens in between."""

import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from job_server import JobServer
from running import SLOW, missing, wait_until

ROOT = Path(__file__).parents[2]
STATUS, METRICS = "job_status_checker.py", "job_metrics_checker.py"
LOG = "ades-pbs-maaphec-dev-wpst-job.log"
KILLS = int(os.environ.get("KILLS", "20"))
"""A tenth of what `make soak` does."""


class Checker:
    """One of the commands, as a process."""

    def __init__(self, folder: Path, program: str, *arguments: str) -> None:
        self.folder, self.errors = folder, folder / f"{program}.err"
        command = [sys.executable, str(ROOT / "on_endpoints" / program), *arguments]
        with self.errors.open("ab") as errors:
            self.process = subprocess.Popen(command, cwd=folder, stdin=subprocess.DEVNULL, stderr=errors)

    def end(self, number: int = signal.SIGTERM) -> int:
        """Send a signal; the exit code."""
        self.process.send_signal(number)
        return self.process.wait(SLOW)

    def said(self) -> str:
        """What it said so far."""
        return self.errors.read_text(encoding="utf-8")


@pytest.fixture
def server() -> Iterator[JobServer]:
    with JobServer().running() as made:
        yield made


@pytest.fixture
def started(tmp_path: Path, server: JobServer) -> Iterator[Any]:
    """Starts checkers that poll often, and leaves none behind."""
    made: list[Checker] = []

    def start(program: str = STATUS, *arguments: str) -> Checker:
        often = ("--interval", "0.05", "--server_port", str(server.port))
        made.append(Checker(tmp_path, program, *often, *(arguments or (f"--output_log={LOG}",))))
        return made[-1]

    yield start
    for each in made:
        each.process.kill()
        each.process.wait(SLOW)


def lines(path: Path) -> list[tuple[str, dict[str, Any]]]:
    """The whole lines of a log: key and payload."""
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    pairs = (each.split("+++", 1) for each in text.split("\n")[:-1])
    return [(key, json.loads(payload)) for key, payload in pairs]


def statuses(path: Path) -> list[tuple[str, str]]:
    return [(key, payload["status"]) for key, payload in lines(path)]


def test_the_document_s_commands_run_as_they_stand(tmp_path: Path) -> None:
    """Whoever has them in a unit or a crontab puts ours in their place; both at once ask one server."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", 5000))
        except OSError:
            missing("port 5000 is somebody else's here")
    used = "ades-pbs-maaphec-dev-wpst-metrics.log"
    with JobServer(port=5000).running() as server:
        server.submit("a1", "running")
        server.move("a1", "successful")
        checkers = [
            Checker(tmp_path, STATUS, f"--output_log={LOG}"),
            Checker(tmp_path, METRICS, f"--output_log={used}"),
        ]
        try:
            wait_until(lambda: lines(tmp_path / LOG), "a status")
            wait_until(lambda: lines(tmp_path / used), "metrics")
            codes = [each.end() for each in checkers]
        finally:
            for each in checkers:
                each.process.kill()
                each.process.wait(SLOW)

    assert codes == [0, 0]
    assert [each.said() for each in checkers] == ["", ""]
    ((key, status),) = lines(tmp_path / LOG)
    assert (key, status["status"], status["tags"]) == ("a1", "successful", "ades-pbs-dev")
    ((_, metrics),) = lines(tmp_path / used)
    assert metrics["status"] == "job-completed"
    assert metrics["job"]["job_info"]["metrics"]["workflow"]["node"]["hostname"] == "pbs7"


def begins_and_tells(started: Any, server: JobServer, folder: Path, status: str) -> None:
    """A life of the command, up to the line of a status."""
    before = len(server.requests)
    checker = started()
    wait_until(lambda: len(server.requests) > before, "its first request")
    wait_until(lambda: ("a1", status) in statuses(folder / LOG), status)
    assert checker.end() == 0


def test_three_states_are_three_lines_over_any_number_of_restarts(
    tmp_path: Path, server: JobServer, started: Any
) -> None:
    """The original told all of them again at each start, and forgot what it had not seen in one life."""
    server.submit("a1")
    for status in ("accepted", "running", "successful"):
        server.move("a1", status)
        for _ in range(3):
            begins_and_tells(started, server, tmp_path, status)

    assert statuses(tmp_path / LOG) == [("a1", "accepted"), ("a1", "running"), ("a1", "successful")]


def test_killed_at_random_each_line_is_there_once_and_in_order(tmp_path: Path, server: JobServer, started: Any) -> None:
    """After a poll, after storing, in the midst of a line, before the cursor: nothing missing, nothing twice."""
    chance = random.Random(5)
    server.switches.add("right_404")
    steps = ["accepted", "running", "successful"]
    at = {f"j{number}": 0 for number in range(5 * KILLS)}
    for _ in range(KILLS):
        checker = started()
        for id in chance.sample(sorted(at), len(at) // 3):
            if at[id] < 3:
                server.submit(id) if at[id] == 0 else server.move(id, steps[at[id]])
                at[id] += 1
        time.sleep(chance.uniform(0.2, 0.9))  # when the kill falls is what is tried
        checker.end(signal.SIGKILL)
    for id in at:
        if at[id] == 0:
            server.submit(id)
        server.move(id, "successful")
    checker = started()
    wait_until(lambda: {id for id, status in statuses(tmp_path / LOG) if status == "successful"} == set(at), "all")
    checker.end()

    found = statuses(tmp_path / LOG)
    assert [each for each, count in Counter(found).items() if count > 1] == []
    for id in at:
        told = [status for each, status in found if each == id]
        assert told == [each for each in steps if each in told]
    numbers = [payload["seq"] for _, payload in lines(tmp_path / LOG)]
    assert numbers == sorted(set(numbers))


def test_a_server_that_is_away_is_said_once_and_waited_for(tmp_path: Path, started: Any, server: JobServer) -> None:
    """A server that is started after its emitter is no mistake, and no line a poll."""
    away = JobServer(port=0)
    with away.running():
        port = away.port
    checker = started(STATUS, f"--output_log={LOG}", "--server_port", str(port))
    wait_until(lambda: "waiting for it" in checker.said(), "the word that it is away")
    away.submit("a1")
    with away.running():
        wait_until(lambda: lines(tmp_path / LOG), "a line")
        wait_until(lambda: "answers again" in checker.said(), "the word that it is back")
        checker.end()

    assert checker.said().count("waiting for it") == 1
    assert checker.said().count("\n") == 2


MISTAKES = [
    (["--server_port", "http"], "server_port 'http' is not a port"),
    (["--interval", "0"], "--interval '0' is not a number of seconds"),
    (["--adopt", "some"], "argument --adopt: invalid choice: 'some'"),
    (["--outputlog=x"], "unrecognized arguments: --outputlog=x"),
    (["--config", "missing.py"], "--config missing.py: No such file or directory"),
    (["--config", "empty.py"], "--config empty.py: has no section [ADES_SERVER]"),
    (["--config", "broken.py"], "--config broken.py: "),
    (["--output_log=empty.py/x.log"], "--output_log empty.py/x.log: "),
]


@pytest.mark.parametrize(("arguments", "said"), MISTAKES)
def test_a_mistake_is_one_line_and_exit_2(arguments: list[str], said: str, tmp_path: Path) -> None:
    """What is wrong and where, before anything is begun."""
    (tmp_path / "empty.py").write_text("", encoding="utf-8")
    (tmp_path / "broken.py").write_text("server_ip = x\n", encoding="utf-8")

    checker = Checker(tmp_path, STATUS, *arguments)

    assert checker.process.wait(SLOW) == 2
    assert checker.said().count("\n") == 1
    assert checker.said().startswith(f"job_status_checker: {said}")


def test_the_file_wins_key_by_key_and_an_empty_value_is_none(tmp_path: Path, server: JobServer, started: Any) -> None:
    """Its template has all keys, and none of them filled in."""
    config = tmp_path / "ades_server_config.py"
    config.write_text(f"[ADES_SERVER]\nserver_ip =\nserver_port = {server.port}\noutput_log =\n", encoding="utf-8")
    server.submit("a1")

    checker = started(STATUS, "--config", str(config), "--server_port", "1", f"--output_log={LOG}")

    wait_until(lambda: lines(tmp_path / LOG), "a line")
    config.write_text("[ADES", encoding="utf-8")
    wait_until(lambda: "going on as before" in checker.said(), "the word that the file is faulty")
    server.move("a1", "running")
    wait_until(lambda: ("a1", "running") in statuses(tmp_path / LOG), "the next line")
    assert checker.end() == 0


def test_a_file_that_names_another_server_is_followed(tmp_path: Path, server: JobServer, started: Any) -> None:
    """It is read again before each poll; what the one before had told stays told."""
    config = tmp_path / "ades_server_config.py"
    config.write_text(f"[ADES_SERVER]\nserver_port = {server.port}\n", encoding="utf-8")
    server.submit("a1")
    started(STATUS, "--config", str(config), f"--output_log={LOG}")
    wait_until(lambda: lines(tmp_path / LOG), "a line")

    with JobServer(identity="other").running() as other:
        other.submit("b1")
        config.write_text(f"[ADES_SERVER]\nserver_port = {other.port}\n", encoding="utf-8")
        wait_until(lambda: len(lines(tmp_path / LOG)) == 2, "its line")
        config.write_text(f"[ADES_SERVER]\nserver_port = {server.port}\n", encoding="utf-8")
        server.move("a1", "running")
        wait_until(lambda: len(lines(tmp_path / LOG)) == 3, "the first one's next")

    assert statuses(tmp_path / LOG) == [("a1", "accepted"), ("b1", "accepted"), ("a1", "running")]


def test_each_log_has_one_emitter(tmp_path: Path, server: JobServer, started: Any) -> None:
    """Two of them would tell everything twice."""
    server.submit("a1")
    started()
    wait_until(lambda: lines(tmp_path / LOG), "a line")

    second = started()

    assert second.process.wait(SLOW) == 2
    assert "each log has one emitter" in second.said()


@pytest.mark.parametrize(("is_there", "code"), [(True, 0), (False, 1)])
def test_once_polls_once(is_there: bool, code: int, tmp_path: Path, server: JobServer, started: Any) -> None:
    """For a crontab: what is new is in the log when it has ended, and its exit code says whether it could look."""
    server.submit("a1")
    port = str(server.port if is_there else 1)

    checker = started(STATUS, "--once", f"--output_log={LOG}", "--server_port", port)

    assert checker.process.wait(SLOW) == code
    assert len(lines(tmp_path / LOG)) == is_there


def test_a_log_that_was_renamed_is_begun_anew(tmp_path: Path, server: JobServer, started: Any) -> None:
    """logrotate renames it; each line is in one of the two."""
    server.submit("a1")
    started()
    wait_until(lambda: lines(tmp_path / LOG), "a line")
    (tmp_path / LOG).rename(tmp_path / f"{LOG}.1")

    server.move("a1", "running")

    wait_until(lambda: lines(tmp_path / LOG), "a line in the new one")
    assert statuses(tmp_path / f"{LOG}.1") == [("a1", "accepted")]
    assert statuses(tmp_path / LOG) == [("a1", "running")]
