"""Hits: each day from the history or from the backend, never from both."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from itertools import groupby
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelog.backends.base import CounterBackend, Listing
from pipelog.backends.keys import Keys, encode_name
from pipelog.backends.live import MOST_KEYS, LiveDays
from pipelog.backends.memcached import MemcachedBackend
from pipelog.backends.memory import MemoryBackend
from pipelog.backends.sqlite import SQLiteBackend
from pipelog.counting.leaders import PAGE_DIMENSIONS, VALUE_DIMENSIONS, Leaders
from pipelog.errors import BackendUnavailable, PipelogError, StoreError
from pipelog.locators import Location
from pipelog.model import Coordinate, DailyCount
from pipelog.queries import DIMENSIONS, RANKED, Hits, PageHits
from pipelog.sinks.base import Sink
from pipelog.sinks.csvfile import CSVSink
from pipelog.sinks.sqlite import SQLiteSink
from pipelog.testing.servers import memcached
from pipelog.testing.sinks import HOSTILE, row

TODAY = date(2026, 11, 22)
YESTERDAY = TODAY - timedelta(1)
BEFORE = TODAY - timedelta(2)
TOMORROW = TODAY + timedelta(1)
TTL = 48 * 3_600


def count(
    backend: CounterBackend, rows: Iterable[DailyCount], *, source: str = "web1", prefix: str = "pipelog"
) -> None:
    """Commit what an intake worker of `source` would for these rows."""
    keys = Keys(prefix)
    counts: dict[str, int] = {}
    documents: dict[str, bytes] = {}
    for day, of_day in groupby(sorted(rows), lambda r: r.day):
        tally = {Coordinate(*r[:5]): r.count for r in of_day}
        for coordinate, number in tally.items():
            counts[keys.counter(coordinate)] = number
            if keys.is_hashed(keys.counter(coordinate)):
                documents[keys.name(keys.counter(coordinate))] = encode_name(coordinate)
        leaders = Leaders()
        leaders.add(tally)
        documents[keys.document("leaders", source, day=day)] = leaders.encode()
        listing = keys.document("sources", day=day)
        known = backend.documents([listing]).get(listing, b"[]")
        documents[listing] = known[:-1] + (b", " if known != b"[]" else b"") + f'"{source}"]'.encode()
    backend.commit(counts, documents, ttl=TTL)


class Recording(MemoryBackend):
    """A MemoryBackend that notes its reads."""

    def __init__(self) -> None:
        super().__init__()
        self.reads: list[tuple[str, int]] = []

    def counts(self, keys: Sequence[str]) -> dict[str, int]:
        self.reads.append(("counts", len(keys)))
        return super().counts(keys)

    def documents(self, keys: Sequence[str]) -> dict[str, bytes]:
        self.reads.append(("documents", len(keys)))
        return super().documents(keys)

    def scan(self, prefix: str) -> Iterator[tuple[str, int]]:
        self.reads.append(("scan", 1))
        return super().scan(prefix)


class Clock:
    now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def backend() -> Recording:
    return Recording()


@pytest.fixture(params=["sqlite", "csv"])
def sink(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Sink]:
    made: Sink = SQLiteSink(tmp_path / "history.db") if request.param == "sqlite" else CSVSink(tmp_path / "history")
    with made:
        yield made


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def hits(backend: Recording, sink: Sink, clock: Clock) -> Hits:
    return Hits(counters=backend, history=sink, today=lambda: TODAY, clock=clock)


# -- one page --


def test_a_page_never_seen(hits: Hits) -> None:
    assert hits.today("/never") == 0
    assert hits.total("/never") == 0
    assert hits.many(["/never"]) == {"/never": PageHits(0, 0)}
    assert hits.daily("/never", YESTERDAY, TOMORROW) == {YESTERDAY: 0, TODAY: 0, TOMORROW: 0}
    assert hits.breakdown("/never", "referrer") == {}
    assert hits.top() == []
    assert hits.per_minute() == {}
    assert hits.sites() == []
    assert list(hits.rows(TODAY)) == []


def test_live_and_finished_days(hits: Hits, backend: Recording, sink: Sink) -> None:
    sink.replace_day(BEFORE, "web1", [row("/a", 100, day=BEFORE)], lines=1)
    sink.replace_day(BEFORE, "web2", [row("/a", 50, day=BEFORE)], lines=1)
    sink.replace_day(date(2020, 2, 29), "web1", [row("/a", 1_000, day=date(2020, 2, 29))], lines=1)
    count(backend, [row("/a", 20, day=YESTERDAY), row("/a", 3, day=TODAY)])
    assert hits.today("/a") == 3
    assert hits.total("/a") == 1_173
    assert hits.daily("/a", BEFORE, TODAY) == {BEFORE: 150, YESTERDAY: 20, TODAY: 3}
    assert hits.daily("/a", YESTERDAY, YESTERDAY) == {YESTERDAY: 20}
    assert hits.daily("/a", TODAY, BEFORE) == {}
    assert hits.many(["/a", "/b"]) == {"/a": PageHits(3, 1_173), "/b": PageHits(0, 0)}


@pytest.mark.parametrize("finished", [YESTERDAY, TODAY])
def test_a_day_in_both_is_taken_from_the_history(hits: Hits, backend: Recording, sink: Sink, finished: date) -> None:
    count(backend, [row("/a", 20, day=YESTERDAY), row("/a", 3, day=TODAY), row("/only live", 1, day=finished)])
    sink.replace_day(finished, "web1", [row("/a", 500, day=finished)], lines=1)
    expected = {YESTERDAY: 20, TODAY: 3} | {finished: 500}
    assert hits.daily("/a", YESTERDAY, TODAY) == expected
    assert hits.today("/a") == expected[TODAY]
    assert hits.total("/a") == sum(expected.values())
    assert hits.many(["/a"]) == {"/a": PageHits(expected[TODAY], sum(expected.values()))}
    assert hits.top(day=finished) == [("/a", 500)]
    assert hits.total("/only live") == 0
    assert list(hits.rows(finished)) == [row("/a", 500, day=finished)]


def test_the_backend_is_asked_for_two_days_only(hits: Hits, backend: Recording) -> None:
    count(backend, [row("/a", n, day=TODAY + timedelta(n - 5)) for n in range(1, 9)])
    assert hits.total("/a") == 4 + 5
    assert hits.daily("/a", BEFORE, TOMORROW) == {BEFORE: 0, YESTERDAY: 4, TODAY: 5, TOMORROW: 0}
    for day in (BEFORE, TOMORROW):
        assert hits.top(day=day) == []
        assert list(hits.rows(day)) == []


def test_the_future_is_nothing(hits: Hits, sink: Sink) -> None:
    for day in (TODAY, TOMORROW, date.max):
        sink.replace_day(day, "web1", [row("/a", 1, day=day), row("", 1, day=day, dimension="requests")], lines=1)
    assert hits.total("/a") == 1
    assert hits.daily("/a", TODAY, TOMORROW) == {TODAY: 1, TOMORROW: 0}
    assert hits.top(day=TOMORROW) == []
    assert hits.breakdown("", "requests", until=date.max) == {"": 1}
    assert list(hits.rows(date.max)) == []


def test_either_store_may_be_missing(backend: Recording, sink: Sink) -> None:
    count(backend, [row("/a", 3, day=TODAY), row("", 3, day=TODAY, dimension="requests")])
    sink.replace_day(BEFORE, "web1", [row("/a", 40, day=BEFORE)], lines=1)
    live = Hits(counters=backend, history=None, today=lambda: TODAY)
    assert (live.today("/a"), live.total("/a"), live.top(), live.sites()) == (3, 3, [("/a", 3)], [""])
    assert list(live.rows(BEFORE)) == []
    late = Hits(counters=None, history=sink, today=lambda: TODAY)
    assert (late.today("/a"), late.total("/a"), late.top(), late.sites()) == (0, 40, [], [])
    assert late.daily("/a", BEFORE, TODAY) == {BEFORE: 40, YESTERDAY: 0, TODAY: 0}
    assert list(late.rows(TODAY)) == []
    none = Hits(counters=None, history=None, today=lambda: TODAY)
    assert (none.today("/a"), none.total("/a"), none.top(), none.sites()) == (0, 0, [], [])
    assert list(none.rows(BEFORE)) == []


def test_site(backend: Recording, sink: Sink) -> None:
    sink.replace_day(BEFORE, "web1", [row("/a", 1, day=BEFORE, site="one")], lines=1)
    count(backend, [row("/a", 2, day=TODAY, site="one"), row("/a", 4, day=TODAY, site="two"), row("/a", 8, day=TODAY)])
    hits = Hits(counters=backend, history=sink, today=lambda: TODAY, site="one")
    for site, today, total in ((None, 2, 3), ("one", 2, 3), ("two", 4, 4), ("", 8, 8), ("three", 0, 0)):
        assert hits.today("/a", site=site) == today
        assert hits.total("/a", site=site) == total
        assert hits.many(["/a"], site=site) == {"/a": PageHits(today, total)}
        assert hits.daily("/a", BEFORE, TODAY, site=site) == {BEFORE: total - today, YESTERDAY: 0, TODAY: today}
        assert hits.top(site=site) == ([("/a", today)] if today else [])
        assert hits.breakdown("/a", "views", site=site) == ({"": total} if total else {})


def test_prefix(backend: Recording) -> None:
    count(backend, [row("/a", 2, day=TODAY)], prefix="one")
    count(backend, [row("/a", 4, day=TODAY)], prefix="two")
    for prefix, number in (("one", 2), ("two", 4), ("pipelog", 0)):
        hits = Hits(counters=backend, history=None, prefix=prefix, today=lambda: TODAY)
        assert hits.today("/a") == number
        assert hits.top() == ([("/a", number)] if number else [])


def test_what_the_application_passes_becomes_a_page(backend: Recording, sink: Sink) -> None:
    def page(given: str) -> str | None:
        return None if given.startswith("/static/") else given.rstrip("/")

    count(backend, [row("/a", 2, day=TODAY), row("/a", 1, day=TODAY, dimension="referrer", value="x")])
    count(backend, [row("", 9, day=TODAY), row("/static/x", 9, day=TODAY)])
    hits = Hits(counters=backend, history=sink, page=page, today=lambda: TODAY)
    assert hits.today("/a//") == hits.total("/a/") == 2
    assert hits.daily("/a/", TODAY, TODAY) == {TODAY: 2}
    assert hits.breakdown("/a/", "referrer") == {"x": 1}
    assert hits.many(["/a", "/static/x", "/a/", "/", "/a"]) == {
        "/a": PageHits(2, 2),
        "/static/x": PageHits(0, 0),
        "/a/": PageHits(2, 2),
        "/": PageHits(9, 9),
    }
    assert list(hits.many(["/b", "/a"])) == ["/b", "/a"]
    assert (hits.today("/static/x"), hits.total("/static/x"), hits.breakdown("/static/x", "views")) == (0, 0, {})
    assert hits.daily("/static/x", TODAY, TODAY) == {TODAY: 0}


def test_a_site_may_name_its_pages_otherwise(backend: Recording, sink: Sink) -> None:
    count(backend, [row("/a", 2, day=TODAY, site=site) for site in ("one", "two")])
    count(backend, [row("/a", 1, day=TODAY, site="two", dimension="referrer", value="x")])
    hits = Hits(counters=backend, history=sink, site="one", site_pages={"two": str.lower}, today=lambda: TODAY)
    assert (hits.today("/A"), hits.today("/A", site="two")) == (0, 2)
    assert (hits.total("/A"), hits.total("/A", site="two")) == (0, 2)
    assert hits.breakdown("/A", "referrer", site="two") == {"x": 1}
    assert hits.breakdown("/A", "referrer") == {}


@pytest.mark.parametrize("text", [t for t in HOSTILE.values() if t], ids=[k for k, t in HOSTILE.items() if t])
def test_hostile_names(hits: Hits, backend: Recording, sink: Sink, text: str) -> None:
    live = [row(text, 2, day=TODAY, site=text), row(text, 3, day=TODAY, site=text, dimension="referrer", value=text)]
    sink.replace_day(BEFORE, "web1", [r._replace(day=BEFORE) for r in live], lines=1)
    count(backend, live)
    assert hits.today(text, site=text) == 2
    assert hits.total(text, site=text) == 4
    assert hits.top(site=text) == [(text, 2)]
    assert hits.top(by="referrer", site=text) == [(text, 3)]
    assert hits.breakdown(text, "referrer", site=text) == {text: 6}
    assert sorted(hits.rows(TODAY)) == sorted(live)


# -- economy --


def test_today_is_one_read(hits: Hits, backend: Recording) -> None:
    hits.today("/a")
    backend.reads.clear()
    hits.today("/a")
    assert backend.reads == [("counts", 1)]


def test_many_is_one_round_trip(hits: Hits, backend: Recording, sink: Sink) -> None:
    for n in range(3, 6):
        day = TODAY - timedelta(n)
        sink.replace_day(day, "web1", [row(f"/{p}", p, day=day) for p in range(1_000)], lines=1)
    count(backend, [row(f"/{p}", 1, day=TODAY) for p in range(1_000)])
    backend.reads.clear()
    numbers = hits.many([f"/{p}" for p in range(1_000)])
    assert backend.reads == [("counts", 2_000)]
    assert numbers == {f"/{p}": PageHits(1, 1 + 3 * p) for p in range(1_000)}


class Counting(SQLiteSink):
    """An SQLiteSink that notes what it is asked."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.asked: list[str] = []

    def __getattribute__(self, name: str) -> object:
        if name in ("rows", "totals", "days"):
            self.asked.append(name)
        return super().__getattribute__(name)


def test_finished_days_are_looked_up_once_in_a_while(backend: Recording, tmp_path: Path, clock: Clock) -> None:
    sink = Counting(tmp_path / "history.db")
    today = [TODAY]
    hits = Hits(counters=backend, history=sink, today=lambda: today[0], clock=clock, refresh=60)
    for _ in range(3):
        hits.total("/a")
        hits.today("/a")
    assert sink.asked == ["days", "totals"]
    hits.total("/b")
    hits.many(["/a", "/b"])
    assert sink.asked == ["days", "totals", "totals"]
    clock.now += 59
    hits.total("/a")
    assert len(sink.asked) == 3
    clock.now += 1
    hits.total("/a")
    assert sink.asked[3:] == ["days", "totals"]
    today[0] = TOMORROW
    hits.total("/a")
    assert sink.asked[5:] == ["days", "totals"]


def test_a_rollup_is_seen_after_the_refresh_and_never_counted_twice(
    hits: Hits, backend: Recording, sink: Sink, clock: Clock
) -> None:
    count(backend, [row("/a", 20, day=YESTERDAY), row("/b", 30, day=YESTERDAY), row("/a", 3, day=TODAY)])
    assert hits.total("/a") == 23
    for source in ("web1", "web2"):
        sink.replace_day(YESTERDAY, source, [row(p, 100, day=YESTERDAY) for p in ("/a", "/b")], lines=1)
    # Whether a page was asked for before or not: all answers are of the same look into the history.
    assert (hits.total("/a"), hits.total("/b")) == (23, 30)
    assert hits.daily("/b", YESTERDAY, TODAY) == {YESTERDAY: 30, TODAY: 0}
    assert hits.breakdown("/b", "views") == {"": 30}
    clock.now += 60
    assert (hits.total("/a"), hits.total("/b")) == (203, 200)
    assert hits.daily("/b", YESTERDAY, TODAY) == {YESTERDAY: 200, TODAY: 0}
    assert hits.breakdown("/b", "views") == {"": 200}


def test_what_is_remembered_has_a_bound(hits: Hits, sink: Sink, monkeypatch: pytest.MonkeyPatch) -> None:
    sink.replace_day(BEFORE, "web1", [row(f"/{p}", p, day=BEFORE) for p in range(20)], lines=1)
    monkeypatch.setattr("pipelog.queries._MOST_SUMS", 10)
    for start in (0, 4, 2, 8):
        pages = [f"/{p}" for p in range(start, start + 9)]
        assert [number.total for number in hits.many(pages).values()] == list(range(start, start + 9))


def test_midnight(backend: Recording, sink: Sink) -> None:
    today = [TODAY]
    hits = Hits(counters=backend, history=sink, today=lambda: today[0])
    count(backend, [row("/a", 1, day=YESTERDAY), row("/a", 2, day=TODAY), row("/a", 4, day=TOMORROW)])
    assert (hits.today("/a"), hits.total("/a")) == (2, 3)
    today[0] = TOMORROW
    assert (hits.today("/a"), hits.total("/a")) == (4, 6)  # the day before yesterday waits for its rollup
    assert hits.daily("/a", TODAY, TOMORROW) == {TODAY: 2, TOMORROW: 4}


# -- lists --

MANY = [
    row("/a", 5),
    row("/b", 7),
    row("/c", 5),
    row("/a", 2, dimension="referrer", value="x"),
    row("/b", 1, dimension="referrer", value="x"),
    row("/b", 3, dimension="referrer", value="y"),
    row("/a", 4, dimension="bot", value="GPTBot"),
    row("/a", 1, dimension="keyword", value="(not provided)"),
    row("/a", 1, dimension="campaign", value="mail"),
    row("/gone", 6, dimension="missing"),
    row("/lost", 8, dimension="missing"),
    row("", 17, dimension="status", value="200"),
    row("", 14, dimension="status", value="404"),
    row("", 31, dimension="requests"),
    row("", 9_000, dimension="bytes"),
    row("", 10, dimension="minute", value="23:59"),
    row("", 7, dimension="minute", value="00:00"),
    row("/a", 3, site="two"),
    row("", 3, site="two", dimension="requests"),
]
TOPS = {
    "views": [("/b", 7), ("/a", 5), ("/c", 5)],
    "missing": [("/lost", 8), ("/gone", 6)],
    "referrer": [("x", 3), ("y", 3)],
    "bot": [("GPTBot", 4)],
    "keyword": [("(not provided)", 1)],
    "campaign": [("mail", 1)],
    "status": [("200", 17), ("404", 14)],
}
BREAKDOWNS = [
    ("/b", "referrer", {"y": 3, "x": 1}),
    ("/a", "bot", {"GPTBot": 4}),
    ("/a", "views", {"": 5}),
    ("/lost", "missing", {"": 8}),
    ("", "status", {"200": 17, "404": 14}),
    ("", "minute", {"23:59": 10, "00:00": 7}),
    ("", "requests", {"": 31}),
    ("", "bytes", {"": 9_000}),
    ("", "views", {}),
    ("/no", "keyword", {}),
]


@pytest.fixture(scope="module")
def server() -> Iterator[CounterBackend]:
    with memcached() as process, MemcachedBackend.from_location(Location.parse(process.url)) as backend:
        yield backend


@pytest.fixture(params=["history", "memory", "sqlite", "memcached"])
def filled(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Hits]:
    """Hits that know MANY as of today, from each kind of store."""
    rows = [r._replace(day=TODAY) for r in MANY]
    if request.param == "history":
        sink = SQLiteSink(tmp_path / "history.db")
        sink.replace_day(TODAY, "web1", rows, lines=1)
        yield Hits(counters=None, history=sink, today=lambda: TODAY)
        return
    backend: CounterBackend
    if request.param == "memory":
        backend = MemoryBackend()
    elif request.param == "sqlite":
        backend = SQLiteBackend(tmp_path / "counters.db")
    else:
        backend = request.getfixturevalue("server")
    prefix = f"test.{tmp_path.name[-20:]}"
    if not isinstance(backend, Listing):
        # Of several sources, each of which knows some of the names.
        count(backend, rows[::2], source="web1", prefix=prefix)
        count(backend, rows[1::2], source="web2", prefix=prefix)
    else:
        count(backend, rows, prefix=prefix)
    yield Hits(counters=backend, history=None, prefix=prefix, today=lambda: TODAY)
    backend.close()


def test_top(filled: Hits) -> None:
    assert set(TOPS) == set(RANKED)
    for by, expected in TOPS.items():
        assert filled.top(by=by) == expected, by
        assert filled.top(1, TODAY, by) == expected[:1]
        assert filled.top(0, by=by) == []
        assert filled.top(by=by, day=BEFORE) == []
    assert filled.top(site="two") == [("/a", 3)]


def plainly(rows: Iterable[DailyCount], by: str, value: str | None, containing: str) -> list[tuple[str, int]]:
    """What `top` of a dimension gives, worked out from all rows."""
    sums: Counter[str] = Counter()
    for r in rows:
        if r.dimension == by and r.site == "" and value in (None, r.value) and containing.lower() in r.page.lower():
            sums[r.page if by in PAGE_DIMENSIONS or value is not None else r.value] += r.count
    return sorted(sums.items(), key=lambda item: (-item[1], item[0]))


def test_top_of_a_value_and_of_a_part_of_a_name(filled: Hits) -> None:
    values = {(r.dimension, r.value) for r in MANY if r.dimension in VALUE_DIMENSIONS and r.dimension != "status"}
    assert values
    for by, value in values:
        assert filled.top(by=by, value=value) == plainly(MANY, by, value, ""), value
    for part in ("A", "/", "%", "long", "no such"):
        assert filled.top(containing=part) == plainly(MANY, "views", None, part), part


def test_top_and_each_day_of_a_range(hits: Hits, backend: Recording, sink: Sink) -> None:
    names = ("/a", "/B", "/" + "long/" * 60)
    rows = [
        row(page, n + 10 * day.day % 7, day=day, dimension=dimension, value=value)
        for day in (BEFORE, YESTERDAY, TODAY)
        for n, page in enumerate(names, 1)
        for dimension, value in (("views", ""), ("referrer", "x"), ("referrer", "y" * n), ("bot", "search/x"))
    ] + [row("", n, day=day, dimension="minute", value=f"00:0{n}") for day in (BEFORE, TODAY) for n in (1, 2)]
    for day in (BEFORE, YESTERDAY):
        sink.replace_day(day, "web1", [r for r in rows if r.day == day], lines=1)
    count(backend, [r for r in rows if r.day == TODAY])
    for since, until in ((BEFORE, TODAY), (BEFORE, YESTERDAY), (TODAY, TOMORROW), (TOMORROW, TOMORROW)):
        within = [r for r in rows if since <= r.day <= until]
        for by, value, part in (
            ("views", None, ""),
            ("views", None, "B"),
            ("referrer", None, ""),
            ("bot", "search/x", ""),
        ):
            found = hits.top(9, since, by, until=until, value=value, containing=part)
            assert found == plainly(within, by, value, part), (by, value, part)
        for by in ("views", "referrer", "minute"):
            expected: dict[str, dict[date, int]] = {page: {} for page in (*names, "", "/never")}
            for r in within:
                if r.dimension == by:
                    expected[r.page][r.day] = expected[r.page].get(r.day, 0) + r.count
            assert hits.each_day(expected, since, until, by=by) == expected
    assert hits.finished() == {BEFORE, YESTERDAY}


def test_ties_are_in_the_order_of_names(hits: Hits, backend: Recording) -> None:
    for name in ("z", "a", "\udce9", "m"):
        count(backend, [row(name, 5, day=TODAY), row("/", 5, day=TODAY, dimension="referrer", value=name)])
    expected = [("a", 5), ("m", 5), ("z", 5), ("\udce9", 5)]
    assert hits.top() == expected
    assert set(hits.top(2)) < set(expected)  # who of a tie takes the last place of a live day is the backend's to say
    assert hits.top(by="referrer") == expected
    assert list(hits.breakdown("/", "referrer").items()) == expected


def test_breakdown(filled: Hits) -> None:
    assert {dimension for _, dimension, _ in BREAKDOWNS} | {"campaign"} == set(DIMENSIONS)
    for page, dimension, expected in BREAKDOWNS:
        assert list(filled.breakdown(page, dimension).items()) == list(expected.items()), (page, dimension)
        assert filled.breakdown(page, dimension, until=YESTERDAY) == {}
        assert filled.breakdown(page, dimension, since=TODAY, until=TODAY) == expected


def test_per_minute(filled: Hits) -> None:
    assert list(filled.per_minute().items()) == [("00:00", 7), ("23:59", 10)]
    assert filled.per_minute(BEFORE) == {}
    assert filled.per_minute(site="two") == {}


def test_sites(filled: Hits) -> None:
    assert filled.sites() == ["", "two"]


def test_unknown_dimensions_are_refused(filled: Hits) -> None:
    for by in ("visitors", "minute", "", "VIEWS"):
        with pytest.raises(ValueError, match="known are: views, missing, referrer"):
            filled.top(by=by)
    with pytest.raises(ValueError, match=r"'page'; known are: .*minute, requests, bytes"):
        filled.breakdown("/a", "page")


def test_breakdown_over_days(hits: Hits, backend: Recording, sink: Sink) -> None:
    def rows(day: date, number: int) -> list[DailyCount]:
        return [row("/a", number, day=day, dimension="referrer", value=value) for value in ("x", str(day.day))]

    for n, day in enumerate((date(2020, 2, 29), BEFORE)):
        sink.replace_day(day, "web1", rows(day, 10 ** (n + 2)), lines=1)
    count(backend, rows(YESTERDAY, 10) + rows(TODAY, 1))
    assert hits.breakdown("/a", "referrer") == {"x": 1_111, "20": 1_000, "29": 100, "21": 10, "22": 1}
    assert hits.breakdown("/a", "referrer", since=BEFORE) == {"x": 1_011, "20": 1_000, "21": 10, "22": 1}
    assert hits.breakdown("/a", "referrer", until=YESTERDAY) == {"x": 1_110, "20": 1_000, "29": 100, "21": 10}
    assert hits.breakdown("/a", "referrer", since=YESTERDAY, until=YESTERDAY) == {"21": 10, "x": 10}
    assert hits.breakdown("/a", "referrer", since=TODAY, until=YESTERDAY) == {}


def test_rows_of_a_day(hits: Hits, backend: Recording, sink: Sink) -> None:
    rows = sorted(r._replace(day=TODAY) for r in MANY)
    long = row("/long/" * 100, 1, day=TODAY, dimension="referrer", value="v" * 300)
    count(backend, [*rows, long])
    assert sorted(hits.rows(TODAY)) == sorted([*rows, long])
    sink.replace_day(BEFORE, "web1", [r._replace(day=BEFORE) for r in rows], lines=1)
    assert sorted(hits.rows(BEFORE)) == [r._replace(day=BEFORE) for r in rows]


# -- backends that cannot list --


def test_rows_of_a_backend_that_cannot_list(server: CounterBackend, tmp_path: Path) -> None:
    sink = SQLiteSink(tmp_path / "history.db")
    sink.replace_day(YESTERDAY, "web1", [row("/a", 1, day=YESTERDAY)], lines=1)
    hits = Hits(counters=server, history=sink, prefix="rows", today=lambda: TODAY)
    with pytest.raises(PipelogError, match="memcached") as caught:
        hits.rows(TODAY)  # at once, before anything was written out
    assert "\n" not in str(caught.value)
    assert list(hits.rows(YESTERDAY)) == [row("/a", 1, day=YESTERDAY)]
    assert list(hits.rows(TOMORROW)) == []


def test_nothing_is_known_where_no_worker_noted_leaders(server: CounterBackend) -> None:
    keys = Keys("bare")
    server.commit({keys.counter(Coordinate(TODAY, "", "/a", "views", "")): 3}, {}, ttl=TTL)
    hits = Hits(counters=server, history=None, prefix="bare", today=lambda: TODAY)
    assert (hits.top(), hits.top(by="referrer"), hits.sites()) == ([], [], [])
    assert (hits.today("/a"), hits.breakdown("/a", "views")) == (3, {"": 3})


def test_a_damaged_document_is_named(server: CounterBackend) -> None:
    server.commit({}, {Keys("damaged").document("sources", day=TODAY): b"\xff["}, ttl=TTL)
    with pytest.raises(StoreError, match="sources"):
        Hits(counters=server, history=None, prefix="damaged", today=lambda: TODAY).top()


class Unlisted(CounterBackend):
    """A backend without `Listing`, which notes how many keys it is asked for."""

    def __init__(self) -> None:
        self._memory = MemoryBackend()
        self.asked: list[int] = []

    def commit(self, counts: Mapping[str, int], documents: Mapping[str, bytes], *, ttl: int) -> None:
        self._memory.commit(counts, documents, ttl=ttl)

    def documents(self, keys: Sequence[str]) -> dict[str, bytes]:
        return self._memory.documents(keys)

    def counts(self, keys: Sequence[str]) -> dict[str, int]:
        self.asked.append(len(keys))
        return self._memory.counts(keys)

    def close(self) -> None:
        self._memory.close()


def test_a_question_to_it_has_a_bound() -> None:
    backend = Unlisted()
    rows = [row(f"/{p}", 1_000 - p, day=TODAY) for p in range(1_000)]
    rows += [row("/0", v + 1, day=TODAY, dimension="referrer", value=f"host{v}") for v in range(150)]
    count(backend, rows)
    hits = Hits(counters=backend, history=None, today=lambda: TODAY)
    assert hits.top(3, by="referrer") == [("host149", 150), ("host148", 149), ("host147", 148)]
    assert MOST_KEYS // 2 < backend.asked[-1] <= MOST_KEYS


# -- errors pass through --


def test_a_backend_that_does_not_answer(sink: Sink) -> None:
    with memcached() as process:
        address = process.url
    sink.replace_day(BEFORE, "web1", [row("/a", 1, day=BEFORE)], lines=1)
    with MemcachedBackend.from_location(Location.parse(address)) as backend:
        hits = Hits(counters=backend, history=sink, today=lambda: TODAY)
        for ask in (hits.today, hits.total, lambda p: hits.many([p]), lambda p: hits.top(), lambda p: hits.sites()):
            with pytest.raises(BackendUnavailable):
                ask("/a")
        assert hits.daily("/a", BEFORE, BEFORE) == {BEFORE: 1}


def test_a_history_that_cannot_be_used(tmp_path: Path, backend: Recording) -> None:
    (tmp_path / "history.db").write_text("no database\n" * 100)
    hits = Hits(counters=backend, history=SQLiteSink(tmp_path / "history.db"), today=lambda: TODAY)
    with pytest.raises(StoreError, match=r"history\.db"):
        hits.today("/a")


def test_a_hashed_counter_without_its_name_is_left_out(backend: Recording) -> None:
    keys = Keys()
    unnamed = Coordinate(TODAY, "", "/long/" * 100, "views", "")
    backend.commit({keys.counter(unnamed): 5}, {}, ttl=TTL)
    count(backend, [row("/a", 1, day=TODAY)])
    days = LiveDays(backend, keys)
    assert list(days.rows(TODAY)) == [row("/a", 1, day=TODAY)]
    assert days.pages(9, TODAY, "views", "") == {"/a": 1}
    assert days.values(TODAY, "views", "") == {"": 1}
    assert days.counts([unnamed]) == {unnamed: 5}


# -- against the plainest reading of the rule --

LONG = "/" + "long/" * 60
PAGES = ["/", "/a", "/b|#=%", LONG, LONG + "x", "/caf\udce9"]
VALUES = {d: ["x", "y", "v" * 300] for d in VALUE_DIMENSIONS} | {"status": ["200", "404"], "minute": ["00:00", "23:59"]}
DAYS = [TODAY + timedelta(n) for n in (-400, -3, -2, -1, 0, 1)]


@st.composite
def _row(draw: st.DrawFn) -> DailyCount:
    dimension = draw(st.sampled_from(DIMENSIONS))
    page = draw(st.sampled_from(PAGES)) if dimension in (*PAGE_DIMENSIONS, *VALUE_DIMENSIONS[:-1]) else ""
    value = draw(st.sampled_from(VALUES.get(dimension, [""])))
    site = draw(st.sampled_from(["", "two"]))
    return DailyCount(draw(st.sampled_from(DAYS)), site, page, dimension, value, draw(st.integers(1, 99)))


def _ranking(sums: Counter[str]) -> list[tuple[str, int]]:
    return sorted(sums.items(), key=lambda item: (-item[1], item[0]))


@settings(max_examples=60, deadline=None)
@given(
    live=st.lists(_row(), max_size=25, unique_by=lambda r: r[:5]),
    finished=st.lists(st.tuples(st.sampled_from(["web1", "web2"]), _row()), max_size=25),
    listing=st.booleans(),
)
def test_hits_is_the_naive_sum(live: list[DailyCount], finished: list[tuple[str, DailyCount]], listing: bool) -> None:
    if not listing:
        # Such a backend knows the pages that were viewed; what else is counted, is counted of them.
        live = [*live, *(row(p, 1, day=d, site=s) for p in PAGES for d in DAYS for s in ("", "two"))]
        live = list({r[:5]: r for r in reversed(live)}.values())
    backend = MemoryBackend() if listing else Unlisted()
    count(backend, live)
    known = {r.day for _, r in finished}
    truth = [r for _, r in finished if r.day <= TODAY]
    truth += [r for r in live if r.day in (YESTERDAY, TODAY) and r.day not in known]

    def total(**wanted: object) -> int:
        return sum(r.count for r in truth if all(getattr(r, name) == value for name, value in wanted.items()))

    with tempfile.TemporaryDirectory() as folder, SQLiteSink(Path(folder, "history.db")) as sink:
        for day, source in {(r.day, source) for source, r in finished}:
            sink.replace_day(day, source, [r for s, r in finished if (r.day, s) == (day, source)], lines=1)
        hits = Hits(counters=backend, history=sink, today=lambda: TODAY)
        for site in ("", "two"):
            expected = {}
            for page in PAGES:
                views = {"site": site, "page": page, "dimension": "views"}
                expected[page] = PageHits(total(day=TODAY, **views), total(**views))
                assert hits.today(page, site=site) == expected[page].today
                assert hits.total(page, site=site) == expected[page].total
                assert hits.daily(page, DAYS[1], DAYS[-1], site=site) == {
                    day: total(day=day, **views) for day in DAYS[1:]
                }
            assert hits.many(PAGES, site=site) == expected
            for page in ("", PAGES[1], LONG):
                for dimension in DIMENSIONS:
                    for since in (date.min, YESTERDAY):
                        sums = Counter[str]()
                        for r in truth:
                            if (r.site, r.page, r.dimension) == (site, page, dimension) and r.day >= since:
                                sums[r.value] += r.count
                        found = hits.breakdown(page, dimension, since, site=site)
                        assert list(found.items()) == _ranking(sums)
            for day in DAYS:
                for by in RANKED:
                    sums = Counter[str]()
                    for r in truth:
                        if (r.day, r.site, r.dimension) == (day, site, by):
                            sums[r.page if by in PAGE_DIMENSIONS else r.value] += r.count
                    assert hits.top(4, day, by, site=site) == _ranking(sums)[:4]
        assert hits.sites() == sorted({r.site for r in truth if r.dimension == "requests"})
        if listing:
            for day in DAYS:
                rows = Counter[tuple[object, ...]]()
                for r in truth:
                    if r.day == day:
                        rows[r[:5]] += r.count
                assert {r[:5]: r.count for r in hits.rows(day)} == dict(rows)
