"""The live page as an application: each address, in words and as JSON; who may look; what is refused."""

from __future__ import annotations

import http.client
import json
import re
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from html import unescape
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode
from wsgiref.util import setup_testing_defaults
from wsgiref.validate import validator

import pytest
from cli_helpers import PIPELOG, environment, pipelog

from pipelog import config
from pipelog.backends.keys import Keys
from pipelog.backends.memcached import MemcachedBackend
from pipelog.backends.sqlite import SQLiteBackend
from pipelog.counting.leaders import Leaders
from pipelog.locators import Location
from pipelog.model import Coordinate, DailyCount
from pipelog.overview import TABLES, Overview, by_medium
from pipelog.queries import Hits
from pipelog.sinks.sqlite import SQLiteSink
from pipelog.testing.servers import memcached
from pipelog.web import LivePage, make_application
from pipelog.web.charts import bars, curves, rough, sparkline
from pipelog.web.fresh import AGE, FORGOTTEN, Fresh
from pipelog.web.render import bytes_, change

NOW = datetime(2026, 11, 26, 15, 42)
TODAY = NOW.date()
DAY = timedelta(days=1)
HOSTILE = [
    '/"><script>alert(1)</script>',
    "/'onmouseover='x",
    "/\u202egnp.exe",
    "/\x1b[31m\x00\x07",
    "/\udce9\udcff",
    "/{{ 7*7 }}{% raw %}",
    "javascript:alert(1)",
    "/a?b=1&c=2#d",
    "/" + "long/" * 100,
]


def rows(day: date, scale: int = 1) -> Iterator[DailyCount]:
    """What was counted on a day: ten pages and all that belongs to them."""
    for n in range(1, 11):
        page = f"/releases/{n}/"
        yield DailyCount(day, "", page, "views", "", n * scale)
        yield DailyCount(day, "", page, "referrer", "social/Reddit" if n % 2 else "search/Google", n)
        yield DailyCount(day, "", page, "bot", "ai-training/GPTBot" if n % 2 else "search/Googlebot", n)
    yield DailyCount(day, "", "/releases/1/", "keyword", "harbour bridge", 3)
    yield DailyCount(day, "", "/releases/1/", "campaign", "letter/-/may", 2)
    yield DailyCount(day, "", "/gone/", "missing", "", 5)
    for minute, count in (("00:00", 5), ("15:42", 30), ("15:43", 20)):
        if day < TODAY or minute < "15:43":
            yield DailyCount(day, "", "", "minute", minute, count * scale)
    for status, count in (("200", 90), ("404", 5)):
        yield DailyCount(day, "", "", "status", status, count)
    yield DailyCount(day, "", "", "requests", "", 95)
    yield DailyCount(day, "", "", "bytes", "", 12_345_678)
    yield DailyCount(day, "two", "/", "views", "", 1)
    yield DailyCount(day, "two", "", "minute", "00:00", 1)
    yield DailyCount(day, "two", "", "requests", "", 1)


def commit(backend: Any, counted: list[DailyCount]) -> None:
    """Count as the intake does."""
    keys = Keys()
    tally = {Coordinate(*row[:5]): row.count for row in counted}
    leaders = Leaders()
    leaders.add(tally)
    documents = {
        keys.document("leaders", "web1", day=TODAY): leaders.encode(),
        keys.document("sources", day=TODAY): b'["web1"]',
    }
    for coordinate in tally:
        if keys.is_hashed(key := keys.counter(coordinate)):
            documents[keys.name(key)] = json.dumps([f"{TODAY}", *coordinate[1:]]).encode()
    backend.commit({keys.counter(c): n for c, n in tally.items()}, documents, ttl=10**6)


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def words(self) -> str:
        return " ".join(unescape(re.sub(r"<[^>]*>", " ", self.text)).split())


class Site:
    """The application, asked as a server asks it."""

    def __init__(self, application: Any) -> None:
        self.application = validator(application)

    def get(self, address: str = "/", method: str = "GET", body: bytes = b"", root: str = "", **more: str) -> Answer:
        path, _, query = address.partition("?")
        environ: dict[str, Any] = {"PATH_INFO": path, "QUERY_STRING": query, "REQUEST_METHOD": method}
        environ |= {"SCRIPT_NAME": root, "HTTP_HOST": "localhost:8765", "wsgi.input": BytesIO(body)} | more
        if body:
            environ["CONTENT_LENGTH"] = str(len(body))
        setup_testing_defaults(environ)
        told: list[Any] = []
        answer = self.application(environ, lambda status, headers, *_: told.extend((status, headers)))
        content = b"".join(answer)
        answer.close()
        return Answer(int(told[0][:3]), dict(told[1]), content)


def page_over(folder: Path, server: Location | None = None, **settings: Any) -> LivePage:
    """The live page over stores in a folder (or memcached), at NOW. Each of its threads has stores of its own."""
    return LivePage(
        lambda: Hits(
            counters=MemcachedBackend.from_location(server) if server else SQLiteBackend(folder / "counters.db"),
            history=SQLiteSink(folder / "history.db"),
            today=lambda: TODAY,
        ),
        now=lambda: NOW,
        **settings,
    )


@pytest.fixture(scope="module", params=["sqlite", "memcached"])
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Ten days of history, and today."""
    folder = tmp_path_factory.mktemp("stores")
    with SQLiteSink(folder / "history.db") as sink:
        for ago in range(1, 11):
            sink.replace_day(TODAY - ago * DAY, "web1", rows(TODAY - ago * DAY, 2), lines=1)
    if request.param == "sqlite":
        with SQLiteBackend(folder / "counters.db") as backend:
            commit(backend, list(rows(TODAY)))
        yield Site(page_over(folder))
        return
    with memcached() as server:
        location = Location.parse(server.url)
        with MemcachedBackend.from_location(location) as counters:
            commit(counters, list(rows(TODAY)))
        yield Site(page_over(folder, location))


@pytest.fixture
def empty(tmp_path: Path) -> Site:
    return Site(page_over(tmp_path))


# -- what it shows --


def test_today_in_words(site: Site) -> None:
    answer = site.get()
    assert answer.status == 200
    assert "35 views today" in answer.words
    assert "50 % less than the 70 yesterday by 15:42" in answer.words.replace("\N{NO-BREAK SPACE}", " ")
    for words in ("/releases/10/ 10", "Reddit 25", "Googlebot /releases/10/ /releases/8/ /releases/6/ 30", "/gone/ 5"):
        assert words in answer.words
    assert answer.text.count('class="spark"') == 10
    assert "live.js" in answer.text


def test_today_as_json(site: Site) -> None:
    found = site.get("/index.json").json
    assert (found["site"], found["since"], found["until"], found["problems"]) == ("", "2026-11-26", "2026-11-26", [])
    assert found["now"] == {
        "minute": "15:42",
        "views": 35,
        "yesterday": 70,
        "week_ago": 70,
        "minutes": [0] * 59 + [30],
    }
    assert set(found["tables"]) == set(TABLES) - {"minutes"}


ROWS = {
    "pages": {"page": "/releases/10/", "views": 10, "trend": [0] * 19 + [20] * 10 + [10]},
    "sources": {"medium": "search", "source": "Google", "views": 30},
    "keywords": {"keyword": "harbour bridge", "views": 3},
    "campaigns": {"campaign": "letter/-/may", "views": 2},
    "bots": {
        "kind": "search",
        "bot": "Googlebot",
        "requests": 30,
        "reads": ["/releases/10/", "/releases/8/", "/releases/6/"],
    },
    "missing": {"page": "/gone/", "requests": 5},
    "statuses": {"status": "200", "requests": 90},
    "sites": {"site": "", "views": 35, "requests": 95, "bytes": 12_345_678},
    "days": {"day": "2026-11-26", "views": 35},
    "minutes": {"minute": "00:00", "views": 5},
}


@pytest.mark.parametrize("name", TABLES)
def test_each_table_has_an_address(site: Site, name: str) -> None:
    found = site.get(f"/{name}.json").json
    assert list(found) == ["site", "since", "until", name]
    assert found[name][0] == ROWS[name]
    assert len(site.get(f"/{name}.json?n=1").json[name]) == 1
    answer = site.get(f"/{name}?days=-7d")
    assert answer.status == 200
    assert "19 November 2026 to 25 November 2026" in answer.words


def test_past_days_and_ranges(site: Site) -> None:
    for words, views in (("yesterday", 110), ("-3d", 330), ("2026-11-20..2026-11-21", 220), ("2026-11", 1135)):
        found = site.get(f"/index.json?days={words}").json
        assert sum(row["views"] for row in found["tables"]["days"]) == views
        assert (found["now"] is None) == (words != "today")
        assert "live.js" not in site.get(f"/?days={words}").text
    assert site.get("/pages.json?days=yesterday").json["pages"][0]["views"] == 20
    assert site.get("/pages.json?days=-1d..today").json["pages"][0]["views"] == 30
    assert site.get("/pages.json?since=2026-11-25&until=2026-11-26").json["pages"][0]["views"] == 30
    assert site.get("/pages.json?since=2026-11-25&until=").json["pages"][0]["views"] == 20


def test_a_page(site: Site) -> None:
    found = site.get("/page.json?days=-2d..today&name=/releases/1/").json["page"]
    assert (found["today"], found["total"], found["views"]) == (1, 21, 5)
    assert [row["views"] for row in found["days"]] == [2, 2, 1]
    assert found["sources"] == [{"medium": "social", "source": "Reddit", "views": 3}]
    assert found["keywords"] == [{"keyword": "harbour bridge", "views": 9}]
    assert found["bots"] == [{"kind": "ai-training", "bot": "GPTBot", "requests": 3, "reads": []}]
    assert "today 1" in site.get("/page?days=-2d..today&name=/releases/1/").words


def test_what_a_value_belongs_to(site: Site) -> None:
    expected = [{"page": f"/releases/{n}/", "count": n} for n in (9, 7, 5, 3, 1)]
    assert site.get("/bot.json?name=ai-training/GPTBot").json["pages"] == expected
    assert site.get("/source.json?name=social/Reddit").json["pages"] == expected
    assert site.get("/keyword.json?name=harbour%20bridge").json["pages"] == [{"page": "/releases/1/", "count": 3}]
    assert "What it read" in site.get("/bot?name=ai-training/GPTBot").words
    assert site.get("/bot.json?name=search/Nobody").json["pages"] == []
    assert "Nothing on these days" in site.get("/bot?name=search/Nobody").words


def test_search(site: Site) -> None:
    assert [row["page"] for row in site.get("/search.json?q=RELEASES/1").json["pages"]] == [
        "/releases/10/",
        "/releases/1/",
    ]
    assert site.get("/search.json?q=").json["pages"] == []
    assert "No page of these days" in site.get("/search?q=nothing").words


def test_another_site(site: Site) -> None:
    assert site.get("/index.json?site=two").json["now"]["views"] == 1
    assert site.get("/pages.json?site=two").json["pages"][0]["page"] == "/"
    assert 'href="/page?site=two&amp;name=/"' in site.get("/?site=two").text


def test_every_link_leads_somewhere(site: Site) -> None:
    seen: set[str] = set()
    wanted = ["/mount/", "/mount/?days=-7d"]
    while wanted:
        address = wanted.pop()
        answer = site.get(address.removeprefix("/mount"), root="/mount")
        assert answer.status == 200, address
        for link in map(unescape, re.findall(r'(?:href|src|data-part)="([^"#]+)"', answer.text)):
            assert link.startswith("/mount/"), link
            if link not in seen and len(seen) < 80:
                seen.add(link)
                wanted.append(link)
    assert len(seen) > 60


# -- strangers' words --


def test_hostile_names_stand_there_as_text(tmp_path: Path) -> None:
    counted = [DailyCount(TODAY, "", name, "views", "", 2) for name in HOSTILE]
    counted += [
        DailyCount(TODAY, "", "/a", kind, name, 3) for name in HOSTILE for kind in ("referrer", "keyword", "campaign")
    ]
    counted += [DailyCount(TODAY, "", "/a", "bot", f"search/{name}", 1) for name in HOSTILE]
    counted += [DailyCount(TODAY, "", name, "missing", "", 1) for name in HOSTILE]
    counted += [DailyCount(TODAY, "", "/a", "views", "", 1), DailyCount(TODAY, "", "", "requests", "", 9)]
    counted += [DailyCount(TODAY, HOSTILE[0], "", "requests", "", 9), DailyCount(TODAY, "", "", "minute", "00:00", 9)]
    with SQLiteBackend(tmp_path / "counters.db") as backend:
        commit(backend, counted)
    site = Site(page_over(tmp_path))
    addresses = ["/", *(f"/{name}" for name in TABLES), "/page?name=/a"]
    for name in HOSTILE:
        raw = quote(name.encode("utf-8", "surrogateescape"), safe="")
        addresses += [f"/page?name={raw}", f"/keyword?name={raw}", f"/bot?name=search%2F{raw}", f"/search?q={raw}"]
    for address in addresses:
        answer = site.get(address)
        assert answer.status == 200, address
        assert "<script>alert" not in answer.text
        assert not re.search("[\x00-\x08\x0e-\x1f\x7f\u202a-\u202e\ud800-\udfff]", answer.text)
        assert not re.search(r"<[^>]*\sonmouseover=", answer.text)
        assert not re.search(r"\sstyle=", answer.text)
    found = {row["page"] for row in site.get("/pages.json").json["pages"]}
    assert set(HOSTILE) <= found


# -- who may look --


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:8765", "[::1]:80", "LOCALHOST.", "stats.example.org"])
def test_hosts_that_are_ours(tmp_path: Path, host: str) -> None:
    assert Site(page_over(tmp_path, hosts="stats.example.org, other")).get(HTTP_HOST=host).status == 200


@pytest.mark.parametrize(
    "host", ["", "evil.example", "localhost.evil.example", "127.0.0.1.nip.io", "a b", "[::1", "x" * 999]
)
def test_hosts_that_are_not(tmp_path: Path, host: str) -> None:
    answer = Site(page_over(tmp_path, hosts="stats.example.org")).get(HTTP_HOST=host)
    assert answer.status == 400
    assert "web_hosts" in answer.words
    assert Site(page_over(tmp_path, hosts="*")).get(HTTP_HOST=host).status == 200


TOKEN = "correct hörse"


def test_the_token(tmp_path: Path) -> None:
    site = Site(page_over(tmp_path, token=TOKEN))
    for more in (
        {},
        {"HTTP_AUTHORIZATION": "Bearer wrong"},
        {"HTTP_AUTHORIZATION": "Basic x"},
        {"HTTP_COOKIE": "pipelog=" + "0" * 64},
    ):
        assert site.get(**more).status == 403
        assert site.get("/index.json", **more).json["error"].startswith("Give the token")
    assert site.get("/static/style.css").status == 200  # the form has its looks
    assert site.get("/?token=" + quote(TOKEN)).status == 403
    header = f"Bearer {TOKEN}".encode().decode("latin-1")
    assert site.get("/index.json", HTTP_AUTHORIZATION=header).status == 200


def test_the_form_for_the_token(tmp_path: Path) -> None:
    site = Site(page_over(tmp_path, token=TOKEN))
    assert "was not the token" in site.get("/login", "POST", b"token=wrong").words
    assert site.get("/login", "POST", b"token=wrong").status == 403
    answer = site.get(
        "/login", "POST", urlencode({"token": TOKEN}).encode(), root="/stats", **{"wsgi.url_scheme": "https"}
    )
    assert (answer.status, answer.headers["Location"]) == (303, "/stats/")
    cookie, *attributes = answer.headers["Set-Cookie"].split("; ")
    assert set(attributes) == {"Path=/stats/", "Max-Age=2592000", "HttpOnly", "SameSite=Strict", "Secure"}
    assert "horse" not in cookie
    assert site.get(HTTP_COOKIE=f"other=1; {cookie}").status == 200
    assert Site(page_over(tmp_path)).get("/login", "POST", b"token=").status == 403  # where there is none, none fits


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
def test_only_reading(site: Site, method: str) -> None:
    answer = site.get("/", method)
    assert (answer.status, answer.headers["Allow"]) == (405, "GET, HEAD")


def test_what_every_answer_says(site: Site) -> None:
    for address in ("/", "/index.json", "/nothing", "/static/live.js"):
        answer = site.get(address)
        policy = answer.headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none';")
        assert "unsafe" not in policy
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert "http" not in re.sub(r'xmlns="[^"]*"', "", answer.text)  # nothing from elsewhere
    assert len(site.get("/static/live.js").text.splitlines()) <= 60


def test_head_and_etag(site: Site) -> None:
    answer = site.get("/?part=1")
    head = site.get("/?part=1", "HEAD")
    assert (head.status, head.body, head.headers) == (200, b"", answer.headers)
    again = site.get("/?part=1", HTTP_IF_NONE_MATCH=answer.headers["ETag"])
    assert (again.status, again.body) == (304, b"")
    assert site.get("/?part=1", HTTP_IF_NONE_MATCH='"other"').status == 200
    assert "<html" not in answer.text


# -- what is refused --


@pytest.mark.parametrize(
    ("address", "status", "words"),
    [
        ("/nothing", 404, "nothing at this address"),
        ("/static/../wsgi.py", 404, "nothing at this address"),
        ("/page?name=/never", 404, "/never has never been read"),
        ("/?days=soon", 400, "'soon' is no date; write 2026-11-22"),
        ("/?days=2026-11-31", 400, "is no date"),
        ("/?days=2026-11-27", 400, "is yet to come"),
        ("/?days=2020-01-01..today", 400, "more than 400 days"),
        ("/?days=%3Cscript%3E", 400, "'<script>' is no date"),
        ("/?since=2026-11-20&until=2026-11-19", 400, "ends before it begins"),
        ("/pages?n=0", 400, "n is a whole number"),
        ("/pages?n=٣", 400, "n is a whole number"),
        ("/?" + "a=1&" * 50, 400, "too many parameters"),
        ("/?q=" + "a" * 20_000, 400, "too long"),
    ],
)
def test_refusals_say_why_and_lead_back(site: Site, address: str, status: int, words: str) -> None:
    answer = site.get(address, root="/stats")
    assert answer.status == status
    assert words in answer.words
    assert 'href="/stats/"' in answer.text
    path, _, query = address.partition("?")
    refused = site.get(f"{path if path != '/' else '/index'}.json?{query}")
    assert (refused.status, list(refused.json)) == (status, ["error"])


def test_an_empty_store_tells_how_to_start(empty: Site) -> None:
    answer = empty.get()
    assert answer.status == 200
    assert "CustomLog" in answer.words
    assert "<svg" not in answer.text
    assert empty.get("/index.json").json["now"]["views"] == 0


def test_backend_down_shows_history(tmp_path: Path) -> None:
    with SQLiteSink(tmp_path / "history.db") as sink:
        for ago in (2, 3):
            sink.replace_day(TODAY - ago * DAY, "web1", rows(TODAY - ago * DAY), lines=1)
    with memcached() as server:
        server.stop()
        site = Site(page_over(tmp_path, Location.parse(server.url)))
        answer = site.get()
        assert answer.status == 200
        assert "Today's counters do not answer" in answer.words
        assert "110 views, 23 November 2026 to 24 November 2026" in answer.words
        assert len(site.get("/index.json").json["problems"]) == 1
        refused = site.get("/pages.json")
        assert (refused.status, list(refused.json)) == (503, ["error"])
        assert site.get("/pages.json?days=2026-11-24").json["pages"][0]["views"] == 10


def test_a_history_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "history.db").write_text("no database\n" * 100)
    answer = Site(page_over(tmp_path)).get()
    assert answer.status == 503
    assert "The numbers cannot be read now" in answer.words


# -- the parts --


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_quick_answers_are_remembered_for_a_moment() -> None:
    clock, asked = Clock(), []
    fresh = Fresh(lambda: "source", clock=clock)

    def question(source: str) -> int:
        asked.append(source)
        return len(asked)

    assert [fresh.get("a", question), fresh.get("a", question)] == [1, 1]
    clock.now += AGE
    assert fresh.get("a", question) == 2
    assert fresh.get("b", question) == 3


def test_slow_answers_are_found_again_beside_the_requests() -> None:
    clock, done = Clock(), threading.Event()
    fresh = Fresh(lambda: None, clock=clock)
    threads: list[int] = []

    def question(source: None) -> int:
        clock.now += 0.1
        threads.append(threading.get_ident())
        done.set()
        return len(threads)

    assert fresh.get("a", question) == 1
    clock.now += 1  # over five times what it took
    done.clear()
    assert fresh.get("a", question) == 1
    assert done.wait(10)
    assert threads[1] != threads[0]
    clock.now += FORGOTTEN + 1
    assert fresh.get("a", question) == 3
    assert threads[2] == threads[0]


def test_whoever_waits_gets_what_is_so_now() -> None:
    clock, asked = Clock(), []
    fresh = Fresh(lambda: None, clock=clock)

    def question(source: None) -> int:
        clock.now += 10
        asked.append(source)
        return len(asked)

    assert fresh.get("a", question, wait=True) == 1
    clock.now += AGE
    assert fresh.get("a", question, wait=True) == 2


def test_a_question_that_fails_is_asked_again() -> None:
    fresh = Fresh(lambda: None)
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            fresh.get("a", lambda _: 1 // 0)
    assert fresh.get("a", lambda _: 5) == 5


def test_charts_hold_shapes_and_words_only() -> None:
    drawn = [
        curves([[1, 5, 3], [4]], ["a", "b", "c", "d"], "c", step=2),
        bars([1, 2], ["a", "b"], "b", step=1),
        sparkline([0, 3]),
    ]
    for chart in drawn:
        assert not re.search(r"<(script|style|desc|defs)|style=|href|id=", chart)
    assert "<title>b 2</title>" in drawn[1]
    assert bars([], [], "nothing", step=1).startswith("<svg")
    assert sparkline([]) == sparkline([0])[:0] + sparkline([])


@pytest.mark.parametrize(
    ("most", "end"), [(0, 2), (1, 2), (3, 4), (7, 8), (61, 80), (100, 100), (101, 120), (999, 1_000), (12_345, 16_000)]
)
def test_ends_of_axes(most: int, end: int) -> None:
    assert rough(most) == end


def test_words_of_numbers() -> None:
    assert [bytes_(n).replace("\N{NO-BREAK SPACE}", " ") for n in (0, 999, 1_500, 12_345_678, 5 * 10**15)] == [
        "0 B",
        "999 B",
        "1.5 kB",
        "12 MB",
        "5,000 TB",
    ]
    assert [change(5, then).replace("\N{NO-BREAK SPACE}", " ") for then in (0, None, 5, 4, 10)] == [
        "",
        "",
        "the same as",
        "25 % more than",
        "50 % less than",
    ]


# -- the commands --


def test_serve(tmp_path: Path) -> None:
    server = subprocess.Popen(
        [*PIPELOG, "serve", "--listen", "127.0.0.1:0", "--prefix", "/stats"],
        env=environment(state=str(tmp_path), web_token="secret"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert server.stdout
        found = re.fullmatch(r"http://127\.0\.0\.1:(\d+)/stats/\n", server.stdout.readline())
        assert found
        connection = http.client.HTTPConnection("127.0.0.1", int(found[1]), timeout=20)
        for path, headers, status in (
            ("/", {}, 403),
            ("/stats/", {"Authorization": "Bearer secret"}, 200),
            ("/stats/", {"Host": "evil.example"}, 400),
        ):
            connection.request("GET", path, headers=headers)
            answer = connection.getresponse()
            assert answer.status == status
            assert b'href="/stats/static/style.css"' in answer.read()
    finally:
        server.terminate()
        _, said = server.communicate(timeout=20)
    assert "secret" not in said


@pytest.mark.parametrize("listen", ["8765", "localhost:99999", "a b:1", "http://localhost:1/"])
def test_serve_at_no_address(tmp_path: Path, listen: str) -> None:
    done = pipelog(tmp_path, "serve", "--listen", listen)
    assert (done.returncode, done.stdout) == (1, b"")
    assert b"give a host and a port" in done.stderr


def counted(folder: Path) -> None:
    today = date.today()
    with SQLiteSink(folder / "history.db") as sink:
        for ago in (1, 2, 3):
            day = today - ago * DAY
            sink.replace_day(day, "web1", (row._replace(day=day) for row in rows(TODAY - DAY)), lines=1)


def test_report(tmp_path: Path) -> None:
    counted(tmp_path)
    file = tmp_path / "week.html"
    file.write_text("the last one")
    done = pipelog(tmp_path, "report", "-o", str(file), "-7d")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    text = file.read_text()
    assert "165</span> views" in text
    assert not re.search(r"<(script|a|link|form|img)\b|\sstyle=|src=|https?://(?!www\.w3\.org/2000/svg)", text)
    assert text.count("<svg") > 10
    assert [path.name for path in tmp_path.glob("*week*")] == ["week.html"]


def test_report_as_json(tmp_path: Path) -> None:
    counted(tmp_path)
    done = pipelog(tmp_path, "report", "--output", "json", "-o", "-")
    assert done.returncode == 0
    assert json.loads(done.stdout)["tables"]["pages"][0]["views"] == 10


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["-o", "{}/absent/x.html"], 1, b"No such file or directory"),
        (["-o", "{}/x.html", "soon"], 1, b"'soon' is no date"),
        (["-o", "{}/x.html", "2020-01-01..today"], 1, b"1 to 400 days"),
        ([], 2, b"-o"),
    ],
)
def test_reports_that_are_refused(tmp_path: Path, arguments: list[str], code: int, words: bytes) -> None:
    done = pipelog(tmp_path, "report", *(argument.format(tmp_path) for argument in arguments))
    assert done.returncode == code
    assert words in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not list(tmp_path.glob("*.html"))


@pytest.mark.parametrize("command", ["serve", "report -o x.html"])
def test_without_the_extra(tmp_path: Path, command: str) -> None:
    code = f"""
        import sys
        for name in ("jinja2", "pygal", "waitress"):
            sys.modules[name] = None
        from pipelog.cli import main
        sys.exit(main({command.split()!r}))
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        env=environment(state=str(tmp_path)),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=tmp_path,
    )
    assert done.returncode == 1
    assert re.fullmatch(r"pipelog: .*pip install 'pipelog-httpd\[web\]'\n", done.stderr)


def test_settings_reach_the_page(tmp_path: Path) -> None:
    settings = config.load(
        {"state": str(tmp_path), "web_hosts": "x.example", "web_token": "t"}, config="/dev/null", environ={}
    )
    site = Site(make_application(settings))
    assert site.get(HTTP_HOST="x.example").status == 403
    assert Site(make_application(settings, token="")).get(HTTP_HOST="x.example").status == 200
    done = pipelog(tmp_path, "check", web_token="very secret")
    assert b"web_token" in done.stdout
    assert b"very secret" not in done.stdout


def test_media_by_views() -> None:
    hits = Hits(counters=None, history=None)
    assert Overview(hits).is_empty()
    assert by_medium([]) == []
