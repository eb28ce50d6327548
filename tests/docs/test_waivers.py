"""Rules are waived with a reason beside the waiver, and a test says why what it holds matters.

Whoever comes later has to know whether a waiver may go; one without a reason stays for ever.
"""

import ast
import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
OURS = ("job_tracker", "tests", "bench", "deploy", "examples", "roles")
OLD = ROOT / "tests" / "onhost" / "old"
WAIVER = re.compile(r"# ?(?P<what>noqa|type: ignore|pragma: no|shellcheck disable)\b(?P<rest>.*)")
REASON = re.compile(r"(?: - | # |  # | \()\S")
RULE = re.compile(r'"[A-Z]+[0-9]*"')


def files(suffix: str) -> list[Path]:
    """Our own files; what is linked to is looked at where it lies."""
    found = [path for name in OURS for path in (ROOT / name).rglob(f"*{suffix}")]
    return [path for path in found if not path.is_symlink() and OLD not in path.parents and path != Path(__file__)]


def test_each_waiver_has_its_reason() -> None:
    """In the line itself: `# noqa: S311 - the same at each run`."""
    bare = [
        f"{path.relative_to(ROOT)}:{number}: {found['what']}{found['rest']}"
        for path in (*files(".py"), *files(".sh"))
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if (found := WAIVER.search(line)) and not REASON.search(found["rest"])
    ]

    assert not bare


def test_each_rule_that_is_left_out_has_its_reason() -> None:
    """The configuration says which rules are left out, and beside each why."""
    lines = (ROOT / "pyproject.toml").read_text(encoding="utf-8").splitlines()
    rules = {*tomllib.loads("\n".join(lines))["tool"]["ruff"]["lint"]["ignore"]}
    begin = lines.index("[tool.ruff.lint]")
    ignored = lines[begin + lines[begin:].index("ignore = [") : lines.index("[tool.mypy]")]

    bare = [line for line in ignored if RULE.search(line) and not re.search(r"# \S", line)]

    assert not bare
    assert rules <= {rule.strip('"') for line in ignored for rule in RULE.findall(line)}


def test_each_test_says_why_it_matters() -> None:
    """A sentence for a name says what holds; only the docstring says what would be lost without it."""
    silent = [
        f"{path.relative_to(ROOT)}:{each.lineno}: {each.name}"
        for path in files(".py")
        if path.name.startswith("test_")
        for each in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(each, ast.FunctionDef) and each.name.startswith("test_") and not ast.get_docstring(each)
    ]

    assert not silent
