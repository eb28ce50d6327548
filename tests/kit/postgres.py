"""A PostgreSQL server of a test's own: Debian's programs, a cluster in a temporary folder, a unix socket, no port."""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from waiting import wait_until

SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "fsync": "off",  # what a crash of the machine would leave is asked nowhere here
    "shared_buffers": "16MB",
    "max_connections": "20",
    "log_min_messages": "panic",
}

CLUSTER = "--auth=trust", "--no-sync", "--username=postgres", "--encoding=UTF8", "--locale=C.UTF-8"


def programs() -> Path:
    """Where Debian keeps the newest."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda each: int(each.parts[-3]))
    if not found:
        pytest.skip("no PostgreSQL is installed: sh tests/packages.sh")
    return found[-1].parent


@contextmanager
def postgresql() -> Iterator[str]:
    """While it runs: how to connect to it."""
    bin = programs()
    user = "postgres" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
    folder = Path(tempfile.mkdtemp(prefix="pg-"))  # pytest's own folders are closed to other users
    try:
        if os.geteuid() == 0:  # which PostgreSQL will not run as
            shutil.chown(folder, user)
        subprocess.run(
            [str(bin / "initdb"), "-D", str(folder / "data"), *CLUSTER],
            user=user,
            cwd=folder,
            check=True,
            capture_output=True,
        )
        with serving(bin, folder, user):
            yield f"host={folder} user=postgres dbname=postgres"
    finally:
        shutil.rmtree(folder)


@contextmanager
def serving(bin: Path, folder: Path, user: str) -> Iterator[None]:
    options = [word for name, value in SETTINGS.items() for word in ("-c", f"{name}={value}")]
    process = subprocess.Popen(
        [bin / "postgres", "-D", folder / "data", "-k", folder, *options],
        user=user,
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_until(lambda: answers(process, folder), 60)
        yield
    finally:
        process.terminate()
        process.wait(60)


def answers(process: subprocess.Popen[bytes], folder: Path) -> bool:
    if process.poll() is not None:
        raise AssertionError(f"PostgreSQL ended at once: {process.returncode}")
    try:
        psycopg.connect(f"host={folder} user=postgres dbname=postgres").close()
    except psycopg.OperationalError:
        return False
    return True
