"""Outlook: what only the days to come show of a configuration, looked at anew each day.

Rule: it is said in the log once when it begins, and stands in the daemon's service as long as it lasts.
"""

import logging
from datetime import UTC, datetime

from job_tracker.config import schedule_recommendations, zones
from job_tracker.config.reading import Config
from job_tracker.moments import DAY, MICROSECONDS

log = logging.getLogger("job_tracker")


class Outlook:
    """What was found of a configuration on a day."""

    def __init__(self) -> None:
        self._config: Config | None = None
        self._day = 0
        self._found: tuple[str, ...] = ()

    def warnings(self, config: Config, now: int) -> tuple[str, ...]:
        """A zone that nobody named, calendars that are over, jobs that are not expected for a year."""
        if config is not self._config or now // DAY != self._day:
            self._config, self._day = config, now // DAY
            before, self._found = self._found, tuple(_found(config, now))
            for each in self._found:
                if each not in before:
                    log.warning("%s", each)
        return self._found


def _found(config: Config, now: int) -> list[str]:
    doubt = "" if "time_zone" in config.settings.model_fields_set else zones.host_zone().doubt
    today = datetime.fromtimestamp(now // MICROSECONDS, UTC).date()
    found = [f"time_zone: {doubt}; name the zone"] if doubt else []
    return found + list(schedule_recommendations.of_days_to_come(config.jobs, config.calendars, today))
