"""Taking up: what pages at work take from a configuration that was changed, when a signal tells them to look.

Rule: the certificate and its key are taken up, for they are renewed while people look; whoever is connected keeps his.
Rule: for every other key the pages are restarted, which costs nobody anything, for streams go on where they were; and
which keys these are is said.
Rule: what is at fault leaves all as it was.
"""

import logging
import ssl
from pathlib import Path

from job_tracker.config.for_pages import ForPages, load_for_pages
from job_tracker.config.web import Web
from job_tracker.errors import ConfigError

log = logging.getLogger("job_tracker.web")

_CERTIFICATES = frozenset({"tls_certificate", "tls_key"})
_SETTINGS = ("view_file", "events", "log_level", "time_zone")
"""Of the tracker's own section, what the pages go by."""


def take_up(path: Path, running: ForPages, tls: ssl.SSLContext | None) -> None:
    """Look at the configuration anew.  running: what the pages were started with; tls: what new connections go by."""
    try:
        found = load_for_pages(path)
        if tls is not None and found.web.has_tls:
            _renew(tls, found.web)
    except (ConfigError, OSError, ssl.SSLError) as fault:
        log.error("nothing taken up, the pages go on as they are: %s", fault)
        return
    if tls is not None and found.web.has_tls:
        log.info("taken up: the TLS certificate and its key, for new connections")
    if waiting := _waiting(running, found):
        log.warning("not taken up: %s; restart the pages, their streams go on where they were", ", ".join(waiting))


def _renew(tls: ssl.SSLContext, web: Web) -> None:
    """Try them apart first: a certificate without its key would leave nothing that works."""
    assert web.tls_certificate is not None  # noqa: S101 - the caller has looked
    for each in (ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), tls):
        each.load_cert_chain(web.tls_certificate, web.tls_key)


def _waiting(running: ForPages, found: ForPages) -> list[str]:
    """The keys that say something else than what is at work."""
    in_place = _CERTIFICATES if running.web.has_tls and found.web.has_tls else frozenset()
    web = [f"web: {key}" for key in Web.model_fields if key not in in_place and _differs(running.web, found.web, key)]
    return web + [f"global_config: {key}" for key in _SETTINGS if _differs(running.settings, found.settings, key)]


def _differs(one: object, other: object, key: str) -> bool:
    return bool(getattr(one, key) != getattr(other, key))
