"""The rules for the hours in which cyclic jobs raise no alarm for silence.

Every story here has a job every 600 seconds that may take 100, a grace of 5, and a quiet window from 01:00 to 02:00
UTC, 3,600 to 7,200 seconds after midnight, unless it says otherwise.
"""

from story import HOUR, Story, at, cyclic, quiet

NIGHT = quiet("01:00", "02:00")
BEGIN, END = HOUR, 2 * HOUR


def test_a_missed_start_inside_moves_an_interval_and_the_patience_behind_the_windows_end() -> None:
    """“A missed-start deadline inside it moves to the window's end + interval + L + G”: 7200 + 600 + 30 + 5."""
    story = Story(cyclic(quiet=NIGHT, delay=30), known_since=3000).passes(to=END + 635)

    assert story.lines == [(END + 635, "NEVER_RAN", "DELAYED", 2, 0, 1)]


def test_the_missed_starts_that_follow_count_from_there() -> None:
    """“the following ones count from there”."""
    story = Story(cyclic(quiet=NIGHT), known_since=3000).passes(to=END + 1300)

    assert [line[0] for line in story.lines] == [END + 605, END + 1205]


def test_a_deadline_at_the_windows_begin_is_inside() -> None:
    """“[from, until)”: 3600 is quiet, a microsecond before is not."""
    inside = Story(cyclic(quiet=NIGHT), known_since=BEGIN - 605).passes(to=END + 604)
    before = Story(cyclic(quiet=NIGHT), known_since=BEGIN - 605.000001).passes(to=BEGIN)

    assert inside.lines == []
    assert before.shown == ("DELAYED", 2, 0, 1)


def test_a_deadline_at_the_windows_end_is_outside() -> None:
    """“[from, until)”: 7200 itself counts at once."""
    story = Story(cyclic(quiet=NIGHT), known_since=END - 605).passes(to=END)

    assert story.lines == [(END, "NEVER_RAN", "DELAYED", 2, 0, 1)]


def test_a_job_that_starts_again_after_the_window_has_missed_nothing() -> None:
    """That is what the interval behind the window's end is for: the schedule of the source needs time to come round."""
    story = Story(cyclic(quiet=NIGHT), known_since=3000).hears("STARTED", at=END + 600)

    assert story.lines == [(END + 600, "NEVER_RAN", "RUNNING", 0, 0, 0)]


def test_an_interval_not_shorter_than_the_hours_outside_is_missed_at_the_windows_end() -> None:
    """“if interval + L + G is not shorter than those hours outside, to the window's end + G”: 23 h are outside."""
    job = cyclic(interval=23 * HOUR - 5, timeout=HOUR, quiet=NIGHT)
    story = Story(job, known_since=BEGIN - 23 * HOUR).passes(to=END + 5)

    assert story.lines == [(END + 5, "NEVER_RAN", "DELAYED", 2, 0, 1)]


def test_an_interval_longer_than_the_hours_outside_is_missed_at_the_windows_end_too() -> None:
    """A job that runs once a week is late when it is late, not a week after."""
    job = cyclic(interval=7 * 24 * HOUR, timeout=HOUR, quiet=NIGHT)
    story = Story(job, known_since=BEGIN + 60 - 7 * 24 * HOUR).passes(to=END + 5)

    assert story.lines == [(END + 5, "NEVER_RAN", "DELAYED", 2, 0, 1)]


def test_an_interval_a_little_shorter_than_the_hours_outside_moves_by_itself() -> None:
    """One second less, and the deadline lies a whole interval behind the window's end, just outside the next."""
    job = cyclic(interval=23 * HOUR - 6, timeout=HOUR, quiet=NIGHT)
    story = Story(job, known_since=BEGIN - 23 * HOUR + 1).passes(to=END + 23 * HOUR)

    assert story.lines == [(END + 23 * HOUR - 1, "NEVER_RAN", "DELAYED", 2, 0, 1)]


def test_a_timeout_inside_moves_to_the_windows_end_and_the_grace() -> None:
    """“a timeout inside it to the window's end + G”."""
    story = Story(cyclic(quiet=NIGHT)).hears("STARTED", at=3550).passes(to=END + 5)

    assert story.lines[-1] == (END + 5, "RUNNING", "TIMEOUT", 2, 1, 0)


def test_the_timeouts_that_follow_count_from_there() -> None:
    """“the following ones count from there”."""
    story = Story(cyclic(quiet=NIGHT)).hears("STARTED", at=3550).passes(to=END + 250)

    assert [line[0] for line in story.lines[-3:]] == [END + 5, END + 105, END + 205]


def test_a_further_timeout_inside_moves_too() -> None:
    """Counted at 3595 before the window, the next would be 3695: it waits for the window's end."""
    story = Story(cyclic(quiet=NIGHT)).hears("STARTED", at=3490).passes(to=END + 5)

    assert [line[0] for line in story.lines[-2:]] == [3595, END + 5]


def test_a_further_missed_start_inside_moves_too() -> None:
    """Missed at 3405 before the window; the next would be 4005."""
    story = Story(cyclic(quiet=NIGHT), known_since=2800).passes(to=END + 605)

    assert [line[0] for line in story.lines] == [3405, END + 605]


def test_what_lands_inside_again_moves_again() -> None:
    """“what lands inside again moves again”: one hour a day is not quiet, and on 30 March Berlin's clocks skip it."""
    job = cyclic(quiet=quiet("03:00", "02:00"), zone="Europe/Berlin")
    story = Story(job, known_since="2025-03-29 11:00").hears("STARTED", at="2025-03-29 12:00")

    story.passes(to="2025-03-31 00:00:05")

    assert [change.at for change in story.changes if change.after.errors] == [at("2025-03-31 00:00:05")]


def test_a_window_may_wrap_midnight() -> None:
    """“may wrap midnight”: from 23:00 to 01:00, and 00:10 is inside."""
    story = Story(cyclic(quiet=quiet("23:00", "01:00"))).passes(to=HOUR + 605)

    assert story.lines == [(HOUR + 605, "NEVER_RAN", "DELAYED", 2, 0, 1)]


def test_a_window_that_wraps_midnight_is_quiet_behind_it_on_every_day() -> None:
    """The day before is looked at on even and on odd days."""
    job = cyclic(quiet=quiet("23:00", "01:00"))

    assert job.windows is not None
    windows = [job.windows.window_at(at(day * 24 * HOUR + 600)) for day in range(4)]

    assert windows == [(at(day * 24 * HOUR - HOUR), at(day * 24 * HOUR + HOUR)) for day in range(4)]


def test_a_window_that_wraps_midnight_is_quiet_before_it_too() -> None:
    """The deadline is 23:30 of the first day; the window ends at 01:00 of the second."""
    story = Story(cyclic(quiet=quiet("23:00", "01:00")), known_since=23.5 * HOUR - 605).passes(to=25 * HOUR + 605)

    assert story.lines == [(25 * HOUR + 605, "NEVER_RAN", "DELAYED", 2, 0, 1)]


def test_a_window_from_a_time_until_the_same_is_none() -> None:
    """“from = until is none”; ten o'clock is a number large enough to be two objects."""
    story = Story(cyclic(quiet=quiet("10:00", "10:00")), known_since=3000).passes(to=3605)

    assert story.lines == [(3605, "NEVER_RAN", "DELAYED", 2, 0, 1)]


def test_a_window_is_in_the_jobs_own_time_zone() -> None:
    """“in the job's time zone”: 01:00 to 02:00 in Berlin's summer is 23:00 to 00:00 UTC."""
    job = cyclic(quiet=NIGHT, zone="Europe/Berlin")
    story = Story(job, known_since=23 * HOUR - 600).passes(to=24 * HOUR + 605)

    assert story.lines == [(24 * HOUR + 605, "NEVER_RAN", "DELAYED", 2, 0, 1)]


def test_an_alarm_raised_before_the_window_stays() -> None:
    """“An alarm raised before the window stays”: quiet hours raise nothing and clear nothing."""
    story = Story(cyclic(quiet=NIGHT), known_since=2800).passes(to=BEGIN + 1000)

    assert story.shown == ("DELAYED", 2, 0, 1)


def test_error_messages_alarm_in_the_window_as_ever() -> None:
    """“Error messages alarm in it as ever”: the window is about silence."""
    story = Story(cyclic(quiet=NIGHT), known_since=3500).hears("STARTED", at=4000).hears("ERROR", at=4010)

    assert story.last == (4010, "RUNNING", "ERROR", 2, 1, 0)
