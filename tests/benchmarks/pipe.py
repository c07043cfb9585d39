"""From the pipe to committed counts, on one core: pipelog on SQLite and memcached, and a logger that does one `incr` a
line. Measured from the start of the program to its end, which comes when all is committed."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import logs
from logger import asked, command, feed, stores
from measure import BenchmarkError, Usage, environment, median, run
from parts import RIVALS, Part, Plot, Sizes, Table, bytes_of

from pipelog.backends.keys import Keys
from pipelog.backends.sqlite import SQLiteBackend

NAMES = {"sqlite": "pipelog, SQLite", "memcached": "pipelog, memcached", "incr": "one incr a line, memcached"}


LOGS: Mapping[str, Mapping[str, float]] = {
    "a news site: 20,000 pages, 200,000 counters a day": {"odd": 0.005},
    "a small site: 1,000 pages": {"pages": 1_000},
}


def measure(sizes: Sizes, folder: Path) -> Part:
    """A table for each log; the targets are those of the first."""
    part = Part()
    for number, (title, options) in enumerate(LOGS.items()):
        log = logs.made(folder, sizes.lines, **options, start=datetime.now(UTC).date().isoformat())
        usages, counted = _measured(log, sizes, folder, f"pipe{number}")
        made = told(usages, counted, sizes, title)
        part.tables += made.tables
        if number == 0:
            part.figures, part.plots = made.figures, made.plots
    return part


def _measured(
    log: Path, sizes: Sizes, folder: Path, name_of_stores: str
) -> tuple[dict[str, list[Usage]], dict[str, int]]:
    """The runs of each, and what all of them have counted."""
    usages: dict[str, list[Usage]] = {}
    counted: dict[str, int] = {}
    with stores(folder, name_of_stores) as urls:
        names = [name for name in NAMES if name in urls or (name == "incr" and "memcached" in urls)]
        for number in range(sizes.rounds):
            turn = number % len(names)
            for name in (*names[turn:], *names[:turn]):
                # SQLite comes first in the first round, and tells the pages that memcached cannot list.
                prefix = f"{name_of_stores}{name}{number}"
                usage, views = _once(name, prefix, urls, log, folder, counted)
                usages.setdefault(name, []).append(usage)
                _check(NAMES[name], views, counted)
    return usages, counted


def _once(
    name: str, prefix: str, urls: Mapping[str, str], log: Path, folder: Path, pages: Mapping[str, int]
) -> tuple[Usage, dict[str, int]]:
    """One run into empty counters, and the views of each page that came of it."""
    state = folder / f"pipe-{os.getpid()}-{prefix}"
    source, sink = os.pipe()
    if name == "incr":
        program = [sys.executable, str(RIVALS / "incr_logger.py"), urls["memcached"].partition("//")[2], prefix]
    else:
        url = f"sqlite://{state}/counters.db" if name == "sqlite" else urls[name]
        program = command(state, url)
    try:
        usage = run(
            ["taskset", "-c", str(min(os.sched_getaffinity(0))), *program],
            stdin=source,
            environ=environment(PIPELOG_PREFIX=prefix),
            feed=lambda: feed(log, sink),
        )
    finally:
        os.close(source)
    if name == "incr":
        made = json.loads(usage.output)
        return usage, {"": made["views"]} if made["pages"] == len(pages) else {}
    if name == "memcached":
        hits = asked(state, url, prefix).many(pages)
        return usage, {page: hit.today for page, hit in hits.items()}
    with SQLiteBackend(state / "counters.db") as backend:
        keys = Keys(prefix)
        found = [(keys.coordinate(key), count) for key, count in backend.scan(f"{prefix}|")]
    return usage, {at.page: count for at, count in found if at and at.dimension == "views"}


def _check(name: str, views: Mapping[str, int], counted: dict[str, int]) -> None:
    """`BenchmarkError` unless a run has, page by page, what the first one had; "" is the sum where no page is known."""
    if not counted:
        counted.update(views)
    if "" in views and sum(views.values()) == sum(counted.values()):
        return
    if views != counted:
        raise BenchmarkError(
            f"{name} has {sum(views.values()):,} views of {len(views):,} pages, the first run"
            f" {sum(counted.values()):,} of {len(counted):,}"
        )


def told(usages: Mapping[str, list[Usage]], counted: Mapping[str, int], sizes: Sizes, title: str) -> Part:
    """The table, and the figures that have targets."""
    columns = ["", "seconds", "lines a second", "CPU a line", "most memory", "times pipelog, SQLite"]
    table = Table(f"{sizes.lines:,} lines from a pipe to committed counts, on one core; {title}", columns)
    part = Part([table])
    first = median([usage.seconds for usage in usages["sqlite"]])
    for name, runs in usages.items():
        seconds, cpu = median([usage.seconds for usage in runs]), median([usage.cpu for usage in runs])
        speed, line = sizes.lines / seconds, cpu * 1e6 / sizes.lines
        numbers = [f"{seconds:.2f}", f"{speed:,.0f}", f"{line:.2f} µs", bytes_of(max(u.memory for u in runs))]
        table.rows.append([NAMES[name], *numbers, f"{seconds / first:.2f}"])
        if name != "incr":
            part.figures |= {f"pipe {name}": speed, f"pipe {name} cpu": line}
    table.notes.append(
        f"All counted {sum(counted.values()):,} views of {len(counted):,} pages; pipelog keeps the lines and counts all"
        " dimensions, the other logger nothing but views. The start of the program is in the time, the CPU of memcached"
        " is not."
    )
    speeds = [round(sizes.lines / median([usage.seconds for usage in runs])) for runs in usages.values()]
    part.plots.append(
        Plot("pipe", "Lines a second, pipe to committed counts", [NAMES[n] for n in usages], {"lines a second": speeds})
    )
    return part
