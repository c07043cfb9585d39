"""Where values end; and that no line takes long."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from pipelog.errors import FormatError, LineError
from pipelog.parsing.logformat import LogFormat

FORMATS = (
    "combined",
    "vhost_combined",
    '%v,%p,%h,%l,%u,%t,%>s,"%m","%U","%q","%{Referer}i"',
    "%{X-Forwarded-For}i %l %u %t %U%q %{Referer}i -> %f | %{User-Agent}i",
    "%{%d/%b/%Y %T}t %u",
)


@pytest.mark.parametrize(
    ("format", "line", "values"),
    [
        ("%v:%p %h", b"[::1]:80 ::1", ["[::1]", 80, "::1"]),
        ("%u %t", b"a ] b [c [22/Nov/2026:10:11:12 +0000]", ["a ] b [c", None]),
        ("%{Referer}i -> %U", b"a b -> /c -> d", ["a b", "/c -> d"]),
        ("%m%%%U%q", b"GET%/a b?c d", ["GET", "/a b", "?c d"]),
        ("%U%q %>s", b"/a b 200", ["/a b", "", 200]),
        ("%U%q %>s", b"/a b?c d 200", ["/a b", "?c d", 200]),
        ('"%U%q" %>s', rb'"/a\"b?c\"" 200', ['/a"b', '?c"', 200]),
        ('"%U%q" %>s', rb'"/a\"b" 200', ['/a"b', "", 200]),
        ("%U %q %>s", b"/a ?b 200", ["/a", "?b", 200]),
        ("%U %q %>s", b"/a  200", ["/a", "", 200]),
        ("%U %q", b"/a ", ["/a", ""]),
        ('"%u" "%r"', b'"""" ""', ["", ""]),
        ('"%u" "%r"', b'"" ""', ["", ""]),
        ('"%u" "%r"', rb'"\"\"" "-"', ['""', None]),
        ("%s%B%X", b"20012-", [200, 12, "-"]),
        ("%u%t", b"bob[22/Nov/2026:10:11:12 +0000]", ["bob", None]),
        ("%h\t%u\t%r", b"h\ta b\tGET /", ["h", "a b", "GET /"]),
        ("[%r] (%u)", b"[GET /[x] HTTP/1.1] (a) b)", ["GET /[x] HTTP/1.1", "a) b"]),
        ('{"u": "%u", "s": %s}', rb'{"u": "a\", b", "s": 200}', ['a", b', 200]),
        ("%l %h", b"x\ty z", None),
        ("%h %l", b"a,b c", None),
        ("%b", b"9" * 33, None),
    ],
)
def test_where_values_end(format: str, line: bytes, values: list[object] | None) -> None:
    parser = LogFormat(format)
    if values is None:
        with pytest.raises(LineError):
            parser.parse(line)
        return
    found = parser.parse(line).fields
    assert [None if name == "%t" else found[name] for name in parser.directives] == values


@pytest.mark.parametrize("format", ["%u%h", "%h%u", "%r%{Referer}i", "%b %q%r", "%v%V"])
def test_values_that_nothing_tells_apart_are_refused(format: str) -> None:
    with pytest.raises(FormatError, match="nothing stands between") as caught:
        LogFormat(format)
    assert caught.value.position == format.rindex("%")


HEAD = b'192.0.2.1 - - [22/Nov/2026:10:11:12 +0000] "'
STAMP = b' [22/Nov/2026:10:11:12 +0000] "'
NASTY = {
    "quotes": lambda size: b'"' * size,
    "backslashes": lambda size: b"\\" * size,
    "escaped quotes": lambda size: HEAD + b'\\"' * (size // 2),
    "backslashes in quotes": lambda size: HEAD + b"\\" * size,
    "brackets": lambda size: b"[" * size,
    "blanks": lambda size: b" " * size + b"x",
    "blanks in quotes": lambda size: HEAD + b" " * size,
    "blanks at the end": lambda size: HEAD + b'GET /" 200 5 "-" "-"' + b" " * size + b"x",
    "words": lambda size: b"a " * (size // 2),
    "date ends": lambda size: b"a - " + b'] "' * (size // 3),
    "dates": lambda size: b"a - u" + STAMP * (size // len(STAMP)),
    "dates and quotes": lambda size: b"a - u" + (STAMP + b'x" 200 5 "') * (size // len(STAMP + b'x" 200 5 "')),
    "digits": lambda size: b"1" * size,
    "ports": lambda size: b":1" * (size // 2),
    "commas": lambda size: b"a," * (size // 2),
    "question marks": lambda size: HEAD + b"?" * size,
    "arrows": lambda size: b"a -> " * (size // 5),
    "short lines": lambda size: (b"a" * 99 + b"\n") * (size // 100),
    "open quotes": lambda size: (HEAD + b"\n") * (size // len(HEAD)),
    "one open quote": lambda size: HEAD + (b"a" * 99 + b"\n") * (size // 100),
    "runs into the next": lambda size: (HEAD + b'GET /\n" 200 5 "-" "-"\n') * (size // 70),
}


def seconds(work: Callable[[bytes], object], data: bytes) -> float:
    best = float("inf")
    for _ in range(2):
        start = time.process_time()
        try:
            work(data)
        except LineError:
            pass
        best = min(best, time.process_time() - start)
    return best


@pytest.mark.parametrize("name", NASTY)
@pytest.mark.parametrize("format", FORMATS)
def test_long_lines_take_linear_time(format: str, name: str) -> None:
    parser = LogFormat(format)
    for work in (parser.parse, parser.columns):
        small, large = NASTY[name](32 * 1024), NASTY[name](128 * 1024)
        seconds(work, small[:100])
        # Four times the length: sixteen times as long were it quadratic. The constant covers the clock's grain.
        assert seconds(work, large) < 9 * seconds(work, small) + 0.1, work
