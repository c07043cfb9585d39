"""The conformance suite of sinks: what `pipelog.sinks.base` asks for, as tests.

class TestMySink(SinkSuite):
    def make_sink(self, tmp_path):
        return MySink(tmp_path / "history")
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from pipelog.errors import PartialDayError
from pipelog.model import DailyCount, DailySketch
from pipelog.sinks.base import Merging, Sink, Sketching
from pipelog.sinks.merges import Merge

DAY = date(2026, 11, 22)
NEXT = date(2026, 11, 23)

HOSTILE = {
    "undecodable": b"/\xff\xfe/caf\xe9".decode("utf-8", "surrogateescape"),
    "quotes": "/a\"b'c`d\\e",
    "newlines": "/a\nb\r\nc\rd\n",
    "separators": "/a,b;c\td|e",
    "nul and controls": "/\x00\x01\x1b[31m\x7f\x85",
    "formula =": "=1+1",
    "formula +": "+1",
    "formula -": "-1",
    "formula @": "@SUM(A1)",
    "formula tab": "\t=1",
    "formula CR": "\r=1",
    "apostrophe": "'",
    "apostrophes before a formula": "''=1",
    "sql": "'; DROP TABLE hit; --",
    "like and glob": "%_*?[a]",
    "path": "../../etc/passwd",
    "right to left": "/\u202eexe.\u05d0\u05d1",
    "line separators": "/\u2028\u2029\x0b\x0c\x1c",
    "astral and combining": "/\U0001f600e\u0301\u00e9",
    "blank": " ",
    "header": "day,site,page,dimension,value,count",
    "a 100 KB value": "x" * 100_000,
}
"""Text that has broken stores, by what it is. The names of a site, page or value may be any of it."""


def row(
    page: str = "/", count: int = 1, *, day: date = DAY, site: str = "", dimension: str = "views", value: str = ""
) -> DailyCount:
    """A row, views of a page unless told otherwise."""
    return DailyCount(day, site, page, dimension, value, count)


def sketch(page: str, content: bytes, *, day: date = DAY, site: str = "") -> DailySketch:
    """Who viewed a page; to a sink it is bytes like others."""
    return DailySketch(day, site, page, b"\x00\xffk\n", content)


def everything(sink: Sink) -> list[DailyCount]:
    """All rows of a sink in a fixed order."""
    return sorted(sink.rows(date.min, date.max))


class Interrupted(Exception):
    """What the suite's own iterators raise."""


class SinkSuite:
    """Subclass it in a test class and give `make_sink`."""

    def make_sink(self, tmp_path: Path) -> Sink:
        """A new sink object. All made with the same `tmp_path` share one store, which is empty at first."""
        raise NotImplementedError("give the suite a make_sink(self, tmp_path)")

    @pytest.fixture
    def sink(self, tmp_path: Path) -> Iterator[Sink]:
        with self.make_sink(tmp_path) as sink:
            yield sink

    # -- what is written is read --

    def test_round_trip(self, sink: Sink) -> None:
        rows = [
            row("/", 3),
            row("/a", 2, site="www.example.org"),
            row("/a", 1, dimension="referrer", value="Example Search"),
            row("", 7, dimension="status", value="200"),
        ]
        sink.replace_day(DAY, "web1", rows, lines=7)
        assert everything(sink) == sorted(rows)

    def test_another_object_sees_it(self, tmp_path: Path) -> None:
        with self.make_sink(tmp_path) as writer:
            writer.replace_day(DAY, "web1", [row("/a", 5)], lines=5)
        with self.make_sink(tmp_path) as reader:
            assert everything(reader) == [row("/a", 5)]
            assert [info[:3] for info in reader.days()] == [(DAY, "web1", 5)]

    def test_an_open_reader_sees_what_another_writes(self, tmp_path: Path) -> None:
        with self.make_sink(tmp_path) as reader, self.make_sink(tmp_path) as writer:
            assert everything(reader) == []
            writer.replace_day(DAY, "web1", [row("/a", 5)], lines=5)
            assert everything(reader) == [row("/a", 5)]
            writer.replace_day(DAY, "web1", [row("/a", 6)], lines=6)
            assert everything(reader) == [row("/a", 6)]

    def test_a_day_without_rows_is_a_day(self, sink: Sink) -> None:
        sink.replace_day(DAY, "web1", [], lines=0)
        assert everything(sink) == []
        assert [info[:3] for info in sink.days()] == [(DAY, "web1", 0)]

    def test_large_numbers(self, sink: Sink) -> None:
        sink.replace_day(DAY, "web1", [row("", 2**62, dimension="bytes")], lines=2**40)
        assert everything(sink) == [row("", 2**62, dimension="bytes")]
        assert sink.days()[0].lines == 2**40

    def test_large_day(self, sink: Sink) -> None:
        sink.replace_day(DAY, "web1", (row(f"/{n}", n + 1) for n in range(20_000)), lines=20_000)
        found = everything(sink)
        assert len(found) == 20_000
        assert sum(r.count for r in found) == 200_010_000

    @pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
    def test_hostile_text(self, sink: Sink, text: str) -> None:
        rows = [
            row(text, 1),
            row("/a", 2, site=text),
            row("/a", 3, dimension="referrer", value=text),
            row(text, 4, site=text, dimension="keyword", value=text),
        ]
        sink.replace_day(DAY, "web1", rows, lines=10)
        assert everything(sink) == sorted(rows)
        assert list(sink.rows(DAY, DAY, page=text, dimension="views")) == rows[:1]
        assert list(sink.rows(DAY, DAY, site=text, dimension="views")) == rows[1:2]
        assert sink.totals(DAY, DAY, site="", pages=[text, "/a"], dimension="views") == {text: 1}

    @pytest.mark.parametrize(
        "source",
        [text for text in HOSTILE.values() if len(text) < 50],
        ids=[k for k, t in HOSTILE.items() if len(t) < 50],
    )
    def test_hostile_source(self, sink: Sink, source: str) -> None:
        sink.replace_day(DAY, source, [row("/a", 1)], lines=5)
        with pytest.raises(PartialDayError):
            sink.replace_day(DAY, source, [row("/a", 2)], lines=4)
        sink.replace_day(DAY, source, [row("/a", 3)], lines=6)
        sink.replace_day(DAY, "web1", [row("/a", 1)], lines=1)
        assert everything(sink) == [row("/a", 4)]
        assert [info[:3] for info in sink.days()] == sorted([(DAY, source, 6), (DAY, "web1", 1)])

    def test_names_that_differ_in_case_or_blanks_are_different(self, sink: Sink) -> None:
        rows = sorted(
            row(page, n) for n, page in enumerate(("/a", "/A", "/a ", " /a", "/a/", "/\u00e9", "/e\u0301"), 1)
        )
        sink.replace_day(DAY, "web1", rows, lines=3)
        assert everything(sink) == rows

    def test_a_coordinate_twice_adds_up(self, sink: Sink) -> None:
        sink.replace_day(DAY, "web1", [row("/a", 1), row("/b", 1), row("/a", 2)], lines=4)
        assert everything(sink) == [row("/a", 3), row("/b", 1)]

    # -- a day is replaced as a whole, or not at all --

    def test_the_same_again_changes_nothing(self, sink: Sink) -> None:
        for _ in range(2):
            sink.replace_day(DAY, "web1", [row("/a", 5), row("/b", 1)], lines=6)
        assert everything(sink) == [row("/a", 5), row("/b", 1)]
        assert [info[:3] for info in sink.days()] == [(DAY, "web1", 6)]

    def test_replacing_leaves_nothing_of_before_and_all_of_other_days(self, sink: Sink) -> None:
        sink.replace_day(DAY, "web1", [row("/a", 5), row("/gone", 1)], lines=6)
        sink.replace_day(NEXT, "web1", [row("/a", 9, day=NEXT)], lines=9)
        sink.replace_day(DAY, "web1", [row("/a", 7)], lines=7)
        assert everything(sink) == [row("/a", 7), row("/a", 9, day=NEXT)]

    def test_fewer_lines_are_refused(self, sink: Sink) -> None:
        sink.replace_day(DAY, "web1", [row("/a", 5)], lines=6)
        before = sink.days()
        with pytest.raises(PartialDayError) as caught:
            sink.replace_day(DAY, "web1", [row("/a", 4)], lines=5)
        assert "\n" not in str(caught.value)
        for part in ("2026-11-22", "web1", "6", "5", "--force"):
            assert part in str(caught.value)
        assert everything(sink) == [row("/a", 5)]
        assert sink.days() == before

    def test_fewer_lines_by_force(self, sink: Sink) -> None:
        sink.replace_day(DAY, "web1", [row("/a", 5)], lines=6)
        sink.replace_day(DAY, "web1", [row("/a", 4)], lines=5, force=True)
        assert everything(sink) == [row("/a", 4)]
        assert [info[:3] for info in sink.days()] == [(DAY, "web1", 5)]

    def test_fewer_lines_of_another_source_are_no_loss(self, sink: Sink) -> None:
        sink.replace_day(DAY, "web1", [row("/a", 5)], lines=6)
        sink.replace_day(DAY, "web2", [row("/a", 1)], lines=1)
        sink.replace_day(NEXT, "web1", [row("/a", 2, day=NEXT)], lines=2)
        assert everything(sink) == [row("/a", 6), row("/a", 2, day=NEXT)]

    def test_a_row_of_another_day_is_refused(self, sink: Sink) -> None:
        sink.replace_day(DAY, "web1", [row("/a", 5)], lines=5)
        with pytest.raises(ValueError, match="2026-11-23"):
            sink.replace_day(DAY, "web1", [row("/a", 6), row("/b", 1, day=NEXT)], lines=7)
        assert everything(sink) == [row("/a", 5)]
        assert [info[:3] for info in sink.days()] == [(DAY, "web1", 5)]

    @pytest.mark.parametrize(
        "error", [Interrupted(), OSError(5, "the log cannot be read"), KeyboardInterrupt()], ids=repr
    )
    def test_rows_that_fail_half_way_change_nothing(self, sink: Sink, error: BaseException) -> None:
        def failing(count: int) -> Iterator[DailyCount]:
            for n in range(count):
                yield row(f"/new/{n}", 1)
            raise error

        with pytest.raises(type(error)) as caught:
            sink.replace_day(DAY, "web1", failing(3), lines=7)
        assert caught.value is error
        assert sink.days() == []
        sink.replace_day(DAY, "web1", [row("/a", 5)], lines=5)
        with pytest.raises(type(error)):
            sink.replace_day(DAY, "web1", failing(15_000), lines=20_000)
        assert everything(sink) == [row("/a", 5)]
        sink.replace_day(DAY, "web1", [row("/a", 6)], lines=6)
        assert everything(sink) == [row("/a", 6)]

    def test_rows_may_come_from_the_sink_itself(self, sink: Sink) -> None:
        sink.replace_day(DAY, "web1", [row("/a", 5), row("/b", 1)], lines=6)
        sink.replace_day(DAY, "copy", sink.rows(DAY, DAY), lines=6)
        assert everything(sink) == [row("/a", 10), row("/b", 2)]

    # -- questions --

    def test_sources_add_up(self, sink: Sink) -> None:
        sink.replace_day(DAY, "web1", [row("/a", 5), row("/b", 1)], lines=6)
        sink.replace_day(DAY, "web2", [row("/a", 2), row("/c", 1)], lines=3)
        assert everything(sink) == [row("/a", 7), row("/b", 1), row("/c", 1)]
        assert [info[:3] for info in sink.days()] == [(DAY, "web1", 6), (DAY, "web2", 3)]
        sink.replace_day(DAY, "web2", [row("/a", 3)], lines=3)
        assert everything(sink) == [row("/a", 8), row("/b", 1)]

    def test_filters(self, sink: Sink) -> None:
        rows = [
            row(page, 1, site=site, dimension=dimension, value=value)
            for site in ("", "one", "two")
            for page, dimension, value in (
                ("", "status", "200"),
                ("", "requests", ""),
                ("/a", "views", ""),
                ("/a", "referrer", "x"),
                ("/a", "referrer", "y"),
                ("/b", "views", ""),
            )
        ]
        sink.replace_day(DAY, "web1", rows, lines=18)
        for site in (None, "", "one", "three"):
            for page in (None, "", "/a", "/c"):
                for dimension in (None, "views", "referrer", "status", "keyword", ""):
                    expected = [
                        r
                        for r in rows
                        if site in (None, r.site) and page in (None, r.page) and dimension in (None, r.dimension)
                    ]
                    found = sink.rows(DAY, DAY, site=site, page=page, dimension=dimension)
                    assert sorted(found) == sorted(expected), (site, page, dimension)

    def test_ranges_and_order_of_days(self, sink: Sink) -> None:
        days = [DAY + timedelta(n) for n in (3, 0, 40, 1, -500)]
        for n, day in enumerate(days):
            sink.replace_day(day, "web1", [row("/a", n + 1, day=day), row("/b", 1, day=day)], lines=1)
        for page in (None, "/a"):
            assert [r.day for r in sink.rows(date.min, date.max, page=page) if r.page == "/a"] == sorted(days)
        found = list(sink.rows(DAY, DAY + timedelta(3)))
        assert [r.day for r in found] == sorted(r.day for r in found)
        assert {r.day for r in found} == {DAY, NEXT, DAY + timedelta(3)}
        assert list(sink.rows(NEXT, DAY)) == []
        assert [info.day for info in sink.days()] == sorted(days)

    def test_totals(self, sink: Sink) -> None:
        for n in range(5):
            day = DAY + timedelta(n)
            for source in ("web1", "web2"):
                rows = [row(f"/{p}", p + 1, day=day) for p in range(2_000)]
                rows += [row("/1", 100, day=day, site="other"), row("/1", 1_000, day=day, dimension="missing")]
                sink.replace_day(day, source, rows, lines=1)
        pages = [f"/{p}" for p in range(0, 3_000, 2)]
        found = sink.totals(DAY, DAY + timedelta(3), site="", pages=pages, dimension="views")
        assert found == {f"/{p}": (p + 1) * 8 for p in range(0, 2_000, 2)}
        assert sink.totals(DAY, NEXT, site="other", pages={"/1", "/2"}, dimension="views") == {"/1": 400}
        assert sink.totals(NEXT, DAY, site="", pages=["/1"], dimension="views") == {}
        assert sink.totals(DAY, NEXT, site="", pages=[], dimension="views") == {}
        assert sink.totals(DAY, NEXT, site="no such", pages=["/1"], dimension="views") == {}

    def test_daily(self, sink: Sink) -> None:
        for n in range(4):
            day = DAY + timedelta(n)
            for source in ("web1", "web2"):
                rows = [row(f"/{p}", p + n, day=day) for p in range(1, 100)] + [row("/1", 9, day=day, site="other")]
                rows += [row("", m, day=day, dimension="minute", value=f"00:0{m}") for m in (1, 2)]
                sink.replace_day(day, source, rows if n != 2 else rows[1:], lines=1)
        pages = [f"/{p}" for p in range(1, 2_000, 2)]
        found = sink.daily(DAY, DAY + timedelta(2), site="", pages=pages, dimension="views")
        assert found.keys() == {f"/{p}" for p in range(1, 100, 2)}
        assert found["/1"] == {DAY: 2, NEXT: 4}
        assert found["/3"] == {DAY: 6, NEXT: 8, DAY + timedelta(2): 10}
        assert sink.daily(DAY, NEXT, site="", pages=[""], dimension="minute") == {"": {DAY: 6, NEXT: 6}}
        assert sink.daily(DAY, NEXT, site="other", pages={"/1"}, dimension="views") == {"/1": {DAY: 18, NEXT: 18}}
        assert sink.daily(NEXT, DAY, site="", pages=["/1"], dimension="views") == {}
        assert sink.daily(DAY, NEXT, site="", pages=[], dimension="views") == {}
        assert sink.daily(DAY, NEXT, site="no such", pages=["/1"], dimension="views") == {}

    def test_top(self, sink: Sink) -> None:
        names = ["/b", "/a", "/A_%", "/\\", "/\udce9", "<b>"]
        rows = []
        for number, name in enumerate(names):
            for day in (DAY, NEXT, NEXT + timedelta(1)):
                rows.append(row(name, 10 + number // 2, day=day))
                rows.append(row(name, 99, day=day, site="other"))
                rows.append(row(name, 1 + number, day=day, dimension="bot", value=f"v{number % 2}"))
        for day, source in ((DAY, "web1"), (DAY, "web2"), (NEXT, "web1"), (NEXT + timedelta(1), "web1")):
            sink.replace_day(day, source, [r for r in rows if r.day == day], lines=1)

        def expected(dimension: str, by: str, value: str | None = None, containing: str = "") -> list[tuple[str, int]]:
            sums: dict[str, int] = {}
            for r in sink.rows(DAY, NEXT, site="", dimension=dimension):
                if value in (None, r.value) and containing.lower() in r.page.lower():
                    sums[getattr(r, by)] = sums.get(getattr(r, by), 0) + r.count
            return sorted(sums.items(), key=lambda item: (-item[1], item[0]))

        for n in (0, 1, 3, 100):
            assert sink.top(n, DAY, NEXT, site="", dimension="views", by="page") == expected("views", "page")[:n]
            assert sink.top(n, DAY, NEXT, site="", dimension="bot", by="value") == expected("bot", "value")[:n]
        for value in ("v1", "nothing"):
            found = sink.top(9, DAY, NEXT, site="", dimension="bot", by="page", value=value)
            assert found == expected("bot", "page", value)
        for part in ("a", "A_", "_", "%", "\\", "/", "nothing"):
            found = sink.top(9, DAY, NEXT, site="", dimension="views", by="page", containing=part)
            assert found == expected("views", "page", containing=part), part
        assert len(expected("views", "page", containing="a")) == 2
        assert sink.top(9, NEXT, DAY, site="", dimension="views", by="page") == []
        assert sink.top(9, DAY, NEXT, site="no such", dimension="views", by="page") == []

    def test_when_it_was_written(self, sink: Sink) -> None:
        # Clocks of file systems and of other hosts are a little coarse.
        begin = datetime.now(UTC) - timedelta(seconds=2)
        sink.replace_day(DAY, "web1", [row()], lines=1)
        [info] = sink.days()
        assert begin <= info.written <= datetime.now(UTC) + timedelta(seconds=2)

    # -- two pages become one; for sinks that are `Merging`, too --

    @pytest.fixture
    def merging(self, sink: Sink) -> Merging:
        """The same object as `sink`."""
        if not isinstance(sink, Merging):
            pytest.skip("the sink cannot merge")
        return sink

    def test_merge_adds_every_dimension_and_source(self, sink: Sink, merging: Merging) -> None:
        old = [
            row("/old", 3),
            row("/old", 2, dimension="referrer", value="x"),
            row("/old", 1, dimension="bot", value="b"),
        ]
        new = [row("/new", 10), row("/new", 20, dimension="referrer", value="x")]
        others = [row("/oldest", 5), row("/old", 7, site="other"), row("", 9, dimension="requests"), row("old", 4)]
        sink.replace_day(DAY, "web1", [*old, *new, *others], lines=9)
        sink.replace_day(DAY, "web2", [row("/old", 100)], lines=1)
        sink.replace_day(NEXT, "web1", [row("/old", 1000, day=NEXT)], lines=1)
        before = [info[:3] for info in sink.days()]
        for _ in range(2):
            merging.merge(Merge("", "/old", "/new"))
            assert everything(sink) == sorted(
                [
                    *others,
                    row("/new", 113),
                    row("/new", 22, dimension="referrer", value="x"),
                    row("/new", 1, dimension="bot", value="b"),
                    row("/new", 1000, day=NEXT),
                ]
            )
            assert list(sink.rows(DAY, NEXT, site="", page="/old")) == []
            found = sink.totals(DAY, NEXT, site="", pages=["/old", "/new"], dimension="views")
            assert found == {"/new": 1113}
        assert [info[:3] for info in sink.days()] == before
        assert merging.merges() == [Merge("", "/old", "/new")]

    def test_merge_of_some_days(self, sink: Sink, merging: Merging) -> None:
        days = [DAY + timedelta(n) for n in range(4)]
        for day in days:
            sink.replace_day(day, "web1", [row("/old", 1, day=day), row("/new", 10, day=day)], lines=11)
        merging.merge(Merge("", "/old", "/new", days[1], days[2]))
        found = {day: {r.page: r.count for r in sink.rows(day, day)} for day in days}
        whole, parted = {"/new": 11}, {"/old": 1, "/new": 10}
        assert found == dict(zip(days, (parted, whole, whole, parted), strict=True))

    def test_a_merge_holds_for_days_that_are_written_later(self, sink: Sink, merging: Merging) -> None:
        merging.merge(Merge("", "/old", "/new", date.min, DAY))
        for day in (DAY, NEXT):
            rows = [row("/old", 1, day=day), row("/new", 10, day=day), row("/old", 5, day=day, site="other")]
            for _ in range(2):
                sink.replace_day(day, "web1", rows, lines=16, force=True)
        assert [r for r in everything(sink) if not r.site] == [
            row("/new", 11),
            row("/new", 10, day=NEXT),
            row("/old", 1, day=NEXT),
        ]
        assert sum(r.count for r in everything(sink) if r.site == "other") == 10

    def test_merges_follow_one_another(self, sink: Sink, merging: Merging) -> None:
        pages = ["/a", "/b", "/c", "/d"]
        done = [Merge("", "/b", "/c"), Merge("", "/a", "/b"), Merge("", "/b", "/d"), Merge("", "/d", "/a")]
        for day in (DAY, NEXT):  # once it is history that is merged, once what is written after it
            rows = [row(page, 10**n, day=day) for n, page in enumerate(pages)]
            sink.replace_day(day, "web1", rows, lines=4)
            if day == DAY:
                for merge in done:
                    merging.merge(merge)
            expected = [row("/a", 1001, day=day), row("/c", 110, day=day)]
            assert sorted(sink.rows(day, day)) == expected
        assert merging.merges() == done

    def test_merges_outlive_the_object(self, tmp_path: Path, merging: Merging) -> None:
        merge = Merge("www.example.org", "/old", "/new", DAY, NEXT)
        merging.merge(merge)
        with self.make_sink(tmp_path) as other:
            assert isinstance(other, Merging)
            assert other.merges() == [merge]

    @pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
    def test_merge_of_hostile_names(self, sink: Sink, merging: Merging, text: str) -> None:
        sink.replace_day(DAY, "web1", [row(text, 1, site=text), row("/a", 2)], lines=3)
        merging.merge(Merge(text, text, text + "2"))
        assert everything(sink) == sorted([row(text + "2", 1, site=text), row("/a", 2)])
        merging.merge(Merge(text, text + "2", text))
        assert everything(sink) == sorted([row(text, 1, site=text), row("/a", 2)])

    @pytest.mark.parametrize(
        "merge",
        [
            Merge("", "/a", "/a"),
            Merge("", "", "/a"),
            Merge("", "/a", ""),
            Merge("", "/a", "(other)"),
            Merge("", "(other)", "/a"),
            Merge("", "/a", "/b", NEXT, DAY),
        ],
    )
    def test_merges_that_mean_nothing(self, sink: Sink, merging: Merging, merge: Merge) -> None:
        rows = [row("", 1, dimension="requests"), row("(other)", 1), row("/a", 2)]
        sink.replace_day(DAY, "web1", rows, lines=3)
        with pytest.raises(ValueError, match=r"; (name|give)"):
            merging.merge(merge)
        assert everything(sink) == rows
        assert merging.merges() == []

    # -- life --

    # -- who viewed a page; for sinks that are `Sketching`, too --

    @pytest.fixture
    def sketching(self, sink: Sink) -> Sketching:
        """The sink, as what it is besides."""
        if not isinstance(sink, Sketching):
            pytest.skip("not a Sketching sink")
        sink.replace_day(DAY, "one", [row("/")], lines=1)
        return sink

    def test_sketches_round_trip(self, sketching: Sketching, tmp_path: Path) -> None:
        written = [
            sketch("", b"whole"),
            sketch("/", bytes(range(256)) * 16),
            sketch("/", b"", site="www.example.org"),
            sketch("/none/", b"\x01"),
        ]
        sketching.replace_sketches(DAY, "one", iter(written))
        with self.make_sink(tmp_path) as other:
            assert isinstance(other, Sketching)
            for reader in (sketching, other):
                assert sorted(reader.sketches(DAY, site="")) == [written[0], written[1], written[3]]
                assert list(reader.sketches(DAY, site="www.example.org")) == [written[2]]
                assert list(reader.sketches(DAY, site="", page="")) == [written[0]]
                assert list(reader.sketches(DAY, site="", page="/")) == [written[1]]
                assert list(reader.sketches(DAY, site="", page="/other/")) == []
                assert list(reader.sketches(NEXT, site="")) == []

    def test_sketches_of_a_day_and_source_are_replaced_whole(self, sink: Sink, sketching: Sketching) -> None:
        sink.replace_day(DAY, "two", [row("/")], lines=1)
        sink.replace_day(NEXT, "one", [row("/", day=NEXT)], lines=1)
        sketching.replace_sketches(DAY, "one", [sketch("/a", b"a"), sketch("/b", b"b")])
        sketching.replace_sketches(DAY, "two", [sketch("/a", b"two")])
        sketching.replace_sketches(NEXT, "one", [sketch("/a", b"next", day=NEXT)])
        for _ in range(2):
            sketching.replace_sketches(DAY, "one", [sketch("/b", b"new")])
            assert sorted(sketching.sketches(DAY, site="")) == [sketch("/a", b"two"), sketch("/b", b"new")]
        sketching.replace_sketches(DAY, "one", [])
        assert list(sketching.sketches(DAY, site="")) == [sketch("/a", b"two")]
        assert list(sketching.sketches(NEXT, site="")) == [sketch("/a", b"next", day=NEXT)]
        assert [info.source for info in sink.days()] == ["one", "two", "one"]

    def test_sketches_are_no_rows(self, sink: Sink, sketching: Sketching) -> None:
        sketching.replace_sketches(DAY, "one", [sketch("/", b"a"), sketch("/only/", b"b")])
        assert everything(sink) == [row("/")]
        assert [info.lines for info in sink.days()] == [1]

    def test_a_sketch_of_another_day_is_refused(self, sketching: Sketching) -> None:
        sketching.replace_sketches(DAY, "one", [sketch("/", b"before")])
        for wrong in ([sketch("/", b"a", day=NEXT)], [sketch("/", b"a"), sketch("/b", b"b", day=NEXT)]):
            with pytest.raises(ValueError, match="2026-11-23"):
                sketching.replace_sketches(DAY, "one", wrong)
            assert list(sketching.sketches(DAY, site="")) == [sketch("/", b"before")]

    @pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
    def test_sketches_of_hostile_names(self, sink: Sink, sketching: Sketching, text: str) -> None:
        sink.replace_day(DAY, text[:100], [row(text)], lines=1)
        sketching.replace_sketches(DAY, text[:100], [sketch(text, b"a", site=text)])
        assert list(sketching.sketches(DAY, site=text)) == [sketch(text, b"a", site=text)]
        assert list(sketching.sketches(DAY, site=text, page=text)) == [sketch(text, b"a", site=text)]

    def test_sketches_of_merged_pages_are_those_of_the_new_one(self, sketching: Sketching) -> None:
        if not isinstance(sketching, Merging):
            pytest.skip("not a Merging sink")
        sketching.replace_sketches(DAY, "one", [sketch("/old", b"old"), sketch("/new", b"new"), sketch("", b"whole")])
        sketching.merge(Merge("", "/old", "/new", DAY, DAY))
        both = [sketch("/new", b"new"), sketch("/new", b"old")]
        assert sorted(sketching.sketches(DAY, site="", page="/new")) == both
        assert sorted(sketching.sketches(DAY, site="")) == [sketch("", b"whole"), *both]
        assert list(sketching.sketches(DAY, site="", page="/old")) == []
        sketching.replace_sketches(DAY, "one", [sketch("/old", b"again")])
        assert list(sketching.sketches(DAY, site="", page="/new")) == [sketch("/new", b"again")]

    # -- reading, closing --

    def test_reading_what_is_absent_finds_and_creates_nothing(self, tmp_path: Path) -> None:
        with self.make_sink(tmp_path) as sink:
            assert everything(sink) == []
            assert sink.days() == []
            assert sink.totals(DAY, NEXT, site="", pages=["/a", "/b"], dimension="views") == {}
        assert list(tmp_path.iterdir()) == []

    def test_close_twice_and_use_again(self, sink: Sink) -> None:
        sink.close()
        sink.replace_day(DAY, "web1", [row("/a", 5)], lines=5)
        sink.close()
        sink.close()
        assert everything(sink) == [row("/a", 5)]
        sink.replace_day(DAY, "web1", [row("/a", 6)], lines=6)
        assert everything(sink) == [row("/a", 6)]

    def test_rows_left_half_read_hold_nothing_up(self, tmp_path: Path) -> None:
        with self.make_sink(tmp_path) as sink, self.make_sink(tmp_path) as other:
            sink.replace_day(DAY, "web1", (row(f"/{n}") for n in range(2_000)), lines=1)
            reading = sink.rows(DAY, DAY)
            next(reading)
            other.replace_day(DAY, "web1", [row("/a", 2)], lines=2)
            sink.replace_day(DAY, "web1", [row("/a", 3)], lines=3)
            assert everything(other) == [row("/a", 3)]
            del reading  # until then it, and what is asked beside it, may be shown the state it began with
            assert everything(sink) == [row("/a", 3)]
