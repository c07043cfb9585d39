"""`pipelog.contrib.django`: a real site, and numbers that a real logger has counted."""

from __future__ import annotations

import json
import logging
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.request import urlopen
from zoneinfo import ZoneInfo

import pytest
from cli_helpers import REPOSITORY, TODAY, YESTERDAY, environment, line, pipelog
from httpd_helpers import Httpd

from pipelog import config
from pipelog.config import Settings
from pipelog.contrib.machine import kept_time
from pipelog.shortcuts import hits_of as hits_of_settings
from pipelog.testing import servers

django = pytest.importorskip("django")
with pytest.MonkeyPatch.context() as patch, kept_time():  # this process has other tests to run
    patch.setenv("DJANGO_SETTINGS_MODULE", "django_site.settings")
    django.setup()

from django.contrib.auth.models import User  # noqa: E402
from django.core.checks import run_checks  # noqa: E402
from django.core.exceptions import ImproperlyConfigured  # noqa: E402
from django.core.management import CommandError, call_command  # noqa: E402
from django.core.wsgi import get_wsgi_application  # noqa: E402
from django.db import connection  # noqa: E402
from django.template import Context, Template  # noqa: E402
from django.test import Client, RequestFactory, override_settings  # noqa: E402
from django.test.utils import CaptureQueriesContext  # noqa: E402
from django_site.models import News, Release  # noqa: E402

import pipelog as api  # noqa: E402
from pipelog.contrib.application import PAUSE, QUIET, Asker  # noqa: E402
from pipelog.contrib.django import numbers, objects, prefetch_hits, reading  # noqa: E402
from pipelog.contrib.django.resolver import resolve  # noqa: E402
from pipelog.shortcuts import process  # noqa: E402

RESOLVER = numbers.RESOLVER
NOWHERE = "memcached://127.0.0.1:1"
RELEASES = 100


@pytest.fixture(scope="module", autouse=True)
def site() -> Iterator[None]:
    """The site's tables, with a hundred releases and two pieces of news."""
    for name in [name for name in os.environ if name.startswith("PIPELOG_")]:
        del os.environ[name]
    os.environ["PIPELOG_CONFIG"] = os.devnull
    call_command("migrate", run_syncdb=True, verbosity=0)
    Release.objects.bulk_create(Release(pk=number, title=f"Release {number}") for number in range(1, RELEASES + 1))
    News.objects.bulk_create(News(pk=number, slug=slug) for number, slug in ((1, "one"), (2, "two"), (3, "two")))
    yield
    del os.environ["PIPELOG_CONFIG"]
    process.configure(config.load)


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Yesterday rolled up: 5 views of release 1. Today: 3 of its page, 2 by its short address, 1 of release 2."""
    folder = tmp_path_factory.mktemp("django") / "state"
    today = line("/releases/1/") * 3 + line("/r/1") * 2 + line("/releases/2/?from=mail")
    assert pipelog(folder, stdin=line("/releases/1/", YESTERDAY) * 5 + today).returncode == 0
    assert pipelog(folder, "rollup").returncode == 0
    return folder


@contextmanager
def settings(**given: Any) -> Iterator[None]:
    """The site with another `PIPELOG`."""
    with override_settings(PIPELOG={name: value for name, value in given.items() if value is not None}):
        yield


def rendered(text: str, **values: Any) -> str:
    """What a template with our tags shows on the page /releases/1/."""
    request = RequestFactory().get("/releases/1/")
    return Template("{% load pipelog %}" + text).render(Context({"request": request, **values}))


def fails(*arguments: str, **given: Any) -> str:
    """What a command says that refuses."""
    with settings(**given), pytest.raises(CommandError) as caught:
        call_command(*arguments)
    return str(caught.value)


def messages(**given: Any) -> dict[str, str]:
    """What `manage.py check` says of pipelog: id -> text."""
    with settings(**given):
        return {found.id: found.msg for found in run_checks(tags=["pipelog"]) if found.id}


# -- models and tags -----------------------------------------------------------------------------------------------


def test_an_object_knows_its_hits(state: Path) -> None:
    with settings(state=state):
        release = Release.objects.get(pk=1)
        assert (release.hits_today, release.hits) == (3, 8)
        daily = release.hits_daily()
        assert len(daily) == reading.DAYS
        assert (daily[YESTERDAY], daily[TODAY]) == (5, 3)
        assert release.hits_daily(YESTERDAY, YESTERDAY) == {YESTERDAY: 5}
        assert api.hits_today("/releases/1/") == 3


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("{% hits_today release %}", "3"),
        ("{% hits release %}", "8"),
        ("{% hits_today '/r/1' %}", "2"),
        ("{% hits_today 'https://www.example.org//r/1?from=mail' %}", "2"),
        ("{% hits_today %}", "3"),
        ("{% hits %}", "8"),
        ("{% hits '/never/seen/' %}", "0"),
        ("{% hits release as n %}{% if n > 7 %}{{ n }} views{% endif %}", "8 views"),
        ("{% hits_today nothing %}", "–"),
        ("{% hits_today nothing default='?' %}", "?"),
        ("{% hits_today none default='?' %}", "?"),
        ("{% hits_today nothing default=evil %}", "&lt;b&gt;"),
        ("{% hits release site='other.example.org' %}", "0"),
        ("{{ release.hits_today }} {{ release.hits }} {{ release.hits_daily|length }}", "3 8 30"),
        ("{% hits_fragment release %}", "/pipelog/fragment/?page=%2Freleases%2F1%2F&amp;of=today"),
        ("{% hits_fragment '/a&b/' of='total' as address %}{{ address }}",
         "/pipelog/fragment/?page=%2Fa%26b%2F&amp;of=total"),
    ],
)  # fmt: skip
def test_tags(text: str, shown: str, state: Path) -> None:
    with settings(state=state):
        assert rendered(text, release=Release.objects.get(pk=1), nothing="", none=None, evil="<b>") == shown


def test_numbers_are_written_as_django_writes_them(state: Path, tmp_path: Path) -> None:
    assert pipelog(tmp_path / "state", stdin=line("/a/") * 1204).returncode == 0
    with settings(state=tmp_path / "state"), override_settings(USE_THOUSAND_SEPARATOR=True):
        assert rendered("{% hits_today '/a/' %}") == "1,204"
        assert Client().get("/pipelog/fragment/?page=/a/").content == b"1,204"


def test_the_page_that_is_made_is_known_by_its_request(state: Path) -> None:
    with settings(state=state), pytest.raises(ImproperlyConfigured, match=r"context_processors\.request"):
        Template("{% load pipelog %}{% hits_today %}").render(Context())


def test_what_has_no_address_is_a_mistake(state: Path) -> None:
    with settings(state=state), pytest.raises(TypeError, match="no get_absolute_url"):
        rendered("{% hits_today thing %}", thing=object())


# -- round trips ---------------------------------------------------------------------------------------------------


class Relay:
    """Stands before a server and counts how often a client asks after it was answered."""

    def __init__(self, address: tuple[str, int]) -> None:
        self.turns = 0
        self._address = address
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"memcached://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                client = self._listener.accept()[0]
            except OSError:
                return
            server = socket.create_connection(self._address)
            answered = threading.Event()
            answered.set()
            for source, sink, asks in ((client, server, True), (server, client, False)):
                threading.Thread(target=self._copy, args=(source, sink, asks, answered), daemon=True).start()

    def _copy(self, source: socket.socket, sink: socket.socket, asks: bool, answered: threading.Event) -> None:
        while content := source.recv(1 << 16):
            if asks and answered.is_set():
                self.turns += 1
                answered.clear()
            elif not asks:
                answered.set()
            sink.sendall(content)
        sink.close()

    def close(self) -> None:
        self._listener.close()


@pytest.fixture
def relay(tmp_path: Path) -> Iterator[Relay]:
    """A memcached with today's numbers of two releases, behind a relay."""
    with servers.memcached() as server:
        today = line("/releases/1/") * 3 + line("/releases/2/")
        assert pipelog(tmp_path / "state", stdin=today, backend=server.url).returncode == 0
        assert isinstance(server.address, tuple)
        made = Relay(server.address)
        yield made
        made.close()


@pytest.mark.parametrize("resolver", [None, RESOLVER])
def test_a_page_of_a_hundred_objects_is_one_round_trip(resolver: str | None, relay: Relay, state: Path) -> None:
    with settings(state=state, backend=relay.url, resolver=resolver):
        page = Client().get("/releases/").content.decode()  # connects
        asked = relay.turns
        with CaptureQueriesContext(
            connection,
        ) as queries:
            page = Client().get("/releases/").content.decode()
        assert relay.turns == asked + 1
        assert len(queries) == 1
        assert page.count(" in all") == RELEASES
        if not resolver:
            assert "Release 1: 3 today, 8 in all" in page
        release = Release.objects.get(pk=1)
        assert release.hits_today is not None
        assert relay.turns == asked + 2


def test_what_was_fetched_ahead_is_not_kept_for_long(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with settings(state=state):
        release = Release.objects.get(pk=1)
        assert prefetch_hits([release, "/r/1", None]) == {"/r/1": (2, 2)}
        monkeypatch.setattr(numbers, "many", lambda things, site=None: None)
        assert release.hits == 8
        later = time.time() + reading.FRESH
        monkeypatch.setattr(reading.time, "time", lambda: later)
        assert release.hits is None


def test_paths_are_fetched_ahead_too(relay: Relay, state: Path) -> None:
    with settings(state=state, backend=relay.url):
        text = "{% prefetch_hits paths %}{% for path in paths %}{% hits_today path %} {% endfor %}"
        assert rendered(text, paths=["/releases/1/", "/releases/2/", "/r/1"]) == "3 1 0 "
        asked = relay.turns
        rendered(text, paths=["/releases/1/", "/releases/2/", "/r/1"])
        assert relay.turns == asked + 1


# -- a store that is down ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "broken",
    [{"backend": NOWHERE}, {"sink": f"sqlite://{sys.executable}"}, {"backend": "nosuch://host"}, {"max_pages": "x"}],
)
def test_a_store_that_is_down_breaks_no_page(
    broken: dict[str, Any], state: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with settings(state=state, default="unknown", **broken), caplog.at_level(logging.WARNING, "pipelog"):
        release = Release.objects.get(pk=1)
        assert rendered("{% prefetch_hits list %}{% hits_today release %}, {% hits release default=0 %}",
                        release=release, list=[release, "/a/"]) == "unknown, 0"  # fmt: skip
        assert (release.hits_today, release.hits, release.hits_daily()) == (None, None, {})
        answer = Client().get("/pipelog/fragment/?page=/releases/1/")
        assert (answer.status_code, answer.content.decode()) == (200, "unknown")
    [record] = caplog.records
    assert record.getMessage().startswith("hits cannot be shown: ")


def test_a_store_that_is_down_is_left_alone_for_a_while_and_warned_of_once_a_minute(
    caplog: pytest.LogCaptureFixture,
) -> None:
    now, asked = 0.0, 0

    def ask(hits: Any) -> int:
        nonlocal asked
        asked += 1
        return int(hits.today("/"))

    broken = hits_of_settings(config.load({"backend": NOWHERE, "state": "/nowhere"}, environ={}))
    asker = Asker(lambda: broken, clock=lambda: now)
    for _ in range(2 * int(QUIET) + 1):
        assert asker.ask(ask) is None
        now += 1.0
    assert asked == 2 * QUIET / PAUSE + 1
    assert [record.levelname for record in caplog.records] == ["WARNING"] * 3


# -- the resolver --------------------------------------------------------------------------------------------------


OBJECTS = {
    "by-title": "django_site.Release",
    "press:archived": "django_site.urls:find_news",
}


@pytest.mark.parametrize(
    ("path", "page"),
    [
        ("/releases/7/", "django_site.release:7"),
        ("/releases/007/", "django_site.release:7"),
        ("/releases/7", "django_site.release:7"),
        ("/r/7", "django_site.release:7"),
        ("/de/mitteilung/7/", "django_site.release:7"),
        ("/en/mitteilung/7/", "django_site.release:7"),
        ("/releases/7/edit/", "/releases/7/edit/"),
        ("/releases/7/delete/", "/releases/7/delete/"),
        ("/releases/", "/releases/"),
        ("/nowhere/", "/nowhere/"),
        ("/pipelog/live/", None),
        ("/pipelog/live/pages.json", None),
        ("/pipelog/fragment/", None),
        ("/%FF%00/", "/%FF%00/"),
        ("/news/one/", "django_site.news:1"),
        ("/news/%6Fne/", "django_site.news:1"),
        ("/news/two/", "/news/two/"),
        ("/news/none/", "/news/none/"),
        ("/archive/2026/two/", "django_site.news:2"),
        ("/archive/1999/two/", "/archive/1999/two/"),
        ("/all/none/", "/all/none/"),
    ],
)
def test_the_resolver(path: str, page: str | None) -> None:
    with settings(objects=OBJECTS):
        assert resolve(path) == page


def test_the_resolver_asks_no_database_for_a_number() -> None:
    with CaptureQueriesContext(connection) as queries:
        assert resolve("/releases/7/") == "django_site.release:7"
    assert len(queries) == 0


@override_settings(FORCE_SCRIPT_NAME="/app")
def test_the_resolver_below_a_prefix() -> None:
    assert resolve("/app/releases/7/") == "django_site.release:7"
    assert resolve("/apple/releases/7/") == "/apple/releases/7/"


@pytest.mark.parametrize("slash", ["keep", "strip", "add"])
def test_an_object_is_asked_for_as_the_logger_names_it(slash: str) -> None:
    """Whatever the rules make of the address: what stands in the log and what the page asks for are one page."""
    with settings(resolver=RESOLVER, trailing_slash=slash, objects=OBJECTS):
        release, news, twin = Release.objects.get(pk=1), News.objects.get(pk=1), News.objects.get(pk=2)
        hits = hits_of_settings(process.settings())
        for thing, name in (
            (release, "django_site.release:1"),
            (news, "django_site.news:1"),
            # Two have this slug: the logger cannot tell which it is, and the page asks no database.
            (twin, "django_site.news:2"),
        ):
            assert numbers.page_of(thing) == name
        for thing in (release, news):
            assert hits._page(thing.get_absolute_url()) == numbers.page_of(thing)


def site_environment(database: Path, **more: str) -> dict[str, str]:
    """What a process needs to find the site."""
    found = {"DJANGO_SETTINGS_MODULE": "django_site.settings", "PYTHONPATH": str(REPOSITORY / "tests")}
    return found | {"SITE_DATABASE": str(database)} | more


def test_an_object_whose_address_is_that_of_another_has_the_hits_of_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    with settings(resolver=RESOLVER, objects={"by-title": "django_site.Release"}):
        release = Release.objects.get(pk=1)
        for address, page in (
            ("/releases/2/", "django_site.release:2"),
            ("/all/Release-2/", "/all/Release-2/"),  # the database knows whose title that is; `Hits` asks it once
            ("/news/one/", "/news/one/"),
            ("/plain/", "/plain/"),
        ):
            monkeypatch.setattr(Release, "get_absolute_url", lambda self, address=address: address)
            with CaptureQueriesContext(connection) as queries:
                assert numbers.page_of(release) == page
            assert len(queries) == 0


def as_process(state: Path, database: Path, *arguments: str, stdin: bytes = b"", **given: str) -> Any:
    """pipelog as httpd and cron start it, with the site's resolver."""
    return subprocess.run(
        [sys.executable, "-P", "-m", "pipelog", *arguments],
        input=stdin,
        capture_output=True,
        env=environment(state=str(state), resolver=RESOLVER) | site_environment(database, **given),
        timeout=60,
        check=False,
    )


def test_the_logger_counts_objects_and_history_becomes_theirs(tmp_path: Path) -> None:
    """All addresses of an object are one page in the logger's own process; what was counted before is merged."""
    state, database = tmp_path / "state", tmp_path / "site.db"
    with connection.cursor():
        connection.connection.execute(f"VACUUM INTO '{database}'")
    before = line("/releases/1/", YESTERDAY) * 5 + line("/r/1", YESTERDAY) + line("/old/", YESTERDAY)
    assert pipelog(state, stdin=before).returncode == 0
    assert pipelog(state, "rollup").returncode == 0
    lines = line("/releases/1/") * 3 + line("/r/1") * 2 + line("/news/one/") + line("/plain/")
    done = as_process(state, database, stdin=lines)
    assert (done.returncode, done.stderr) == (0, b"")
    with settings(state=state, resolver=RESOLVER):
        release = Release.objects.get(pk=1)
        assert (release.hits_today, release.hits, News.objects.get(pk=1).hits) == (5, 5, 1)
        assert rendered("{% hits_today '/plain/' %} {% hits_today '/r/1' %}") == "1 5"

        call_command("pipelog_merge", "--dry-run")
        assert api.hits("django_site.release:1") == 5
        call_command("pipelog_merge")
        call_command("pipelog", "merge", "/old/", "django_site.release:1")
    with settings(state=state, resolver=RESOLVER):  # the numbers of finished days are remembered for a minute
        assert release.hits == 5 + 6 + 1
        assert release.hits_daily(YESTERDAY, TODAY) == {YESTERDAY: 7, TODAY: 5}
        call_command("pipelog_merge")  # nothing is left to do


def test_the_logger_says_what_the_resolver_lacks(tmp_path: Path) -> None:
    done = as_process(tmp_path / "state", tmp_path / "none.db", "check", DJANGO_SETTINGS_MODULE="nosuch.settings")
    assert done.returncode == 1
    assert b"No module named 'nosuch'" in done.stdout


def test_what_the_resolver_raises_is_harmless(tmp_path: Path) -> None:
    """Without its tables the site cannot tell whose slug it is: the page counts under its path."""
    done = as_process(tmp_path / "state", tmp_path / "empty.db", stdin=line("/news/one/") + line("/releases/1/"))
    assert (done.returncode, done.stderr) == (0, b"")
    with settings(state=tmp_path / "state"):
        assert (api.hits_today("/news/one/"), api.hits_today("django_site.release:1")) == (1, 1)


# -- time ---------------------------------------------------------------------------------------------------------

FAR = ["Pacific/Kiritimati", "Etc/GMT+12"]
"""UTC+14 and UTC-12: wherever the machine is, it is another day in one of them."""


@pytest.fixture(params=FAR)
def zone(request: pytest.FixtureRequest) -> Iterator[str]:
    """This process in a zone far away, as Django sets it."""
    with kept_time():
        os.environ["TZ"] = request.param
        time.tzset()
        yield request.param


def test_today_is_the_day_of_the_log_and_not_of_the_sites_zone(
    zone: str, state: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with settings(state=state):
        release = Release.objects.get(pk=1)
        assert (release.hits_today, release.hits, list(release.hits_daily())[-1]) == (3, 8, TODAY)
        here = os.environ["TZ"]
        call_command("pipelog_rollup", "--dry-run")
        assert f"{YESTERDAY}: 5 lines" in capfd.readouterr().err
        assert os.environ["TZ"] == here
    with settings(state=state, timezone=zone):
        assert list(release.hits_daily())[-1] == datetime.now(ZoneInfo(zone)).date()


@pytest.mark.parametrize("zone", FAR)
def test_the_machines_zone_is_that_of_the_start(zone: str) -> None:
    """A service's own TZ counts, as long as httpd has the same, and not what Django makes of it."""
    code = (
        "import os, time; from pipelog.contrib import machine; from pipelog.counting.rules import Rules\n"
        "os.environ['TZ'] = 'UTC'; time.tzset(); print(machine.today(Rules()))\n"
        "with machine.machine_time(): print(time.strftime('%F'), os.environ['TZ'])\n"
        "print(os.environ['TZ'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment() | {"TZ": zone}, capture_output=True, text=True
    )
    day = datetime.now(ZoneInfo(zone)).date()
    assert done.stdout.split() == [str(day), str(day), zone, "UTC"]


@pytest.mark.parametrize("zone", FAR)
def test_the_logger_stays_in_the_machines_zone(zone: str, tmp_path: Path) -> None:
    """Its files are named by the clock of httpd, also after the resolver has loaded the site's settings."""
    state = tmp_path / "state"
    logger = subprocess.Popen(
        [sys.executable, "-P", "-m", "pipelog"],
        stdin=subprocess.PIPE,
        env=environment(state=str(state), resolver=RESOLVER) | site_environment(tmp_path / "none.db", SITE_ZONE=zone),
    )
    assert logger.stdin
    with settings(state=state), logger.stdin as pipe:
        for number in (1, 2):
            pipe.write(line("/releases/1/"))
            pipe.flush()
            servers.eventually(lambda number=number: api.hits_today("django_site.release:1") == number, "it is counted")
    assert logger.wait(10) == 0
    assert [path.name for path in (state / "journal").glob("*.log")] == [f"{TODAY}.log"]


# -- commands ------------------------------------------------------------------------------------------------------


def test_the_rollup_command_has_the_sites_settings(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    state = tmp_path / "state"
    assert pipelog(state, stdin=line("/a/", YESTERDAY) * 2).returncode == 0
    with settings(state=state):
        call_command("pipelog_rollup", "--dry-run")
        assert "2 views of 1 pages would be written" in capfd.readouterr().err
        call_command("pipelog_rollup", YESTERDAY.isoformat())
        assert "2 views of 1 pages written" in capfd.readouterr().err
        call_command("pipelog", "hits", "/a/", "--output", "csv")
        assert capfd.readouterr().out.splitlines()[1] == "/a/,0,2"
    assert (state / "history.db").exists()


def test_the_rollup_command_takes_a_span(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    day = TODAY - timedelta(days=2)
    log = tmp_path / "access.log"
    log.write_bytes(line("/a/", day) + line("/a/", YESTERDAY))
    with settings(state=tmp_path / "state"):
        call_command("pipelog_rollup", "--since", "-3d", str(log), "--force")
    assert capfd.readouterr().err.count("1 views of 1 pages written") == 2


def test_commands_refuse_in_a_line(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert "has no file for" in fails("pipelog_rollup", state=tmp_path / "state")
    assert "PIPELOG: unknown setting 'stat'; did you mean state" in fails("pipelog", "hits", "/", stat="x")
    assert "name a command of pipelog: rollup, hits" in fails("pipelog")
    assert "name a command of pipelog" in fails("pipelog", "count")
    assert "there is no sink nosuch" in fails("pipelog_merge", state=tmp_path, resolver=RESOLVER, sink="nosuch:")
    assert "set resolver" in fails("pipelog_merge", state=tmp_path)
    with pytest.raises(SystemExit) as done, settings():
        call_command("pipelog_rollup", "--help")
    assert done.value.code == 0
    assert "usage: pipelog rollup" in capfd.readouterr().out


# -- checks --------------------------------------------------------------------------------------------------------


def test_checks_of_a_good_site(state: Path) -> None:
    assert messages(state=state, resolver=RESOLVER, objects=OBJECTS) == {}


@pytest.mark.parametrize(
    ("given", "id", "text"),
    [
        ({"backnd": "memory:"}, "pipelog.E001", "PIPELOG: unknown setting 'backnd'; did you mean backend"),
        ({"max_pages": -1}, "pipelog.E001", "PIPELOG: max_pages is a whole number, 0 or more"),
        ({"config": "/nowhere.toml"}, "pipelog.E001", "/nowhere.toml: No such file or directory"),
        ({"resolver": "nosuch:resolve"}, "pipelog.E001", "resolver 'nosuch:resolve' cannot be loaded"),
        ({"backend": NOWHERE}, "pipelog.W001", "The backend cannot be asked: "),
        ({"sink": f"sqlite://{sys.executable}"}, "pipelog.W001", "The sink cannot be asked: "),
        ({"objects": {"nosuch": "django_site.Release"}}, "pipelog.E002", "the URLconf has no name 'nosuch'"),
        ({"objects": {"by-title": "django_site.Nosuch"}}, "pipelog.E002", "give app.Model or module:function"),
        ({"objects": {"by-title": "nosuch:find"}}, "pipelog.E002", "No module named 'nosuch'"),
        ({"resolver": None}, "pipelog.I001", "an object whose address changes loses its hits"),
    ],
)
def test_checks_tell(given: dict[str, Any], id: str, text: str, state: Path) -> None:
    found = messages(**({"state": state, "resolver": RESOLVER} | given))
    assert text in found[id]


@pytest.mark.parametrize("given", [["x"], {"objects": ["x"]}])
def test_a_setting_that_is_no_dictionary_is_told(given: Any) -> None:
    with override_settings(PIPELOG=given):
        [found] = run_checks(tags=["pipelog"])
        assert found.id == "pipelog.E001"
        assert "is a dictionary" in found.msg
        assert rendered("{% hits_today %}") == "–"


def test_checks_tell_of_models_that_no_url_shows(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(objects, "views", lambda: iter(()))
    assert "No URL is known to show" in messages(state=state, resolver=RESOLVER)["pipelog.W002"]
    monkeypatch.delattr(Release, "get_absolute_url")
    assert "has no page" in messages(state=state, resolver=RESOLVER)["pipelog.E003"]


# -- views ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "status", "text"),
    [
        ("page=/releases/1/", 200, "3"),
        ("page=/releases/1/&of=total", 200, "8"),
        ("page=https://www.example.org/releases/1/", 200, "3"),
        ("page=/%3Cscript%3E", 200, "0"),
        ("", 400, "Write"),
        ("page=x", 400, "Write"),
        ("page=/&of=all", 400, "Write"),
    ],
)
def test_the_fragment(query: str, status: int, text: str, state: Path) -> None:
    with settings(state=state):
        answer = Client().get(f"/pipelog/fragment/?{query}")
    assert answer.status_code == status
    assert answer.content.decode().startswith(text)
    if status == 200:
        assert "no-store" in answer["Cache-Control"]
        assert answer["Content-Type"] == "text/plain; charset=utf-8"


def test_the_fragment_may_be_read_only() -> None:
    assert Client().post("/pipelog/fragment/?page=/").status_code == 405


def test_httpd_puts_the_fragment_into_a_page(state: Path) -> None:
    """mod_include asks for the number while it hands out a page, which may be as old as it likes."""
    from wsgiref.simple_server import WSGIRequestHandler, make_server

    class Silent(WSGIRequestHandler):
        def log_message(self, *_: Any) -> None: ...

    with (
        settings(state=state),
        tempfile.TemporaryDirectory(prefix="pipelog-") as folder,
        make_server("127.0.0.1", 0, get_wsgi_application(), handler_class=Silent) as behind,
    ):
        threading.Thread(target=behind.serve_forever, daemon=True).start()
        server = Httpd(
            Path(folder),
            f"ProxyPass / http://127.0.0.1:{behind.server_port}/\n"
            "<Location />\nOptions +Includes\nAddOutputFilterByType INCLUDES text/html\n</Location>\n",
            modules="include filter proxy proxy_http",
        )
        try:
            with urlopen(f"http://127.0.0.1:{server.port}/cached/") as answer:
                assert answer.read() == b"<p>8 views</p>\n"
        finally:
            server.stop()
            behind.shutdown()


@pytest.fixture
def client() -> Iterator[Callable[[str | None], Client]]:
    """A browser that is logged in as nobody, as a reader or as staff."""

    def made(who: str | None) -> Client:
        browser = Client()
        if who:
            user, _ = User.objects.get_or_create(username=who, is_staff=who == "staff")
            browser.force_login(user)
        return browser

    yield made
    User.objects.all().delete()


@pytest.mark.parametrize("who", [None, "reader"])
def test_the_live_page_is_for_staff(who: str | None, client: Callable[..., Client]) -> None:
    answer = client(who).get("/pipelog/live/top.json?by=bot")
    assert answer.status_code == 302
    assert answer["Location"] == "/login/?next=/pipelog/live/top.json%3Fby%3Dbot"


def echo(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    """A WSGI application that answers with what it was asked."""
    start_response("202 Accepted", [("Content-Type", "text/plain"), ("ETag", '"1"')])
    return [json.dumps([environ["SCRIPT_NAME"], environ["PATH_INFO"], environ["QUERY_STRING"]]).encode()]


@pytest.mark.parametrize(
    ("address", "mount", "path", "query"),
    [
        ("/pipelog/live/", "/pipelog/live", "/", ""),
        ("/pipelog/live/pages.json?days=-7d&n=5", "/pipelog/live", "/pages.json", "days=-7d&n=5"),
        ("/pipelog/live/caf%C3%A9", "/pipelog/live", "/caf\xc3\xa9", ""),
    ],
)
def test_the_live_page_is_told_where_it_stands(
    address: str, mount: str, path: str, query: str,
    client: Callable[..., Client], state: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    made: dict[str, Any] = {}

    def make_application(settings: Settings, **given: Any) -> Callable[..., list[bytes]]:
        made.update(given, settings=settings)
        return echo

    monkeypatch.setitem(sys.modules, "pipelog.web", SimpleNamespace(make_application=make_application))
    with settings(state=state):
        answer = client("staff").get(address)
        assert (made["settings"].state, made["hosts"], made["token"]) == (state, "*", "")  # Django has checked both
        assert made["hits"]().total("/releases/1/") == 8
        assert made["now"]().date() == TODAY
    assert (answer.status_code, answer["ETag"]) == (202, '"1"')
    assert json.loads(answer.content) == [mount, path, query]


def test_the_live_page_says_which_extra_it_needs(
    client: Callable[..., Client], state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pipelog.web", None)
    with settings(state=state):
        answer = client("staff").get("/pipelog/live/")
    assert (answer.status_code, answer.content.splitlines()) == (
        501,
        [b"The live page needs pipelog.web: pip install 'pipelog-httpd[web]'"],
    )


def test_the_live_page_itself(client: Callable[..., Client], state: Path) -> None:
    with settings(state=state):
        browser = client("staff")
        page = browser.get("/pipelog/live/").content.decode()
        assert "/releases/1/" in page
        assert 'href="/pipelog/live/' in page
        assert browser.get("/pipelog/live/pages.json").json()["pages"][0]["page"] == "/releases/1/"
        assert browser.get("/pipelog/live/nosuch").status_code == 404
