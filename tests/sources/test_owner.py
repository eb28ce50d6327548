"""As whom root looks into the operators' queue: real children, and a journal that somebody laid beside a queue."""

import os
import shutil
import sqlite3
import struct
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from running import in_memory, missing
from sourcing import TERMS, Place

from job_tracker.sources.checking import check
from job_tracker.sources.local.owner import account_for

NOBODY = 65534
MAGIC = bytes.fromhex("d9d505f920a163d7")
"""With which a journal begins, and ends where it names a file of several databases' transaction."""


@pytest.fixture
def home() -> Iterator[Path]:
    """A directory through which everybody may pass."""
    with in_memory() as made:
        made.chmod(0o755)
        yield made


def lay_journal(queue: Path, names: Path) -> None:
    """A journal as a transaction over several databases leaves it, half-way: SQLite removes the file it names."""
    with closing(sqlite3.connect(queue, isolation_level=None)) as connection:
        page = int(connection.execute("PRAGMA page_size").fetchone()[0])
        pages = int(connection.execute("PRAGMA page_count").fetchone()[0])
    name = bytes(names)
    head = MAGIC + struct.pack(">5I", 0, 0, pages, 512, page)
    tail = struct.pack(">I", 0x40000000 // page + 1) + name + struct.pack(">2I", len(name), sum(name)) + MAGIC
    Path(f"{queue}-journal").write_bytes(head.ljust(512, b"\0") + tail)


def test_root_looks_as_the_owner_so_that_no_journal_removes_what_is_roots(home: Path) -> None:
    """Operators may write beside their queue; a check by root must give none of them root's hand."""
    python = shutil.which("python3", path="/usr/bin:/bin")
    if os.geteuid() != 0 or python is None:
        missing("needs root, and a Python that others may use")
    control = home / "control"
    control.mkdir(mode=0o770)
    place = Place(control)
    place.tool("add", "--instance", "P", "--job", "LOAD", "--event", "PAUSE")
    of_root = home / "of_root"
    of_root.write_text("root's")
    lay_journal(Path(place.host.message_queue), of_root)
    for path in (control, *control.iterdir()):
        os.chown(path, NOBODY, NOBODY)

    assert python is not None
    check(replace(place.host, is_ours=True, python=python), TERMS)

    assert of_root.exists()
    assert not Path(f"{place.host.message_queue}-journal").exists()


def test_a_queue_that_is_not_there_is_made_by_whoever_starts_the_daemon(home: Path) -> None:
    """Where no role has made the directory nobody owns it yet."""
    assert account_for(home / "control" / "queue.sqlite") == {}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes somebody else")
def test_a_root_that_may_become_nobody_else_stays_who_it_is(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its unit filters the system calls for that: the operators would not be heard at all."""

    def forbidden(_: object) -> None:
        raise PermissionError

    os.chown(home, NOBODY, NOBODY)
    assert account_for(home / "queue.sqlite")["user"] == NOBODY

    monkeypatch.setattr(os, "setgroups", forbidden)

    assert account_for(home / "queue.sqlite") == {}
