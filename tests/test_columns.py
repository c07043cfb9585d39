"""Columns: the same answers as parse, line by line, whatever stands in the chunk."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pipelog.errors import LineError
from pipelog.parsing.clf import clf_time, split_request, text
from pipelog.parsing.columns import Columns, Raw
from pipelog.parsing.logformat import LogFormat

GOOD = b'192.0.2.7 - - [22/Nov/2026:10:11:12 +0000] "GET /a HTTP/1.1" 200 5 "-" "Mozilla/5.0"'
FORMATS = [
    "common",
    "combined",
    "combinedio",
    "vhost_combined",
    '%V %a %u %t "%r" %s %B',
    '%v,%p,%h,%l,%u,%t,%O,%>s,"%H","%m","%U","%q","%{Referer}i","%{User-Agent}i"',
    "%h\t%u\t%t\t%r\t%>s\t%b\t%{User-Agent}i\tend",
    '%t "%u" %>s "%r" %400b',
    "%{%d/%b/%Y:%T %z}t %m %U%q %H %>s %b",
    "%{%F %T}t %>s %r",
    '%t %{end}t "%r"',
    '%t %T "%{User-Agent}i"',
    "%200t %>s",
    '%t "%r" %>s "%{sec-purpose}i"',
    '%t "%r" "%{Purpose}i" "%{Sec-Purpose}i"',
    "%>s %b",
    "%t",
]


def check(format: LogFormat, chunk: bytes) -> Columns:
    """That the columns of a chunk are what `parse` makes of each of its lines."""
    columns = format.columns(chunk)
    good: list[int] = []
    bad: list[tuple[int, str, int]] = []
    offset = lines = 0
    for line in chunk.split(b"\n"):
        if line.strip(b" \t\r"):
            lines += 1
            row = len(good)
            try:
                record = format.parse(line)
            except LineError as error:
                bad.append((offset, error.reason, error.position))
            else:
                if record.time is None:
                    bad.append((offset, "no time", 0))
                else:
                    good.append(offset)
                    assert clf_time(columns.times[row]) == record.time.replace(microsecond=0)
                    assert clf_time(columns.times[row]).utcoffset() == record.time.utcoffset()
                    assert text(columns.sites[row]) == record.site
                    assert split_request(columns.requests[row]) == (record.method, record.target, record.protocol)
                    assert text(columns.statuses[row]) == (None if record.status is None else f"{record.status:03}")
                    assert int(columns.sizes[row].replace(b"-", b"0")) == (record.size or 0)
                    assert text(columns.referrers[row]) == record.referrer
                    assert text(columns.agents[row]) == record.agent
                    assert text(columns.hosts[row]) == record.host
                    purposes = [value or "-" for name, value in record.fields.items() if name.endswith("urpose}i")]
                    if "" not in record.fields.values():
                        assert (text(columns.purposes[row]) or "-") == (" ".join(purposes) or "-")
        offset += len(line) + 1
    assert {len(column) for column in columns[: len(Raw._fields)]} == {len(good)}
    assert columns.lines == lines
    assert [(place, error.reason, error.position) for place, error in columns.bad] == bad
    return columns


def test_values_are_raw() -> None:
    line = rb'www.example.org:80 ::1 - - [1/Nov/2026:10:11:12 -0500] "GET /\"a\" HTTP/1.1" 404 - "" "\xc3\xa9 \\"'
    columns = LogFormat("vhost_combined").columns(line)
    assert columns == Columns(
        times=(b"1/Nov/2026:10:11:12 -0500",),
        sites=(b"www.example.org",),
        requests=(rb"GET /\"a\" HTTP/1.1",),
        statuses=(b"404",),
        sizes=(b"-",),
        referrers=(b"",),
        agents=(rb"\xc3\xa9 \\",),
        purposes=(b"-",),
        hosts=(b"::1",),
        lines=1,
        bad=[],
    )


def test_what_the_format_lacks_is_missing() -> None:
    columns = LogFormat("%t %b").columns(b"[22/Nov/2026:10:11:12 +0000] 5\n" * 2)
    missing = (b"-", b"-")
    assert columns.sites == columns.requests == columns.statuses == columns.referrers == columns.agents == missing
    assert columns.hosts == missing
    assert (columns.times, columns.sizes) == ((b"22/Nov/2026:10:11:12 +0000",) * 2, (b"5",) * 2)


def test_values_are_written_again_where_they_are_no_pieces_of_the_line() -> None:
    format = LogFormat('%{%F %T}t.%{usec_frac}t %{%z}t "%m" "%U" "%q" "%H" %>s')
    line = rb'2026-11-22 10:11:12.000042 +0130 "GET" "/a b\xc3\xa9" "?c=\"d\"" "HTTP/1.1" 200'
    columns = check(format, line)
    assert columns.times == (b"22/Nov/2026:10:11:12 +0130",)
    assert columns.requests == (rb"GET /a%20b%C3%A9?c=\"d\" HTTP/1.1",)


def test_a_line_without_time_is_bad() -> None:
    for format, line in ((LogFormat("%>s %b"), b"200 5"), (LogFormat("%200t %>s"), b"- 404")):
        columns = format.columns(line + b"\n")
        assert (columns.times, columns.lines) == ((), 1)
        ((offset, error),) = columns.bad
        assert (offset, error.reason) == (0, "no time")


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("chunk", [b"", b"\n", b"\n\n \t\r\n", b"x", b"x\n"])
def test_small_chunks(format: str, chunk: bytes) -> None:
    columns = check(LogFormat(format), chunk)
    assert columns.lines == columns.times.count(b"") + len(columns.bad) == chunk.count(b"x")


# Lines that the fast pattern must leave to the exact way, or must not take for a part of their neighbours.
ODD = [
    b"",
    b" ",
    b"\r",
    b"this is no log line",
    b'"',
    GOOD + b" \t\r",
    GOOD + b" x",
    GOOD[:-1],
    GOOD[: GOOD.index(b"HTTP")],
    GOOD[: GOOD.index(b' 200 5 "-"')],
    GOOD[GOOD.index(b'" 200') :],
    GOOD.replace(b"22/Nov", b"31/Nov"),
    GOOD.replace(b"22/Nov", b"1/Nov"),
    GOOD.replace(b"22/Nov", b"29/Feb"),
    GOOD.replace(b"22/Nov", b"00/Nov"),
    GOOD.replace(b"10:11:12", b"24:11:12"),
    GOOD.replace(b"10:11:12", b"1:1:1"),
    GOOD.replace(b"+0000", b"+2400"),
    GOOD.replace(b"+0000", b"+0060"),
    GOOD.replace(b"Nov", b"Nox"),
    GOOD.replace(b"200", b"-"),
    GOOD.replace(b"200", b"20"),
    GOOD.replace(b" 5 ", b" " + b"9" * 33 + b" "),
    GOOD.replace(b"- - [", b"- a b [01/Jan/2000:00:00:00 +0000] c ["),
    GOOD.replace(b"- - [", rb"- a [01/Jan/2000:00:00:00 +0000] \"GET /x HTTP/1.1\" 200 5 ["),
    GOOD.replace(b"- - [", b'- "" ['),
    GOOD.replace(b"192.0.2.7", b"192.0.2.7, 192.0.2.8"),
    GOOD.replace(b"192.0.2.7", b"192.0.2.777"),
    GOOD.replace(b"/a", rb"/\"a\\\""),
    GOOD.replace(b"/a", rb"/\" 200 5 \"x\" \"y\""),
    GOOD.replace(b'"-"', rb'"x\" 200 5 \"y\" \"z"'),
    GOOD.replace(b'"-"', rb'"x\\"'),
    GOOD.replace(b"Mozilla", rb"\"\n"),
    GOOD.replace(b"Mozilla", b"\xff\x00\\"),
    GOOD.replace(b'/5.0"', b'\\"'),
    GOOD.replace(b'/5.0"', rb'\\"'),
]


@pytest.mark.parametrize("odd", ODD)
def test_an_odd_line_spoils_no_other(odd: bytes) -> None:
    chunk = b"\n".join((GOOD, odd, GOOD, odd, odd, GOOD, b""))
    columns = check(LogFormat("combined"), chunk)
    assert all(error.__traceback__ is error.__context__ is None for _, error in columns.bad)
    assert columns.requests.count(b"GET /a HTTP/1.1") >= 3
    assert len(columns.bad) in (0, 3)


def test_a_value_that_runs_on_into_the_next_line_is_noticed() -> None:
    # Cut and continued so that the two halves look like one line to a pattern that does not look for newlines.
    head, tail = GOOD.split(b"GET /a", 1)
    chunk = b"\n".join((GOOD, head + b"GET /b", tail.removeprefix(b" HTTP/1.1"), GOOD, GOOD))
    columns = check(LogFormat("combined"), chunk)
    assert len(columns.times) == 3
    assert [offset for offset, _ in columns.bad] == [len(GOOD) + 1, len(GOOD) + len(head) + 8]


def test_good_lines_take_the_fast_way(monkeypatch: pytest.MonkeyPatch) -> None:
    format = LogFormat("combined")
    format.columns(GOOD)
    monkeypatch.setattr(format, "parse", None)
    monkeypatch.setattr(format, "_match", None)
    assert format.columns(GOOD + b"\n" + GOOD).requests == (b"GET /a HTTP/1.1",) * 2


PIECES = """- "" x 192.0.2.7 2001:db8::7 fe80::1%lo www.example.org:80 200 404 5 GET /a ?q \\" \\\\ \\ \\x16\\x03
22/Nov/2026:10:11:12 [22/Nov/2026:10:11:12 [31/Nov/2026:10:11:12 +0000] 2026-11-22 HTTP/1.1 http://x.example/ end"""
pieces = st.one_of(
    st.sampled_from([piece.encode() for piece in PIECES.split()]),
    st.sampled_from([b"", b"\xff", b"GET /a b HTTP/1.1", b"Mozilla/5.0 (X11)", b"[22/Nov/2026:10:11:12 +0000]"]),
    st.text('-a ,:?"\\[]\t\r\n/', max_size=5).map(str.encode),
)
separators = st.sampled_from([b" ", b" ", b'"', b'" "', b'" ', b' "', b",", b'","', b"\t", b":", b"\n"])


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(FORMATS), st.lists(st.tuples(pieces, separators), max_size=40))
def test_columns_of_junk(format: str, parts: list[tuple[bytes, bytes]]) -> None:
    check(LogFormat(format), b"".join(piece + separator for piece, separator in parts))


words = st.one_of(
    st.sampled_from([b"-", b"", b"x", b"a b", rb"\"", rb"\\", rb"a\"b\\", b"\\", b"1", b'"', b'""', b"?x"]), pieces
)
stamps = st.sampled_from(
    [b"22/Nov/2026:10:11:12 +0000", b"31/Dec/1999:23:59:59 -1130", b"30/Feb/2026:00:00:00 +0000", b"x"]
)


@st.composite
def lines(draw: st.DrawFn, format: LogFormat) -> bytes:
    """A line in a format whose values are more or less what its directives write."""
    line = b""
    for item in format._items:
        if isinstance(item, bytes):
            line += item
        elif item.time and item.time.plain:
            line += b"[" + draw(stamps) + b"]"
        elif item.time:
            line += draw(st.sampled_from([b"2026-11-22 10:11:12", b"22/Nov/2026:10:11:12 +0000", b"-"]))
        elif item.code in ("s", "b", "B", "O", "I", "p", "T"):
            line += draw(st.sampled_from([b"200", b"404", b"5", b"-", b"x", b""]))
        elif item.code == "a":
            line += draw(st.sampled_from([b"192.0.2.7", b"::1", b"1.2.3.444", b"-"]))
        else:
            line += draw(words)
    return line + draw(st.sampled_from([b"", b"", b"", b" ", b"\r", b" \t\r", b" x"]))


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(FORMATS).map(LogFormat).flatmap(lambda f: st.tuples(st.just(f), st.lists(lines(f), max_size=6))))
@example((LogFormat("combined"), ODD))
@example((LogFormat("common"), [GOOD, *ODD]))
def test_columns_of_likely_lines(case: tuple[LogFormat, list[bytes]]) -> None:
    format, entries = case
    check(format, b"\n".join(entries))
