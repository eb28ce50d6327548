#!/usr/bin/env python3
"""The table of the role's variables for docs/deployment.md, from meta/argument_specs.yml.

    variables.py          write it between its marks in the document
    variables.py --check  exit code 1 if it is not what stands there

Rule: the document's table is made here and nowhere else, so that it cannot say what the role does not do.
"""

import sys
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]
SPECS = ROOT / "roles" / "job_tracker-setup" / "meta" / "argument_specs.yml"
DOCUMENT = ROOT / "docs" / "deployment.md"
BEGIN, END = "<!-- variables: begin -->\n", "<!-- variables: end -->\n"


def table(options: dict[str, dict[str, Any]]) -> str:
    """A row per variable, in the order of the specification."""
    rows = ["| Variable | Type | Default | What it is for |", "|---|---|---|---|"]
    for name, option in options.items():
        kind = f"list of {option['elements']}" if "elements" in option else option["type"]
        rows.append(f"| `{name}` | {kind} | {shown(option['default'])} | {' '.join(option['description'].split())} |")
    return "\n".join(rows) + "\n"


def shown(default: object) -> str:
    """A default as it is written in YAML."""
    if isinstance(default, bool):
        return f"`{str(default).lower()}`"
    if default in ("", [], {}):
        return "none"
    return f"`{default}`".replace("|", "\\|")


def main(arguments: list[str]) -> int:
    """Write the table, or compare it."""
    options = yaml.safe_load(SPECS.read_text())["argument_specs"]["main"]["options"]
    text = DOCUMENT.read_text()
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    wanted = before + BEGIN + table(options) + END + after
    if "--check" in arguments:
        return int(text != wanted)
    DOCUMENT.write_text(wanted)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
