"""The examples do what they say: the httpd configurations under a real httpd, the page, the demo, the timers."""

from __future__ import annotations

import getpass
import http.client
import importlib.util
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from wsgiref.util import setup_testing_defaults

import pytest
from cli_helpers import EXAMPLES, environment, line, pipelog
from httpd_helpers import Httpd

import pipelog as api
from pipelog import config
from pipelog.counting.rules import Rules
from pipelog.queries import PageHits
from pipelog.shortcuts import hits_of
from pipelog.testing import servers


def load(name: str) -> ModuleType:
    """An example as a module."""
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# -- httpd ---------------------------------------------------------------------------------------------------------


class Site(Httpd):
    """A real httpd with one of the example configurations, its paths put into a folder of our own."""

    def __init__(self, example: str, work: Path) -> None:
        self.state = work / "state"
        text = (EXAMPLES / "apache" / example).read_text()
        for there, here in (
            ("/srv/venv/bin/python", sys.executable),
            ("/var/lib/pipelog", str(self.state)),
            ("/srv/www/htdocs", "{work}/htdocs"),
            ("/var/log/apache2", "{work}"),
            ("--user www-data", f"--user {getpass.getuser()}"),
            ("*:80", "127.0.0.1:{port}"),
        ):
            assert there in text or there == "/var/log/apache2"
            text = text.replace(there, here)
        super().__init__(work, text, pages=("releases/1/index.html",))

    def graceful(self) -> None:
        """Restart gracefully; returns when the new generation is there."""
        before = self.said().count("resuming normal operations")
        self.process.send_signal(signal.SIGUSR1)
        servers.eventually(
            lambda: self.said().count("resuming normal operations") > before, "httpd has begun its next generation"
        )

    def stop(self, number: int = signal.SIGTERM) -> None:
        """Stop httpd, and see that its loggers end by themselves."""
        super().stop(number)
        servers.eventually(lambda: not self.loggers(), "the loggers have ended")

    def loggers(self) -> list[str]:
        """The pids of the loggers of this site."""
        mark = str(self.state).encode()
        return [pid for pid in os.listdir("/proc") if pid.isdigit() and mark in _command(pid)]


def _command(pid: str) -> bytes:
    try:
        return Path("/proc", pid, "cmdline").read_bytes()
    except OSError:
        return b""


@pytest.fixture
def site(request: pytest.FixtureRequest) -> Iterator[Site]:
    """The running server of the example that is this fixture's parameter."""
    if not Path("/proc/self/cmdline").exists():
        servers.missing("without /proc nobody can tell whether the loggers have ended")
    # Not in pytest's folder: how deep that is, and so whether httpd's own user may enter, depends on how pytest is run.
    with tempfile.TemporaryDirectory(prefix="pipelog-") as folder:
        work = Path(folder, "site", "work")
        work.mkdir(parents=True)
        server = Site(request.param, work)
        yield server
        server.stop()


def answers(state: Path, site: str) -> PageHits:
    """What an application is told of /releases/1/."""
    settings = config.load({"state": str(state), "site": site}, config=os.devnull, environ={})
    return hits_of(settings).many(["/releases/1/"])["/releases/1/"]


@pytest.mark.parametrize("site", ["vhost.conf"], indirect=True)
def test_a_virtual_host_of_its_own(site: Site) -> None:
    for _ in range(5):
        assert site.get("/releases/1/", host="www.example.org") == 200
    servers.eventually(lambda: answers(site.state, "www.example.org").today == 5, "the hits are counted live")
    site.graceful()
    for _ in range(5):
        assert site.get("/releases/1/?from=mail", host="www.example.org") == 200
    assert site.get("/gone/", host="www.example.org") == 404
    site.stop()
    assert answers(site.state, "www.example.org") == (10, 10)
    assert answers(site.state, "") == (0, 0)
    assert "pipelog[" not in site.said()


@pytest.mark.parametrize("site", ["global.conf"], indirect=True)
def test_one_logger_for_all_virtual_hosts(site: Site) -> None:
    for host, times in (("www.example.org", 3), ("press.example.org", 2), ("press.example.org:80", 1)):
        for _ in range(times):
            assert site.get("/releases/1/", host=host) == 200
    servers.eventually(lambda: answers(site.state, "www.example.org").today == 3, "the hits are counted live")
    servers.eventually(lambda: len(site.loggers()) == 2, "there is one supervisor with one worker")
    site.graceful()
    assert site.get("/releases/1/", host="press.example.org") == 200
    site.stop()
    assert answers(site.state, "www.example.org").today == 3
    assert answers(site.state, "press.example.org").today == 4
    # The host with a log of its own has that, too.
    assert len((site.work / "press.log").read_text().splitlines()) == 4


@pytest.mark.parametrize("site", ["global.conf"], indirect=True)
def test_one_logger_and_a_host_with_rules_of_its_own(site: Site) -> None:
    """The settings file is where httpd's environment says; the logger, the rollup and the page read the same."""
    site.stop()
    file = site.work / "pipelog.toml"
    file.write_text(
        f'state = "{site.state}"\n[counting]\ntrailing_slash = "strip"\n'
        '[site."press.example.org"]\nparameters = ["id"]\ntrailing_slash = "keep"\n'
    )
    file.chmod(0o644)
    text = site.configuration.read_text()
    site.configuration.write_text(text.replace("-m pipelog", f"-m pipelog --config {file}"))
    site.start()
    for host in ("www.example.org", "press.example.org"):
        for query in ("?id=1&from=mail", "?id=2"):
            assert site.get("/releases/1/" + query, host=host) == 200
    hits = hits_of(config.load(config=file, environ={}))

    def today(page: str) -> tuple[int, int]:
        return tuple(hits.today(page, site=f"{name}.example.org") for name in ("www", "press"))  # type: ignore[return-value]

    servers.eventually(lambda: today("/releases/1/?id=2") == (2, 1), "the hits are counted live")
    assert today("/releases/1") == (2, 0)
    assert today("/releases/1/?id=1") == (2, 1)
    site.stop()
    done = pipelog(site.state, "rollup", "today", "--force", "--format", "vhost_combined", config=str(file))
    assert done.returncode == 0, done.stderr
    history = hits_of(config.load(config=file, environ={}))
    assert history.today("/releases/1", site="www.example.org") == 2
    assert history.total("/releases/1/?id=1&x", site="press.example.org") == 1


# -- the page ----------------------------------------------------------------------------------------------------


@pytest.fixture
def configured(tmp_path: Path) -> Iterator[Callable[..., None]]:
    """`pipelog.configure` for one test."""

    def configure(**settings: str) -> None:
        api.configure(os.devnull, state=str(tmp_path / "state"), **settings)

    yield configure
    configure()


def ask(path: str) -> tuple[str, str]:
    """Status and body that the example's application gives for a path."""
    environ: dict[str, object] = {"PATH_INFO": path}
    setup_testing_defaults(environ)
    told = []
    body = b"".join(load("plain_page").application(environ, lambda status, headers: told.append(status)))
    return told[0], body.decode()


def test_a_page_shows_its_own_hits(tmp_path: Path, configured: Callable[..., None]) -> None:
    assert pipelog(tmp_path / "state", stdin=line("/releases/1/") * 1204 + line("/caf%C3%A9/")).returncode == 0
    configured()
    assert '<p class="hits">1,204 views today, 1,204 in all</p>' in ask("/releases/1/")[1]
    status, body = ask("/café/".encode().decode("latin-1"))
    assert status == "200 OK"
    assert "<h1>/café/</h1>" in body
    assert "1 views today" in body


def test_a_page_escapes_what_is_asked_for(configured: Callable[..., None]) -> None:
    configured()
    body = ask('/<script>alert("x")</script>')[1]
    assert "<script" not in body
    assert "&lt;script&gt;" in body


@pytest.mark.parametrize("backend", ["memcached://127.0.0.1:1", f"sqlite://{sys.executable}", "nosuch://host"])
def test_a_page_is_shown_without_its_store(backend: str, configured: Callable[..., None]) -> None:
    configured(backend=backend)
    status, body = ask("/releases/1/")
    assert status == "200 OK"
    assert "not known right now" in body


def test_a_page_is_served() -> None:
    command = [sys.executable, "-P", str(EXAMPLES / "plain_page.py"), "0"]
    with tempfile.TemporaryDirectory() as state:
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment(state=state)
        )
        try:
            assert process.stdout
            port = int(re.findall(r":(\d+)/", process.stdout.readline())[0])
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
            connection.request("GET", "/releases/1/")
            assert b"0 views today, 0 in all" in connection.getresponse().read()
            connection.close()
        finally:
            process.terminate()
            process.communicate(timeout=10)


# -- sample and demo -----------------------------------------------------------------------------------------------


def test_the_sample_is_what_its_script_makes() -> None:
    assert "".join(load("make_sample").lines()) == (EXAMPLES / "press.log").read_text()


def test_the_sample_holds_something_of_everything(tmp_path: Path) -> None:
    sink = f"csv://{tmp_path}/days"
    done = pipelog(tmp_path, "rollup", "--since", "2026-11-21", "--until", "2026-11-22", str(EXAMPLES / "press.log"),
                   "--force", sink=sink, site="www.example.org")  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert b"bad" not in done.stderr
    history = {row[3] for row in _rows(pipelog(tmp_path, "export", "2026-11-22", sink=sink).stdout)}
    assert history == {"views", "referrer", "keyword", "campaign", "bot", "missing", "status", "minute", "requests",
                       "bytes"}  # fmt: skip
    text = (EXAMPLES / "press.log").read_text()
    assert all(odd in text for odd in ('\\"', "\\x16", "2001:db8::", " 304 ", " 206 ", "POST ", "HEAD ", '"-" 408'))
    hosts = {line.split()[0].rpartition(".")[0] or line.split()[0][:9] for line in text.splitlines()}
    assert hosts == {"192.0.2", "198.51.100", "2001:db8:"}


def _rows(output: bytes) -> list[list[str]]:
    return [row.split(",") for row in output.decode().splitlines()[1:]]


def test_the_demo(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-P", str(EXAMPLES / "demo.py"), "--seconds", "2"],
        # Settings of the machine must not get in, nor must anything be left behind.
        env=environment(backend="nosuch://host") | {"TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.replace("\n", "").isprintable()
    live = re.findall(r"^\d\d:\d\d:\d\d +(\d+) +(\d+) +(\d+) +(\d+)$", done.stdout, re.M)
    numbers = [tuple(map(int, row)) for row in live]
    assert len(numbers) >= 2
    assert all(a <= b for row, later in pairwise(numbers) for a, b in zip(row, later, strict=True))
    assert "200 lines, 107 views of 9 pages written" in done.stdout
    told = {page: int(today) for page, today in re.findall(r"^  (/\S*) +(\d+) +\d+$", done.stdout, re.M)}
    assert tuple(told.values()) == numbers[-1]
    assert list(tmp_path.iterdir()) == []


# -- cron, systemd, settings ---------------------------------------------------------------------------------------


def test_the_crontab_calls_what_there_is(tmp_path: Path) -> None:
    lines = [text for text in (EXAMPLES / "cron" / "crontab").read_text().splitlines() if text[:1].isdigit()]
    assert len(lines) == 2
    state = tmp_path / "state"
    assert pipelog(state, stdin=line("/a/")).returncode == 0
    for text in lines:
        fields = text.split(maxsplit=5)
        command = fields[5].replace("/srv/venv/bin/python", sys.executable).replace("/var/lib/pipelog", str(state))
        done = subprocess.run(command, shell=True, env=environment(), capture_output=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not installed")
def test_systemd_takes_the_units(tmp_path: Path) -> None:
    units = []
    for unit in sorted((EXAMPLES / "cron").glob("pipelog-rollup.*")):
        text = unit.read_text().replace("/srv/venv/bin/python", sys.executable)
        (tmp_path / unit.name).write_text(text)
        units.append(str(tmp_path / unit.name))
    assert len(units) == 2
    done = subprocess.run(
        ["systemd-analyze", "verify", *units], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_the_settings_file_is_the_defaults() -> None:
    settings = config.load({"state": "/var/lib/pipelog"}, config=EXAMPLES / "pipelog.toml", environ={})
    assert settings.counting == Rules(site="www.example.org", own_sites=("example.org",))
