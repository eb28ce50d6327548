"""Pausing: when which notification is tried again.

Rule: pure; moments in microseconds are given.  Rule: one that fails while others succeed waits by itself; where two in
a row fail, the target is taken to be down, and all wait.
"""

from collections.abc import Iterable, Iterator

from job_tracker.core.jobs import MICROSECONDS

LONGEST = 300
"""Seconds: pauses are 1, 2, 4, … and no longer than this."""


class Pauses:
    """What has failed, and until when nothing is tried.

    problem: why the last try failed, empty if it did not.  problems, tries: of each subject that failed last time.
    """

    def __init__(self) -> None:
        self.problem = ""
        self.problems: dict[str, str] = {}
        self.tries: dict[str, int] = {}
        self._not_before: dict[str, int] = {}
        self._failures = 0
        self._pause_until = 0
        self._latest = 0

    def note(self, subject: str, problem: str, now: int, *, others: bool) -> None:
        """Take in how a try ended; others: something else waits that could be tried instead."""
        self._follow(now)
        self.problem = problem
        if not problem:
            if self._failures > 1:
                self._not_before.clear()  # the target was down, and is not any more
            self._failures = self._pause_until = 0
            self._forget(subject)
            return
        self._failures += 1
        self.tries[subject] = self.tries.get(subject, 0) + 1
        self.problems[subject] = problem
        self._not_before[subject] = now + pause(self.tries[subject])
        if self._failures > 1 or not others:
            self._pause_until = now + pause(self._failures - 1 if others else self._failures)

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
