"""Pausing: when which notification is tried again.

Rule: pure; moments in microseconds are given.  Rule: one that fails waits by itself, however often; where another fails
as well before any succeeds, the target is taken to be down, and all wait.
"""

from collections.abc import Iterable, Iterator

from job_tracker.moments import MICROSECONDS

LONGEST = 300
"""Seconds: pauses are 1, 2, 4, … and no longer than this."""


class Pauses:
    """What has failed, and until when nothing is tried.

    problems, tries: of each subject that failed last time, the latest last.
    """

    def __init__(self) -> None:
        self.problems: dict[str, str] = {}
        self.tries: dict[str, int] = {}
        self._not_before: dict[str, int] = {}
        self._failed: set[str] = set()
        self._failures = 0
        self._pause_until = 0
        self._latest = 0

    @property
    def problem(self) -> str:
        """Why the latest of what still fails did; empty if nothing does."""
        return next(reversed(self.problems.values()), "")

    @property
    def is_down(self) -> bool:
        """Whether nothing succeeded since two different ones failed."""
        return len(self._failed) > 1

    def note(self, subject: str, problem: str, now: int) -> None:
        """Take in how a try ended."""
        self._follow(now)
        if not problem:
            if self.is_down:
                self._not_before.clear()
            self._failed.clear()
            self._failures = self._pause_until = 0
            self._forget(subject)
            return
        self._failed.add(subject)
        self.tries[subject] = self.tries.get(subject, 0) + 1
        self.problems.pop(subject, None)
        self.problems[subject] = problem
        self._not_before[subject] = now + pause(self.tries[subject])
        if self.is_down:
            self._failures += 1
            self._pause_until = now + pause(self._failures)

    def is_due(self, subject: str, now: int) -> bool:
        """Whether it may be tried now."""
        self._follow(now)
        return now >= max(self._moments_of(subject))

    def moment(self, subject: str) -> int:
        """When it may be tried, as of the last time that anybody asked."""
        return max(self._moments_of(subject))

    def moments(self, subjects: Iterable[str]) -> Iterator[int]:
        """When something may change for any of them."""
        yield self._pause_until
        for subject in subjects:
            if subject in self._not_before:
                yield self._not_before[subject]

    def _follow(self, now: int) -> None:
        """A clock that was set back makes no pause longer."""
        if now < self._latest:
            back = self._latest - now
            self._pause_until -= back
            self._not_before = {subject: moment - back for subject, moment in self._not_before.items()}
        self._latest = now

    def _moments_of(self, subject: str) -> tuple[int, int]:
        return self._pause_until, self._not_before.get(subject, 0)

    def _forget(self, subject: str) -> None:
        for each in (self.problems, self.tries, self._not_before):
            each.pop(subject, None)


def pause(failures: int) -> int:
    """Microseconds to wait after so many failures in a row."""
    return min(LONGEST, 1 << min(failures - 1, 20)) * MICROSECONDS
