"""Values as httpd writes them into a log line, and back.

Both ways of reading a line (`LogFormat.parse` and `LogFormat.columns`) and the counting stage read values with
these functions, so that they cannot differ. `raw` is always what stands in the log: escaped bytes, "-" for nothing.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
from functools import lru_cache

#: httpd writes "-" where a value is missing (mod_log_config.c, process_item).
MISSING = b"-"

Request = tuple[str | None, str | None, str | None]
_NO_REQUEST: Request = (None, None, None)

# util.c, ap_escape_logitem: these have a letter of their own, all else that is not printable ASCII is \xhh.
# "\f" is not among those that httpd writes, but other servers do.
_LETTERS = {b"b": b"\b", b"n": b"\n", b"r": b"\r", b"t": b"\t", b"v": b"\v", b'"': b'"', b"\\": b"\\"}
_UNESCAPED = {b"\\" + letter: byte for letter, byte in _LETTERS.items()} | {b"\\f": b"\f"}
_ESCAPED = {byte: b"\\" + letter for letter, byte in _LETTERS.items()}
_ESCAPE = re.compile(rb'\\(?:x([0-9A-Fa-f]{2})|["\\bfnrtv])')
_TO_ESCAPE = re.compile(rb'[^ -~]|["\\]')

# RFC 9110 section 5.6.2: what a method is made of.
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
# RFC 9112 section 2.3, but in any case: with `HttpProtocolOptions Unsafe` httpd serves "http/1.1" as well.
_PROTOCOL = re.compile(r"HTTP/[0-9]{1,3}(?:\.[0-9]{1,3})?", re.IGNORECASE)
# A decoded path may hold what would end it in a request line: blanks, controls, "?" and "#". "%" stays, because
# httpd has not decoded the path of every request that it refuses.
_TO_QUOTE = re.compile(rb"[^!-~]|[?#]")

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_MONTH_NUMBERS = {name.encode(): number for number, name in enumerate(MONTHS, 1)}
# mod_log_config.c, log_request_time: "%d/%b/%Y:%H:%M:%S +hhmm". Other servers write one digit where one is enough.
_CLF_TIME = re.compile(
    rb"([0-9]{1,2})/([A-Z][a-z]{2})/([0-9]{4}):([0-9]{1,2}):([0-9]{1,2}):([0-9]{1,2})(?: ([+-][0-9]{4}))?"
)


def unescape(raw: bytes) -> bytes:
    """Undo ap_escape_logitem. A backslash that begins none of its escapes stays as it is."""
    if b"\\" not in raw:
        return raw
    return _ESCAPE.sub(lambda m: bytes((int(m[1], 16),)) if m[1] else _UNESCAPED[m[0]], raw)


def escape(value: str | bytes | None) -> bytes:
    """Write a value as ap_escape_logitem does: printable ASCII. None becomes "-"."""
    if value is None:
        return MISSING
    if isinstance(value, str):
        value = value.encode("utf-8", "surrogateescape")
    return _TO_ESCAPE.sub(lambda m: _ESCAPED.get(m[0]) or b"\\x%02x" % m[0][0], value)


def text(raw: bytes) -> str | None:
    """A value as text: unescaped, UTF-8 with undecodable bytes kept by surrogateescape. None for "-"."""
    if raw == MISSING:
        return None
    return unescape(raw).decode("utf-8", "surrogateescape")


def split_request(raw: bytes) -> Request:
    """Method, target and protocol of a request line (%r). All None where it is no HTTP request.

    The last word is the protocol only if it looks like one (RFC 9112 section 3): "GET /a b" has none and asks for
    "/a b". A word "-" is a missing one, as `join_request` writes it.
    """
    line = (text(raw) or "").strip(" \t\r\n")
    method, _, rest = line.partition(" ")
    if not rest or not _TOKEN.fullmatch(method):
        return _NO_REQUEST
    target, _, protocol = rest.rpartition(" ")
    if not _PROTOCOL.fullmatch(protocol):
        target, protocol = rest, ""
    target = target.strip(" ")
    return (None if method == "-" else method, None if target in ("", "-") else target, protocol or None)


def join_request(method: bytes, path: bytes, query: bytes, protocol: bytes) -> bytes:
    """A request line (escaped) from what %m, %U, %q and %H wrote; "-" for what the format does not hold.

    httpd logs the path decoded, so what cannot stand in a request line is percent-encoded again. A method that is no
    token, or neither method nor path, is no request: "-".
    """
    target = b"-" if path == MISSING else _quote(path, _TO_QUOTE)
    if query != MISSING:
        target = (b"" if target == b"-" else target) + _quote(query, _BLANK)
    verb = unescape(method)
    if not _TOKEN.fullmatch(verb.decode("latin-1")) or (verb == b"-" and target in (b"-", b"")):
        return MISSING
    words = [verb, target or b"-"]
    if _PROTOCOL.fullmatch(protocol.decode("latin-1")):
        words.append(protocol)
    return escape(b" ".join(words))


_BLANK = re.compile(rb"[^!-~]")


def _quote(raw: bytes, unsafe: re.Pattern[bytes]) -> bytes:
    return unsafe.sub(lambda m: b"%%%02X" % m[0][0], unescape(raw))


@lru_cache(maxsize=64)
def offset(raw: bytes) -> timezone:
    """The time zone of an offset like b"+0130". ValueError when it is none."""
    hours, minutes = int(raw[1:3]), int(raw[3:5])
    if hours > 23 or minutes > 59:
        raise ValueError(f"impossible offset {raw.decode()}")
    delta = timedelta(hours=hours, minutes=minutes)
    return timezone(-delta if raw[:1] == b"-" else delta)


# A busy site has many lines a second, and lines come roughly in order: few stamps are new.
@lru_cache(maxsize=1024)
def clf_time(raw: bytes) -> datetime:
    """The time of CLF text without brackets. Naive where the offset is missing. ValueError when it is no time."""
    match = _CLF_TIME.fullmatch(raw)
    if not match:
        raise ValueError("not a time like 22/Nov/2026:10:11:12 +0000")
    day, name, year, hour, minute, second, zone = match.groups()
    month = _MONTH_NUMBERS.get(name)
    if month is None:
        raise ValueError(f"no month is called {name.decode()}")
    return datetime(
        int(year), month, int(day), int(hour), int(minute), int(second), tzinfo=offset(zone) if zone else None
    )


def write_clf_time(time: datetime) -> bytes:
    """The time as CLF text without brackets, to the second; without offset where the time is naive."""
    stamp = f"{time.day:02}/{MONTHS[time.month - 1]}/{time.year:04}:{time.hour:02}:{time.minute:02}:{time.second:02}"
    delta = time.utcoffset()
    if delta is not None:
        sign, minutes = ("-", -delta) if delta < timedelta(0) else ("+", delta)
        hours, minutes_left = divmod(minutes // timedelta(minutes=1), 60)
        stamp += f" {sign}{hours:02}{minutes_left:02}"
    return stamp.encode("ascii")


def parse_clf_time(stamp: str) -> datetime:
    """The aware time of "22/Nov/2026:10:11:12 +0000", with or without brackets around. ValueError otherwise.

    Knows no locale: months are the English names that httpd writes.
    """
    raw = stamp.removeprefix("[").removesuffix("]").encode("ascii", "replace")
    if len(raw) > 26:
        raise ValueError("not a time like 22/Nov/2026:10:11:12 +0000")
    time = clf_time(raw)
    if time.tzinfo is None:
        raise ValueError("a time without offset; expected one like 22/Nov/2026:10:11:12 +0000")
    return time
