#!/usr/bin/env python3
"""Puts message-queue.py together from its chapters: one file on the host, written as several.

    onhost.py          write job_tracker/onhost/message-queue.py
    onhost.py --check  exit code 1 if it is not the sum of its chapters

Rule: the file is made here and nowhere else.  Rule: a chapter uses only what chapters before it say.
"""

import ast
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
CHAPTERS = ROOT / "job_tracker" / "onhost" / "message_queue"
SUM = ROOT / "job_tracker" / "onhost" / "message-queue.py"
ORDER = (
    "ground",
    "messages",
    "file",
    "queue",
    "verbs",
    "signals",
    "command",
    "relay",
    "outcome",
    "run",
    "inbox",
    "serve",
    "manual",
    "command_line",
)
"""The first one's docstring becomes that of the whole; the last one ends with the call of main."""


class ChapterError(Exception):
    """A chapter cannot be put into the sum; its text says which and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chapter:
    """One chapter: its docstring, the standard library's modules it imports, and the code below."""

    name: str
    docstring: str
    modules: frozenset[str]
    body: str


def read(name: str) -> Chapter:
    """A chapter as it is written; ChapterError where it uses one that stands behind it."""
    text = (CHAPTERS / f"{name}.py").read_text(encoding="ascii")
    tree = ast.parse(text)
    docstring = ast.get_docstring(tree)
    if docstring is None:
        raise ChapterError(f"{name}: says nothing of itself")
    head = tree.body[0]
    modules: set[str] = set()
    for head in tree.body[1:]:
        match head:
            case ast.Import(names=names):
                modules.update(each.name for each in names)
            case ast.ImportFrom(module=str(used), level=1) if used in ORDER[: ORDER.index(name)]:
                pass
            case ast.ImportFrom():
                raise ChapterError(f"{name}: imports from {head.module}, which is no chapter before it")
            case _:
                break
    begin = min([head.lineno, *(each.lineno for each in getattr(head, "decorator_list", []))])
    return Chapter(
        name=name, docstring=docstring, modules=frozenset(modules), body="\n".join(text.splitlines()[begin - 1 :])
    )


def put_together(chapters: list[Chapter]) -> str:
    """The whole file. Its head lists the chapters with their lines, so it is written twice: first without numbers."""
    without = whole(chapters, dict.fromkeys(ORDER, 0)).splitlines()
    lines = {each.name: without.index(ruler(each)) + 1 for each in chapters[1:]}
    return whole(chapters, lines)


def whole(chapters: list[Chapter], lines: dict[str, int]) -> str:
    """The file, with these lines in its list of chapters."""
    first, *others = chapters
    contents = [f"{lines[each.name]:5} {each.name:<13} {sentence(each)}" for each in others]
    imports = sorted({f"import {module}" for each in chapters for module in each.modules})
    parts = [
        "#!/usr/bin/env python3",
        f'"""{first.docstring}\n\nWritten as chapters in message_queue/ and put together by `make onhost`:\n',
        "\n".join(contents) + '\n"""\n',
        "\n".join(imports) + "\n" * (1 + first.body.startswith("class ")),
        first.body,
        *(f"\n\n{ruler(each)}\n{remarks(each)}\n\n\n{each.body}" for each in others),
    ]
    return "\n".join(parts) + "\n"


def sentence(chapter: Chapter) -> str:
    """What a chapter is for, without its name, which stands beside it."""
    return chapter.docstring.split("\n", 1)[0].split(": ", 1)[-1].rstrip(".")


def ruler(chapter: Chapter) -> str:
    """The line at which a chapter begins."""
    return f"# {'-' * 96} {chapter.name}"


def remarks(chapter: Chapter) -> str:
    """A chapter's docstring as comments: in the middle of a file it is no docstring any more."""
    return "\n".join(f"# {line}".rstrip() for line in chapter.docstring.splitlines())


def main(arguments: list[str]) -> int:
    """Write the file, or compare it."""
    made = put_together([read(name) for name in ORDER])
    if arguments == ["--check"]:
        if SUM.read_text(encoding="ascii") == made:
            return 0
        raise ChapterError(f"{SUM.relative_to(ROOT)} is not the sum of its chapters: run `make onhost`")
    if SUM.read_text(encoding="ascii") != made:
        SUM.write_text(made, encoding="ascii")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except ChapterError as error:
        sys.exit(str(error))
