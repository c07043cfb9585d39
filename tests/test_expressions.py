"""No regular expression takes more than linear time, whatever it is given: all of the package's, found by themselves.

CPU time is measured, and only how it grows is judged. An input that is done at once is no concern: were its time the
square of its length, it could not be.
"""

from __future__ import annotations

import re
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from expressions import CONTRIB, Expression, attacks, expressions, unlisted

import pipelog

SIZE = 64 * 1024
PARTS = 8
"""The same length in so many pieces takes as long where time is linear, an eighth where it is the square."""
AT_ONCE = 0.05
"""Seconds of CPU, some ticks of a coarse clock. The square of `SIZE` takes ten times as long and more."""
GIVEN_UP = 2.0
EXPRESSIONS = expressions()


class TooSlow(AssertionError):
    """So slow that its end was not waited for."""


def is_slow(ask: Callable[[Any], object], make: Callable[[int], Any]) -> bool:
    """Whether a text takes much longer than its parts, one after the other."""
    with given_up():
        if cost(ask, make(SIZE)) < AT_ONCE:
            return False
        parts = cost(ask, *[make(SIZE // PARTS)] * PARTS)
        return all(cost(ask, make(SIZE)) > 3 * parts + AT_ONCE for _ in range(3))


def cost(ask: Callable[[Any], object], *texts: Any) -> float:
    begin = time.process_time()
    for text in texts:
        ask(text)
    return time.process_time() - begin


@contextmanager
def given_up() -> Iterator[None]:
    """An exponential one would never end; sre looks after signals."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise TooSlow(f"not done in {GIVEN_UP} seconds of CPU")

    before = signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, GIVEN_UP)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def slow_inputs(pattern: re.Pattern[Any], ask: Callable[[Any], object]) -> Iterator[tuple[str, str, str]]:
    for begin, pump, end in attacks(pattern):

        def make(size: int, begin: str = begin, pump: str = pump, end: str = end) -> str | bytes:
            text = begin + pump * (size // len(pump)) + end
            return text if isinstance(pattern.pattern, str) else text.encode("latin-1", "replace")

        if is_slow(ask, make):
            yield begin, pump, end


def test_what_is_for_frameworks_has_none() -> None:
    folder = Path(pipelog.__path__[0]).joinpath(*CONTRIB.split(".")[1:])
    assert len(sources := list(folder.rglob("*.py"))) > 10
    assert not [path for path in sources if re.search(r"^\s*(import|from) re\b", path.read_text("utf-8"), re.M)]


def test_every_compilation_is_known() -> None:
    assert unlisted() == [], "list it in `MADE` of tests/expressions.py"


def test_those_of_every_stage_are_found() -> None:
    found = {expression.where.rpartition(".")[0] for expression in EXPRESSIONS}
    assert found >= {
        "parsing.clf",
        "parsing.directives",
        "parsing.logformat",
        "counting.bots",
        "counting.crawlers",
        "counting.pages",
        "counting.referrers",
        "counting.views",
        "backends.keys",
        "locators",
        "cli.httpd",
    }


@pytest.mark.parametrize("expression", EXPRESSIONS, ids=[expression.where for expression in EXPRESSIONS])
def test_linear_time(expression: Expression) -> None:
    assert next(slow_inputs(expression.pattern, expression.ask), None) is None, expression.pattern.pattern[:200]


@pytest.mark.parametrize(
    "slow", [r"x[^y]*y", r"\[([0-9a-f:.]*:[0-9a-f:.]*)\]", r"(a+)+$", rb'"(?:\\.|[^"])*"', r"Spider[\s\S]*spider\.com"]
)
def test_slow_ones_are_found(slow: str | bytes) -> None:
    pattern = re.compile(slow)
    try:
        assert next(slow_inputs(pattern, pattern.search), None)
    except TooSlow:
        pass
