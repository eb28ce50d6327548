"""The candidate: a configuration that a reload brings, until all is known that decides whether it is taken up.

Rule: the file is read at once.  OpenSSH, which has to be asked about each host, answers for a thousand of them in
minutes: a thread of its own asks, and until the last answer is there the daemon works on with the configuration it has.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from job_tracker.config.reading import Config, load
from job_tracker.config.whole import Asking, ssh_faults
from job_tracker.errors import ConfigError


class Candidate:
    """A configuration that was read, and the answers about its hosts."""

    def __init__(self, path: Path, wake: Callable[[], None]) -> None:
        """wake: called, by another thread, once it is answered.  Raises ConfigError."""
        self._config = load(path)
        self._asking = Asking()
        self._faults: Future[Sequence[str]] | None = None
        if self._config.settings.ssh_config is not None:
            thread = ThreadPoolExecutor(1, "reload")
            self._faults = thread.submit(ssh_faults, self._config, self._asking)
            self._faults.add_done_callback(lambda _: wake())
            thread.shutdown(wait=False)

    @property
    def is_answered(self) -> bool:
        """Whether `accepted` can be asked."""
        return self._faults is None or self._faults.done()

    def accepted(self, *, in_place_of: Config) -> Config:
        """The configuration.  Raises ConfigError if its hosts cannot be reached as it says, or it watches nothing."""
        faults = self._faults.result() if self._faults is not None else ()
        if faults:
            raise ConfigError(faults)
        _refuse_to_watch_nothing(in_place_of, self._config)
        return self._config

    def give_up(self) -> None:
        """Nobody will take it up."""
        self._asking.give_up()


def _refuse_to_watch_nothing(before: Config, after: Config) -> None:
    """A file that was emptied by a slip must not end all watching without a word.  Raises ConfigError."""
    if before.jobs.by_key and not after.jobs.by_key and not after.settings.no_jobs_is_meant:
        watched = len(before.jobs.by_key)
        raise ConfigError(
            [
                (
                    f"jobs: there is none, and {watched} {'is' if watched == 1 else 'are'} watched; if that is meant, "
                    "write no_jobs_is_meant: true into global_config"
                )
            ]
        )
