"""The verbs of message-queue.py that people and jobs use, and what they take and refuse."""

import ast
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from queue_tool import Queue, piped

from job_tracker.core.messages import UID_LIMIT, uid_from

GOOD = {"instance": "P", "job": "LOAD_DWH", "event": "STARTED"}


def test_a_message_added_as_json_is_listed_with_id_uid_and_time(queue: Queue) -> None:
    """The plainest use, word for word as the manual has it."""
    before = time.time()

    added = queue.run("add", "-j", json.dumps({**GOOD, "message": "text"}))

    assert (added.returncode, added.stdout, added.stderr) == (0, b"", b"")
    (message,) = queue.messages()
    assert before - 1e-6 <= message.pop("timestamp") <= time.time()
    assert len(message.pop("uid")) == 32
    assert message == {"_id": 1, **GOOD, "message": "text"}


def test_a_message_added_by_options_is_the_same_as_one_added_as_json(queue: Queue) -> None:
    """Shell scripts should not have to build JSON."""
    everything = {**GOOD, "message": "t", "run": "r1", "exit_code": -3, "timestamp": 1700000000.123456, "uid": "u1"}
    options = [f"--{key.replace('_', '-')}={value}" for key, value in everything.items()]

    assert queue.run("add", *options).returncode == 0

    assert queue.messages() == [{"_id": 1, **everything}]


def test_messages_come_from_stdin_one_per_line_and_in_that_order(queue: Queue) -> None:
    """`-j -` is for producers with much to say; blank lines and a byte order mark are no messages."""
    lines = b"\xef\xbb\xbf" + b"\n\n".join(json.dumps({**GOOD, "event": f"E{n}"}).encode() for n in range(2500))

    assert queue.run("add", "-j", "-", input=lines).returncode == 0

    assert queue.events() == [f"E{n}" for n in range(2500)]


def test_one_object_over_several_lines_on_stdin_is_one_message(queue: Queue) -> None:
    """`jq .` writes it like that."""
    assert queue.run("add", "-j", "-", input=json.dumps(GOOD, indent=2).encode()).returncode == 0

    assert queue.events() == ["STARTED"]


def test_what_list_prints_can_be_added_to_another_queue_and_again(queue: Queue, tmp_path: Path) -> None:
    """This moves a queue to another file; the uid keeps a message from being stored twice."""
    queue.add("A", "B")
    printed = queue.run("list").stdout
    other = type(queue)(queue.python, tmp_path / "other" / "q.sqlite")

    for _ in range(2):
        assert other.run("add", "-j", "-", input=printed).returncode == 0

    uids = [message["uid"] for message in queue.messages()]
    assert [message["uid"] for message in other.messages()] == uids


def test_one_wrong_line_on_stdin_is_named_and_nothing_is_stored(queue: Queue) -> None:
    """All or nothing, or nobody knows what to send again."""
    queue.add("BEFORE")
    lines = [json.dumps(GOOD)] * 3 + [""] + [json.dumps({**GOOD, "job": 7})] + [json.dumps(GOOD)]

    done = queue.run("add", "-j", "-", input="\n".join(lines).encode())

    assert done.returncode == 2
    assert "stdin, line 5: job must be a text" in queue.unlabelled(done.stderr)
    assert queue.events() == ["BEFORE"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "not JSON"),
        ("{", "not JSON"),
        ("[[]]", "stdin, element 1: not a JSON object"),
        ('"text"', "not a JSON object"),
        ('{"instance": "P", "job": "J"}', "event must be a text"),
        (json.dumps({**GOOD, "job": ""}), "job must be a text that is not empty"),
        (json.dumps({**GOOD, "job": 7}), "job must be a text"),
        (json.dumps({**GOOD, "job": "x" * 1001}), "job is longer than"),
        ("[" * 100_000, "nested too deeply"),
        ('{"a":' * 100_000, "nested too deeply"),
    ],
    ids=range(10),
)
def test_input_that_is_no_message_is_refused_in_one_clear_line(queue: Queue, text: str, reason: str) -> None:
    """Hostile or merely wrong: exit code 2, the reason, and no trace in the queue."""
    queue.add("BEFORE")

    done = queue.run("add", "-j", "-", input=text.encode() or b"\n")

    assert done.returncode == 2
    assert reason in queue.unlabelled(done.stderr) or (not text and "nothing there" in queue.unlabelled(done.stderr))
    assert queue.events() == ["BEFORE"]


@pytest.mark.parametrize(
    ("key", "value", "reason"),
    [
        ("exit_code", "1.5", "exit_code must be a whole number"),
        ("exit_code", "1099511627776", "exit_code must be a whole number"),
        ("exit_code", '""', "exit_code must be a whole number"),
        ("timestamp", "true", "timestamp must be a number"),
        ("timestamp", '"1700000000"', "timestamp must be a number"),
        ("timestamp", "-1", "timestamp must be a number"),
        ("timestamp", "1700000000000", "timestamp must be a number"),
        ("timestamp", "NaN", "timestamp must be a number"),
        ("timestamp", "Infinity", "timestamp must be a number"),
        ("timestamp", "1e999", "timestamp must be a number"),
        ("timestamp", "9" * 5000, "timestamp must be a number"),
        ("message", '["x"]', "message must be text"),
        ("message", "[" * 500 + "]" * 500, "message must be text"),
        ("run", '""', "run must be a text that is not empty"),
        ("run", json.dumps("x" * 1001), "run is longer than"),
        ("uid", "7", "uid must be a text"),
    ],
    ids=range(16),
)
def test_an_odd_value_costs_itself_and_not_the_report(queue: Queue, key: str, value: str, reason: str) -> None:
    """The script that fails is the one whose variables are not set: its failure must not be thrown away for that."""
    given = json.dumps({**GOOD, "run": "r", "exit_code": 3, "uid": "u"})[:-1] + f', "{key}": {value}}}'

    done = queue.run("add", "-j", "-", input=given.encode())

    (message,) = queue.messages()
    assert done.returncode == 0
    assert reason in queue.unlabelled(done.stderr)
    assert message["message"].startswith(f"[odd {key}: ")
    assert {**message, **GOOD} == message
    assert {"run": "r", "exit_code": 3}.items() - message.items() <= {(key, 3), (key, "r")}
    assert abs(message["timestamp"] - time.time()) < 60
    assert len(json.dumps(message)) < 1000


@pytest.mark.parametrize(
    "options",
    [
        ["--exit-code", ""],
        ["--exit-code"],
        ["--exit-code", "--run", "r"],
        ["--exit-code", "three"],
        ["--exit-code", "1_0"],
        ["--timestamp", ""],
        ["--timestamp", "yesterday"],
        ["--uid", ""],
        ["--run", "", "--exit-code", "3"],
        ["--exitcode", "3"],
        ["--exit-code", "3", "two", "words"],
    ],
    ids=range(11),
)
def test_an_odd_option_costs_itself_and_not_the_report(queue: Queue, options: list[str]) -> None:
    """`--exit-code "$UNSET"`, `--exit-code $UNSET`, a slip of the pen: stored, in the text, and on stderr."""
    done = queue.run("add", "--instance", "P", "--job", "J", "--event", "ERROR", "--message", "text", *options)

    (message,) = queue.messages()
    assert done.returncode == 0
    assert queue.unlabelled(done.stderr)
    assert message["event"] == "ERROR"
    assert message["message"].startswith("text [odd ")


def test_an_option_that_is_left_without_a_value_is_an_empty_one(queue: Queue) -> None:
    """`--message $UNSET` is no reason to say anything."""
    done = queue.run("add", "--instance", "P", "--job", "J", "--event", "ERROR", "--message")

    assert (done.returncode, done.stderr) == (0, b"")
    assert queue.messages()[0]["message"] == ""


def test_a_text_that_begins_with_a_dash_is_a_text(queue: Queue) -> None:
    """What a program says of itself is not for the caller to choose."""
    for text in ("--- 3 errors ---", "-1", "-", "--message-of-mine"):
        done = queue.run("add", "--instance", "P", "--job", "J", "--event", "ERROR", "--message", text, "--run", "r")
        assert (done.returncode, done.stderr) == (0, b"")
        assert (queue.messages()[-1]["message"], queue.messages()[-1]["run"]) == (text, "r")


def test_a_uid_is_never_longer_than_the_tracker_remembers(queue: Queue) -> None:
    """A longer one is stored as its hash: the same again is the same message, here and for the tracker."""
    for uid in ("x" * 200, "x" * 201, "x" * 5000, "x" * 5000):
        added = queue.run("add", "-j", json.dumps({**GOOD, "uid": uid}))
        assert (added.returncode, added.stderr) == (0, b"")

    uids = [message["uid"] for message in queue.messages()]
    assert uids == ["x" * 200, *(uid_from("x" * length) for length in (201, 5000))]
    assert max(map(len, uids)) <= UID_LIMIT


def test_keys_of_later_versions_are_stored_and_handed_on_unread(queue: Queue, tmp_path: Path) -> None:
    """`list` of a newer queue is input for an older tool; a slip of the pen looks the same and is said."""
    usage = {"user_sec": 1.5, "deep": [{"a": None}]}
    known = queue.run("add", "-j", json.dumps({**GOOD, "usage": usage}))
    unknown = queue.run("add", "-j", json.dumps({**GOOD, "later\n\x1b[31m": [1, "\ud800"], "exitcode": 3}))
    other = type(queue)(queue.python, tmp_path / "other" / "q.sqlite")
    other.run("add", "-j", "-", input=queue.run("list").stdout)

    assert (known.returncode, known.stderr, unknown.returncode) == (0, b"", 0)
    assert b"unknown key 'exitcode' is stored and handed on" in unknown.stderr
    assert unknown.stderr.isascii()
    first, second = queue.messages()
    assert first["usage"] == usage
    assert (second["later\n\x1b[31m"], second["exitcode"]) == ([1, "\ud800"], 3)
    assert other.messages() == [first, second]


def test_further_keys_beyond_reason_cost_themselves(queue: Queue) -> None:
    """A message stays below 64 KiB, whatever its producer adds."""
    done = queue.run("add", "-j", "-", input=json.dumps({**GOOD, "usage": "x" * 9000, "message": "m"}).encode())

    assert done.returncode == 0
    assert "without its further keys" in queue.unlabelled(done.stderr)
    assert queue.messages()[0]["message"] == "m"
    assert "usage" not in queue.messages()[0]


@pytest.mark.parametrize(
    "path", ["~/q.sqlite", "$HOME/q.sqlite", "${HOME}/q.sqlite", "~nobody-of-this-name/q", "$NOT_SET/q"]
)
@pytest.mark.parametrize("verb", ["add", "list", "serve"])
def test_a_path_that_nothing_has_expanded_is_refused_with_what_to_write(
    one_queue: Queue, tmp_path: Path, path: str, verb: str
) -> None:
    """`--file=~/q` makes a directory called ~ under most shells, and everything in it looks right."""
    words = ["-j", json.dumps(GOOD)] if verb == "add" else []
    tool = [one_queue.python, "-I", str(one_queue.tool)]

    done = subprocess.run([*tool, f"--file={path}", verb, *words], capture_output=True, check=False, cwd=tmp_path)

    assert done.returncode == 2
    said = one_queue.unlabelled(done.stderr)
    assert (f"write {Path.home()}/q.sqlite" if "q.sqlite" in path else "write the whole path") in said
    assert list(tmp_path.iterdir()) == []


def test_a_path_that_nothing_has_expanded_costs_the_notes_and_not_the_job(one_queue: Queue, tmp_path: Path) -> None:
    """Behind `run` the command comes first."""
    tool = [one_queue.python, "-I", str(one_queue.tool)]
    job = ["run", "--instance", "P", "--job", "J", "--", "sh", "-c", "exit 3"]

    done = subprocess.run([*tool, "--file=~/q", *job], capture_output=True, check=False, cwd=tmp_path)

    assert done.returncode == 3
    assert "not noted: ~/q: nothing has expanded the ~" in one_queue.unlabelled(done.stderr)
    assert list(tmp_path.iterdir()) == []


def test_the_file_may_be_named_before_or_after_the_verb(queue: Queue) -> None:
    """`add -f QUEUE` is what half of all people write first."""
    tool = [queue.python, "-I", str(queue.tool)]
    words = ["--instance", "P", "--job", "J", "--event", "E"]
    run = ["run", "-f", str(queue.path), "--instance", "P", "--job", "J", "--", "true"]

    codes = [
        subprocess.run([*tool, "add", "-f", str(queue.path), *words], check=False).returncode,
        subprocess.run([*tool, "add", *words, f"--file={queue.path}"], check=False).returncode,
        subprocess.run([*tool, "-f", str(queue.path), "add", *words], check=False).returncode,
        subprocess.run([*tool, *run], check=False).returncode,
    ]

    assert codes == [0, 0, 0, 0]
    assert len(queue.messages()) == 5
    assert subprocess.run([*tool, "add", *words], capture_output=True, check=False).returncode == 2


def test_moments_have_a_readable_time_beside_them(queue: Queue) -> None:
    """Nobody reads epoch seconds at night; programs take --json."""
    queue.run("add", "-j", json.dumps({**GOOD, "timestamp": 1700000000}))

    lines = queue.run("stats", env={"TZ": "UTC", "PATH": os.environ["PATH"]}).stdout.decode("ascii")

    assert re.search(r"oldest_timestamp +1700000000\.0  \(2023-11-14 22:13:20 \+0000, \d+ days ago\)\n", lines)


def test_lone_surrogates_and_control_characters_are_taken_as_text(queue: Queue) -> None:
    """A text is never a reason to lose a message; what is no character becomes the replacement character."""
    given = '{"instance": "P", "job": "J", "event": "E", "message": "a\\ud800b\\u0000c\\n<<<\\ud83d\\ude00"}'

    assert queue.run("add", "-j", given).returncode == 0

    assert queue.messages()[0]["message"] == "a�b\x00c\n<<<\U0001f600"


@pytest.mark.parametrize("locale", ["C", "POSIX", "C.UTF-8"])
def test_any_bytes_in_the_arguments_are_taken_under_any_locale(queue: Queue, locale: str) -> None:
    """cron runs jobs under LC_ALL=C, where Python before 3.7 takes the arguments for ASCII."""
    environment = {"LC_ALL": locale, "PATH": os.environ["PATH"]}
    options = [b"--instance", b"P", b"--job", "Stra\u00dfe".encode(), b"--event", b"E", b"--message", b"\xdf \xc3\x9f"]

    added = queue.run("add", *options, env=environment)
    as_json = queue.run("add", "-j", json.dumps({**GOOD, "message": "\u00df"}, ensure_ascii=False), env=environment)

    assert (added.returncode, added.stderr, as_json.returncode, as_json.stderr) == (0, b"", 0, b"")
    printed = queue.run("list", env=environment)
    assert [message["message"] for message in json.loads(printed.stdout.decode("ascii"))] == ["\ufffd \u00df", "\u00df"]
    assert queue.messages()[0]["job"] == "Stra\u00dfe"


@pytest.mark.parametrize("text", ["x" * 70_000, "\u00df" * 30_000, "\U0001f600" * 6_000, "\x00" * 20_000])
def test_a_text_that_makes_the_message_too_long_is_cut_with_a_mark(queue: Queue, text: str) -> None:
    """64 KiB of JSON is the limit; escapes count as what they are in JSON."""
    given = json.dumps({**GOOD, "message": text}, ensure_ascii=False)

    assert queue.run("add", "-j", "-", input=given.encode()).returncode == 0

    (message,) = queue.messages()
    kept = message["message"]
    mark = f"...[cut: {len(text)} characters in all]"
    assert kept.endswith(mark)
    assert text.startswith(kept[: -len(mark)])
    assert 60_000 < len(json.dumps(message)) <= 65_536


def test_a_text_just_short_enough_is_kept_whole(one_queue: Queue) -> None:
    """The limit bites where it says, not earlier."""
    one_queue.run("add", "-j", "-", input=json.dumps({**GOOD, "message": "x" * 65_000}).encode())

    assert one_queue.messages()[0]["message"] == "x" * 65_000


def test_an_empty_queue_is_listed_as_an_empty_array(queue: Queue) -> None:
    """Also `remove` prints JSON, always."""
    queue.add("A")

    assert len(json.loads(queue.run("remove").stdout)) == 1
    assert queue.run("remove").stdout == b"[]\n"
    assert queue.run("list").stdout == b"[]\n"
    assert queue.run("count").stdout == b"0\n"


def test_list_and_remove_are_narrowed_by_id_and_by_time(queue: Queue) -> None:
    """--since takes its own moment in, --before leaves it out: together they are everything, once."""
    for moment in (1000, 2000, 3000):
        queue.run("add", "-j", json.dumps({**GOOD, "timestamp": moment}))

    assert [m["timestamp"] for m in queue.messages("--since", "2000")] == [2000, 3000]
    assert [m["_id"] for m in queue.messages("-i", "2")] == [2]
    assert queue.messages("-i", "9") == []
    assert [m["_id"] for m in json.loads(queue.run("remove", "--before", "2000").stdout)] == [1]
    assert [m["_id"] for m in json.loads(queue.run("remove", "-i", "3").stdout)] == [3]
    assert [m["_id"] for m in queue.messages()] == [2]


def test_list_is_one_line_however_long(one_queue: Queue) -> None:
    """A reader may read one line; the pages it is read in must not show."""
    one_queue.add(*(f"E{number}" for number in range(3210)))

    printed = one_queue.run("list").stdout

    assert printed.count(b"\n") == 1
    assert [message["_id"] for message in json.loads(printed)] == list(range(1, 3211))


def test_an_id_is_never_used_twice(queue: Queue) -> None:
    """Also not after everything was removed and the file was packed: the tracker orders by it."""
    queue.add("A", "B")
    queue.run("remove")
    assert queue.run("vacuum").returncode == 0

    queue.add("C")

    assert [message["_id"] for message in queue.messages()] == [3]


def test_remove_removes_nothing_when_its_output_reaches_nobody(one_queue: Queue) -> None:
    """Printing comes first: a full disk behind `> file` must not cost the messages."""
    one_queue.add("A")

    with open("/dev/full", "wb") as full:
        done = subprocess.run(one_queue.command("remove"), stdout=full, stderr=subprocess.PIPE, check=False)

    assert done.returncode == 1
    assert "No space left" in one_queue.unlabelled(done.stderr)
    assert one_queue.events() == ["A"]


def test_a_reader_that_stops_reading_holds_up_nobody(one_queue: Queue) -> None:
    """`list | less` must not keep a lock while its user reads."""
    one_queue.run("add", "-j", "-", input=b"\n".join([json.dumps({**GOOD, "message": "x" * 5000}).encode()] * 2000))
    reader = subprocess.Popen(one_queue.command("list"), stdout=subprocess.PIPE)
    assert piped(reader.stdout).read(1) == b"["

    added = one_queue.run("add", "-j", json.dumps(GOOD))

    assert (added.returncode, reader.poll()) == (0, None)
    piped(reader.stdout).close()
    assert reader.wait(30) == 1


def test_stats_say_what_there_is_to_know(queue: Queue) -> None:
    """Readable by people, and by programs with --json."""
    queue.add("A", "B")
    queue.serve(opened_by="tracker-1").end()

    facts = json.loads(queue.run("stats", "--json").stdout)

    assert (facts["depth"], facts["lowest_id"], facts["highest_id"], facts["drained_by"]) == (2, 1, 2, "tracker-1")
    assert facts["file_bytes"] == queue.path.stat().st_size
    assert set(facts) == {line.split()[0].decode() for line in queue.run("stats").stdout.splitlines()}


def test_vacuum_gives_the_room_back(one_queue: Queue) -> None:
    """After a long outage of the tracker the file is large for ever otherwise."""
    one_queue.run("add", "-j", "-", input=b"\n".join([json.dumps({**GOOD, "message": "x" * 5000}).encode()] * 100))
    large = one_queue.path.stat().st_size
    one_queue.run("remove")

    assert one_queue.run("vacuum").returncode == 0

    assert one_queue.path.stat().st_size < large / 10


@pytest.mark.parametrize("verb", ["list", "remove", "count", "stats", "vacuum"])
def test_a_queue_that_is_not_there_is_not_an_empty_one(one_queue: Queue, verb: str) -> None:
    """Only add, run and serve make a queue; the others say that the path is wrong."""
    done = one_queue.run(verb)

    assert done.returncode == 1
    assert "there is no queue at" in one_queue.unlabelled(done.stderr)
    assert not one_queue.path.parent.exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        ["list", "-i", "x"],
        ["list", "--since", "nan"],
        ["remove", "--before", "yesterday"],
        ["add", "--exit-code", "1e3"],
        ["add", "-j", "{}", "--job", "x"],
        ["add"],
        ["run", "--instance", "P", "--job", "J"],
        ["run", "--instance", "P", "--job", "J", "--"],
        ["serve", "--idle", "0"],
        ["--mode", "0077", "add"],
        ["--mode", "rwx", "add"],
        [],
    ],
)
def test_a_wrong_command_line_ends_with_2_and_makes_nothing(queue: Queue, arguments: list[str]) -> None:
    """Exit code 2 is the caller's fault, 1 the queue's."""
    done = queue.run(*arguments)

    assert done.returncode == 2
    assert done.stderr
    assert not queue.path.parent.exists()


@pytest.mark.parametrize("verb", [None, "add", "list", "remove", "count", "stats", "vacuum", "run", "serve"])
def test_help_is_a_manual_with_examples_in_plain_ascii(queue: Queue, verb: str | None) -> None:
    """It is read on hosts of other people, under whatever locale."""
    done = queue.run(*([verb] if verb else []), "--help", env={"LC_ALL": "C", "PATH": os.environ["PATH"]})

    assert done.returncode == 0
    assert "message-queue.py -f" in done.stdout.decode("ascii")
    assert [line for line in done.stdout.decode("ascii").splitlines() if len(line) > 80] == []


def test_version_is_that_of_the_package(queue: Queue) -> None:
    """The tracker shows it in its greeting; it must be possible to tell an old copy from a new one."""
    package = (queue.tool.parents[1] / "__init__.py").read_text()

    done = queue.run("--version")

    assert f'__version__ = "{done.stdout.decode().split()[-1]}"' in package


def test_the_file_is_python_3_6_and_imports_the_standard_library_only(one_queue: Queue) -> None:
    """Measured by vermin, which knows since when every name of the library exists."""
    vermin = [sys.executable, "-c", "import vermin; vermin.main()"]

    checked = subprocess.run(
        [*vermin, "-t=3.6-", "--no-tips", "--violations", str(one_queue.tool)], capture_output=True, check=False
    )

    assert checked.returncode == 0, checked.stdout
    tree = ast.parse(one_queue.tool.read_text("ascii"))
    imports = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imports |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert imports <= sys.stdlib_module_names
