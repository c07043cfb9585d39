"""No line lost: a real httpd under load, what can befall a logger, and a comparison page by page with a plain file.

    python tests/integration/acceptance.py --scenario all
    python tests/integration/acceptance.py --scenario mixed --seconds 600 --seed 7 --vhosts 4
    python tests/integration/acceptance.py --table docs/reliability.md

Needs root, httpd and wrk. A line of output for each scenario; exit 1 if a line was lost or counted twice, or if a
logger did not end after httpd.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import acceptance_table
from acceptance_result import Result, run
from acceptance_scenarios import SCENARIOS

LOGGERS = ("pipelog", "rotatelogs", "cronolog")
STORES = ("sqlite", "memcached")


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; its exit code."""
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--scenario", default="all", choices=["all", *SCENARIOS])
    made.add_argument("--seconds", type=float, default=4.0, help="of load in each")
    made.add_argument("--seed", type=int, default=1, help="of the random mix")
    made.add_argument("--store", default="sqlite", choices=STORES)
    made.add_argument("--vhosts", type=int, default=1, help="so many virtual hosts with a pipe each")
    made.add_argument("--logger", default="pipelog", choices=LOGGERS)
    made.add_argument("--table", type=Path, metavar="FILE", help="run everything that the table holds and write it")
    options = made.parse_args(arguments)
    folder = Path(tempfile.mkdtemp(prefix="pipelog-acceptance-"))
    try:
        if options.table:
            results = acceptance_table.write(options.table, folder, options.seconds, options.seed)
        else:
            results = _run_asked(folder, options)
    except pytest.skip.Exception as error:
        print(error, file=sys.stderr)
        return 2
    if any(result.fault for result in results if result.logger == "pipelog"):
        print(f"see {folder}", file=sys.stderr)
        return 1
    shutil.rmtree(folder)
    return 0


def _run_asked(folder: Path, options: argparse.Namespace) -> list[Result]:
    names = [options.scenario]
    if options.scenario == "all":
        names = [name for name, scenario in SCENARIOS.items() if options.store in scenario.stores]
    results = []
    for name in names:
        result = run(
            name,
            folder / name,
            logger=options.logger,
            store=options.store if options.logger == "pipelog" else "",
            vhosts=options.vhosts,
            seconds=options.seconds,
            seed=options.seed,
        )
        print(result, flush=True)
        results.append(result)
    return results


if __name__ == "__main__":
    sys.exit(main())
