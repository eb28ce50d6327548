"""For pages: what the pages need of a configuration, whose jobs they read from the view.

Rule: a fault elsewhere in the file is the tracker's business, and keeps no page from being shown.
"""

from dataclasses import dataclass
from pathlib import Path

from job_tracker.config import notation, reading
from job_tracker.config import text as config_text
from job_tracker.config.settings import Settings
from job_tracker.config.web import Web
from job_tracker.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class ForPages:
    """The two sections that the pages go by."""

    settings: Settings
    web: Web


def load_for_pages(path: Path | str) -> ForPages:
    """Read these two sections.  Raises ConfigError."""
    path = Path(path)
    begun = reading.begin(config_text.read_file(path), notation.escaped(str(path), 200), path.absolute().parent)
    begun.faults.clear()
    found = ForPages(settings=begun.settings(), web=begun.alone(Web, reading.WEB))
    if begun.faults:
        raise ConfigError(begun.faults)
    return found
