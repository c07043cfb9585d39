"""Rows to standard output: a table for people, CSV or JSON for programs. Strangers' words are made harmless."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterable, Sequence
from typing import Any

from pipelog.printable import printable
from pipelog.sinks.cells import defuse


def print_rows(header: Sequence[str], rows: Iterable[Sequence[Any]], how: str | None) -> None:
    """Print rows as `how` says: "table", "csv", "json" (a list of objects), or what standard output suggests."""
    how = how or ("table" if sys.stdout.isatty() else "csv")
    if how == "json":
        print(json.dumps([dict(zip(header, row, strict=True)) for row in rows], default=str, indent=1))
    elif how == "csv":
        sys.stdout.flush()
        with open(sys.stdout.fileno(), "w", encoding="utf-8", newline="", closefd=False) as out:
            writer = csv.writer(out, lineterminator="\n")
            writer.writerow(header)
            writer.writerows([defuse(cell) if isinstance(cell, str) else cell for cell in row] for row in rows)
    else:
        _print_table(header, [list(row) for row in rows])


def _print_table(header: Sequence[str], rows: list[list[Any]]) -> None:
    text = [[f"{cell:,}" if isinstance(cell, int) else printable(str(cell)) for cell in row] for row in rows]
    numeric = [bool(rows) and all(isinstance(row[n], int) for row in rows) for n in range(len(header))]
    widths = [max(len(header[n]), *(len(row[n]) for row in text), 0) for n in range(len(header))]
    for cells in [list(header), *text]:
        line = [c.rjust(w) if right else c.ljust(w) for c, w, right in zip(cells, widths, numeric, strict=True)]
        sys.stdout.write("  ".join(line).rstrip() + "\n")
