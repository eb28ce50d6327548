"""Certificate authorities for tests, made by openssl: what they sign is trusted by whoever has their certificate."""

import ssl
import subprocess
from pathlib import Path

KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-days", "2"]


class Authority:
    """One of them.  certificate: what others trust it by."""

    def __init__(self, folder: Path, name: str = "authority") -> None:
        self._folder, self._key = folder, folder / f"{name}.key"
        self.certificate = folder / f"{name}.pem"
        usage = ["-addext", "keyUsage=critical,keyCertSign,cRLSign"]
        _openssl(["-nodes", "-subj", f"/CN={name}", *usage, "-keyout", self._key, "-out", self.certificate])

    def issue(self, name: str, host: str = "IP:127.0.0.1", *, is_locked: bool = False) -> Path:
        """A certificate with its key in one file that only its owner can read; host: as a subject's other name."""
        key, certificate, both = (self._folder / f"{name}.{each}" for each in ("key", "crt", "both"))
        locked = ["-passout", "pass:only she knows"] if is_locked else ["-nodes"]
        signed = ["-CA", self.certificate, "-CAkey", self._key]
        about = ["-subj", f"/CN={name}", "-addext", f"subjectAltName={host}", "-addext", "basicConstraints=CA:FALSE"]
        _openssl([*locked, *about, *signed, "-keyout", key, "-out", certificate])
        both.touch(0o600)
        both.write_bytes(certificate.read_bytes() + key.read_bytes())
        return both


def serving(certificate: Path, clients: Path | None = None) -> ssl.SSLContext:
    """What a server proves itself by; clients: the authority of those that it serves, None for all."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=clients)
    context.load_cert_chain(certificate)
    if clients is not None:
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def _openssl(words: list[object]) -> None:
    command = ["openssl", "req", "-x509", *KEY, *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
