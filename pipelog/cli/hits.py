"""`pipelog hits`: numbers of pages."""

from __future__ import annotations

from collections.abc import Sequence

from pipelog.cli.options import add_output, dates, is_ago, parser, settings_of, shield_dates
from pipelog.cli.output import print_rows
from pipelog.shortcuts import hits_of


def run(arguments: Sequence[str]) -> int:
    """Print today's and all views of pages, or those of each day."""
    made = parser(
        "hits",
        "Views of pages: today, and ever; or of each day.",
        "pipelog hits /releases/1/ --days -7d",
        ("site", "backend", "sink"),
    )
    made.add_argument("pages", nargs="+", metavar="PAGE", help="path, URL, or what the resolver makes of one")
    made.add_argument("--days", metavar="DATES", help="a row a day: -7d (and today), 2026-11, 2026-W47, 2026-11-22")
    add_output(made)
    options = made.parse_args(shield_dates(arguments))
    settings = settings_of(options)
    hits = hits_of(settings)
    if not options.days:
        found = hits.many(options.pages)
        print_rows(("page", "today", "total"), [(page, *found[page]) for page in options.pages], options.output)
        return 0
    today = settings.counting.today()
    since, until = dates(options.days, today)
    if is_ago(options.days):
        until = today  # "the last days" of a living page end with today
    until = min(until, today)
    rows = [
        (page, day.isoformat(), views)
        for page in options.pages
        for day, views in hits.daily(page, since, until).items()
    ]
    print_rows(("page", "day", "views"), rows, options.output)
    return 0
