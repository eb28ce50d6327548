#!/usr/bin/env python3
"""The wheelhouse: everything a tracker host installs, in one directory, for hosts that reach no package index.

    wheelhouse.py DIRECTORY

Rule: nothing enters it that requirements.lock, or that of a part, does not name, with one of the hashes it names.
Rule: the same sources give the same wheelhouse, so that deploying it again changes nothing.

Its requirements.txt pins every package with the hashes of the lock and that of the wheel here: two packages have no
wheel on an index (ours, and one that comes as source only), so theirs are built here and known by our hash.
What a part adds lies beside it as requirements-PART.txt and wheels-PART.tar: who does not want it does not carry it.
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
LOCK = Path(__file__).with_name("requirements.lock")
PARTS = {path.stem.partition("-")[2]: path for path in sorted(LOCK.parent.glob("requirements-*.lock"))}
EPOCH = "1451606400"  # zip files carry times, and differ without a fixed one
PIN = re.compile(r"^([A-Za-z0-9_.-]+)==(\S+)(.*?)(?=^[A-Za-z]|\Z)", re.DOTALL | re.MULTILINE)


def main(directory: Path) -> None:
    """Fill a directory; what was there before is gone."""
    draft = directory.with_name(f"{directory.name}.draft")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    wheels = sum(fill(draft, lock, f"-{part}") for part, lock in PARTS.items())
    wheels += fill(draft, LOCK, "")
    shutil.rmtree(directory, ignore_errors=True)
    draft.rename(directory)
    sys.stdout.write(f"{directory}: {wheels} wheels\n")


def fill(draft: Path, lock: Path, suffix: str) -> int:
    """Put what a lock names into a directory, and with the tracker's own lock the tracker; how many wheels that are."""
    pip("wheel", "--require-hashes", "--no-deps", "--wheel-dir", draft, "--requirement", lock)
    if lock is LOCK:
        with_clean_build(draft)
    (draft / f"requirements{suffix}.txt").write_text(requirements(draft, lock))
    return pack(draft, f"wheels{suffix}.tar")


def with_clean_build(draft: Path) -> None:
    """Build our own wheel from a copy: setuptools would put into it what an older build left in build/."""
    source = draft / "source"
    source.mkdir()
    for name in ("pyproject.toml", "LICENSE"):
        shutil.copy(ROOT / name, source)
    (source / "README.md").write_text("")  # a word changed there makes no new release
    shutil.copytree(ROOT / "job_tracker", source / "job_tracker", ignore=shutil.ignore_patterns("__pycache__"))
    for path in [source, *source.rglob("*")]:
        path.chmod(0o755 if path.is_dir() else 0o644)
    pip("wheel", "--no-deps", "--wheel-dir", draft, source)
    shutil.rmtree(source)


def pack(directory: Path, name: str) -> int:
    """Put the wheels into one file, which travels faster than many; how many they are."""
    wheels = sorted(directory.glob("*.whl"))
    with tarfile.open(directory / name, "w") as archive:
        for wheel in wheels:
            member = tarfile.TarInfo(wheel.name)
            member.size, member.mtime, member.mode = wheel.stat().st_size, int(EPOCH), 0o644
            with wheel.open("rb") as file:
                archive.addfile(member, file)
            wheel.unlink()
    return len(wheels)


def pip(*words: str | Path) -> None:
    """Run pip; it says what went wrong."""
    command = [sys.executable, "-m", "pip", "--quiet", "--quiet", "--disable-pip-version-check", *map(str, words)]
    subprocess.run(command, check=True, env={**os.environ, "SOURCE_DATE_EPOCH": EPOCH})


def requirements(directory: Path, lock: Path) -> str:
    """Every wheel with its hash, and the other hashes the lock knows of it."""
    known = {canonical(name): rest for name, _, rest in PIN.findall(lock.read_text())}
    lines = []
    for wheel in sorted(directory.glob("*.whl")):
        name, version = wheel.name.split("-")[:2]
        built = hashlib.sha256(wheel.read_bytes()).hexdigest()
        hashes = sorted({built, *re.findall(r"--hash=sha256:([0-9a-f]+)", known.get(canonical(name), ""))})
        lines.append(
            f"{canonical(name)}=={version} \\\n" + " \\\n".join(f"    --hash=sha256:{each}" for each in hashes)
        )
    return "\n".join(lines) + "\n"


def canonical(name: str) -> str:
    """A package's name as an index has it."""
    return re.sub(r"[-_.]+", "-", name).lower()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
