"""What one line counts for: the definition of a view, a rule at a time."""

from __future__ import annotations

from collections import Counter
from datetime import date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest

from pipelog.counting.rules import OTHER, Rules
from pipelog.counting.views import MAX_SIZE, NOTHING, Judge, Request, purposes
from pipelog.errors import SettingsError
from pipelog.model import Coordinate, Record

BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
DAY = date(2026, 11, 22)
NOON = datetime(2026, 11, 22, 12, 34, 56, tzinfo=timezone(timedelta(hours=1)))
VIEW = Record(
    time=NOON,
    site="www.example.org",
    host="192.0.2.7",
    user=None,
    method="GET",
    target="/a",
    protocol="HTTP/1.1",
    status=200,
    size=512,
    referrer=None,
    agent=BROWSER,
    fields={},
)


def counted(rules: Rules | None = None, **changes: object) -> dict[tuple[str, str, str], int]:
    """(page, dimension, value) -> count of the view above with some changes."""
    found: Counter[tuple[str, str, str]] = Counter()
    for (day, site, page, dimension, value), count in Judge(rules or Rules()).coordinates(VIEW._replace(**changes)):  # type: ignore[arg-type]
        assert day == DAY
        assert site == "www.example.org"
        found[page, dimension, value] += count
    return dict(found)


def is_view(rules: Rules | None = None, **changes: object) -> bool:
    return any(dimension == "views" for _, dimension, _ in counted(rules, **changes))


def test_a_view() -> None:
    assert counted() == {
        ("", "requests", ""): 1,
        ("", "bytes", ""): 512,
        ("", "status", "200"): 1,
        ("/a", "views", ""): 1,
        ("", "minute", "12:34"): 1,
    }


def test_all_that_a_view_can_tell() -> None:
    found = counted(
        target="/a?utm_source=News&utm_medium=mail&utm_campaign=Nov/26&utm_term=Press+Kit",
        referrer="https://www.bing.com/search?q=other",
    )
    assert found == counted() | {
        ("/a", "campaign", "news/mail/nov%2F26"): 1,
        ("/a", "referrer", "search/Bing"): 1,
        ("/a", "keyword", "press kit"): 1,
    }


# -- what is a view ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [200, 201, 202, 203, 204, 205, 304])
def test_statuses_of_views(status: int) -> None:
    assert is_view(status=status)


@pytest.mark.parametrize("status", [None, 100, 199, 206, 301, 302, 400, 403, 404, 500, 0, 999])
def test_statuses_of_none(status: int | None) -> None:
    assert not is_view(status=status)


@pytest.mark.parametrize("method", ["POST", "HEAD", "OPTIONS", "get", "", None])
def test_methods_of_none(method: str | None) -> None:
    assert not is_view(method=method)


@pytest.mark.parametrize(
    "target",
    [
        "/a.css",
        "/a.JS",
        "/a.js?v=5",
        "/a.b.png",
        "/fonts/x.woff2",
        "/img/a.%6apg",
        "/.css",
        "/a/b.svg#x",
        "http://www.example.org/a.css",
        "/robots.txt",
        "//robots.txt",
        "/%72obots.txt",
        "http://www.example.org/robots.txt?x",
        "/favicon.ico",
        "/" + "a" * 2000 + ".css",
    ],
)
def test_assets_are_no_pages(target: str) -> None:
    assert not is_view(target=target)


@pytest.mark.parametrize(
    "target",
    ["/a.html", "/a.php", "/css", "/a.css/", "/a.cssx", "/a.pdf", "/robots.txt/", "/a/robots.txt", "/a?x.css", "/a.b"],
)
def test_pages(target: str) -> None:
    assert is_view(target=target)


@pytest.mark.parametrize("target", [None, "", "*", "?x", "example.org:443", "/a b", "/a\x00", "/a\tb", "/a\x7f"])
def test_targets_of_none(target: str | None) -> None:
    assert not is_view(target=target)


@pytest.mark.parametrize(
    ("fields", "view"),
    [
        ({}, True),
        ({"%{Sec-Purpose}i": None}, True),
        ({"%{Sec-Purpose}i": ""}, True),
        ({"%{Sec-Purpose}i": "prefetch"}, False),
        ({"%{Sec-Purpose}i": "prefetch;prerender"}, False),
        ({"%{sec-purpose}i": "Prefetch"}, False),
        ({"%!200{Purpose}i": "preview"}, False),
        ({"%{X-Purpose}i": "preview"}, False),
        ({"%{X-Moz}i": "prefetch"}, False),
        ({"%{Purpose}i": None, "%{X-Moz}i": "prefetch"}, False),
        ({"%{Purpose}i": "navigate"}, True),
        ({"%{Other}i": "prefetch"}, True),
        ({"%{Purpose}o": "prefetch"}, True),
    ],
)
def test_a_page_fetched_ahead_is_no_view(fields: dict[str, object], view: bool) -> None:
    assert is_view(fields=fields) is view
    assert counted(fields=fields)["", "requests", ""] == 1


def test_no_words_no_prefetch() -> None:
    assert is_view(Rules(prefetch=()), fields={"%{Sec-Purpose}i": "prefetch"})
    assert is_view(Rules(prefetch=("",)), fields={"%{Sec-Purpose}i": "prefetch"})


def test_purposes_of_several_headers() -> None:
    assert purposes({"%{Purpose}i": "a", "%h": "b", "%{X-Moz}i": "c"}) == "a c"
    assert purposes({"%{Purpose}i": None}) is None


@pytest.mark.parametrize(
    ("agent", "value"),
    [("curl/8.5.0", "tool/curl"), (None, "other/(no agent)"), ("", "other/(no agent)")],
)
def test_a_bot_counts_in_its_own_dimension(agent: str | None, value: str) -> None:
    found = counted(agent=agent, referrer="https://example.com/", target="/a?utm_source=x")
    assert found == {
        ("", "requests", ""): 1,
        ("", "bytes", ""): 512,
        ("", "status", "200"): 1,
        ("/a", "bot", value): 1,
    }


def test_where_the_format_lacks_the_agent_nobody_is_a_bot() -> None:
    found = dict(Judge(Rules()).coordinates(VIEW._replace(agent=None), has_agent=False))
    assert found[Coordinate(DAY, "www.example.org", "/a", "views", "")] == 1


# -- what else is counted ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "page"),
    [
        ({"target": "/a?x"}, "/a"),
        ({"target": "/a.css"}, "/a.css"),
        ({"target": "/a", "method": "HEAD"}, "/a"),
        ({"target": "/a", "agent": "curl/8"}, "/a"),
        ({"target": "/a", "method": "POST"}, None),
        ({"target": "*"}, None),
        ({"target": "/a b"}, None),
        ({"target": "/" + "a" * 2000}, OTHER),
    ],
)
def test_missing_pages(changes: dict[str, object], page: str | None) -> None:
    found = counted(status=404, **changes)
    assert [key for key in found if key[1] == "missing"] == ([] if page is None else [(page, "missing", "")])


@pytest.mark.parametrize(("size", "number"), [(None, 0), (0, 0), (1, 1), (MAX_SIZE - 1, MAX_SIZE - 1), (MAX_SIZE, 0)])
def test_bytes(size: int | None, number: int) -> None:
    assert counted(size=size).get(("", "bytes", ""), 0) == number


def test_a_line_without_time_counts_for_nothing() -> None:
    assert list(Judge(Rules()).coordinates(VIEW._replace(time=None))) == []


def test_a_line_without_a_request_is_a_request_with_a_status() -> None:
    found = counted(method=None, target=None, status=408, size=None)
    assert found == {("", "requests", ""): 1, ("", "status", "408"): 1}


@pytest.mark.parametrize(
    ("query", "campaign", "keyword"),
    [
        ("", "", ""),
        ("utm_source=x", "x/-/-", ""),
        ("utm_medium=Mail", "-/mail/-", ""),
        ("a=1&utm_campaign=c&utm_source=s", "s/-/c", ""),
        ("utm_source=a%2Fb", "a%2Fb/-/-", ""),
        ("utm_source=", "", ""),
        ("utm_source=%00", "", ""),
        ("utm_term=Press+Kit", "", "press kit"),
        ("xutm_=1", "", ""),
        ("x#utm_source=x", "", ""),
        ("q=press", "", ""),
    ],
)
def test_campaigns(query: str, campaign: str, keyword: str) -> None:
    assert Judge(Rules()).request("GET", f"/a?{query}") == Request("/a", "/a", campaign, keyword)


@pytest.mark.parametrize(
    ("target", "keyword"),
    [
        ("/search?s=Press+Kit", "press kit"),
        ("//search?s=press", "press"),
        ("/s%65arch?x=1&s=press", "press"),
        ("/search?q=press", ""),
        ("/search?s=", ""),
        ("/search", ""),
        ("/search/?s=press", ""),
        ("/other?s=press", ""),
        ("/search?s=press&utm_term=term", "term"),
    ],
)
@pytest.mark.parametrize("path", ["/search", "search"])
def test_the_search_of_the_site(path: str, target: str, keyword: str) -> None:
    request = Judge(Rules(site_search_path=path, site_search_parameter="s")).request("GET", target)
    assert request.keyword == keyword


# -- site, referrer, day -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "site"),
    [
        ("www.example.org", "www.example.org"),
        ("WWW.Example.ORG:443", "www.example.org"),
        ("example.org.", "example.org"),
        ("[::1]:80", "[::1]"),
        (None, "fallback"),
        ("", "fallback"),
        (":80", "fallback"),
        ("a" * 300, "a" * 253),
        ("\udcff", "\udcff"),
    ],
)
def test_site(given: str | None, site: str) -> None:
    assert Judge(Rules(site="fallback")).site(given) == site


@pytest.mark.parametrize(
    ("referrer", "value", "words"),
    [
        (None, "", ""),
        ("-", "", ""),
        ("https://example.com/", "site/example.com", ""),
        ("https://www.google.com/", "search/Google", "(not provided)"),
        # own: the line's site, the configured site and its other names, each with and without www.
        ("https://www.example.org/b", "", ""),
        ("http://example.org:8080/b", "", ""),
        ("https://shop.example.org/", "site/shop.example.org", ""),
        ("https://WWW.EXAMPLE.ORG.:443/b", "", ""),
        ("https://example.org.evil.example/", "site/example.org.evil.example", ""),
        ("https://notexample.org/", "site/notexample.org", ""),
        ("https://user@example.org/", "", ""),
        ("https://www.xn--bcher-kva.example:8443/", "", ""),
        ("https://www.configured.example/", "", ""),
        ("https://configured.example/", "", ""),
        ("https://other.example/", "", ""),
        ("https://www.other.example/?q=x", "", ""),
        # spam: the host and everything below it
        ("https://spam.example/", "", ""),
        ("https://a.b.spam.example/", "", ""),
        ("https://nospam.example/", "site/nospam.example", ""),
        ("https://spam.example.com/", "site/spam.example.com", ""),
    ],
)
def test_referrer(referrer: str | None, value: str, words: str) -> None:
    rules = Rules(
        site="configured.example",
        own_sites=("WWW.Other.example", "Bücher.example"),
        referrer_spam=("Spam.example", "google.spam"),
    )
    assert Judge(rules).referrer(referrer, "www.example.org") == (value, words)


def test_a_site_without_name_is_no_host() -> None:
    assert Judge(Rules()).referrer("https://example.com/", "") == ("site/example.com", "")


@pytest.mark.parametrize(
    ("time", "zone", "day", "minute"),
    [
        (NOON, "", DAY, "12:34"),
        (NOON, "UTC", DAY, "11:34"),
        (NOON, "Asia/Tokyo", DAY, "20:34"),
        (NOON.replace(hour=0), "America/New_York", DAY - timedelta(days=1), "18:34"),
        (NOON.replace(tzinfo=None), "Asia/Tokyo", DAY, "12:34"),
        # Daylight saving ends in Berlin at 03:00, and 02:30 comes twice.
        (datetime(2026, 10, 25, 0, 30, tzinfo=ZoneInfo("UTC")), "Europe/Berlin", date(2026, 10, 25), "02:30"),
        (datetime(2026, 10, 25, 1, 30, tzinfo=ZoneInfo("UTC")), "Europe/Berlin", date(2026, 10, 25), "02:30"),
        (datetime(1, 1, 1, 0, 30, tzinfo=ZoneInfo("UTC")), "America/New_York", date(1, 1, 1), "00:30"),
        (datetime(9999, 12, 31, 23, 30, tzinfo=ZoneInfo("UTC")), "Europe/Berlin", date(9999, 12, 31), "23:30"),
    ],
)
def test_day_and_minute(time: datetime, zone: str, day: date, minute: str) -> None:
    assert Judge(Rules(timezone=zone)).stamp(time) == (day, minute)


# -- settings ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rules", "changes", "view"),
    [
        (Rules(methods=("GET", "POST")), {"method": "POST"}, True),
        (Rules(statuses=(200,)), {"status": 304}, False),
        (Rules(assets=()), {"target": "/a.css"}, True),
        (Rules(assets=("pdf", "c++")), {"target": "/a.pdf"}, False),
        (Rules(assets=("pdf", "c++")), {"target": "/a.c++"}, False),
        (Rules(asset_paths=("/health",)), {"target": "/health?x"}, False),
        (Rules(asset_paths=()), {"target": "/robots.txt"}, True),
    ],
)
def test_rules(rules: Rules, changes: dict[str, object], view: bool) -> None:
    assert is_view(rules, **changes) is view


def test_parameters_and_index_names_make_the_page() -> None:
    judge = Judge(Rules(parameters=("id",), index_names=("index.html",)))
    assert judge.request("GET", "/a/index.html?x=1&id=5").page == "/a/?id=5"
    assert judge.request("GET", "/a/index.css?id=5") == Request(None, "/a/index.css?id=5", "", "")


def test_a_resolver_may_say_that_there_is_no_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipelog.counting.pages.load_resolver", lambda name: {"/a": "object-1"}.get)
    judge = Judge(Rules(resolver="application:resolve"))
    assert judge.request("GET", "/a").page == "object-1"
    assert judge.request("GET", "/b") == NOTHING


@pytest.mark.parametrize("rules", [Rules(timezone="Mars/Olympus"), Rules(timezone="../etc"), Rules(resolver="no")])
def test_rules_that_cannot_be(rules: Rules) -> None:
    with pytest.raises(SettingsError):
        Judge(rules)
