"""The taking over of queues: what it means is said first, and nothing is done before somebody has agreed.

Rule: a script agrees with --yes, people on their terminal; whoever is neither has not agreed.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

import typer

from job_tracker.cli.screens import output
from job_tracker.config.reading import Config, load
from job_tracker.config.settings import SourceHost
from job_tracker.ports import Host
from job_tracker.sources.taking_over import forget_all
from job_tracker.telling.harmless import safe

MEANING = """\
{names}: the queue there will forget which tracker drains it, and the next one that opens it drains it from then on.
- Stop the tracker that drained it before, or restore its store, if you can: that one knows what it has counted.
- What that one took out of the queue is not in it any more, and is not heard by the next one.
- What it took and did not confirm comes again, and the next one, which cannot know it, counts it. So it is with the
  messages of a queue's file that is restored from a backup later.
- No message is deleted. A tracker that is refused now tries again within a minute."""
NAMED = 10


def take_over(path: Path, names: Sequence[str], *, every: bool, agreed: bool) -> bool:
    """Say what it means, ask, and do it; whether all queues forgot."""
    config = load(path)
    hosts = _chosen(config, names, every=every)
    for line in MEANING.format(names=_named(hosts)).splitlines():
        output.put_note(line)
    if not agreed and not _agrees():
        output.complain("nothing was done")
        return False
    results = forget_all(hosts, config.settings.terms())
    for result in results:
        verdict = "" if result.done else "FAILED: "
        output.put(f"{safe(result.source)}: {verdict}{safe(result.text)}")
    return all(result.done for result in results)


def _chosen(config: Config, names: Sequence[str], *, every: bool) -> Sequence[Host]:
    if bool(names) == every:
        raise typer.BadParameter("name the sources, or say --all" if every is False else "--all needs no names")
    by_name = {section.name: section for section in config.sources}
    unknown = [name for name in names if name not in by_name]
    if unknown:
        known = ", ".join(by_name) or "none"
        raise typer.BadParameter(f"no source is called {safe(unknown[0])}; configured are: {safe(known)}")
    return [SourceHost.host(by_name[name]) for name in (by_name if every else dict.fromkeys(names))]


def _named(hosts: Sequence[Host]) -> str:
    names = [host.name for host in hosts]
    rest = len(names) - NAMED
    return ", ".join(names[:NAMED]) + (f" and {rest} more" if rest > 0 else "")


def _agrees() -> bool:
    if not sys.stdin.isatty():
        output.complain("nobody can be asked here; say --yes if that is meant")
        return False
    return typer.confirm("Go on?")
