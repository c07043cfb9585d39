"""LogFormat: names, records, errors."""

from __future__ import annotations

import pickle
import re
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelog.errors import FormatError, LineError
from pipelog.model import Record
from pipelog.parsing.logformat import NICKNAMES, LogFormat

LINE = rb'192.0.2.7 - bob [22/Nov/2026:10:11:12 +0100] "GET /a?b HTTP/1.1" 200 5 "https://x.example/" "Mozilla \"x\""'
TIME = datetime(2026, 11, 22, 10, 11, 12, tzinfo=timezone(timedelta(hours=1)))


@pytest.mark.parametrize("name", NICKNAMES)
def test_nicknames(name: str) -> None:
    format = LogFormat(name)
    assert (format.name, format.string) == (name, NICKNAMES[name])
    assert format == LogFormat(NICKNAMES[name])
    assert LogFormat(NICKNAMES[name]).name in NICKNAMES
    assert repr(format) == f"LogFormat({name!r})"


def test_a_custom_format() -> None:
    format = LogFormat('%t %>s "%{Referer}i"')
    assert (format.name, format.string) == ("custom", '%t %>s "%{Referer}i"')
    assert format.directives == ("%t", "%>s", "%{Referer}i")
    assert repr(format) == "LogFormat('%t %>s \"%{Referer}i\"')"


def test_equality_and_hash_go_by_string() -> None:
    assert LogFormat("vhost_combined") == LogFormat("debian_vhost_combined")
    assert len({LogFormat("common"), LogFormat('%h %l %u %t "%r" %>s %b'), LogFormat("%h %b")}) == 2
    assert LogFormat("common") != "common"


@pytest.mark.parametrize("format", ["combined", "%t %b"])
def test_pickles(format: str) -> None:
    again = pickle.loads(pickle.dumps(LogFormat(format)))
    assert again == LogFormat(format)
    assert again.name == LogFormat(format).name


@pytest.mark.parametrize(
    ("format", "reason", "position"),
    [
        ("", "no directive in it", 0),
        ("combine", "nor is it one of common, combined", 0),
        ("100%%", "no directive", 0),
        ("%h %J", "unknown directive", 3),
        (r"%h\n%b", "several lines", 2),
        ("%h\n%b", "several lines", 2),
    ],
)
def test_bad_formats(format: str, reason: str, position: int) -> None:
    with pytest.raises(FormatError, match=reason) as caught:
        LogFormat(format)
    assert caught.value.position == position


def test_record() -> None:
    record = LogFormat("combined").parse(LINE)
    fields = record.fields
    assert record == Record(
        time=TIME,
        site=None,
        host="192.0.2.7",
        user="bob",
        method="GET",
        target="/a?b",
        protocol="HTTP/1.1",
        status=200,
        size=5,
        referrer="https://x.example/",
        agent='Mozilla "x"',
        fields=fields,
    )
    assert record.time is not None
    assert record.time.utcoffset() == timedelta(hours=1)
    assert list(fields.items()) == [
        ("%h", "192.0.2.7"),
        ("%l", None),
        ("%u", "bob"),
        ("%t", TIME),
        ("%r", "GET /a?b HTTP/1.1"),
        ("%>s", 200),
        ("%b", 5),
        ("%{Referer}i", "https://x.example/"),
        ("%{User-Agent}i", 'Mozilla "x"'),
    ]


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r", b" ", b" \t \r\n"])
def test_line_ends(end: bytes) -> None:
    assert LogFormat("combined").parse(LINE + end) == LogFormat("combined").parse(LINE)


@pytest.mark.parametrize(
    ("format", "line", "expected"),
    [
        ("%v %V", b"one two", {"site": "one"}),
        ("%V", b"two", {"site": "two"}),
        ("%a %h", b"192.0.2.1 host", {"host": "host"}),
        ("%a", b"192.0.2.1", {"host": "192.0.2.1"}),
        ("%s %>s", b"200 404", {"status": 404}),
        ("%<s %s", b"200 404", {"status": 200}),
        ("%>s", b"-", {"status": None}),
        ("%B %b %O", b"1 2 3", {"size": 3}),
        ("%B %b", b"1 2", {"size": 2}),
        ("%B", b"1", {"size": 1}),
        ("%b", b"-", {"size": 0}),
        ("%h", b"-", {"size": None, "host": None, "status": None, "time": None}),
        ('"%{referer}i" "%{USER-AGENT}i"', b'"x" "y"', {"referrer": "x", "agent": "y"}),
        ('"%!200,304{Referer}i"', b'"x"', {"referrer": "x"}),
        ('"%404{Referer}i" "%{Referer}i"', b'"-" "x"', {"referrer": "x"}),
        ('"%400r" "%r"', b'"-" "GET / HTTP/1.1"', {"method": "GET", "target": "/"}),
        ("%m %U%q %H", b"GET /a b?x HTTP/2.0", {"method": "GET", "target": "/a%20b?x", "protocol": "HTTP/2.0"}),
        ("%m", b"GET", {"method": "GET", "target": None, "protocol": None}),
        ("%U", b"/a", {"method": None, "target": "/a"}),
        ("%H", b"HTTP/1.1", {"method": None, "target": None, "protocol": None}),
        ("%m %U %r", b"GET /x POST /y HTTP/1.1", {"method": "POST", "target": "/y"}),
        ("%{Referer}i -> %U", b"- -> /a", {"referrer": None, "target": "/a"}),
        ('"%{User-Agent}i"', b'""', {"agent": ""}),
        ('"%{User-Agent}i"', rb'"\xff\xc3\xa9"', {"agent": "\udcffé"}),
        ('"%{User-Agent}i"', b'"\xff\xc3\xa9"', {"agent": "\udcffé"}),
        ("%u", b'""', {"user": ""}),
        ("%t %{usec_frac}t", b"[22/Nov/2026:10:11:12 +0100] 000007", {"time": TIME.replace(microsecond=7)}),
        ("%{end}t %t", b"[23/Nov/2026:10:11:12 +0100] [22/Nov/2026:10:11:12 +0100]", {"time": TIME}),
        ("%{end}t", b"[22/Nov/2026:10:11:12 +0100]", {"time": TIME}),
        ("%<t %>t", b"[22/Nov/2026:10:11:12 +0100] [23/Nov/2026:10:11:12 +0100]", {"time": TIME}),
        ("%404t", b"-", {"time": None}),
        ("%404t %t", b"- [22/Nov/2026:10:11:12 +0100]", {"time": TIME}),
        ("%{%F}t %{%T}t %{%z}t", b"2026-11-22 10:11:12 +0100", {"time": TIME}),
        ("%{sec}t", b"1795342272", {"time": datetime(2026, 11, 22, 10, 11, 12, tzinfo=UTC)}),
    ],
)
def test_roles(format: str, line: bytes, expected: dict[str, object]) -> None:
    record = LogFormat(format).parse(line)
    assert {name: getattr(record, name) for name in expected} == expected


@pytest.mark.parametrize(
    ("format", "line", "expected"),
    [
        ("%b %b", b"1 2", {"%b": 1}),
        ("%{sec}t %{msec_frac}t %{%Y}t %{%F}t", b"17 042 2026 2026-11-22",
         {"%{sec}t": 17, "%{msec_frac}t": 42, "%{%Y}t": 2026, "%{%F}t": "2026-11-22"}),
        ("%200{%F}t", b"-", {"%200{%F}t": None}),
        ("%200D %X", b"- -", {"%200D": None, "%X": "-"}),
    ],
)  # fmt: skip
def test_fields(format: str, line: bytes, expected: dict[str, object]) -> None:
    assert LogFormat(format).parse(line).fields == expected


@pytest.mark.parametrize(
    ("line", "reason", "position"),
    [
        (b"", "empty line", 0),
        (b" \t\r\n", "empty line", 0),
        (b"junk", "no match for %h", 0),
        (b"this is no log line", "no match for %u", 8),
        (b"a - - [22/Nov/2026:10:11:12 +0100] GET", "no match for %u", 4),
        (b'a - - [22/Nov/2026:10:11:12 +0100] "GET', "no match for '\" '", 39),
        (b'a - - [22/Nov/2026:10:11:12 +0100] "GET /" x', "no match for %>s", 43),
        (LINE[:-7], "no match for '\"'", len(LINE) - 7),
        (LINE + b" more", "more than the log format combined holds", len(LINE)),
        (LINE.replace(b"22/Nov", b"31/Nov"), "%t: day is out of range", 16),
        (LINE.replace(b"22/Nov", b"22/Nox"), "%t: no month is called Nox", 16),
        (LINE.replace(b"+0100", b"+9900"), "%t: impossible offset", 16),
    ],
)
def test_bad_lines(line: bytes, reason: str, position: int) -> None:
    with pytest.raises(LineError, match=reason) as caught:
        LogFormat("combined").parse(line)
    assert caught.value.line == line
    assert caught.value.position == position


def test_a_bad_address_and_a_bad_time_are_named() -> None:
    with pytest.raises(LineError, match=re.escape("%a: ")):
        LogFormat("%a %b").parse(b"1.2.3.256 5")
    with pytest.raises(LineError, match="impossible time"):
        LogFormat("%{%F %T}t %b").parse(b"2026-02-30 10:11:12 5")


@given(st.binary(max_size=80))
def test_any_bytes_give_a_record_or_a_line_error(junk: bytes) -> None:
    for format in (LogFormat("combined"), LogFormat("%{%F %T %z}t %U%q %u")):
        try:
            assert isinstance(format.parse(junk), Record)
        except LineError as caught:
            error = caught
        else:
            continue
        assert 0 <= error.position <= len(junk)
