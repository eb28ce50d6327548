"""Notification templates: what one may name, the one that is used where none is given, and how one is tried.

Rule: a template is strangers' text: it is rendered in a sandbox, and a name that it does not find is an error.

What a template finds, always all of it (times as texts, on the job's own clock, empty where there is none):

    subject, application     name__env, or source_NAME; the event's application, as the service is called
    name, env                of the job, empty for a source
    state, status, word      ERROR, 2, CRIT
    at, since, text, reason  when this became true; since when the state holds; the service's text; its part behind ":"
    errors, missed, max_errors
    runs                     the last ones, newest first: begun, ended, took, outcome, errors, text, exit_code
    meanwhile                what became true before and is told only now, oldest first: at, state, status, text
    forgotten                how many changes before those were let go because too many waited
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from jinja2 import StrictUndefined, Template, TemplateError
from jinja2.sandbox import SandboxedEnvironment

DEFAULT_TEMPLATE = """\
{{ text }}
{%- if status and runs %}; last runs:
{%- for run in runs %} {{ run.begun or "(start not seen)" }} {{ run.outcome }}
{%- if run.took %} after {{ run.took }}{% endif %}{{ "" if loop.last else "," }}
{%- endfor %}{% endif %}
{%- if meanwhile or forgotten %}; meanwhile:
{%- if forgotten %} {{ forgotten }} more changes{{ "," if meanwhile else "" }}{% endif %}
{%- for each in meanwhile %} {{ each.at }} {{ each.state }}{{ "" if loop.last else "," }}{% endfor %}
{%- endif %}
"""


def check_template(text: str) -> None:
    """Raises ValueError for a template that cannot be read, or fails on one of a few typical notifications."""
    try:
        template = compiled(text)
        for values in _SAMPLES:
            template.render(values)
    except TemplateError as error:
        line = getattr(error, "lineno", None)
        raise ValueError(f"{f'line {line}: ' if line else ''}{error.message}") from error
    except Exception as error:
        raise ValueError(f"{type(error).__name__}: {error}") from error


@lru_cache(maxsize=4)
def compiled(text: str) -> Template:
    """A template, ready to be rendered; raises TemplateError."""
    return SandboxedEnvironment(undefined=StrictUndefined, autoescape=False).from_string(text)


_WHEN = "2026-11-23 02:14:07"
_RUN = {"begun": _WHEN, "ended": _WHEN, "took": "00:03:00", "outcome": "badly", "errors": 1, "text": "", "exit_code": 1}
_SAMPLE: Mapping[str, Any] = {
    "subject": "LOAD__P",
    "application": "job_LOAD__P",
    "name": "LOAD",
    "env": "P",
    "state": "ERROR",
    "status": 2,
    "word": "CRIT",
    "at": _WHEN,
    "since": _WHEN,
    "text": f"ERROR since {_WHEN} (1 of 1 errors): ORA-01555",
    "reason": "ORA-01555",
    "errors": 1,
    "missed": 0,
    "max_errors": 1,
    "runs": [_RUN],
    "meanwhile": [],
    "forgotten": 0,
}
_SAMPLES: Sequence[Mapping[str, Any]] = (
    _SAMPLE,
    {**_SAMPLE, "meanwhile": [{"at": _WHEN, "state": "RUNNING", "status": 0, "text": "RUNNING"}], "forgotten": 3},
    {**_SAMPLE, "state": "NOT_RUNNING", "status": 0, "word": "OK", "errors": 0, "reason": "", "runs": []},
    {**_SAMPLE, "subject": "source_app1", "name": "", "env": "", "max_errors": 0, "runs": [], "status": 3},
)
