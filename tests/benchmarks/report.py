"""What was measured, as JSON, as the tables of docs/performance.md beside their targets, and as plots."""

from __future__ import annotations

import json
import os
import platform
import re
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import pages
from parts import REPOSITORY, Part

COMMAND = "make bench FULL=1"
PAGE = REPOSITORY / "docs" / "performance.md"


class Target(NamedTuple):
    """`most`: the figure must not be above it; else not below."""

    figure: str
    what: str
    bound: float
    unit: str
    most: bool = True

    def met(self, value: float) -> bool:
        return value <= self.bound if self.most else value >= self.bound


TARGETS = (
    Target("rollup/mawk", "rollup, time beside mawk", 0.5, "×"),
    Target("rollup/polars", "rollup, time beside Polars", 0.8, "×"),
    Target("rollup/goaccess", "rollup, time beside GoAccess", 0.04, "×"),
    Target("rollup memory", "rollup, memory", 150, "MB"),
    Target("pipe sqlite", "pipe to committed counts, SQLite, one core", 400_000, "lines/s", most=False),
    Target("pipe memcached", "pipe to committed counts, memcached, one core", 400_000, "lines/s", most=False),
    Target("pipe sqlite cpu", "CPU of supervisor and worker, SQLite", 2.5, "µs/line"),
    Target("pipe memcached cpu", "CPU of supervisor and worker, memcached", 2.5, "µs/line"),
    Target("commit sqlite", "commits, SQLite", 200_000, "counters/s", most=False),
    Target("commit memcached", "commits, memcached", 400_000, "counters/s", most=False),
    Target("fresh sqlite p99", "line written to visible, SQLite, p99", 1000, "ms"),
    Target("fresh memcached p99", "line written to visible, memcached, p99", 1000, "ms"),
    Target("read memcached p50", "`hits_today`, memcached, p50", 100, "µs"),
    Target("read sqlite p50", "`hits_today`, SQLite, p50", 50, "µs"),
    Target("many memcached", "`many` of 1,000 pages, memcached", 5, "ms"),
    Target("many sqlite", "`many` of 1,000 pages, SQLite", 5, "ms"),
    Target("start", "exec to the first byte read", 100, "ms"),
    Target("import", "`import pipelog` over bare Python", 20, "ms"),
    Target("supervisor", "supervisor at rest", 15, "MB"),
    Target("worker", "worker at rest", 40, "MB"),
    Target("growth memory", "worker, as many pages as were tried", 150, "MB"),
    Target("httpd alive", "httpd's requests a second with pipelog, of those with a plain file", 0.97, "×", most=False),
    Target("httpd stopped", "the same, the store standing still", 0.97, "×", most=False),
)


def machine() -> dict[str, Any]:
    """What it was measured on; `load`: how many programs wanted a processor in the minute before."""
    cpu = platform.machine()
    for row in Path("/proc/cpuinfo").read_text().splitlines():
        if row.startswith("model name"):
            cpu = row.partition(":")[2].strip()
            break
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "cpu": cpu,
        "cores": len(os.sched_getaffinity(0)),
        "memory": f"{memory / 2**30:.0f} GiB",
        "kernel": ".".join(platform.release().split(".")[:2]),
        "python": platform.python_version(),
        "load": round(os.getloadavg()[0], 1),
    }


def merged(path: Path, name: str, part: Part, about: dict[str, Any]) -> dict[str, Any]:
    """The results in a file with one part replaced, written back."""
    held: dict[str, Any] = json.loads(path.read_text("utf-8")) if path.exists() else {}
    held[name] = asdict(part) | {"about": about}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(held, indent=1, ensure_ascii=False) + "\n", "utf-8")
    return held


def markdown(results: dict[str, Any], order: tuple[str, ...], plots: str = "") -> str:
    """Tables of all parts, and before them the targets; `plots` is the folder of the plots, seen from the page."""
    figures = {name: value for part in results.values() for name, value in part["figures"].items()}
    made = ["", *_machines(results), ""]
    made += ["| | target | measured | |", "|---|--:|--:|---|"]
    whole = set(order) <= set(results)
    made += [_row(target, figures.get(target.figure)) for target in TARGETS if whole or target.figure in figures]
    for name in (*order, *sorted(set(results) - set(order))):
        if name not in results:
            continue
        for table in results[name]["tables"]:
            made += ["", f"**{table['title']}**", ""]
            made += [f"| {' | '.join(table['columns'])} |", "|---" + "|--:" * (len(table["columns"]) - 1) + "|"]
            made += [f"| {' | '.join(row)} |" for row in table["rows"]]
            made += [line for note in table["notes"] for line in ("", note)]
        for plot in results[name]["plots"] if plots else ():
            made += ["", f"![{plot['title']}]({plots}/{plot['name']}.svg)"]
    return "\n".join(made) + "\n"


def _machines(results: dict[str, Any]) -> Iterator[str]:
    """One line for each machine and size, with the parts that were measured so."""
    by: dict[str, list[str]] = {}
    for name, part in results.items():
        about = part["about"]
        told = (
            f"{about['cpu']}, {about['cores']} cores, {about['memory']}, Linux {about['kernel']}, Python"
            f" {about['python']}; {about['sizes']} sizes"
        )
        by.setdefault(told, []).append(name)
    for told, names in by.items():
        load = max(results[name]["about"]["load"] for name in names)
        yield f"{told}. Other load on the machine before the parts began: at most {load}. Parts: {', '.join(names)}."


def _row(target: Target, value: float | None) -> str:
    bound = f"{'≤' if target.most else '≥'} {_number(target.bound)} {target.unit}"
    if value is None:
        return f"| {target.what} | {bound} | | not measured |"
    met = "met" if target.met(value) else f"missed by {_number(abs(value / target.bound - 1) * 100)} %"
    return f"| {target.what} | {bound} | {_number(value)} {target.unit} | {met} |"


def _number(value: float) -> str:
    """Three digits, or all of a larger number."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def draw(results: dict[str, Any], folder: Path) -> None:
    """A plot each as SVG: bars for names, lines on logarithmic axes for numbers."""
    import pygal
    from pygal.style import CleanStyle

    folder.mkdir(parents=True, exist_ok=True)
    # A picture and nothing else: no script, nothing from elsewhere, and the same figures give the same file.
    common: dict[str, Any] = {"js": [], "style": CleanStyle, "width": 800, "no_prefix": True}
    common |= {"truncate_legend": -1, "legend_at_bottom": True, "value_formatter": "{:,.0f}".format}
    for part in results.values():
        for plot in part["plots"]:
            if all(isinstance(x, str) for x in plot["x"]):
                chart = pygal.HorizontalBar(title=plot["title"], height=80 + 40 * len(plot["x"]), **common)
                chart.x_labels = plot["x"]
                chart.show_legend = len(plot["series"]) > 1
                for name, values in plot["series"].items():
                    chart.add(name, values)
            else:
                chart = pygal.XY(
                    title=plot["title"], height=400, logarithmic=True, x_value_formatter="{:,.0f}".format, **common
                )
                chart.x_labels = plot["x"]
                for name, values in plot["series"].items():
                    chart.add(name, list(zip(plot["x"], values, strict=True)))
            drawn = re.sub(r"<script.*?</script>", "", chart.render(is_unicode=True), flags=re.S)
            (folder / f"{plot['name']}.svg").write_text(drawn, "utf-8")


def write(results: dict[str, Any], order: tuple[str, ...], page: Path = PAGE) -> None:
    """The page between its marks, and the plots beside it."""
    draw(results, page.with_suffix(""))
    pages.replace(page, COMMAND, markdown(results, order, page.with_suffix("").name))
