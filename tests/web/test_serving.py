"""The pages as a process: it starts or says why not, tells its supervisor, and ends; and it logs no secret."""

import os
import signal
import socket
import ssl
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from published import Published, cyclic, jobs_of
from running import ROOT, SLOW, wait_until
from web_server import PASSWORD, Stream, WebServer

from job_tracker.web import managing
from job_tracker.web.doors.people import NotChanged
from job_tracker.web.doors.tokens import ONCE


@pytest.fixture
def published(tmp_path: Path) -> Iterator[Published]:
    made = Published(tmp_path / "view.sqlite", jobs_of(cyclic("LOAD"), cyclic("OTHER")))
    yield made
    made.close()


@pytest.fixture
def server(tmp_path: Path, published: Published) -> Iterator[WebServer]:
    with WebServer(tmp_path) as made:
        made.add("root", "cop")
        yield made


def refused(server: WebServer) -> str:
    """What it says when it does not start."""
    command = [sys.executable, "-m", "job_tracker", "web", "-c", str(server.config)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=SLOW)
    assert done.returncode != 0
    assert "Traceback" not in done.stderr
    return done.stderr


def word(notified: socket.socket) -> bytes:
    """What the supervisor is told, besides that it lives."""
    while (said := notified.recv(100)) == b"WATCHDOG=1":
        pass
    return said


def test_it_does_not_start_without_somebody_who_may_do_everything(tmp_path: Path) -> None:
    """A server that nobody can enter is found out now, not in the night; and there is no default account."""
    with WebServer(tmp_path) as server:
        said = refused(server)

    assert "no user has the role cop; `job_tracker web-user add NAME --role cop` makes one" in said


def test_a_port_that_is_taken_is_said(server: WebServer) -> None:
    """One line: where, why, and what next."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        server.web["listen"] = f"127.0.0.1:{other.getsockname()[1]}"
        server.configure()

        said = refused(server)

    assert "Address already in use; another program listens there; stop it, or name another port" in said


def test_a_faulty_section_is_said_whole(server: WebServer) -> None:
    """All faults at once, each with its place, and nothing is started."""
    server.web |= {"listen": "0.0.0.0:5001", "session_in_hours": "x"}
    server.configure()

    said = refused(server)

    assert "web: listen: '0.0.0.0' is reached from other hosts" in said
    assert "web: session_in_hours: 'x' is not a whole number" in said


def test_without_the_extra_it_says_which_is_missing(server: WebServer, tmp_path: Path) -> None:
    """Whoever installed only the tracker is told what to install."""
    (tmp_path / "starlette.py").write_text("raise ModuleNotFoundError('x', name='starlette')")
    command = [sys.executable, "-m", "job_tracker", "web", "-c", str(server.config)]
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}

    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)

    assert done.returncode == 2
    assert "`pip install 'job_tracker[web]'`" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_it_tells_its_supervisor_and_ends_when_it_is_asked(server: WebServer, tmp_path: Path) -> None:
    """A unit of Type=notify is up when the pages are, and stops with streams open."""
    (tmp_path / "run").mkdir()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notified:
        notified.bind(str(tmp_path / "notify"))
        notified.settimeout(SLOW)
        os.environ |= {"NOTIFY_SOCKET": str(tmp_path / "notify"), "RUNTIME_DIRECTORY": str(tmp_path / "run")}
        try:
            server.start()
        finally:
            del os.environ["NOTIFY_SOCKET"], os.environ["RUNTIME_DIRECTORY"]
        said = [word(notified)]
        stream = Stream(server.logged_in("root"))

        code = server.stop()
        said.append(word(notified))

    assert (code, said) == (0, [b"READY=1", b"STOPPING=1"])
    wait_until(lambda: stream.has_ended)
    assert "stopped by=SIGTERM" in server.log
    lines = (tmp_path / "run" / "job_tracker.services").read_text().splitlines()
    assert lines[0].startswith("# job_tracker services 1 ")
    assert lines[1].startswith(f"0 job_tracker_web - serves 2 jobs at {server.address}, ")
    assert lines[2] == "# end"


def hang_up(server: WebServer, until: str) -> None:
    """SIGHUP, as `systemctl reload` sends it; and the line that answers it."""
    assert server.process is not None
    begun = len(server.log)
    server.process.send_signal(signal.SIGHUP)
    wait_until(lambda: until in server.log[begun:], until)


def test_sighup_ends_nothing_and_says_what_waits_for_a_restart(server: WebServer) -> None:
    """What a terminal or a log's rotation sends is no reason to go; no key is believed in that is not at work."""
    server.start()

    server.web |= {"page_title": "Jobs", "session_in_hours": 1}
    server.configure()
    hang_up(server, "not taken up: web: session_in_hours, web: page_title; restart the pages")
    server.web["session_in_hours"] = "x"
    server.configure()
    hang_up(server, "nothing taken up, the pages go on as they are: ")

    assert "web: session_in_hours: 'x' is not a whole number" in server.log
    with server.client() as client:
        assert client.get("/login").status_code == 200
    server.web["session_in_hours"] = 1
    server.configure()
    assert "it runs already" in refused(server)


def test_a_socket_is_for_the_group_of_its_proxy(server: WebServer, tmp_path: Path) -> None:
    """And one that a killed server left is taken over, one in use is not."""
    path = tmp_path / "web.socket"
    server.web["listen"] = f"unix:{path}"
    server.configure()
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(path))
        other.listen()
        assert "another program listens there" in refused(server)

    server.start()

    assert stat.S_IMODE(path.stat().st_mode) == 0o660
    with httpx2.Client(transport=httpx2.HTTPTransport(uds=str(path)), base_url="http://localhost") as client:
        wait_until(lambda: client.get("/login").status_code == 200)
    server.stop(signal.SIGKILL)
    server.start()
    server.stop()
    assert not path.exists()


def certified(server: WebServer) -> tuple[Path, Path]:
    """A key and a certificate, made anew where they lie, that the configuration names."""
    key, certificate = server.place / "web.key", server.place / "web.pem"
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1"]
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]
    files = ["-keyout", str(key), "-out", str(certificate)]
    subprocess.run(["openssl", "req", "-x509", *curve, *names, *files], check=True, capture_output=True)
    server.web |= {"tls_certificate": str(certificate), "tls_key": str(key)}
    server.configure()
    return key, certificate


def test_it_speaks_tls_itself(server: WebServer, tmp_path: Path) -> None:
    """Without a proxy, too, a password does not travel in the clear."""
    key, certificate = certified(server)
    server._answers = lambda: True  # type: ignore[method-assign]  # it answers, whatever the machine is at
    server.start()

    context = ssl.create_default_context(cafile=str(certificate))
    with httpx2.Client(base_url=server.address, verify=context, timeout=SLOW) as client:
        answer = client.post("/login", data={"name": "root", "password": PASSWORD})

    assert answer.headers["set-cookie"].startswith("__Host-job_tracker=")
    server.stop()
    key.write_text("no key")
    assert "the TLS certificate or key cannot be used" in refused(server)


def test_a_renewed_certificate_is_taken_up_and_one_that_does_not_fit_is_not(server: WebServer) -> None:
    """It is renewed every few weeks, by a program that only knows how to say so."""
    key, certificate = certified(server)
    server._answers = lambda: True  # type: ignore[method-assign]  # as a port that no TLS is asked at
    server.start()

    def shown() -> str:
        return ssl.get_server_certificate(("127.0.0.1", server.port), timeout=SLOW)

    first = shown()
    certified(server)
    hang_up(server, "taken up: the TLS certificate and its key, for new connections")
    second = shown()
    key.write_text("no key")
    hang_up(server, "nothing taken up, the pages go on as they are: ")

    assert first != second == shown()
    assert second.split() == certificate.read_text().split()
    assert "not taken up: web" not in server.log


def test_no_token_and_no_query_is_in_any_log(server: WebServer, tmp_path: Path) -> None:
    """A log is read by many, kept for long, and sent elsewhere."""
    token = server.manage("token", "root").strip()
    link = server.token("root", ONCE)
    server.web["log_level"] = "debug"
    server.start()
    secrets = [token, PASSWORD, link, "hidden_in_a_query"]
    with server.client(token) as client:
        client.get(f"/health?token={token}&q=hidden_in_a_query")
        client.get(f"/nowhere?token={token}")
        client.get(f"/login/once?key={link}")
        client.post("/login", data={"name": "root", "password": PASSWORD})
        client.get("/health", headers={"authorization": f"Bearer {token}x"})
    browser = server.logged_in("root")
    secrets.append(next(iter(browser.cookies.values())))
    Stream(browser, "/api/v1/events/stream?after=0&x=hidden_in_a_query")
    with socket.create_connection(("127.0.0.1", server.port)) as raw:
        raw.sendall(f"GET /x?token={token} HTTP/1.1\r\nHost: a\r\n\x00bad header\r\n\r\n".encode())
        raw.recv(1000)
    with socket.create_connection(("127.0.0.1", server.port)) as raw:
        upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        key = "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
        raw.sendall(f"GET /socket?token={token} HTTP/1.1\r\nHost: localhost\r\n{upgrade}{key}\r\n".encode())
        raw.recv(1000)
    server.stop()

    written = server.log + "".join(
        path.read_text(errors="replace") for path in tmp_path.rglob("*.log") if path.is_file()
    )
    assert "GET /health 503 from=127.0.0.1" in written
    assert [secret for secret in secrets if secret in written] == []
    assert token not in str(list((tmp_path / "web").rglob("*")))


def test_a_password_is_never_an_argument(server: WebServer) -> None:
    """Every user of a host reads what others run; and one that is short is warned of."""
    said = server.manage("add", "hans", "--role", "viewer", "--password-file", "-", stdin="hans\n")

    assert "the password is short" in said
    assert "nobody is here to be asked" in server.manage("password", "hans", stdin="", code=2)


def test_the_command_line_manages_people(server: WebServer, capsys: pytest.CaptureFixture[str]) -> None:
    """From the first login to the last token, each by a line."""
    config = server.config
    (server.place / "password").write_text(PASSWORD)
    managing.set_role(config, "dwh", None, ["job://LOAD_.*/x"], remove=False)
    managing.add(config, "Anna", ["dwh"], str(server.place / "password"), has_password=True)
    managing.set_role(config, "anna", ["viewer"], None, remove=False)
    managing.set_active(config, "anna", active=False)
    capsys.readouterr()

    managing.show(config, json=False)

    shown = capsys.readouterr().out
    assert "anna: viewer, disabled, last login never" in shown
    assert "dwh: job://LOAD_.*/x" in shown
    with pytest.raises(NotChanged, match="there is no user 'otto'"):
        managing.set_active(config, "otto", active=False)
    with pytest.raises(NotChanged, match="nobody would be left"):
        managing.set_active(config, "root", active=False)


def test_who_is_disabled_hears_nothing_more(server: WebServer) -> None:
    """An open stream ends with the rights it was opened with, wherever they were taken away."""
    server.add("anna", "viewer")
    server.start()
    stream = Stream(server.logged_in("anna"))
    other = Stream(server.logged_in("root"))

    with server.people() as people:
        people.set_active("anna", active=False, author="test", now=1)

    wait_until(lambda: stream.has_ended)
    assert stream.named("bye") == [{"why": "log in again"}]
    assert not other.has_ended
