"""The pen: folds one item into a job's standing and writes down what that changed, in order and for the first time
(`step`) or once more (`refolding`).

Rule: nobody else folds an item, so that nothing is folded without being written down.
"""

from job_tracker.core.folding import fold_deadline, fold_message
from job_tracker.core.jobs import Job, Jobs
from job_tracker.core.messages import Message
from job_tracker.core.record import Change, Record, Trace
from job_tracker.core.standing import Deadline, Run, Standing, Unseen
from job_tracker.core.states import Shown
from job_tracker.core.verdicts import shown


class Pen:
    """One job under way.  It knows nobody who knows it: what goes in a circle waits for the garbage collector."""

    __slots__ = ("job", "jobs", "record")

    def __init__(self, jobs: Jobs, job: Job, record: Record) -> None:
        self.jobs, self.job, self.record = jobs, job, record

    def shelf(self, id: str) -> Run | None:
        """The newest run with an id among those a standing no longer keeps."""
        raise NotImplementedError

    def look(self, standing: Standing, before: Shown) -> Unseen | None:
        """What of the job cannot be seen after an item; before it, it showed this."""
        raise NotImplementedError

    @property
    def shown(self) -> Shown:
        """What the job shows as far as it is written."""
        return shown(self.job, self.record.standing)

    def message(self, message: Message) -> Change | None:
        """Let a message speak; the change it makes."""
        before = self.shown
        fold_message(self.record.standing, self.jobs, self.job, message, self.shelf)
        return self.note(message.moment, before, source=message.source)

    def deadline(self, deadline: Deadline) -> Change | None:
        """Let a deadline count; the change it makes."""
        before = self.shown
        fold_deadline(self.record.standing, self.job, deadline)
        return self.note(deadline.moment, before)

    def note(self, moment: int, before: Shown, *, source: str = "", in_history: bool = True) -> Change | None:
        """Write down what an item did; in_history: unless a refold has written its own."""
        record, standing = self.record, self.record.standing
        if record.trail is not None and in_history:
            put = tuple(standing.changed.values())
            record.trail.append(Trace(moment, source, put, standing.missed, standing.pause))
        if standing.changed:
            record.runs.update(standing.changed)
            standing.changed.clear()
        standing.unseen = self.look(standing, before)
        change = self.change(moment, before, in_history=in_history)
        record.checkpoint_if_due()
        return change

    def change(self, moment: int, before: Shown, *, in_history: bool = True) -> Change | None:
        """The change since something else was shown, if there is one."""
        after = self.shown
        if after == before:
            return None
        change = Change(at=moment, job=self.job, before=before, after=after, standing=self.record.standing.fork())
        if in_history:
            self.record.changes.append(change)
        return change
