"""What a part of the benchmarks gives: tables, figures that have targets, and plots, all as plain data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
RIVALS = Path(__file__).resolve().parent / "rivals"


@dataclass(frozen=True)
class Sizes:
    """How much is measured. `quick` takes minutes, `full` an hour."""

    lines: int  #: of the log of the rollup and the pipe
    rounds: int
    samples: int  #: of freshness and reads
    seconds: int  #: of load on each httpd, one at a time
    growth: Sequence[int]  #: lines
    pages: Sequence[int]  #: different pages
    slow: bool = False  #: those that take many times as long run in every round


QUICK = Sizes(100_000, 3, 100, 15, (10_000, 100_000, 300_000), (1_000, 10_000, 100_000))
FULL = Sizes(
    1_000_000,
    5,
    400,
    60,
    (100_000, 1_000_000, 10_000_000),
    (1_000, 100_000, 1_000_000, 10_000_000),
)


@dataclass
class Table:
    """`rows` are text; the first column is what the row is about, the others are numbers."""

    title: str
    columns: Sequence[str]
    rows: list[list[str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@dataclass
class Plot:
    """Bars, one for each label of `x`; or lines over the numbers of `x`, on logarithmic axes."""

    name: str
    title: str
    x: Sequence[str] | Sequence[float]
    series: dict[str, Sequence[float]]


@dataclass
class Part:
    """What was measured. `figures`: name -> number, in the units of `targets`."""

    tables: list[Table] = field(default_factory=list)
    figures: dict[str, float] = field(default_factory=dict)
    plots: list[Plot] = field(default_factory=list)


def bytes_of(count: float) -> str:
    return f"{count / 1e6:,.0f} MB"


def seconds_of(seconds: float) -> str:
    """Seconds in three digits, in the unit that suits."""
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= size or unit == "µs":
            value = seconds / size
            return f"{value:.{max(0, 2 - len(str(int(value))) + 1)}f} {unit}"
    raise AssertionError
