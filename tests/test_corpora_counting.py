"""Real logs: the live way and the daily way give the same numbers, and both those of the definition."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from counting_helpers import by_definition
from shared_data import CORPORA, SHARED, corpus, needs_shared, plain

from pipelog.backends.keys import Keys
from pipelog.backends.live import LiveDays
from pipelog.backends.sqlite import SQLiteBackend
from pipelog.counting.rules import Rules
from pipelog.daily import count_files
from pipelog.model import Coordinate, Tally

pytestmark = needs_shared

# Nothing of the settings of whoever runs the tests.
ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith("PIPELOG_")}


def counted_live(log: bytes, format: str, state: Path) -> Tally:
    """What stands in the backend after the log came through a pipe, as from httpd."""
    options = ["--state", str(state), "--format", format, "--flush", "0.2"]
    command = [sys.executable, "-P", "-m", "pipelog", "count", *options]
    done = subprocess.run(command, input=log, env=ENVIRONMENT, capture_output=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    with SQLiteBackend(state / "counters.db") as backend:
        keys = Keys()
        coordinates = {keys.coordinate(key) for key, _ in backend.scan("pipelog|")} - {None}
        live = LiveDays(backend, keys)
        rows = [row for day in {c.day for c in coordinates if c} for row in live.rows(day)]
    tally = {Coordinate(*row[:5]): row.count for row in rows}
    assert len(tally) == len(rows)
    return tally


@pytest.mark.parametrize("name", CORPORA)
def test_live_and_daily_give_the_same(name: str, tmp_path: Path) -> None:
    truth, format, path = corpus(name)
    log = plain(path)
    daily = count_files([path], None, format=format)
    assert counted_live(log, format, tmp_path / "state") == daily.tally
    assert by_definition(log, format) == daily.tally
    days = Counter[str]()
    for coordinate, count in daily.tally.items():
        if coordinate.dimension == "requests":
            days[coordinate.day.isoformat()] += count
    assert days == truth["hits_per_day_local"]
    assert {day.isoformat(): lines for day, lines in daily.lines_of.items()} == truth["hits_per_day_local"]
    assert (daily.lines, daily.bad) == (truth["lines_total"] - truth["lines_empty"], len(truth["unparseable"]))
    assert sum(n for c, n in daily.tally.items() if c.dimension == "bytes") == truth["bytes_total"]
    statuses = Counter[str]()
    for coordinate, count in daily.tally.items():
        if coordinate.dimension == "status":
            statuses[coordinate.value] += count
    assert statuses == truth["status"]


@pytest.mark.parametrize("name", CORPORA)
def test_days_in_another_zone(name: str) -> None:
    truth, format, path = corpus(name)
    daily = count_files([path], None, format=format, rules=Rules(timezone="UTC"))
    assert {day.isoformat(): lines for day, lines in daily.lines_of.items()} == truth["hits_per_day_utc"]


def test_the_tricky_lines_of_httpd(tmp_path: Path) -> None:
    for name, format in (("combined", "debian_combined"), ("vhost", "vhost_combined"), ("common_b", "common")):
        log = plain(SHARED / "data" / "httpd" / f"tricky_{name}.log")
        daily = count_files([SHARED / "data" / "httpd" / f"tricky_{name}.log"], None, format=format)
        assert daily.lines == 118
        assert daily.bad == 0
        assert counted_live(log, format, tmp_path / name) == daily.tally == by_definition(log, format)


# -- a million lines ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def million(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The log that the benchmarks are made with."""
    path = tmp_path_factory.mktemp("million") / "access.log"
    command = [sys.executable, str(SHARED / "bench" / "make_log.py"), "1000000", "--odd", "0.005"]
    with open(path, "wb") as file:
        subprocess.run(command, stdout=file, check=True)
    yield path
    path.unlink()


def test_a_million_lines_have_the_numbers_that_awk_finds(million: Path) -> None:
    """The figures are those of bench/rollup.awk on the same bytes."""
    day = datetime(2026, 11, 22, tzinfo=UTC).date()
    count = count_files([million], [day, day + timedelta(days=1)])
    assert (count.lines, count.bad, count.lines_of) == (1_000_000, 875, {day: 999_125})
    rows = Counter(coordinate.dimension for coordinate in count.tally)
    sums = Counter[str]()
    for coordinate, number in count.tally.items():
        sums[coordinate.dimension] += number
    assert sums["views"] == sums["minute"] == 780_999
    assert rows["views"] == 19_990
    assert rows["referrer"] == 78_880
    assert len({c.page for c in count.tally if c.dimension == "bot"}) == 13_155
    assert sums["requests"] == sums["status"] == 999_125
