"""What the role writes on the hosts, rendered for the five machines of env-local.ini: golden files, to be read.

Jinja2 renders here with what Ansible adds of it that the templates use; that Ansible itself renders the same, and that
the hosts can use it, is tried on hosts.
"""

import json
import os
import re
from configparser import ConfigParser
from pathlib import Path
from typing import Any

import jinja2
import pytest
import yaml

from job_tracker.config.reading import parse

ROOT = Path(__file__).parents[2]
ROLE = ROOT / "roles" / "job_tracker-setup"
GOLDEN = ROOT / "tests" / "golden"
WITH_EVENTS = {"job_tracker_monitoring_backend": "status,event", "job_tracker_checkmk_site": "prod"}
BY_SSH = {"job_tracker_targets": [], "job_tracker_targets_use_our_key": True}
"""As tasks/event_console.yml calls the template on the tracker host."""
AS_ROOT = {"job_tracker_user": "root", "job_tracker_run_dir": "/var/run", "job_tracker_writable_paths": ["/var/run"]}
BEHIND_A_PROXY = {
    "job_tracker_parts": ["web"],
    "job_tracker_web_proxy_group": "www-data",
    "job_tracker_web_may_operate": True,
    "job_tracker_web_settings": {"public_url": "https://jobs.example.com"},
}

RENDERED: dict[str, tuple[str, dict[str, Any]]] = {
    "job_tracker.service": ("job_tracker.service.j2", {}),
    "job_tracker_as_root.service": ("job_tracker.service.j2", AS_ROOT),
    "job_tracker-ship.service": ("job_tracker-ship.service.j2", {}),
    "job_tracker-web.service": ("job_tracker-web.service.j2", {}),
    "job_tracker-web_behind.service": ("job_tracker-web.service.j2", BEHIND_A_PROXY),
    "web-job_tracker.cfg": ("local-job_tracker.cfg", BEHIND_A_PROXY),
    "logrotate_job_tracker_ship": ("logrotate-ship.j2", {}),
    "default_job_tracker-web": ("job_tracker-web.default.j2", BEHIND_A_PROXY),
    "default_job_tracker": ("job_tracker.default.j2", {}),
    "logrotate_job_tracker": ("logrotate.j2", {}),
    "local-job_tracker.cfg": ("local-job_tracker.cfg", WITH_EVENTS),
    "send-notification.cfg": ("send-notification.cfg.j2", {**WITH_EVENTS, **BY_SSH}),
}


def environment() -> jinja2.Environment:
    """As Ansible sets it up."""
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(ROLE / "templates"),
        trim_blocks=True,
        keep_trailing_newline=True,
        undefined=jinja2.StrictUndefined,
        autoescape=False,  # noqa: S701 - these are no web pages
    )
    made.filters |= {"to_json": json.dumps, "basename": os.path.basename, "to_nice_json": json.dumps}
    made.tests["match"] = lambda value, pattern: re.match(pattern, value) is not None
    return made


def inventory() -> tuple[dict[str, list[str]], dict[str, dict[str, str]]]:
    """The groups of env-local.ini, and each host's own variables."""
    reading = ConfigParser(allow_no_value=True, delimiters=("\0",), interpolation=None)
    reading.optionxform = str  # type: ignore[assignment,method-assign]  # as its manual says
    reading.read(ROOT / "env-local.ini")
    groups: dict[str, list[str]] = {}
    hosts: dict[str, dict[str, str]] = {}
    for group in ("monitoringserver", "job_tracker", "source_hosts"):
        for line in reading[group]:
            name, *pairs = line.split()
            groups.setdefault(group, []).append(name)
            hosts[name] = dict(pair.split("=", 1) for pair in pairs)
    return groups, hosts


def variables(changes: dict[str, Any]) -> dict[str, Any]:
    """The role's variables on the tracker host, those that are made of others worked out."""
    groups, hosts = inventory()
    known: dict[str, Any] = yaml.safe_load((ROLE / "defaults" / "main.yml").read_text())
    known |= yaml.safe_load((ROLE / "vars" / "main.yml").read_text())
    known |= {
        "groups": groups,
        "hostvars": hosts,
        "inventory_hostname": "em",
        "playbook_dir": "/playbook",
        "env": "local",
    }
    known |= {"ansible_managed": "Ansible managed", **changes}
    evaluate = environment()
    for _ in range(5):
        for name, value in known.items():
            if isinstance(value, str) and "{{" in value:
                expression = re.fullmatch(r"\s*\{\{(.*)\}\}\s*", value, re.DOTALL)
                whole = expression is not None and "}}" not in expression[1]
                try:
                    known[name] = (
                        evaluate.compile_expression(expression[1], undefined_to_none=False)(**known)
                        if whole and expression is not None
                        else evaluate.from_string(value).render(known)
                    )
                except (jinja2.TemplateRuntimeError, TypeError, KeyError):
                    continue  # of one that is not worked out yet, or only known to Ansible or on a host
    return known


@pytest.mark.parametrize("name", RENDERED)
def test_what_is_written_on_the_hosts_is_as_the_golden_file_says(name: str) -> None:
    """A change of a template is read before it reaches a host."""
    template, changes = RENDERED[name]
    text = environment().get_template(template).render(variables(changes))
    if os.environ.get("UPDATE_GOLDEN"):
        (GOLDEN / name).write_text(text, encoding="utf-8")

    assert (GOLDEN / name).read_text(encoding="utf-8") == text


@pytest.mark.parametrize(("name", "document"), [("job_tracker", "by-hand"), ("job_tracker-web", "web")])
def test_golden_units_of_the_examples_are_those_that_the_role_writes(name: str, document: str) -> None:
    """Whoever installs by hand gets the same ones."""
    says = {"ansible_managed": f"As the playbook writes it with its defaults, for docs/{document}.md."}
    text = environment().get_template(f"{name}.service.j2").render(variables(says))
    example = ROOT / "examples" / f"{name}.service"
    if os.environ.get("UPDATE_GOLDEN"):
        example.write_text(text, encoding="utf-8")

    assert example.read_text(encoding="utf-8") == text


def test_the_rendered_configuration_is_one() -> None:
    """The model that everybody copies has no fault."""
    template, changes = RENDERED["local-job_tracker.cfg"]

    config = parse(environment().get_template(template).render(variables(changes)), name=template)

    assert set(config.jobs.sources) == {"app1", "app2", "app3"}
    assert "event" in config.settings.backends
