"""Answers that are remembered for a moment, so that a page with 100,000 pages behind it need not count them each time.

A quick answer is as old as `AGE` at most. One that took longer is given as it was last found, and found again beside
the requests, as long as somebody asks; whoever asks after `FORGOTTEN` waits for a new one.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

AGE = 0.2
SLOW = 0.005
FORGOTTEN = 6.0
SHARE = 5
"""What is slow is found again after so many times the time it takes, so that it does not fill a core …"""
PAUSE = 2.0
"""… but after so many seconds at most."""
AFTER = 0.1
"""Seconds before it is found again: whoever asked is answered first."""
_MOST = 500

S = TypeVar("S")
T = TypeVar("T")


@dataclass
class _Answer:
    value: Any
    found: float
    stale: float
    slow: bool
    again: bool = False


class Fresh(Generic[S]):
    """Answers to questions about a source. `source`: gives the one of the thread that asks. `clock`: seconds."""

    def __init__(self, source: Callable[[], S], *, clock: Callable[[], float] = time.monotonic) -> None:
        self._source = source
        self._clock = clock
        self._lock = threading.Lock()
        self._answers: dict[Hashable, _Answer] = {}
        self._worker: ThreadPoolExecutor | None = None

    def get(self, key: Hashable, question: Callable[[S], T], *, age: float = AGE, wait: bool = False) -> T:
        """The answer to `question`, which `key` stands for; at most `age` seconds old where it is quick to find.

        `wait`: also where it is slow.
        Raises what the question raises, which is never remembered.
        """
        now = self._clock()
        with self._lock:
            held = self._answers.get(key)
            if held and now < held.stale:
                return held.value  # type: ignore[no-any-return]
            if held and held.slow and not wait and now < held.found + max(FORGOTTEN, age):
                if not held.again:
                    held.again = True
                    self._worker = self._worker or ThreadPoolExecutor(1, "pipelog-fresh")
                    self._worker.submit(self._find_again, key, question, age)
                return held.value  # type: ignore[no-any-return]
        return self._find(key, question, age, wait)

    def _find(self, key: Hashable, question: Callable[[S], T], age: float, wait: bool = False) -> T:
        begun = self._clock()
        value = question(self._source())
        found = self._clock()
        took = found - begun
        with self._lock:
            if len(self._answers) >= _MOST:
                oldest = sorted(self._answers, key=lambda each: self._answers[each].found)
                for each in oldest[: _MOST // 2]:
                    del self._answers[each]
            self._answers[key] = _Answer(
                value, found, found + (age if wait else max(age, min(SHARE * took, PAUSE))), took > SLOW
            )
        return value

    def _find_again(self, key: Hashable, question: Callable[[S], Any], age: float) -> None:
        time.sleep(AFTER)
        try:
            self._find(key, question, age)
        except Exception:
            with self._lock:  # whoever asks next waits, and is told what is wrong
                self._answers.pop(key, None)
