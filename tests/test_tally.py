"""The fast way to a tally: the same numbers as a line at a time, whatever the lines."""

from __future__ import annotations

import random
import subprocess
import sys
import types
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date

import pytest
from counting_helpers import by_definition
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelog.counting import pages
from pipelog.counting import tally as tally_module
from pipelog.counting.caps import Caps
from pipelog.counting.rules import OTHER, Rules
from pipelog.counting.tally import Batch, Memo, Requests, Tallier, tells_agent
from pipelog.counting.views import Judge
from pipelog.model import Coordinate, Tally
from pipelog.parsing.clf import split_request
from pipelog.parsing.columns import Columns
from pipelog.parsing.logformat import LogFormat

DAY = date(2026, 11, 22)
BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
WITH_PURPOSE = '%h %l %u %t "%r" %>s %b "%{Referer}i" "%{User-Agent}i" "%{Sec-Purpose}i"'
WITH_PURPOSES = '%V %t "%r" %>s %b "%{Referer}i" "%{User-Agent}i" "%{purpose}i" "%{X-Moz}i"'
IN_PARTS = '%{%F %T %z}t "%m" "%U" "%q" %>s %B "%{Referer}i"'
FORMATS = ["combined", "common", "vhost_combined", WITH_PURPOSE, WITH_PURPOSES, IN_PARTS]

RULES = Rules(
    site="Fallback.example",
    own_sites=("own.example",),
    referrer_spam=("spam.example",),
    parameters=("id",),
    index_names=("index.html",),
    site_search_path="/search",
    timezone="Europe/Berlin",
)
SITES = replace(
    RULES,
    sites={
        "example.org": Rules(
            fold_case=True, trailing_slash="strip", assets=(), site_search_path="/", site_search_parameter="id"
        ),
        "fallback.example": replace(RULES, own_sites=(), parameters=(), resolver="posixpath:basename"),
        "h": replace(RULES, referrer_spam=("bing.com",), trailing_slash="add"),
    },
)


def tally_of(chunk: bytes, format: str = "combined", rules: Rules | None = None) -> Tally:
    parsed = LogFormat(format)
    return tallied(Tallier(rules or Rules(), parsed), parsed.columns(chunk))


def tallied(tallier: Tallier, *parts: Columns, into: Tally | None = None) -> Tally:
    tally, batch = {} if into is None else into, Batch()
    for columns in parts:
        tallier.add(columns, batch)
    tallier.tally(batch, tally)
    return tally


def line(target: str, *, status: str = "200", size: str = "5", stamp: str = "22/Nov/2026:10:11:12 +0000") -> bytes:
    return f'192.0.2.7 - - [{stamp}] "GET {target} HTTP/1.1" {status} {size} "-" "{BROWSER}"\n'.encode()


def test_counts() -> None:
    tally = tally_of(line("/a") + line("/a?x", size="-") + line("/b", status="404") + b"no log line\n\n")
    assert tally == {
        (DAY, "", "", "requests", ""): 3,
        (DAY, "", "", "bytes", ""): 10,
        (DAY, "", "", "status", "200"): 2,
        (DAY, "", "", "status", "404"): 1,
        (DAY, "", "/a", "views", ""): 2,
        (DAY, "", "/b", "missing", ""): 1,
        (DAY, "", "", "minute", "10:11"): 2,
    }
    assert all(isinstance(coordinate, Coordinate) for coordinate in tally)


def test_an_empty_chunk_counts_nothing() -> None:
    assert tally_of(b"") == {}


def test_the_days_that_are_wanted() -> None:
    format = LogFormat("combined")
    chunk = b"".join(line("/a", stamp=f"{day}/Nov/2026:10:11:12 +0000") for day in (21, 22, 22, 23))
    tally, batch, tallier = Tally(), Batch(), Tallier(Rules(), format)
    tallier.add(format.columns(chunk), batch, days=frozenset((DAY,)))
    tallier.tally(batch, tally)
    assert batch.lines() == {DAY: 2}
    assert {coordinate.day for coordinate in tally} == {DAY}
    assert tally[Coordinate(DAY, "", "/a", "views", "")] == 2
    tallier.add(format.columns(chunk), batch)
    assert batch.lines().total() == 6


def test_absurd_sizes_do_not_burst_a_store() -> None:
    tally = tally_of(line("/a", size="9" * 32) * 10 + line("/a", size="7"))
    assert tally[Coordinate(DAY, "", "", "bytes", "")] == 7
    assert tally[Coordinate(DAY, "", "", "requests", "")] == 11


def test_a_format_without_agent_has_no_bots() -> None:
    assert not tells_agent(LogFormat("common"))
    assert tells_agent(LogFormat("combined"))
    assert tells_agent(LogFormat('%t "%!304{USER-agent}i"'))
    dimensions = {
        c.dimension for c in tally_of(b'h - - [22/Nov/2026:10:11:12 +0000] "GET /a HTTP/1.1" 200 5\n', "common")
    }
    assert "views" in dimensions
    assert "bot" not in dimensions


def test_the_caps_hold_over_chunks() -> None:
    format = LogFormat("combined")
    caps = Caps(Rules(max_pages=2))
    tallier = Tallier(Rules(), format, caps)
    tally: Tally = {}
    for page in "abcadb":
        tallied(tallier, format.columns(line(f"/{page}")), into=tally)
    views = {c.page: count for c, count in tally.items() if c.dimension == "views"}
    assert views == {"/a": 2, "/b": 2, OTHER: 2}
    assert caps.refused["page"] == 2


# -- the two ways ------------------------------------------------------------------------------------------------

HOSTS = ["192.0.2.7", "::1", "h", "Example.ORG:443", "fallback.example", "-", "[::1]:80"]
STAMPS = [
    *["22/Nov/2026:10:11:12 +0000"] * 4, "22/Nov/2026:23:59:59 -0100", "22/Nov/2026:23:30:00 +0000",
    "1/Nov/2026:00:00:00 +1400", "01/Jan/1890:00:00:59 +0000",
    "01/Jan/0001:00:00:00 +1200", "31/Dec/9999:23:59:59 +0000", "31/Feb/2026:00:00:00 +0",
]  # fmt: skip
METHODS = ["GET", "GET", "GET", "HEAD", "POST", "get"]
TARGETS = [
    "/", "/a", "/A.css", "/a/index.html?id=5", "//robots.txt", "/%2e%2e/x", "*", "h:443", "http://own.example/a",
    "/a b", "/search?q=Press+Kit", "/a?utm_source=S&utm_term=T", "/a?utm_medium=%FF&id=%zz", "/\\x00", "/\\xc3\\xa9",
    '/\\"', "-", "", "/" + "a" * 1100,
]  # fmt: skip
ODD_REQUESTS = ["-", "", "GET", "GET /a", "\\x16\\x03", "GET  /a  HTTP/1.1", "PRI * HTTP/2.0"]
STATUSES = ["200", "200", "200", "304", "404", "206", "-", "000", "20"]
SIZES = ["5", "5", "0", "-", "9" * 20, "0" * 20 + "7", "x"]
REFERRERS = [
    "-", "", "https://www.google.com/", "https://www.bing.com/search?q=press", "http://own.example/b",
    "http://x.spam.example/", "http://Example.ORG/", "android-app://com.slack/", 'http://\\"', "http://h/\\xff?q=\\xe9",
]  # fmt: skip
AGENTS = [BROWSER, BROWSER, BROWSER, "-", "", "curl/8", "Googlebot/2.1", "\\xff\\x00", '\\"bot\\"', "x" * 3000]
PURPOSES = ["-", "-", "", "prefetch", "Prefetch;prerender", "other"]
Choose = Callable[[Sequence[str]], str]


def entry(format: str, choose: Choose, target: str, referrer: str) -> bytes:
    """A line of a format, of likely and hostile values; a few are no lines of it at all."""
    time, status, size, agent = choose(STAMPS), choose(STATUSES), choose(SIZES), choose(AGENTS)
    request = choose([f"{choose(METHODS)} {target} HTTP/1.1"] * 3 + [choose(ODD_REQUESTS)])
    common = f'{choose(HOSTS)} - ev\\"il [{time}] "{request}" {status} {size}'
    headers = f'"{referrer}" "{agent}"'
    if format == "common":
        text = common
    elif format == "combined":
        text = f"{common} {headers}"
    elif format == "vhost_combined":
        text = f"{choose(HOSTS)}:443 {common} {headers}"
    elif format == WITH_PURPOSE:
        text = f'{common} {headers} "{choose(PURPOSES)}"'
    elif format == WITH_PURPOSES:
        text = (
            f'{choose(HOSTS)} [{time}] "{request}" {status} {size} {headers} "{choose(PURPOSES)}" "{choose(PURPOSES)}"'
        )
    else:
        method, path = choose(["GET", "-", "POST"]), choose(["/a b", "/é", "/a", "-", ""])
        query = choose(["", "?x", "?utm_source=a b", "?id=1"])
        text = f'2026-11-22 10:11:12 +0100 "{method}" "{path}" "{query}" {status} {size} "{referrer}"'
    return text.encode("utf-8", "surrogateescape") + b"\n"


targets = st.sampled_from(TARGETS) | st.text("/.%25ae?&=#\\x é", max_size=12).map(lambda text: "/" + text)
referrers = st.sampled_from(REFERRERS) | st.text("htp:/.@\\x ?", max_size=12)


@st.composite
def cases(draw: st.DrawFn) -> tuple[str, list[bytes]]:
    """A format and some lines of it."""
    format = draw(st.sampled_from(FORMATS))

    def choose(values: Sequence[str]) -> str:
        return draw(st.sampled_from(values))

    number = draw(st.integers(0, 12))
    return format, [entry(format, choose, draw(targets), draw(referrers)) for _ in range(number)]


chunks = cases()


@pytest.mark.parametrize("rules", [Rules(), RULES, SITES], ids=["defaults", "rules", "sites"])
@pytest.mark.parametrize("format", FORMATS)
def test_thousands_of_lines_that_reach_every_dimension(format: str, rules: Rules) -> None:
    rnd = random.Random(7)
    lines = [entry(format, rnd.choice, rnd.choice(TARGETS), rnd.choice(REFERRERS)) for _ in range(3_000)]
    tally = tally_of(b"".join(lines), format, rules)
    assert tally == by_definition(b"".join(lines), format, rules)
    dimensions = {"requests", "bytes", "status", "views", "minute", "missing", "bot", "referrer", "keyword", "campaign"}
    if format == "common":
        dimensions -= {"bot", "referrer"}
    if format == IN_PARTS:
        dimensions -= {"bot"}
    assert {coordinate.dimension for coordinate in tally} == dimensions


@settings(max_examples=200, deadline=None)
@given(chunks, st.sampled_from([Rules(), RULES, SITES]))
def test_columns_give_what_records_give(case: tuple[str, list[bytes]], rules: Rules) -> None:
    format, lines = case
    chunk = b"".join(lines)
    assert tally_of(chunk, format, rules) == by_definition(chunk, format, rules)


@settings(max_examples=60, deadline=None)
@given(chunks, st.data())
def test_tallies_of_parts_add_up(case: tuple[str, list[bytes]], data: st.DataObject) -> None:
    format, lines = case
    parsed = LogFormat(format)
    tallier = Tallier(RULES, parsed)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(lines)), max_size=4)))
    parts = [lines[begin:end] for begin, end in zip([0, *cuts], [*cuts, len(lines)], strict=True)]
    together: Tally = {}
    batch = Batch()
    at_the_end: Tally = {}
    added: Counter[Coordinate] = Counter()
    for part in parts:
        columns = parsed.columns(b"".join(part))
        tallier.add(columns, batch)
        tallied(tallier, columns, into=together)
        added.update(tallied(Tallier(RULES, parsed), columns))
    tallier.tally(batch, at_the_end)
    whole = tally_of(b"".join(lines), format, RULES)
    assert at_the_end == together == dict(added) == whole
    requests = {c.day: 0 for c in whole}
    for coordinate, count in whole.items():
        if coordinate.dimension == "requests":
            requests[coordinate.day] += count
    assert batch.lines() == requests


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(["GET", "HEAD", "POST", "get"]),
    targets | st.sampled_from(["/search", "/index.html", "http://h/a", "*"]),
    st.text("aqsu_&=?#+%5x\\ 16/", max_size=10) | st.sampled_from(["q=kit", "utm_source=a&utm_term=b", "id=5#x?q=1"]),
    st.sampled_from([" HTTP/1.1", " HTTP/2.0", " http/1.1", "", " x"]),
    st.sampled_from([Rules(), RULES, replace(RULES, parameters=(), site_search_path="/a")]),
)
def test_a_request_in_halves_is_the_whole(method: str, target: str, query: str, protocol: str, rules: Rules) -> None:
    judge = Judge(rules)
    raw = f"{method} {target}?{query}{protocol}".encode("utf-8", "surrogateescape")
    assert Requests(judge)[raw] == judge.request(*split_request(raw)[:2])


# -- sites with rules of their own ---------------------------------------------------------------------------------


def test_each_site_by_its_own_rules() -> None:
    rules = Rules(sites={"b": Rules(parameters=("id",)), "c": Rules(own_sites=("friend.example",))})
    lines = [
        f'{site}:1 h - - [22/Nov/2026:10:11:12 +0000] "GET /a?id=5 HTTP/1.1" 200 5 "http://friend.example/" "{BROWSER}"'
        for site in "abc"
    ]
    tally = tally_of("\n".join([*lines, ""]).encode(), "debian_vhost_combined", rules)
    found = {(c.site, c.page, c.dimension) for c in tally if c.dimension in ("views", "referrer")}
    assert found == {
        ("a", "/a", "views"),
        ("a", "/a", "referrer"),
        ("b", "/a?id=5", "views"),
        ("b", "/a?id=5", "referrer"),
        ("c", "/a", "views"),
    }


def test_a_resolver_is_asked_once_for_a_path_and_again_for_what_was_none(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    published = {"/1": "release 1"}

    def resolve(path: str) -> str | None:
        asked.append(path)
        return published.get(path)

    application = types.ModuleType("publishing_application")
    application.resolve = resolve  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, application.__name__, application)
    now = [0.0]
    monkeypatch.setattr(tally_module, "monotonic", lambda: now[0])
    monkeypatch.setattr(pages.time, "monotonic", lambda: now[0])
    format, tally = LogFormat("combined"), Tally()
    tallier = Tallier(Rules(resolver="publishing_application:resolve"), format)
    chunk = b"".join(line(f"/{page}?{n}") for page in (1, 2) for n in range(5))
    tallied(tallier, format.columns(chunk), into=tally)
    assert asked == ["/1", "/2"]
    published["/2"] = "release 2"
    tallied(tallier, format.columns(chunk), into=tally)
    assert asked == ["/1", "/2"]
    now[0] = pages.DOUBT
    tallied(tallier, format.columns(chunk), into=tally)
    assert asked == ["/1", "/2", "/2"]
    assert {c.page: n for c, n in tally.items() if c.dimension == "views"} == {"release 1": 15, "release 2": 5}


# -- memory ------------------------------------------------------------------------------------------------------


def test_a_memo_works_out_a_value_once() -> None:
    asked = []
    memo: Memo[bytes, int] = Memo(lambda key: asked.append(key) or len(key))  # type: ignore[func-returns-value]
    assert [memo[b"a"], memo[b"bb"], memo[b"a"]] == [1, 2, 1]
    assert asked == [b"a", b"bb"]


def test_a_memo_that_begins_anew_keeps_what_is_asked_for_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tally_module, "MEMO_BYTES", 10_000)
    asked: Counter[bytes] = Counter()
    memo: Memo[bytes, bytes] = Memo(lambda key: asked.update([key]) or key)  # type: ignore[func-returns-value]
    for number in range(1_000):
        assert memo[b"often"] == b"often"
        assert memo[b"%d" % number] == b"%d" % number
    assert asked[b"often"] == 1


def test_a_flood_of_values_costs_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tally_module, "MEMO_BYTES", 100_000)
    memo: Memo[bytes, int] = Memo(len)
    for number in range(5_000):
        assert memo[b"%d" % number] == len(str(number))
        assert sum(map(len, memo)) + 200 * len(memo) <= 100_000
    assert len(memo) > 10


def test_a_long_value_is_not_kept() -> None:
    memo: Memo[bytes, int] = Memo(len)
    assert memo[b"x" * 1_025] == 1_025
    assert memo == {}
    assert memo[b"x" * 1_024] == 1_024
    assert len(memo) == 1


def test_a_flood_changes_no_number(monkeypatch: pytest.MonkeyPatch) -> None:
    chunk = b"".join(line(f"/{number % 7}?x={number}") for number in range(300))
    expected = tally_of(chunk)
    monkeypatch.setattr(tally_module, "MEMO_BYTES", 1_000)
    assert tally_of(chunk) == expected


def test_a_warm_tallier_has_read_the_list_of_crawlers() -> None:
    code = (
        "import sys\nfrom pipelog.counting.rules import Rules\nfrom pipelog.counting.tally import Tallier\n"
        "from pipelog.parsing.logformat import LogFormat\ntallier = Tallier(Rules(), LogFormat('combined'))\n"
        "assert 'crawleruseragents' not in sys.modules\ntallier.warm_up()\nassert 'crawleruseragents' in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
