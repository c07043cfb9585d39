"""The language of format strings, and the table of directives."""

from __future__ import annotations

import re

import pytest

from pipelog.errors import FormatError
from pipelog.parsing.directives import TABLE, Directive, parse_format


def cut(format: str) -> list[bytes | str]:
    return [item.text if isinstance(item, Directive) else item for item in parse_format(format)]


def only(format: str) -> Directive:
    (item,) = parse_format(format)
    assert isinstance(item, Directive)
    return item


@pytest.mark.parametrize(
    ("format", "items"),
    [
        ("", []),
        ("plain", [b"plain"]),
        ("%h %l", ["%h", b" ", "%l"]),
        ('"%r"', [b'"', "%r", b'"']),
        (r"\"%r\"\t%b\n", [b'"', "%r", b'"\t', "%b", b"\n"]),
        (r"a\\b\qc", [b"a\\b\\qc"]),
        ("\\", [b"\\"]),
        ("100%% %b", [b"100% ", "%b"]),
        ("é%b", ["é".encode(), "%b"]),
        ("%U%q", ["%U", "%q"]),
        ("%!200,304{Referer}i", ["%!200,304{Referer}i"]),
        ("%<200<!>T", ["%<200<!>T"]),
        ("%{%Y-%m-%d}t%{X}^ti", ["%{%Y-%m-%d}t", "%{X}^ti"]),
    ],
)
def test_cuts(format: str, items: list[bytes | str]) -> None:
    assert cut(format) == items


@pytest.mark.parametrize(
    ("format", "reason", "position"),
    [
        ("%", "not complete", 0),
        ("%h %", "not complete", 3),
        ("%h % b", "not complete", 3),
        ("%^x", "not complete", 0),
        ("%{x", "not complete", 0),
        ("%h %y", "unknown directive '%y'", 3),
        ("%^xx", "unknown directive '%^xx'", 0),
        ("%{x}z", "unknown directive '%{x}z'", 0),
        ("%b %i", "'%i' needs a name in braces", 3),
        ("%{}C", "needs a name in braces", 0),
        ("%x", "needs a name in braces", 0),
        ("%{x}b", r"'%b' does not take {x}", 0),
        ("%{foo}p", r"'%p' does not take {foo}", 0),
        ("%{min}T", r"'%T' does not take {min}", 0),
        ("%h %{%Q}t", "strftime conversion '%Q' is unknown", 3),
    ],
)
def test_refuses(format: str, reason: str, position: int) -> None:
    with pytest.raises(FormatError, match=re.escape(reason)) as caught:
        parse_format(format)
    assert caught.value.position == position
    assert caught.value.format == format


@pytest.mark.parametrize(
    ("format", "code", "param", "redirect", "conditional"),
    [
        ("%s", "s", "", "", False),
        ("%>s", "s", "", ">", False),
        ("%><s", "s", "", "<", False),
        ("%400s", "s", "", "", True),
        ("%!s", "s", "", "", True),
        ("%{<9!}i", "{*}i", "<9!", "", False),
        ("%{User-Agent}i", "{*}i", "User-Agent", "", False),
        ("%{MS}T", "{ms}T", "MS", "", False),
        ("%{ignored}{tid}P", "{tid}P", "tid", "", False),
        ("%{}h", "h", "", "", False),
    ],
)
def test_modifiers(format: str, code: str, param: str, redirect: str, conditional: bool) -> None:
    directive = only(format)
    assert (directive.code, directive.param) == (code, param)
    assert (directive.redirect, directive.conditional) == (redirect, conditional)


# One or more values for each directive of the table: what stands in the log, and what it is read as.
VALUES: dict[str, list[tuple[bytes, object]]] = {
    "a": [(b"192.0.2.1", "192.0.2.1"), (b"2001:db8::1", "2001:db8::1"), (b"fe80::1%lo", "fe80::1%lo"), (b"-", None)],
    "{c}a": [(b"192.168.001.01", "192.168.001.01")],
    "{local}a": [(b"::ffff:192.0.2.7", "::ffff:192.0.2.7")],
    "A": [(b"::1", "::1")],
    "B": [(b"0", 0), (b"-", None)],
    "b": [(b"5", 5), (b"-", None)],
    "{*}C": [(b"a=1; b", "a=1; b"), (b"-", None)],
    "D": [(b"12", 12)],
    "{*}e": [(b"", "")],
    "f": [(b"/srv/a b", "/srv/a b"), (b"-", None)],
    "h": [(b"host.example", "host.example"), (b"fe80::1%lo", "fe80::1%lo"), (b"-", None)],
    "{c}h": [(b"192.0.2.1", "192.0.2.1")],
    "H": [(b"HTTP/1.1", "HTTP/1.1"), (b"-", None)],
    "{*}i": [(rb"\"\xc3\xa9\\", '"é\\'), (b"-", None), (b"", "")],
    "k": [(b"3", 3)],
    "l": [(b"-", None), (b"ident", "ident")],
    "L": [(b"Z63Sov9U0C4s52XKpAbx_gAAAEg", "Z63Sov9U0C4s52XKpAbx_gAAAEg"), (b"-", None)],
    "{c}L": [(b"x", "x")],
    "m": [(b"PROPFIND", "PROPFIND"), (b"-", None)],
    "{*}n": [(b"note", "note")],
    "{*}o": [(b"text/html; charset=utf-8", "text/html; charset=utf-8")],
    "p": [(b"443", 443)],
    "{canonical}p": [(b"443", 443)],
    "{local}p": [(b"443", 443)],
    "{remote}p": [(b"49600", 49600)],
    "P": [(b"16", 16)],
    "{pid}P": [(b"16", 16)],
    "{tid}P": [(b"140168282543872", 140168282543872)],
    "{hextid}P": [(b"7fb9de5af700", 0x7FB9DE5AF700), (b"0x10", 16)],
    "q": [(b"?a=b", "?a=b"), (b"", ""), (b"?", "?")],
    "r": [(b"GET / HTTP/1.1", "GET / HTTP/1.1"), (b"-", None), (b"", ""), (rb"\x16\x03", "\x16\x03")],
    "R": [(b"wsgi-script", "wsgi-script"), (b"-", None)],
    "s": [(b"200", 200), (b"000", 0), (b"-", None)],
    "T": [(b"1", 1), (b"0.25", 0.25)],
    "{s}T": [(b"1", 1)],
    "{ms}T": [(b"1042", 1042)],
    "{us}T": [(b"1042", 1042)],
    "u": [(b"john doe", "john doe"), (rb"quo\"te", 'quo"te'), (b'""', ""), (b"-", None)],
    "U": [(b"/a b", "/a b"), (b"-", None)],
    "v": [(b"example.org", "example.org")],
    "V": [(b"[::1]", "[::1]")],
    "X": [(b"+", "+"), (b"-", "-"), (b"X", "X")],
    "I": [(b"84", 84)],
    "O": [(b"471", 471)],
    "S": [(b"555", 555)],
    "^FB": [(b"130", 130), (b"-", None)],
    "^FU": [(b"130", 130)],
    "{*}^ti": [(b"trailer", "trailer")],
    "{*}^to": [(b"trailer", "trailer")],
    "{*}x": [(b"TLSv1.3", "TLSv1.3"), (b"-", None)],
    "{*}c": [(b"TLS_AES_256_GCM_SHA384", "TLS_AES_256_GCM_SHA384")],
}


def test_every_directive_is_tried() -> None:
    assert VALUES.keys() == TABLE.keys()


@pytest.mark.parametrize(("code", "raw", "value"), [(code, *pair) for code in VALUES for pair in VALUES[code]])
def test_reads(code: str, raw: bytes, value: object) -> None:
    directive = only(f"%{code.replace('*', 'Name')}")
    assert directive.code == code
    assert directive.read(raw) == value
    if directive.kind.pattern and raw != b"-":
        assert re.fullmatch(directive.kind.pattern, raw)


@pytest.mark.parametrize(
    "address", [b"192.168.1.256", b"1.2.3", b"1.2.3.4.5", b"1..2.3", b"::1::", b":::", b"fe80::12345"]
)
def test_impossible_addresses(address: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        only("%a").read(address)
