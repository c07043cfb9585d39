"""The language of mod_log_config: format strings cut into literals and directives, and what each directive writes.

The table names for each directive the httpd function that writes it (2.4; modules/loggers/mod_log_config.c unless
another is named). A handler that has nothing to say returns NULL, for which process_item writes "-".
"""

from __future__ import annotations

import enum
import re
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv6Address

from pipelog.errors import FormatError
from pipelog.parsing import clf
from pipelog.parsing.times import TimeFormat, time_format

#: str, int, float, datetime, or None for "-".
Value = object


class Shape(enum.Enum):
    """How far a value reaches when no quotes stand around it."""

    CLOSED = enum.auto()  #: its own pattern tells where it ends
    WORD = enum.auto()  #: holds no blank
    HOST = enum.auto()  #: holds no blank and no comma
    QUERY = enum.auto()  #: empty, or begins with "?"
    TEXT = enum.auto()  #: anything: the client's words, escaped


@dataclass(frozen=True)
class Kind:
    """What a directive writes: shape, pattern (of a CLOSED one), and how the raw value is read."""

    shape: Shape
    read: Callable[[bytes], Value]
    pattern: bytes = b""
    #: Whether "-" stands for a missing value.
    missing: bool = True


@dataclass(frozen=True)
class Directive:
    """A directive of a format string.

    `code` is its letter, with what tells kinds of it apart in braces ("h", "{c}h", "^ti"); `param` what stands in the
    braces; `redirect` is "<" or ">" where the format asks for the original or the final request; `conditional`: it is
    "-" for some statuses; `position` is where it stands in the format.
    """

    text: str
    code: str
    param: str
    redirect: str
    conditional: bool
    position: int
    kind: Kind
    time: TimeFormat | None = None

    def read(self, raw: bytes) -> Value:
        """The value of what stands in the log; None where "-" means that there is none. ValueError if impossible."""
        if raw == clf.MISSING and (self.kind.missing or self.conditional):
            return None
        return self.kind.read(raw)


Item = bytes | Directive


def _text(raw: bytes) -> Value:
    return clf.text(raw)


def _user(raw: bytes) -> Value:
    return "" if raw == b'""' else clf.text(raw)


def _sign(raw: bytes) -> Value:
    return raw.decode("ascii")


def _bracketed_time(raw: bytes) -> Value:
    return clf.clf_time(raw[1:-1])


def _duration(raw: bytes) -> Value:
    return float(raw) if b"." in raw else int(raw)


def _hexadecimal(raw: bytes) -> Value:
    return int(raw, 16)


def _address(raw: bytes) -> Value:
    address = raw.decode("ascii")
    if ":" in address:
        IPv6Address(address)  # raises ValueError (AddressValueError)
    elif not all(byte.isdigit() and int(byte) < 256 for byte in address.split(".")) or address.count(".") != 3:
        raise ValueError("not an IP address")
    return address


# No counter of httpd is longer than 20 digits (apr_off_t, apr_time_t); the bound keeps int() cheap.
_DIGITS = rb"[0-9]{1,32}"

_TEXT = Kind(Shape.TEXT, _text)
_WORD = Kind(Shape.WORD, _text)
_HOST = Kind(Shape.HOST, _text)
_NUMBER = Kind(Shape.CLOSED, int, _DIGITS)
_ALWAYS = Kind(Shape.CLOSED, int, _DIGITS, missing=False)
_STATUS = Kind(Shape.CLOSED, int, rb"[0-9]{3}")
_DURATION = Kind(Shape.CLOSED, _duration, rb"[0-9]{1,20}(?:\.[0-9]{1,20})?", missing=False)
_ADDRESS = Kind(Shape.CLOSED, _address, rb"[0-9A-Fa-f.:]{2,45}(?:%[0-9A-Za-z_.-]{1,32})?")

#: Code -> kind. "{*}" takes a name of the user's choice; other words in braces are compared in any case (strcasecmp).
TABLE: dict[str, Kind] = {
    "a": _ADDRESS,  # log_remote_address
    "{c}a": _ADDRESS,  # the peer of the connection, mod_remoteip or not
    "{local}a": _ADDRESS,  # httpd takes no heed of the word; some formats in use have it
    "A": _ADDRESS,  # log_local_address
    "B": _NUMBER,  # log_bytes_sent
    "b": _NUMBER,  # clf_log_bytes_sent: "-" for 0
    "{*}C": _TEXT,  # log_cookie
    "D": _ALWAYS,  # log_request_duration_microseconds
    "{*}e": _TEXT,  # log_env_var
    "f": _TEXT,  # log_request_file
    "h": _HOST,  # log_remote_host
    "{c}h": _HOST,
    "H": _WORD,  # log_request_protocol
    "{*}i": _TEXT,  # log_header_in
    "k": _NUMBER,  # log_requests_on_connection
    "l": _WORD,  # log_remote_logname
    "L": _WORD,  # log_log_id
    "{c}L": _WORD,
    "m": _WORD,  # log_request_method
    "{*}n": _TEXT,  # log_note
    "{*}o": _TEXT,  # log_header_out
    "p": _ALWAYS,  # log_server_port
    "{canonical}p": _ALWAYS,
    "{local}p": _ALWAYS,
    "{remote}p": _ALWAYS,
    "P": _ALWAYS,  # log_pid_tid
    "{pid}P": _ALWAYS,
    "{tid}P": _ALWAYS,
    "{hextid}P": Kind(Shape.CLOSED, _hexadecimal, rb"(?:0x)?[0-9A-Fa-f]{1,32}", missing=False),
    "q": Kind(Shape.QUERY, _text),  # log_request_query: empty where there is none
    "r": _TEXT,  # log_request_line
    "R": _TEXT,  # log_handler
    "s": _STATUS,  # log_status
    "T": _DURATION,  # log_request_duration, log_request_duration_scaled
    "{s}T": _DURATION,
    "{ms}T": _DURATION,
    "{us}T": _DURATION,
    "u": Kind(Shape.TEXT, _user),  # log_remote_user: "" in quotes where the client gave an empty name
    "U": _TEXT,  # log_request_uri: the path, decoded
    "v": _WORD,  # log_virtual_host
    "V": _WORD,  # log_server_name
    "X": Kind(Shape.CLOSED, _sign, rb"[X+-]", missing=False),  # log_connection_status: here "-" says "closed"
    "I": _NUMBER,  # mod_logio.c, log_bytes_in
    "O": _NUMBER,  # mod_logio.c, log_bytes_out
    "S": _NUMBER,  # mod_logio.c, log_bytes_combined
    "^FB": _NUMBER,  # mod_logio.c, log_ttfb: "-" when no byte was sent
    "^FU": _NUMBER,  # mod_logio.c, log_ttfu
    "{*}^ti": _TEXT,  # log_trailer_in
    "{*}^to": _TEXT,  # log_trailer_out
    "{*}x": _TEXT,  # mod_ssl, ssl_var_log_handler_x
    "{*}c": _TEXT,  # mod_ssl, ssl_var_log_handler_c
}

# parse_log_item: modifiers in any order and number, then a letter, or "^" and two letters; "%%" is a percent sign.
_DIRECTIVE = re.compile(r"%(?P<modifiers>(?:[!<>,0-9]|\{[^}]*\})*)(?P<letter>\^[A-Za-z]{2}|[A-Za-z%])")
# Of modifiers, where each brace is closed; were one not, it would not be looked for from every other one.
_BRACES = re.compile(r"\{([^}]*)\}?")
# parse_log_misc_string: escapes between directives. The configuration file's own \" is undone here as well, so that
# a format can be pasted from httpd.conf.
_LITERAL_ESCAPES = {"n": b"\n", "r": b"\r", "t": b"\t", "\\": b"\\", '"': b'"'}


def parse_format(format: str) -> list[Item]:
    """Cut a format string into its literals (never two in a row) and directives. FormatError where httpd, or the
    table above, knows no such directive."""
    items: list[Item] = []
    position = 0
    while position < len(format):
        if format[position] == "%":
            match = _DIRECTIVE.match(format, position)
            if not match:
                raise FormatError("a directive that is not complete", format, position)
            item: Item = b"%" if match["letter"] == "%" else _directive(match, format)
            position = match.end()
        elif format[position] == "\\" and format[position + 1 : position + 2] in _LITERAL_ESCAPES:
            item = _LITERAL_ESCAPES[format[position + 1]]
            position += 2
        else:
            item = format[position].encode("utf-8", "surrogateescape")
            position += 1
        if isinstance(item, bytes) and items and isinstance(last := items[-1], bytes):
            items[-1] = last + item
        else:
            items.append(item)
    return items


def _directive(match: re.Match[str], format: str) -> Directive:
    modifiers, letter = match["modifiers"], match["letter"]
    params = _BRACES.findall(modifiers)
    param = params[-1] if params else ""
    outside = _BRACES.sub(" ", modifiers)
    redirect = ["", *re.findall("[<>]", outside)][-1]
    conditional = any(char.isdigit() or char == "!" for char in outside)
    time = None
    if letter == "t":
        try:
            time = time_format(param)
        except ValueError as error:
            raise FormatError(str(error), format, match.start()) from None
        read: Callable[[bytes], Value] = _text
        if time.plain:
            read = _bracketed_time
        elif time.number:
            read = int
        code, kind = "t", Kind(Shape.CLOSED, read, time.pattern, missing=False)
    else:
        code = f"{{{param.lower()}}}{letter}" if param else letter
        if param and f"{{*}}{letter}" in TABLE:
            code = f"{{*}}{letter}"
        if code not in TABLE:
            raise FormatError(_unknown(letter, param, match[0]), format, match.start())
        kind = TABLE[code]
    return Directive(match[0], code, param, redirect, conditional, match.start(), kind, time)


def _unknown(letter: str, param: str, directive: str) -> str:
    if f"{{*}}{letter}" in TABLE:
        return f"directive {directive!r} needs a name in braces"
    if param and letter in TABLE:
        return f"directive '%{letter}' does not take {{{param}}}"
    return f"unknown directive {directive!r}"
