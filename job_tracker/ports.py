"""Ports: the words that travel between the daemon and what surrounds it.

Rule: frozen words only; a source never sees the board, an output never changes it, and the daemon sees no socket.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any, Protocol, TypeVar, runtime_checkable

from job_tracker.core.board import Board, Watermarks
from job_tracker.core.events import Event
from job_tracker.core.notices import Notices
from job_tracker.core.record import Change, Step


class Contact(Enum):
    """How a source stands with its host."""

    CONNECTING = "connecting"
    REACHABLE = "reachable"
    UNREACHABLE = "unreachable"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteJob:
    """What was last seen of one job of another server.

    status: the server's word.  step: how many different ones were told.  is_started, is_ended: a message said so.
    is_ignored: nothing is told of it, for it was there before anybody asked.  metrics: whether they were told.
    since: microseconds, when it was first seen with this status.  absent_since: since when the server no longer lists
    it, None while it does.
    """

    id: str
    process: str
    status: str
    step: int = 0
    is_started: bool = False
    is_ended: bool = False
    is_ignored: bool = False
    metrics: bool = False
    since: int = 0
    absent_since: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Memento:
    """What the ledger remembers of a source: the queue's id, and the nonces of the last two confirmations.

    remote: of a server with jobs of its own, by their ids.
    """

    queue: str | None = None
    nonce: str | None = None
    nonce_before: str | None = None
    remote: Mapping[str, RemoteJob] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """What one answer of a source held.

    elements: the queue's JSON objects, in the order of their `_id`, as they came.  through: the highest `_id` among
    them, 0 if none.  received: microseconds.  drained: microseconds, how far the source is drained once these are
    folded; None if the queue holds more.  size: bytes of the answer.  patience: microseconds that may pass until the
    source says more, while all is well.  events, remote: of a server with jobs of its own, what became true there, each
    with a uid, and what was seen of its jobs.
    """

    source: str
    queue: str
    elements: tuple[Any, ...]
    through: int
    received: int
    drained: int | None
    size: int
    patience: int = 0
    events: tuple[Event, ...] = ()
    remote: tuple[RemoteJob, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """How a source stands; sent whenever something of it changed, and with every answer.

    since: microseconds, when this contact began.  text: why, in words an operator can act on.  clock_offset:
    microseconds its clock is ahead of ours, None if not yet measured.  latency: microseconds from asking to the
    answer, less the time it was asked to wait.  depth: messages in the queue.  notice: something that happened once
    (a restored or replaced queue), to be said in the log and in the source's service; empty if nothing did.
    messages, size: taken since the start, and the bytes of those answers; what came twice counts twice.
    last_message: microseconds, when messages came last.  latencies: those of the last answers, the newest last.
    path: of the queue's file, as its host says, or the server's address; differs: what there is other than the
    configuration says, or than it should be, in words.  about: what there is to say while all is well.
    """

    source: str
    contact: Contact
    since: int
    text: str = ""
    clock_offset: int | None = None
    latency: int | None = None
    depth: int | None = None
    notice: str = ""
    messages: int = 0
    size: int = 0
    last_message: int | None = None
    latencies: tuple[int, ...] = ()
    path: str = ""
    differs: str = ""
    about: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A server that runs jobs of its own, and how to ask it about them.

    url: without a slash at its end.  dialect: "auto", "ogc" or "wpst".  env: of its jobs.  poll_interval, lag:
    microseconds.  process_to_job: patterns of process ids, and what a job is called by them.  adopt: "open", "all" or
    "none" of the jobs that are there when it is asked for the first time.
    """

    url: str
    env: str
    dialect: str = "auto"
    poll_interval: int = 20_000_000
    parallel_requests: int = 1
    process_to_job: tuple[tuple[str, str], ...] = ()
    bearer_token_file: Path | None = None
    user: str = ""
    password_file: Path | None = None
    client_certificate: Path | None = None
    ca_file: Path | None = None
    lag: int = 0
    adopt: str = "open"
    include_inputs: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """Where a source's queue is, and how to get there: what the configuration says, whatever kind of source it is.

    connection: "ssh", "local", or "ogc", which has a server instead of a queue.  port, user, key, known_hosts: None or
    empty where the configuration does not say, and an ssh_config or ssh's own defaults may.  message_queue,
    message_queue_handler, python: paths there.  is_ours: a queue of the tracker itself, which is taken over without
    asking after its store was lost.
    """

    name: str
    connection: str = "ssh"
    hostname: str = ""
    port: int | None = None
    user: str = ""
    key: Path | None = None
    known_hosts: Path | None = None
    message_queue: str
    message_queue_handler: str
    python: str
    is_ours: bool = False
    server: Server | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """How this tracker speaks to all of its sources.

    interval, load_timeout: seconds.  clock: whole microseconds since the epoch.  ssh_config: where to look for what a
    host's section does not say.  state_folder: where the tracker keeps its store, so that its owner is the tracker's
    user.  tracker: our id; empty where nothing is drained.  words: which of a message's events mean start, error, end.
    """

    interval: float
    load_timeout: float
    clock: Callable[[], int]
    ssh_config: Path | None = None
    state_folder: Path | None = None
    tracker: str = ""
    words: tuple[str, str, str] = ("STARTED", "ERROR", "SUCCESS")


class Mailbox(Protocol):
    """Where sources put what they got; safe to call from any thread."""

    def put(self, *items: Delivery | Report) -> None:
        """Hand something over, in this order and at once, and wake the main loop."""


class Source(Protocol):
    """A connection to one source host, on a thread of its own, which never touches anything but its host."""

    name: str

    def start(self) -> None:
        """Begin to connect, to take, and to hand over."""

    def confirm(self, delivery: Delivery, nonce: str) -> None:
        """The delivery is in the ledger together with this nonce: delete it there.  Returns at once."""

    def reconnect(self) -> None:
        """Try again now instead of after the pause."""

    def stop(self) -> None:
        """End the connection; returns within a second, whatever the host does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What one cycle found; all of it is in the ledger.

    begun: microseconds, when the cycle began.  dated_ahead: sources with a message from the future.  kept_aside:
    whether any message belongs to no job.
    """

    step: Step
    begun: int
    dated_ahead: tuple[str, ...] = ()
    kept_aside: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """What is true at a moment, for whoever tells it.

    reports: how each source stands, as far as it has said.  failing: what keeps the daemon from its work, faults: what
    is wrong besides; both empty while all is well.  undelivered: asks every output for what it could not tell yet.
    """

    now: int
    board: Board
    watermarks: Watermarks
    reports: Mapping[str, Report] = field(default_factory=dict)
    failing: str = ""
    faults: tuple[str, ...] = ()
    undelivered: Callable[[], Sequence[dict[str, Any]]] = tuple


Config = TypeVar("Config", contravariant=True)
"""What the program was configured to do; this port does not look into it."""


class Output(Protocol[Config]):
    """Somebody to whom the tracker tells what is true.

    Rule: everything is called on the main thread, returns at once and raises nothing; what cannot be told is a
    complaint, and is told later.  Rule: nobody writes into an output; all that it has to know comes with a call.
    """

    def begin(self, config: Config, picture: Picture) -> None:
        """Tell all that is true: after a start, and after a reload, by a configuration that may be another one."""

    def heard(self, item: "Delivery | Report", now: int) -> None:
        """A source has delivered, what is not judged yet, or has said how it stands."""
        return

    def tell(self, found: Sequence[Found], picture: Picture) -> int | None:
        """Tell what has changed, and go on with what is not told yet; when there is more to do, in microseconds.

        found: in order; none where only time has passed, or where nothing can be stored.
        """

    def complaint(self) -> str:
        """Why something is not told, for the daemon's own service; empty while all is well."""
        return ""

    def undelivered(self, now: int) -> Sequence[dict[str, Any]]:
        """A document for each subject that is not told yet, for the command line; those that wait longest first."""
        return ()

    def close(self, picture: Picture) -> None:
        """The tracker ends: say what can be said in a moment, and let go."""
        return


@runtime_checkable
class Scribe(Protocol):
    """An output that keeps in the ledger what it has to tell: with the change, in one transaction."""

    def draft(self, changes: Sequence[Change], touched: Iterable[str], board: Board) -> Notices:
        """What changes, and jobs touched, give cause to tell; nothing is remembered of it until it is `stored`."""

    def stored(self, draft: Notices) -> None:
        """The ledger holds it."""
