"""What is shipped, line by line: golden files, what every line keeps, and what Debian's ruby makes of it."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from remote_events import HOSTILE, accepted, metrics, status
from running import missing

from job_tracker.shippers.formats import METRICS, PLAIN, SEPARATOR, STATUS, document, key, line

GOLDEN = Path(__file__).parents[1] / "golden" / "shippers"

TOLD = {
    "status_accepted": (STATUS, accepted()),
    "status_successful": (STATUS, status()),
    "status_failed": (STATUS, status(to="failed", text="can't open 'a+b'", server=None, seconds=50.5)),
    "metrics_successful": (METRICS, metrics()),
    "plain_status": (PLAIN, status()),
}

READ_AS_LOGSTASH_DOES = """
require 'csv'
require 'json'
STDIN.set_encoding('UTF-8')
STDIN.each_line("\\n") do |line|
  values = CSV.parse_line(line.chomp, col_sep: '+++', quote_char: "'")
  puts JSON.generate([values.length, values[0].strip, JSON.parse(values[1].strip)])
end
"""
"""The call that logstash's csv filter makes, the strip and the json filter behind it."""


@pytest.mark.parametrize("name", TOLD)
def test_a_line_is_as_its_golden_file_says(name: str) -> None:
    """Other people's pipelines read it; a change of it is to be seen and wanted."""
    path = GOLDEN / f"{name}.txt"
    text = f"{line(*TOLD[name])}\n"
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_text(text, encoding="utf-8")

    assert text == path.read_text(encoding="utf-8")


def test_the_keys_are_those_of_the_original_in_its_order() -> None:
    """Whoever reads by position, or has mapped each key, reads ours unchanged; one number has come behind them."""
    payload = document(STATUS, status())
    assert payload is not None
    used = document(METRICS, metrics())
    assert used is not None

    names = "resource payload_id status tags @version dedup job type uuid payload_hash seq"
    assert list(payload) == names.split()
    job = "job_info container_image_name container_image_url retry_count facts status name type username priority"
    rest = "@version tag task_id command params context container_image_id container_mappings endpoint_id"
    assert list(payload["job"]) == [*job.split(), *rest.split()]
    info = "ades_id api_version username job_type time_queued time_start time_end duration status"
    assert list(payload["job"]["job_info"]) == ["id", *info.split(), "execute_node"]
    assert list(used) == ["resource", "payload_id", "@version", "dedup", "job", "status", "payload_hash", "seq"]
    assert list(used["job"]["job_info"]) == [*info.split(), "metrics"]


def test_a_time_that_is_not_set_is_null() -> None:
    """`Z` is no date: a search engine that has mapped the field refuses the whole document for it."""
    payload = document(STATUS, accepted())

    assert payload is not None
    info = payload["job"]["job_info"]
    assert [info[name] for name in ("time_start", "time_end", "duration")] == [None, None, None]
    assert info["time_queued"] == "2025-11-24T00:00:00.000Z"


def test_an_event_has_one_line_for_ever() -> None:
    """A torn line is completed, and a repeated one recognized, only because it comes out the same again."""
    again = json.loads(json.dumps(status()))

    assert line(STATUS, status()) == line(STATUS, again)
    assert line(STATUS, status()) != line(STATUS, status(uid="other"))


def test_other_kinds_have_no_line_in_these_words() -> None:
    """What is no remote job's has none of these keys; `plain` tells everything."""
    started = {"seq": 7, "kind": "run.started", "job": "LOAD__P", "at": 1.0, "created": 1.0}

    assert [line(form, started) for form in (STATUS, METRICS)] == [None, None]
    assert json.loads(line(PLAIN, started) or "") == started
    assert line(METRICS, status()) is None
    assert line(STATUS, metrics()) is None


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("plain-1.0", "plain-1.0"),
        ("a'b", "a%27b"),
        ("a+++b+", "a%2B%2B%2Bb%2B"),
        (" a ", "%20a%20"),
        ("a\r\nb", "a%0D%0Ab"),
        ("a%27b", "a%2527b"),
    ],
)
def test_an_id_never_breaks_the_line(written: str, shown: str) -> None:
    """An id with the separator in it would cut the columns elsewhere; no two ids become one."""
    assert key(status(id=written)) == shown


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_a_line_holds_neither_quote_nor_separator_but_the_one(text: str) -> None:
    """Whatever a server writes into names and texts: one line, ASCII, two columns, and the same JSON."""
    for form, event in ((STATUS, status(username=text)), (METRICS, metrics(username=text))):
        told = line(form, event) or ""

        assert told.isascii()
        assert told.isprintable()
        assert "'" not in told
        assert told.count("+") == len(SEPARATOR)
        assert json.loads(told.split(SEPARATOR)[1])["job"]["job_info"]["username"] == text


@pytest.mark.parts
def test_logstash_s_csv_filter_reads_every_line(tmp_path: Path) -> None:
    """Its own call, in the ruby that Debian has: ids and texts with whatever breaks a csv come out as they were."""
    ruby = shutil.which("ruby")
    if ruby is None:
        missing("needs ruby")
    assert ruby is not None
    texts = {name: text for name, text in HOSTILE.items() if name != "surrogate"}  # JSON has no other word for half
    events = [event for form, event in TOLD.values() if form != PLAIN]
    forms = [form for form, _ in TOLD.values() if form != PLAIN]
    for text in texts.values():
        events += [status(username=text, id=text[:100]), metrics(username=text, process=text[:100])]
        forms += [STATUS, METRICS]
    lines = [line(form, event) or "" for form, event in zip(forms, events, strict=True)]

    answer = subprocess.run(
        [ruby, "-e", READ_AS_LOGSTASH_DOES], input="\n".join(lines) + "\n", capture_output=True, text=True, check=False
    )

    assert answer.stderr == ""
    read: list[Any] = [json.loads(each) for each in answer.stdout.split("\n") if each]
    wanted = [[2, key(event), document(form, event)] for form, event in zip(forms, events, strict=True)]
    assert read == wanted
