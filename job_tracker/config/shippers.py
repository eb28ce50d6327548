"""Shippers: where events are sent, and which of them.

Rule: no key of it is part of a job's promise; the daemon does not look at one of them.
Rule: a secret is named by the path of its file; what would send one through a network in the clear is a fault.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from importlib.util import find_spec
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field

from job_tracker.config import notation
from job_tracker.config.notation import shown
from job_tracker.config.settings import Contradiction, LocalPath, Section, Text
from job_tracker.core.events import KINDS
from job_tracker.process.secret_files import SecretRefused, look_at_secret

TARGETS = ("jsonl", "sqs", "elasticsearch")
FORMATS = ("plain", "wpst-status", "wpst-metrics")

NEEDED: Mapping[str, tuple[str, ...]] = {"jsonl": ("path",), "sqs": ("queue",), "elasticsearch": ("url", "index")}

ONLY_FOR: Mapping[str, str] = {
    **dict.fromkeys(("path", "mode", "rotate_at_mb", "keep"), "jsonl"),
    **dict.fromkeys(("queue", "region", "profile", "endpoint_url"), "sqs"),
    **dict.fromkeys(("url", "index", "document", "user", "password_file", "api_key_file", "ca_file"), "elasticsearch"),
}
"""Keys that mean something for one kind of target only."""

EXTRA = "needs botocore, which is not installed here: pip install 'job_tracker[sqs]'"

_NAME = re.compile(r"[a-z0-9_-]+")
_INDEX = re.compile(r"[a-z0-9][a-z0-9._-]*")
_MODE = re.compile(r"0?([0-7]{3})")
_LATER_KINDS = ("remote.status", "remote.metrics", "engine.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Only:
    """Which events are sent: those that name one of these sources, of jobs like a pattern, of such kinds."""

    sources: tuple[str, ...] = ()
    jobs: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()


def read_only(value: object) -> Only:
    """Read an object of sources, jobs and kinds, each one text or a list."""
    if not isinstance(value, dict):
        raise ValueError(f"{shown(value)} is not an object with some of sources, jobs, kinds")
    faults = [f"{shown(key)} is not one of sources, jobs, kinds" for key in value if key not in Only.__slots__]
    found: dict[str, tuple[str, ...]] = {}
    for key in Only.__slots__:
        given = value.get(key)
        try:
            found[key] = tuple(notation.text(each) for each in (given if isinstance(given, list) else [given]) if given)
        except ValueError as fault:
            faults.append(f"{key}: {fault}")
    faults += [
        f"kinds: there is no kind {shown(kind)}; the kinds are {', '.join(KINDS)}"
        for kind in found.get("kinds", ())
        if not kind.startswith(_LATER_KINDS) and not any(fnmatchcase(each, kind) for each in (*KINDS, *_LATER_KINDS))
    ]
    if faults:
        raise ValueError("; ".join(faults))
    return Only(**found)


def read_name(value: object) -> str:
    """Read the name of a shipper, which is the key of its cursor and part of a service's name."""
    written = notation.text(value)
    if not _NAME.fullmatch(written) or len(written) > notation.MAX_NAME:
        raise ValueError(
            f"{shown(value)} is not small letters, digits, '_', '-', at most {notation.MAX_NAME} characters"
        )
    return written


def read_mode(value: object) -> int:
    """Read the rights of a file, in octal; whoever writes it has to be able to."""
    found = _MODE.fullmatch(notation.text(value))
    if found is None or not int(found[1], 8) & 0o200 or int(found[1], 8) & 0o133:
        raise ValueError(f"{shown(value)} is not a file's mode such as 0640 or 0644, writable by its owner alone")
    return int(found[1], 8)


def read_url(value: object) -> str:
    """Read http:// or https://, a host, and perhaps a path; a password in it would be in every log."""
    written = notation.text(value).rstrip("/")
    try:
        parts = urlsplit(written)
        is_fit = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_fit = False
    if not is_fit or parts.query or parts.fragment:
        raise ValueError(f"{shown(value)} is not http:// or https:// and a host, as https://search.example.com:9200")
    if "@" in parts.netloc:
        raise ValueError("holds a user; write it as user, and its password into a file that password_file names")
    return written


def read_index(value: object) -> str:
    """Read the name of an index, as Elasticsearch and OpenSearch take it."""
    written = notation.text(value)
    if not _INDEX.fullmatch(written) or len(written) > 255:
        raise ValueError(f"{shown(value)} is not the name of an index: small letters, digits, '.', '_', '-'")
    return written


class ShipperEntry(Section):
    """shippers: one target, and what is sent there."""

    name: Annotated[str, BeforeValidator(read_name)]
    to: Annotated[str, BeforeValidator(notation.one_of(*TARGETS))]
    format: Annotated[str, BeforeValidator(notation.one_of(*FORMATS))] = "plain"
    only: Annotated[Only, BeforeValidator(read_only)] = Only()
    enabled: Annotated[bool, BeforeValidator(notation.flag)] = True
    begin_from: Annotated[str, BeforeValidator(notation.one_of("now", "beginning"))] = Field(
        default="now", alias="from"
    )
    texts: Annotated[bool, BeforeValidator(notation.flag)] = True
    path: LocalPath | None = None
    mode: Annotated[int, BeforeValidator(read_mode)] = 0o640
    rotate_at_mb: Annotated[int, BeforeValidator(notation.whole(1, 1_000_000))] | None = None
    keep: Annotated[int, BeforeValidator(notation.whole(1, 1000))] = 5
    queue: Text = ""
    region: Text = ""
    profile: Text = ""
    endpoint_url: Annotated[str, BeforeValidator(read_url)] = ""
    url: Annotated[str, BeforeValidator(read_url)] = ""
    index: Annotated[str, BeforeValidator(read_index)] = ""
    document: Annotated[str, BeforeValidator(notation.one_of("job", "event"))] = "job"
    user: Text = ""
    password_file: LocalPath | None = None
    api_key_file: LocalPath | None = None
    ca_file: LocalPath | None = None

    @staticmethod
    def contradictions(given: Mapping[str, Any]) -> Iterator[Contradiction]:
        """What keys say against each other, or for want of each other, as written."""
        to = str(given.get("to")).lower()
        if to not in TARGETS:
            return
        for key in NEEDED[to]:
            if given.get(key) is None:
                yield key, f"is missing; a shipper to {to} needs it"
        for key, target in ONLY_FOR.items():
            if given.get(key) is not None and to != target:
                yield key, f"is for shippers to {target}, and this one is to {to}"
        for key, other in (("user", "password_file"), ("password_file", "user"), ("keep", "rotate_at_mb")):
            if given.get(key) is not None and given.get(other) is None:
                yield key, f"needs {other} beside it"
        if given.get("api_key_file") is not None and given.get("password_file") is not None:
            yield "api_key_file", "stands beside password_file; which of the two is meant?"
        has_secret = any(given.get(key) is not None for key in ("password_file", "api_key_file"))
        if has_secret and _is_open(given.get("url")):
            yield "url", "is http, and the secret would travel in the clear; write https://"

    @property
    def secrets(self) -> Mapping[str, Path]:
        """The files of secrets, by their keys."""
        named = {"password_file": self.password_file, "api_key_file": self.api_key_file}
        return {key: path for key, path in named.items() if path is not None}

    def recommendations(self) -> Iterator[str]:
        """What is accepted here, and does not work on this host as it is, or could not be looked at."""
        if not self.enabled:
            return
        place = f'shippers "{self.name}"'
        if self.to == "sqs" and find_spec("botocore") is None:
            yield f"{place}: {EXTRA}"
        for key, path in self.secrets.items():
            try:
                look_at_secret(path)
            except SecretRefused as refusal:
                yield f"{place}: {key}: {refusal}"


def _is_open(value: object) -> bool:
    """Whether what is sent to an address can be read on its way."""
    if not isinstance(value, str) or not value.lower().startswith("http://"):
        return False
    host = urlsplit(value).hostname or ""
    try:
        return host != "localhost" and not ip_address(host).is_loopback
    except ValueError:
        return True
