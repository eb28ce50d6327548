"""Lines: each whole and exactly once at the end of a file, whatever happens to the writer, the disk and the file."""

import json
import os
import random
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from running import file_system, fill

from job_tracker.shippers import lines
from job_tracker.shippers.lines import LineFile, LinesNotWritten, Mark, number_of

EVENTS = 300


def line(seq: int) -> bytes:
    """A line of some length, always the same for a number."""
    text = "ü" * (seq * 37 % 90)
    return f"job-{seq}+++{json.dumps({'seq': seq, 'text': text})}\n".encode()


class Saved:
    """What a writer saved, as a file beside the log, so that it outlives the writer."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.writer: LineFile | None = None

    def save(self, through: int, mark: Mark) -> None:
        draft = self.path.with_suffix(".new")
        draft.write_text(json.dumps([through, mark.inode, mark.offset, mark.check]))
        draft.rename(self.path)

    def open(self, path: Path, **keys: int) -> LineFile:
        """The next writer; the one before is dead."""
        if self.writer is not None:
            self.writer.close()
        through, inode, offset, check = json.loads(self.path.read_text()) if self.path.exists() else (0, 0, 0, 0)
        self.writer = LineFile(path, through, Mark(inode=inode, offset=offset, check=check), self.save, **keys)
        return self.writer


@pytest.fixture
def saved(tmp_path: Path) -> Saved:
    return Saved(tmp_path / "cursor.json")


def numbers(*paths: Path) -> list[int | None]:
    """The numbers of all lines, None for one that is no whole line of ours."""
    found: list[int | None] = []
    for path in paths:
        content = path.read_bytes()
        assert content.endswith(b"\n") or not content
        for each in content.splitlines(keepends=True):
            number = number_of(each)
            found.append(number if number is not None and each == line(number) else None)
    return found


def batch(begin: int, end: int) -> list[tuple[int, bytes]]:
    return [(seq, line(seq)) for seq in range(begin, end)]


def test_lines_are_at_the_end_of_the_file_and_saved_with_it(tmp_path: Path, saved: Saved) -> None:
    """What was in the file before is somebody's, and the log is for readers of the group alone."""
    path = tmp_path / "events.log"
    path.write_bytes(b"from before, without an end")

    writer = saved.open(path)
    writer.append(batch(1, 4))
    writer.append([], through=9)

    assert path.read_bytes() == b"from before, without an end\n" + line(1) + line(2) + line(3)
    assert json.loads(saved.path.read_text())[0] == 9
    fresh = saved.open(tmp_path / "fresh.log")
    fresh.append(batch(10, 11))
    assert (tmp_path / "fresh.log").stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("cut", [0, 1, 20, len(line(4)) - 1, len(line(4)), len(line(4)) + 1])
def test_what_was_written_and_not_noted_is_found_in_the_file(tmp_path: Path, saved: Saved, cut: int) -> None:
    """A kill between writing and noting leaves whole lines and a torn one: the first are left, the other completed."""
    path = tmp_path / "events.log"
    saved.open(path).append(batch(1, 4))
    with path.open("ab") as file:
        file.write((line(4) + line(5))[:cut])
    before = path.stat().st_size

    writer = saved.open(path)
    writer.append(batch(4, 8))

    assert numbers(path) == [1, 2, 3, 4, 5, 6, 7]
    assert path.stat().st_size >= before  # never truncated


def test_a_writer_killed_anywhere_leaves_each_line_once(tmp_path: Path, saved: Saved) -> None:
    """The promise, counted: killed at any byte of a write, around each fsync, save and rename."""
    chance = random.Random(4711)
    path = tmp_path / "events.log"

    for _ in range(int(os.environ.get("KILLS", "20"))):
        if _forked(lambda: _work(saved, path, chance), chance):
            break
        if chance.random() < 0.3 and path.exists():  # what logrotate does
            path.rename(tmp_path / f"events.log-{chance.random()}")
    assert _forked(lambda: _work(saved, path, chance), None)

    rotated = sorted((each for each in tmp_path.glob("events.log-*")), key=lambda each: each.stat().st_mtime_ns)
    assert numbers(*rotated, *([path] if path.exists() else [])) == list(range(1, EVENTS + 1))


def _work(saved: Saved, path: Path, chance: random.Random) -> None:
    writer = saved.open(path)
    while writer.through < EVENTS:
        writer.append(batch(writer.through + 1, min(EVENTS, writer.through + chance.randint(1, 5)) + 1))


def _forked(work: Callable[[], None], chance: random.Random | None) -> bool:
    """Whether a child did its work; chance: of being killed at one of its next calls."""
    seed = None if chance is None else chance.random()
    child = os.fork()
    if child == 0:
        try:
            if seed is not None:
                _arrange_death(random.Random(seed))
            work()
            os._exit(0)
        finally:
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def _arrange_death(chance: random.Random) -> None:
    left = chance.randint(1, 25)

    def dying(call: Callable[..., Any]) -> Callable[..., Any]:
        def instead(*arguments: Any, **keys: Any) -> Any:
            nonlocal left
            left -= 1
            if left == 0:
                if call is write and len(arguments[1]):
                    write(arguments[0], bytes(arguments[1])[: chance.randint(0, len(arguments[1]))])
                elif chance.random() < 0.5:
                    call(*arguments, **keys)
                os.kill(os.getpid(), signal.SIGKILL)
            return call(*arguments, **keys)

        return instead

    write = os.write
    names = ("write", "fsync", "rename", "open")
    lines.os = _Patched({name: dying(getattr(os, name)) for name in names})  # type: ignore[assignment, attr-defined]  # seen by this module alone
    Saved.save = dying(Saved.save)  # type: ignore[method-assign]  # likewise


class _Patched:
    def __init__(self, instead: dict[str, Callable[..., object]]) -> None:
        vars(self).update(instead)

    def __getattr__(self, name: str) -> object:
        return getattr(os, name)


def test_a_renamed_file_is_left_between_two_lines(tmp_path: Path, saved: Saved) -> None:
    """Logrotate renames while we run: the next batch begins another file, and no line is in both or in neither."""
    path = tmp_path / "events.log"
    writer = saved.open(path)
    writer.append(batch(1, 4))

    path.rename(tmp_path / "events.log.1")
    writer.append(batch(4, 6))

    assert numbers(tmp_path / "events.log.1") == [1, 2, 3]
    assert numbers(path) == [4, 5]


def test_a_torn_line_is_completed_where_it_was_renamed_to(tmp_path: Path, saved: Saved) -> None:
    """Killed in the middle of a line, renamed before the next start: the other half belongs into the old file."""
    path, old = tmp_path / "events.log", tmp_path / "events.log.1"
    saved.open(path).append(batch(1, 4))
    with path.open("ab") as file:
        file.write(line(4) + line(5)[:7])
    path.rename(old)

    saved.open(path).append(batch(4, 8))

    assert numbers(old) == [1, 2, 3, 4, 5]
    assert numbers(path) == [6, 7]


def test_our_own_rotation_keeps_so_many_files(tmp_path: Path, saved: Saved) -> None:
    """By rename only, and as many as are wanted; the oldest go."""
    path = tmp_path / "events.log"
    writer = saved.open(path, rotate_at=1, keep=2)

    for seq in range(1, 6):
        writer.append(batch(seq, seq + 1))

    assert not path.exists()
    assert numbers(tmp_path / "events.log.2", tmp_path / "events.log.1") == [4, 5]
    assert len(list(tmp_path.glob("events.log*"))) == 2


def test_a_full_disk_costs_no_line(tmp_path: Path) -> None:
    """The line that was cut by it is completed once there is room, in the same file."""
    with file_system(tmp_path / "small", "256k") as place:
        saved, path = Saved(tmp_path / "cursor.json"), place / "events.log"
        writer = saved.open(path)
        writer.append(batch(1, 3))
        filler = fill(place)
        with pytest.raises(LinesNotWritten, match="once there is room"):
            writer.append(batch(3, 200))
        before = path.stat().st_size

        filler.unlink()
        writer.append(batch(3, 200))

        assert numbers(path) == list(range(1, 200))
        assert before > len(line(1) + line(2))


def test_a_save_that_fails_costs_no_line(tmp_path: Path, saved: Saved) -> None:
    """The cursor's disk may be full when the log's is not."""
    path = tmp_path / "events.log"
    writer = saved.open(path)
    writer.append(batch(1, 3))
    tmp_path.joinpath("cursor.new").mkdir()
    with pytest.raises(LinesNotWritten):
        writer.append(batch(3, 6))

    tmp_path.joinpath("cursor.new").rmdir()
    writer.append(batch(3, 8))

    assert numbers(path) == [1, 2, 3, 4, 5, 6, 7]


def test_a_truncated_file_is_gone_on_with(tmp_path: Path, saved: Saved, caplog: pytest.LogCaptureFixture) -> None:
    """Copytruncate may lose what nobody had read, which is said; what comes after it is whole."""
    path = tmp_path / "events.log"
    writer = saved.open(path)
    writer.append(batch(1, 4))

    os.truncate(path, 0)
    writer.append(batch(4, 6))

    assert numbers(path) == [4, 5]
    assert "rotate by rename" in caplog.text


def test_another_file_with_the_same_number_is_not_taken_for_ours(tmp_path: Path, saved: Saved) -> None:
    """Numbers of files are used again: by what stands before the mark it is known, or it is begun at its end."""
    path = tmp_path / "events.log"
    saved.open(path).append(batch(1, 4))
    through, inode, offset, _ = json.loads(saved.path.read_text())
    path.write_bytes(b"x" * offset + line(5))
    assert path.stat().st_ino == inode

    saved.open(path).append(batch(4, 7))

    assert path.read_bytes() == b"x" * offset + line(5) + line(4) + line(5) + line(6)
    assert through == 3


@pytest.mark.parametrize("kind", ["link", "fifo", "directory"])
def test_what_is_no_regular_file_is_refused(tmp_path: Path, saved: Saved, kind: str) -> None:
    """A link would let somebody choose what is written into, a FIFO would wait for ever."""
    path = tmp_path / "events.log"
    make: dict[str, Callable[[], None]] = {
        "link": lambda: path.symlink_to(tmp_path / "other"),
        "fifo": lambda: os.mkfifo(path),
        "directory": path.mkdir,
    }
    make[kind]()

    with pytest.raises(LinesNotWritten, match=str(path)):
        saved.open(path).append(batch(1, 2))

    assert not (tmp_path / "other").exists()


def test_a_second_writer_is_refused(tmp_path: Path, saved: Saved) -> None:
    """Two that append to one file could not know their own lines again."""
    path = tmp_path / "events.log"
    first = saved.open(path)
    first.append(batch(1, 2))

    with pytest.raises(LinesNotWritten, match="another process of ours writes it"):
        Saved(tmp_path / "other.json").open(path).append(batch(1, 2))

    first.close()
    Saved(tmp_path / "other.json").open(path).append(batch(2, 3))
    assert numbers(path) == [1, 2]


def test_a_torn_line_of_somebody_else_is_ended_as_it_is(tmp_path: Path, saved: Saved) -> None:
    """A line that is not ours is not completed with ours, or both would be lost to their readers."""
    path = tmp_path / "events.log"
    saved.open(path).append(batch(1, 2))
    with path.open("ab") as file:
        file.write(b"half of a stranger's")

    saved.open(path).append(batch(2, 4))

    assert path.read_bytes().splitlines(keepends=True)[1:] == [b"half of a stranger's\n", line(2), line(3)]


@pytest.mark.parametrize(
    "text",
    [b"", b"[1]", b"[" * 100_000, b'{"seq": true}', b'{"seq": "1"}', b'{"seq": ' + b"1" * 5_000 + b"}", b"\xff+++{"],
)
def test_a_line_that_holds_no_number_has_none(text: bytes) -> None:
    """What strangers wrote into the file is nobody's number, however it is made."""
    assert number_of(text) is None
