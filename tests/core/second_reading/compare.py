"""Comparing: random cases judged by the model and by the core; what they do not agree on is made small and shown.

PYTHONPATH=tests/core python -m second_reading.compare [--first SEED] [--cases N] [--plain | --feature NAME]
"""

import argparse
import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from second_reading import cases
from second_reading.cases import SECOND, Case
from second_reading.judge import Verdicts, judge
from second_reading.product import Refused, product
from second_reading.windows import NoWayOutError

Told = dict[str, list[tuple[Any, ...]]]
LOOKS = 8


def main() -> int:
    """Compare, and exit with 1 if anything differed."""
    asked = _arguments()
    count: Counter[str] = Counter()
    for seed in range(asked.first, asked.first + asked.cases):
        try:
            case = cases.case(
                seed,
                plain=asked.plain,
                feature=asked.feature,
                without=frozenset(asked.without),
                among=tuple(asked.among),
            )
        except NoWayOutError:
            count["quiet for ever"] += 1
            continue
        outcome = compare(case)
        count[outcome.split(":")[0]] += 1
        if outcome == "same":
            continue
        if outcome.startswith("refused"):
            if asked.refused:
                _say(seed, outcome)
            continue
        _say(f"== seed {seed} {sorted(case.features)}")
        _say(show(smaller(case) if asked.shrink else case))
        if count["differs"] + count["fails"] >= asked.most:
            break
    _say(dict(count))
    return 1 if count["differs"] + count["fails"] else 0


def compare(case: Case) -> str:
    """Say whether model and core agree on a case: same, differs, or refused with the configuration's faults."""
    try:
        told = product(case)
    except Refused as refused:
        return f"refused: {refused}"
    except Exception as failure:  # noqa: BLE001 - whatever it is, the case shall be made small
        return f"fails: {failure!r}"
    verdicts = judge(case.config, case.recording, begin=case.begin, until=case.until)
    return "same" if _agree(case, verdicts, told) else "differs"


def _agree(case: Case, verdicts: Verdicts, told: Told) -> bool:
    """Compare change by change up to where the past was rewritten, and from there on what is shown at a few moments."""
    mine = _told(verdicts)
    for key, since in verdicts.rewritten.items():
        if since is None:
            if mine[key] != told.get(key):
                return False
            continue
        before = sum(change.job == key and change.found < since for change in verdicts.changes)
        if mine[key][:before] != told[key][:before] or mine[key][-1] != told[key][-1]:
            return False
        for at, shown in _looks(case, verdicts, key, since):
            if product(replace(case, until=at / SECOND))[key][-1][1:] != shown:
                return False
    return True


def _looks(case: Case, verdicts: Verdicts, key: str, since: int) -> Iterator[tuple[int, tuple[Any, ...]]]:
    """Choose moments at which to compare; not those at which a message is heard whose moment is yet to come."""
    ahead = [
        (line["received"] * SECOND - 1, line["timestamp"] * SECOND + 1)
        for line in case.recording
        if line.get("received", 1e12) < line.get("timestamp", 0)
    ]
    steps = [(at, shown) for at, shown in verdicts.shown[key] if at >= max(since, case.begin * SECOND)]
    steps = [step for step in steps if not any(begin <= step[0] <= end for begin, end in ahead)]
    for at, shown in steps[:: max(1, len(steps) // LOOKS)]:
        yield at, (shown.state, shown.status, shown.errors, shown.missed)


def _told(verdicts: Verdicts) -> Told:
    told: Told = {key: [] for key in verdicts.final}
    for change in verdicts.changes:
        told[change.job].append((change.at, change.state, change.status, change.errors, change.missed))
    for key, final in verdicts.final.items():
        told[key].append(("final", final.state, final.status, final.errors, final.missed))
    return told


def smaller(case: Case) -> Case:
    """Leave out whatever can be left out while the two still differ."""
    while True:
        for candidate in _candidates(case):
            if _differs(candidate):
                case = candidate
                break
        else:
            return case


def show(case: Case) -> str:
    """Write a case and the two answers, side by side."""
    verdicts = judge(case.config, case.recording, begin=case.begin, until=case.until)
    mine = _told(verdicts)
    try:
        theirs = product(case)
    except Exception as failure:  # noqa: BLE001 - it is what the case is about
        return f"{case.as_json()}\nthe core fails: {failure!r}"
    text = [case.as_json()]
    for key, told in mine.items():
        since = verdicts.rewritten[key]
        if since is not None:
            text.append(f"-- {key}: the past is rewritten at {since}; shown from then on: model | core")
            for at, shown in _looks(case, verdicts, key, since):
                other = product(replace(case, until=at / SECOND))[key][-1][1:]
                text.append(f"{'  ' if shown == other else '! '}{at} {shown} | {other}")
        text.append(f"-- {key}: model | core")
        core = theirs.get(key, [])
        for number in range(max(len(told), len(core))):
            left = told[number] if number < len(told) else "-"
            right = core[number] if number < len(core) else "-"
            text.append(f"{'  ' if left == right else '! '}{left} | {right}")
    return "\n".join(text)


def _differs(case: Case) -> bool:
    try:
        return compare(case).split(":")[0] in ("differs", "fails")
    except Exception:  # noqa: BLE001 - a candidate that makes no sense is no smaller case
        return False


def _candidates(case: Case) -> Iterator[Case]:
    lines = case.recording
    for number in range(len(lines)):
        yield replace(case, recording=lines[:number] + lines[number + 1 :])
    for number, line in enumerate(lines):
        for key in ("received", "uid", "run", "exit_code"):
            if key in line:
                less = {name: value for name, value in line.items() if name != key}
                yield replace(case, recording=[*lines[:number], less, *lines[number + 1 :]])
    last = max([line.get("timestamp", line.get("unreachable_until", 0)) for line in lines], default=0)
    for until in (last + 1, (last + case.until) / 2):
        if case.begin < until < case.until - 10:
            yield replace(case, until=float(round(until)))
    yield from (replace(case, config=config) for config in _less(case.config))


def _less(config: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Leave out a job, a section, or a key somewhere."""
    copied: Callable[[], dict[str, Any]] = lambda: json.loads(json.dumps(config))  # noqa: E731 - a word for what is done thrice
    for number in range(len(config["jobs"]) if len(config["jobs"]) > 1 else 0):
        less = copied()
        del less["jobs"][number]
        yield less
    for section in ("source_hosts", "calendars", "groups"):
        if section in config:
            less = copied()
            del less[section]
            yield less
    for key in config["global_config"]:
        less = copied()
        del less["global_config"][key]
        yield less
    for number, job in enumerate(config["jobs"]):
        for key in job:
            if key not in ("name", "env", "cyclic_or_daily"):
                less = copied()
                del less["jobs"][number][key]
                yield less
            if isinstance(job[key], list) and len(job[key]) > 1:
                less = copied()
                del less["jobs"][number][key][0]
                yield less


def _say(*words: object) -> None:
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--cases", type=int, default=1000)
    parser.add_argument("--plain", action="store_true")
    parser.add_argument("--feature")
    parser.add_argument("--without", nargs="*", default=[])
    parser.add_argument("--among", nargs="*", default=cases.MORE)
    parser.add_argument("--most", type=int, default=3)
    parser.add_argument("--no-shrink", dest="shrink", action="store_false")
    parser.add_argument("--refused", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
