"""The courier: what it takes for delivered, what it says of everything else, and how it stops."""

import contextlib
import fcntl
import json
import os
import resource
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from telling import T0, TOOL, Receiver

from job_tracker.outputs.event_console import courier as room
from job_tracker.outputs.event_console.answers import Outcome
from job_tracker.outputs.event_console.call import Call, Event
from job_tracker.outputs.event_console.courier import Courier


@pytest.fixture
def courier(tmp_path: Path) -> Iterator[Courier]:
    """A courier at work."""
    made = Courier(threading.Event().set, tmp_path / "lock")
    yield made
    made.stop()


def eventually(look: Callable[[], object]) -> object:
    """What look finds, waiting for it."""
    until = time.monotonic() + 60
    while not (found := look()):
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.01)  # the pace of looking; the condition decides
    return found


def event(subject: str = "x", text: str = "text") -> Event:
    """An event of a subject."""
    return Event(subject=subject, through=1, application=subject, status=2, at=T0, host="em1", text=lambda: text)


def call_of(*command: str, timeout: float = 60, events: tuple[Event, ...] = ()) -> Call:
    """A call of a command with one event, if no others are given."""
    return Call(command=command, events=events or (event(),), timeout=timeout)


def carried(courier: Courier, call: Call) -> Outcome:
    """A call carried to its end."""
    courier.begin(call)
    outcome = eventually(courier.take)
    assert isinstance(outcome, Outcome)
    return outcome


def problem(courier: Courier, *command: str, timeout: float = 60) -> str | None:
    """Why the only event of a call was not delivered."""
    (found,) = carried(courier, call_of(*command, timeout=timeout)).problems
    return found


def is_running(pid: int) -> bool:
    """Whether the process is there, and no zombie."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def number_in(file: Path) -> int:
    """The number that a script has written, once it has."""
    return int(str(eventually(lambda: file.exists() and file.read_text().strip())))


# -- one event --------------------------------------------------------------------------------------------------------


def test_delivered_is_what_ended_with_0_and_the_text_came_through_stdin(courier: Courier, tmp_path: Path) -> None:
    """No shell sees it: the words of the command are words."""
    script = f'cat > {tmp_path}/got; printf "%s" "$0" >> {tmp_path}/got'

    assert problem(courier, "/bin/sh", "-c", script, "$(id) ; x") == ""
    assert (tmp_path / "got").read_text() == "text$(id) ; x"


@pytest.mark.parametrize(
    ("command", "why"),
    [
        (("/bin/sh", "-c", "echo one >&2; echo two >&2; exit 7"), "/bin/sh ended with 7: one two"),
        (("/bin/sh", "-c", "exit 1"), "/bin/sh ended with 1"),
        (("/bin/sh", "-c", "kill -9 $$"), "/bin/sh ended with -9"),
        (("/bin/sh", "-c", "exec >&- 2>&- <&-; exit 5"), "/bin/sh ended with 5"),
        (("/nowhere/x",), "/nowhere/x: No such file or directory"),
        (("/etc/passwd",), "/etc/passwd: Permission denied"),
    ],
    ids=range(6),
)
def test_everything_else_is_not_delivered_and_says_why(courier: Courier, command: tuple[str, ...], why: str) -> None:
    """In words that `job_tracker notifications` shows."""
    assert problem(courier, *command) == why


def test_a_script_whose_interpreter_is_missing_is_said_to_be_that(courier: Courier, tmp_path: Path) -> None:
    """The kernel says "No such file or directory" of a script that everybody sees; a line end of Windows is enough."""
    script = tmp_path / "tell"
    script.write_bytes(b"#!/bin/sh\r\nexit 0\r\n")
    script.chmod(0o755)

    why = problem(courier, str(script))

    assert why == f"{script}: the interpreter that its first line names is not there: '#!/bin/sh\\r\\n'"


def test_a_long_complaint_is_cut_with_a_mark(courier: Courier) -> None:
    """Who reads a cut text must see that it was cut."""
    why = problem(courier, sys.executable, "-c", "import sys; sys.exit('x' * 600)")

    assert why is not None
    assert why.endswith("x…")


def test_a_command_that_hangs_is_killed_with_its_children(courier: Courier, tmp_path: Path) -> None:
    """ssh to a host that hangs is one."""
    script = f"sleep 600 & echo $! > {tmp_path}/pid; cat > /dev/null; wait"

    assert problem(courier, "/bin/sh", "-c", script, timeout=0.5) == "/bin/sh has not ended within 0.5 s"
    eventually(lambda: not is_running(number_in(tmp_path / "pid")))


def test_a_command_that_talks_without_end_is_no_harm(courier: Courier) -> None:
    """Neither to memory nor to the time limit."""
    script = "while :; do echo yyyyyyyyyyyyyyyyyyyyyyyyyyyy >&2; done"

    assert problem(courier, "/bin/sh", "-c", script, timeout=0.5) == "/bin/sh has not ended within 0.5 s"


def test_a_command_that_leaves_something_running_has_ended_all_the_same(courier: Courier, tmp_path: Path) -> None:
    """ssh's ControlPersist holds stderr open."""
    found = problem(courier, "/bin/sh", "-c", f"sleep 600 & echo $! > {tmp_path}/pid; exit 0")

    left = number_in(tmp_path / "pid")
    assert found == ""
    assert is_running(left)
    os.kill(left, signal.SIGKILL)


def test_a_descriptor_above_1023_is_as_good_as_any(courier: Courier) -> None:
    """A thousand sources have more; `select` would end here, and no alarm be delivered any more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 2048:
        pytest.skip("this machine does not let a process have so many files")
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    taken = [os.open(os.devnull, os.O_RDONLY)]
    try:
        while taken[-1] < 1100:
            taken.append(os.dup(taken[0]))
        found = problem(courier, "/bin/sh", "-c", "cat >/dev/null; echo said >&2; exit 1")
    finally:
        for each in taken:
            os.close(each)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

    assert found == "/bin/sh ended with 1: said"


# -- many events ------------------------------------------------------------------------------------------------------


def many(*subjects: str) -> tuple[Event, ...]:
    """Events that say who they are."""
    return tuple(event(subject, f"of {subject}") for subject in subjects)


def test_many_events_are_brought_by_one_call_each_with_its_answer(
    courier: Courier, tmp_path: Path, receiver: Receiver
) -> None:
    """Our own command, a real pipe: in order, and each as it would be by itself."""
    targets = tmp_path / "targets.cfg"
    targets.write_text(f"to = pipe:{receiver.path}\n")
    command = (sys.executable, "-I", str(TOOL), "--config", str(targets))
    subjects = [f"job_{number}" for number in range(40)]

    outcome = carried(courier, call_of(*command, events=many(*subjects)))

    assert outcome.problems == ("",) * 40
    assert [(each.application, each.text, each.at) for each in receiver.events] == [
        (subject, f"of {subject}", T0) for subject in subjects
    ]


def answers(*lines: object) -> str:
    """A script that reads all it is given and answers with these lines."""
    said = "".join(f"{line if isinstance(line, str) else json.dumps(line)}\n" for line in lines)
    return f"cat > /dev/null; printf '%s' '{said}'"


def test_of_many_those_behind_one_that_was_not_taken_were_not_tried(courier: Courier) -> None:
    """The command gives up a target that fails: only one has failed, and the others may be tried at once."""
    given = [{"code": 0}, {"code": 2, "complaints": ["no"]}, {"code": 1, "complaints": ["down"]}, {"code": 1}]

    outcome = carried(courier, call_of("/bin/sh", "-c", f"{answers(*given)}; exit 1", events=many("a", "b", "c", "d")))

    assert outcome.problems == ("", "/bin/sh answered 2: no", "/bin/sh answered 1: down", None)


def test_of_many_the_first_that_has_no_answer_has_failed(courier: Courier) -> None:
    """The command died there, and the last line is none without its end."""
    script = f"{answers({'code': 0})}; printf '{{\"code\": 0'; echo broken >&2; exit 3"

    outcome = carried(courier, call_of("/bin/sh", "-c", script, events=many("a", "b", "c")))

    assert outcome.problems == ("", "/bin/sh ended with 3: broken", None)


@pytest.mark.parametrize("said", ["nonsense", "[]", '{"code": true}', '{"code": "0"}', "{}"])
def test_an_answer_that_means_nothing_is_no_delivery(courier: Courier, said: str) -> None:
    """Only what was said to be delivered is."""
    outcome = carried(courier, call_of("/bin/sh", "-c", answers(said), events=many("a", "b")))

    assert "" not in outcome.problems


def test_a_command_that_knows_no_many_is_found_out_and_nothing_has_failed(courier: Courier) -> None:
    """An older send-notification.py in the PATH: what waits is told one by one."""
    outcome = carried(courier, call_of("/bin/sh", "-c", "echo usage >&2; exit 2", events=many("a", "b")))

    assert (outcome.refuses_many, outcome.problems) == (True, (None, None))


def test_a_command_that_goes_on_answering_is_not_cut_short(courier: Courier) -> None:
    """The time limit is for one event: with many it counts from one answer to the next."""
    script = "while read -r line; do sleep 0.3; echo '{\"code\": 0}'; done"

    outcome = carried(courier, call_of("/bin/sh", "-c", script, timeout=1.0, events=many(*"abcdef")))

    assert outcome.problems == ("",) * 6


# -- stopping ---------------------------------------------------------------------------------------------------------


def test_a_stop_lets_a_command_end_that_is_nearly_there(courier: Courier, tmp_path: Path) -> None:
    """The far side may have taken what it brings: killed, it would be delivered twice."""
    os.mkfifo(tmp_path / "gate")
    courier.begin(call_of("/bin/sh", "-c", f"echo $$ >{tmp_path}/begun; read x <{tmp_path}/gate; exit 0"))
    number_in(tmp_path / "begun")

    stop = threading.Thread(target=courier.stop)
    stop.start()
    eventually(courier._stopping.is_set)
    (tmp_path / "gate").write_text("go\n")
    stop.join()

    outcome = courier.take()
    assert outcome is not None
    assert outcome.problems == ("",)


def test_a_stop_says_of_a_command_that_it_cut_short_that_the_tracker_stopped(
    courier: Courier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its time limit had not passed; it is delivered at the next start."""
    monkeypatch.setattr(room, "STOPPING", 0.2)
    courier.begin(call_of("/bin/sh", "-c", f"echo $$ >{tmp_path}/begun; exec sleep 600"))
    pid = number_in(tmp_path / "begun")
    courier.stop()

    outcome = courier.take()
    assert outcome is not None
    assert outcome.problems == ("/bin/sh had not ended when the tracker stopped",)
    eventually(lambda: not is_running(pid))


def test_no_command_begins_once_a_stop_was_asked_for(courier: Courier, tmp_path: Path) -> None:
    """It would be killed half way, and while it waits for an older one's end it would overtake that."""
    with (tmp_path / "lock").open("w") as older:
        fcntl.flock(older, fcntl.LOCK_EX)
        courier.begin(call_of("/bin/sh", "-c", f"echo >{tmp_path}/begun"))
        eventually(lambda: courier._lock >= 0)
        courier.stop()

    outcome = courier.take()
    assert outcome is not None
    assert outcome.problems == ("the tracker stopped before its turn came",)
    assert not (tmp_path / "begun").exists()
