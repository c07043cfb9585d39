"""Counters in this process: for tests, for trying things out, and as the plainest reading of the contract."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Self

from pipelog.backends.base import Claiming, CounterBackend, Listing
from pipelog.errors import LocationError
from pipelog.locators import Location

LIMIT = 2**63 - 1
#: Seconds between two removals of what has expired. One looks at everything, so it must not come with each commit.
SWEEP = 60.0


class MemoryBackend(CounterBackend, Listing, Claiming):
    """Counters of one object. `clock`: seconds, monotonic or not, that times to live are measured by."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._counts: dict[str, int] = {}
        self._documents: dict[str, bytes] = {}
        self._expires: dict[str, float] = {}
        self._document_expires: dict[str, float] = {}
        self._swept = clock()

    @classmethod
    def from_location(cls, location: Location) -> Self:
        """`memory:`, with nothing after the colon."""
        location.take_query({})
        if location.path or location.hosts or location.user is not None:
            raise LocationError("memory: takes nothing after the colon")
        return cls()

    def commit(self, counts: Mapping[str, int], documents: Mapping[str, bytes], *, ttl: int) -> None:
        now = self._clock()
        # Read both before anything is changed: a mapping that fails half-way leaves no trace.
        added = dict(counts)
        stored = {key: bytes(content) for key, content in documents.items()}
        if now - self._swept >= SWEEP:
            self._sweep(now)
        totals, expires = self._counts, self._expires
        for key, count in added.items():
            if key in totals and expires[key] > now:
                total = totals[key] + count
            else:
                total = count
                expires[key] = now + ttl
            totals[key] = 0 if total < 0 else total if total < LIMIT else LIMIT
        self._documents.update(stored)
        self._document_expires.update(dict.fromkeys(stored, now + ttl))

    def counts(self, keys: Sequence[str]) -> dict[str, int]:
        now = self._clock()
        return {key: self._counts[key] for key in keys if self._expires.get(key, now) > now}

    def documents(self, keys: Sequence[str]) -> dict[str, bytes]:
        now = self._clock()
        return {key: self._documents[key] for key in keys if self._document_expires.get(key, now) > now}

    def scan(self, prefix: str) -> Iterator[tuple[str, int]]:
        now = self._clock()
        found = [key for key, expires in self._expires.items() if expires > now and key.startswith(prefix)]
        return iter([(key, self._counts[key]) for key in found])

    def forget(self, prefix: str) -> None:
        self._remove(
            [key for key in self._counts if key.startswith(prefix)],
            [key for key in self._documents if key.startswith(prefix)],
        )

    def claim(self, key: str, document: bytes, *, ttl: int) -> bytes:
        if not (there := self.documents([key])):
            self.commit({}, {key: document}, ttl=ttl)
        return there.get(key, document)

    def close(self) -> None:
        """Nothing to let go of: the numbers stay as long as the object."""

    def _sweep(self, now: float) -> None:
        self._swept = now
        self._remove(
            [key for key, expires in self._expires.items() if expires <= now],
            [key for key, expires in self._document_expires.items() if expires <= now],
        )

    def _remove(self, counts: list[str], documents: list[str]) -> None:
        for key in counts:
            del self._counts[key], self._expires[key]
        for key in documents:
            del self._documents[key], self._document_expires[key]
