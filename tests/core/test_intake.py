"""Taking in what a source delivered: one bad element costs itself and nothing else."""

from typing import Any

import pytest
from story import T, cyclic, said

from job_tracker.core.intake import Intake, Why, take_in, uid_of
from job_tracker.core.jobs import Jobs
from job_tracker.core.messages import UID_LIMIT, uid_from
from job_tracker.core.operator_word import OPERATOR

NOW = T * 1_000_000


def taken(*elements: Any, source: str = "app1", known: frozenset[str] = frozenset(), **keys: Any) -> Intake:
    """What two jobs, of which one names its source, take in at midnight."""
    any_source, named = cyclic(), cyclic(name="NAMED", sources=("app1", "app3"))
    jobs = Jobs(by_key={j.key: j for j in (any_source, named)}, sources=("app1", "app2"), tolerance=0, grace=5_000_000)
    return take_in(jobs, source, elements, NOW, known.__contains__, **keys)


def element(event: str = "STARTED", at: float = -10, **keys: Any) -> dict[str, Any]:
    """A message of the job that any source may speak for."""
    return said(event, at, instance="P") | {"job": "LOAD"} | keys


def test_messages_of_configured_jobs_are_taken_in_the_order_given() -> None:
    """Nothing is lost and nothing is added."""
    intake = taken(element("STARTED"), element("SUCCESS"))

    assert [message.event for message in intake.messages] == ["STARTED", "SUCCESS"]
    assert intake.unmatched == ()


def test_a_bad_element_costs_itself_and_nothing_else() -> None:
    """“the bad message is kept aside …, the ones after it count”."""
    intake = taken(element(), {"timestamp": True}, 7, element("SUCCESS"))

    assert [message.event for message in intake.messages] == ["STARTED", "SUCCESS"]
    assert [(each.reason, each.message) for each in intake.unmatched] == [
        ("timestamp: True is not a number of seconds", None),
        ("not a JSON object but int", None),
    ]


def test_what_is_kept_aside_is_kept_whole() -> None:
    """With where and when it came from."""
    bad = {"timestamp": "soon"}

    kept = taken(bad).unmatched[0]

    assert (kept.source, kept.received, kept.element) == ("app1", NOW, bad)


def test_a_job_that_is_not_configured_is_unmatched() -> None:
    """It was read, so its name is known."""
    kept = taken(element(job="NOBODY")).unmatched[0]

    assert (kept.why, kept.reason) == (Why.UNKNOWN_JOB, "no such job is configured")
    assert kept.message is not None
    assert kept.message.key == "NOBODY__P"


@pytest.mark.parametrize(("configured", "name", "env"), [("A__B", "A", "B__C"), ("A", "A__B", "C")])
def test_a_name_that_only_looks_like_a_configured_job_is_unmatched(configured: str, name: str, env: str) -> None:
    """`LO` with the env `AD__P` would be the job `LO__AD__P`; `LOAD__P` has one meaning only."""
    jobs = Jobs(by_key={"A__B__C": cyclic(name=configured)}, sources=(), tolerance=0, grace=0)
    lookalike = element(job=name, instance=env)

    intake = take_in(jobs, "app1", [lookalike], NOW, lambda _: False)

    assert [each.why for each in intake.unmatched] == [Why.UNKNOWN_JOB]


@pytest.mark.parametrize("source", ["app1", "app3"])
def test_the_sources_that_a_job_names_may_speak_for_it(source: str) -> None:
    """“then only these may speak for it”."""
    assert len(taken(element(job="NAMED"), source=source).messages) == 1


def test_another_source_may_not_speak_for_a_job_that_names_its_own() -> None:
    """“what others say of it goes to the unmatched messages with the reason”."""
    intake = taken(element(job="NAMED"), source="app2")

    assert intake.messages == ()
    assert [each.reason for each in intake.unmatched] == ["only app1, app3 may speak for this job"]


def test_a_uid_that_was_taken_before_is_ignored() -> None:
    """“The same `uid`: the same message, ignored”, also where it would be unmatched."""
    intake = taken(element(uid="u"), element(uid="v", job="NOBODY"), known=frozenset({"u", "v"}))

    assert (intake.messages, intake.unmatched) == ((), ())


def test_a_uid_that_comes_twice_in_one_delivery_counts_once() -> None:
    """A message may travel twice on one connection."""
    intake = taken(element("STARTED", uid="u"), element("STARTED", uid="u"), element("STARTED", uid="w"))

    assert [message.uid for message in intake.messages] == ["u", "w"]


@pytest.mark.parametrize("length", [UID_LIMIT, UID_LIMIT + 1, 1000])
def test_a_message_that_travels_twice_counts_once_however_long_its_uid(length: int) -> None:
    """Handlers of before stored uids of up to 1,000 characters, and a delivery may come twice from them, too."""
    once = taken(element(uid="u" * length), element(uid="u" * length))
    (message,) = once.messages

    again = taken(element(uid="u" * length), known=frozenset({message.uid}))

    assert len(message.uid) <= UID_LIMIT
    assert again.messages == ()


def test_messages_without_uid_are_never_the_same() -> None:
    """Nothing to compare them by."""
    assert len(taken(element(), element(), known=frozenset({""})).messages) == 2


@pytest.mark.parametrize(
    ("value", "uid"),
    [
        ({"uid": "u"}, "u"),
        ({"uid": "u" * UID_LIMIT}, "u" * UID_LIMIT),
        ({"uid": "u" * (UID_LIMIT + 1)}, uid_from("u" * (UID_LIMIT + 1))),
        ({"uid": 7}, ""),
        ({"uid": None}, ""),
        ({}, ""),
        (["uid"], ""),
        (None, ""),
    ],
)
def test_a_uid_is_a_text_of_reasonable_length(value: Any, uid: str) -> None:
    """It is remembered for weeks: nobody may fill the store with it."""
    assert uid_of(value) == uid


def test_a_source_with_a_message_too_far_ahead_is_drifting() -> None:
    """“the source is marked as drifting”."""
    assert taken(element(at=6)).drifting == {"app1"}


def test_a_source_stays_drifting_whatever_follows() -> None:
    """One message in time does not set its clock."""
    assert taken(element(at=6), element(at=-1)).drifting == {"app1"}


def test_a_source_whose_messages_are_in_time_is_not_drifting() -> None:
    """Within the grace is in time."""
    assert taken(element(at=5), element(at=-1000)).drifting == frozenset()


def test_an_unmatched_message_too_far_ahead_shows_the_drift_too() -> None:
    """The clock is the host's, whatever job spoke."""
    assert taken(element(at=6, job="NOBODY")).drifting == {"app1"}


def test_a_message_from_a_clock_that_stands_in_1970_is_kept_aside() -> None:
    """Its job would be judged, deadline by deadline, over more than half a century."""
    kept = taken(element(timestamp=17.0)).unmatched[0]

    assert kept.reason == "its timestamp lies more than 5 years back; is the clock of its host right?"


def test_a_message_of_five_years_ago_is_still_judged_and_of_a_second_more_is_not() -> None:
    """A queue that was forgotten for long is caught up with all the same."""
    five_years = 5 * 365 * 86_400
    assert len(taken(element(at=-five_years)).messages) == 1
    assert len(taken(element(at=-five_years - 1)).unmatched) == 1


FORGETTING = element("FORGET", job="unmatched", message={"name": "a b", "env": "P"})


def test_an_operator_lets_a_name_be_forgotten_and_no_host_does() -> None:
    """It is a word about no job: nothing is judged, and nothing kept aside; what a host calls so is only an event."""
    of_operator = taken(FORGETTING, source=OPERATOR)
    of_host = taken({**FORGETTING, "message": "x"})

    assert (of_operator.forgotten, of_operator.messages, of_operator.unmatched) == ((("a b", "P"),), (), ())
    assert (of_host.forgotten, [each.why for each in of_host.unmatched]) == ((), [Why.UNKNOWN_JOB])


@pytest.mark.parametrize("note", ["no object", {"name": "a b"}, {"name": 7, "env": "P"}])
def test_a_forgetting_that_names_nothing_is_kept_aside(note: Any) -> None:
    """With the reason, like any other word that makes no sense."""
    [kept] = taken({**FORGETTING, "message": note}, source=OPERATOR).unmatched

    assert (kept.why, kept.reason) == (Why.UNREADABLE, "message: not a JSON object with name and env")
