"""Service lines: what the monitoring is told of each job, of each source, and of the daemon itself.

Rule: rendering only; who writes it where is `checkmk_status`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import tzinfo

from job_tracker.core.jobs import Job
from job_tracker.core.standing import Outcome, Standing
from job_tracker.core.states import CRIT, OK, WARN
from job_tracker.core.texts import describe
from job_tracker.core.verdicts import shown
from job_tracker.moments import MICROSECONDS, clock_text
from job_tracker.outputs.checkmk.files import perfdata, service_line
from job_tracker.ports import Contact, Report

DAEMON_SERVICE = "job_tracker"
NOTICE_LASTS = 3600 * MICROSECONDS
"""How long a source's service is WARN after something happened to its queue that somebody should know of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceView:
    """A source as its service shows it.  drifting: since when its clock differs by more than the grace, if it does."""

    report: Report
    drifting: bool
    notice: str
    noticed_at: int


def job_line(job: Job, standing: Standing, *, prefix: str, with_metrics: bool) -> str:
    """The line of one job."""
    metrics = perfdata(_metrics(standing)) if with_metrics else "-"
    status = shown(job, standing).status
    return service_line(status=status, service=prefix + job.key, text=describe(job, standing), perfdata=metrics)


def source_line(view: SourceView, *, now: int, prefix: str, critical_after: int, zone: tzinfo) -> str:
    """The line of one source; critical_after: microseconds of silence after which it is CRIT."""
    report = view.report
    since = clock_text(report.since, zone)
    facts = [f"{report.contact.value} since {since}"]
    if report.text:
        facts.append(report.text)
    if report.clock_offset is not None:
        drift = ", more than the grace" if view.drifting else ""
        facts.append(f"clock {report.clock_offset / MICROSECONDS:+.1f} s{drift}")
    if report.depth is not None:
        facts.append(f"{report.depth} message{'' if report.depth == 1 else 's'} waiting")
    status = _contact_status(report, now, critical_after)
    if view.drifting:
        status = max(status, WARN)
    if view.notice and now - view.noticed_at < NOTICE_LASTS:
        status = max(status, WARN)
        facts.append(view.notice)
    return service_line(status=status, service=f"{prefix}source_{report.source}", text="; ".join(facts))


def daemon_line(*, jobs: int, sources: int, faults: Sequence[str], failing: str, cycle: float) -> str:
    """The daemon's own line.  failing: what keeps it from its work, faults: what does not; cycle: seconds."""
    if failing:
        return service_line(status=CRIT, service=DAEMON_SERVICE, text=failing)
    text = f"jobs: {jobs}, sources: {sources}, last cycle took {cycle * 1000:.0f} ms"
    return service_line(status=WARN if faults else OK, service=DAEMON_SERVICE, text="; ".join([*faults, text]))


def _contact_status(report: Report, now: int, critical_after: int) -> int:
    match report.contact:
        case Contact.REACHABLE:
            return OK
        case Contact.REFUSED:
            return CRIT  # nothing but an operator can mend that
        case Contact.CONNECTING | Contact.UNREACHABLE:
            if now - report.since >= critical_after:
                return CRIT
            return OK if report.contact is Contact.CONNECTING else WARN


def _metrics(standing: Standing) -> dict[str, float | int]:
    metrics: dict[str, float | int] = {"errors": standing.errors, "missed": standing.missed}
    newest = standing.newest
    if newest is not None and newest.outcome is not Outcome.OPEN and newest.begun is not None and newest.ended:
        metrics["duration"] = (newest.ended - newest.begun) / MICROSECONDS
    return metrics
