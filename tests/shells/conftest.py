"""What several tests of the shells begin with."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from telling import Receiver


@pytest.fixture
def receiver(tmp_path: Path) -> Iterator[Receiver]:
    """An Event Console that reads its FIFO."""
    made = Receiver(tmp_path / "events")
    made.come()
    yield made
    made.go()
