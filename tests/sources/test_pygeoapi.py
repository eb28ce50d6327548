"""pygeoapi, a server that other people wrote, in an environment of its own: its jobs are heard as it shows them."""

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from running import SLOW, missing, wait_until
from server_asking import TERMS, asked, server_of

ROOT = Path(__file__).parents[2]
VERSION = "0.21.0"
ENVIRONMENT = ROOT / "var" / f"pygeoapi-{VERSION}"
INSTALLING = 900.0

PROCESSOR = """
import time
from pygeoapi.process.base import BaseProcessor, ProcessorExecuteError

METADATA = {
    "version": "1.0", "id": "slow", "title": {"en": "slow"}, "description": {"en": "slow"}, "links": [], "keywords": [],
    "jobControlOptions": ["sync-execute", "async-execute"],
    "inputs": {},
    "outputs": {"echo": {"title": "e", "schema": {"type": "object", "contentMediaType": "application/json"}}},
    "example": {"inputs": {}},
}

class SlowProcessor(BaseProcessor):
    def __init__(self, definition):
        super().__init__(definition, METADATA)

    def execute(self, data, outputs=None):
        gate = data["gate"]
        while True:
            try:
                word = open(gate).read()
            except FileNotFoundError:
                time.sleep(0.05)
                continue
            if word == "fail":
                raise ProcessorExecuteError("out of memory")
            return "application/json", {"echo": word}
"""

CONFIG = """
server:
  bind: {host: 127.0.0.1, port: PORT}
  url: http://127.0.0.1:PORT
  mimetype: application/json; charset=UTF-8
  encoding: utf-8
  language: en-US
  languages: [en-US]
  limits: {default_items: 10, max_items: 50}
  map: {url: https://example.org/, attribution: none}
  manager: {name: TinyDB, connection: FOLDER/manager.db, output_dir: FOLDER}
logging: {level: ERROR}
metadata:
  identification:
    title: {en: t}
    description: {en: d}
    keywords: {en: [k]}
    keywords_type: theme
    terms_of_service: none
    url: https://example.org
  license: {name: none, url: https://example.org}
  provider: {name: none, url: https://example.org}
  contact: {name: none, position: none, address: none, city: none, stateorprovince: none, postalcode: none,
    country: none, phone: none, fax: none, email: a@example.org, url: https://example.org, hours: none,
    instructions: none, role: pointOfContact}
resources:
  slow: {type: process, processor: {name: slow_processor.SlowProcessor}}
"""


@pytest.fixture(scope="module")
def environment() -> Path:
    """Made once, and kept beside what else the project makes."""
    python = ENVIRONMENT / "bin" / "python"
    if not (ENVIRONMENT / "bin" / "pygeoapi").exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(ENVIRONMENT)], check=True)
        install = [str(python), "-m", "pip", "install", "--quiet", f"pygeoapi=={VERSION}"]
        made = subprocess.run(install, capture_output=True, text=True, check=False, timeout=INSTALLING)
        if made.returncode:
            missing(f"pygeoapi cannot be installed: {made.stderr[-300:]}")
    return ENVIRONMENT


@pytest.fixture
def url(environment: Path, tmp_path: Path) -> Iterator[str]:
    """The server's address, while it runs."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    (tmp_path / "slow_processor.py").write_text(PROCESSOR, encoding="utf-8")
    config, api = tmp_path / "config.yml", tmp_path / "openapi.yml"
    config.write_text(CONFIG.replace("PORT", str(port)).replace("FOLDER", str(tmp_path)), encoding="utf-8")
    variables = {"PYGEOAPI_CONFIG": str(config), "PYGEOAPI_OPENAPI": str(api), "PYTHONPATH": str(tmp_path)}
    program = str(environment / "bin" / "pygeoapi")
    generate = [program, "openapi", "generate", str(config), "--output-file", str(api)]
    subprocess.run(generate, check=True, env={**os.environ, **variables}, timeout=SLOW * 2)
    with (tmp_path / "log").open("wb") as log:
        server = subprocess.Popen(
            [program, "serve"], env={**os.environ, **variables}, stdout=log, stderr=log, start_new_session=True
        )
    try:
        wait_until(lambda: answers(port), "pygeoapi to answer", seconds=SLOW * 2)
        yield f"http://127.0.0.1:{port}"
    finally:
        os.killpg(server.pid, signal.SIGKILL)  # it serves in a child of its own
        server.wait()


def answers(port: int) -> bool:
    """Whether somebody listens there."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def submit(url: str, gate: Path) -> str:
    """Let it run a job that ends when the gate's file says how; its id."""
    request = urllib.request.Request(  # noqa: S310 - an address of ours
        f"{url}/processes/slow/execution",
        data=json.dumps({"inputs": {"gate": str(gate)}}).encode(),
        headers={"Content-Type": "application/json", "Prefer": "respond-async"},
    )
    with urllib.request.urlopen(request, timeout=SLOW) as answer:  # noqa: S310 - an address of ours
        return str(answer.headers["Location"]).rpartition("/")[2]


def delete(url: str, id: str) -> None:
    request = urllib.request.Request(f"{url}/jobs/{id}", method="DELETE")  # noqa: S310 - an address of ours
    with urllib.request.urlopen(request, timeout=SLOW):  # noqa: S310 - an address of ours
        pass


@pytest.mark.parts
def test_jobs_of_pygeoapi_are_heard_to_their_ends(url: str, tmp_path: Path) -> None:
    """A success, a failure, and one that is dismissed, which this server removes at once: gone."""
    with asked(server_of(url), terms=replace(TERMS, load_timeout=SLOW)) as sweeps:
        report = sweeps.first()
        gates = {name: tmp_path / f"gate-{name}" for name in ("good", "bad", "gone")}
        ids = {name: submit(url, gate) for name, gate in gates.items()}
        sweeps.next()
        seen = dict(sweeps.kept.remote)
        gates["good"].write_text("well", encoding="utf-8")
        gates["bad"].write_text("fail", encoding="utf-8")
        delete(url, ids["gone"])
        wait_until(lambda: sweeps.next() and len(sweeps.kept.told(ids["bad"])) > 1, "its failure")
        wait_until(lambda: sweeps.next() and len(sweeps.kept.told(ids["good"])) > 1, "its success")
        last = sweeps.next()
        gates["gone"].write_text("well", encoding="utf-8")

    kept = sweeps.kept
    assert report.about.startswith("ogc server"), report
    assert set(seen) == set(ids.values())
    assert kept.told(ids["good"])[-1] == "successful"
    assert kept.said(ids["good"]) == ["STARTED", "SUCCESS"]
    assert kept.said(ids["bad"]) == ["STARTED", "ERROR"]
    assert kept.told(ids["gone"])[-1] == "gone"
    assert {each["job"] for each in kept.elements.values()} == {"slow"}
    assert last.differs == ""
    assert kept.repeated == 0
