"""Sight: how far a job can be seen, and from when on it cannot.

Rule: silence proves something only as far as every source the job belongs to is drained.
Rule: nothing here folds anything; what is seen is decided from watermarks, clocks and standings alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from job_tracker.core.board import Watermarks
from job_tracker.core.jobs import Job, Jobs
from job_tracker.core.standing import Deadline, Standing, Unseen
from job_tracker.core.states import UNSEEN, Shown
from job_tracker.core.verdicts import is_silenced


def owners(job: Job, standing: Standing, jobs: Jobs) -> tuple[str, ...]:
    """The sources a job belongs to: those it names, else the one that delivered last, else all."""
    if job.sources:
        return job.sources
    return (standing.source,) if standing.source in jobs.sources else jobs.sources


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """How far one step can see.

    drained: by source, exclusive microseconds; before: the same as the step before it knew them.
    """

    jobs: Jobs
    drained: Mapping[str, int]
    before: Mapping[str, int]
    watermarks: Watermarks
    now: int

    def horizon(self, job: Job, standing: Standing) -> int:
        """Deadlines before this moment may be judged: the sources the job belongs to, or did then, are past them."""
        return self._horizon(job, standing, self.drained, self.now)

    def former_horizon(self, job: Job, standing: Standing) -> int:
        """Deadlines before this moment could be judged before this step."""
        return self._horizon(job, standing, self.before, self.now - 1)

    def due(self, job: Job, standing: Standing) -> Deadline | None:
        """The job's next deadline, if it may be judged; one that was overtaken comes first."""
        deadline = standing.overtaken or standing.deadline
        if deadline is None or deadline.moment > self.now:
            return None
        return deadline if deadline.moment < self.horizon(job, standing) else None

    def unseen(self, job: Job, standing: Standing) -> Unseen | None:
        """The passed deadline that no watermark covers, and from when that is UNKNOWN; it may lie ahead."""
        deadline = standing.overtaken or standing.deadline
        if deadline is None or deadline.moment > self.now:
            return None
        passed = deadline.moment
        known = standing.unseen if standing.unseen is not None and standing.unseen.deadline == passed else None
        paused_until = -1 if standing.pause is None else standing.pause.end  # before that nothing of it is in question
        if known is not None and known.since < paused_until:
            known = None
        if known is not None and passed < self.horizon(job, standing):
            return None
        lagging = [
            (self._lags_from(source, passed), source)
            for source in owners(job, standing, self.jobs)
            if self.drained.get(source, -1) <= passed
        ]
        if not lagging:
            return None
        lags_from, source = min(lagging)
        since = max(passed, lags_from + self.jobs.tolerance + self._patience(source), paused_until)
        if known is None:
            return Unseen(since=since, deadline=passed, source=source, unheard_since=lags_from)
        if since > self.now or any(name == known.source for _, name in lagging):
            return known
        return replace(known, source=source, unheard_since=lags_from)  # the one that was named is back

    def still_unseen(self, job: Job, standing: Standing, before: Shown, *, is_news: bool) -> Unseen | None:
        """What cannot be seen after an item; what begins at this very moment is found when all is folded.

        Within a pause what an item made of the job is shown, silenced; the end of the pause is judged in its turn.
        """
        unseen, deadline = standing.unseen, standing.overtaken or standing.deadline
        lasts = before.status == UNSEEN if standing.pause is None else not is_news and not is_silenced(standing)
        if lasts and deadline is not None and unseen is not None and deadline.moment == unseen.deadline:
            return unseen  # until that very deadline is judged
        unseen = self.unseen(job, standing)
        return unseen if unseen is not None and unseen.since < self.now else None

    def _horizon(self, job: Job, standing: Standing, drained: Mapping[str, int], now: int) -> int:
        limit = now + 1
        for source in owners(job, standing, self.jobs):
            limit = min(limit, drained.get(source, -1))
        return max(limit, min(standing.former_source_drained, now + 1))

    def _patience(self, source: str) -> int:
        watermark = self.watermarks.get(source)
        return 0 if watermark is None else watermark.patience

    def _lags_from(self, source: str, passed: int) -> int:
        """Since when nothing is known of a source; if a clock that ran wrong says that, since the deadline passed."""
        watermark = self.watermarks.get(source)
        moment = self.before.get(source, self.now) if watermark is None else watermark.lags_from
        return moment if moment <= self.now else passed
