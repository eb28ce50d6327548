"""The pages, deployed: from nothing to a board behind nginx, and behind Apache; and what must not happen to them.

The tests of this module are one story, told in order: what one leaves, the next one begins with.
"""

import os
import re
import shutil
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import bases
import httpx2
import nspawn
import pytest
from deploying import LOCAL_CHECK, Site, changes, job, missing

pytestmark = pytest.mark.hosts

REASON = missing()
if REASON and os.environ.get("CI") != "true":
    pytest.skip(REASON, allow_module_level=True)

ROOT = Path(__file__).parents[2]
PASSWORD = "staple of a horse, correct"  # noqa: S105 - of a test's user
NAME, CERTIFICATE, KEY = "jobs.example.com", "/etc/ssl/certs/jobs.pem", "/etc/ssl/private/jobs.key"
WEB: dict[str, Any] = {
    "job_tracker_parts": ["web"],
    "job_tracker_web_cop": "anna",
    "job_tracker_web_cop_password": PASSWORD,
}
BEHIND: dict[str, Any] = {
    "job_tracker_web_proxy_group": "www-data",
    "job_tracker_web_may_operate": True,
    "job_tracker_web_settings": {
        "public_url": f"https://{NAME}",
        "trusted_user_header": "X-Remote-User",
        "trusted_proxies": "unix",
    },
}


@pytest.fixture(scope="module")
def em(tmp_path_factory: pytest.TempPathFactory, snapshot: Path) -> Iterator[Site]:
    """A tracker that is its own source, with pages behind a proxy."""
    assert not REASON, REASON
    nspawn.down()
    try:
        nspawn.up("em:systemd", "old:sysv")
        home = tmp_path_factory.mktemp("sites")
        yield Site(snapshot, home, "em", [job("LOAD", "em")], sources=["em"], **WEB, **BEHIND)
    finally:
        nspawn.down()


@contextmanager
def asking(site: Site, name: str = "", password: str = "") -> Iterator[httpx2.Client]:
    """A browser that looks at the proxy, whose certificate it knows; name: whom the proxy asks for."""
    trusted = ssl.create_default_context(cadata=site.on(f"cat {CERTIFICATE}"))
    trusted.check_hostname = False  # asked for by its address
    with httpx2.Client(
        base_url=f"https://{nspawn.Host(site.tracker).address}",
        headers={"Host": NAME, "Origin": f"https://{NAME}"},
        auth=(name, password) if name else None,
        verify=trusted,
        timeout=60,
        trust_env=False,
    ) as client:
        yield client


def log_in(client: httpx2.Client) -> None:
    """By the form, as everybody does."""
    assert "password" in client.get("/login").text
    answer = client.post("/login", data={"name": "anna", "password": PASSWORD})
    assert (answer.status_code, answer.headers["location"]) == (303, "/"), answer.text


def is_served(site: Site) -> bool:
    """Whether the board is behind the proxy."""
    with asking(site) as client:
        return client.get("/login").status_code == 200


def begin(site: Site, proxy: str, place: str, *, logs_in: bool) -> None:
    """Have the example of the documents as the proxy's configuration; logs_in: with its lines for a login."""
    text = (ROOT / "examples" / "web-proxy" / f"{proxy.removesuffix('2')}.conf").read_text()
    if logs_in:
        text = re.sub(r"^ *#login ", "", text, flags=re.MULTILINE)
        text = text.replace('proxy_set_header X-Remote-User "";\n', "\n")
    (nspawn.Host(site.tracker).root / place.lstrip("/")).write_text(text)
    site.on(f"systemctl reload-or-restart {proxy}")


# -- from nothing ----------------------------------------------------------------------------------------------------


def test_without_a_first_user_nothing_is_touched(em: Site) -> None:
    """Pages that nobody can enter would not start, and that is known before anything is done."""
    done = em.play(job_tracker_web_cop="")

    assert done.returncode != 0
    assert "job_tracker_web_cop" in done.stdout
    em.on("test ! -e /opt/job_tracker && test ! -e /etc/job_tracker")


def test_the_playbook_serves_pages_to_a_first_user(em: Site) -> None:
    """From nothing to a board through nginx; and nobody reads the password on the way."""
    em.on(
        f"openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN={NAME} -addext subjectAltName=DNS:{NAME}"
        f" -out {CERTIFICATE} -keyout {KEY} 2>/dev/null"
    )
    done = em.play("-vvv", "--diff")

    assert changes(done)["em"] > 10
    assert PASSWORD not in done.stdout + done.stderr
    em.on(f"grep -rlF '{PASSWORD}' /etc /root /run /tmp /var", code=1)
    em.until_green()
    begin(em, "nginx", "/etc/nginx/conf.d/job_tracker.conf", logs_in=False)
    with asking(em) as client:
        assert client.get("/").headers["location"].startswith("/login")
        log_in(client)
        assert "LOAD__P" in client.get("/").text
    bases.until(
        "its service", lambda: re.search("^0 job_tracker_web - serves 1 jobs", em.on(LOCAL_CHECK), re.MULTILINE)
    )


def test_a_second_run_changes_nothing(em: Site) -> None:
    """Neither really nor as a dry run says it would; and another password there changes nobody's."""
    other = {"job_tracker_web_cop_password": "another one, as long"}

    assert set(changes(em.play("--check", "--diff", **other)).values()) == {0}
    assert set(changes(em.play(**other)).values()) == {0}


def test_the_unit_of_the_pages_is_hardened(em: Site) -> None:
    """systemd's own verdict, 0 to 10."""
    said = em.on("systemd-analyze security job_tracker-web --no-pager")

    assert float(re.findall(r"Overall exposure level for job_tracker-web.service: ([0-9.]+)", said)[0]) <= 2.0


def test_files_of_the_pages_belong_to_whom_they_should(em: Site) -> None:
    """Users and tokens to the pages alone; the socket, whose users are believed, to the proxy and to nobody else."""
    modes = em.on("cd /var/lib/job_tracker_web && stat -c '%a %U %n' . web.sqlite").splitlines()

    assert modes == ["700 job_tracker_web .", "600 job_tracker_web web.sqlite"]
    assert em.on("stat -c '%a %U %G' /run/job_tracker_web").strip() == "750 job_tracker_web job_tracker_status"
    socket = em.on("stat -c '%a %U %G' /run/job_tracker_web_proxy /run/job_tracker_web_proxy/web.socket").splitlines()
    assert socket == ["2750 job_tracker_web www-data", "660 job_tracker_web www-data"]
    for group in ("job_tracker", "job_tracker_status", "job_tracker_operators"):
        em.on(
            f"setpriv --reuid nobody --regid {group} --clear-groups test -w /run/job_tracker_web_proxy/web.socket",
            code=1,
        )


def test_a_job_is_paused_from_afar(em: Site) -> None:
    """With job_tracker_web_may_operate the word reaches the tracker, and names who said it."""
    with asking(em) as client:
        log_in(client)
        answer = client.post("/api/v1/jobs/LOAD__P/pause", json={"why": "being moved", "seconds": 3600})

    assert answer.status_code == 202, answer.text
    em.until_state("LOAD", "0 job_LOAD__P - .*paused .*anna.*being moved")


# -- behind a proxy that knows who asks ------------------------------------------------------------------------------


def test_a_login_by_the_proxy(em: Site) -> None:
    """Who is known to nginx or Apache needs no password of ours; a name that he sends himself counts for nothing."""
    em.on("runuser -u job_tracker_web -- job_tracker web-user add berta --role viewer --without-password")
    line = f"printf 'berta:%s\\n' $(openssl passwd -apr1 '{PASSWORD}')"
    em.on(f"{line} | tee /etc/nginx/jobs.users >/etc/apache2/jobs.users")
    with asking(em) as client:
        pretends = client.get("/", headers={"X-Remote-User": "anna"})
    assert pretends.status_code == 303

    for proxy, place in (
        ("nginx", "/etc/nginx/conf.d/job_tracker.conf"),
        ("apache2", "/etc/apache2/sites-enabled/job_tracker.conf"),
    ):
        if proxy == "apache2":
            em.on("systemctl stop nginx && a2enmod -q ssl headers proxy_http proxy_wstunnel")
        begin(em, proxy, place, logs_in=True)
        with asking(em) as client:
            assert client.get("/", headers={"X-Remote-User": "anna"}).status_code == 401
        with asking(em, "berta", PASSWORD) as client:
            board = client.get("/", headers={"X-Remote-User": "anna"})
            assert (board.status_code, "berta" in board.text, "LOAD__P" in board.text) == (200, True, True), proxy
            assert client.get("/api/v1/jobs").json()["jobs"], proxy
            assert client.post("/api/v1/jobs/LOAD__P/resume", json={}).status_code == 403


def test_live_through_apache_as_it_comes(em: Site) -> None:
    """The form, and a stream that is not kept back until it is full."""
    begin(em, "apache2", "/etc/apache2/sites-enabled/job_tracker.conf", logs_in=False)

    with asking(em) as client:
        log_in(client)
        assert "LOAD__P" in client.get("/").text
        with client.stream("GET", "/api/v1/events/stream") as stream:
            lines = stream.iter_lines()
            assert next(line for line in lines if line.startswith("event:"))
            em.report("LOAD", "true", host="em")
            assert next(line for line in lines if "run.succeeded" in line)
    assert "?" not in em.on("cat /var/log/apache2/job_tracker.log /var/log/nginx/job_tracker.log")


# -- what can happen -------------------------------------------------------------------------------------------------


def test_after_a_reboot_nobody_starts_anything(em: Site) -> None:
    """Pages, socket and proxy are there again, and who was logged in still is."""
    em.on("systemctl disable --quiet --now apache2 && systemctl enable --quiet --now nginx")
    begin(em, "nginx", "/etc/nginx/conf.d/job_tracker.conf", logs_in=False)
    with asking(em) as client:
        log_in(client)
        nspawn.reboot("em")
        bases.until("the pages", lambda: client.get("/").status_code == 200)

    em.until_green()


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory, snapshot: Path) -> str:
    """The wheelhouse of a release whose tracker starts, and whose pages do not."""
    copy = tmp_path_factory.mktemp("copy")
    for name in ("pyproject.toml", "LICENSE"):
        shutil.copy(snapshot / name, copy)
    for name in ("job_tracker", "deploy"):
        shutil.copytree(snapshot / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    serving = copy / "job_tracker" / "web" / "serving.py"
    begins = "    config = load_for_pages(config_path)\n"
    assert begins in serving.read_text()
    serving.write_text(serving.read_text().replace(begins, '    raise RuntimeError("broken pages")\n'))
    subprocess.run([sys.executable, "deploy/wheelhouse.py", copy / "wheels"], cwd=copy, check=True, capture_output=True)
    return str(copy / "wheels")


def test_pages_that_do_not_start_leave_the_ones_of_before(em: Site, broken: str) -> None:
    """The play fails and says why, the old pages are served, and the tracker is not taken back for it."""
    before = em.on("basename $(readlink /opt/job_tracker/current-web)").strip()

    done = em.play(job_tracker_wheelhouse=broken)

    assert done.returncode != 0
    said = re.sub(r"\s+", " ", done.stdout)
    assert f"do not start; those of {before} are served" in said
    assert "broken pages" in said
    assert em.on("basename $(readlink /opt/job_tracker/current-web)").strip() == before
    assert em.on("basename $(readlink /opt/job_tracker/current)").strip() != before
    bases.until("the pages", lambda: is_served(em))
    em.until_green()


def test_an_uninstall_leaves_nothing_of_the_pages(em: Site) -> None:
    """And users and tokens only until data are to be removed."""
    changes(em.play(job_tracker_state="absent"))

    em.on("test -s /var/lib/job_tracker_web/web.sqlite && ! systemctl cat job_tracker-web 2>/dev/null")
    changes(em.play(job_tracker_state="absent", job_tracker_remove_data=True))
    em.on("! getent passwd job_tracker_web && ! getent group job_tracker_web")
    left = em.on(
        "find / -xdev -name '*job_tracker*' -not -path '/proc/*' -not -path '/var/log/*/job_tracker.log'"
    ).split()
    assert set(left) == {"/etc/nginx/conf.d/job_tracker.conf", "/etc/apache2/sites-enabled/job_tracker.conf"}


# -- without systemd -------------------------------------------------------------------------------------------------


def test_pages_on_a_host_without_systemd(em: Site) -> None:
    """From nothing to pages that answer, that the verbs of an init script move, and that a boot starts."""
    old = Site(em.snapshot, em.home, "old", [job("LOAD", "old")], sources=["old"], job_tracker_tasks_dir="", **WEB)
    ask = "python3 -c \"import urllib.request as ask; print(ask.urlopen('http://127.0.0.1:5001/login').status)\""
    changes(old.play())
    assert old.on(ask) == "200\n"
    assert re.search("^0 job_tracker_web - serves 1 jobs", old.on(LOCAL_CHECK), re.MULTILINE)

    for verb, code in (("start", 0), ("restart", 0), ("force-reload", 0), ("stop", 0), ("status", 3), ("start", 0)):
        old.on(f"service job_tracker-web {verb}", code=code)
    nspawn.reboot("old")

    bases.until("the pages", lambda: old.on(ask, code=None) == "200\n")
    old.on("service job_tracker-web status")
