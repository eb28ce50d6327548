"""The table of outputs: to whom the tracker tells what is true, in the order in which they are told.

Rule: an output is a folder here and a line there; whoever tells knows none of them by name.
"""

from collections.abc import Callable

from job_tracker.config.reading import Config
from job_tracker.outputs.checkmk.keeper import CheckmkOutput
from job_tracker.outputs.event_console.keeper import EventConsoleOutput
from job_tracker.outputs.events.keeper import EventsOutput
from job_tracker.outputs.making import Ground
from job_tracker.outputs.view.keeper import ViewOutput
from job_tracker.ports import Output

OUTPUTS: tuple[Callable[[Ground], Output[Config]], ...] = (
    CheckmkOutput,  # first, for it takes least
    EventConsoleOutput,
    EventsOutput,
    ViewOutput,
)
