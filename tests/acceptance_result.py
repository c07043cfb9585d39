"""One scenario from its start to a comparison, page by page, of the plain file with what the logger has."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

from acceptance_scenarios import SCENARIOS, MemcachedStore, SQLiteStore, Store, Trial
from acceptance_site import PAGE, Site, logger_command

from pipelog import config
from pipelog.shortcuts import hits_of
from pipelog.testing import servers


class Result(NamedTuple):
    """What a scenario did, and what became of the lines."""

    scenario: str
    logger: str
    store: str
    vhosts: int
    events: int
    kills: int
    note: str
    lines: int  #: in the plain file
    lost: int  #: of them not counted
    doubled: int  #: counted more often than they stand there
    seconds: float
    drain: float  #: seconds from httpd's end to the last logger's
    stuck: str  #: what is known of loggers that did not end

    @property
    def fault(self) -> str:
        """What is wrong, or nothing."""
        if self.lost or self.doubled:
            return f"{self.lost} lost, {self.doubled} doubled"
        return self.stuck or ("" if self.lines else "no line was written")

    def __str__(self) -> str:
        where = f"{self.logger}/{self.store or 'files'}" + (f" vhosts={self.vhosts}" if self.vhosts > 1 else "")
        return (
            f"{self.scenario:15} {where} lines={self.lines} events={self.events}"
            f" kills={self.kills} LOST={self.lost} DOUBLED={self.doubled} {self.seconds:.1f}s drain={self.drain:.2f}s"
            + f" {self.note}"
            + ("\n" + self.stuck if self.stuck else "")
        )


def run(
    name: str,
    work: Path,
    *,
    logger: str = "pipelog",
    store: str = "sqlite",
    vhosts: int = 1,
    seconds: float = 4.0,
    seed: int = 1,
) -> Result:
    """One scenario in the folder `work`, with about `seconds` of load."""
    needs()
    scenario = SCENARIOS[name]
    environ = scenario.environ(seconds)
    began = time.monotonic()
    with ExitStack() as stack:
        kept: Store = MemcachedStore(stack) if store == "memcached" else SQLiteStore(work / "kept" / "counters.db")
        options = f"--backend {kept.url} {scenario.options}"
        site = Site(
            work,
            logger_command(logger, options),
            vhosts=vhosts,
            environ=environ,
            contained=scenario.contained,
            scripts=scenario.scripts,
        )
        stack.callback(site.clean)
        trial = Trial(site, kept, seconds, seed)
        scenario.run(trial)
        site.stop()
        site.answered()
        ended = time.monotonic()
        stuck = site.drain()
        drained = time.monotonic()
        wanted = site.pages()
        counted = _counted(site, logger, kept, wanted)
    lost = sum((wanted - counted).values())
    # A line that only the logger has: httpd killed the thread between its two writes. It counts as doubled from two on.
    doubled = sum(number - max(wanted[page], 1) for page, number in counted.items() if number > max(wanted[page], 1))
    lines, took = sum(wanted.values()), ended - began
    return Result(
        scenario=name,
        logger=logger,
        store=store,
        vhosts=vhosts,
        events=trial.events,
        kills=trial.kills,
        note=trial.note,
        lines=lines,
        lost=lost,
        doubled=doubled,
        seconds=took,
        drain=drained - ended,
        stuck=stuck,
    )


def needs() -> None:
    """Skip, or fail in CI, where a scenario cannot be run."""
    for program in ("wrk", "unshare", "mount"):
        servers.require(program)
    if os.geteuid() != 0:
        servers.missing("httpd's life under fire is played as root")


def _counted(site: Site, logger: str, store: Store, wanted: Counter[str]) -> Counter[str]:
    """Page -> what the logger has of it."""
    if logger != "pipelog":
        found: Counter[str] = Counter()
        for path in site.kept.iterdir():
            with open(path, "rb") as file:
                found.update(match[1].decode() for match in map(PAGE.search, file) if match)
        return found
    if isinstance(store, SQLiteStore):
        return _exported(site)
    # memcached cannot list, so every page is asked for.
    hits = hits_of(config.load({"state": str(site.kept), "backend": store.url}, environ={}))
    pages = list(wanted)
    chunks = (pages[start : start + 2_000] for start in range(0, len(pages), 2_000))
    return Counter({page: number.total for chunk in chunks for page, number in hits.many(chunk).items()})


def _exported(site: Site) -> Counter[str]:
    """Page -> views of yesterday and today, as the command gives them."""
    sums: Counter[str] = Counter()
    for day in ("yesterday", "today"):
        command = [sys.executable, "-P", "-m", "pipelog", "export", day, "--state", str(site.kept), "--output", "csv"]
        made = subprocess.run(command, env=site.environ, capture_output=True, text=True, check=True)
        for row in csv.DictReader(made.stdout.splitlines()):
            if row["dimension"] == "views" and row["page"].startswith(("/p/", "/slow/")):
                sums[row["page"]] += int(row["count"])
    return sums
