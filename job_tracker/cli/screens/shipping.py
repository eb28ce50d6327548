"""The shippers screen: how shipping stands, as its process wrote it last; and what an operator asks of it."""

import json as json_text
from pathlib import Path
from typing import Any

from job_tracker import clock
from job_tracker.cli.screens import output
from job_tracker.cli.screens.plain import STYLES, Table, cell
from job_tracker.config.for_shipping import load_for_shipping
from job_tracker.errors import JobTrackerError
from job_tracker.moments import MICROSECONDS, clock_text, span
from job_tracker.shippers.store import ShipStore, status_file
from job_tracker.telling.harmless import safe

Document = dict[str, Any]

HEADINGS = ("SHIPPER", "TO", "TARGET", "THROUGH", "BEHIND", "SENT", "DEAD", "STATE")
NUMBERS = frozenset({"THROUGH", "BEHIND", "SENT", "DEAD"})


class NothingShipped(JobTrackerError):
    """The shipping process has left nothing to show, or not for us."""


class AskedForBoth(JobTrackerError):
    """The command asks for two things, or for half of one; nothing is asked of the process."""


def ask(config: Path, name: str, *, begin: int | None, is_retry: bool) -> None:
    """Leave a request for the shipping process."""
    if is_retry and begin is not None:
        raise AskedForBoth("--retry-dead and --from are asked for one after the other")
    if not is_retry and (begin is None or not name):
        raise AskedForBoth("a shipper's name and --from SEQ belong together: job_tracker ship --from SEQ NAME")
    found = load_for_shipping(config)
    store = ShipStore(found.settings.ship_store_file, is_new=False)
    try:
        if begin is None:
            store.ask_again(name)
        else:
            if any(entry.name == name for entry in found.shippers):  # one that has not begun, or is not enabled yet
                store.begin(name, max(0, begin - 1))
            store.ask_from(name, begin)
    finally:
        store.close()
    what = "its dead letters are tried again" if begin is None else f"it goes on with event {begin}"
    output.put(f"{name}: {what}, within a second or at the next start of job_tracker ship")


def show(config: Path, *, json: bool) -> None:
    """A line per shipper, and why what was not taken."""
    settings = load_for_shipping(config).settings
    found = _read(status_file(settings.ship_store_file))
    if json:
        output.put_json(found)
        return
    if found["shippers"]:
        output.put_table(_table(found["shippers"]))
    for shipper in found["shippers"]:
        for remark in _remarks(shipper):
            output.put(f"{safe(shipper['name'])}: {safe(remark)}")
    for fault in found["faults"]:
        output.put_note(f"WARN: {safe(fault)}")
    written = round(found["written"] * MICROSECONDS)
    late = clock.now() - written > found["stale_after"] * MICROSECONDS
    told = f"as of {clock_text(written, settings.time_zone)}"
    output.put_note(f"{told}; job_tracker ship does not run, or hangs" if late else told)


def _read(path: Path) -> Document:
    try:
        found: Document = json_text.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as missing:
        raise NothingShipped(f"{path} is not there: job_tracker ship has not run with this configuration") from missing
    except PermissionError as refusal:
        raise NothingShipped(f"{path} may not be read; ask as root or as a member of its group") from refusal
    except ValueError as fault:
        raise NothingShipped(f"{path} cannot be read: {fault}") from fault
    return found


def _table(shippers: list[Document]) -> Table:
    rows = [
        [
            cell(each["name"]),
            cell(each["to"]),
            cell(each["target"]),
            cell(each["seq"]),
            cell(span(round(each["behind"] * MICROSECONDS)) if each["behind"] else None),
            cell(each["sent"]),
            cell(each["dead"] or None),
            cell(each["problem"] or "works", STYLES[each["status"]]),
        ]
        for each in shippers
    ]
    return Table(headings=HEADINGS, rows=rows, narrow=frozenset({"TARGET", "STATE"}), right=NUMBERS)


def _remarks(shipper: Document) -> list[str]:
    said = [each for each in (shipper["gap"], shipper["remark"]) if each]
    return said + [f"event {each['seq']} was not taken: {each['reason']}" for each in shipper["dead_letters"]]
