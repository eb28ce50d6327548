"""Static files: read once, served under a path that names what they hold, so that a browser never asks twice.

Rule: one hash for all of them: modules that import each other by relative paths find each other under it.
"""

import gzip
import hashlib
import mimetypes
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from starlette.responses import Response

from job_tracker.web.context import Context
from job_tracker.web.problems import Problem

FOLDER = Path(__file__).parent / "static"
FOREVER = "public, max-age=31536000, immutable"
_SERVED = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml", ".woff2": "font/woff2"}
_TO_PACK = frozenset({".js", ".css", ".svg"})


@dataclass(frozen=True, slots=True, kw_only=True)
class StaticFile:
    """One file.  packed: as gzip, where that is shorter."""

    content: bytes
    packed: bytes | None
    kind: str


class StaticFiles:
    """All of them.  prefix: what their paths begin with."""

    def __init__(self, folder: Path = FOLDER) -> None:
        paths = sorted(path for path in folder.rglob("*") if path.is_file())
        self.files: Mapping[str, StaticFile] = {str(path.relative_to(folder)): _read(path) for path in paths}
        digest = hashlib.sha256()
        for name, file in self.files.items():
            digest.update(f"{name}\0{len(file.content)}\0".encode() + file.content)
        self.prefix = f"/static/{digest.hexdigest()[:16]}"

    def url(self, name: str) -> str:
        """The path of a file, for a template; a file that there is not is a fault of the template."""
        if name not in self.files:
            raise KeyError(f"static file {name}")
        return f"{self.prefix}/{name}"

    def answer(self, context: Context) -> Response:
        """Serve one."""
        file = self.files.get(str(context.path["name"]))
        if file is None or not context.request.url.path.startswith(f"{self.prefix}/"):
            raise Problem(404, "there is no such file; load the page again")
        headers = {"cache-control": FOREVER, "vary": "accept-encoding"}
        if file.packed is not None and "gzip" in context.request.headers.get("accept-encoding", ""):
            return Response(file.packed, media_type=file.kind, headers={**headers, "content-encoding": "gzip"})
        return Response(file.content, media_type=file.kind, headers=headers)


def _read(path: Path) -> StaticFile:
    content = path.read_bytes()
    kind = _SERVED.get(path.suffix) or mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    packed = gzip.compress(content, mtime=0) if path.suffix in _TO_PACK else None
    is_shorter = packed is not None and len(packed) < len(content)
    return StaticFile(content=content, packed=packed if is_shorter else None, kind=kind)
