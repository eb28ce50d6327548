"""The spool: rows by their moments, whatever the order in which they were put."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from job_tracker.replay import spool
from job_tracker.replay.spool import Spool, packed, unpacked


@settings(max_examples=150, deadline=None)
@given(moments=st.lists(st.integers(0, 12)), in_memory=st.integers(1, 9), in_block=st.integers(1, 4))
def test_rows_come_by_moment_and_those_of_one_moment_as_they_were_put(
    moments: list[int], in_memory: int, in_block: int
) -> None:
    """What is sorted outside memory must be what `sorted` would have made of it, however small the runs are."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(spool, "ROWS_IN_MEMORY", in_memory)
        patched.setattr(spool, "ROWS_IN_BLOCK", in_block)
        rows = [(moment, number) for number, moment in enumerate(moments)]
        made = Spool()
        for row in rows:
            made.put(row)

        found = list(made)
        again = list(made)

    assert found == sorted(rows, key=lambda row: row[0])
    assert again == found


def test_what_comes_in_order_is_one_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only then is a recording of a year read at the speed of the disk."""
    monkeypatch.setattr(spool, "ROWS_IN_MEMORY", 10)
    made = Spool()
    for moment in range(100):
        made.put((moment, "text"))

    assert len(list(made)) == 100
    assert len(made._runs) == 1


def test_packed_rows_are_the_same_again() -> None:
    """Whatever a message may hold: numbers of any size, None, texts that are no ASCII."""
    rows = [(1 << 62, None, "ü\x00", -1), (0, 3, "", 1 << 70)]

    assert unpacked(packed(rows)) == rows
