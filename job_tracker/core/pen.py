"""The pen: folds one item into a job's standing and writes down what that changed, in order and for the first time
(`step`) or once more (`refolding`).

Rule: nobody else folds an item, so that nothing is folded without being written down.
"""

from job_tracker.core.folding import fold_deadline, fold_message
from job_tracker.core.jobs import Job, Jobs
from job_tracker.core.messages import Message
from job_tracker.core.record import Change, Record, Trace
from job_tracker.core.standing import Deadline, Run, Standing, Unseen
from job_tracker.core.states import Shown, State
from job_tracker.core.verdicts import is_alarm, shown


class Pen:
    """One job under way.  It knows nobody who knows it: what goes in a circle waits for the garbage collector.

    shown: what the job showed when a change of it was last looked for.  beneath: the same, had all been seen.
    """

    __slots__ = ("beneath", "job", "jobs", "record", "shown")

    def __init__(self, jobs: Jobs, job: Job, record: Record) -> None:
        self.jobs, self.job, self.record = jobs, job, record
        self.shown = shown(job, record.standing)
        self.beneath = _beneath(record.standing)

    def shelf(self, id: str) -> Run | None:
        """The newest run with an id among those a standing no longer keeps."""
        raise NotImplementedError  # pragma: no cover (each kind of pen has its own)

    def look(self, standing: Standing, before: Shown, *, is_news: bool) -> Unseen | None:
        """What of the job cannot be seen after an item; before it, it showed this.

        is_news: whether there would be something new to show, had all been seen.
        """
        raise NotImplementedError  # pragma: no cover (each kind of pen has its own)

    def message(self, message: Message) -> Change | None:
        """Let a message speak; the change it makes."""
        fold_message(self.record.standing, self.jobs, self.job, message, self.shelf)
        return self.note(message.moment, source=message.source)

    def deadline(self, deadline: Deadline) -> Change | None:
        """Let a deadline count; the change it makes."""
        fold_deadline(self.record.standing, self.job, deadline)
        return self.note(deadline.moment)

    def note(self, moment: int, *, source: str = "", in_history: bool = True) -> Change | None:
        """Write down what an item did; in_history: unless a refold has written its own."""
        record, standing = self.record, self.record.standing
        if record.trail is not None and in_history:
            put = tuple(standing.changed.values())
            alarm = is_alarm(self.job, standing)
            record.trail.append(Trace(moment, source, put, standing.missed, standing.pause, standing.serial, alarm))
        if standing.changed:
            record.runs.update(standing.changed)
            standing.changed.clear()
        before, self.beneath = self.beneath, _beneath(standing)
        standing.unseen = self.look(standing, self.shown, is_news=self.beneath != before)
        change = self.change(moment, in_history=in_history)
        record.checkpoint_if_due()
        return change

    def change(self, moment: int, *, in_history: bool = True) -> Change | None:
        """The change since something else was shown, if there is one."""
        before, after = self.shown, shown(self.job, self.record.standing)
        if after == before:
            return None
        self.shown = after
        change = Change(at=moment, job=self.job, before=before, after=after, standing=self.record.standing.fork())
        if in_history:
            self.record.changes.append(change)
        return change


def _beneath(standing: Standing) -> tuple[State, int, int]:
    return standing.state, standing.errors, standing.missed
