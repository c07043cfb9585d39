"""The time directive, and one time out of several."""

from __future__ import annotations

import locale
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelog.parsing.times import combine, time_format

EST = timezone(timedelta(hours=-5))


@pytest.mark.parametrize(
    ("param", "raw", "parts"),
    [
        ("", b"[22/Nov/2026:10:11:12 +0000]", {"clf": datetime(2026, 11, 22, 10, 11, 12, tzinfo=UTC)}),
        ("sec", b"1795342272", {"sec": 1795342272}),
        ("begin:msec_frac", b"042", {"msec_frac": 42}),
        ("usec_frac", b"000042", {"usec_frac": 42}),
        ("%d %b %Y", b"22 Nov 2026", {"%d": 22, "%b": "Nov", "%Y": 2026}),
        ("%e|%k|%l", b" 2| 3|12", {"%e": 2, "%k": 3, "%l": 12}),
        ("%F %T %z", b"2026-11-22 01:02:03 -0500",
         {"%Y": 2026, "%m": 11, "%d": 22, "%H": 1, "%M": 2, "%S": 3, "%z": EST}),
        ("%c", b"Sun Nov 22 10:11:12 2026",
         {"%a": "Sun", "%b": "Nov", "%e": 22, "%H": 10, "%M": 11, "%S": 12, "%Y": 2026}),
        ("%r", b"10:11:12 PM", {"%I": 10, "%M": 11, "%S": 12, "%p": "PM"}),
        ("%D%%%X", b"11/22/26%10:11:12", {"%m": 11, "%d": 22, "%y": 26, "%H": 10, "%M": 11, "%S": 12}),
        ("%Ey %Od", b"26 22", {"%y": 26, "%d": 22}),
        ("%h %P", b"Nov pm", {"%b": "Nov", "%P": "pm"}),
        ("%Y%n%m", b"2026 \t\n11", {"%Y": 2026, "%m": 11}),
        ("(%j)é", "(326)é".encode(), {"%j": 326}),
    ],
)  # fmt: skip
def test_parts(param: str, raw: bytes, parts: dict[str, object]) -> None:
    assert time_format(param).parts(raw) == parts


@pytest.mark.parametrize(
    ("param", "raw"),
    [
        ("%b", b"nov"),
        ("%b", b"NOV"),
        ("%B", b"Nov"),
        ("%b", "Mär".encode()),
        ("%Y", b"26"),
        ("%H:%M", b"1:2"),
        ("msec_frac", b"1"),
        ("%z", b"+01:00"),
    ],
)
def test_parts_refuses(param: str, raw: bytes) -> None:
    with pytest.raises(ValueError, match="not a time"):
        time_format(param).parts(raw)


@pytest.mark.parametrize("param", ["%", "% ", "%^x", "%{x", "%!a", "%-d", "%Q", "begin:%", "%E", "%H%:%M"])
def test_unknown_conversions_are_refused(param: str) -> None:
    with pytest.raises(ValueError, match="strftime conversion"):
        time_format(param)


@pytest.mark.parametrize(
    ("param", "end", "plain"),
    [
        ("", False, True),
        ("begin", False, True),
        ("end", True, True),
        ("end:", True, True),
        ("end:%T", True, False),
        ("%H:%M", False, False),
    ],
)
def test_prefixes(param: str, end: bool, plain: bool) -> None:
    format = time_format(param)
    assert (format.end, format.plain) == (end, plain)


@pytest.mark.parametrize(
    ("param", "raw", "time"),
    [
        ("%Y-%m-%dT%H:%M:%S%z", b"2026-11-22T10:11:12-0500", datetime(2026, 11, 22, 10, 11, 12, tzinfo=EST)),
        ("%F %R", b"2026-11-22 10:11", datetime(2026, 11, 22, 10, 11)),
        ("%d/%b/%y %H:%M", b"22/Nov/99 10:11", datetime(1999, 11, 22, 10, 11)),
        ("%C%y-%m-%e %T", b"2168-11- 2 10:11:12", datetime(2168, 11, 2, 10, 11, 12)),
        ("%Y-%j %R", b"2026-326 10:11", datetime(2026, 11, 22, 10, 11)),
        ("%G-W%V-%u %R", b"2026-W47-7 10:11", datetime(2026, 11, 22, 10, 11)),
        ("%G-W%V-%w %R", b"2026-W47-0 10:11", datetime(2026, 11, 22, 10, 11)),
        ("%G %V %A %R", b"2026 47 Sunday 10:11", datetime(2026, 11, 22, 10, 11)),
        ("%F %I:%M %p", b"2026-11-22 12:11 AM", datetime(2026, 11, 22, 0, 11)),
        ("%F %I:%M %P", b"2026-11-22 12:11 pm", datetime(2026, 11, 22, 12, 11)),
        ("%s", b"1795342272", datetime(2026, 11, 22, 10, 11, 12, tzinfo=UTC)),
        ("%s %z", b"1795342272 -0500", datetime(2026, 11, 22, 5, 11, 12, tzinfo=EST)),
        ("usec", b"1795342272000007", datetime(2026, 11, 22, 10, 11, 12, 7, tzinfo=UTC)),
        ("msec", b"1795342272007", datetime(2026, 11, 22, 10, 11, 12, 7000, tzinfo=UTC)),
        ("%F %T %Z", b"2026-11-22 10:11:12 EST", datetime(2026, 11, 22, 10, 11, 12, tzinfo=EST)),
        ("%F %T %Z", b"2026-11-22 10:11:12 XYZ", datetime(2026, 11, 22, 10, 11, 12)),
        ("%F", b"2026-11-22", None),
        ("%T", b"10:11:12", None),
        ("%m-%d %T", b"11-22 10:11:12", None),
        ("%F %I:%M", b"2026-11-22 10:11", None),  # in the morning or in the evening?
    ],
)
def test_combine(param: str, raw: bytes, time: datetime | None) -> None:
    made = combine(time_format(param).parts(raw))
    assert made == time
    assert (made and made.tzinfo) == (time and time.tzinfo)


@pytest.mark.parametrize(
    ("param", "raw"),
    [
        ("%F %T", b"2026-02-30 10:11:12"),
        ("%F %T", b"2026-02-03 24:11:12"),
        ("%Y-%j %R", b"2026-366 10:11"),
        ("%Y-%j %R", b"2026-000 10:11"),
        ("%G-W%V-%u %R", b"2026-W54-7 10:11"),
        ("%F %I:%M %p", b"2026-11-22 13:11 PM"),
        ("%F %R %z", b"2026-11-22 13:11 +9900"),
        ("%s", b"999999999999"),
        ("sec", b"999999999999"),
    ],
)
def test_impossible_times(param: str, raw: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        combine(time_format(param).parts(raw))


@given(
    st.datetimes(min_value=datetime(1000, 1, 1)), st.sampled_from(["%F %T", "%c", "%d %B %Y %I:%M:%S %p", "%Y %j %X"])
)
def test_reads_what_strftime_writes(time: datetime, format: str) -> None:
    assert locale.setlocale(locale.LC_TIME) == "C"
    raw = time.strftime(format).encode("ascii")
    assert combine(time_format(format).parts(raw)) == time.replace(microsecond=0)
