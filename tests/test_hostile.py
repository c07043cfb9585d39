"""Hostile text through every stage: parsing, judging, keys, backends, sinks, answers, outputs. Nothing escapes.

PIPELOG_TEST_EXAMPLES=5000 makes a long run of it.
"""

from __future__ import annotations

import csv
import io
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import closing, redirect_stdout
from datetime import date
from pathlib import Path

import pytest
from cli_helpers import YESTERDAY, line, pipelog
from counting_helpers import by_definition
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipelog.backends.base import CounterBackend
from pipelog.backends.keys import Keys, decode_name, encode_name
from pipelog.backends.memcached import MemcachedBackend
from pipelog.backends.memory import MemoryBackend
from pipelog.backends.sqlite import SQLiteBackend
from pipelog.cli.output import print_rows
from pipelog.counting.leaders import MAX_DOCUMENT, Leaders
from pipelog.counting.rules import Rules
from pipelog.counting.tally import Batch, Tallier
from pipelog.daily import rollup
from pipelog.errors import LineError
from pipelog.intake.ledger import Ledger
from pipelog.locators import Location
from pipelog.model import MOST, DailyCount, Tally
from pipelog.parsing import clf
from pipelog.parsing.chunks import MAX_LINE
from pipelog.parsing.logformat import LogFormat
from pipelog.queries import Hits
from pipelog.sinks.base import Sink
from pipelog.sinks.cells import undefuse
from pipelog.sinks.csvfile import CSVSink
from pipelog.sinks.sqlite import SQLiteSink
from pipelog.testing.servers import memcached

DAY = date(2026, 11, 22)
RULES = Rules(parameters=("id",), site_search_path="/search", bots="core")
FORMATS = ("combined", "vhost_combined")
CHROME = b"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/140.0.0.0 Safari/537.36"

ATOMS = [
    *(bytes((n,)) for n in (0, 7, 8, 9, 10, 13, 27, 32, 127, 128, 155, 255)),
    b"\x1b]0;title\x07\x1b[2J",
    b"\r\nset pipelog|x 0 0 1\r\n1\r\n",
    b"' OR 1=1;--",
    b'"; DROP TABLE name;--',
    b"=cmd|' /C calc'!A1",
    b"@SUM(1+1)",
    b";=1+1",
    b"<script>alert(1)</script>",
    b"&amp;\"'",
    b"../../../etc/passwd",
    b"%00%0a%0d%2e%2e%2f",
    b"%\\x\\\\",
    b"\\x1b\\n\\u202e",
    "\u202e\u2066\ufeff\u2028\xa0".encode(),
    "İ大\U000e0001".encode(),
    b"\xed\xb3\xbf\xf0\x9f\x98",
    b"|#=%|",
    b"{}[]$(id)`id`",
    b"q=1&utm_source=",
    b"?utm_campaign=%1b%5b2J&utm_term=%0d%0a%3d1&id=%22",
    b"a" * 300,
]
TEXT = st.lists(st.sampled_from(ATOMS) | st.binary(max_size=8), max_size=6).map(b"".join)
HUGE = st.builds(lambda atom, size: (atom * size)[: size or 1], st.sampled_from(ATOMS), st.sampled_from([99_000]))
FIELD = st.one_of(TEXT, TEXT, TEXT, TEXT, TEXT, HUGE)
SEARCHED = FIELD.map(lambda raw: b"https://www.google.com/search?q=" + raw)
TARGET = st.builds(
    lambda begin, rest: begin + rest, st.sampled_from([b"/", b"/search?q=", b"http://x/", b"//", b"/a?id=", b""]), FIELD
)
NUMBER = st.sampled_from([b"512", b"-", b"0", b"9" * 15, b"9" * 32, b"9" * 33, b"-1", b"0x1", b"1e9"])


@st.composite
def lines(draw: st.DrawFn, format: str) -> bytes:
    """A line that httpd could have written, or one that it would not: nothing in it is escaped."""
    escaped = clf.escape if draw(st.integers(0, 3)) else lambda raw: raw
    stamp = draw(st.sampled_from([b"22/Nov/2026:10:11:12 +0000"] * 6 + [b"01/Jan/0001:00:00:00 +2359", b"31/Feb/2026"]))
    status = draw(st.sampled_from([b"200"] * 6 + [b"404", b"000", b"999", b"-", b"2000"]))
    request = b"GET " + draw(TARGET).replace(b" ", b"+") + b" HTTP/1.1" if draw(st.booleans()) else draw(FIELD)
    host = draw(TEXT).replace(b" ", b"") or b"h"
    begin = escaped(host) + b":80 " if format == "vhost_combined" else b""
    agent = draw(st.just(CHROME) | FIELD.map(lambda raw: CHROME + raw) | FIELD)
    parts = [begin, b"192.0.2.1 - ", escaped(draw(TEXT)) or b"-", b" [", stamp, b'] "', escaped(request), b'" ', status]
    parts += [b" ", draw(NUMBER), b' "', escaped(draw(SEARCHED | FIELD)), b'" "', escaped(agent), b'"']
    return b"".join(parts)[:MAX_LINE]  # a longer one is cut out by whoever reads a stream, see test_chunks.py


EXAMPLES = int(os.environ.get("PIPELOG_TEST_EXAMPLES", "12"))
FULL = settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
LOGS = st.sampled_from(FORMATS).flatmap(
    lambda format: st.tuples(st.just(format), st.lists(lines(format), min_size=1, max_size=4).map(b"\n".join))
)


def tally_of(format: str, log: bytes, rules: Rules = RULES) -> Tally:
    parsed, tally = LogFormat(format), Tally()
    tallier, batch = Tallier(rules, parsed), Batch()
    tallier.add(parsed.columns(log), batch)
    tallier.tally(batch, tally)
    return tally


@FULL
@given(LOGS)
def test_both_ways_of_reading_agree_and_names_are_bounded(log: tuple[str, bytes]) -> None:
    format, raw = log
    parsed = LogFormat(format)
    columns = parsed.columns(raw)
    good, reasons = 0, [""]
    for single in raw.split(b"\n"):
        try:
            good += parsed.parse(single).time is not None
        except LineError as error:
            reasons.append(str(error))
    assert len(columns.times) == good
    assert max(map(len, reasons)) < 2_000
    assert "".join(reasons).isprintable()
    tally = tally_of(format, raw)
    assert tally == by_definition(raw, format, RULES)
    for coordinate in tally:
        day, site, page, dimension, value = coordinate
        assert len(site) <= 253
        assert len(page) <= 1024
        assert page.isascii()
        assert page.isprintable()
        assert " " not in page
        assert len(value) <= 700
        if dimension != "referrer":
            assert value.isprintable()
        assert decode_name(encode_name(coordinate)) == coordinate
        key = Keys().counter(coordinate)
        assert len(key) <= 250
        assert key.isascii()
        assert key.isprintable()
        assert " " not in key
        assert Keys().coordinate(key) in (coordinate, None)
        assert Keys().day_of(key) == day


def stored(tally: Tally) -> Tally:
    return {coordinate: min(count, MOST) for coordinate, count in tally.items() if coordinate.day == DAY}


def live(backend: CounterBackend, tally: Tally) -> Tally:
    """What a backend tells of the day after it has been committed to."""
    Ledger.add(backend, Keys(), tally)
    with closing(backend):
        hits = Hits(counters=backend, history=None, today=lambda: DAY)
        return {row[:5]: row.count for row in hits.rows(DAY)}  # type: ignore[misc]


@FULL
@given(LOGS)
def test_backends_and_sinks_give_back_what_they_were_given(log: tuple[str, bytes]) -> None:
    tally = tally_of(*log)
    wanted = stored(tally)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for backend in (MemoryBackend(), SQLiteBackend(folder / "counters.db")):
            assert live(backend, tally) == wanted
        (folder / "log").write_bytes(log[1])
        sinks: list[Sink] = [SQLiteSink(folder / "history.db"), CSVSink(folder / "days")]
        for sink in sinks:
            rollup([folder / "log"], DAY, sink, source="s\n/=1\udcff", format=log[0], rules=RULES)
            with closing(sink):
                assert {row[:5]: row.count for row in sink.rows(DAY, DAY)} == wanted
                for page in {coordinate.page for coordinate in wanted}:
                    assert Hits(counters=None, history=sink, today=lambda: DAY).total(page) >= 0
        for path in (folder / "days").iterdir():
            text = path.read_bytes().decode()
            assert all(one.isprintable() for one in text.split("\r\n"))
            assert text.count("\r\n") == len(wanted) + 2
    leaders = Leaders()
    leaders.add(tally)
    document = leaders.encode()
    assert len(document) <= MAX_DOCUMENT
    assert Leaders(document).encode() == document


@FULL
@given(LOGS)
def test_outputs_are_printable_and_tell_all(log: tuple[str, bytes]) -> None:
    rows = [DailyCount(*coordinate, count) for coordinate, count in tally_of(*log).items()]
    shown = [(row.day.isoformat(), *row[1:]) for row in rows]
    with tempfile.TemporaryFile("w+", encoding="utf-8", newline="") as file:
        for how in ("table", "csv", "json"):
            file.seek(0)
            file.truncate()
            with redirect_stdout(file):
                print_rows(DailyCount._fields, shown, how)
            file.flush()
            file.seek(0)
            text = file.read()
            assert all(one.isprintable() for one in text.split("\n"))
            if how == "table":
                assert len(text.splitlines()) == len(rows) + 1
            elif how == "csv":
                assert len(text.splitlines()) == len(rows) + 1
                found = [tuple(map(undefuse, cells)) for cells in csv.reader(io.StringIO(text, newline=""))][1:]
                assert found == [tuple(map(str, row)) for row in shown]
            else:
                assert [tuple(row.values()) for row in json.loads(text)] == shown


NASTY = b"\n".join(
    b'192.0.2.1 - - [22/Nov/2026:10:11:12 +0000] "GET /%b HTTP/1.1" 200 5 "https://www.google.com/search?q=%b" "%b"'
    % (clf.escape(atom.replace(b" ", b"+")), clf.escape(b"x" + atom), CHROME)
    for atom in (*ATOMS, *(atom * 400 for atom in ATOMS if len(atom) < 40))
)


@pytest.fixture(scope="module")
def server() -> Iterator[MemcachedBackend]:
    with memcached() as running, MemcachedBackend.from_location(Location.parse(running.url)) as backend:
        yield backend


def test_memcached_takes_every_name(server: MemcachedBackend) -> None:
    tally = tally_of("combined", NASTY)
    assert sum(coordinate.dimension == "views" for coordinate in tally) > 20
    Ledger.add(server, Keys(), tally)
    counts = server.counts([Keys().counter(coordinate) for coordinate in tally])
    assert counts == {Keys().counter(coordinate): count for coordinate, count in tally.items()}


def test_commands_show_every_name(tmp_path: Path) -> None:
    day = f"{YESTERDAY:%d/%b/%Y}".encode()
    log = tmp_path / "some.log"
    log.write_bytes(NASTY.replace(b"22/Nov/2026", day) + b"\n\x1b[31mno line\xff\n" + b"\x9b" * 200_000)
    for arguments in (
        ["rollup", str(log)],
        ["check", str(log)],
        ["export", "yesterday", "--output", "table"],
        ["export", "yesterday", "--output", "csv"],
        ["top", "yesterday", "--by", "keyword", "--output", "table"],
        ["top", "yesterday", "--output", "json"],
    ):
        done = pipelog(tmp_path / "state", *arguments)
        assert done.returncode == 0, done.stderr
        assert all(one.isprintable() for one in (done.stdout + done.stderr).decode().split("\n")), arguments


def test_sizes_that_lie_burst_no_store(tmp_path: Path) -> None:
    """Ten thousand answers of nearly a petabyte are more than 64 bits hold."""
    log = line("/a/", YESTERDAY).replace(b" 512 ", b" 999999999999999 ") * 10_000
    path = tmp_path / "some.log"
    path.write_bytes(log)
    tally = tally_of("combined", log)
    for sink in (SQLiteSink(tmp_path / "history.db"), CSVSink(tmp_path / "days")):
        for source in ("one", "two"):
            rollup([path], YESTERDAY, sink, source=source, rules=RULES)
        [sum_] = [row.count for row in sink.rows(YESTERDAY, YESTERDAY, dimension="bytes")]
        assert sum_ == 2 * MOST
        sink.close()
    backend = SQLiteBackend(tmp_path / "counters.db")
    Ledger.add(backend, Keys(), tally)
    assert max(count for _, count in backend.scan("pipelog")) == MOST
    backend.close()


@pytest.mark.parametrize("year", ["0001", "9999"])
@pytest.mark.parametrize("zone", ["", "Pacific/Kiritimati", "America/Los_Angeles"])
def test_the_ends_of_the_calendar(tmp_path: Path, year: str, zone: str) -> None:
    path = tmp_path / "some.log"
    for number, stamp in enumerate((f"01/Jan/{year}:00:00:00 +2359", f"31/Dec/{year}:23:59:59 -2359"), 1):
        path.write_bytes(b'192.0.2.1 - - [%b] "GET /a HTTP/1.1" 200 5 "-" "%b"\n' % (stamp.encode(), CHROME))
        tally = tally_of("combined", path.read_bytes(), Rules(timezone=zone))
        [day] = {coordinate.day for coordinate in tally}
        for sink in (SQLiteSink(tmp_path / "history.db"), CSVSink(tmp_path / "days")):
            rollup([path], day, sink, source="one", rules=Rules(timezone=zone), force=True)
            with closing(sink):
                assert [row.count for row in sink.rows(day, day, dimension="views")] == [1]
                assert Hits(counters=None, history=sink).total("/a") == (number if year == "0001" else 0)


def test_the_last_month_there_is(tmp_path: Path) -> None:
    assert pipelog(tmp_path, "hits", "/a", "--days", "9999-12").returncode == 0
