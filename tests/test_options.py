"""Dates and options on the command line."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelog.cli.options import dates, one_day, parser, shield_dates
from pipelog.errors import SettingsError

SUNDAY = date(2026, 11, 22)


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("2026-11-20", date(2026, 11, 20), date(2026, 11, 20)),
        ("today", SUNDAY, SUNDAY),
        ("Yesterday", date(2026, 11, 21), date(2026, 11, 21)),
        ("-7d", date(2026, 11, 15), date(2026, 11, 21)),
        ("-1d", date(2026, 11, 21), date(2026, 11, 21)),
        ("2026-11", date(2026, 11, 1), date(2026, 11, 30)),
        ("2024-02", date(2024, 2, 1), date(2024, 2, 29)),
        ("2026-W47", date(2026, 11, 16), date(2026, 11, 22)),
        ("2026-w01", date(2025, 12, 29), date(2026, 1, 4)),
        ("2026-11-20..today", date(2026, 11, 20), date(2026, 11, 22)),
        ("2026-W46..2026-11", date(2026, 11, 9), date(2026, 11, 30)),
    ],
)
def test_dates(text: str, first: date, last: date) -> None:
    assert dates(text, SUNDAY) == (first, last)
    assert dates(shield_dates([text])[0], SUNDAY) == (first, last)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "soon",
        "7d",
        "-0d",
        "--7d",
        "-7",
        "2026",
        "2026-00",
        "2026-13",
        "2026-11-31",
        "2026-W54",
        "2025-W53",
        "20261122",
        "today..yesterday",
        "..",
        "today..",
        "today..today..today",
        "today.." * 2_000,
    ],
)
def test_no_dates(text: str) -> None:
    with pytest.raises(SettingsError):
        dates(text, SUNDAY)


def test_one_day() -> None:
    assert one_day("-1d", SUNDAY) == date(2026, 11, 21)
    with pytest.raises(SettingsError, match="'-2d' is more than one day"):
        one_day("2d-ago", SUNDAY)


@given(st.text(alphabet="0123456789-Wwdag otys.", max_size=12))
def test_any_text_is_a_date_or_a_settings_error(text: str) -> None:
    try:
        first, last = dates(text, SUNDAY)
    except SettingsError:
        return
    assert first <= last


@pytest.mark.parametrize(
    "line", ["a b --output csv -n 3", "--output csv a b -n 3", "a --output csv b -n 3", "-n 3 a b --output csv"]
)
def test_options_stand_anywhere_between_the_words(line: str) -> None:
    made = parser("any", "", "")
    made.add_argument("words", nargs="*")
    made.add_argument("--output")
    made.add_argument("-n")
    found = made.parse_args(line.split())
    assert (found.words, found.output, found.n) == (["a", "b"], "csv", "3")
