"""Reading a message: what passes needs no further check, and what does not says why.

Rule: whatever a source host sends, by mistake or by malice, the answer is a message or a BadMessage with its reason.
"""

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from job_tracker.core.messages import LATEST, TEXT_LIMIT, Message, decode
from job_tracker.core.signals import Keywords, Signal, signal_of
from job_tracker.errors import BadMessage

RECEIVED = 1_749_600_000_000_000
GOOD: dict[str, Any] = {
    "_id": 7,
    "timestamp": 1_749_600_000.25,
    "instance": "P",
    "job": "LOAD_DWH",
    "event": "STARTED",
    "message": "begins",
    "uid": "u-1",
    "run": "r-1",
    "exit_code": 0,
}
MISSING = object()
HUGE = pytest.param(10**5000, id="5,000 digits")


def read(**changes: Any) -> Message:
    """Decode a good element with some keys changed, or left out."""
    element = {key: value for key, value in (GOOD | changes).items() if value is not MISSING}
    return decode(element, source="app1", received=RECEIVED, grace=5_000_000)


def test_every_key_has_its_place() -> None:
    """What a queue holds and what is judged are the same words."""
    assert read() == Message(
        moment=1_749_600_000_250_000,
        claimed=1_749_600_000_250_000,
        received=RECEIVED,
        source="app1",
        number=7,
        name="LOAD_DWH",
        env="P",
        event="STARTED",
        text="begins",
        uid="u-1",
        run="r-1",
        exit_code=0,
    )


def test_a_messages_place_is_its_moment_its_source_and_its_number() -> None:
    """By this it is folded."""
    assert read().position == (1_749_600_000_250_000, "app1", 7)


def test_a_messages_job_is_identified_by_name_and_env() -> None:
    """“A message's `job` is the name, its `instance` the env”."""
    assert read().key == "LOAD_DWH__P"


@pytest.mark.parametrize(
    ("key", "attribute", "default"),
    [
        ("_id", "number", 0),
        ("message", "text", ""),
        ("uid", "uid", ""),
        ("run", "run", None),
        ("exit_code", "exit_code", None),
    ],
)
@pytest.mark.parametrize("value", [MISSING, None])
def test_an_optional_key_may_be_missing_or_null(key: str, attribute: str, default: Any, value: Any) -> None:
    """Older queues and other people's tools write fewer keys."""
    assert getattr(read(**{key: value}), attribute) == default


def test_an_empty_run_id_is_none() -> None:
    """Whoever passes an unset variable names no run."""
    assert read(run="").run is None


@pytest.mark.parametrize("key", ["job", "instance", "event"])
@pytest.mark.parametrize("value", [MISSING, None, ""])
def test_a_message_without_job_instance_or_event_is_refused(key: str, value: Any) -> None:
    """It could be anybody's."""
    with pytest.raises(BadMessage, match=rf"^{key}: missing or empty$"):
        read(**{key: value})


@pytest.mark.parametrize("key", ["job", "instance", "event", "message", "uid", "run"])
@pytest.mark.parametrize("value", [7, 1.5, True, ["x"], {"a": 1}])
def test_a_text_of_another_type_is_refused(key: str, value: Any) -> None:
    """No guessing what was meant."""
    with pytest.raises(BadMessage, match=rf"^{key}: .* is not a text$"):
        read(**{key: value})


@pytest.mark.parametrize("value", [MISSING, None, "1749600000", True, False, [1], {}])
def test_a_timestamp_that_is_no_number_is_refused(value: Any) -> None:
    """`true` is a number to Python, and not to anybody else."""
    with pytest.raises(BadMessage, match=r"^timestamp: .* is not a number of seconds$"):
        read(timestamp=value)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, -0.001, LATEST + 1, 1e300, HUGE])
def test_a_timestamp_outside_the_calendar_is_refused(value: float) -> None:
    """`json.loads` accepts NaN and numbers of thousands of digits."""
    with pytest.raises(BadMessage, match=r"^timestamp: .* is not a moment between 1970 and 9892$"):
        read(timestamp=value)


@pytest.mark.parametrize("value", [0, LATEST, LATEST - 0.5])
def test_the_calendars_ends_are_inside(value: float) -> None:
    """A claim may be absurd; then it is taken as now, or folded first."""
    assert read(timestamp=value).claimed == round(value * 1_000_000)


def test_a_timestamp_is_rounded_to_microseconds() -> None:
    """“Moments are whole microseconds from decode to verdict”."""
    assert read(timestamp=1_749_599_999.1234567).moment == 1_749_599_999_123_457


@pytest.mark.parametrize("key", ["_id", "exit_code"])
@pytest.mark.parametrize("value", [True, 1.0, "7", [], 1 << 63, -(1 << 63), math.nan, HUGE])
def test_a_number_that_is_not_whole_or_fits_no_store_is_refused(key: str, value: Any) -> None:
    """SQLite's integers end at 63 bits."""
    with pytest.raises(BadMessage, match=rf"^{key}: .* is not a whole number$"):
        read(**{key: value})


@pytest.mark.parametrize("value", [(1 << 63) - 1, -(1 << 63) + 1, 0, -1])
def test_a_number_that_fits_a_store_is_taken(value: int) -> None:
    """An exit code may be negative: killed by a signal."""
    assert read(exit_code=value).exit_code == value


def test_a_reason_is_short_whatever_was_sent() -> None:
    """It is kept, shown and logged."""
    with pytest.raises(BadMessage) as refused:
        read(job=["x" * 100_000])

    assert len(str(refused.value)) < 100


def test_a_reason_of_sixty_characters_is_shown_whole() -> None:
    """Only longer ones are cut, with a mark."""
    with pytest.raises(BadMessage) as whole:
        read(job=["x" * 56])
    with pytest.raises(BadMessage) as cut:
        read(job=["x" * 57])

    assert str(whole.value) == f"job: ['{'x' * 56}'] is not a text"
    assert str(cut.value) == f"job: ['{'x' * 57}… is not a text"


def test_a_number_too_long_to_print_is_named_by_its_type() -> None:
    """Python refuses to print an integer of thousands of digits."""
    with pytest.raises(BadMessage, match="a int too long to show"):
        read(timestamp=10**5000)


@pytest.mark.parametrize("element", [None, 7, "text", [GOOD], True, math.nan])
def test_what_is_no_object_is_refused(element: Any) -> None:
    """One bad element costs itself and nothing else."""
    with pytest.raises(BadMessage, match=r"^not a JSON object but "):
        decode(element, source="app1", received=RECEIVED, grace=0)


def nested(depth: int) -> Any:
    """A list in a list in a list …"""
    deep: Any = []
    for _ in range(depth):
        deep = [deep]
    return deep


def test_deep_nesting_in_a_key_that_nobody_reads_does_no_harm() -> None:
    """It is not looked at."""
    assert read(note=nested(100_000)).name == "LOAD_DWH"


@pytest.mark.parametrize("key", ["job", "timestamp", "_id"])
def test_deep_nesting_in_a_key_that_is_read_is_refused(key: str) -> None:
    """What the JSON reader just managed to read may be too deep to be printed a few calls further down."""
    with pytest.raises(BadMessage, match="a list too long to show"):
        read(**{key: nested(100_000)})


def test_a_text_is_cut_to_what_is_needed() -> None:
    """Messages may be 64 KiB."""
    kept = read(message="exit code 3\nlast error output:\n" + "x" * 70_000 + "\nORA-01555: snapshot too old").text

    assert kept.startswith("exit code 3\nlast error output:\nxxx")
    assert "x … x" in kept
    assert kept.endswith("xxx\nORA-01555: snapshot too old")
    assert len(kept) == TEXT_LIMIT
    assert read(message="x" * TEXT_LIMIT).text == "x" * TEXT_LIMIT


@pytest.mark.parametrize("blank", ["", " ", "\n\t \r", "\u00a0", " " * 70_000])
def test_a_text_of_blanks_is_empty(blank: str) -> None:
    """Whoever is woken up reads the exit code instead of nothing."""
    assert read(message=blank).text == ""


@pytest.mark.parametrize("key", ["job", "message", "run", "event"])
def test_a_lone_surrogate_is_replaced(key: str) -> None:
    """It is valid JSON, and fits no file and no terminal."""
    element = json.loads(json.dumps(GOOD | {key: "a\ud800b"}))

    message = decode(element, source="app1", received=RECEIVED, grace=0)

    assert "a?b" in (message.name, message.text, message.run, message.event)


@pytest.mark.parametrize("name", ["../../etc/passwd", "a/b", "LOAD\nDWH", "<<<<otherhost>>>>", "a\0b", "ß", "  "])
def test_a_hostile_name_is_a_name_like_any_other(name: str) -> None:
    """It matches no configured job, for those are spelled harmlessly; nothing here makes a path of it."""
    assert read(job=name).name == name


def test_newlines_in_a_text_are_kept() -> None:
    """The outputs know what their formats cannot carry."""
    assert read(message="one\ntwo\r<<<x>>>").text == "one\ntwo\r<<<x>>>"


def test_a_claim_within_the_grace_is_believed() -> None:
    """Exactly the grace ahead is within it."""
    assert read(timestamp=1_749_600_005).moment == RECEIVED + 5_000_000


def test_a_claim_beyond_the_grace_is_taken_as_the_moment_of_hearing() -> None:
    """“more than the grace ahead of the tracker's clock is taken as now, … and stored”; the claim is stored too."""
    message = read(timestamp=1_749_600_005.000001)

    assert (message.moment, message.claimed) == (RECEIVED, RECEIVED + 5_000_001)


@pytest.mark.parametrize(
    ("event", "signal"),
    [
        ("STARTED", Signal.START),
        ("SUCCESS", Signal.END),
        ("ERROR", Signal.ERROR),
        ("", Signal.OTHER),
        ("started", Signal.OTHER),
        ("SUCCESS ", Signal.OTHER),
        ("TIMEOUT", Signal.OTHER),
    ],
)
def test_an_events_word_is_compared_exactly(event: str, signal: Signal) -> None:
    """“string, compared with the message's event, exactly”."""
    assert signal_of(event, Keywords()) is signal
    assert signal_of("".join(list(event)), Keywords()) is signal  # as JSON gives it: another object


def test_the_words_may_be_configured() -> None:
    """The defaults mean nothing then."""
    keywords = Keywords(start="go", error="oops", end="done")

    assert [signal_of(event, keywords) for event in ("go", "done", "oops", "STARTED")] == [
        Signal.START,
        Signal.END,
        Signal.ERROR,
        Signal.OTHER,
    ]


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@given(anything | st.fixed_dictionaries({}, optional=dict.fromkeys(GOOD, anything)))
def test_whatever_is_sent_is_a_message_or_refused(element: Any) -> None:
    """Nothing else may come out of it, or one bad message would cost the ones after it."""
    try:
        message = decode(element, source="app1", received=RECEIVED, grace=5_000_000)
    except BadMessage as refused:
        assert str(refused)  # noqa: PT017 - that it has a reason is the point
        return

    assert 0 <= message.moment <= RECEIVED + 5_000_000
    assert message.name
    message.text.encode()


def test_all_words_that_are_configured_are_told() -> None:
    """Whoever sends another one learns which would have been understood."""
    assert Keywords().words == ("STARTED", "ERROR", "SUCCESS")
    assert Keywords(warning="WARNED").words == ("STARTED", "ERROR", "SUCCESS", "WARNED")


@pytest.mark.parametrize("usage", [7, "much", ["cpu"], {}, {"note": "x"}])
def test_a_usage_that_holds_no_number_is_none(usage: Any) -> None:
    """It is no reason to refuse what the job says of itself."""
    assert read(usage=usage).usage is None
