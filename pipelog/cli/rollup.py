"""`pipelog rollup`: finished days from the logs into the history."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import date, timedelta

from pipelog import plugins
from pipelog.cli.options import Parser, above_zero, dates, is_dates, parser, settings_of, shield_dates
from pipelog.config import Settings
from pipelog.counting.daykeys import DayKeys, KeyFolder
from pipelog.counting.rules import OTHER
from pipelog.daily import TASK, Count, LogPart, count_files, size_of, write
from pipelog.errors import LogFileError, SettingsError, StoreError
from pipelog.intake.journal import files_of_days
from pipelog.parsing.logfiles import find_logs
from pipelog.printable import printable

ALONE = 1 << 25
"""Bytes up to which one process is as fast as several."""


def run(arguments: Sequence[str]) -> int:
    """Roll days up."""
    options = _parser().parse_args(shield_dates(arguments))
    settings = settings_of(options)
    words = list(options.words)
    today = settings.counting.today()
    since = until = today - timedelta(days=1)
    if words and is_dates(words[0]) and not os.path.exists(words[0]):
        since, until = dates(words.pop(0), today)
    if options.since:
        since, until = dates(options.since, today)[0], today - timedelta(days=1)
    if options.until:
        until = dates(options.until, today)[1]
    days = [since + timedelta(days=n) for n in range((until - since).days + 1)]
    if not days:
        raise SettingsError(f"{since} is after {until}; give --since before --until")
    if until >= today and not options.force:
        raise SettingsError(f"{until} is not over, and a day in the history is final; wait, or say --force")
    parts = _parts(settings, words, days)
    size = sum(map(size_of, parts))
    jobs = options.jobs or (len(os.sched_getaffinity(0)) if size > ALONE else 1)
    keys = _keys(settings, days, dry=options.dry_run)
    writing = nullcontext() if options.dry_run else plugins.sink(settings.sink)
    with writing as sink:  # first: a wrong one is said before anything is counted
        with _executor(jobs, options.executor) as executor, _progress(size) as progress:
            count = count_files(
                parts,
                days,
                format=settings.format,
                rules=settings.counting,
                executor=executor,
                task_size=TASK if options.executor else _task_size(size, jobs),
                ahead=None if options.executor else 2 * jobs,
                close=True,
                progress=progress,
                keys=keys,
            )
        if sink is not None:
            write(count, days, sink, source=settings.source, keys=keys, force=options.force)
    _report(count, days, dry=options.dry_run)
    return 0


def _parser() -> Parser:
    made = parser(
        "rollup",
        "Write finished days (default: yesterday) into the history, from the journal or from the log files named.",
        "pipelog rollup 2026-11-22 '/var/log/apache2/access.log*' --sink csv:///srv/hits",
        ("format", "site", "source", "sink"),
    )
    made.add_argument(
        "words", nargs="*", metavar="[DAY] [FILE…]", help="a date, then files, globs or strftime templates"
    )
    made.add_argument("--since", metavar="DATES", help="from the first day of these")
    made.add_argument("--until", metavar="DATES", help="to the last day of these (default: yesterday)")
    made.add_argument("--jobs", type=above_zero, metavar="N", help="processes (as many as there are cores)")
    made.add_argument("--executor", metavar="MODULE:FACTORY", help="makes the concurrent.futures.Executor to use")
    made.add_argument(
        "--force", action="store_true", help="also a day that is not over, or has fewer lines than before"
    )
    made.add_argument("--dry-run", action="store_true", help="count, say what would be written, write nothing")
    return made


def _parts(settings: Settings, words: Sequence[str], days: Sequence[date]) -> list[LogPart]:
    if words:
        return [LogPart(path) for path in find_logs(words, days)]
    parts = [LogPart(*file) for file in files_of_days(settings.state, days[0], days[-1])]
    if not parts:
        raise LogFileError(
            f"the journal of {settings.state} has no file for {days[0]}; name the log files, or give --state"
        )
    return parts


def _task_size(size: int, jobs: int) -> int:
    """Bytes of a task, so that each process has as many of them, and none waits for the last one of another."""
    rounds = max(1, round(size / (jobs * TASK)))
    return max(ALONE, size // (jobs * rounds))


def _keys(settings: Settings, days: Sequence[date], *, dry: bool) -> DayKeys:
    """The keys under which the logger counted visitors, as far as they are there."""
    if not settings.counting.visitors:
        return DayKeys()
    folder, today = KeyFolder(settings.state), settings.counting.today()
    try:
        if not dry:
            folder.forget(today)  # a logger that was stopped cannot do it
        return folder.living(days, today)
    except StoreError as error:
        print(f"{error}; until then visitors of several sources cannot be united", file=sys.stderr)
        return DayKeys()


def _report(count: Count, days: Sequence[date], *, dry: bool) -> None:
    verb = "would be written" if dry else "written"
    views, pages, other = Counter[date](), Counter[date](), Counter[date]()
    for coordinate, number in count.counts():
        day, _, _, dimension, _ = coordinate
        if dimension == "views":
            views[day] += number
            pages[day] += 1
        if OTHER in coordinate:
            other[day] += number
    for day in days:
        print(
            f"{day}: {count.lines_of[day]:,} lines, {views[day]:,} views of {pages[day]:,} pages {verb}",
            file=sys.stderr,
        )
        if other[day]:
            print(f"{day}: {other[day]:,} counts of names over the caps stand under {OTHER}", file=sys.stderr)
    if count.bad or count.too_long:
        where = printable("; ".join(count.bad_places))
        print(f"{count.bad:,} of {count.lines:,} lines are bad, {count.too_long:,} too long: {where}", file=sys.stderr)


@contextmanager
def _progress(size: int) -> Iterator[Callable[[int], None] | None]:
    """A bar on a terminal that has rich; silent in cron."""
    if not sys.stderr.isatty():
        yield None
        return
    try:
        from rich.console import Console
        from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn
    except ImportError:
        yield None
        return
    columns = TextColumn("reading"), BarColumn(), DownloadColumn(), TimeRemainingColumn()
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("reading", total=size)
        yield lambda number: bar.update(task, advance=number)


def _executor(jobs: int, factory: str | None) -> AbstractContextManager[Executor | None]:
    if not factory and jobs == 1:
        return nullcontext()
    from pipelog.cli.executors import made_by, pool  # multiprocessing takes 7 ms, and one process needs none of it

    return made_by(factory) if factory else pool(jobs)
