"""The configuration of expected starts: what is accepted, what it becomes, and what each fault says."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from job_tracker.config import calendars, reading
from job_tracker.core.jobs import Job, Kind
from job_tracker.core.schedules.daily import Daily
from job_tracker.errors import ConfigError

TODAY = date(2026, 5, 1)
BASE = {"name": "A", "env": "P", "timeout_in_hh:mm:ss": "01:00:00"}
DAILY = BASE | {"cyclic_or_daily": "daily", "daily_start_time_in_hh:mm": "06:00"}
CRON = BASE | {"cyclic_or_daily": "cron", "cron_expression": "0 6 * * *"}
ON_DEMAND = BASE | {"cyclic_or_daily": "on_demand"}
CYCLIC = BASE | {"cyclic_or_daily": "cyclic", "cyclic_interval_in_hh:mm:ss": "00:10:00"}
CALENDARS = {"bavaria": {"country": "DE", "subdivision": "BY"}, "shut": {"dates": ["2026-05-02", "12-24", "02-29"]}}


def read(*jobs: dict[str, Any], base: Path | None = None, **sections: Any) -> reading.Config:
    tree = {"global_config": {"time_zone": "Europe/Berlin"}, "calendars": CALENDARS} | sections | {"jobs": list(jobs)}
    return reading.parse(json.dumps(tree), name="test", base=base, today=TODAY)


def job(entry: dict[str, Any], **sections: Any) -> Job:
    return read(entry, **sections).jobs.by_key["A__P"]


def faults(*jobs: dict[str, Any], base: Path | None = None, **sections: Any) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as caught:
        read(*jobs, base=base, **sections)
    return caught.value.faults


@pytest.mark.parametrize(
    ("entry", "key", "said"),
    [
        (DAILY | {"weekdays": "mo-fr"}, "weekdays", "'mo-fr' is not a weekday"),
        (DAILY | {"weekdays": []}, "weekdays", "is an empty list"),
        (DAILY | {"days_of_month": [0]}, "days_of_month", "'0' is not a whole number from 1 to 31, or from -1"),
        (DAILY | {"days_of_month": [1, "1"]}, "days_of_month", "names a day twice"),
        (DAILY | {"daily_start_time_in_hh:mm": ["06:00", "6:00"]}, "daily_start_time_in_hh:mm", "names a time twice"),
        (DAILY | {"closed_day": "later"}, "closed_day", "'later' is not 'skip', 'next' or 'previous'"),
        (DAILY | {"not_on": "bavria"}, "not_on", "'bavria' is not the name of a calendar; did you mean bavaria?"),
        (CRON | {"weekdays": "mon"}, "weekdays", "is for daily jobs, and this one is cron"),
        (CRON | {"cron_expression": "0 0 6 * * *"}, "cron_expression", "'0 0 6 * * *': has not five fields"),
        (CRON | {"cron_expression": "@daily"}, "cron_expression", "'@daily': has not five fields"),
        (CRON | {"cron_expression": "0 25 * * *"}, "cron_expression", "'0 25 * * *': Bad hour"),
        (CRON | {"cron_expression": "0 6 30 2 *"}, "cron_expression", "'0 6 30 2 *': Bad day-of-month"),
        (ON_DEMAND | {"end_by_in_hh:mm": "07:00"}, "end_by_in_hh:mm", "is for daily and cron jobs"),
        (ON_DEMAND | {"cyclic_interval_in_hh:mm:ss": "1:00:00"}, "cyclic_interval_in_hh:mm:ss", "is for cyclic jobs"),
        (DAILY | {"quiet_windows": [{"from": "1:00"}]}, "quiet_windows", "[0] until: is missing"),
        (DAILY | {"quiet_windows": [{"from": "1:00", "until": "1:00"}]}, "quiet_windows", "[0] until: is the same as"),
        (
            DAILY | {"quiet_windows": [{"from": "0:00", "until": "24:00"}]},
            "quiet_windows",
            "leave less than one hour a",
        ),
        (DAILY | {"reported_as": [{"job": "B"}]}, "reported_as", "an object is neither a name nor an object with job"),
    ],
)
def test_a_fault_of_a_schedule_has_its_place(entry: dict[str, Any], key: str, said: str) -> None:
    """Who wrote it has to find it."""
    assert faults(entry)[0].startswith(f'jobs[0] "A__P": {key}: {said}')


def test_days_are_those_of_the_country_and_the_list() -> None:
    """1 May is a holiday, the 2nd is listed, the 3rd is a Sunday."""
    found = job(DAILY | {"not_on": ["bavaria", "shut"], "weekdays": "mon-sat"}).starts

    assert isinstance(found, Daily)
    assert found.days_in(2026 * 12 + 4) & 0b1111 == 0b1000


def test_29_february_of_each_year_is_a_day_of_leap_years() -> None:
    """`02-29` is in 2024 and 2028."""
    found = read(DAILY).calendars["shut"].days

    leap = {date(2024, 2, 29).toordinal(), date(2028, 2, 29).toordinal()}
    assert leap <= found
    assert date(2026, 3, 1).toordinal() not in found


def test_a_calendar_holds_days_from_six_years_before_to_ten_after() -> None:
    """“Beyond them a calendar holds no day.”"""
    found = read(DAILY).calendars["shut"]

    assert (found.first, found.last) == (date(2020, 5, 1).toordinal(), date(2036, 5, 1).toordinal())
    assert min(found.days) == date(2020, 12, 24).toordinal()


ICS = """BEGIN:VCALENDAR
VERSION:2.0
PRODID:-//test//EN
BEGIN:VEVENT
UID:1
DTSTART;VALUE=DATE:20260504
DTEND;VALUE=DATE:20260506
RRULE:FREQ=YEARLY;COUNT=2
END:VEVENT
BEGIN:VEVENT
UID:2
DTSTART;VALUE=DATE:20260601
STATUS:CANCELLED
END:VEVENT
BEGIN:VEVENT
UID:3
DTSTART:20260602T100000Z
DTEND:20260602T110000Z
END:VEVENT
BEGIN:VEVENT
UID:4
DTSTART;VALUE=DATE:20260603
END:VEVENT
END:VCALENDAR
"""


def test_the_days_of_a_calendar_file_are_those_of_its_all_day_events(tmp_path: Path) -> None:
    """To before DTEND, repeated ones expanded, cancelled ones and hours left out, one day where no end is given."""
    (tmp_path / "a.ics").write_text(ICS)

    found = read(DAILY, base=tmp_path, calendars={"file": {"ics": "a.ics"}}).calendars["file"].days

    expected = ["2026-05-04", "2026-05-05", "2026-06-03", "2027-05-04", "2027-05-05"]
    assert sorted(date.fromordinal(day).isoformat() for day in found) == expected


@pytest.mark.parametrize(
    ("calendar", "said"),
    [
        ({}, "dates: is missing, as are ics and country; a calendar needs one of them"),
        ({"dates": ["2026-02-30"]}, "dates: '2026-02-30' is no day of any calendar"),
        ({"dates": ["24.12."]}, "dates: '24.12.' is not a day: 2026-12-24, or 12-24 for each year"),
        ({"ics": "none.ics"}, "none.ics' cannot be read: No such file or directory"),
        ({"ics": "bad.ics"}, "bad.ics' cannot be read as a calendar: "),
        ({"ics": "."}, "cannot be read: Is a directory"),
        ({"country": "Germany"}, "country: 'Germany' is no country that the library holidays knows"),
        ({"country": "DE", "subdivision": "BX"}, "subdivision: 'BX' is none of DE: BB, BE, BW, BY"),
        ({"subdivision": "BY", "dates": ["12-24"]}, "subdivision: needs country beside it"),
    ],
)
def test_a_fault_of_a_calendar_has_its_place(calendar: dict[str, Any], said: str, tmp_path: Path) -> None:
    """“an .ics that cannot be read is a fault at check, start and reload”."""
    (tmp_path / "bad.ics").write_text("BEGIN:VCALENDAR\nBEGIN:VEVENT\nDTSTART:x\n")

    found = faults(DAILY, base=tmp_path, calendars={"c": calendar})

    assert found[0].startswith("calendars.c: ")
    assert said in found[0]


def test_a_program_that_lacks_the_extra_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not a traceback, and not silence: who configured it has to know what to install."""
    monkeypatch.setitem(__import__("sys").modules, "holidays", None)

    assert faults(DAILY)[0] == (
        "calendars.bavaria: country: needs the library holidays, which is not installed: " + calendars.EXTRA
    )


def test_a_group_gives_defaults_and_the_job_wins_as_a_whole() -> None:
    """A job's own list of times is not added to the group's; what is for another kind is passed over."""
    group = DAILY | {"weekdays": "mon-fri", "cron_expression": "1 1 1 1 1", "cyclic_interval_in_hh:mm:ss": "00:10:00"}
    del group["name"], group["env"]
    mine = {"name": "A", "env": "P", "group": "g", "daily_start_time_in_hh:mm": ["08:00", "09:00"]}

    found = job(mine, groups={"g": group})

    assert isinstance(found.starts, Daily)
    assert (found.starts.times, found.starts.days.weekdays, found.group) == ((480, 540), 0b11111, "g")
    assert job(CYCLIC | {"group": "g"}, groups={"g": group}).kind is Kind.CYCLIC


def test_a_fault_of_a_group_is_told_once() -> None:
    """Not again at each of its thousand jobs."""
    group = {"timeout_in_hh:mm:ss": "soon", "env": "P", "cyclic_or_daily": "on_demand"}
    jobs = [{"name": name, "env": "P", "group": "g"} for name in "AB"]

    assert faults(*jobs, groups={"g": group}) == (
        "groups.g: timeout_in_hh:mm:ss: 'soon' is not hh:mm:ss",
        "groups.g: env: is each job's own, and no default",
    )


def test_further_names_are_found_under_the_jobs_key() -> None:
    """With the job's own env, or with that of the object."""
    found = read(ON_DEMAND | {"reported_as": ["OLD NAME ", {"job": "X", "instance": "Q"}]}).jobs.names

    assert found == {("A", "P"): "A__P", ("OLD NAME ", "P"): "A__P", ("X", "Q"): "A__P"}


def test_a_pair_of_job_and_instance_belongs_to_one_job() -> None:
    """Two jobs cannot both be meant by one message, wherever the names stand."""
    said = faults(
        ON_DEMAND | {"reported_as": "B"}, ON_DEMAND | {"name": "B"}, ON_DEMAND | {"name": "C", "reported_as": "B"}
    )

    assert said == (
        "jobs[0] \"A__P\": reported_as: 'B' with the instance 'P' is already jobs[1] \"B__P\"",
        "jobs[2] \"C__P\": reported_as: 'B' with the instance 'P' is already jobs[1] \"B__P\"",
    )


def test_included_files_add_jobs_and_their_faults_name_them(tmp_path: Path) -> None:
    """In the order of their names, relative paths from where they lie; one that is missing is a fault."""
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "conf.d" / "b.yml").write_text("calendars: {c: {ics: here.ics}}\njobs: [{name: B}]\nsource_hosts: []\n")
    (tmp_path / "conf.d" / "a.cfg").write_text(json.dumps({"jobs": [ON_DEMAND | {"name": "FROM_A"}]}))

    said = faults(ON_DEMAND, base=tmp_path, include=["conf.d/*", "gone.yml", "~/x"])

    place = f"{tmp_path}/conf.d/b.yml: "
    assert said[0] == "include[1]: 'gone.yml' is not there"
    assert said[1].startswith("include[2]: '~/x' begins with '~'")
    assert said[2].startswith(f"{place}top level: source_hosts: unknown key")
    assert said[3].startswith(f"{place}calendars.c: ics: '{tmp_path}/conf.d/here.ics' cannot be read")
    assert said[4].startswith(f'{place}jobs[0] "B": env: is missing')


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        (DAILY | {"only_on": "old"}, "no start is expected within 400 days"),
        (
            DAILY | {"end_by_in_hh:mm": "06:30", "start_max_delay_in_hh:mm:ss": "00:40:00"},
            "end_by lies before the latest",
        ),
        (
            DAILY | {"end_by_in_hh:mm": "06:30", "min_duration_in_hh:mm:ss": "00:40:00"},
            "end_by lies before the expected start and min_duration",
        ),
        (DAILY | {"timeout_in_hh:mm:ss": "25:00:00"}, "the timeout is longer than the time to the next expected start"),
        (
            DAILY | {"daily_start_time_in_hh:mm": ["04:00", "18:00", "19:30"], "timeout_in_hh:mm:ss": "02:00:00"},
            "the timeout is longer than the time to the next expected start",
        ),
        (
            ON_DEMAND | {"cyclic_or_daily": "cyclic", "cyclic_interval_in_hh:mm:ss": "00:10:00"},
            "the timeout is longer than the interval",
        ),
        (DAILY | {"days_of_month": 24, "not_on": "eves"}, "all of its days are closed in the year to come"),
        (DAILY | {"only_on": "eves", "not_on": "eves"}, "all of its days are closed in the year to come"),
        (
            ON_DEMAND | {"cyclic_or_daily": "cron", "cron_expression": "0 6 24 * *", "not_on": "eves"},
            "all of its days are closed in the year to come",
        ),
        (DAILY, "calendars: 'old' is over: its last day was 2025-12-24"),
        (DAILY | {"group": "nihgtly"}, "there is no 'nihgtly'"),
    ],
)
def test_what_only_the_days_to_come_show_is_recommended(entry: dict[str, Any], said: str) -> None:
    """“No fault of the configuration depends on the day it is read.”"""
    eves = [f"{month:02d}-24" for month in range(1, 13)]
    found = read(entry, calendars={"old": {"dates": ["2025-12-24"]}, "eves": {"dates": eves}}, groups={"nightly": {}})

    assert any(said in each for each in found.recommendations)


@pytest.mark.parametrize(
    "entry",
    [
        DAILY | {"end_by_in_hh:mm": "06:50", "min_duration_in_hh:mm:ss": "00:20:00"},
        DAILY | {"days_of_month": 24, "not_on": "eves", "closed_day": "next"},
        ON_DEMAND
        | {
            "cyclic_or_daily": "cyclic",
            "cyclic_interval_in_hh:mm:ss": "00:10:00",
            "cyclic_interval_counts_from": "end",
        },
    ],
)
def test_what_can_be_kept_is_not_spoken_of(entry: dict[str, Any]) -> None:
    """A recommendation that is none makes the next one unread."""
    eves = [f"{month:02d}-24" for month in range(1, 13)]

    said = read(entry, calendars={"eves": {"dates": eves}}).recommendations

    assert [each for each in said if not each.startswith("source_hosts")] == []


@pytest.mark.parametrize(
    ("zone", "said"),
    [
        ("CET", "is an abbreviation that says nothing of summer time; name a place, as Europe/Berlin"),
        ("EST", "is an abbreviation that says nothing of summer time; name a place, as America/New_York"),
        ("Etc/GMT+5", "is 5 hours behind UTC, for its sign is the other way round; name a place, as America/Bogota"),
        ("Etc/GMT-5", "is 5 hours ahead of UTC, for its sign is the other way round; name a place, as Asia/Karachi"),
    ],
)
def test_a_zone_that_misleads_is_refused_with_a_place_to_name(zone: str, said: str) -> None:
    """Never with a name of the opposite sign: that would move every job of the night into the day."""
    assert faults(ON_DEMAND | {"time_zone": zone}) == (f"jobs[0] \"A__P\": time_zone: '{zone}' {said}",)


@pytest.mark.parametrize(
    ("host", "said"),
    [
        (
            "oracle@app1",
            "hostname: 'oracle@app1' is not a host's name or address; write user 'oracle' and hostname 'app1'",
        ),
        ("app1:2222", "hostname: 'app1:2222' is not a host's name or address; write hostname 'app1' and port 2222"),
        ("ssh://app1", "hostname: 'ssh://app1' is not a host's name or address; write 'app1'"),
        ("[::1]", "hostname: '[::1]' is not a host's name or address; write hostname '::1'"),
        ("fe80::1", "name: is missing; the address 'fe80::1' has colons and cannot be it"),
    ],
)
def test_a_host_that_is_more_than_a_host_is_told_what_to_write(host: str, said: str) -> None:
    """Accepted, it would fail later as a name that cannot be found."""
    source = {"hostname": host, "message_queue": "/q"}

    assert faults(source_hosts=[source]) == (f'source_hosts[0] "{host}": {said}',)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"jobs": [ // all of them\n]}', "JSON has no comments; leave them out, or write the file as YAML, which has"),
        ("jobs:\n\t- name: A\n", "a tab; YAML indents with blanks"),
    ],
)
def test_what_is_nearly_json_or_yaml_is_told_what_it_is_not(text: str, said: str) -> None:
    """The parser's own words name neither."""
    with pytest.raises(ConfigError) as caught:
        reading.parse(text, name="test")

    assert caught.value.faults[0].endswith(said)
