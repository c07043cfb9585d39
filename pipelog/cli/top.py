"""`pipelog top`: what leads a day."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec

from pipelog.cli.options import above_zero, add_output, one_day, parser, settings_of, shield_dates
from pipelog.cli.output import print_rows
from pipelog.errors import SettingsError
from pipelog.queries import RANKED
from pipelog.shortcuts import hits_of

SITE = "(site)"
"""The row of the whole site: who viewed two of its pages is one visitor of it."""


def run(arguments: Sequence[str]) -> int:
    """Print the leaders of a day, best first."""
    made = parser(
        "top",
        "What leads a day (default: today): pages by views, or referrers, keywords, bots, missing pages, statuses. "
        "By visitors: the site, and of a finished day its pages; each person once, estimated.",
        "pipelog top yesterday --by referrer -n 10",
        ("site", "backend", "sink"),
    )
    made.add_argument("day", nargs="?", default="today", metavar="DAY")
    made.add_argument("-n", type=above_zero, metavar="N", help="how many (20)")
    made.add_argument("--by", choices=(*RANKED, "visitors"), default="views")
    made.add_argument("--live", action="store_true", help="today as it comes, over the whole terminal")
    made.add_argument("--once", action="store_true", help="the same, once, for scripts")
    add_output(made)
    options = made.parse_args(shield_dates(arguments))
    if options.live or options.once:
        if options.day != "today" or options.output:
            made.error("--live and --once show today, and nothing but text")
        if options.n:
            made.error("--live and --once show as many as there is room for; leave out -n")
        if not find_spec("rich"):
            raise SettingsError("--live and --once draw with rich: pip install 'pipelog-httpd[cli]'")
        from pipelog.cli import live

        show = live.once if options.once else live.run
        return show(settings_of(options), options.by)
    settings = settings_of(options)
    day, most = one_day(options.day, settings.counting.today()), options.n or 20
    hits = hits_of(settings)
    if options.by == "visitors":
        rows = [(SITE, hits.visitors(day)), *hits.page_visitors(day).items()][: most + 1]
        if rows == [(SITE, 0)] and not settings.counting.visitors:
            raise SettingsError("visitors are not counted; set visitors = true in the table [counting]")
    else:
        rows = hits.top(most, day, options.by)
    what = "page" if options.by in ("views", "missing", "visitors") else options.by
    print_rows((what, "count"), rows, options.output)
    return 0
