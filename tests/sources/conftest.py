"""For tests of sources: polls so far apart that what comes between them comes by itself."""

import pytest
from sourcing import A_DAY

from job_tracker.sources.queue import drain


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A take waits as long as its source's interval says, and be it a day."""
    monkeypatch.setattr(drain, "LONGEST_WAIT", A_DAY)
