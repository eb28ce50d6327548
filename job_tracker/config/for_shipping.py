"""For shipping: what `job_tracker ship` needs of a configuration.

Rule: a fault elsewhere in the file is the tracker's business, and keeps no event from being sent.
"""

from dataclasses import dataclass
from pathlib import Path

from job_tracker.config import notation, reading
from job_tracker.config import text as config_text
from job_tracker.config.settings import Settings
from job_tracker.config.shippers import ShipperEntry
from job_tracker.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class ForShipping:
    """The two sections that shipping goes by."""

    settings: Settings
    shippers: tuple[ShipperEntry, ...]


def load_for_shipping(path: Path | str) -> ForShipping:
    """Read these two sections.  Raises ConfigError."""
    path = Path(path)
    begun = reading.begin(config_text.read_file(path), notation.escaped(str(path), 200), path.absolute().parent)
    begun.faults.clear()
    begun.all_sources_named = False  # they are not read, so nobody can say which there are
    settings = begun.settings()
    found = ForShipping(settings=settings, shippers=begun.shippers(settings))
    if begun.faults:
        raise ConfigError(begun.faults)
    return found
