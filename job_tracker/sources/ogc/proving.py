"""Proving: by what a server is believed, and what is shown to it.

Rule: certificates are always verified, and nobody is asked to type.
"""

import base64
import ssl

from job_tracker.errors import SourceRefused
from job_tracker.ports import Server
from job_tracker.process.secret_files import SecretRefused, look_at_secret, read_secret

OF_OUR_CERTIFICATE = ("CERTIFICATE", "UNKNOWN_CA", "ACCESS_DENIED", "HANDSHAKE_FAILURE")
"""What is in OpenSSL's names for the words by which a server ends TLS because of what we showed, or did not."""


def tls_of(server: Server) -> ssl.SSLContext:
    """What is believed of it, and our own certificate.  Raises SourceRefused."""
    try:
        context = ssl.create_default_context(cafile=None if server.ca_file is None else str(server.ca_file))
        if server.client_certificate is not None:
            look_at_secret(server.client_certificate)
            context.load_cert_chain(str(server.client_certificate), password=_no_passphrase)
    except SecretRefused as refusal:
        raise SourceRefused(str(refusal)) from refusal
    except (OSError, ValueError) as failure:
        raise SourceRefused(f"ca_file or client_certificate cannot be used: {failure}") from failure
    return context


def credential(server: Server) -> dict[str, str]:
    """The header that says who asks.  Raises SourceRefused."""
    try:
        if server.bearer_token_file is not None:
            return {"Authorization": f"Bearer {read_secret(server.bearer_token_file)}"}
        if server.password_file is not None:
            pair = f"{server.user}:{read_secret(server.password_file)}".encode()
            return {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}
    except SecretRefused as refusal:
        raise SourceRefused(str(refusal)) from refusal
    return {}


def refused_by(failure: BaseException) -> str:
    """In words, where one of the two sides does not believe the other; empty if that is not why it failed."""
    cause: BaseException | None = failure
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"its certificate is not trusted: {cause}"
        reason = (cause.reason or "") if isinstance(cause, ssl.SSLError) else ""
        if "ALERT" in reason and any(word in reason for word in OF_OUR_CERTIFICATE):
            said = reason.lower().replace("_", " ")
            return f"it does not believe us ({said}): is client_certificate one that it asks for?"
        cause = cause.__cause__ or cause.__context__
    return ""


def _no_passphrase() -> str:
    raise ValueError("its key is encrypted, and nobody is there to type the passphrase")
