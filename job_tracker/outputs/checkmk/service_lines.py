"""Service lines: what the monitoring is told of each job, of each source, of what belongs to none, and of the daemon.

Rule: rendering only; what a line looks like is in `line`, who writes it where in `keeper` and `files`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import tzinfo

from job_tracker.config.reading import DAEMON_SERVICE
from job_tracker.core.jobs import Job
from job_tracker.core.standing import Outcome, Standing
from job_tracker.core.states import CRIT, OK, WARN
from job_tracker.core.texts import describe
from job_tracker.core.verdicts import shown
from job_tracker.moments import DAY, MICROSECONDS, clock_text
from job_tracker.outputs.checkmk.line import perfdata, service_line
from job_tracker.ports import Contact, Picture, Report

NOTICE_LASTS = 3600 * MICROSECONDS
"""How long a source's service is WARN after something happened to it that somebody should know of."""

NEW_LASTS = DAY
"""How long a name that nobody has configured is new: what went wrong in the night is still seen in the morning."""

USED: Mapping[str, tuple[str, int]] = {
    "user_sec": ("user_time", 1),
    "system_sec": ("system_time", 1),
    "max_rss_kib": ("max_res_bytes", 1024),
    "read_blocks": ("reads", 1),
    "written_blocks": ("writes", 1),
    "waits": ("vol_context_switches", 1),
    "preemptions": ("invol_context_switches", 1),
}
"""What a run used, by the name that Checkmk's own check of jobs gives to it, and how many of its units that is."""

UNMATCHED_SERVICE = "unmatched"
NAMED = 3
"""Names that the service lists, the newest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Remark:
    """What of a source lasts longer than its report.

    drifting: its clock differed by more than the grace when it was looked at last.  dated_ahead: when a message came
    last that was dated ahead by more than that, 0 if none did.  notice: what happened to its queue, and when.
    """

    drifting: bool = False
    dated_ahead: int = 0
    notice: str = ""
    noticed_at: int = 0

    def lately_dated_ahead(self, now: int) -> bool:
        """Whether a message was; a host with one wrong producer says so for an hour, not for a moment."""
        return bool(self.dated_ahead) and now - self.dated_ahead < NOTICE_LASTS


@dataclass(frozen=True, slots=True, kw_only=True)
class Stray:
    """A name that belongs to no configured job.  first: microseconds, when it was heard for the first time."""

    name: str
    env: str
    first: int


def job_line(job: Job, standing: Standing, *, prefix: str, with_metrics: bool, host: str = "") -> str:
    """The line of one job; host: where it runs, if it is to be shown there."""
    metrics = perfdata(_metrics(standing)) if with_metrics else "-"
    status = shown(job, standing).status
    return service_line(
        status=status, service=prefix + job.key, text=describe(job, standing), perfdata=metrics, host=host
    )


def source_line(
    report: Report, remark: Remark, *, now: int, prefix: str, critical_after: int, zone: tzinfo, with_metrics: bool
) -> str:
    """The line of one source; critical_after: microseconds of silence after which it is CRIT."""
    facts = [f"{report.contact.value} since {clock_text(report.since, zone)}"]
    metrics: dict[str, float | int] = {}
    if report.text:
        facts.append(report.text)
    elif report.about:
        facts.append(report.about)
    if report.clock_offset is not None:
        drift = ", more than the grace" if remark.drifting else ""
        metrics["offset"] = report.clock_offset / MICROSECONDS
        facts.append(f"clock {metrics['offset']:+.1f} s{drift}")
    if report.depth is not None:
        metrics["depth"] = report.depth
        facts.append(f"{report.depth} message{'' if report.depth == 1 else 's'} waiting")
    if report.latency is not None:
        metrics["latency"] = report.latency / MICROSECONDS
    status = max(_contact_status(report, now, critical_after), WARN if remark.drifting else OK)
    if report.differs:
        status = max(status, WARN)
        facts.append(report.differs)
    if remark.lately_dated_ahead(now):
        status = max(status, WARN)
        moment = clock_text(remark.dated_ahead, zone)
        facts.append(f"a message that came at {moment} was dated ahead by more than the grace, and is taken as of then")
    if remark.notice and now - remark.noticed_at < NOTICE_LASTS:
        status = max(status, WARN)
        facts.append(remark.notice)
    measured = perfdata(metrics) if with_metrics else "-"
    return service_line(
        status=status, service=f"{prefix}source_{report.source}", text="; ".join(facts), perfdata=measured
    )


def unmatched_line(strays: Sequence[Stray], *, now: int, prefix: str, zone: tzinfo, with_metrics: bool) -> str:
    """The line of what belongs to no job; strays: the newest first."""
    status, text = OK, "every message belongs to a configured job"
    if strays:
        count = f"{len(strays)} name{'' if len(strays) == 1 else 's'} that no configured job has"
        text = f"{count}, the newest since {clock_text(strays[0].first, zone)}: {_names(strays)}"
        text += "; job_tracker unmatched shows what they say and how to adopt them"
        status = WARN if now - strays[0].first < NEW_LASTS else OK
    metrics = perfdata({"unmatched": len(strays)}) if with_metrics else "-"
    return service_line(status=status, service=prefix + UNMATCHED_SERVICE, text=text, perfdata=metrics)


def daemon_line(picture: Picture, *, jobs: int, sources: int, cycle: float, with_metrics: bool) -> str:
    """The daemon's own line; cycle: seconds."""
    if picture.failing:
        return service_line(status=CRIT, service=DAEMON_SERVICE, text=picture.failing)
    text = f"jobs: {jobs}, sources: {sources}, last cycle took {cycle * 1000:.0f} ms"
    status = WARN if picture.faults else OK
    metrics = perfdata({"jobs": jobs, "sources": sources, "cycle": cycle}) if with_metrics else "-"
    return service_line(
        status=status, service=DAEMON_SERVICE, text="; ".join([*picture.faults, text]), perfdata=metrics
    )


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
    """Checkmk knows job_duration, and shows it in seconds; what the last run used goes when the next one begins."""
    metrics: dict[str, float | int] = {"errors": standing.errors, "missed": standing.missed}
    newest = standing.newest
    if newest is None or newest.outcome is Outcome.OPEN:
        return metrics
    if newest.begun is not None and newest.ended:
        metrics["job_duration"] = (newest.ended - newest.begun) / MICROSECONDS
    usage = newest.usage or {}
    return metrics | {metric: usage[name] * units for name, (metric, units) in USED.items() if name in usage}


def _names(strays: Sequence[Stray]) -> str:
    shown_ = [f"'{each.name[:60]}' of '{each.env[:60]}'" for each in strays[:NAMED]]
    return ", ".join(shown_) + (", …" if len(strays) > NAMED else "")
