"""Cells of CSV files: nothing in them is run, obeyed or ends a line, and every text comes back."""

from __future__ import annotations

import csv
import io
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelog.sinks.cells import defuse, undefuse


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("", ""),
        ("/a", "/a"),
        ("a=1", "a=1"),
        ("=1", "'=1"),
        ("+1", "'+1"),
        ("-1", "'-1"),
        ("@x", "'@x"),
        ("＝1", "'＝1"),
        ("  =1", "'  =1"),
        ('"=1"', '\'"=1"'),
        ("'", "''"),
        ("'=1", "''=1"),
        ("''", "'''"),
        ("a;=1;b;-2", "a;'=1;b;'-2"),
        ('a;"=1', "a;'\"=1"),
        ("a;'", "a;''"),
        ("\t=1", r"\t=1"),
        ("a\r=1", r"a\r=1"),
        ("\n", r"\n"),
        (r"\n", r"\\n"),
        ("\x1b[31m\u202e\xa0\0", r"\x1b[31m\u202e\xa0\x00"),
        ("\udcff", r"\udcff"),
        ("\U000e0001", r"\U000e0001"),
        ("größe 大", "größe 大"),
    ],
)
def test_defuse(text: str, cell: str) -> None:
    assert defuse(text) == cell
    assert undefuse(cell) == text


@pytest.mark.parametrize("cell", [r"\z", r"\x1", "\\", r"c:\windows"])
def test_a_backslash_of_others_stays(cell: str) -> None:
    assert undefuse(cell) == cell


def test_an_escape_for_no_character() -> None:
    with pytest.raises(ValueError, match="chr"):
        undefuse(r"\U00ffffff")


@settings(deadline=None)
@given(st.text(alphabet="'=+-@\t\r\n ;ax＝\udcff,\"\\", max_size=8) | st.text(max_size=20))
def test_whatever_separates_cells_none_begins_a_formula(text: str) -> None:
    cell = defuse(text)
    assert undefuse(cell) == text
    assert cell.isprintable()
    file = io.StringIO(newline="")
    csv.writer(file).writerow(("2026-11-22", cell, 3))
    assert next(csv.reader(io.StringIO(file.getvalue(), newline=""))) == ["2026-11-22", cell, "3"]
    for separator in ";\t\n\r":
        for part in (cell, *file.getvalue().strip().split(separator), *cell.split(separator)):
            assert not re.match('["\\s]*[=+@＝＋－＠-]', part), part
