"""Window: from when to when a night is drawn, and how much of it a pixel is.

Rule: pure; moments are microseconds here, and seconds in what is handed on.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from job_tracker.moments import DAY, MICROSECONDS, MINUTE

Span = tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """From begin to end, looked at now, on so many pixels."""

    begin: int
    end: int
    now: int
    pixels: int = 1200

    @property
    def pixel(self) -> int:
        """Microseconds that a pixel stands for."""
        return max(1, (self.end - self.begin) // max(1, self.pixels))

    def cut(self, begin: int, end: int) -> Span | None:
        """What of a span lies in it; None if nothing does."""
        begin, end = max(begin, self.begin), min(end, self.end)
        return (begin, end) if begin < end else None


def seconds(moment: int | None) -> float | None:
    """A moment as it is handed on, to the millisecond: a picture needs no more."""
    return None if moment is None else round(moment / MICROSECONDS, 3)


def spans_in_seconds(spans: Iterable[Span]) -> list[list[float]]:
    """Spans as they are handed on."""
    return [[round(begin / MICROSECONDS, 3), round(end / MICROSECONDS, 3)] for begin, end in spans]


def united(spans: Iterable[Span], gap: int = 0) -> list[Span]:
    """Spans in order, with those in one that overlap, touch, or lie no farther apart than a gap."""
    found: list[Span] = []
    for begin, end in sorted(spans):
        if found and begin <= found[-1][1] + gap:
            found[-1] = found[-1][0], max(end, found[-1][1])
        else:
            found.append((begin, end))
    return found


def offsets(zone: ZoneInfo, window: Window) -> list[list[float]]:
    """Which offset from UTC the clocks of a zone have from when on, so that a picture marks hours as they show them."""

    def offset(moment: int) -> float:
        shown = datetime.fromtimestamp(moment // MICROSECONDS, UTC).astimezone(zone)
        return shown.utcoffset().total_seconds()  # type: ignore[union-attr]  # it has a zone

    begin, end = window.begin - 2 * DAY, window.end + 2 * DAY
    found = [[round(begin / MICROSECONDS, 3), offset(begin)]]
    at = begin
    while at < end:
        following = min(at + DAY, end)
        if offset(following) != found[-1][1]:
            low, high = at, following
            while high - low > MINUTE:
                middle = (low + high) // 2
                low, high = (low, middle) if offset(middle) != found[-1][1] else (middle, high)
            change = -(-low // MINUTE) * MINUTE
            found.append([change / MICROSECONDS, offset(following)])
        at = following
    return found
