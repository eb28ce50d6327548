"""ARCHITECTURE.md shows the states as the table has them, not as somebody remembers them."""

import os
from pathlib import Path

from diagram import BEGIN, END, render, replaced, section

from job_tracker.core.signals import Signal
from job_tracker.core.states import TRANSITIONS, State

ARCHITECTURE = Path(__file__).parents[2] / "ARCHITECTURE.md"


def test_golden_states_in_architecture_are_drawn_from_the_table() -> None:
    """A diagram that is drawn by hand is right once.  `make golden` draws it anew."""
    document = ARCHITECTURE.read_text(encoding="utf-8")
    expected = replaced(document, section(TRANSITIONS))

    if os.environ.get("UPDATE_GOLDEN"):
        ARCHITECTURE.write_text(expected, encoding="utf-8")

    assert ARCHITECTURE.read_text(encoding="utf-8") == expected


def test_the_document_has_one_place_for_the_diagram() -> None:
    """A second pair of markers would be left as it is, and grow old."""
    document = ARCHITECTURE.read_text(encoding="utf-8")

    assert (document.count(BEGIN), document.count(END)) == (1, 1)


def test_signals_that_lead_the_same_way_share_an_edge() -> None:
    """And what leaves a state as it is, is not drawn."""
    nothing = {signal: frozenset[State]() for signal in Signal}
    table = {state: dict(nothing) for state in State}
    table[State.RUNNING] |= {
        Signal.END: frozenset({State.RUNNING, State.NOT_RUNNING}),
        Signal.ERROR: frozenset({State.NOT_RUNNING}),
    }

    assert render(table).splitlines() == [
        "```mermaid",
        "stateDiagram-v2",
        "    [*] --> NEVER_RAN",
        "    RUNNING --> NOT_RUNNING: end, error",
        "```",
    ]
