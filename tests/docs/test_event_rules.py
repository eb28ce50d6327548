"""The Event Console rules that operators are given, in the document and as a file, do what they are given for."""

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rule_hash import Console, Rule

ROOT = Path(__file__).parents[2]
TOOL = ROOT / "job_tracker" / "onhost" / "send-notification.py"
DOCUMENT = (ROOT / "docs" / "event-console.md").read_text(encoding="utf-8")
FILE = ROOT / "examples" / "event-console" / "rules.mk"
NAMES = {
    "Rule ID": "id",
    "Description": "description",
    "Match host": "match_host",
    "Match syslog application (tag)": "match_application",
    "Text to match": "match",
    "Match syslog priority": "match_priority",
    "Syslog priority to cancel event": "cancel_priority",
    "State": "state",
    "Count messages in interval": "count",
    "Expect regular messages": "expect",
    "Limit event lifetime": "livetime",
    "Rewrite host name": "set_host",
    "Rewrite application": "set_application",
}
"""Fields of the GUI, and what Checkmk calls them in its files."""


def rules_of_the_file() -> list[Rule]:
    """As the Event Console reads it: a program that adds to a list."""
    known: dict[str, Any] = {"rule_packs": []}
    exec(compile(FILE.read_text(encoding="utf-8"), FILE, "exec"), known)  # noqa: S102 - that is the format
    (pack,) = known["rule_packs"]
    return list(pack["rules"])


def rules_of_the_document() -> list[Rule]:
    """The tables of "The rules", typed in field by field."""
    tables = DOCUMENT.split("\n## The rules\n", 1)[1].split("\n## ", 1)[0].split("| box | field | value |\n")[1:]
    return [typed_in(table) for table in tables]


def typed_in(table: str) -> Rule:
    """A rule from the rows of its table."""
    rule: Rule = {}
    for row in table.split("\n\n", 1)[0].splitlines()[1:]:
        _, field, value = (cell.strip() for cell in row.strip("|").split("|"))
        rule[NAMES[field]] = READERS.get(field, plain)(value)
    return rule


def plain(value: str) -> str:
    return re.sub(r"^`(.*)`$", r"\1", value)


def priorities(value: str) -> tuple[int, int]:
    """`from: warning (4) to: emerg (0)`."""
    found = re.fullmatch(r"from: \w+ \((\d)\) to: \w+ \((\d)\)", value)
    assert found, value
    return int(found[1]), int(found[2])


def counting(value: str) -> dict[str, Any]:
    assert "Count until triggered 1, Time period for counting 1 day, Algorithm Interval" in value, value
    ticked = [
        "Continue counting when event is acknowledged",
        "Force separate events for different hosts, applications and match groups",
    ]
    assert all(each in value for each in ticked), value
    assert "Discontinue counting after time has elapsed not ticked" in value
    return {
        "count": 1,
        "period": 86400,
        "algorithm": "interval",
        "count_duration": None,
        "count_ack": True,
        "separate_host": True,
        "separate_application": True,
        "separate_match_groups": True,
    }


def expecting(value: str) -> dict[str, Any]:
    wanted = (
        "Interval 5 minutes, Number of expected messages 1, Merge with open event"
        " Merge even if there is an acknowledged event"
    )
    assert value == wanted
    return {"interval": 300, "count": 1, "merge": "acked"}


def lifetime(value: str) -> tuple[int, list[str]]:
    assert value == "1 hour, both open and acknowledged events"
    return 3600, ["open", "ack"]


READERS: dict[str, Callable[[str], Any]] = {
    "Match syslog priority": priorities,
    "Syslog priority to cancel event": priorities,
    "State": {"CRIT": 2, "(set by syslog)": -1}.__getitem__,
    "Count messages in interval": counting,
    "Expect regular messages": expecting,
    "Limit event lifetime": lifetime,
}


@pytest.fixture(params=["document", "file"])
def console(request: pytest.FixtureRequest) -> Console:
    """An Event Console with the rules of either."""
    return Console(rules_of_the_document() if request.param == "document" else rules_of_the_file())


def line(application: str, status: int, text: str = "text", host: str = "em.example.com") -> str:
    """What send-notification.py makes of it."""
    words = ["event", "--dry-run", "--host", host, "--application", application, "--status", str(status), "-m", text]
    command = [sys.executable, "-I", str(TOOL), "--config", "/dev/null", *words]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.removesuffix("\n")


def test_document_and_file_have_the_same_rules() -> None:
    """Whoever types them in and whoever takes the file have the same."""
    shown = set(NAMES.values())

    assert [{key: rule[key] for key in rule if key in shown} for rule in rules_of_the_file()] == rules_of_the_document()


@pytest.mark.parametrize(("status", "state"), [(1, 1), (2, 2), (3, 2)])
def test_an_alarm_opens_an_event_and_a_recovery_cancels_it(console: Console, status: int, state: int) -> None:
    """The whole purpose: with the range the other way round every alarm was dropped, in silence."""
    console.hear(line("job_LOAD__P", status))
    opened = [(event.application, event.state) for event in console.events]
    console.hear(line("job_LOAD__P", 0))

    assert opened == [("job_LOAD__P", state)]
    assert console.events == []


def test_with_the_range_the_other_way_round_nothing_is_ever_opened() -> None:
    """So that it is known that this model, and with it these tests, can tell."""
    rules = rules_of_the_file()
    rules[1]["match_priority"] = (0, 4)
    console = Console(rules)

    console.hear(line("job_LOAD__P", 2))

    assert console.events == []


def test_a_recovery_cancels_nothing_of_another_job(console: Console) -> None:
    """Not of one whose name begins alike, either."""
    console.hear(line("job_LOAD__P", 2))
    console.hear(line("job_LOAD__P2", 0))
    console.hear(line("job_LOAD__P", 0, host="other"))

    assert len(console.events) == 1


def test_what_is_told_again_of_a_job_changes_its_event(console: Console) -> None:
    """One event per job, with the newest state and text, also behind an acknowledgement: no second page at night."""
    console.hear(line("job_LOAD__P", 1, "first"))
    console.events[0].acknowledged = True
    console.hear(line("job_LOAD__P", 2, "second"))

    (event,) = console.events
    assert (event.state, event.text, event.count) == (2, "second", 2)


def test_the_service_level_of_the_rule_is_not_overruled(console: Console) -> None:
    """A level in the message, also 0, would win over the rule's, which a site may have set."""
    assert ";" not in line("job_LOAD__P", 2).split(" ")[0]


def test_a_heartbeat_is_counted_and_cancels_nothing(console: Console) -> None:
    """It comes with priority 5, and job_tracker begins with the prefix of jobs."""
    console.hear(line("job_tracker", 2, "something of the daemon's own"))
    before = list(console.events)
    console.hear(line("job_tracker", 0, "alive: 4 jobs, 1 sources, 0 notifications waiting"))
    console.interval_ends()

    assert len(before) == 1
    assert console.events == before


def test_a_missing_heartbeat_raises_one_event_that_says_whose(console: Console) -> None:
    """Without host and application it belongs to nobody's view, and reaches nobody."""
    for _ in range(3):
        console.interval_ends()

    (event,) = console.events
    assert (event.host, event.application, event.state, event.count) == ("em.example.com", "job_tracker", 2, 3)
    assert "livetime" in console.rules[0]


@pytest.mark.parametrize(
    ("application", "text", "host"),
    [
        ("not_job_tracker", "alive: ", "em.example.com"),
        ("job_tracker", "not alive: ", "em.example.com"),
        ("job_tracker", "alive: ", "em.example.com.evil"),
        ("job_tracker", "alive: ", "em-example.com"),
    ],
)
def test_only_the_trackers_own_heartbeat_counts(console: Console, application: str, text: str, host: str) -> None:
    """Patterns are searched anywhere: one that is not anchored is kept alive by anybody."""
    console.hear(line(application, 0, text, host))
    console.interval_ends()

    assert len(console.events) == 1


def test_what_is_not_a_job_of_ours_opens_nothing(console: Console) -> None:
    """An application that only contains the prefix belongs to other rules."""
    console.hear(line("cron_job_1", 2))

    assert console.events == []
