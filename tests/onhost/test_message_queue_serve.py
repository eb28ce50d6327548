"""`message-queue.py serve`: the tracker's end of the queue, one JSON object a line."""

import json
import os
import shutil
import signal
import sqlite3
import stat
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from queue_tool import Answer, Queue

GOOD = {"instance": "P", "job": "LOAD", "event": "STARTED"}


def taken(answer: Answer) -> list[str]:
    assert answer["done"] == "take", answer
    return [message["event"] for message in answer["messages"]]


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


# ------------------------------------------------------------------------------------------------ the conversation


def test_the_greeting_tells_what_the_tracker_must_know(queue: Queue) -> None:
    """Before anybody asks: whose queue it is, where, and what waits."""
    queue.add("A")
    serve = queue.serve()

    greeting = serve.greeting
    assert abs(greeting.pop("clock") - time.time()) < 10
    assert len(greeting.pop("queue")) == 32
    assert greeting.pop("python").startswith("3.")
    assert greeting.pop("path") == str(queue.path)
    assert greeting.pop("interpreter") == queue.python
    assert greeting == {
        "serve": "message-queue",
        "protocol": 1,
        "version": "0.1.0",
        "depth": 1,
        "highest": 1,
        "nonce": None,
        "drainer": None,
        "exists": True,
    }


def test_who_only_looks_makes_nothing_and_is_told_so(queue: Queue) -> None:
    """A check of a mistyped path made that queue, and said that it works."""
    directory = queue.path.parent
    before = sorted(directory.parent.rglob("*"))
    serve = queue.serve()

    assert (serve.greeting["exists"], serve.greeting["depth"], serve.greeting["drainer"]) == (False, 0, None)
    assert serve.ask("ping")["depth"] == 0
    assert serve.ask("forget")["text"] == f"there is no queue at {queue.path} yet"
    assert serve.ask("take", max=1)["error"] == "not-open"

    assert serve.end() == 0
    assert sorted(directory.parent.rglob("*")) == before


def test_the_tracker_may_connect_before_the_first_job_has_run(queue: Queue) -> None:
    """Its open makes the queue: what a job adds a moment later travels at once."""
    serve = queue.serve(opened_by="t")
    queue.add("A")

    assert taken(serve.ask("take", max=9)) == ["A"]
    assert stat.S_IMODE(queue.path.with_name("q.sqlite.wake").stat().st_mode) == 0o660


def test_a_queue_that_a_job_made_between_greeting_and_open_is_the_one(queue: Queue) -> None:
    """Whoever is first makes it."""
    serve = queue.serve()
    queue.add("A")

    assert serve.ask("open", tracker="t")["depth"] == 1


def test_a_path_at_which_nobody_could_make_a_queue_is_refused_before_the_greeting(shared_queue: Queue) -> None:
    """It would look right to a check, and fail when it matters."""
    found = shared_queue.run("serve", user=20004, group=20004, extra_groups=[])

    assert (found.returncode, found.stdout) == (1, b"")
    directory = shared_queue.path.parent.parent
    said = shared_queue.unlabelled(found.stderr)
    assert said.endswith(f"uid 20004 cannot make one: {directory} is not for it to write")


def test_messages_are_taken_in_order_and_gone_only_once_confirmed(queue: Queue) -> None:
    """Taken and not confirmed is as if never taken: so a crash of either side loses nothing."""
    queue.add("A", "B", "C")
    queue.run("add", "-j", json.dumps({**GOOD, "event": "D", "run": "r", "exit_code": 3}))
    first = queue.serve(opened_by="t")

    answer = first.ask("take", max=100)
    assert answer["messages"] == queue.messages()
    assert (taken(answer), answer["highest"], answer["depth"]) == (["A", "B", "C", "D"], 4, 4)
    assert taken(first.ask("take", max=100)) == ["A", "B", "C", "D"]
    first.process.kill()

    second = queue.serve(opened_by="t")
    answer = second.ask("take", max=2)
    assert taken(answer) == ["A", "B"]
    assert taken(second.ask("take", max=1, after=2)) == ["C"]
    assert second.ask("confirm", through=2, nonce="n1") == {"done": "confirm", "removed": 2, "nonce": "n1"}
    assert queue.events() == ["C", "D"]
    assert second.ask("take", max=9)["highest"] == 4
    assert second.ask("confirm", through=4, nonce="n2")["removed"] == 2
    assert queue.events() == []
    assert second.end() == 0
    assert queue.serve().greeting["nonce"] == "n2"


def test_only_what_this_session_gave_out_is_removed(queue: Queue) -> None:
    """An id that was never given out may be a message that nobody has seen yet."""
    queue.add("A", "B", "C")
    serve = queue.serve(opened_by="t")
    serve.ask("take", max=1)

    assert serve.ask("confirm", through=3, nonce="n")["removed"] == 1
    assert serve.ask("confirm", through=3, nonce="m")["removed"] == 0
    assert serve.ask("confirm", through=0, nonce="o") == {"done": "confirm", "removed": 0, "nonce": "o"}

    assert queue.events() == ["B", "C"]


def test_a_take_of_many_messages_stays_within_one_line(one_queue: Queue) -> None:
    """1 MiB is the limit of a line; what does not fit comes with the next take."""
    lines = [json.dumps({**GOOD, "event": f"E{number}", "message": "\x00" * 5000}) for number in range(100)]
    one_queue.run("add", "-j", "-", input="\n".join(lines).encode())
    serve = one_queue.serve(opened_by="t")

    events, after = [], 0
    while messages := serve.ask("take", max=5000, after=after)["messages"]:
        events += [message["event"] for message in messages]
        after = messages[-1]["_id"]

    assert events == [f"E{number}" for number in range(100)]
    assert serve.ask("confirm", through=after, nonce="n")["removed"] == 100


def test_requests_may_come_all_at_once_or_byte_by_byte(queue: Queue) -> None:
    """A stream has no messages, only bytes."""
    queue.add("A")
    serve = queue.serve()
    requests = b'{"do":"open","tracker":"t"}\n{"do":"take","max":9}\n{"do":"confirm","through":1,"nonce":"n"}\n'

    serve.send(requests + requests)
    for byte in requests:
        serve.send(bytes([byte]))

    answers = [serve.answer() for _ in range(9)]
    assert [answer["done"] for answer in answers] == ["open", "take", "confirm"] * 3
    assert [answer["removed"] for answer in answers[2::3]] == [1, 0, 0]


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"nonsense",
        b"[]",
        b"null",
        b'{"do": "dance"}',
        b'{"do": ["open"]}',
        b"\xff\xfe\x00",
        b"[" * 100_000,
        b'{"do": "open", "tracker": ""}',
        b'{"do": "open", "tracker": 7}',
        b'{"do": "open", "tracker": "t", "take_over": "yes"}',
        b'{"do": "take"}',
        b'{"do": "take", "max": 0}',
        b'{"do": "take", "max": true}',
        b'{"do": "take", "max": 1.5}',
        b'{"do": "take", "max": 1, "wait": -1}',
        b'{"do": "take", "max": 1, "wait": NaN}',
        b'{"do": "take", "max": 1, "wait": 1e999}',
        b'{"do": "take", "max": 1, "wait": "5"}',
        b'{"do": "take", "max": 1, "after": -1}',
        b'{"do": "take", "max": 1, "after": ' + b"9" * 5000 + b"}",
        b'{"do": "take", "max": 1, "after": 9223372036854775808}',
        b'{"do": "confirm", "ids": [1]}',
        b'{"do": "confirm", "nonce": "n"}',
        b'{"do": "confirm", "nonce": "n", "ids": 1}',
        b'{"do": "confirm", "nonce": "n", "ids": [1]}',
        b'{"do": "confirm", "nonce": "n", "through": true}',
        b'{"do": "confirm", "nonce": "n", "through": -1}',
        b'{"do": "confirm", "nonce": "n", "ids": [1], "through": 1}',
        b"x" * (2 << 20),
        b'{"do": "ping", "x": "' + b"x" * (1 << 20) + b'"}',
    ],
    ids=range(31),
)
def test_what_is_no_request_is_answered_with_an_error_and_the_session_goes_on(queue: Queue, line: bytes) -> None:
    """A newer tracker, a broken one, or an attacker: none of them ends the session of the next request."""
    queue.add("A")
    serve = queue.serve(opened_by="t")
    serve.ask("take", max=9)

    serve.send(line + b"\n")

    answer = serve.answer()
    assert answer["error"] == "bad-request"
    assert 0 < len(answer["text"]) < 500
    assert serve.ask("ping")["depth"] == 1


def test_a_line_that_never_ends_costs_no_memory_and_one_error(one_queue: Queue) -> None:
    """It is thrown away as it comes; only its end is answered."""
    serve = one_queue.serve()

    for _ in range(64):
        serve.send(b"x" * (1 << 20))
    serve.send(b'\n{"do": "ping"}\n')

    assert serve.answer()["error"] == "bad-request"
    assert serve.answer()["done"] == "ping"
    peak = next(line for line in Path(f"/proc/{serve.process.pid}/status").read_text().splitlines() if "VmHWM" in line)
    assert int(peak.split()[1]) < 48 * 1024


def test_take_and_confirm_need_an_open(queue: Queue) -> None:
    """Who drains must have said who it is."""
    serve = queue.serve()

    assert serve.ask("take", max=1)["error"] == "not-open"
    assert serve.ask("confirm", through=0, nonce="n")["error"] == "not-open"
    assert serve.ask("ping")["done"] == "ping"


# ------------------------------------------------------------------------------------------------ waiting


def test_a_waiting_take_is_answered_when_a_message_comes_and_faster_than_the_poll(queue: Queue) -> None:
    """The FIFO carries the news: ten messages in a row take less time than ten polls would."""
    serve = queue.serve(opened_by="t")
    answers, latencies = [], []

    for number in range(10):
        serve.send(b'{"do": "take", "max": 10, "wait": 20}\n')
        queue.add(f"E{number}")
        added = time.time()
        answers.append(serve.answer())
        latencies.append(time.time() - added)
        serve.ask("confirm", through=answers[-1]["highest"], nonce=f"n{number}")

    assert [taken(answer) for answer in answers] == [[f"E{number}"] for number in range(10)]
    assert sorted(latencies)[5] < 0.2
    assert all(answer["waited"] < 20 for answer in answers)


def test_what_comes_after_a_confirmation_is_found_whenever_it_comes(queue: Queue) -> None:
    """An empty queue is not looked into again before the wait, and that must not hide what was added meanwhile."""
    serve = queue.serve(opened_by="t")
    for round_ in range(6):
        queue.add(f"A{round_}")
        assert taken(serve.ask("take", max=9, wait=30)) == [f"A{round_}"]
        if round_ % 2:
            queue.add("between take and confirm")
        assert serve.ask("confirm", through=99, nonce=f"n{round_}")["removed"] == 1
        if round_ % 3:
            queue.add("between confirm and take")
        expected = ["between take and confirm"] * (round_ % 2) + ["between confirm and take"] * (round_ % 3 > 0)
        answer = serve.ask("take", max=9, wait=86400 if expected else 0)
        assert taken(answer) == expected
        assert answer["depth"] == len(expected)
        serve.ask("confirm", through=answer["highest"], nonce=f"m{round_}")


@pytest.mark.parametrize("planted", ["file", "link", "directory"])
def test_without_a_fifo_the_poll_finds_the_message_and_what_is_there_is_not_touched(
    queue: Queue, planted: str, tmp_path: Path
) -> None:
    """Somebody else's file at the FIFO's place is neither read nor written nor followed."""
    queue.add("BEFORE")
    place, target = queue.path.with_name("q.sqlite.wake"), tmp_path / "target"
    target.write_text("untouched")
    if planted == "file":
        place.write_text("untouched")
    elif planted == "link":
        place.symlink_to(target)
    else:
        place.mkdir()
    serve = queue.serve(opened_by="t")
    assert taken(serve.ask("take", max=1)) == ["BEFORE"]

    serve.send(b'{"do": "take", "max": 1, "wait": 20, "after": 1}\n')
    queue.add("AFTER")

    assert taken(serve.answer()) == ["AFTER"]
    assert target.read_text() == "untouched"
    assert planted != "file" or place.read_text() == "untouched"


def test_two_waiting_serves_both_hear_of_a_message_though_one_eats_the_byte(queue: Queue) -> None:
    """A ghost on a cut link may eat the FIFO's byte; the poll is what the newer one falls back on."""
    ghost = queue.serve(opened_by="t")
    ghost.send(b'{"do": "take", "max": 1, "wait": 25}\n')
    serve = queue.serve(opened_by="t")
    serve.send(b'{"do": "take", "max": 1, "wait": 25}\n')

    queue.add("A")

    assert taken(serve.answer()) == ["A"]
    assert ghost.answer()["error"] == "superseded"


def test_a_take_that_waits_in_vain_is_answered_without_messages(queue: Queue) -> None:
    """An answer without messages is an answer: it moves the watermark on."""
    serve = queue.serve(opened_by="t")

    answer = serve.ask("take", max=1, wait=0.7)

    assert taken(answer) == []
    assert 0.65 <= answer["waited"] < 5
    assert answer["highest"] == 0


def test_a_request_behind_a_waiting_take_ends_the_wait(queue: Queue) -> None:
    """Whoever asks on does not want to wait any longer."""
    serve = queue.serve(opened_by="t")

    serve.send(b'{"do": "take", "max": 1, "wait": 25}\n{"do": "ping"}\n')

    assert taken(serve.answer(10)) == []
    assert serve.answer(10)["done"] == "ping"


def test_waiting_costs_next_to_nothing(queue: Queue) -> None:
    """A source host is there for its jobs."""
    serve = queue.serve(opened_by="t")
    before = cpu_seconds(serve.process.pid)

    serve.ask("take", max=1, wait=3)

    assert cpu_seconds(serve.process.pid) - before <= 0.03


# ------------------------------------------------------------------------------------------------ the end


@pytest.mark.parametrize("waiting", [False, True])
def test_serve_ends_at_once_when_stdin_closes(queue: Queue, waiting: bool) -> None:
    """So a tracker that is gone leaves nothing behind, also not a take that waits."""
    serve = queue.serve(opened_by="t")
    if waiting:
        serve.send(b'{"do": "take", "max": 1, "wait": 86400}\n')

    assert serve.end() == 0


def test_serve_ends_when_no_request_comes(queue: Queue) -> None:
    """A cut link may leave stdin open for hours; a trickle that makes no request does not count."""
    serve = queue.serve("--idle", "1", opened_by="t")

    serve.send(b'{"do": ')

    assert serve.process.wait(20) == 0


def test_serve_ends_when_its_answers_are_not_read(one_queue: Queue) -> None:
    """The other half of a cut link: the pipe is full, and nobody will ever empty it."""
    one_queue.run("add", "-j", "-", input=b"\n".join([json.dumps({**GOOD, "message": "x" * 5000}).encode()] * 100))
    serve = one_queue.serve("--idle", "1", opened_by="t")

    serve.send(b'{"do": "take", "max": 100}\n')

    assert serve.process.wait(20) == -signal.SIGALRM


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_serve_stopped_while_it_waits_loses_nothing(queue: Queue, number: signal.Signals) -> None:
    """Nothing is open while it waits."""
    serve = queue.serve(opened_by="t")
    serve.send(b'{"do": "take", "max": 1, "wait": 25}\n')
    serve.process.send_signal(number)
    assert serve.process.wait(20) == -number

    queue.add("A")

    assert taken(queue.serve(opened_by="t").ask("take", max=9)) == ["A"]


# ------------------------------------------------------------------------------------------------ one drainer


def test_another_tracker_is_refused_until_told_to_take_over(queue: Queue) -> None:
    """Two trackers on one queue would each see half of the messages."""
    queue.add("A")
    ours = queue.serve(opened_by="ours")
    since = queue.serve().greeting["drainer"]["since"]
    theirs = queue.serve()

    refused = theirs.ask("open", tracker="theirs")

    assert theirs.greeting["drainer"]["tracker"] == "ours"
    assert refused == {"error": "drained-by", "tracker": "ours", "since": since, "text": refused["text"]}
    assert refused["text"].startswith("drained by ours since 2")
    assert theirs.ask("take", max=1)["error"] == "not-open"
    assert taken(ours.ask("take", max=1)) == ["A"]

    assert theirs.ask("open", tracker="theirs", take_over=True)["done"] == "open"
    assert ours.ask("confirm", through=1, nonce="n")["error"] == "superseded"
    assert ours.process.wait(20) == 4
    assert taken(theirs.ask("take", max=1)) == ["A"]


def test_a_newer_serve_of_the_same_tracker_takes_over_and_the_ghost_cannot_confirm(queue: Queue) -> None:
    """After a cut link the tracker connects anew, while the old serve has not noticed yet."""
    queue.add("A")
    ghost = queue.serve(opened_by="t")
    assert taken(ghost.ask("take", max=1)) == ["A"]

    serve = queue.serve(opened_by="t")
    assert ghost.ask("confirm", through=1, nonce="ghost")["error"] == "superseded"

    assert ghost.read() is None
    assert ghost.process.wait(20) == 4
    assert taken(serve.ask("take", max=1)) == ["A"]
    assert serve.ask("confirm", through=1, nonce="n")["removed"] == 1


def test_a_ghost_in_a_waiting_take_is_told_that_it_is_superseded(queue: Queue) -> None:
    """It does not sit there until its time is over."""
    ghost = queue.serve(opened_by="t")
    ghost.send(b'{"do": "take", "max": 1, "wait": 25}\n')

    queue.serve(opened_by="t")

    assert ghost.answer(10)["error"] == "superseded"


def test_a_queue_forgets_its_drainer_and_says_who_it_was(queue: Queue) -> None:
    """For a tracker that lost its store: by a session that never opened, with an answer to show to the operator."""
    queue.add("A")
    ours = queue.serve(opened_by="ours")
    assert taken(ours.ask("take", max=1)) == ["A"]
    visitor = queue.serve()
    since = visitor.greeting["drainer"]["since"]

    forgotten = visitor.ask("forget")

    text = forgotten.pop("text")
    assert forgotten == {"done": "forget", "tracker": "ours", "since": since}
    assert text.startswith("drained by ours since 2")
    assert visitor.ask("forget") == {"done": "forget", "tracker": None, "since": None, "text": "nobody drained it"}
    assert queue.serve().greeting["drainer"] is None
    assert queue.events() == ["A"]


def test_who_is_forgotten_goes_on_until_another_tracker_opens(queue: Queue) -> None:
    """One that lives must not be thrown out, or it would be back, and first, before the other one tries again."""
    queue.add("A")
    ours = queue.serve(opened_by="ours")
    queue.serve().ask("forget")

    assert taken(ours.ask("take", max=1)) == ["A"]
    theirs = queue.serve(opened_by="theirs")

    assert ours.ask("confirm", through=1, nonce="n")["error"] == "superseded"
    assert queue.serve().ask("open", tracker="ours")["tracker"] == "theirs"
    assert taken(theirs.ask("take", max=1)) == ["A"]


# ------------------------------------------------------------------------------------------------ another file


def replace_by_new(queue: Queue, keep: Path) -> None:
    queue.path.unlink()
    queue.add("NEW")


def replace_by_older_copy(queue: Queue, keep: Path) -> None:
    shutil.copyfile(keep, keep.with_suffix(".new"))
    keep.with_suffix(".new").rename(queue.path)


def restore_in_place(queue: Queue, keep: Path) -> None:
    queue.path.write_bytes(keep.read_bytes())


def move_away(queue: Queue, keep: Path) -> None:
    queue.path.rename(keep.with_suffix(".moved"))


def overwrite_with_nonsense(queue: Queue, keep: Path) -> None:
    queue.path.write_bytes(b"nonsense" * 5000)


def truncate(queue: Queue, keep: Path) -> None:
    queue.path.write_bytes(b"")


@pytest.mark.parametrize(
    "change",
    [replace_by_new, replace_by_older_copy, restore_in_place, move_away, overwrite_with_nonsense, truncate],
)
@pytest.mark.parametrize("moment", ["take", "confirm", "ping", "waiting"])
def test_a_file_that_is_not_the_one_that_was_opened_is_noticed(
    one_queue: Queue, tmp_path: Path, change: Callable[[Queue, Path], None], moment: str
) -> None:
    """Whoever restores a backup does not tell the tracker. serve ends with 3, and the next greeting shows it."""
    one_queue.add("A", "B")
    keep = tmp_path / "keep"
    shutil.copyfile(one_queue.path, keep)
    serve = one_queue.serve(opened_by="t")
    serve.ask("take", max=1)
    serve.ask("confirm", through=1, nonce="n1")
    assert taken(serve.ask("take", max=1)) == ["B"]

    if moment == "waiting":
        serve.send(b'{"do": "take", "max": 1, "wait": 20, "after": 50}\n')
    change(one_queue, keep)
    if moment == "take":
        serve.send(b'{"do": "take", "max": 1}\n')
    elif moment == "confirm":
        serve.send(b'{"do": "confirm", "through": 2, "nonce": "n2"}\n')
    elif moment == "ping":
        serve.send(b'{"do": "ping"}\n')

    assert serve.answer()["error"] == "queue-changed"
    assert serve.read() is None
    assert serve.process.wait(20) == 3


def test_another_file_is_noticed_at_once_though_its_jobs_keep_waking_who_waits(queue: Queue, tmp_path: Path) -> None:
    """Right after a confirmation, too, when serve knows without a look that its own file is empty."""
    queue.add("A")
    serve = queue.serve(opened_by="t")
    serve.ask("take", max=9)
    serve.ask("confirm", through=9, nonce="n")
    serve.send(b'{"do": "take", "max": 9, "wait": 29}\n')
    answers = []
    reader = threading.Thread(target=lambda: answers.append((serve.answer(25), time.monotonic())))
    reader.start()

    queue.path.rename(tmp_path / "away")
    queue.add("B")
    began = time.monotonic()
    while reader.is_alive() and time.monotonic() < began + 8:
        with open(f"{queue.path}.wake", "wb", buffering=0) as fifo:
            fifo.write(b"\n")
        reader.join(0.1)
    reader.join()

    [(answer, at)] = answers
    assert (answer["error"], at - began < 7) == ("queue-changed", True)


def test_what_a_restored_copy_brings_back_is_taken_again_with_its_uids(queue: Queue, tmp_path: Path) -> None:
    """By the nonce the tracker sees that it was restored; by the uids it knows what it has counted already."""
    queue.add("A", "B")
    uids = [message["uid"] for message in queue.messages()]
    shutil.copyfile(queue.path, tmp_path / "keep")
    serve = queue.serve(opened_by="t")
    serve.ask("take", max=9)
    serve.ask("confirm", through=2, nonce="n1")
    serve.end()

    restore_in_place(queue, tmp_path / "keep")
    queue.add("C")

    again = queue.serve(opened_by="t")
    assert again.greeting["nonce"] is None
    messages = again.ask("take", max=9)["messages"]
    assert [message["event"] for message in messages] == ["A", "B", "C"]
    assert [message["uid"] for message in messages][:2] == uids


def test_a_confirm_never_removes_another_message_that_has_got_the_same_id(queue: Queue, tmp_path: Path) -> None:
    """Restored between take and confirm: lease and nonce are the same, and the id belongs to a new message."""
    queue.add("A")
    serve = queue.serve(opened_by="t")
    shutil.copyfile(queue.path, tmp_path / "keep")
    queue.add("B")
    assert taken(serve.ask("take", max=9)) == ["A", "B"]

    restore_in_place(queue, tmp_path / "keep")
    queue.add("C")
    answer = serve.ask("confirm", through=2, nonce="n")

    assert answer["error"] == "queue-changed"
    assert queue.events() == ["A", "C"]


def test_an_older_lease_that_comes_back_is_not_ours(queue: Queue, tmp_path: Path) -> None:
    """The copy's lease is counted up to the same number by a newer serve; the random token tells them apart."""
    queue.add("A")
    shutil.copyfile(queue.path, tmp_path / "keep")
    old = queue.serve(opened_by="t")
    old.ask("take", max=9)

    restore_in_place(queue, tmp_path / "keep")
    new = queue.serve(opened_by="t")

    assert old.ask("confirm", through=1, nonce="n")["error"] == "queue-changed"
    assert taken(new.ask("take", max=9)) == ["A"]


# ------------------------------------------------------------------------------------------------ busy


def test_a_locked_queue_is_busy_and_the_session_goes_on(queue: Queue) -> None:
    """The tracker asks again; nothing that was taken is forgotten."""
    queue.add("A")
    serve = queue.serve(opened_by="t")
    serve.ask("take", max=9)

    with queue.lock():
        take = serve.ask("take", max=9)
        confirm = serve.ask("confirm", through=1, nonce="n")

    assert (take["error"], confirm["error"]) == ("queue-busy", "queue-busy")
    assert serve.ask("confirm", through=1, nonce="n")["removed"] == 1


def test_a_full_disk_is_busy_and_the_confirm_can_be_repeated(shared_queue: Queue, small_disk: Path) -> None:
    """Even deleting needs room, for the journal."""
    shared_queue.path = small_disk / "queue" / "q.sqlite"
    shared_queue.add("A")
    serve = shared_queue.serve(opened_by="t")
    assert taken(serve.ask("take", max=9)) == ["A"]
    filler = small_disk / "filler"
    subprocess.run(["dd", "if=/dev/zero", f"of={filler}", "bs=1k"], capture_output=True, check=False)

    refused = serve.ask("confirm", through=1, nonce="n")
    filler.unlink()
    confirmed = serve.ask("confirm", through=1, nonce="n")

    assert refused["error"] == "queue-busy"
    assert "no room left" in refused["text"]
    assert confirmed["removed"] == 1


def test_five_thousand_messages_are_taken_and_confirmed_at_once(queue: Queue) -> None:
    """A backlog is drained in takes of thousands, in order, each message once."""
    lines = [json.dumps({**GOOD, "event": f"E{number}"}) for number in range(20_000)]
    assert queue.run("add", "-j", "-", input="\n".join(lines).encode()).returncode == 0
    serve = queue.serve(opened_by="t")

    events, takes = [], 0
    while messages := serve.ask("take", max=5000)["messages"]:
        takes += 1
        ids = [message["_id"] for message in messages]
        assert serve.ask("confirm", through=ids[-1], nonce=f"n{ids[-1]}")["removed"] == len(ids)
        events += [message["event"] for message in messages]

    assert events == [f"E{number}" for number in range(20_000)]
    assert takes == 4


def test_a_tracker_that_closes_its_end_makes_no_noise(queue: Queue) -> None:
    """serve runs under sshd: a traceback at each restart of the tracker would end in somebody's mail."""
    serve = queue.serve(opened_by="t")
    serve.stdout.close()

    serve.send(b'{"do": "ping"}\n')

    assert serve.process.wait(20) == 0
    with closing(serve.stderr) as stderr:
        assert stderr.read() == b""


def test_a_message_that_fills_a_line_to_the_byte_holds_up_nothing(one_queue: Queue) -> None:
    """One byte more was cut and one less fitted; this one did neither, and the queue stood still before it."""
    one_queue.add("A")
    insert = "INSERT INTO messages (uid, timestamp, instance, job, event, message) VALUES ('u', 1.0, 'P', 'J', 'B', ?)"
    with closing(sqlite3.connect(str(one_queue.path))) as connection, connection:
        connection.execute(insert, ("",))
    bare = len(json.dumps(one_queue.messages()[-1], separators=(",", ":")))
    serve = one_queue.serve(opened_by="t")

    for size in range((1 << 20) - 1000 - 2, (1 << 20) - 1000 + 3):
        with closing(sqlite3.connect(str(one_queue.path))) as connection, connection:
            connection.execute("UPDATE messages SET message = ? WHERE uid = 'u'", ("x" * (size - bare),))
        assert taken(serve.ask("take", max=9, after=1)) == ["B"]


def test_rows_that_somebody_wrote_past_add_hold_up_nothing(queue: Queue) -> None:
    """Bytes for text, a text and a uid that are no UTF-8, a row longer than a line: all are given out and removed."""
    queue.add("A")
    insert = "INSERT INTO messages (uid, timestamp, instance, job, event, message) VALUES (?, ?, ?, ?, ?, ?)"
    with closing(sqlite3.connect(str(queue.path))) as connection, connection:
        connection.execute(insert, ("blob", 1.0, "P", "LOAD", "B", b"\xff\xfe"))
        connection.execute(insert.replace("?, ?, ?, ?, ?, ?", "CAST(X'DF' AS TEXT), 1.0, 'P', 'LOAD', 'C', 'x'"))
        connection.execute(insert, ("long", 1.0, "P", "LOAD", "D", "x" * 2_000_000))
    queue.add("E")
    serve = queue.serve(opened_by="t")

    events: list[str] = []
    while len(events) < 5:
        answer = serve.ask("take", max=9, after=len(events))
        assert answer["messages"], answer
        events += taken(answer)

    assert events == ["A", "B", "C", "D", "E"]
    assert serve.ask("confirm", through=5, nonce="n")["removed"] == 5
    assert queue.events() == []
