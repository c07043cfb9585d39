"""`pipelog replay`: a day is emptied in the backend and counted again from the journal."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from datetime import timedelta

from pipelog import plugins
from pipelog.backends.base import Listing
from pipelog.backends.keys import Keys
from pipelog.cli.count import plan_of
from pipelog.cli.options import one_day, parser, settings_of, shield_dates
from pipelog.errors import PipelogError, SettingsError
from pipelog.intake.recount import recount


def run(arguments: Sequence[str]) -> int:
    """Count a live day again."""
    made = parser(
        "replay",
        "Empty a day (default: today) in the backend; every source's worker counts it again from its journal.",
        "pipelog replay today",
        ("format", "site", "source", "backend"),
    )
    made.add_argument("day", nargs="?", default="today", metavar="DAY", help="today or yesterday")
    options = made.parse_args(shield_dates(arguments))
    settings = settings_of(options)
    today = settings.counting.today()
    day = one_day(options.day, today)
    if not today - timedelta(days=1) <= day <= today:
        raise SettingsError(f"{day} is no live day; `pipelog rollup {day} --force` makes a finished day anew")
    if not os.path.isdir(settings.state):
        raise SettingsError(f"{settings.state} is no state folder with a journal; give --state")
    with plugins.backend(settings.backend) as backend:
        if not isinstance(backend, Listing):
            raise PipelogError(
                f"{settings.backend.partition(':')[0]} cannot list its keys, so no day can be emptied in it;"
                " restart the server or send it flush_all: every worker then counts today again by itself"
            )
        backend.forget(Keys(settings.prefix).day(day))
    counted = recount(plan_of(settings))
    print(f"{day}: {'counted again' if counted else 'the worker that runs now counts it again'}", file=sys.stderr)
    return 0
