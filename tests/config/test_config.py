"""The configuration: what is read, what is refused with which words at which place, and what is only recommended."""

import json
import os
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import yaml
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from job_tracker.config import reading as config
from job_tracker.config import text as config_text
from job_tracker.config import zones
from job_tracker.config.settings import Settings
from job_tracker.core.jobs import Job, Kind
from job_tracker.core.schedules.daily import Daily
from job_tracker.core.schedules.quiet import Quiet, Windows
from job_tracker.core.signals import Keywords, Signal
from job_tracker.errors import ConfigError
from job_tracker.moments import MICROSECONDS, MINUTE

EXAMPLES = Path(__file__).parents[2] / "examples"
HOUR = 60 * MINUTE
CYCLIC = {
    "name": "LOAD_DWH",
    "env": "P",
    "cyclic_or_daily": "cyclic",
    "cyclic_interval_in_hh:mm:ss": "00:15:00",
    "timeout_in_hh:mm:ss": "00:10:00",
}
DAILY = {
    "name": "LOAD_DWH",
    "env": "P",
    "cyclic_or_daily": "daily",
    "daily_start_time_in_hh:mm": "02:00",
    "timeout_in_hh:mm:ss": "03:00:00",
}
APP1 = {"hostname": "app1", "message_queue": "/q.sqlite"}
QUIET_FROM, QUIET_UNTIL = "no_timeout_for_cyclic_jobs_from_in_hh:mm", "no_timeout_for_cyclic_jobs_until_in_hh:mm"
LEFT_OUT = object()


SLIPS = [*"{}[]:,\"'#&*!|>%@`-?~\n\t \\09.", "null", "true", "NaN", "- ", "\\ud800", "<<: ", "---\n", '"a":', ": "]


def changed(entry: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in (entry | changes).items() if value is not LEFT_OUT}


def read(tree: Any) -> config.Config:
    return config.parse(json.dumps(tree), name="test.cfg")


def read_both(tree: Any) -> config.Config:
    """Read a tree as JSON and as YAML; the two have to be the same."""
    from_json = read(tree)
    assert config.parse(yaml.safe_dump(tree, sort_keys=False), name="test.yml") == from_json
    return from_json


def settings(**changes: Any) -> Settings:
    return read_both({"global_config": changes}).settings


def job(entry: dict[str, Any], **global_config: Any) -> Job:
    (found,) = read_both({"global_config": global_config, "jobs": [entry]}).jobs.by_key.values()
    return found


def faults(tree: Any) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as caught:
        read(tree)
    return caught.value.faults


def faults_of_text(text: str) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as caught:
        config.parse(text, name="test")
    return caught.value.faults


def faults_if_any(text: str) -> tuple[str, ...] | None:
    try:
        config.parse(text, name="test")
    except ConfigError as error:
        return error.faults
    return None


# ---- What is read


def test_the_examples_are_one_configuration() -> None:
    """Whoever changes from JSON to YAML for the comments must not get other promises."""
    assert config.load(EXAMPLES / "job_tracker.yml") == config.load(str(EXAMPLES / "job_tracker.cfg"))


def test_the_examples_give_no_cause_for_recommendations() -> None:
    """What people copy should be what we advise; only the secrets that it names are not there."""
    found = config.load(EXAMPLES / "job_tracker.yml").recommendations

    assert [each for each in found if not each.endswith("is not there; without it the server is not asked")] == []
    assert len(found) == 3


@pytest.mark.parametrize("example", ["job_tracker.yml", "job_tracker.cfg"])
@pytest.mark.parametrize("section", config.known_keys())
def test_every_key_occurs_in_the_examples(example: str, section: str) -> None:
    """A key that is in no example is a key nobody finds."""
    text = (EXAMPLES / example).read_text(encoding="utf-8")
    tree: Any = config_text.read(text, name=example)

    entries = tree[section] if isinstance(tree[section], list) else [tree[section]]
    if section == "calendars":
        entries = list(tree[section].values())

    assert {key for entry in entries for key in entry} == set(config.known_keys()[section])


def test_nothing_but_the_defaults_is_a_configuration() -> None:
    """Each key of global_config has a default, and the documents state it."""
    found = read({})

    assert found.sources == ()
    assert found.jobs.by_key == {}
    assert found.jobs.keywords == Keywords(start="STARTED", error="ERROR", end="SUCCESS")
    assert (found.jobs.tolerance, found.jobs.grace, found.jobs.history) == (15 * MICROSECONDS, 5 * MICROSECONDS, 100)
    assert found.settings.quiet is None
    assert (found.settings.controller_interval, found.settings.load_timeout, found.settings.grace) == (10, 5, 5)
    assert found.settings.unreachable_critical_after_microseconds == 300 * MICROSECONDS
    assert found.settings.backends == {"status"}
    assert (found.settings.service_prefix, found.settings.perfdata) == ("job_", False)
    assert (found.settings.log_file, found.settings.log_level) == (Path("/var/log/job_tracker.log"), "info")
    assert found.settings.run_dir == Path("/var/run")
    assert found.settings.view_file == Path("/var/lib/job_tracker/view.sqlite")
    assert found.settings.store_file == Path("/var/lib/job_tracker/job_tracker.sqlite")
    assert found.settings.ssh_config is None
    assert found.settings.time_zone == zones.host_zone().zone


@pytest.mark.parametrize("wrapped", [False, True])
def test_global_config_may_be_an_object_or_a_list_of_one(wrapped: bool) -> None:
    """Configurations of both shapes have been around for years."""
    section = {"job_history_entry_count": 7}

    assert read_both({"global_config": [section] if wrapped else section}).jobs.history == 7


def test_a_cyclic_job_becomes_a_promise() -> None:
    """Everything the core counts with is in microseconds and minutes."""
    entry = CYCLIC | {
        "cyclic_interval_in_hh:mm:ss": "36:00:01",
        "cyclic_interval_counts_from": "end",
        "start_max_delay_in_hh:mm:ss": "00:02:00",
        "max_errors_before_alerting": 3,
        "status_below_threshold": 1,
        "time_zone": "Australia/Lord_Howe",
    }

    found = job(entry, **{QUIET_FROM: "22:00", QUIET_UNTIL: "06:30"})

    assert found == Job(
        name="LOAD_DWH",
        env="P",
        kind=Kind.CYCLIC,
        timeout=10 * MINUTE,
        grace=5 * MICROSECONDS,
        zone=ZoneInfo("Australia/Lord_Howe"),
        interval=36 * HOUR + MICROSECONDS,
        counts_from_end=True,
        max_delay=2 * MINUTE,
        max_errors=3,
        status_below=1,
        windows=Windows(zone=ZoneInfo("Australia/Lord_Howe"), rules=(Quiet(begin=22 * 60, end=6 * 60 + 30),)),
    )


def test_a_daily_job_becomes_a_promise() -> None:
    """Quiet windows are for cyclic jobs, and a daily start may be five minutes early where nothing else is said."""
    found = job(DAILY | {"time_zone": "UTC"}, **{QUIET_FROM: "22:00", QUIET_UNTIL: "06:30"})

    assert found == Job(
        name="LOAD_DWH",
        env="P",
        kind=Kind.DAILY,
        timeout=3 * HOUR,
        grace=5 * MICROSECONDS,
        zone=ZoneInfo("UTC"),
        starts=Daily(zone=ZoneInfo("UTC"), max_early=5 * MINUTE, times=(120,)),
    )


@pytest.mark.parametrize(
    ("grace", "given", "expected"),
    [("5", LEFT_OUT, 5 * MINUTE), ("600", LEFT_OUT, 10 * MINUTE), ("600", "00:00:00", 0), ("5", "01:00:00", HOUR)],
)
def test_a_daily_start_may_be_early_by_the_grace_or_five_minutes(grace: str, given: Any, expected: int) -> None:
    """A clock that is ahead by as much as is tolerated must not move a start to the day before."""
    entry = changed(DAILY, {"start_max_early_in_hh:mm:ss": given})

    starts = job(entry, controller_message_grace_period_in_sec=grace).starts

    assert starts is not None
    assert starts.max_early == expected


def test_jobs_keep_the_order_of_the_configuration() -> None:
    """The order decides between deadlines of one moment."""
    jobs = read({"jobs": [CYCLIC | {"name": name} for name in ("Z", "A", "M")]}).jobs

    assert [(key, job.order) for key, job in jobs.by_key.items()] == [("Z__P", 0), ("A__P", 1), ("M__P", 2)]


def test_a_job_without_a_zone_has_the_global_one() -> None:
    """One key moves all jobs to another zone."""
    assert job(DAILY, time_zone="America/Santiago").zone == ZoneInfo("America/Santiago")


@pytest.mark.parametrize(("given", "expected"), [("app1", ("app1",)), (["app2", "app1", "app2"], ("app2", "app1"))])
def test_a_job_may_name_its_source_or_several(given: Any, expected: tuple[str, ...]) -> None:
    """A job that moves between two hosts belongs to both."""
    found = read_both({"source_hosts": [APP1, APP1 | {"name": "app2"}], "jobs": [CYCLIC | {"source_host": given}]})

    assert found.jobs.by_key["LOAD_DWH__P"].sources == expected
    assert found.jobs.sources == ("app1", "app2")


def test_a_source_over_ssh_has_the_documented_defaults() -> None:
    """Only a hostname and a queue have to be given."""
    (source,) = read_both({"source_hosts": [APP1]}).sources

    assert (source.name, source.connection, source.hostname, source.port) == ("app1", "ssh", "app1", 22)
    assert (source.user, source.key, source.known_hosts) == ("", None, None)
    assert source.message_queue == "/q.sqlite"
    assert source.message_queue_handler == "/usr/local/lib/job_tracker/message-queue.py"
    assert source.python == "python3"
    assert "port" not in source.model_fields_set


@pytest.mark.parametrize("connection", ["local", "Local"])
def test_a_local_source_is_read_by_the_handler_of_this_installation(connection: str) -> None:
    """Whoever reads a queue of this host has to install nothing else."""
    (source,) = read_both({"source_hosts": [{"connection": connection, "message_queue": "/q.sqlite"}]}).sources

    assert (source.name, source.connection) == ("localhost", "local")
    assert Path(source.message_queue_handler).is_file()


def test_home_directories_are_left_to_whoever_connects() -> None:
    """The configuration is checked by one user and used by another."""
    given = APP1 | {"key": "~/.ssh/id", "known_hosts": ""}

    (source,) = read_both({"source_hosts": [given]}).sources

    assert (source.key, source.known_hosts) == (Path("~/.ssh/id"), None)


def test_relative_paths_start_where_the_configuration_lies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A daemon works in / and must not look for its store there."""
    tree = {
        "global_config": {"store_file": "var/store.sqlite", "ssh_config": "ssh_config"},
        "source_hosts": [{"connection": "local", "message_queue": "q.sqlite"}, APP1 | {"message_queue": "q.sqlite"}],
    }
    (tmp_path / "job_tracker.cfg").write_text(json.dumps(tree))
    monkeypatch.chdir("/")

    found = config.load(os.path.relpath(tmp_path / "job_tracker.cfg"))

    assert found.settings.store_file == tmp_path / "var/store.sqlite"
    assert found.settings.ssh_config == tmp_path / "ssh_config"
    assert [source.message_queue for source in found.sources] == [str(tmp_path / "q.sqlite"), "q.sqlite"]


@pytest.mark.parametrize(
    ("written", "microseconds"),
    [
        (5, 5_000_000),
        ("5.0", 5_000_000),
        (0.1, 100_000),
        ("0.3", 300_000),
        ("1e-1", 100_000),
        (".5", 500_000),
        ("16777216.000001", 16_777_216_000_001),
        ("35996400", 35_996_400_000_000),
    ],
)
def test_seconds_are_exact_to_the_microsecond(written: Any, microseconds: int) -> None:
    """Moments are whole microseconds from decode to verdict; a float would lose some on the way."""
    found = read({"global_config": {"controller_interval_in_sec": written}})

    assert found.jobs.tolerance == microseconds + 5 * MICROSECONDS
    assert found.settings.controller_interval == microseconds / MICROSECONDS


@pytest.mark.parametrize("written", [True, "true", "True", "yes", "ON"])
def test_flags_may_be_words(written: Any) -> None:
    """Templates write booleans in many ways."""
    assert settings(monitoring_perfdata=written).perfdata is True


def test_numbers_may_be_texts() -> None:
    """The user's document shows them both ways."""
    assert job(CYCLIC | {"max_errors_before_alerting": "2"}).max_errors == 2


@pytest.mark.parametrize(
    ("written", "expected"),
    [("status", {"status"}), ("event", {"event"}), ("status,event", {"status", "event"}), ("event, status", None)],
)
def test_backends_are_words_with_commas(written: str, expected: set[str] | None) -> None:
    """Their order and a blank after the comma mean nothing."""
    assert settings(monitoring_backend_based_on_event_or_status=written).backends == (expected or {"status", "event"})


def test_a_null_asks_for_the_default() -> None:
    """A template's null, or a key without a value in YAML, is a key left out."""
    text = "global_config:\n  ssh_config:\n  time_zone: ~\n  job_history_entry_count: null\nsource_hosts:\njobs:\n"

    found = config.parse(text, name="test.yml")

    assert found == read({"global_config": {"ssh_config": None, "job_history_entry_count": None}, "jobs": None})
    assert found == read({})


def test_yaml_reads_times_as_they_are_written() -> None:
    """To YAML 1.1 an unquoted 10:30:00 is the number 37800, and 010 is eight."""
    lines = [f"{key}: {value}" for key, value in (CYCLIC | {"cyclic_interval_in_hh:mm:ss": "10:30:00"}).items()]
    text = "jobs:\n  - " + "\n    ".join([*lines, "max_errors_before_alerting: 010"])

    found = config.parse(text, name="test.yml").jobs.by_key["LOAD_DWH__P"]

    assert (found.interval, found.max_errors) == (10 * HOUR + 30 * MINUTE, 10)


@pytest.mark.parametrize(("begin", "end"), [("22:00", "22:00"), ("00:00", "00:00")])
def test_a_quiet_window_that_ends_where_it_begins_is_none(begin: str, end: str) -> None:
    """The alternative, a whole day, would leave no hour to alarm in."""
    assert settings(**{QUIET_FROM: begin, QUIET_UNTIL: end}).quiet is None


@pytest.mark.parametrize(("begin", "end"), [("01:00", "00:00"), ("07:30", "06:30"), ("00:00", "23:00")])
def test_a_quiet_window_may_leave_just_an_hour(begin: str, end: str) -> None:
    """An hour is the least, so an hour has to be enough."""
    assert settings(**{QUIET_FROM: begin, QUIET_UNTIL: end}).quiet is not None


def test_a_byte_order_mark_is_not_part_of_the_text(tmp_path: Path) -> None:
    """Some editors leave one."""
    path = tmp_path / "job_tracker.cfg"
    path.write_text(json.dumps({"jobs": [CYCLIC]}), encoding="utf-8-sig")

    assert list(config.load(path).jobs.by_key) == ["LOAD_DWH__P"]


# ---- What is refused: each fault with its place


@pytest.mark.parametrize(
    ("key", "value", "reason"),
    [
        ("jobs_start_keyword", "", "is empty"),
        ("jobs_start_keyword", "A\x00B", "'A\\x00B' has characters that cannot be printed"),
        ("jobs_start_keyword", "\ud800", "'\\ud800' has characters that cannot be printed"),
        ("jobs_error_keyword", "STARTED", "'STARTED' is also jobs_start_keyword"),
        ("jobs_end_keyword", "x" * 5000, f"'{'x' * 60}'… is longer than 4096 characters"),
        (QUIET_FROM, "22:00", f"needs {QUIET_UNTIL} beside it"),
        (QUIET_UNTIL, "22:00", f"needs {QUIET_FROM} beside it"),
        ("controller_message_grace_period_in_sec", "-1", "'-1' is less than 0 seconds"),
        ("controller_message_grace_period_in_sec", True, "'true' is not a number of seconds"),
        ("controller_message_grace_period_in_sec", float("nan"), "'NaN' is not a number of seconds"),
        ("controller_message_grace_period_in_sec", float("-inf"), "'-Infinity' is not a number of seconds"),
        ("controller_message_grace_period_in_sec", "1_0", "'1_0' is not a number of seconds"),
        ("controller_message_grace_period_in_sec", "٣", "'٣' is not a number of seconds"),
        ("controller_message_grace_period_in_sec", "0.0000001", "'0.0000001' is finer than a microsecond"),
        ("controller_message_grace_period_in_sec", "0." + "1" * 40, f"'0.{'1' * 40}' is finer than a microsecond"),
        ("controller_interval_in_sec", 0, "'0' is not a number of seconds, at least 0.1"),
        ("controller_interval_in_sec", "1e99", "'1e99' is more than 35996400 seconds (9999 hours)"),
        ("controller_interval_in_sec", "9" * 5000, f"'{'9' * 60}'… is more than 35996400 seconds (9999 hours)"),
        ("controller_interval_in_sec", [10], "a list is not a number of seconds"),
        ("controller_data_load_timeout_in_sec", "0.0", "'0.0' is not a number of seconds above 0"),
        ("monitoring_backend_based_on_event_or_status", "mail", "'mail' is not 'status', 'event' or 'status,event'"),
        ("monitoring_backend_based_on_event_or_status", "", "'' is not 'status', 'event' or 'status,event'"),
        ("monitoring_perfdata", 1, "'1' is not true or false"),
        ("job_history_entry_count", 0, "'0' is not a whole number from 1 to 1000000"),
        ("job_history_entry_count", 2.5, "'2.5' is not a whole number from 1 to 1000000"),
        ("job_history_entry_count", "9" * 5000, f"'{'9' * 60}'… is not a whole number from 1 to 1000000"),
        ("time_zone", "Europe/Berln", "'Europe/Berln' is not the IANA name of a time zone; did you mean Europe/Berlin"),
        ("time_zone", "berlin", "'berlin' is not the IANA name of a time zone; did you mean Europe/Berlin?"),
        ("time_zone", "../../etc/passwd", "'../../etc/passwd' is not the IANA name of a time zone"),
        ("time_zone", "Europe", "'Europe' is not the IANA name of a time zone"),
        ("time_zone", "\ud800", "'\\ud800' is not the IANA name of a time zone"),
        ("time_zone", "x" * 5000, f"'{'x' * 60}'… is not the IANA name of a time zone"),
        ("time_zone", {}, "an object is not the name of a time zone"),
        ("log_level", "loud", "'loud' is not 'debug', 'info', 'warning', 'error' or 'critical'"),
        ("log_file", "a\nb", "'a\\nb' has characters that cannot be printed"),
        (
            "run_dir",
            "~/run",
            "'~/run' begins with '~', which nothing expands here; write the whole path, a daemon's home is not yours",
        ),
        ("view_file", "/var/log/job_tracker.log", "'/var/log/job_tracker.log' is also log_file"),
        ("store_file", "", "is empty"),
        ("control_queue", "/var/log/job_tracker.log", "'/var/log/job_tracker.log' is also log_file"),
        ("source_unreachable_critical_after_in_sec", "soon", "'soon' is not a number of seconds"),
        ("ssh_config", "a\x00b", "'a\\x00b' has characters that cannot be printed"),
        ("job_history", 5, "unknown key; the nearest known key is job_history_entry_count"),
        ("k\ud800", 5, "unknown key; the nearest known key is "),
        ("grace", 5, "unknown key; the nearest known key is controller_message_grace_period_in_sec"),
    ],
)
def test_a_fault_of_global_config_has_its_key(key: str, value: Any, reason: str) -> None:
    """One value is wrong, one line says which and what was expected."""
    (fault,) = faults({"global_config": {key: value}})

    assert fault.startswith(f"global_config: {key.replace(chr(0xD800), '?')}: {reason}")


@pytest.mark.parametrize("prefix", ["my jobs_", "a\tb", "it's", 'a"b', "a\\b", "a;b", "a\u00a0b", "x" * 101])
def test_a_prefix_that_breaks_a_line_of_a_local_check_is_refused(prefix: str) -> None:
    """A blank would make the rest of the name a metric, a quote would swallow it."""
    (fault,) = faults({"global_config": {"monitoring_servicename_prefix_without_spaces": prefix}})

    assert fault.startswith("global_config: monitoring_servicename_prefix_without_spaces: ")
    assert "cannot begin a service's name: no blanks, quotes or special characters" in fault


@pytest.mark.parametrize(("begin", "end"), [("01:00", "00:01"), ("00:00", "23:01"), ("12:30", "12:29")])
def test_a_quiet_window_that_leaves_less_than_an_hour_is_refused(begin: str, end: str) -> None:
    """In what is left no deadline of an hourly job could ever be judged."""
    assert faults({"global_config": {QUIET_FROM: begin, QUIET_UNTIL: end}}) == (
        f"global_config: {QUIET_UNTIL}: the quiet window leaves less than one hour a day outside it",
    )


@pytest.mark.parametrize(
    ("written", "hint"),
    [
        ("24:00", "; midnight is 00:00"),
        ("7:5", ""),
        ("12:60", ""),
        ("22", ""),
        ("22:00:00", ""),
        ("", ""),
        (" 1:00", ""),
    ],
)
def test_a_time_of_day_is_hours_and_minutes(written: str, hint: str) -> None:
    """24:00 is what people write for the end of a day, so they are told."""
    assert faults({"global_config": {QUIET_FROM: written, QUIET_UNTIL: "06:00"}}) == (
        f"global_config: {QUIET_FROM}: '{written}' is not hh:mm{hint}",
    )


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ([], "is a list of 0, not an object or a list holding one"),
        ([{}, {}], "is a list of 2, not an object or a list holding one"),
        (["x"], "is a single value, not an object or a list holding one"),
        ("x", "is a single value, not an object or a list holding one"),
    ],
)
def test_global_config_is_one_object(value: Any, reason: str) -> None:
    """Of two, which one holds?"""
    assert faults({"global_config": value}) == (f"global_config: {reason}",)


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"hostname": LEFT_OUT}, "source_hosts[0]: hostname: is missing"),
        ({"message_queue": LEFT_OUT}, 'source_hosts[0] "app1": message_queue: is missing'),
        ({"message_queue": "~/q"}, "source_hosts[0] \"app1\": message_queue: '~/q' begins with '~', which nothing"),
        ({"message_queue_handler": ""}, 'source_hosts[0] "app1": message_queue_handler: is empty'),
        ({"name": "a/b"}, "source_hosts[0] \"a/b\": name: 'a/b' is not letters, digits, '_', '.', '-', at most 100"),
        ({"name": "x" * 101}, f"source_hosts[0] \"{'x' * 101}\": name: '{'x' * 60}'… is not letters, digits"),
        ({"name": "a", "hostname": "-oProxyCommand=x"}, "source_hosts[0] \"a\": hostname: '-oProxyCommand=x' is not a"),
        ({"connection": "telnet"}, "source_hosts[0] \"app1\": connection: 'telnet' is not 'ssh', 'local' or 'ogc'"),
        ({"port": 65536}, "source_hosts[0] \"app1\": port: '65536' is not a whole number from 1 to 65535"),
        ({"user": ["root"]}, 'source_hosts[0] "app1": user: a list is not a text'),
        ({"key": {}}, 'source_hosts[0] "app1": key: an object is not a text'),
        ({"python": ""}, 'source_hosts[0] "app1": python: is empty'),
        ({"pasword": "x"}, 'source_hosts[0] "app1": pasword: unknown key; the nearest known key is '),
    ],
)
def test_a_fault_of_a_source_has_its_place(changes: dict[str, Any], fault: str) -> None:
    """The number counts from the first entry, the name is as it is written."""
    (found,) = faults({"source_hosts": [changed(APP1, changes)]})

    assert found.startswith(fault)


NAME_WANTED = "letters, digits, '_', '.', '-', a letter or digit first, at most 100 characters"


@pytest.mark.parametrize(
    ("entry", "changes", "fault"),
    [
        (CYCLIC, {"timeout_in_hh:mm:ss": "1:75:00"}, "timeout_in_hh:mm:ss: '1:75:00' is not hh:mm:ss"),
        (CYCLIC, {"timeout_in_hh:mm:ss": "00:10"}, "timeout_in_hh:mm:ss: '00:10' is not hh:mm:ss"),
        (CYCLIC, {"timeout_in_hh:mm:ss": "-1:00:00"}, "timeout_in_hh:mm:ss: '-1:00:00' is not hh:mm:ss"),
        (CYCLIC, {"timeout_in_hh:mm:ss": "00:00:00"}, "timeout_in_hh:mm:ss: '00:00:00' is not longer than zero"),
        (CYCLIC, {"timeout_in_hh:mm:ss": 600}, "timeout_in_hh:mm:ss: '600' is not hh:mm:ss"),
        (CYCLIC, {"timeout_in_hh:mm:ss": ["1:00:00"]}, "timeout_in_hh:mm:ss: a list is not hh:mm:ss"),
        (CYCLIC, {"timeout_in_hh:mm:ss": LEFT_OUT}, "timeout_in_hh:mm:ss: is missing"),
        (CYCLIC, {"timeout_in_hh:mm:ss": None}, "timeout_in_hh:mm:ss: is missing"),
        (
            CYCLIC,
            {"timeout_in_hh:mm:ss": "10000:00:00"},
            "timeout_in_hh:mm:ss: '10000:00:00' is not hh:mm:ss of at most 9999 hours",
        ),
        (
            CYCLIC,
            {"timeout_in_hh:mm:ss": "9" * 5000 + ":00:00"},
            f"timeout_in_hh:mm:ss: '{'9' * 60}'… is not hh:mm:ss of at most 9999 hours",
        ),
        (
            CYCLIC,
            {"cyclic_or_daily": "weekly"},
            "cyclic_or_daily: 'weekly' is not 'cyclic', 'daily', 'cron' or 'on_demand'",
        ),
        (CYCLIC, {"cyclic_or_daily": LEFT_OUT}, "cyclic_or_daily: is missing"),
        (
            CYCLIC,
            {"cyclic_interval_in_hh:mm:ss": LEFT_OUT},
            "cyclic_interval_in_hh:mm:ss: is missing; a cyclic job needs it",
        ),
        (
            CYCLIC,
            {"cyclic_interval_in_hh:mm:ss": "0:00:00"},
            "cyclic_interval_in_hh:mm:ss: '0:00:00' is not longer than zero",
        ),
        (CYCLIC, {"cyclic_interval_counts_from": "now"}, "cyclic_interval_counts_from: 'now' is not 'start' or 'end'"),
        (
            CYCLIC,
            {"daily_start_time_in_hh:mm": "02:00"},
            "daily_start_time_in_hh:mm: is for daily jobs, and this one is cyclic",
        ),
        (
            CYCLIC,
            {"start_max_early_in_hh:mm:ss": "00:05:00"},
            "start_max_early_in_hh:mm:ss: is for daily and cron jobs, and this one is cyclic",
        ),
        (
            DAILY,
            {"daily_start_time_in_hh:mm": LEFT_OUT},
            "daily_start_time_in_hh:mm: is missing; a daily job needs it",
        ),
        (DAILY, {"daily_start_time_in_hh:mm": "24:00"}, "daily_start_time_in_hh:mm: '24:00' is not hh:mm; midnight is"),
        (
            DAILY,
            {"cyclic_interval_in_hh:mm:ss": "01:00:00"},
            "cyclic_interval_in_hh:mm:ss: is for cyclic jobs, and this one is daily",
        ),
        (
            DAILY,
            {"cyclic_interval_counts_from": "start"},
            "cyclic_interval_counts_from: is for cyclic jobs, and this one is daily",
        ),
        (
            DAILY,
            {"start_max_delay_in_hh:mm:ss": "12:00:00", "start_max_early_in_hh:mm:ss": "12:00:00"},
            "start_max_delay_in_hh:mm:ss: must be less than 24 hours together with start_max_early_in_hh:mm:ss",
        ),
        (
            DAILY,
            {"start_max_delay_in_hh:mm:ss": "23:55:00"},
            (
                "start_max_delay_in_hh:mm:ss: must be less than 24 hours together with start_max_early_in_hh:mm:ss "
                "(300 s where it is not given)"
            ),
        ),
        (
            DAILY,
            {"start_max_early_in_hh:mm:ss": "24:00:00"},
            "start_max_early_in_hh:mm:ss: must be less than 24 hours together with start_max_delay_in_hh:mm:ss",
        ),
        (DAILY, {"start_max_delay_in_hh:mm:ss": "late"}, "start_max_delay_in_hh:mm:ss: 'late' is not hh:mm:ss"),
        (CYCLIC, {"max_errors_before_alerting": 0}, "max_errors_before_alerting: '0' is not a whole number from 1 to"),
        (CYCLIC, {"max_errors_before_alerting": True}, "max_errors_before_alerting: 'true' is not a whole number from"),
        (CYCLIC, {"status_below_threshold": 2}, "status_below_threshold: '2' is not 0 or 1"),
        (CYCLIC, {"time_zone": "Mars/Olympus"}, "time_zone: 'Mars/Olympus' is not the IANA name of a time zone"),
        (CYCLIC, {"source_host": "app2"}, "source_host: 'app2' is not the name of a source host; did you mean app1?"),
        (CYCLIC, {"source_host": ["app1", "x"]}, "source_host: 'x' is not the name of a source host"),
        (CYCLIC, {"source_host": [{}]}, "source_host: an object is not a text"),
        (CYCLIC, {"source_host": []}, "source_host: is an empty list; leave the key out if any source may speak"),
        (
            CYCLIC,
            {"timeout_in_hh:mm": "1:00"},
            "timeout_in_hh:mm: unknown key; the nearest known key is timeout_in_hh:mm:ss",
        ),
        (CYCLIC, {"timeout": "1:00"}, "timeout: unknown key; the nearest known key is timeout_in_hh:mm:ss"),
        (CYCLIC, {"a\nb\ud800": 1}, "a\\nb?: unknown key; the nearest known key is "),
        (CYCLIC, {"k" * 5000: 1}, f"{'k' * 100}…: unknown key; the nearest known key is "),
        (CYCLIC, {"extra": None}, "extra: unknown key; the nearest known key is "),
    ],
)
def test_a_fault_of_a_job_has_its_place(entry: dict[str, Any], changes: dict[str, Any], fault: str) -> None:
    """The operator finds the line by the number and the name, whichever is easier."""
    other = CYCLIC | {"name": "OTHER"}

    (found,) = faults({"source_hosts": [APP1], "jobs": [other, changed(entry, changes)]})

    assert found.startswith(f'jobs[1] "LOAD_DWH__P": {fault}')


@pytest.mark.parametrize("name", ["../x", "", "_x", "-x", ".x", "a b", "a/b", "a\n", "ä", "x" * 101, "\ud800", "a\x00"])
@pytest.mark.parametrize("key", ["name", "env"])
def test_names_are_harmless_in_file_and_service_names(key: str, name: str) -> None:
    """The name is part of a path that root reads, and of a line that Checkmk splits at blanks."""
    (fault,) = faults({"jobs": [CYCLIC | {key: name}]})

    assert fault.endswith(f"is not {NAME_WANTED}")
    assert fault.isprintable()


@pytest.mark.parametrize(
    ("entry", "place"),
    [
        (changed(CYCLIC, {"name": LEFT_OUT}), "jobs[0]: name: is missing"),
        (changed(CYCLIC, {"env": LEFT_OUT}), 'jobs[0] "LOAD_DWH": env: is missing'),
        (CYCLIC | {"name": ["x"]}, "jobs[0]: name: a list is not"),
        (CYCLIC | {"env": {}}, 'jobs[0] "LOAD_DWH": env: an object is not'),
        ("x", "jobs[0]: is a single value, not an object"),
        (None, "jobs[0]: is empty, not an object"),
        ([CYCLIC], "jobs[0]: is a list of 1, not an object"),
    ],
)
def test_an_entry_without_a_name_has_its_number(entry: Any, place: str) -> None:
    """There is always a place."""
    (fault,) = faults({"jobs": [entry]})

    assert fault.startswith(place)


@pytest.mark.parametrize("section", ["source_hosts", "jobs"])
def test_sections_are_lists(section: str) -> None:
    """An object of named jobs is a natural guess, and not what is read."""
    assert faults({section: {"LOAD_DWH": CYCLIC}}) == (f"{section}: is an object, not a list",)


def test_an_unknown_section_names_the_nearest() -> None:
    """A misspelled section would silently be one without entries."""
    assert faults({"job": []}) == ("top level: job: unknown key; the nearest known key is jobs",)


def test_a_job_occurs_once() -> None:
    """Two promises of one name would judge each other's messages; what counts is name and env joined."""
    jobs = [
        CYCLIC,
        CYCLIC | {"env": "T"},
        DAILY,
        CYCLIC | {"name": "A", "env": "B__C"},
        CYCLIC | {"name": "A__B", "env": "C"},
    ]

    assert faults({"jobs": jobs}) == (
        'jobs[2] "LOAD_DWH__P": name: with this env it is already the name of jobs[0]',
        'jobs[4] "A__B__C": name: with this env it is already the name of jobs[3]',
    )


def test_a_source_occurs_once() -> None:
    """A name is taken from the hostname where there is none, and may meet another."""
    sources = [APP1, APP1 | {"hostname": "elsewhere", "name": "app1"}]

    assert faults({"source_hosts": sources}) == (
        'source_hosts[1] "app1": name: is already the name of source_hosts[0]',
    )


def test_a_service_occurs_once() -> None:
    """Of two lines of one service Checkmk shows the last, and nobody sees the other."""
    tree = {"source_hosts": [APP1 | {"name": "a__P"}], "jobs": [CYCLIC | {"name": "source_a"}]}

    assert faults(tree) == (
        'jobs[0] "source_a__P": name: its service \'job_source_a__P\' is also that of source_hosts[0] "a__P"',
    )


def test_all_faults_are_told_at_once_in_the_order_of_the_file() -> None:
    """Whoever repairs a configuration at night should not have to start over for each line."""
    tree = {
        "jobs": [
            CYCLIC | {"timeout_in_hh:mm:ss": "x", "daily_start_time_in_hh:mm": "02:00", "source_host": "app7"},
            CYCLIC,
        ],
        "source_hosts": [APP1 | {"port": 0}, APP1],
        "global_config": {"job_history_entry_count": 0, QUIET_FROM: "22:00", "jobs_end_keyword": "ERROR"},
        "job": 1,
    }

    assert [fault.rpartition(": ")[0] for fault in faults(tree)] == [
        "top level: job",
        "global_config: job_history_entry_count",
        f"global_config: {QUIET_FROM}",
        "global_config: jobs_end_keyword",
        'source_hosts[0] "app1": port',
        'source_hosts[1] "app1": name',
        'jobs[0] "LOAD_DWH__P": timeout_in_hh:mm:ss',
        'jobs[0] "LOAD_DWH__P": daily_start_time_in_hh:mm',
        'jobs[0] "LOAD_DWH__P": source_host',
        'jobs[1] "LOAD_DWH__P": name',
    ]


def test_a_source_that_is_no_object_has_its_number() -> None:
    """A list of hostnames is a natural guess, but says nothing of a queue."""
    assert faults({"source_hosts": ["app1"]}) == ("source_hosts[0]: is a single value, not an object",)


def test_a_nameless_source_does_not_make_the_jobs_faulty() -> None:
    """One fault is one line: which source was meant is not known before it has its name."""
    tree = {"source_hosts": [changed(APP1, {"hostname": LEFT_OUT})], "jobs": [CYCLIC | {"source_host": "app1"}]}

    assert faults(tree) == ("source_hosts[0]: hostname: is missing",)


def test_an_error_reads_as_its_faults() -> None:
    """A log line or a terminal shows them without knowing their structure."""
    with pytest.raises(ConfigError, match=r"(?s)^top level: a: .*\ntop level: b: "):
        read({"a": 1, "b": 2})


def test_hints_are_for_the_first_faults_only() -> None:
    """Ten thousand wrong zones would take minutes to find neighbours for, while a reloading daemon sees nothing."""
    jobs = [CYCLIC | {"name": f"J{number}", "time_zone": f"Europe/Berlin{number}"} for number in range(60)]

    found = faults({"jobs": jobs})

    assert [fault.count("did you mean Europe/Berlin") for fault in found] == [1] * 50 + [0] * 10


# ---- Texts that are no configuration


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ('{"jobs": [],\n "jobs": []}', "top level: jobs: is given more than once"),
        ('{"global_config": {"log_level": "info", "log_level": "info"}}', "global_config: log_level: is given more"),
        ("jobs: []\njobs: []\n", "top level: jobs: is given more than once"),
        (
            (
                "jobs:\n- {name: A, env: P, cyclic_or_daily: daily, daily_start_time_in_hh:mm: 1:00, "
                "timeout_in_hh:mm:ss: 1:00:00, env: T}"
            ),
            'jobs[0] "A__T": env: is given more than once',
        ),
    ],
)
def test_a_key_given_twice_is_refused(text: str, fault: str) -> None:
    """Readers of JSON and YAML take the last one and say nothing."""
    (found,) = faults_of_text(text)

    assert found.startswith(fault)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "test: is empty, not an object with global_config, source_hosts, jobs"),
        ("# nothing\n", "test: is empty, not an object"),
        ("[]", "test: is a list of 0, not an object"),
        ("jobs", "test: is a single value, not an object"),
        ("null", "test: is empty, not an object"),
        ('{"jobs": [}', "test: line 1, column 11: Expecting value"),
        ('\n\n  {"jobs": []} x', "test: line 3, column 16: Extra data"),
        ('{"jobs": ["a\nb"]}', "test: line 1, column 13: Invalid control character"),
        ('{"jobs": ["', "test: line 1, column 11: Unterminated string starting"),
        ("jobs:\n  - a\n - b\n", "test: line 3, column 2: "),
        ("jobs: [a, b\n", "test: line 2, column 1: "),
        ("jobs: 'a\n", "test: line 2, column 1: "),
        ("jobs:\n\t- a\n", "test: line 2, column 1: "),
        ("a: \x00", "test: line 1, column 4: the character '\\x00' cannot be in a configuration"),
        ("a:\n  \ud800", "test: line 2, column 3: the character '\\ud800' cannot be in a configuration"),
        ('{"a": "\ud800"}', "test: line 1, column 8: the character '\\ud800' cannot be in a configuration"),
        ("jobs: &a [x]\n", "test: line 1, column 7: anchors and aliases are not accepted; write the value out"),
        ("jobs: *a\n", "test: line 1, column 7: anchors and aliases are not accepted; write the value out"),
        (
            "jobs: !!python/object:os.system []\n",
            "test: line 1, column 7: the tag 'tag:yaml.org,2002:python/object:os.s",
        ),
        ("jobs: ! x\n", "test: line 1, column 7: the tag '!' is not accepted; every value is read as text"),
        ("? [a]\n: b\n", "test: line 1, column 3: a list or an object is not a key; keys are texts"),
        ("--- {}\n--- {}\n", "test: line 2, column 1: a second document begins; a configuration is one"),
    ],
)
def test_a_text_that_cannot_be_read_is_refused_where_it_breaks(text: str, fault: str) -> None:
    """Line and column, counted from one as editors do."""
    (found,) = faults_of_text(text)

    assert found.startswith(fault)


def test_yaml_without_the_c_parser_refuses_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where PyYAML was built without libyaml its parser in Python reads the file."""
    monkeypatch.delattr(yaml, "CBaseLoader", raising=False)

    assert config.load(EXAMPLES / "job_tracker.yml") == config.load(EXAMPLES / "job_tracker.cfg")
    assert faults_of_text("jobs: *a\n")[0].startswith("test: line 1, column 7: anchors and aliases")
    assert faults_of_text("jobs: " + "[" * 100_000) == ("test: line 1, column 26: nested too deeply",)
    assert faults_of_text("jobs: 'a\n")[0].startswith("test: line 2, column 1: ")


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ('{"jobs": ' + "[" * 100_000, "test: line 1, column 29: nested too deeply"),
        ('{"jobs": ' + "[" * 100_000 + "]" * 100_000 + "}", "test: line 1, column 29: nested too deeply"),
        ('{"a":' * 100_000, "test: line 1, column 101: nested too deeply"),
        ('{"jobs": ' + "[" * 300 + "]" * 300 + "}", "jobs[0]: is a list of 1, not an object"),
        ("jobs: " + "[" * 300 + "]" * 300, "test: line 1, column 26: nested too deeply"),
        ("jobs:\n" + "- " * 100_000, "test: line 2, column 39: nested too deeply"),
    ],
)
def test_nesting_without_end_is_refused(text: str, fault: str) -> None:
    """A RecursionError is neither a JSONDecodeError nor a YAMLError, and must not end a daemon that reloads."""
    assert faults_of_text(text) == (fault,)


def test_nesting_that_is_too_deep_for_the_c_parser_is_refused() -> None:
    """It has a bound of its own, and reads ahead of what it gives away."""
    (fault,) = faults_of_text("jobs: " + "[" * 100_000)

    assert fault.startswith("test: line 1, column ")
    assert "nest" in fault


def test_a_bomb_of_aliases_is_refused_at_its_first_line() -> None:
    """Nine lines of YAML can stand for a billion values."""
    lines = [f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 9)}]" for level in range(1, 10)]

    assert faults_of_text("\n".join(["a0: &a0 [lol]", *lines])) == (
        "test: line 1, column 5: anchors and aliases are not accepted; write the value out",
    )


def test_a_number_of_thousands_of_digits_is_a_fault_with_a_place() -> None:
    """To int() it is a ValueError in words of its own, before anything knows where it stands."""
    text = json.dumps({"jobs": [CYCLIC | {"max_errors_before_alerting": 0}]}).replace(": 0}", f": {'9' * 5000}}}")

    (fault,) = faults_of_text(text)

    assert fault.startswith('jobs[0] "LOAD_DWH__P": max_errors_before_alerting: \'9999')
    assert len(fault) < 200


def test_a_file_that_is_not_utf8_is_refused_where_it_breaks(tmp_path: Path) -> None:
    """An umlaut in Latin-1 is the usual case, and its line is what one needs to know."""
    path = tmp_path / "job_tracker.yml"
    path.write_bytes(b"global_config:\n  log_file: /var/log/J\xe4ger.log\n")

    with pytest.raises(ConfigError) as caught:
        config.load(path)

    assert caught.value.faults == (f"{path}: line 2, column 23: is not UTF-8 (byte 0xe4)",)


@pytest.mark.parametrize(
    ("name", "reason"),
    [("missing.cfg", "No such file or directory"), (".", "Is a directory"), ("a\x00b", "embedded null byte")],
)
def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path, name: str, reason: str) -> None:
    """It says which file, and why, on one line."""
    with pytest.raises(ConfigError) as caught:
        config.load(f"{tmp_path}/{name}")

    (fault,) = caught.value.faults
    assert fault.endswith(f": cannot be read: {reason}")
    assert fault.isprintable()


def test_a_file_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A link to /dev/zero must not fill the memory of a daemon that reloads."""
    monkeypatch.setattr(config_text, "MAX_BYTES", 1024 * 1024)

    with pytest.raises(ConfigError, match=r"^/dev/zero: is larger than 1 MiB$"):
        config.load("/dev/zero")


@pytest.mark.parametrize("example", ["job_tracker.yml", "job_tracker.cfg"])
@hypothesis_settings(deadline=None)
@given(data=st.data())
def test_whatever_is_typed_into_a_configuration_is_read_or_refused(example: str, data: st.DataObject) -> None:
    """A daemon that reloads survives every slip of the hand, and its log gets one printable line for each fault."""
    text = (EXAMPLES / example).read_text(encoding="utf-8")
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(text)))
        typed = data.draw(st.sampled_from(SLIPS) | st.text(st.characters(exclude_categories=()), max_size=3))
        text = text[:place] + typed + text[place + data.draw(st.integers(0, 20)) :]

    found = faults_if_any(text)

    assert found != ()
    assert all(fault.isprintable() and len(fault) < 700 for fault in found or ())


# ---- What is only recommended


def recommended(tree: Any) -> tuple[str, ...]:
    given = {"time_zone": "UTC"} | tree.get("global_config", {})
    return read(tree | {"global_config": given}).recommendations


SOURCES = [APP1, APP1 | {"hostname": "app2"}]


@pytest.mark.parametrize(
    ("tree", "expected"),
    [
        ({"source_hosts": [APP1], "jobs": [CYCLIC]}, []),
        ({"jobs": [CYCLIC]}, ["source_hosts: there is none, so nothing will be heard of any job"]),
        ({"source_hosts": [APP1]}, ["jobs: there is none, so nothing will be watched"]),
        ({"source_hosts": SOURCES, "jobs": [CYCLIC]}, ['jobs: "LOAD_DWH__P": no source_host is named, so']),
        (
            {"source_hosts": SOURCES, "jobs": [CYCLIC | {"name": name} for name in "ABCDE"]},
            ['jobs: "A__P", "B__P", "C__P" and 2 more: no source_host is named, so'],
        ),
        (
            {"source_hosts": [APP1, APP1 | {"name": "b"}], "jobs": [CYCLIC | {"source_host": "b"}]},
            ['source_hosts: "app1" and "b" read the same queue and will take it from each other'],
        ),
        (
            {"source_hosts": [APP1 | {"connection": "local", "user": "x", "port": 1}], "jobs": [CYCLIC]},
            ['source_hosts: "app1" is local, so port, user means nothing'],
        ),
        (
            {
                "global_config": {"controller_message_grace_period_in_sec": 901},
                "source_hosts": [APP1],
                "jobs": [CYCLIC, DAILY | {"env": "T"}],
            },
            ['jobs: "LOAD_DWH__P": the interval is shorter than controller_message_grace_period_in_sec'],
        ),
    ],
)
def test_what_hardly_anybody_means_is_recommended_against(tree: Any, expected: list[str]) -> None:
    """It may be meant, so nothing is refused."""
    found = recommended(tree)

    assert len(found) == len(expected)
    assert all(text.startswith(beginning) for text, beginning in zip(found, expected, strict=True))


@pytest.mark.parametrize(
    ("interval", "load_timeout", "enough"),
    [(10, 5, None), (1, 5, "6 s"), (1, 6, None), (0.2, 5.5, "6 s"), (4, 3, "4 s"), (4, 4, None), (6, 0.1, None)],
)
def test_a_tolerance_that_no_source_can_keep_is_recommended_against(
    interval: float, load_timeout: float, enough: str | None
) -> None:
    """A watermark lags by the lock an add may wait for and by the wait for an answer, also on the best of days."""
    global_config = {"controller_interval_in_sec": interval, "controller_data_load_timeout_in_sec": load_timeout}

    found = recommended({"global_config": global_config, "source_hosts": [APP1], "jobs": [CYCLIC]})

    assert [text.rpartition("make it at least ")[2] for text in found] == ([enough] if enough else [])


# ---- The zone of the host


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("Europe/Berlin", "Europe/Berlin"),
        (":Europe/Berlin", "Europe/Berlin"),
        ("/usr/share/zoneinfo/Europe/Berlin", "Europe/Berlin"),
        ("", "UTC"),
    ],
)
def test_the_environment_names_the_zone_first(tmp_path: Path, written: str, name: str) -> None:
    """As for every other program of this host."""
    assert zones.host_zone({"TZ": written}, tmp_path) == zones.HostZone(zone=ZoneInfo(name))


def test_the_link_of_localtime_names_the_zone(tmp_path: Path) -> None:
    """A link may go through another one; and the link is newer than what a distribution once wrote beside it."""
    (tmp_path / "zone").symlink_to("/usr/share/zoneinfo/America/Santiago")
    (tmp_path / "localtime").symlink_to(tmp_path / "zone")
    (tmp_path / "timezone").write_text("Europe/Berlin\n")

    assert zones.host_zone({}, tmp_path).zone == ZoneInfo("America/Santiago")


def test_where_localtime_is_a_copy_the_zone_is_written_beside_it(tmp_path: Path) -> None:
    """Debian writes it into /etc/timezone."""
    (tmp_path / "localtime").write_bytes(b"TZif2")
    (tmp_path / "timezone").write_text("Europe/Berlin\n")

    assert zones.host_zone({}, tmp_path).zone == ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize("environment", [{}, {"TZ": "CET-1CEST,M3.5.0,M10.5.0/3"}])
def test_a_zone_without_a_name_is_taken_for_utc_and_that_is_said(tmp_path: Path, environment: dict[str, str]) -> None:
    """A wrong zone moves every daily job by hours, so nobody should have to guess."""
    found = zones.host_zone(environment, tmp_path)

    assert found.zone == ZoneInfo("UTC")
    assert "this host's time zone is not known" in found.doubt


def test_an_unknown_zone_of_the_host_is_recommended_to_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is no fault: UTC may be right."""
    monkeypatch.setenv("TZ", "CET-1CEST")

    assert any(text.startswith("global_config: time_zone: ") for text in read({}).recommendations)
    assert not any("time_zone" in text for text in read({"global_config": {"time_zone": "UTC"}}).recommendations)


def test_a_grace_as_long_as_the_hours_outside_the_quiet_window_is_a_fault() -> None:
    """Every deadline would land in the next window again, for ever."""
    given = {QUIET_FROM: "01:00", QUIET_UNTIL: "02:00", "controller_message_grace_period_in_sec": 23 * 3600}

    assert [fault for fault in faults({"global_config": given}) if "grace" in fault] == [
        (
            "global_config: controller_message_grace_period_in_sec: is not shorter than the hours outside the quiet "
            "window, so that no deadline would ever pass"
        )
    ]


# ------------------------------------------------------------------------------------------------ outcomes


def outcome_job(**keys: Any) -> dict[str, Any]:
    """A job with some more keys."""
    return {
        "name": "LOAD",
        "env": "P",
        "cyclic_or_daily": "on_demand",
        "timeout_in_hh:mm:ss": "00:10:00",
    } | keys


def read_outcome_job(**keys: Any) -> Job:
    """What the core gets of it."""
    text = json.dumps({"global_config": {}, "source_hosts": [], "jobs": [outcome_job(**keys)]})
    return config.parse(text, name="test").jobs.by_key["LOAD__P"]


def test_exit_codes_mean_what_the_lists_say_and_ends_that_somebody_caused_have_their_defaults() -> None:
    """“default skipped … default error”; the defaults alone make no job one whose runs are skipped."""
    listed = read_outcome_job(exit_codes={"success": [0, 4], "warning": [3], "skipped": [7]})
    plain = read_outcome_job()

    assert listed.exit_codes == {
        0: Signal.END,
        4: Signal.END,
        3: Signal.WARNING,
        7: Signal.SKIPPED,
        -1: Signal.SKIPPED,
    }
    assert listed.may_skip
    assert not plain.may_skip
    assert plain.exit_codes == {-1: Signal.SKIPPED}
    assert read_outcome_job(canceled_counts_as="error").exit_codes == {}


def test_a_number_that_is_listed_stays_as_listed() -> None:
    """“a number that these list themselves stays as listed there”."""
    job = read_outcome_job(exit_codes={"warning": [-1]}, canceled_counts_as="success", gone_counts_as="skipped")

    assert (job.exit_codes[-1], job.exit_codes[-3]) == (Signal.WARNING, Signal.SKIPPED)
    assert job.may_skip


@pytest.mark.parametrize(
    ("key", "value", "fault"),
    [
        ("exit_codes", [1], "a list is not an object with some of success, warning, skipped"),
        ("exit_codes", {"success": [0], "warning": [0]}, "warning: 0 is listed twice"),
        ("exit_codes", {"failed": [1]}, "'failed' is not one of success, warning, skipped"),
        ("exit_codes", {"skipped": ["x"]}, "skipped: 'x' is not a whole number"),
        ("canceled_counts_as", "nothing", "'nothing' is not 'error', 'success' or 'skipped'"),
        ("min_duration_in_hh:mm:ss", "00:10:00", "must be less than timeout_in_hh:mm:ss"),
    ],
)
def test_outcomes_that_cannot_be_meant_are_faults(key: str, value: Any, fault: str) -> None:
    """Each with its place."""
    with pytest.raises(ConfigError) as raised:
        read_outcome_job(**{key: value})

    (told,) = raised.value.faults
    assert told.startswith(f'jobs[0] "LOAD__P": {key}: ')
    assert fault in told


def test_a_word_for_warnings_is_none_of_the_other_words() -> None:
    """Else an end would be two things."""
    text = json.dumps({"global_config": {"jobs_warning_keyword": "SUCCESS"}, "source_hosts": [], "jobs": []})

    with pytest.raises(ConfigError, match="jobs_warning_keyword: 'SUCCESS' is also jobs_end_keyword"):
        config.parse(text, name="test")


def test_files_of_the_tracker_are_not_each_other_by_another_name(tmp_path: Path) -> None:
    """Two programs' tables in one file lose both; a link, and a default that nobody wrote, hide that it is one."""
    (tmp_path / "link").symlink_to(tmp_path)
    linked = {"log_file": str(tmp_path / "a"), "store_file": str(tmp_path / "link" / "a")}

    (by_link,) = faults({"global_config": linked})
    (by_default,) = faults({"global_config": {"view_file": "/srv/events.sqlite"}})

    assert by_link.startswith("global_config: store_file: ")
    assert by_link.endswith(" is also log_file")
    assert by_default == "global_config: events_file: '/srv/events.sqlite' is also view_file"


def test_the_control_queue_is_no_hosts_queue() -> None:
    """Two sources of one tracker would drive each other out, and a job's words would be taken for an operator's."""
    source = {
        "name": "app1",
        "connection": "local",
        "message_queue": "/var/lib/job_tracker/control/../control/queue.sqlite",
    }

    (fault,) = faults({"source_hosts": [source]})

    assert fault == (
        'source_hosts[0] "app1": message_queue: is the tracker\'s own control_queue, which no jobs report into'
    )


def test_the_control_queue_lies_beside_the_store_if_nothing_else_is_said() -> None:
    """In a directory of its own, because others may write into it."""
    text = json.dumps({"global_config": {"store_file": "/srv/jt/store.sqlite"}, "source_hosts": [], "jobs": []})

    assert config.parse(text, name="test").settings.control == Path("/srv/jt/control/queue.sqlite")
