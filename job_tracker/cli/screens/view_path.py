"""View path: where the view lies, and the events file, by the configuration.

Rule: only these keys are looked at, without the models: who asks for a job must not wait until ten thousand promises
have been judged, nor be kept away by a fault in one of them.
"""

import re
from pathlib import Path
from typing import Any

from job_tracker.config.places import DEFAULT_VIEW
from job_tracker.errors import ConfigError

_KEY_OF_JSON = re.compile(r'"(?:view|events)_file"\s*:')


def view_path(config: Path, *, is_chosen: bool) -> Path:
    """The view that a configuration names; is_chosen: somebody named the configuration, so it has to be there."""
    named = _named(config, is_chosen=is_chosen, other="--view FILE").get("view_file")
    return Path(config.absolute().parent, named) if isinstance(named, str) and named else DEFAULT_VIEW


def events_path(config: Path, *, is_chosen: bool) -> Path:
    """The events file that a configuration names, or the one beside its view."""
    section = _named(config, is_chosen=is_chosen, other="--events FILE")
    named, view = section.get("events_file"), section.get("view_file")
    if isinstance(named, str) and named:
        return Path(config.absolute().parent, named)
    beside = Path(config.absolute().parent, view) if isinstance(view, str) and view else DEFAULT_VIEW
    return beside.parent / "events.sqlite"


def _named(config: Path, *, is_chosen: bool, other: str) -> dict[str, Any]:
    """The section that names them; empty where none is."""
    if not is_chosen and _is_missing(config):
        return {}
    from job_tracker.config import text as config_text

    try:
        text = config_text.read_file(config)
    except ConfigError as error:
        way = f"; or name the {'view' if 'view' in other else 'events file'} itself with {other}"
        if isinstance(error.__cause__, PermissionError):
            way = "; ask as root or as a member of the daemon's group"
        raise ConfigError([f"{fault}{way}" for fault in error.faults]) from error
    if text.lstrip("\ufeff \t\r\n").startswith("{") and not _KEY_OF_JSON.search(text):
        return {}
    tree = config_text.read(text, name=str(config))
    section = tree.get("global_config") if isinstance(tree, dict) else None
    if isinstance(section, list) and section:
        section = section[0]
    return section if isinstance(section, dict) else {}


def _is_missing(path: Path) -> bool:
    try:
        path.stat()
    except FileNotFoundError:
        return True
    except OSError:  # it may be there, and whoever opens it says why it cannot be read
        return False
    return False
