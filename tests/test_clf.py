"""Values as httpd writes them: escapes, request lines, CLF times."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelog.parsing.clf import (
    clf_time,
    escape,
    join_request,
    parse_clf_time,
    split_request,
    text,
    unescape,
    write_clf_time,
)


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        (b"-", None),
        (b"", ""),
        (b"--", "--"),
        (rb"say \"hi\" \\ bye", 'say "hi" \\ bye'),
        (rb"\b\f\n\r\t\v", "\b\f\n\r\t\v"),
        (rb"caf\xc3\xa9", "café"),
        (rb"\xFF\xfe", "\udcff\udcfe"),
        (rb"C:\dir\0", r"C:\dir\0"),  # nothing that ap_escape_logitem writes: left alone
        (rb"\x4", r"\x4"),
        (rb"\xg0", r"\xg0"),
        (b"end\\", "end\\"),
        (rb"\\n", r"\n"),
        (rb"\\\\x41", r"\\x41"),
        ("é".encode(), "é"),
    ],
)
def test_text(raw: bytes, value: str | None) -> None:
    assert text(raw) == value


def test_escape_writes_what_httpd_writes() -> None:
    # util.c, ap_escape_logitem: \f is not among its letters, and hexadecimal digits are small.
    assert escape(bytes(range(32))) == (
        rb"\x00\x01\x02\x03\x04\x05\x06\x07\b\t\n\v\x0c\r\x0e\x0f"
        rb"\x10\x11\x12\x13\x14\x15\x16\x17\x18\x19\x1a\x1b\x1c\x1d\x1e\x1f"
    )
    assert escape(' "quoted\\" \x7f') == rb" \"quoted\\\" \x7f"
    assert escape("é\udcff") == rb"\xc3\xa9\xff"
    assert escape(None) == b"-"
    assert escape("") == b""


@given(st.binary(max_size=60))
def test_unescape_undoes_escape(value: bytes) -> None:
    escaped = escape(value)
    assert unescape(escaped) == value
    assert all(32 <= byte < 127 for byte in escaped)


@given(st.binary(max_size=60))
def test_text_keeps_every_byte(value: bytes) -> None:
    escaped = escape(value)
    decoded = text(escaped)
    assert escaped == b"-" if decoded is None else decoded.encode("utf-8", "surrogateescape") == value


@pytest.mark.parametrize(
    ("raw", "request_line"),
    [
        (b"GET / HTTP/1.1", ("GET", "/", "HTTP/1.1")),
        (b"GET /a.txt HTTP/2.0", ("GET", "/a.txt", "HTTP/2.0")),
        (b"GET /x HTTP/3", ("GET", "/x", "HTTP/3")),
        (b"GET /x http/1.1", ("GET", "/x", "http/1.1")),
        (b"GET /a b HTTP/1.1", ("GET", "/a b", "HTTP/1.1")),
        (b"GET /a b", ("GET", "/a b", None)),
        (b"GET /x", ("GET", "/x", None)),
        (rb"GET /x HTTP/1.1\n", ("GET", "/x", "HTTP/1.1")),
        (b"GET  /x  HTTP/1.1 ", ("GET", "/x", "HTTP/1.1")),
        (b"GET /x HTTP/1.1 junk", ("GET", "/x HTTP/1.1 junk", None)),
        (b"GET /x FTP/1.0", ("GET", "/x FTP/1.0", None)),
        (b"GET HTTP/1.1", ("GET", None, "HTTP/1.1")),
        (b"OPTIONS * HTTP/1.0", ("OPTIONS", "*", "HTTP/1.0")),
        (b"CONNECT example.com:443 HTTP/1.1", ("CONNECT", "example.com:443", "HTTP/1.1")),
        (b"GET http://a.example/x?y HTTP/1.1", ("GET", "http://a.example/x?y", "HTTP/1.1")),
        (rb"GET /\"q\" HTTP/1.1", ("GET", '/"q"', "HTTP/1.1")),
        (b"- /x HTTP/1.1", (None, "/x", "HTTP/1.1")),
        (b"GET - HTTP/1.1", ("GET", None, "HTTP/1.1")),
        (b"-", (None, None, None)),
        (b"", (None, None, None)),
        (b" ", (None, None, None)),
        (b"hello", (None, None, None)),
        (b"GET ", (None, None, None)),
        (b" /x", (None, None, None)),
        (rb"\x16\x03\x01\x02", (None, None, None)),
        (rb"\x03\x00 /x HTTP/1.1", (None, None, None)),
        (rb"G\"T /x HTTP/1.1", (None, None, None)),
    ],
)
def test_split_request(raw: bytes, request_line: tuple[str | None, str | None, str | None]) -> None:
    assert split_request(raw) == request_line


@pytest.mark.parametrize(
    ("parts", "request_line"),
    [
        ((b"GET", b"/a", b"?x=1", b"HTTP/1.1"), b"GET /a?x=1 HTTP/1.1"),
        ((b"GET", b"/a", b"", b"HTTP/1.1"), b"GET /a HTTP/1.1"),
        ((b"GET", b"/a b", b"", b"HTTP/1.1"), b"GET /a%20b HTTP/1.1"),
        ((b"GET", rb"/caf\xc3\xa9\n", b"", b"HTTP/1.1"), b"GET /caf%C3%A9%0A HTTP/1.1"),
        ((b"GET", b"/a?b#c", b"?d", b"HTTP/1.1"), b"GET /a%3Fb%23c?d HTTP/1.1"),
        ((b"GET", b"/%2e%2e/x", b"", b"-"), b"GET /%2e%2e/x"),
        ((b"GET", rb"/\"q\"", b"?a b?", b"HTTP/1.1"), rb"GET /\"q\"?a%20b? HTTP/1.1"),
        ((b"GET", b"-", b"?x", b"HTTP/1.1"), b"GET ?x HTTP/1.1"),
        ((b"GET", b"-", b"-", b"HTTP/1.1"), b"GET - HTTP/1.1"),
        ((b"-", b"/a", b"-", b"-"), b"- /a"),
        ((b"-", b"-", b"-", b"HTTP/1.1"), b"-"),
        ((b"-", b"-", b"", b"HTTP/1.1"), b"-"),
        ((rb"G\"T", b"/a", b"", b"HTTP/1.1"), b"-"),
        ((b"GET", b"/a", b"", b"INCLUDED"), b"GET /a"),
    ],
)
def test_join_request(parts: tuple[bytes, bytes, bytes, bytes], request_line: bytes) -> None:
    assert join_request(*parts) == request_line


@given(st.binary(max_size=20), st.binary(max_size=20))
def test_joined_requests_split_into_three_words_at_most(path: bytes, query: bytes) -> None:
    raw = join_request(b"GET", escape(b"/" + path), escape(b"?" + query), b"HTTP/1.1")
    method, target, protocol = split_request(raw)
    assert (method, protocol) == ("GET", "HTTP/1.1")
    assert target is not None
    assert target.isascii()
    assert " " not in target


@pytest.mark.parametrize(
    ("stamp", "time"),
    [
        ("22/Nov/2026:10:11:12 +0000", datetime(2026, 11, 22, 10, 11, 12, tzinfo=UTC)),
        ("[29/Feb/2024:23:59:59 -0330]", datetime(2024, 2, 29, 23, 59, 59, tzinfo=timezone(-timedelta(minutes=210)))),
        ("1/Jan/2026:1:2:3 +1400", datetime(2026, 1, 1, 1, 2, 3, tzinfo=timezone(timedelta(hours=14)))),
        ("31/Dec/0001:00:00:00 -0000", datetime(1, 12, 31, tzinfo=UTC)),
    ],
)
def test_parse_clf_time(stamp: str, time: datetime) -> None:
    assert parse_clf_time(stamp) == time
    assert parse_clf_time(stamp).utcoffset() == time.utcoffset()


@pytest.mark.parametrize(
    "stamp",
    [
        "",
        "[]",
        "22/Nov/2026:10:11:12",
        "22/nov/2026:10:11:12 +0000",
        "22/Okt/2026:10:11:12 +0000",
        "31/Apr/2026:10:11:12 +0000",
        "29/Feb/2026:10:11:12 +0000",
        "00/Jan/2026:10:11:12 +0000",
        "01/Jan/0000:10:11:12 +0000",
        "01/Jan/2026:24:00:00 +0000",
        "01/Jan/2026:23:59:60 +0000",
        "01/Jan/2026:10:11:12 +2400",
        "01/Jan/2026:10:11:12 +0060",
        "01/Jan/2026:10:11:12 +000",
        "01/Jan/2026:10:11:12 +0000 ",
        "٠١/Jan/2026:10:11:12 +0000",
        "01/Jan/2026:10:11:12 +0000" * 1000,
    ],
)
def test_parse_clf_time_refuses(stamp: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_clf_time(stamp)


@given(st.datetimes(timezones=st.integers(-1439, 1439).map(lambda m: timezone(timedelta(minutes=m)))) | st.datetimes())
def test_clf_time_reads_what_write_clf_time_writes(time: datetime) -> None:
    again = clf_time(write_clf_time(time))
    assert again == time.replace(microsecond=0)
    assert again.utcoffset() == time.utcoffset()
