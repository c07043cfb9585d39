"""The benchmarks measure what they say: logs, agreement, tables."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from pipelog.daily import count_files
from pipelog.parsing.logformat import LogFormat

sys.path.append(str(Path(__file__).with_name("benchmarks")))

from make_log import lines
from measuring import run, table
from run import BEGIN, END, RIVALS, agreement, rivals, write


def test_the_log_is_the_same_each_time_and_mostly_regular(tmp_path: Path) -> None:
    made = list(lines(5_000))
    assert made == list(lines(5_000))
    columns = LogFormat("combined").columns("\n".join(made).encode())
    assert columns.lines == 5_000
    assert 1 <= len(columns.bad) <= 25
    assert len(set(lines(1_000, unique=True))) == 1_000


@pytest.mark.parametrize("name", ["mawk", "Polars", "lars", "apache-log-parser"])
def test_rivals_count_the_views_that_pipelog_counts(tmp_path: Path, name: str) -> None:
    command = rivals(tmp_path).get(name)
    if not command:
        pytest.skip(f"{name} is not installed; make bench does it")
    log = tmp_path / "log"
    log.write_text("".join(line + "\n" for line in lines(3_000) if "\\" not in line and '"-" 408' not in line))
    views = {c.page: n for c, n in count_files([log], None).tally.items() if c.dimension == "views"}
    said = run([*command, str(log)]).output.strip().splitlines()[-1]
    assert said == f"{sum(views.values())} views on {len(views)} pages"


def test_a_rival_that_differs_is_told() -> None:
    text = agreement({"pipelog": (5, 2), "mawk": (5, 2), "Polars": (5, 3)})
    assert text == "pipelog: 5 views of 2 pages. The same: mawk. Polars: 5 of 3.\n"


def test_memory_and_time_of_a_run_are_those_of_its_children_too() -> None:
    code = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'x = bytearray(60_000_000); import time; "
    done = run([sys.executable, "-c", code + "time.sleep(0.5)'])"])
    assert done.memory > 55
    assert done.seconds > 0.5
    with pytest.raises(SystemExit, match="ended with 3: sorry"):
        run([sys.executable, "-c", "print('sorry'); raise SystemExit(3)"])


def test_tables_stand_between_the_markers(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"before\n{BEGIN}old\n{END}after\n")
    write(page, table(("a", "b"), [(1, 2)]))
    assert page.read_text() == f"before\n{BEGIN}\n| a | b |\n|---|--:|\n| 1 | 2 |\n\n{END}after\n"
    page.write_text("no markers")
    with pytest.raises(SystemExit, match="lacks the lines"):
        write(page, "")
    assert (RIVALS / "views.awk").exists()
