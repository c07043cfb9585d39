"""The time directive: %t and every %{...}t (mod_log_config.c, log_request_time), and one time out of several.

A `TimeFormat` has a pattern for what httpd writes and reads it into parts, keyed by the name of the conversion
("%Y", "msec_frac"); `combine` makes one time of the parts of all time directives of a line. Names are the C
locale's, whatever the locale of this process: httpd never calls setlocale.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, date, datetime, timedelta, timezone
from typing import NamedTuple

from pipelog.parsing import clf

Part = int | str | datetime | timezone

_CLF = rb"\[[0-9]{1,2}/[A-Z][a-z]{2}/[0-9]{4}:[0-9]{1,2}:[0-9]{1,2}:[0-9]{1,2} [+-][0-9]{4}\]"
_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_FULL_MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)
# RFC 5322 section 4.3 (obs-zone): the only abbreviations with a meaning that is agreed on.
_ZONES = {"UT": 0, "UTC": 0, "GMT": 0, "Z": 0}
_ZONES |= {"EDT": -4, "EST": -5, "CDT": -5, "CST": -6, "MDT": -6, "MST": -7, "PDT": -7, "PST": -8}


def _names(names: Iterable[str]) -> bytes:
    return "|".join(names).encode("ascii")


def _string(raw: bytes) -> str:
    return raw.decode("ascii")


_TWO = (rb"[0-9]{2}", int)
_PADDED = (rb"[ 0-9][0-9]", int)
_SPACE = (rb"[ \t\n\r\v\f]*+", None)

# strftime(3) in the C locale: conversion -> pattern and what it is read with (None: says nothing).
_CONVERSIONS: dict[str, tuple[bytes, Callable[[bytes], Part] | None]] = {
    "a": (_names([name[:3] for name in _WEEKDAYS]), _string),
    "A": (_names(_WEEKDAYS), _string),
    "b": (_names(clf.MONTHS), _string),
    "B": (_names(_FULL_MONTHS), _string),
    "C": _TWO,
    "d": _TWO,
    "e": _PADDED,
    "g": _TWO,
    "G": (rb"[0-9]{4}", int),
    "H": _TWO,
    "I": _TWO,
    "j": (rb"[0-9]{3}", int),
    "k": _PADDED,
    "l": _PADDED,
    "m": _TWO,
    "M": _TWO,
    "n": _SPACE,
    "p": (rb"AM|PM|", _string),
    "P": (rb"am|pm|", _string),
    "s": (rb"-?[0-9]{1,12}", int),
    "S": _TWO,
    "t": _SPACE,
    "u": (rb"[1-7]", int),
    "U": _TWO,
    "V": _TWO,
    "w": (rb"[0-6]", int),
    "W": _TWO,
    "y": _TWO,
    "Y": (rb"[0-9]{4}", int),
    "z": (rb"[+-][0-9]{4}", clf.offset),
    "Z": (rb"[A-Za-z]{0,6}|[+-][0-9]{2,4}", _string),
    "%": (rb"%", None),
}
_ABBREVIATED = {
    "c": "%a %b %e %H:%M:%S %Y",
    "D": "%m/%d/%y",
    "F": "%Y-%m-%d",
    "h": "%b",
    "r": "%I:%M:%S %p",
    "R": "%H:%M",
    "T": "%H:%M:%S",
    "x": "%m/%d/%y",
    "X": "%H:%M:%S",
}
# mod_log_config.c, log_request_time: words instead of a strftime format, each one number.
_WORDS = {
    "sec": rb"[0-9]{1,12}",
    "msec": rb"[0-9]{1,15}",
    "usec": rb"[0-9]{1,18}",
    "msec_frac": rb"[0-9]{3}",
    "usec_frac": rb"[0-9]{6}",
}


class TimeFormat(NamedTuple):
    """What one time directive writes, and how to read it.

    `end`: the time is the end of the request. `plain`: it is CLF text in brackets, as %t writes it.
    `pattern` has no capturing group; `number`: one integer, not text.
    """

    end: bool
    plain: bool
    number: bool
    pattern: bytes
    regex: re.Pattern[bytes]
    readers: tuple[tuple[str, Callable[[bytes], Part]], ...]

    def parts(self, raw: bytes) -> dict[str, Part]:
        """The parts in what httpd wrote, e.g. {"%Y": 2026}. ValueError where one is impossible."""
        match = self.regex.fullmatch(raw)
        if not match:
            raise ValueError("not a time in this format")
        return {name: read(group) for (name, read), group in zip(self.readers, match.groups(), strict=True)}


def time_format(param: str) -> TimeFormat:
    """The format in the braces of %{...}t; "" is that of %t. ValueError says what is wrong with it."""
    prefix, colon, rest = param.partition(":")
    if param in ("begin", "end"):
        prefix, rest = param, ""
    elif not colon or prefix not in ("begin", "end"):
        prefix, rest = "begin", param
    end = prefix == "end"
    if not rest:
        return _made(end, _CLF, [("clf", rb"\[(.*)\]", clf.clf_time)], plain=True)
    if rest in _WORDS:
        return _made(end, _WORDS[rest], [(rest, b"(" + _WORDS[rest] + b")", int)], number=True)
    pattern, parts = _strftime(rest)
    return _made(end, pattern, parts, number=[read for _, _, read in parts] == [int])


def _made(
    end: bool,
    pattern: bytes,
    parts: list[tuple[str, bytes, Callable[[bytes], Part] | None]],
    *,
    plain: bool = False,
    number: bool = False,
) -> TimeFormat:
    regex = re.compile(b"".join(groups for _, groups, _ in parts))
    readers = tuple((name, read) for name, _, read in parts if read)
    return TimeFormat(end, plain, number, pattern, regex, readers)


def _strftime(format: str) -> tuple[bytes, list[tuple[str, bytes, Callable[[bytes], Part] | None]]]:
    pattern: list[bytes] = []
    parts: list[tuple[str, bytes, Callable[[bytes], Part] | None]] = []
    # C11 7.27.3.5: the modifiers E and O change nothing in the C locale.
    for match in re.finditer(r"%([EO]?(?P<letter>[A-Za-z%]))?|[^%]+", _expanded(format)):
        letter = match["letter"]
        if letter is None and match[0] != "%":
            literal = re.escape(match[0].encode("utf-8", "surrogateescape"))
            pattern.append(literal)
            parts.append(("", literal, None))
            continue
        if letter not in _CONVERSIONS:
            raise ValueError(f"strftime conversion {match[0]!r} is unknown")
        wanted, read = _CONVERSIONS[letter]
        pattern.append(b"(?:" + wanted + b")")
        parts.append((f"%{letter}", (b"(" if read else b"(?:") + wanted + b")", read))
    return b"".join(pattern), parts


def _expanded(format: str) -> str:
    return re.sub(r"%([EO]?([A-Za-z%]))", lambda m: _ABBREVIATED.get(m[2], m[0]), format)


def combine(parts: Mapping[str, Part]) -> datetime | None:
    """One time from the parts of a line's time directives; None where they do not make a day and a time of day.

    Aware where the parts tell an offset, or count seconds since 1970. ValueError for an impossible time.
    """
    zone = _zone(parts)
    fraction = _fraction(parts)
    if isinstance(stamp := parts.get("clf"), datetime):
        return stamp.replace(microsecond=fraction)
    for name, unit in (("usec", 1), ("msec", 1000), ("sec", 1_000_000), ("%s", 1_000_000)):
        if isinstance(count := parts.get(name), int):
            since = timedelta(microseconds=count * unit + (fraction if unit == 1_000_000 else 0))
            try:
                return (datetime(1970, 1, 1, tzinfo=UTC) + since).astimezone(zone or UTC)
            except OverflowError:
                raise ValueError(f"{count} is out of range") from None
    day, hour, minute = _day(parts), _hour(parts), _number(parts, "%M")
    if day is None or hour is None or minute is None:
        return None
    return datetime(day.year, day.month, day.day, hour, minute, _number(parts, "%S") or 0, fraction, zone)


def _number(parts: Mapping[str, Part], *names: str) -> int | None:
    for name in names:
        if isinstance(value := parts.get(name), int):
            return value
    return None


def _fraction(parts: Mapping[str, Part]) -> int:
    micro, milli = _number(parts, "usec_frac"), _number(parts, "msec_frac")
    return micro if micro is not None else (milli or 0) * 1000


def _zone(parts: Mapping[str, Part]) -> timezone | None:
    offset = parts.get("%z")
    if isinstance(offset, timezone):
        return offset
    hours = _ZONES.get(str(parts.get("%Z")))
    return None if hours is None else timezone(timedelta(hours=hours))


def _day(parts: Mapping[str, Part]) -> date | None:
    year, month, day = _year(parts), _month(parts), _number(parts, "%d", "%e")
    if year is not None and month is not None and day is not None:
        return date(year, month, day)
    if year is not None and (ordinal := _number(parts, "%j")) is not None:
        found = date(year, 1, 1) + timedelta(days=ordinal - 1)
        if found.year != year:
            raise ValueError(f"year {year} has no day {ordinal}")
        return found
    week_year, week, weekday = _number(parts, "%G"), _number(parts, "%V"), _weekday(parts)
    if week_year is not None and week is not None and weekday is not None:
        return date.fromisocalendar(week_year, week, weekday)
    return None


def _year(parts: Mapping[str, Part]) -> int | None:
    year, century, short = _number(parts, "%Y"), _number(parts, "%C"), _number(parts, "%y")
    if year is not None or short is None:
        return year
    if century is not None:
        return century * 100 + short
    return short + (1900 if short >= 69 else 2000)  # POSIX strptime, %y


def _month(parts: Mapping[str, Part]) -> int | None:
    name = parts.get("%b") or parts.get("%B")
    return clf.MONTHS.index(name[:3]) + 1 if isinstance(name, str) else _number(parts, "%m")


def _weekday(parts: Mapping[str, Part]) -> int | None:
    """ISO: Monday is 1."""
    name = parts.get("%a") or parts.get("%A")
    if isinstance(name, str):
        return next(number for number, full in enumerate(_WEEKDAYS, 1) if full.startswith(name))
    iso, sunday_first = _number(parts, "%u"), _number(parts, "%w")
    return iso if iso is not None else sunday_first or (None if sunday_first is None else 7)


def _hour(parts: Mapping[str, Part]) -> int | None:
    hour, half = _number(parts, "%H", "%k"), _number(parts, "%I", "%l")
    noon = str(parts.get("%p") or parts.get("%P") or "").upper()
    if hour is not None or half is None or not noon:
        return hour
    if not 1 <= half <= 12:
        raise ValueError(f"no hour {half} on a clock of twelve")
    return half % 12 + (12 if noon == "PM" else 0)
