"""`pipelog export`: every row of a day."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from pipelog.cli.options import add_output, dates, parser, settings_of, shield_dates
from pipelog.cli.output import print_rows
from pipelog.model import DailyCount
from pipelog.shortcuts import hits_of


def run(arguments: Sequence[str]) -> int:
    """Print every row of some days, in order: the same day gives the same bytes, live or from the history."""
    made = parser(
        "export",
        "Every row of a day (default: today) or several: from the history, or a live day from a backend that can list.",
        "pipelog export 2026-11 --output csv >november.csv",
        ("backend", "sink"),
    )
    made.add_argument("days", nargs="?", default="today", metavar="DATES")
    add_output(made)
    options = made.parse_args(shield_dates(arguments))
    settings = settings_of(options)
    since, until = dates(options.days, settings.counting.today())
    hits = hits_of(settings)
    days = (since + timedelta(days=n) for n in range((until - since).days + 1))
    rows = ((row.day.isoformat(), *row[1:]) for day in days for row in sorted(hits.rows(day)))
    print_rows(DailyCount._fields, rows, options.output)
    return 0
