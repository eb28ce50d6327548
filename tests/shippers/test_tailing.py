"""A reader that nobody here wrote follows the lines: rsyslog's imfile, through rotations by rename."""

import json
import shutil
import subprocess
from functools import partial
from pathlib import Path

import pytest
from running import missing, wait_until
from shipping import Events, Shipping, running

pytestmark = pytest.mark.parts

CONFIG = """
module(load="imfile" mode="inotify")
global(workDirectory="{place}/work")
template(name="as_it_is" type="string" string="%msg%\\n")
input(type="imfile" File="{place}/lines.jsonl" Tag="events" addMetadata="off" reopenOnTruncate="on")
action(type="omfile" file="{place}/received" template="as_it_is")
"""


def test_rsyslog_reads_each_line_once_through_rotations(tmp_path: Path) -> None:
    """What a real consumer gets is what was told, in order, whatever logrotate does meanwhile."""
    program = shutil.which("rsyslogd") or shutil.which("rsyslogd", path="/usr/sbin")
    if program is None:
        missing("needs rsyslogd")
    (tmp_path / "work").mkdir()
    (tmp_path / "rsyslog.conf").write_text(CONFIG.format(place=tmp_path))
    log, received = tmp_path / "lines.jsonl", tmp_path / "received"
    log.touch()
    events = Events(tmp_path / "events.sqlite")
    shipping = Shipping(tmp_path, {"name": "lines", "to": "jsonl", "path": str(log), "from": "beginning"})
    command = [program, "-n", "-f", str(tmp_path / "rsyslog.conf"), "-i", str(tmp_path / "pid")]

    def got() -> list[int]:
        return [json.loads(line)["seq"] for line in received.read_text().splitlines() if line.endswith("}")]

    def has_got(number: int) -> bool:
        return got()[-1:] == [number]

    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as consumer, running(shipping):
        try:
            for round_ in range(3):
                last = events.add(200, text=f"Zeile {round_} ' +++ ü")[-1]
                wait_until(partial(has_got, last), "the lines of a round")
                log.rename(tmp_path / f"lines.jsonl.{round_}")
            last = events.add(5)[-1]
            wait_until(lambda: got()[-1:] == [last], "the lines behind the last rotation")
        finally:
            consumer.terminate()
    events.close()

    assert got() == list(range(999, last + 1))
