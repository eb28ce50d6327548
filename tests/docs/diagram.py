"""The diagram of the states, drawn from the table that the core is tested against."""

from collections.abc import Mapping

from job_tracker.core.signals import Signal
from job_tracker.core.states import State

BEGIN, END = "<!-- states:begin -->", "<!-- states:end -->"


def render(transitions: Mapping[State, Mapping[Signal, frozenset[State]]]) -> str:
    """A mermaid diagram: an edge from state to state, with all signals that can lead there; staying is left out."""
    lines = ["```mermaid", "stateDiagram-v2", f"    [*] --> {State.NEVER_RAN.value}"]
    for old, row in transitions.items():
        for new in State:
            signals = [signal.value for signal in Signal if new in row.get(signal, ())]
            if new is not old and signals:
                lines.append(f"    {old.value} --> {new.value}: {', '.join(signals)}")
    return "\n".join([*lines, "```"])


def section(transitions: Mapping[State, Mapping[Signal, frozenset[State]]]) -> str:
    """What stands in the document between the markers, markers included."""
    return f"{BEGIN}\n\n{render(transitions)}\n\n{END}"


def replaced(document: str, part: str) -> str:
    """The document with its section replaced by another."""
    before, rest = document.split(BEGIN, 1)
    return before + part + rest.split(END, 1)[1]
