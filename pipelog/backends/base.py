"""The contract of a counter backend."""

from __future__ import annotations

import heapq
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from types import TracebackType
from typing import Self


class CounterBackend(ABC):
    """Where today's numbers live. May forget (memcached does); the journal can always count again.

    An implementation is made from a URL by its class method `from_location(location)`. Making one must not connect;
    the first call does, so that an object made before a fork is safe to use after it in one process. It need not be
    safe for use by several threads at once.

    A store that does not answer raises `BackendUnavailable`; one that is unusable as it is (no database, wrong
    version) raises `StoreError`. Keys are those of `pipelog.backends.keys`: ASCII, 1 to 250 bytes, no blank, no
    control. Counts are whole numbers from 0 to 2**63 - 1, and stay there. Times to live are at least 1 second.
    """

    #: Number of independent stores behind this backend that may lose their memory one by one.
    shards: int = 1

    @abstractmethod
    def commit(self, counts: Mapping[str, int], documents: Mapping[str, bytes], *, ttl: int) -> None:
        """Add every count, creating what is missing with `ttl` seconds to live; store every document with `ttl`.

        The only write. A negative count takes away (to 0 at the least). An existing counter keeps the time to
        live it was created with. Where the store can, all of it is one transaction: a failed commit then left no
        trace. Where it cannot (memcached), counts go before documents in one round trip.
        """

    @abstractmethod
    def counts(self, keys: Sequence[str]) -> dict[str, int]:
        """The counters under `keys`; those that are missing are absent. One round trip (a server)."""

    @abstractmethod
    def documents(self, keys: Sequence[str]) -> dict[str, bytes]:
        """The documents under `keys`; those that are missing are absent. One round trip (a server)."""

    @abstractmethod
    def close(self) -> None:
        """Let go of connections and files. May be called twice; the backend may be used again afterwards."""

    def shard(self, key: str) -> int:
        """Which of the `shards` independent stores holds this key."""
        return 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Listing(ABC):
    """Optional ability of a backend: to list what it holds, and to forget it.

    `highest` and `sums` are made from `scan` here; a store that can rank and add up by itself does it better.
    """

    @abstractmethod
    def scan(self, prefix: str) -> Iterator[tuple[str, int]]:
        """Every counter whose key begins with `prefix`, in no particular order."""

    @abstractmethod
    def forget(self, prefix: str) -> None:
        """Remove every counter and every document whose key begins with `prefix`, as one transaction."""

    def highest(self, prefix: str, n: int, *, containing: str = "", ending: str = "") -> list[tuple[str, int]]:
        """The `n` highest counters whose key begins with `prefix`, highest first, ties by key.

        `containing`, `ending`: only those whose rest of the key does; `containing` takes a to z for A to Z.
        """
        rests = ((key[len(prefix) :], key, count) for key, count in self.scan(prefix))
        wanted = containing.lower()
        found = ((-count, key) for rest, key, count in rests if wanted in rest.lower() and rest.endswith(ending))
        return [(key, -count) for count, key in heapq.nsmallest(n, found)]

    def sums(self, prefix: str) -> dict[str, int]:
        """The counters whose key begins with `prefix`, added up by what follows the first "|" of the rest of the key.

        Where the rest has none, by all of it.
        """
        sums: dict[str, int] = {}
        for key, count in self.scan(prefix):
            rest = key[len(prefix) :]
            name = rest.partition("|")[2] if "|" in rest else rest
            sums[name] = sums.get(name, 0) + count
        return sums


class Resuming(ABC):
    """Optional ability of a store without transactions: to go on with a commit whose answer never came.

    Of the mappings it is given, the first count and the last document of each shard are marks: one caller alone
    writes them, the count each time, the document with another content each time.
    """

    @abstractmethod
    def send(self, counts: Mapping[str, int], documents: Mapping[str, bytes], *, ttl: int) -> None:
        """As `commit`, in the order of the mappings; what went in before a failure stays in."""

    @abstractmethod
    def missing(self, counts: Mapping[str, int], documents: Mapping[str, bytes]) -> dict[str, int]:
        """The counts of a failed `send`, by this process or an earlier one, that the store does not have.

        Waits until nothing of it can still be on its way. They and the documents are what to send next.
        """


class Claiming(ABC):
    """Optional ability of a backend: to let several writers agree on a document, whoever comes first."""

    @abstractmethod
    def claim(self, key: str, document: bytes, *, ttl: int) -> bytes:
        """Store a document with `ttl` seconds to live unless there is one; the one that is there then.

        However many try at once, all get the same.
        """
