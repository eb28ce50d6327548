"""The board: the standing of every job, and how far each source is known to be drained.

Rule: a board is never changed; a step makes a new one that shares whatever the step did not touch.
Standings lie in buckets, each with the first moment that concerns any of its jobs, so that a step looks at a fixed
number of buckets and at the jobs that are due, never at all jobs.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from operator import attrgetter
from types import MappingProxyType

from job_tracker.core import deadlines
from job_tracker.core.jobs import Job, Jobs
from job_tracker.core.standing import Standing

BUCKETS = 256
NEVER = 1 << 62
"""A moment that does not come."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Watermark:
    """How far a source is drained (microseconds, exclusive; None: not since the start), and from when it lags.

    patience: microseconds that it may lag by while all is well, besides what is tolerated of any.
    """

    drained: int | None
    lags_from: int
    patience: int = 0


Watermarks = Mapping[str, Watermark]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bucket:
    """A few standings, and the first moment that concerns one of them, or NEVER."""

    standings: Mapping[str, Standing]
    wake: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """How far the clock that steps are made by has been.

    latest: microseconds, NEVER while nobody knows.  back_since: from when it has stood behind that, if it does.
    waiting: the jobs judged ahead of it whose sources are not yet drained by it; None while nobody has looked.
    missing: these sources; none where one of these jobs may have gone over to another.
    """

    latest: int
    back_since: int | None = None
    waiting: frozenset[str] | None = None
    missing: frozenset[str] = frozenset()

    def shows(self, now: int, grace: int) -> "Clock":
        """The same at a later step; it may differ by the grace without standing behind."""
        if now + grace >= self.latest:
            return Clock(latest=max(now, self.latest))
        since = now if self.back_since is None else min(self.back_since, now)
        return replace(self, back_since=since, waiting=self.waiting if since == self.back_since else None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """All standings by job, and the furthest watermark ever known of each source, exclusive.

    wake: the first moment that concerns any job, or NEVER.
    """

    buckets: tuple[Bucket, ...]
    drained: Mapping[str, int]
    wake: int
    clock: Clock = field(compare=False)

    def standing(self, job: Job) -> Standing:
        """What one job carries."""
        return self.buckets[job.order % BUCKETS].standings[job.key]

    def standings(self) -> Iterator[tuple[str, Standing]]:
        """Every job's key with what it carries."""
        for bucket in self.buckets:
            yield from bucket.standings.items()

    def concerned(self, now: int) -> Iterator[str]:
        """The keys of the jobs that something concerns up to now."""
        if self.wake > now:
            return
        for bucket in self.buckets:
            if bucket.wake <= now:
                yield from (key for key, standing in bucket.standings.items() if concern(standing) <= now)

    def wake_after(self, now: int) -> int:
        """The first moment to come that concerns any job, or NEVER."""
        if self.wake > now:
            return self.wake
        return min((bucket.wake for bucket in self.buckets if bucket.wake > now), default=NEVER)

    def updated(
        self, jobs: Jobs, touched: Mapping[str, Standing], drained: Mapping[str, int], clock: Clock | None = None
    ) -> "Board":
        """A board with some standings replaced."""
        clock = clock or self.clock
        if not touched:
            return replace(self, drained=drained, clock=clock)
        fresh: dict[int, dict[str, Standing]] = {}
        for key, standing in touched.items():
            at = jobs.by_key[key].order % BUCKETS
            if at not in fresh:
                fresh[at] = dict(self.buckets[at].standings)
            fresh[at][key] = standing
        buckets = list(self.buckets)
        for at, standings in fresh.items():
            buckets[at] = _bucket(standings)
        return _board(tuple(buckets), drained, clock)


def make_board(
    jobs: Jobs, kept: Mapping[str, Standing], drained: Mapping[str, int], now: int, latest: int = 0
) -> Board:
    """A board of all configured jobs; those without a standing are known since now.

    latest: how far the clock has been, NEVER if the standings were made by another than the one that is to come.
    """
    piles: list[dict[str, Standing]] = [{} for _ in range(BUCKETS)]
    for key, job in jobs.by_key.items():
        standing = kept.get(key)
        piles[job.order % BUCKETS][key] = newcomer(job, now) if standing is None else standing
    return _board(tuple(_bucket(pile) for pile in piles), MappingProxyType(dict(drained)), Clock(latest=latest))


def newcomer(job: Job, now: int) -> Standing:
    """The standing of a job that nothing was heard of; its promise starts now."""
    standing = Standing(known_since=now, promised_since=now, awaits_from=now, since=now)
    deadlines.await_start(standing, job)
    return standing


def renewed(standing: Standing, job: Job, now: int) -> Standing:
    """The same history under a changed promise, which counts from now."""
    fresh = standing.fork()
    deadlines.renew(fresh, job, now)
    return fresh


def promise_of(job: Job) -> Job:
    """The part of a job that expected starts and deadlines depend on, to tell a changed promise from a moved line."""
    return replace(job, order=0, sources=(), max_errors=1, status_below=0)


def concern(standing: Standing) -> int:
    """The first moment at which a standing may change without a message, or NEVER."""
    first = standing.overtaken or standing.deadline
    return NEVER if first is None else first.moment


def _board(buckets: tuple[Bucket, ...], drained: Mapping[str, int], clock: Clock) -> Board:
    return Board(buckets=buckets, drained=drained, wake=min(map(_WAKE, buckets)), clock=clock)


def _bucket(standings: Mapping[str, Standing]) -> Bucket:
    return Bucket(standings=standings, wake=min(map(concern, standings.values()), default=NEVER))


_WAKE = attrgetter("wake")
