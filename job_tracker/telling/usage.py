"""Usage: what a run used of its host, in words; `message-queue.py run` measures it, and others may measure more."""

from collections.abc import Callable, Mapping

from job_tracker.telling.harmless import safe

_WORDS: Mapping[str, Callable[[float], str]] = {
    "max_rss_kib": lambda kib: f"{kib / 1024:.1f} MiB of memory",
    "read_blocks": lambda count: f"{count:g} blocks read",
    "written_blocks": lambda count: f"{count:g} written",
    "waits": lambda count: f"{count:g} waits",
    "preemptions": lambda count: f"{count:g} preemptions",
}
_CPU = ("user_sec", "system_sec")


def used(usage: Mapping[str, float] | None) -> str:
    """What a run used, empty if nobody measured it; what has no words here is told by its name."""
    if not usage:
        return ""
    cpu = [f"{sum(usage.get(name, 0) for name in _CPU):.2f} s of CPU"] if any(name in usage for name in _CPU) else []
    known = [words(usage[name]) for name, words in _WORDS.items() if name in usage]
    others = [f"{safe(name)} {value:g}" for name, value in usage.items() if name not in _WORDS and name not in _CPU]
    return ", ".join([*cpu, *known, *others])
