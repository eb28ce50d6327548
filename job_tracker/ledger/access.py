"""Access: how the store's file is written and read, and what its failures are called.

Rule: a transaction is written whole or not at all; what could not be written or read may be tried again later.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from job_tracker.errors import StoreFailed

GARBLED = (ValueError, KeyError, TypeError, IndexError, AttributeError)
"""What a row that is not what was written turns into when it is read."""


class Access:
    """The one connection to a store.  Not for several threads."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self.connection, self.path = connection, path

    @contextmanager
    def writing(self) -> Iterator[None]:
        """A transaction.  Raises StoreFailed."""
        try:
            self.connection.execute("BEGIN IMMEDIATE")
            yield
            self.connection.execute("COMMIT")
        except sqlite3.Error as failure:
            self._roll_back()
            raise StoreFailed(f"{self.path} could not be written: {failure}") from failure
        except BaseException:
            self._roll_back()
            raise

    @contextmanager
    def reading(self) -> Iterator[None]:
        """What is read, and made into what it means.  Raises StoreFailed."""
        try:
            yield
        except (sqlite3.Error, *GARBLED) as failure:
            raise StoreFailed(f"{self.path} could not be read: {failure}") from failure

    def _roll_back(self) -> None:
        if self.connection.in_transaction:
            with suppress(sqlite3.Error):  # a disk that fails: what was not committed is gone, whatever it says
                self.connection.execute("ROLLBACK")
