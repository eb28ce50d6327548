"""How a server of jobs writes what it knows of one: its metrics, and moments in three ways."""

from datetime import UTC, datetime
from typing import Any

Document = dict[str, Any]


def measured(job: Any, *, is_on_kubernetes: bool = False) -> Document:
    """What PBS measures; on Kubernetes there is more, and words where numbers were."""
    begin, end = job.started or job.created, job.finished or job.created
    step = {"time_start": no_colon(begin), "time_end": no_colon(end), "memory_max_gb": -999.0, "exit_code": 0}
    node = {"hostname": "pbs7", "ip_address": "10.0.0.7", "cores": 4}
    code = {"exit_code": 1 if job.status == "failed" else 0, "time_duration_seconds": round(end - begin)}
    if not is_on_kubernetes:
        return {"workflow": {**step, **code, "node": node}, "stage-in": step}
    step = dict.fromkeys(("memory_max_gb", "exit_code", "work_dir_size_gb", "time_duration_seconds"), "unknown")
    times = {"time_queued": rfc(job.created), "time_start": rfc(begin), "time_end": rfc(end)}
    nowhere = {"hostname": "node-3", "ip_address": "unknown", "cores": "unknown", "memory_gb": "unknown"}
    about = {"username": "ann", "job_id": job.id, "job_type": "sentinel", "job_status": job.status}
    return {**about, "workflow": {**step, **times, "node": nowhere}, "stage-in": step, "blob": {"spec": "x" * 1000}}


def no_colon(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f+0000")


def naive(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")


def rfc(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
