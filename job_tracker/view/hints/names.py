"""Names: what is reported under a name that is nearly a job's.

Rule: names that differ in their numbers are those of two jobs: LOAD_2 is not a slip of the pen for LOAD_1.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches

from job_tracker.core.jobs import Jobs
from job_tracker.view.documents import Document
from job_tracker.view.hints.words import Hint, says

LIKELY = 0.75
"""How like two names have to be, for one to be taken for the other."""


def about(rows: Sequence[Document], jobs: Jobs) -> Iterator[Hint]:
    """Say which names of no job belong to one.  rows: of the view, those that a configured job would adopt."""
    near: dict[str, list[tuple[str, str]]] = {}
    for row in rows:
        name, env = row["name"], row["env"]
        key = None if (name, env) in jobs.names else nearest(name, env, jobs.by_key)
        if key is not None and _numbers(f"{name}__{env}") == _numbers(key):
            pairs = near.setdefault(key, [])
            if (name, env) not in pairs:
                pairs.append((name, env))
    for key, pairs in near.items():
        job = jobs.by_key[key]
        known = [pair for pair, of in jobs.names.items() if of == key and pair != (job.name, job.env)]
        named = [{"job": name, "instance": env} for name, env in (*known, *pairs)]
        said = ", ".join(f"'{name}' of '{env}'" for name, env in pairs)
        text = f"{said} is nearly its name, and belongs to no job: if it is this one, let it report so, or name it"
        yield says(job, "name", text, {"reported_as": named})


def nearest(name: str, env: str, keys: Mapping[str, object] | Sequence[str]) -> str | None:
    """The job whose name is nearly this one, in any case of letters."""
    by_form = {key.lower(): key for key in keys}
    near = get_close_matches(f"{name}__{env}".strip().lower(), by_form, n=1, cutoff=LIKELY)
    return by_form[near[0]] if near else None


def _numbers(name: str) -> list[str]:
    return re.findall("[0-9]+", name)
