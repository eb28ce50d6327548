"""The events file: filled by number, with gaps named, and readable by another user whatever its writer does."""

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from running import in_memory, missing

from job_tracker.errors import StoreFailed
from job_tracker.events import file as file_module
from job_tracker.events.file import EventsFile
from job_tracker.events.layout import Row
from job_tracker.events.reading import EventsReader, EventsUnreadable
from job_tracker.moments import DAY, MICROSECONDS

NOW = 1_763_942_400 * MICROSECONDS
FIRST = 1000

BECOME = "import os; os.setgroups([]); os.setgid(0); os.setuid(65534)"
"""A user in the file's group, once what a Python of root's has to import is imported."""

READ = f"""
import json, sys
from pathlib import Path
from job_tracker.events.reading import EventsReader
{BECOME}
reader = EventsReader(Path(sys.argv[1]))
for line in sys.stdin:
    print(json.dumps([reader.has_changed(), [each["seq"] for each in reader.after(int(line))]]), flush=True)
"""

HOLD = """
import sqlite3, sys
BECOME
connection = sqlite3.connect("file:" + sys.argv[1] + "?mode=ro", uri=True, isolation_level=None)
connection.execute("SELECT count(*) FROM events").fetchone()
if sys.argv[2] == "transaction":
    connection.execute("BEGIN")
    connection.execute("SELECT count(*) FROM events").fetchone()
print("holds", flush=True)
sys.stdin.read()
""".replace("BECOME", BECOME)

WRITE = """
import sys
from pathlib import Path
from job_tracker.events.file import EventsFile
file = EventsFile(Path(sys.argv[1]), "t1")
file.keep, file.most = 1 << 60, 1 << 60
file.open()
for line in sys.stdin:
    word, number = line.split()
    if word == "add":
        file.take([(int(number), 1, 1, "job.added", "A__P", None, 0, None, "{}")], 1)
    elif word == "close":
        file.close()
    print(word, flush=True)
"""


def row(seq: int, created: int = NOW, kind: str = "job.added", doc: str = "{}") -> Row:
    return (seq, created, created, kind, "LOAD__P", None, 0, None, doc)


def opened(path: Path, tracker: str = "t1") -> EventsFile:
    file = EventsFile(path, tracker)
    file.keep, file.most = 30 * DAY, 512_000_000
    file.open()
    return file


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory as /var/lib/job_tracker is: everybody may pass, nobody but its owner may write."""
    with in_memory() as made:
        made.chmod(0o751)
        yield made / "events.sqlite"


# --- filled by number -------------------------------------------------------------------------------------------------


def test_a_file_begins_with_what_it_does_not_hold(place: Path) -> None:
    """Who comes with a number of before is told that nothing can be said of what lies between."""
    file = opened(place)

    file.take([row(FIRST), row(FIRST + 1)], NOW)

    gap, *told = EventsReader(place).after(0)
    assert (gap["seq"], gap["kind"], gap["from"], gap["to"]) == (FIRST - 1, "gap", 0, FIRST - 1)
    assert [each["seq"] for each in told] == [FIRST, FIRST + 1]


def test_numbers_that_the_ledger_knows_no_more_are_named(place: Path) -> None:
    """The disk was full for longer than the ledger keeps: it is said, at the place where it lies."""
    file = opened(place)
    file.take([row(FIRST)], NOW)

    file.take([row(FIRST + 50)], NOW)

    gap = EventsReader(place).after(FIRST)[0]
    assert (gap["kind"], gap["from"], gap["to"]) == ("gap", FIRST + 1, FIRST + 49)


def test_a_gap_that_the_ledger_names_itself_is_named_once(place: Path) -> None:
    """A store that was put back jumps, and says so in a row of its own."""
    file = opened(place)
    file.take([row(FIRST)], NOW)

    file.take([row(FIRST + 50, kind="gap", doc=json.dumps({"from": FIRST + 1, "to": FIRST + 50, "why": "x"}))], NOW)

    assert [each["seq"] for each in EventsReader(place).after(FIRST)] == [FIRST + 50]


def test_a_file_that_was_removed_is_made_again(place: Path) -> None:
    """The writer sees that it writes into a file that has no name any more, and what is new goes into a new one."""
    file = opened(place)
    file.take([row(FIRST)], NOW)
    place.unlink()

    file.open()
    last = file.last
    file.take([row(FIRST + 1)], NOW)

    assert last == 0
    assert [each["seq"] for each in EventsReader(place).after(0)] == [FIRST, FIRST + 1]


def test_old_events_go_in_bites_and_the_file_says_from_when_on_it_knows(place: Path) -> None:
    """Thirty days of events at once would stall the daemon; what is gone is named at the file's beginning."""
    file = opened(place)
    file.take([row(FIRST + at, NOW) for at in range(1200)], NOW)

    file.take([row(FIRST + 1200, NOW + 31 * DAY)], NOW + 31 * DAY)
    once = EventsReader(place).after(0, 2000)
    for at in range(1201, 1205):
        file.take([row(FIRST + at, NOW + 31 * DAY)], NOW + 31 * DAY)

    assert 700 <= len(once) <= 703
    gap, *told = EventsReader(place).after(0, 2000)
    assert (gap["kind"], gap["from"], gap["to"], gap["seq"]) == ("gap", 0, told[0]["seq"] - 1, told[0]["seq"] - 1)
    assert [each["seq"] for each in told] == [FIRST + at for at in range(1200, 1205)]


def test_what_was_let_go_is_not_counted_after_a_restart(place: Path) -> None:
    """The file stays as long as it ever was: after a night with many events each start would let go of good ones."""
    file = opened(place)
    file.take([row(FIRST + at, NOW, doc=json.dumps({"text": "x" * 400})) for at in range(2000)], NOW)
    later = NOW + 31 * DAY
    for at in range(2000, 2010):
        file.take([row(FIRST + at, later)], later)
    file.close()
    longest = place.stat().st_size // 2

    again = EventsFile(place, "t1")
    again.keep, again.most = 30 * DAY, longest
    again.open()
    again.take([row(FIRST + 2010, later)], later)

    assert [each["seq"] for each in EventsReader(place).after(0, 5000)[1:]] == [FIRST + at for at in range(2000, 2011)]


def test_a_reader_who_never_lets_go_does_not_fill_the_disk(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing written can go into the file while he reads: a new one is begun, and he keeps his."""
    monkeypatch.setattr(file_module, "WAL_MOST", 200_000)
    file = opened(place)
    file.take([row(1)], NOW)
    reader = sqlite3.connect(file.path, isolation_level=None)
    reader.execute("BEGIN")
    before = reader.execute("SELECT max(seq) FROM events").fetchall()
    sizes = []

    for seq in range(2, 400):
        file.open()
        file.take([row(seq, doc="x" * 4000)], NOW)
        sizes.append(Path(f"{file.path}-wal").stat().st_size)

    assert max(sizes) < 2 * 200_000
    assert reader.execute("SELECT max(seq) FROM events").fetchall() == before
    with closing(sqlite3.connect(file.path)) as fresh:
        [(first, kind)] = fresh.execute("SELECT seq, kind FROM events ORDER BY seq LIMIT 1").fetchall()
        assert (kind, fresh.execute("SELECT max(seq) FROM events").fetchone()) == ("gap", (399,))
        assert first > 1
    reader.close()
    file.close()


def test_a_strangers_file_is_left_alone(place: Path) -> None:
    """A slip in the configuration must not cost somebody else's data."""
    with closing(sqlite3.connect(place)) as connection:
        connection.execute("CREATE TABLE precious (x)")

    with pytest.raises(StoreFailed, match="is not an events file"):
        opened(place)

    with closing(sqlite3.connect(place)) as connection:
        assert connection.execute("SELECT count(*) FROM precious").fetchone() == (0,)


def test_the_file_is_for_its_group(place: Path) -> None:
    """Events tell what the view tells, to the same people."""
    opened(place).take([row(FIRST)], NOW)

    modes = {each.name: each.stat().st_mode & 0o777 for each in place.parent.iterdir()}

    assert modes == {"events.sqlite": 0o640, "events.sqlite-wal": 0o640, "events.sqlite-shm": 0o640}


def test_a_missing_file_is_said_with_what_to_do(place: Path) -> None:
    """Who asks too early, or of a tracker that keeps no log, is not left with SQLite's words."""
    with pytest.raises(EventsUnreadable, match="there is no such file; the daemon makes it at its start"):
        EventsReader(place)


# --- a reader of another user -----------------------------------------------------------------------------------------


class Other:
    """A process of another user, who is in the file's group and may read it and nothing else."""

    def __init__(self, program: str, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", program, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
        )

    def read(self) -> str:
        """Its next line."""
        assert self.process.stdout is not None
        return self.process.stdout.readline()

    def after(self, seq: int) -> list[int]:
        """What it reads behind a number."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{seq}\n")
        line = self.read()
        assert line, "it ended"
        found: list[int] = json.loads(line)[1]
        return found

    def end(self) -> None:
        """Let it go."""
        self.process.communicate()


class Writer:
    """The daemon's part, in a process that can be killed."""

    def __init__(self, path: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", WRITE, str(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
        )

    def does(self, word: str, number: int = 0) -> None:
        """Let it do something, and wait until it has."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{word} {number}\n")
        assert self.process.stdout.readline().strip() == word

    def kill(self) -> None:
        """As a power cut does."""
        self.process.kill()
        self.process.communicate()

    def stop(self) -> None:
        """As it ends by itself."""
        self.does("close")
        self.process.communicate()


Start = Callable[..., Other]


@pytest.fixture
def others() -> Iterator[Start]:
    """Starts processes of the other user, and leaves none behind."""
    if os.geteuid() != 0:
        missing("needs root, to be somebody else")
    started: list[Other] = []

    def start(program: str, *arguments: str) -> Other:
        started.append(Other(program, *arguments))
        return started[-1]

    yield start
    for each in started:
        each.process.kill()
        each.process.communicate()


@pytest.fixture
def writer(place: Path) -> Iterator[Writer]:
    made = Writer(place)
    made.does("add", FIRST)
    yield made
    made.process.kill()
    made.process.communicate()


def test_while_the_daemon_writes_another_user_reads(place: Path, writer: Writer, others: Start) -> None:
    """What is committed is seen by who was there, and by who comes."""
    early = others(READ, str(place))
    assert early.after(FIRST - 1) == [FIRST]

    writer.does("add", FIRST + 1)

    assert early.after(FIRST - 1) == [FIRST, FIRST + 1]
    assert others(READ, str(place)).after(FIRST - 1) == [FIRST, FIRST + 1]


def test_after_the_daemon_was_killed_another_user_reads(place: Path, writer: Writer, others: Start) -> None:
    """The journal it left cannot be folded into the file by who may not write, but it can be read."""
    early = others(READ, str(place))
    early.after(0)

    writer.kill()

    assert early.after(FIRST - 1) == [FIRST]
    assert others(READ, str(place)).after(FIRST - 1) == [FIRST]


def test_after_a_stop_with_no_reader_another_user_reads(place: Path, writer: Writer, others: Start) -> None:
    """Without -wal and -shm a file in WAL mode could not be opened by who may not make them."""
    writer.stop()

    assert [each.name for each in place.parent.iterdir()] == ["events.sqlite"]
    assert others(READ, str(place)).after(FIRST - 1) == [FIRST]


@pytest.mark.parametrize("how", ["idle", "transaction"])
def test_a_stop_waits_for_no_reader_and_disturbs_none(place: Path, writer: Writer, others: Start, how: str) -> None:
    """Who holds the file open, or is in the midst of reading, goes on; who comes reads as well."""
    early = others(READ, str(place))
    early.after(0)
    holder = others(HOLD, str(place), how)
    assert holder.read() == "holds\n"

    writer.stop()

    assert early.after(FIRST - 1) == [FIRST]
    assert others(READ, str(place)).after(FIRST - 1) == [FIRST]


def test_a_reader_follows_into_a_file_that_is_made_anew(place: Path, writer: Writer, others: Start) -> None:
    """It was removed, and its writer makes another one: the reader sees the change and goes on there."""
    early = others(READ, str(place))
    early.after(0)
    writer.stop()
    place.unlink()

    again = Writer(place)
    again.does("add", FIRST + 7)

    assert early.after(FIRST) == [FIRST + 6, FIRST + 7]
    again.kill()


def test_a_reader_goes_on_with_the_next_daemon(place: Path, writer: Writer, others: Start) -> None:
    """Stop and start under a reader that holds its connection all the time."""
    early = others(READ, str(place))
    early.after(0)
    writer.stop()

    again = Writer(place)
    again.does("add", FIRST + 1)

    assert early.after(FIRST) == [FIRST + 1]
    again.kill()
