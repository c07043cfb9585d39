"""`pipelog merge`: two pages of the history become one."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import date

from pipelog import plugins
from pipelog.cli.options import dates, parser, settings_of, shield_dates
from pipelog.errors import SettingsError
from pipelog.printable import printable
from pipelog.sinks.base import Merging
from pipelog.sinks.merges import Merge


def run(arguments: Sequence[str]) -> int:
    """Merge; 1 where the history knows no such page, and nothing was changed."""
    made = parser(
        "merge",
        "Add all that the history has of page OLD to page NEW; OLD is then gone, from days rolled up later, too. There"
        " is no way back: look at --dry-run first. The names are those that `export` prints.",
        "pipelog merge /news/1/ /releases/1/ --site www.example.org --dry-run",
        ("site", "sink"),
    )
    made.add_argument("old", metavar="OLD")
    made.add_argument("new", metavar="NEW")
    made.add_argument("--since", metavar="DATES", help="from the first day of these (default: all days)")
    made.add_argument("--until", metavar="DATES", help="to the last day of these")
    made.add_argument("--dry-run", action="store_true", help="say what would be merged, change nothing")
    options = made.parse_args(shield_dates(arguments))
    settings = settings_of(options)
    today = settings.counting.today()
    merge = Merge(
        settings.counting.site,
        options.old,
        options.new,
        dates(options.since, today)[0] if options.since else date.min,
        dates(options.until, today)[1] if options.until else date.max,
    )
    try:
        merge.check()
    except ValueError as error:
        raise SettingsError(f"nothing was merged: {error}") from error
    with plugins.sink(settings.sink) as sink:
        if not isinstance(sink, Merging):
            raise SettingsError(f"a sink of the kind {settings.sink.partition(':')[0]} cannot merge; use sqlite or csv")
        rows = list(sink.rows(merge.since, merge.until, site=merge.site, page=merge.old))
        where = f"{merge.old!r} of site {merge.site!r}"
        if not rows:
            if merge in sink.merges():
                return _say(f"{where} was merged before, and nothing of it is left")
            raise SettingsError(f"the history has no page {where} on these days: nothing was merged; see --site")
        if not options.dry_run:
            sink.merge(merge)
    views = sum(row.count for row in rows if row.dimension == "views")
    days = sorted({row.day for row in rows})
    return _say(
        f"{where} {'would become' if options.dry_run else 'is now'} {merge.new!r}: views {views:,}, rows {len(rows):,},"
        f" days {len(days):,} ({days[0]} to {days[-1]})"
    )


def _say(text: str) -> int:
    print(printable(text), file=sys.stderr)
    return 0
