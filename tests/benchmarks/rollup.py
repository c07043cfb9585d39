"""The rollup beside others that do the same job on the same file: mawk, Polars, GoAccess, lars, apache-log-parser."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from datetime import date
from importlib.util import find_spec
from pathlib import Path

import logs
from measure import Contender, Usage, agree, median, side_by_side
from parts import RIVALS, Part, Plot, Sizes, Table, bytes_of

from pipelog.sinks.sqlite import SQLiteSink

DAY = "2026-11-22"
PIPELOG = [sys.executable, "-P", "-m", "pipelog"]
ODD = 0.005
OTHER_PANELS = (
    "VISITORS REQUESTS_STATIC NOT_FOUND HOSTS OS BROWSERS VISIT_TIMES VIRTUAL_HOSTS REFERRERS REFERRING_SITES"
    " KEYPHRASES STATUS_CODES REMOTE_USER CACHE_STATUS GEO_LOCATION MIME_TYPE TLS_TYPE"
)
"""What GoAccess leaves out where only the panel of requested files is wanted."""


def measure(sizes: Sizes, folder: Path) -> Part:
    """The table of the rollup."""
    log = logs.made(folder, sizes.lines, odd=ODD)
    contenders, missing = contend(log, folder)
    usages = side_by_side(contenders, sizes.rounds)
    agreed = agree(contenders, usages)
    return told(contenders, usages, agreed, missing, sizes)


def contend(log: Path, folder: Path) -> tuple[list[Contender], list[str]]:
    """Those that are installed, and the names of those that are not."""
    cores = len(os.sched_getaffinity(0))
    found = [pipelog(log, folder, jobs) for jobs in (1, cores)[: 1 + (has_jobs() and cores > 1)]]
    missing = []
    if mawk := shutil.which("mawk"):
        found.append(Contender("mawk", [mawk, '-F"', "-f", str(RIVALS / "rollup.awk"), str(log)], json_of))
    else:
        missing.append("mawk")
    for name, module, slow in (
        ("Polars", "polars", False),
        ("lars", "lars", True),
        ("apache-log-parser", "apache_log_parser", True),
    ):
        if find_spec(module):
            program = RIVALS / f"rollup_{module}.py"
            found.append(Contender(name, [sys.executable, str(program), str(log)], json_of, slow=slow))
        else:
            missing.append(name)
    if goaccess := shutil.which("goaccess"):
        found += [
            goaccess_of(goaccess, log, folder, "GoAccess", []),
            goaccess_of(
                goaccess,
                log,
                folder,
                "GoAccess, one panel",
                [f"--ignore-panel={panel}" for panel in OTHER_PANELS.split()],
            ),
        ]
    else:
        missing.append("GoAccess")
    return found, missing


def has_jobs() -> bool:
    """Whether this release's rollup counts one file in several processes."""
    said = subprocess.run([*PIPELOG, "rollup", "--help"], capture_output=True, text=True, check=True).stdout
    return "--jobs" in said


def pipelog(log: Path, folder: Path, jobs: int) -> Contender:
    """The command as one would give it, into an empty SQLite history each time."""
    state = folder / f"rollup-{jobs}"
    options = ["--state", str(state), "--sink", f"sqlite://{state}/history.db", "--source", "bench"]
    command = [*PIPELOG, "rollup", DAY, str(log), *options, *(["--jobs", str(jobs)] if has_jobs() else [])]
    # A history that is there already is replaced, which is another job; so each run begins with an empty folder.
    emptied = ["sh", "-c", 'rm -rf "$0" && exec "$@"', str(state), *command]
    name = "pipelog" if jobs == 1 else f"pipelog, {jobs} processes"
    return Contender(name, emptied, lambda output: history_of(state))


def history_of(state: Path) -> Mapping[str, int]:
    """Views and pages in the history that a run has written."""
    day = date.fromisoformat(DAY)
    with SQLiteSink(state / "history.db") as sink:
        counts = [row.count for row in sink.rows(day, day, dimension="views")]
    return {"views": sum(counts), "pages": len(counts)}


def json_of(output: str) -> Mapping[str, int]:
    """Views and pages (some tell lines, too) of a rival, which it prints as JSON."""
    made = json.loads(output)
    return {what: made[what] for what in ("lines", "views", "pages") if what in made}


def goaccess_of(program: str, log: Path, folder: Path, name: str, options: list[str]) -> Contender:
    """GoAccess, which counts requests and not views: only whether it read every line is checked."""
    report = folder / f"{'-'.join(name.split())}.json"
    command = [program, str(log), "--no-global-config", "--log-format=COMBINED", "--no-progress", *options]
    differs = "counts requests of everybody, programs and all methods; docs/comparison.md tells the difference"
    return Contender(name, [*command, "-o", str(report)], lambda output: goaccess_read(report), differs, slow=True)


def goaccess_read(report: Path) -> Mapping[str, int]:
    """The lines that a report is made of."""
    return {"lines": json.loads(report.read_text("utf-8", "replace"))["general"]["total_requests"]}


def told(
    contenders: list[Contender],
    usages: Mapping[str, list[Usage]],
    agreed: Mapping[str, int],
    missing: list[str],
    sizes: Sizes,
) -> Part:
    """The table, and the figures that have targets: against the best that pipelog does on this machine."""
    middle: Callable[[str], float] = lambda name: median([usage.seconds for usage in usages[name]])  # noqa: E731
    memory = {one.name: max(usage.memory for usage in usages[one.name]) for one in contenders}
    ours = [one.name for one in contenders if one.name.startswith("pipelog")]
    best = min(ours, key=middle)
    columns = ["", "seconds", "lines a second", "CPU seconds", "most memory", f"times {best}"]
    table = Table(f"Rollup of {sizes.lines:,} lines, all dimensions", columns)
    for one in sorted(contenders, key=lambda one: middle(one.name)):
        seconds = middle(one.name)
        cpu = median([usage.cpu for usage in usages[one.name]])
        numbers = [f"{seconds:.2f}", f"{sizes.lines / seconds:,.0f}", f"{cpu:.2f}", bytes_of(memory[one.name])]
        table.rows.append([one.name, *numbers, f"{seconds / middle(best):.2f}"])
    same = ", ".join(one.name for one in contenders if not one.differs)
    counted = f"{agreed['views']:,} views of {agreed['pages']:,} pages"
    table.notes.append(f"All of these counted {counted}: {same}.")
    table.notes += sorted({f"{one.name.partition(',')[0]} {one.differs}." for one in contenders if one.differs})
    table.notes += [f"Not installed: {', '.join(missing)}."] if missing else []
    figures = {"rollup memory": memory[best] / 1e6, "rollup lines/s": sizes.lines / middle(best)}
    for rival, name in (("mawk", "mawk"), ("Polars", "polars"), ("GoAccess", "goaccess")):
        if rival in usages:
            figures[f"rollup/{name}"] = middle(best) / middle(rival)
    speeds = [round(sizes.lines / middle(row[0])) for row in table.rows]
    plot = Plot("rollup", "Lines a second, rollup", [row[0] for row in table.rows], {"lines a second": speeds})
    return Part([table], figures, [plot])
