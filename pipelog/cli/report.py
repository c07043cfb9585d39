"""`pipelog report`: a day or several as one file."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from pipelog.cli.options import dates, parser, settings_of, shield_dates
from pipelog.cli.web import needing_the_extra
from pipelog.errors import SettingsError
from pipelog.overview import Overview
from pipelog.periods import Period
from pipelog.shortcuts import hits_of


def run(arguments: Sequence[str]) -> int:
    """Write the report of a day or of several."""
    made = parser(
        "report",
        "One file that needs nothing else, with charts and tables of a day or of several (default: yesterday).",
        "pipelog report -o week.html -7d",
        ("site", "backend", "sink"),
    )
    made.add_argument("days", nargs="?", default="yesterday", metavar="DAYS", help="2026-11-22, -7d, 2026-11, A..B")
    made.add_argument("-o", dest="file", metavar="FILE", help="where to; - is standard output", required=True)
    made.add_argument("--output", choices=("html", "json"), default="html", help="(html)")
    options = made.parse_args(shield_dates(arguments))
    with needing_the_extra("report"):
        from pipelog.web import report
        from pipelog.web.asked import LONGEST
    settings = settings_of(options)
    now = datetime.now(settings.counting.zone())
    since, until = dates(options.days, now.date())
    period = Period(since, min(until, now.date()))
    if not 1 <= period.days <= LONGEST:
        raise SettingsError(f"{options.days!r}: a report is of 1 to {LONGEST} days, none of them yet to come")
    overview = Overview(hits_of(settings))
    found = report.report(overview, period, now, site=options.site, home=settings.counting.site)
    content = report.as_html(found, now) if options.output == "html" else report.as_json(found)
    if options.file == "-":
        sys.stdout.flush()
        sys.stdout.buffer.write(content)
        return 0
    report.write(Path(options.file), content)
    for problem in found.problems:
        print(f"pipelog: {problem}", file=sys.stderr)
    return int(bool(found.problems))
