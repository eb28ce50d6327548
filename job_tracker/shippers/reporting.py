"""Reporting: how shipping stands, as services for the monitoring and as a document for the command line.

Rule: pure; a shipper that is behind, that pauses, that has dead letters or a gap says so, and says what to do.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from job_tracker.config.shippers import ShipperEntry
from job_tracker.core.states import CRIT, OK, WARN
from job_tracker.moments import DAY, MICROSECONDS, MINUTE, span
from job_tracker.outputs.checkmk.line import perfdata, service_line
from job_tracker.shippers.lane import Standing
from job_tracker.shippers.store import DeadLetter

SERVICE = "job_tracker_ship"
BEHIND = 5 * MINUTE
"""How long an event may wait until its shipper is WARN."""

GAP_LASTS = DAY
"""How long a gap is CRIT, unless somebody sets the shipper to a number before: it cannot be mended, only known of."""

LISTED = 10
"""Dead letters that the document names, the newest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """One shipper.  dead: how many letters; letters: the newest of them.  gap_at: microseconds, 0 for none."""

    entry: ShipperEntry
    standing: Standing
    dead: int
    letters: Sequence[DeadLetter] = ()
    gap: str = ""
    gap_at: int = 0

    def status(self, now: int) -> int:
        """In Checkmk's numbers."""
        if self.standing.is_held or self.has_gap(now):
            return CRIT
        return WARN if self.dead or self.behind(now) > BEHIND else OK

    def behind(self, now: int) -> int:
        """Microseconds that the oldest event waits."""
        return 0 if self.standing.waiting_since is None else max(0, now - self.standing.waiting_since)

    def has_gap(self, now: int) -> bool:
        """Whether somebody still has to be told of one."""
        return bool(self.gap) and now - self.gap_at < GAP_LASTS


def shipper_line(report: Report, *, now: int, prefix: str, with_metrics: bool) -> str:
    """The service of one shipper."""
    metrics = perfdata({"behind": report.behind(now) / MICROSECONDS, "dead": report.dead}) if with_metrics else "-"
    service = f"{prefix}shipper_{report.entry.name}"
    text = "; ".join(_facts(report, now))
    return service_line(status=report.status(now), service=service, text=text, perfdata=metrics)


def own_line(count: int, faults: Sequence[str], *, sent: int) -> str:
    """The service of the process itself."""
    said = f"shippers: {count}, events sent since the start: {sent}"
    return service_line(status=WARN if faults else OK, service=SERVICE, text="; ".join([*faults, said]))


def document(report: Report, now: int) -> dict[str, Any]:
    """For the command line; moments and durations in seconds."""
    standing = report.standing
    behind = report.behind(now)
    return {
        "name": report.entry.name,
        "to": report.entry.to,
        "target": target_of(report.entry),
        "status": report.status(now),
        "seq": standing.seq,
        "behind": behind / MICROSECONDS,
        "problem": standing.problem or None,
        "since": standing.since / MICROSECONDS if standing.problem else None,
        "held": standing.is_held,
        "sent": standing.sent,
        "last_sent": None if standing.last_sent is None else standing.last_sent / MICROSECONDS,
        "remark": standing.remark or None,
        "gap": report.gap or None,
        "dead": report.dead,
        "dead_letters": [
            {"seq": each.seq, "at": each.at / MICROSECONDS, "reason": each.reason} for each in report.letters
        ],
    }


def target_of(entry: ShipperEntry) -> str:
    """Where it sends to, for people."""
    match entry.to:
        case "jsonl":
            return str(entry.path)
        case "sqs":
            return entry.queue
    return f"{entry.url}/{entry.index}"


def _facts(report: Report, now: int) -> Sequence[str]:
    standing, facts = report.standing, []
    if report.has_gap(now):
        facts.append(report.gap)
    if standing.problem:
        facts.append(standing.problem)
    behind = report.behind(now)
    facts.append(f"behind for {span(behind)}" if behind >= MICROSECONDS else "nothing waits")
    if report.dead:
        facts.append(
            f"{report.dead} dead letter{'' if report.dead == 1 else 's'}; job_tracker shippers says why, "
            f"job_tracker ship --retry-dead {report.entry.name} tries again"
        )
    if standing.remark:
        facts.append(standing.remark)
    come = "not begun yet" if standing.seq is None else f"through {standing.seq}"
    return [*facts, f"to {target_of(report.entry)}, {come}"]
