"""What somebody is told: each alarm and its end, once; and of a source that is away, once for all its jobs.

Every story here has jobs every 600 seconds that may take 100, a grace of 5 and a patience of 15, unless it says
otherwise.
"""

from story import HOUR, Story, T, at, cyclic, said

from job_tracker.core.board import make_board
from job_tracker.core.notices import Notice, Told, is_kept, notices, present
from job_tracker.core.operator_word import OPERATOR

TOLD: dict[str, Told] = {}


def told_in(story: Story) -> list[Notice]:
    """Everything that the steps of a story gave cause to tell."""
    told: dict[str, Told] = {}
    unseen: dict[str, str] = {}
    found: list[Notice] = []
    for made in story.steps:
        draft = notices(made.changes, made.records, made.board, story.jobs, told, unseen)
        told |= draft.told
        unseen = dict(draft.unseen)
        found += draft.notices
    return found


def heads(found: list[Notice]) -> list[tuple[str, str, int]]:
    """Subject, state and status of each."""
    return [(notice.subject, notice.state, notice.status) for notice in found]


def two_jobs() -> Story:
    """One is due every ten minutes, the other every hour."""
    return Story(cyclic(name="OFTEN"), cyclic(name="SELDOM", interval=3600))


def test_an_alarm_is_told_and_so_is_its_end() -> None:
    """With the moment it became true, and the text that the monitoring shows."""
    story = Story(cyclic()).passes(to=605).hears("STARTED", at=700)

    found = told_in(story)

    assert heads(found) == [("LOAD__P", "DELAYED", 2), ("LOAD__P", "RUNNING", 0)]
    assert [notice.at for notice in found] == [change.at for change in story.changes]
    assert found[0].text.startswith("DELAYED since 2025-06-11 00:10:05")


def test_a_job_that_is_well_is_not_told_of() -> None:
    """Runs come and go."""
    assert told_in(Story(cyclic()).hears("STARTED", at=0).hears("SUCCESS", at=10)) == []


def test_another_state_of_an_alarm_is_told() -> None:
    """It failed, it runs, it hangs: whoever repairs it wants to know."""
    story = Story(cyclic()).hears("STARTED", at=0).hears("ERROR", at=10).hears("STARTED", at=20).passes(to=125)

    assert heads(told_in(story)) == [("LOAD__P", "ERROR", 2), ("LOAD__P", "RUNNING", 2), ("LOAD__P", "TIMEOUT", 2)]


def test_an_error_that_becomes_worse_is_told() -> None:
    """From WARN to CRIT in the same state, and from one state to any other."""
    worse = Story(cyclic(max_errors=2, status_below=1)).hears("STARTED", at=0).hears("ERROR", at=10)
    other = Story(cyclic()).hears("STARTED", at=0).passes(to=105).hears("ERROR", at=200)

    assert heads(told_in(worse.hears("ERROR", at=20))) == [("LOAD__P", "ERROR", 1), ("LOAD__P", "ERROR", 2)]
    assert heads(told_in(other)) == [("LOAD__P", "TIMEOUT", 2), ("LOAD__P", "ERROR", 2)]


def test_one_more_error_in_the_same_state_is_not_told() -> None:
    """The alarm is known."""
    assert len(told_in(Story(cyclic()).hears("STARTED", at=0).hears("ERROR", at=10).hears("ERROR", at=20))) == 1


def test_an_alarm_that_was_over_when_it_was_found_is_not_told() -> None:
    """“kept in the history and not notified”."""
    story = Story(cyclic()).hears("STARTED", at=0).source_vanishes(at=50)

    story.source_returns(200, said("ERROR", 60), said("SUCCESS", 70))

    assert [notice.subject for notice in told_in(story)] == ["source_app1", "source_app1"]


def test_of_jobs_that_cannot_be_seen_their_source_is_told_once() -> None:
    """“it must neither page again nor hide the error”: one source that is away is one notice, not a thousand."""
    story = two_jobs().source_vanishes(at=600).passes(to=5000)

    assert heads(told_in(story)) == [("source_app1", "UNKNOWN", 3)]


def test_a_sources_notice_lists_the_jobs_that_follow_too() -> None:
    """Those that follow are not told one by one."""
    story = two_jobs().source_vanishes(at=600).passes(to=620)

    assert told_in(story)[0].text == (
        "UNKNOWN since 2025-06-11 00:10:15: app1 unreachable since 2025-06-11 00:10:00, cannot tell about 1 of its 2 "
        "jobs: OFTEN__P; as soon as something is due also: SELDOM__P"
    )


def test_a_sources_notice_names_nobody_else_where_there_is_nobody() -> None:
    """The only job is the one that cannot be seen."""
    story = Story(cyclic()).source_vanishes(at=600).passes(to=620)

    assert told_in(story)[0].text.endswith("cannot tell about 1 of its 1 jobs: LOAD__P")


def test_a_job_of_another_source_is_not_listed() -> None:
    """It can be seen."""
    jobs = [cyclic(name="HERE", sources=("app1",)), cyclic(name="THERE", sources=("app2",))]
    story = Story(*jobs, sources=("app1", "app2")).source_vanishes(at=600).passes(to=620)

    notice = next(notice for notice in told_in(story) if notice.subject == "source_app1")

    assert notice.text.endswith("cannot tell about 1 of its 1 jobs: HERE__P")


def test_each_of_two_sources_that_are_away_is_told_with_its_own_jobs() -> None:
    """Found in one step, they are still two outages."""
    near = [cyclic(name=name, sources=("app1",), interval=span) for name, span in (("A", 600), ("B", 600), ("C", 3600))]
    story = Story(*near, cyclic(name="FAR", sources=("app2",)), sources=("app1", "app2"))

    story.source_vanishes(at=600).source_vanishes(at=600, source="app2").passes(to=620)

    found = told_in(story)
    assert heads(found) == [("source_app1", "UNKNOWN", 3), ("source_app2", "UNKNOWN", 3)]
    assert "2 of its 3 jobs: A__P, B__P; as soon as something is due also: C__P" in found[0].text
    assert found[1].text.endswith("1 of its 1 jobs: FAR__P")


def test_as_many_names_are_listed_as_there_is_room_for() -> None:
    """A line to the Event Console has its limits: 1,400 characters hold a hundred names of twelve and a comma."""
    story = Story(*(cyclic(name=f"JOB_{n:05}") for n in range(300))).source_vanishes(at=600).passes(to=620)

    text = told_in(story)[0].text

    assert text.endswith("JOB_00098__P, JOB_00099__P and 200 more")


def test_a_source_whose_jobs_can_be_judged_again_is_told() -> None:
    """With the alarm that was found behind the outage."""
    story = Story(cyclic()).source_vanishes(at=600).source_returns(700)

    found = told_in(story)

    assert heads(found)[1:] == [("LOAD__P", "DELAYED", 2), ("source_app1", "REACHABLE", 0)]
    assert found[-1].text == "REACHABLE since 2025-06-11 00:11:40: the jobs of app1 can be judged again"


def test_an_alarm_that_stays_through_an_outage_is_told_once() -> None:
    """It is known, and that its source is away changes nothing in it."""
    story = Story(cyclic()).hears("STARTED", at=0).hears("ERROR", at=50).source_vanishes(at=600).source_returns(700)

    assert heads(told_in(story)) == [("LOAD__P", "ERROR", 2)]


# --- where nothing but the configuration has changed ------------------------------------------------------------------


def test_what_is_wrong_when_telling_begins_is_told_then() -> None:
    """As of the moment since when it is so."""
    story = Story(cyclic()).passes(to=1300)

    draft = present(story.board, story.jobs, TOLD, story.now)

    assert heads(list(draft.notices)) == [("LOAD__P", "DELAYED", 2)]
    assert draft.notices[0].at == story.standing.since


def test_what_was_told_is_not_told_again() -> None:
    """A restart pages nobody."""
    story = Story(cyclic()).passes(to=1300)

    assert present(story.board, story.jobs, {"LOAD__P": ("DELAYED", 2)}, story.now).notices == ()


def test_a_source_that_is_away_when_telling_begins_is_told() -> None:
    """And by which source each job is not seen is known from then on."""
    story = two_jobs().source_vanishes(at=600).passes(to=700)

    draft = present(story.board, story.jobs, TOLD, story.now)

    assert heads(list(draft.notices)) == [("source_app1", "UNKNOWN", 3)]
    assert draft.unseen == {"OFTEN__P": "app1"}


def test_an_alarm_of_a_source_that_is_away_when_telling_begins_is_the_jobs_own() -> None:
    """It is known, whatever cannot be seen since: “it must neither page again nor hide the error”."""
    story = Story(cyclic()).hears("STARTED", at=0).hears("ERROR", at=10).source_vanishes(at=600).passes(to=700)
    assert story.standing.unseen is not None

    draft = present(story.board, story.jobs, TOLD, story.now)

    assert heads(list(draft.notices)) == [("LOAD__P", "ERROR", 2)]
    assert draft.unseen == {}


def test_a_job_that_is_no_longer_configured_is_told_to_be_gone() -> None:
    """“nothing that was told once stays uncorrected”."""
    story = Story(cyclic())

    draft = present(story.board, story.jobs, {"OLD__P": ("ERROR", 2)}, story.now)

    assert heads(list(draft.notices)) == [("OLD__P", "GONE", 0)]


def test_a_source_that_can_be_seen_again_is_told_to_be_gone() -> None:
    """It was away when the configuration was read last."""
    story = Story(cyclic())

    draft = present(story.board, story.jobs, {"source_app1": ("UNKNOWN", 3)}, story.now)

    assert heads(list(draft.notices)) == [("source_app1", "GONE", 0)]


def test_a_job_that_is_well_again_under_another_threshold_is_told() -> None:
    """The alarm was told under the old one."""
    story = Story(cyclic(max_errors=3)).hears("STARTED", at=0).hears("ERROR", at=10)
    board = make_board(story.jobs, {"LOAD__P": story.standing}, {}, story.now)

    draft = present(board, story.jobs, {"LOAD__P": ("ERROR", 2)}, story.now)

    assert heads(list(draft.notices)) == [("LOAD__P", "ERROR", 0)]


def test_when_unknown_passes_to_another_source_that_one_is_told_and_the_first_is_reachable() -> None:
    """The job stays UNKNOWN all the while; app1 was away first, app2 goes as well, and app1 comes back."""
    story = Story(cyclic(sources=("app1", "app2")), sources=("app1", "app2")).hears("STARTED", at=10)
    story.hears("SUCCESS", at=20).source_vanishes(at=100, source="app1").source_vanishes(at=200, source="app2")
    story.passes(to=900).source_returns(1000, source="app1").passes(to=1100)

    found = told_in(story)

    assert heads(found) == [
        ("source_app1", "UNKNOWN", 3),
        ("source_app1", "REACHABLE", 0),
        ("source_app2", "UNKNOWN", 3),
    ]
    assert "app2 unreachable since 2025-06-11 00:03:2" in found[2].text
    assert [(line[2], line[3]) for line in story.lines[-1:]] == [("UNKNOWN", 3)]


def paused(story: Story, moment: float, until: float, **keys: float) -> Story:
    """Somebody says so of the job."""
    note = {"author": "anna", "why": "new disks", "until": T + until}
    return story.hears("PAUSE", at=moment, source=OPERATOR, message=note, **keys)


def test_a_pause_of_a_job_that_is_well_is_told_once_and_so_is_its_end() -> None:
    """Who is on call should know what nobody will wake him for; a longer pause and a run within it are no news."""
    story = Story(cyclic(interval=24 * HOUR)).hears("STARTED", at=0).hears("SUCCESS", at=5)

    paused(paused(story, 10, until=300), 20, until=400).hears("STARTED", at=100).hears("SUCCESS", at=105).passes(to=500)
    found = told_in(story)

    assert heads(found) == [("LOAD__P", "PAUSED", 0), ("LOAD__P", "NOT_RUNNING", 0)]
    assert [notice.at for notice in found] == [at(10), at(400)]
    assert found[0].text.endswith("; paused until 2025-06-11 00:05:00 by anna: new disks")
    assert found[1].text.endswith("; the pause is over")


def test_a_pause_of_an_alarm_is_told_once_and_the_alarm_again_behind_it() -> None:
    """What is repaired meanwhile is not told as an alarm, what is not is one again."""
    story = paused(Story(cyclic()).hears("STARTED", at=0).hears("ERROR", at=5), 10, until=300)

    found = told_in(story.hears("ERROR", at=20).passes(to=400))

    assert heads(found) == [("LOAD__P", "ERROR", 2), ("LOAD__P", "PAUSED", 0), ("LOAD__P", "ERROR", 2)]


def test_a_pause_that_was_over_when_it_was_heard_is_not_told() -> None:
    """Nobody would have been woken; the history has it."""
    story = Story(cyclic(interval=24 * HOUR)).hears("STARTED", at=0).hears("SUCCESS", at=5).passes(to=900)

    assert told_in(paused(story, 100, until=200, arrives=910)) == []


def test_a_source_is_not_told_to_be_back_because_its_jobs_are_paused() -> None:
    """It is still away; only nobody asks any more."""
    story = paused(Story(cyclic()).source_vanishes(at=600).passes(to=700), 710, until=3000)

    found = told_in(story)

    assert heads(found) == [("source_app1", "UNKNOWN", 3), ("LOAD__P", "PAUSED", 0), ("source_app1", "OK", 0)]
    assert found[-1].text == "OK since 2025-06-11 00:11:50: all jobs of app1 that cannot be seen are paused"


def test_a_pause_is_told_once_over_a_restart() -> None:
    """What was told is kept of a paused job, though its status is 0; if it ended meanwhile, that is told."""
    story = paused(Story(cyclic(interval=24 * HOUR)), 10, until=300)
    told = notices(story.changes, story.jobs.by_key, story.board, story.jobs, {}, {}).told

    still = present(story.board, story.jobs, told, at(100))
    over = present(story.passes(to=400).board, story.jobs, told, at(400))

    assert all(map(is_kept, told.values()))
    assert still.notices == ()
    assert heads(list(over.notices)) == [("LOAD__P", "NEVER_RAN", 0)]
    assert over.notices[0].at == at(300)
