"""Measures pipelog beside others, part by part: `python tests/benchmarks/run.py [PART…] [--full]`, or `make bench`.

Prints the tables. With --write they go into docs/performance.md and its plots beside it; results of parts that were not
run now are kept, with what is known of their machine.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from dataclasses import replace
from importlib import import_module
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent), str(HERE.parents[1])]

import report  # noqa: E402
from measure import BenchmarkError  # noqa: E402
from parts import FULL, QUICK, Part, Sizes  # noqa: E402

PARTS = ("rollup", "pipe", "commits", "fresh", "reads", "start", "growth", "httpd")
"""Modules, each with `measure(sizes, folder)`."""


def measured(name: str, sizes: Sizes, folder: Path) -> Part:
    """One part."""
    part: Part = import_module(name).measure(sizes, folder)
    return part


def main() -> int:
    options = arguments()
    sizes = FULL if options.full else QUICK
    given = {name: getattr(options, name) for name in ("lines", "rounds", "samples", "seconds", "growth", "pages")}
    changed = {name: value for name, value in given.items() if value is not None}
    sizes = replace(sizes, **changed)
    kind = ("full" if options.full else "quick") + (", changed" if changed else "")
    failed = False
    with tempfile.TemporaryDirectory(prefix="pipelog-bench-") as temporary:
        logs = options.logs or Path(temporary)
        logs.mkdir(parents=True, exist_ok=True)
        results = options.json or (report.PAGE.with_suffix("") / "results.json" if options.write else None)
        results = results or Path(temporary) / "results.json"
        held = {}
        for name in options.parts or PARTS:
            about = report.machine() | {"sizes": kind, "day": time.strftime("%Y-%m-%d")}
            print(f"{name} …", file=sys.stderr, flush=True)
            try:
                part = measured(name, sizes, logs)
            except BenchmarkError as error:
                print(f"{name}: {error}", file=sys.stderr)
                failed = True
                continue
            held = report.merged(results, name, part, about)
        if held:
            print(report.markdown(held, PARTS))
        if options.write and held:
            report.write(held, PARTS)
    return int(failed)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)} (all)")
    parser.add_argument("--full", action="store_true", help=f"large sizes: {FULL.lines:,} lines, {FULL.rounds} rounds")
    parser.add_argument("--lines", type=int, help="of the log")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--samples", type=int, help="of freshness and of reads")
    parser.add_argument("--seconds", type=int, help="of load on each httpd")
    parser.add_argument("--growth", type=int, nargs="+", metavar="LINES", help="of the part growth")
    parser.add_argument("--pages", type=int, nargs="+", help="different pages of the part growth")
    parser.add_argument("--logs", type=Path, metavar="FOLDER", help="keep the logs that are made there")
    parser.add_argument("--json", type=Path, metavar="FILE", help="results, to which the parts are added")
    parser.add_argument("--write", action="store_true", help="write docs/performance.md and its plots")
    options = parser.parse_args()
    if wrong := set(options.parts) - set(PARTS):
        parser.error(f"no such part: {', '.join(sorted(wrong))}; there are {', '.join(PARTS)}")
    return options


if __name__ == "__main__":
    sys.exit(main())
