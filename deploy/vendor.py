"""What the pages use of other people's work, fetched anew: uPlot, which draws how long runs took.

Rule: a package is taken only if it is bit for bit the one whose integrity stands here; what is kept of it stands in
SHA256SUMS beside it, and a test compares.
"""

import base64
import hashlib
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

PACKAGE = "uplot@1.6.32"
INTEGRITY = "sha512-KIMVnG68zvu5XXUbC4LQEPnhwOxBuLyW1AHtpm6IKTXImkbLgkMy+jabjLgSLMasNuGGzQm/ep3tOkyTxpiQIw=="
KEPT = ("LICENSE", "dist/uPlot.iife.min.js", "dist/uPlot.min.css")
FOLDER = Path(__file__).resolve().parent.parent / "job_tracker/web/static/vendor/uplot-1.6.32"


def main() -> None:
    """Fetch, check, unpack."""
    with tempfile.TemporaryDirectory() as directory:
        subprocess.run(["npm", "pack", "--silent", PACKAGE], cwd=directory, check=True, stdout=subprocess.DEVNULL)  # noqa: S607 - of the PATH, like make itself
        [archive] = Path(directory).glob("*.tgz")
        found = "sha512-" + base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
        if found != INTEGRITY:
            sys.exit(f"{PACKAGE} is not what it was: {found}; nothing was changed")
        FOLDER.mkdir(parents=True, exist_ok=True)
        with tarfile.open(archive) as package:
            for name in KEPT:
                member = package.extractfile(f"package/{name}")
                assert member is not None, name  # noqa: S101 - the integrity says that it is there
                (FOLDER / Path(name).name).write_bytes(member.read())
    files = sorted(path for path in FOLDER.iterdir() if path.name != "SHA256SUMS")
    lines = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in files]
    (FOLDER / "SHA256SUMS").write_text("".join(lines), encoding="ascii")


if __name__ == "__main__":
    main()
