"""Emitter: polls one server, and writes a line into a log for each change.

Rule: what was seen is stored beside the log before it is written, and a line is on the disk before it is noted; killed
in between, the next emitter goes on with the same line.  So no line is in the log twice, none is missing, none is torn.
Rule: whatever is away or full is said once, and waited for.
"""

import contextlib
import secrets
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from job_tracker import clock
from job_tracker.daemon.mailbox import PipedMailbox
from job_tracker.endpoints.options import Mistake, Wanted, read_again
from job_tracker.errors import StoreFailed, StoreRefused
from job_tracker.events.layout import document
from job_tracker.ledger.ledger import Entry, Ledger
from job_tracker.ledger.opening import open_ledger
from job_tracker.moments import DAY
from job_tracker.ports import Contact, Delivery, Host, Memento, Report, Server, Source, Terms
from job_tracker.process.signals import Asked
from job_tracker.shippers.formats import line
from job_tracker.shippers.lines import LineFile, LinesNotWritten, Mark
from job_tracker.shippers.store import ShipStore
from job_tracker.sources.ogc.source import ServerSource

ANSWER_SECONDS = 30.0
AT_ONCE = 50
"""Lines that are written before anybody looks whether to stop."""

TRY_AGAIN = 1.0
IDLE = 60.0
KEEP, MOST = 30 * DAY, 256_000_000
"""What is kept beside the log of what was seen, so that a log whose disk was full for long lacks nothing."""

LOG_MODE = 0o644
"""logstash reads it, as a user of its own."""

CURSOR = "log"


class Emitter:
    """One emitter, for one log.  form: of its lines."""

    def __init__(self, wanted: Wanted, form: str, say: Callable[[str], None], asked: Asked) -> None:
        """Raises Mistake where the log is another emitter's, or cannot be."""
        self._wanted, self._form, self._say = wanted, form, say
        self._ledger, self._store = _opened(wanted.output_log)
        self._ledger.events.begin(is_on=True, keep=KEEP, most=MOST, now=clock.now())
        self._store.begin(CURSOR, 0)
        cursor = self._store.cursor(CURSOR)
        through, mark = (0, Mark()) if cursor is None else (cursor.seq, cursor.mark)
        self._lines = LineFile(wanted.output_log, through, mark, self._save, mode=LOG_MODE)
        self._mailbox, self._asked = PipedMailbox(), asked
        self._mementos = self._ledger.mementos()
        self._waiting: deque[Delivery] = deque()
        self._said = self._trouble = ""
        self._source = self._make()
        self._end: int | None = None

    def run(self) -> int:
        """Poll and write until somebody asks to stop, or once; the exit code."""
        self._mailbox.wake_on_signals()
        try:
            self._source.start()
            while not self._asked.stopping:
                for item in self._mailbox.take(1000):
                    self._hear(item)
                is_done = self._work()
                if self._end is not None and is_done:
                    return self._end
                self._mailbox.sleep(IDLE if is_done else TRY_AGAIN)
            return 0
        finally:
            self._close()

    def _hear(self, item: Delivery | Report) -> None:
        if isinstance(item, Delivery):
            self._waiting.append(item)
            return
        if item.contact is Contact.CONNECTING:
            return
        self._tell("" if item.contact is Contact.REACHABLE else f"{item.text or 'no answer'}; waiting for it")
        if self._wanted.once:
            self._end = 0 if item.contact is Contact.REACHABLE else 1
        else:
            self._look_at_config()

    def _work(self) -> bool:
        """Store what was seen, and write what is stored; whether all of it is done."""
        try:
            while self._waiting:
                self._take(self._waiting[0])
                self._waiting.popleft()
            self._write()
        except (StoreFailed, LinesNotWritten) as failure:
            if str(failure) != self._trouble:
                self._say(f"{failure}; it is tried again")
            self._trouble = str(failure)
            return False
        self._trouble = ""
        return True

    def _take(self, delivery: Delivery) -> None:
        """Store a delivery, then let its source go on."""
        if not delivery.through:
            return
        nonce = secrets.token_hex(8)
        entry = Entry(
            records={},
            drained={},
            now=clock.now(),
            mementos={delivery.source: Memento(queue=delivery.queue, nonce=nonce)},
            events=delivery.events,
            remote=tuple((delivery.source, each) for each in delivery.remote),
        )
        self._ledger.save(entry)
        self._source.confirm(delivery, nonce)

    def _write(self) -> None:
        """Write the lines of what is stored and not in the log yet."""
        while not self._asked.stopping:
            rows = self._ledger.events.after(self._lines.through, AT_ONCE)
            if not rows:
                return
            found = ((row[0], line(self._form, document(row, self._ledger.tracker))) for row in rows)
            lines = [(seq, f"{text}\n".encode()) for seq, text in found if text is not None]
            self._lines.append(lines, through=rows[-1][0])

    def _save(self, through: int, mark: Mark) -> None:
        self._store.advance_lines(CURSOR, through, mark)

    def _look_at_config(self) -> None:
        """The file may name another server by now; one that is faulty is said, and what was said before stands."""
        try:
            wanted = read_again(self._wanted)
        except Mistake as mistake:
            self._tell(f"{mistake}; going on as before")
            return
        wanted = replace(wanted, output_log=self._wanted.output_log)  # where lines go is settled when it begins
        if wanted.server != self._wanted.server:
            self._say(f"asking {wanted.server} from now on")
            self._source.stop()
            self._mailbox.forget([self._wanted.server])
            self._waiting.clear()
            self._wanted = wanted
            self._source = self._make()
            self._source.start()

    def _make(self) -> Source:
        wanted = self._wanted
        server = Server(url=f"http://{wanted.server}", env="ADES", poll_interval=wanted.interval, adopt=wanted.adopt)
        host = Host(
            name=wanted.server, connection="ogc", message_queue="", message_queue_handler="", python="", server=server
        )
        known = replace(
            self._ledger.mementos().get(wanted.server, Memento()),
            remote=self._ledger.remote_jobs.every().get(wanted.server, {}),
        )
        terms = Terms(interval=1.0, load_timeout=ANSWER_SECONDS, clock=clock.now)
        return ServerSource(host, terms, self._mailbox, known)

    def _tell(self, text: str) -> None:
        """Say how it stands, once."""
        if text != self._said:
            self._say(text or f"{self._wanted.server} answers again")
        self._said = text

    def _close(self) -> None:
        self._source.stop()
        self._lines.close()
        with contextlib.suppress(StoreFailed):
            self._store.close()
        self._ledger.close()
        self._mailbox.close()


def _opened(log: Path) -> tuple[Ledger, ShipStore]:
    """What lies beside the log: what was seen, and how much of it is in the log.  Raises Mistake."""
    folder = log.absolute().parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
        ledger, _ = open_ledger(folder / f".{log.name}.state.sqlite")
    except OSError as failure:
        raise Mistake(f"--output_log {log}: {failure.strerror}") from failure
    except StoreRefused as refusal:
        raise Mistake(f"--output_log {log}: {refusal}; each log has one emitter") from refusal
    try:
        return ledger, ShipStore(folder / f".{log.name}.cursor.sqlite")
    except (StoreFailed, StoreRefused) as failure:
        ledger.close()
        raise Mistake(f"--output_log {log}: {failure}") from failure
