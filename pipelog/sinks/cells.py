"""Strangers' text as a cell of a CSV file, and back: no spreadsheet runs it, no terminal obeys it, no line ends in it.

    =1+1            '=1+1
    a;=1+1          a;'=1+1
    two\\lines⏎      two\\\\lines\\n

What begins a cell with a sign is run as a formula by one spreadsheet or another (OWASP, "CSV Injection"). Where a
semicolon separates cells, as in countries with a decimal comma, each semicolon begins one. So an apostrophe goes before
the sign. What is not printable (controls, line breaks, bidirectional marks, undecodable bytes) stands as an escape of
Python, and a backslash as two: a row is a line, and the file is UTF-8.
"""

from __future__ import annotations

import re

from pipelog.printable import printable

# The signs, their full-width forms, and what is skipped before one: blanks, and the quotes that the csv module doubles.
# The apostrophe is our own mark.
_FORMULA = re.compile(r"""(?:^|(?<=;))(?=[" ]*[=+@＝＋－＠-]|')""")
_MARK = re.compile(r"(?:^|(?<=;))'")
_FIRST = frozenset("=+-@＝＋－＠'\" ")
_ESCAPE = re.compile(r"\\(?:[\\nrt]|x[0-9a-f]{2}|u[0-9a-f]{4}|U[0-9a-f]{8})")
_LETTERS = {r"\\": "\\", r"\n": "\n", r"\r": "\r", r"\t": "\t"}


def defuse(text: str) -> str:
    """`text` as a harmless cell; `undefuse` undoes it."""
    if "\\" in text or not text.isprintable():
        text = printable(text.replace("\\", r"\\"))
    if text[:1] in _FIRST or ";" in text:
        text = _FORMULA.sub("'", text)
    return text


def undefuse(cell: str) -> str:
    """The text that `defuse` was given. ValueError for an escape that it never writes."""
    text = _MARK.sub("", cell)
    if "\\" not in text:
        return text
    return _ESCAPE.sub(lambda m: _LETTERS.get(m[0]) or chr(int(m[0][2:], 16)), text)
