"""Tries: how often a name or an address may be wrong, and how long it then has to wait.

Rule: kept in the store, so that a restart forgives nothing.
Rule: somebody who guesses at a name does not lock its owner out where he has logged in before.
"""

from ipaddress import ip_address, ip_network

from job_tracker.moments import DAY, MICROSECONDS, MINUTE
from job_tracker.web.doors.store import Store, note

FREE = 5
FIRST_PAUSE, LONGEST_PAUSE = 10 * MICROSECONDS, 15 * MINUTE
FORGOTTEN_AFTER = DAY
PLACES_KEPT = 90 * DAY


def pause_after(failures: int) -> int:
    """How long to wait after so many failures, in microseconds."""
    return min(FIRST_PAUSE << min(failures - FREE, 20), LONGEST_PAUSE) if failures >= FREE else 0


def shared(address: str) -> str:
    """What counts as one address: of IPv6 the network that one customer has."""
    try:
        found = ip_address(address)
    except ValueError:
        return address
    return str(ip_network((address, 64), strict=False)) if found.version == 6 else address


class Tries:
    """What was tried in vain."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def wait(self, name: str, address: str, now: int) -> int:
        """How long has to be waited before the next try, in microseconds; 0: not at all."""
        keys = [f"address:{shared(address)}"]
        if not self.knows(name, address):
            keys.append(f"name:{name}")
        return max(self._until(key) for key in keys) - now if keys else 0

    def knows(self, name: str, address: str) -> bool:
        """Whether somebody of that name has logged in from there."""
        return self.store.row("SELECT 1 FROM places WHERE user = ? AND address = ?", name, shared(address)) is not None

    def failed(self, name: str, address: str, now: int) -> None:
        """It was wrong."""
        with self.store.change() as connection:
            connection.execute("DELETE FROM tries WHERE last < ?", (now - FORGOTTEN_AFTER,))
            for key in (f"name:{name}", f"address:{shared(address)}"):
                connection.execute(
                    "INSERT INTO tries (who, failures, last) VALUES (?, 1, ?) "
                    "ON CONFLICT (who) DO UPDATE SET failures = failures + 1, last = excluded.last",
                    (key[:200], now),
                )
            note(connection, now, name, "login refused", name, address=address)

    def succeeded(self, name: str, address: str, now: int) -> None:
        """It was right; the address stays as suspicious as it was."""
        with self.store.change() as connection:
            connection.execute("DELETE FROM tries WHERE who = ?", (f"name:{name}",))
            connection.execute("DELETE FROM places WHERE last < ?", (now - PLACES_KEPT,))
            connection.execute("INSERT OR REPLACE INTO places (user, address, last) VALUES (?, ?, ?)",
                               (name, shared(address), now))  # fmt: skip
            connection.execute("UPDATE users SET seen = ? WHERE name = ?", (now, name))

    def _until(self, key: str) -> int:
        row = self.store.row("SELECT failures, last FROM tries WHERE who = ?", key[:200])
        return 0 if row is None else int(row[1]) + pause_after(int(row[0]))
