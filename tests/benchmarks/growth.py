"""What more lines, and more different pages, do to time and memory: of the rollup, and of the logger at work."""

from __future__ import annotations

import os
import shutil
from datetime import UTC, datetime
from pathlib import Path
from tempfile import mkdtemp

import logs
from logger import command, feed
from measure import Usage, run
from parts import Part, Plot, Sizes, Table, bytes_of
from rollup import ODD, pipelog

MOST_PAGES = 100_000
"""The cap `max_pages`, at its default; pages over it are counted together, and their names take no memory."""


def measure(sizes: Sizes, folder: Path) -> Part:
    """Two tables: lines, and different pages."""
    part = Part()
    part.tables.append(table := Table("More lines", COLUMNS_OF_LINES))
    seconds, memory = [], []
    for lines in sizes.growth:
        usage = _rolled_up(logs.made(folder, lines, odd=ODD), folder)
        speed = f"{lines / usage.seconds:,.0f}"
        table.rows.append([f"{lines:,}", f"{usage.seconds:.2f}", speed, bytes_of(usage.memory)])
        seconds.append(usage.seconds)
        memory.append(usage.memory / 1e6)
    series = {"seconds of the rollup": seconds, "MB of the rollup": memory}
    part.plots.append(Plot("growth-lines", "Rollup: seconds and memory over lines", list(sizes.growth), series))
    part.tables.append(table := Table("More different pages", COLUMNS_OF_PAGES))
    rolled, working, stored = [], [], []
    for pages in sizes.pages:
        lines = max(sizes.pages)
        log = logs.made(folder, lines, pages=pages, start=datetime.now(UTC).date().isoformat())
        usage, worker = _rolled_up(log, folder, today=True), _counted(log, folder)
        rolled.append(usage.memory / 1e6)
        log.unlink()  # ten million lines are 2 GB
        working.append(worker[0].memory / 1e6)
        stored.append(worker[1] / 1e6)
        row = [f"{usage.seconds:.2f}", bytes_of(usage.memory), f"{worker[0].seconds:.2f}"]
        table.rows.append([f"{pages:,}", *row, bytes_of(worker[0].memory), bytes_of(worker[1])])
    table.notes.append(
        f"{max(sizes.pages):,} lines, each page as often as any other; the logger is fed as fast as it reads, into"
        f" SQLite. `max_pages` is at its default, {MOST_PAGES:,}: beyond, pages are counted as `(other)`."
    )
    series = {"MB of the rollup": rolled, "MB of the logger": working, "MB of the counters' file": stored}
    part.plots.append(Plot("growth-pages", "Memory over different pages", list(sizes.pages), series))
    part.figures["growth memory"] = max(working)
    return part


COLUMNS_OF_LINES = ["lines", "seconds", "lines a second", "most memory"]
COLUMNS_OF_PAGES = ["pages", "rollup, s", "rollup, memory", "logger, s", "logger, memory", "counters"]


def _rolled_up(log: Path, folder: Path, *, today: bool = False) -> Usage:
    """A rollup with the best number of processes."""
    contender = pipelog(log, folder, len(os.sched_getaffinity(0)))
    words = list(contender.command)
    if today:  # of a day that is not over
        words = [datetime.now(UTC).date().isoformat() if word == "2026-11-22" else word for word in words] + ["--force"]
    return run(words)


def _counted(log: Path, folder: Path) -> tuple[Usage, int]:
    """The logger over a log, and the bytes of its counters' file; what it keeps is thrown away."""
    state = Path(mkdtemp(prefix="growth-", dir=folder))
    source, sink = os.pipe()
    try:
        usage = run(command(state, f"sqlite://{state}/counters.db"), stdin=source, feed=lambda: feed(log, sink))
        return usage, sum(path.stat().st_size for path in state.glob("counters.db*"))
    finally:
        os.close(source)
        shutil.rmtree(state)
