"""Each scenario of the acceptance harness once, short: no line lost, none counted twice."""

from __future__ import annotations

from pathlib import Path

import pytest
from acceptance_result import run
from acceptance_scenarios import SCENARIOS

ON_MEMCACHED = ("graceful", "kill-worker", "store-stopped", "store-emptied")
OF_FOUR_HOSTS = ("graceful", "mixed")
CASES = [
    *((name, "sqlite", 1) for name, scenario in SCENARIOS.items() if "sqlite" in scenario.stores),
    *((name, "memcached", 1) for name in ON_MEMCACHED),
    *((name, "sqlite", 4) for name in OF_FOUR_HOSTS),
]


@pytest.mark.parametrize(("name", "store", "vhosts"), CASES, ids=lambda value: str(value))
def test_no_line_is_lost_and_none_counted_twice(name: str, store: str, vhosts: int, tmp_path: Path) -> None:
    result = run(name, tmp_path, store=store, vhosts=vhosts, seconds=2)
    assert not result.fault, f"{result}\n{result.stuck}"
    assert result.lines > 100


def test_the_harness_finds_the_losses_of_a_logger_that_ends_at_sigterm(tmp_path: Path) -> None:
    result = run("slow", tmp_path, logger="rotatelogs", store="", seconds=1)
    assert result.lost >= 4, result  # the lines of the slow requests, at the least
    assert result.doubled == 0
