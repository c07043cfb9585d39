"""Counters in one or several memcached servers.

A commit is one pipelined round trip to a server: every count as a meta arithmetic command, then the documents. With
several servers each key has its fixed one, and documents (among them the checkpoint) go when all have taken the counts.

memcached has no transactions, so these are the limits. What a server *refuses* is taken back from the others and from
itself; a decrement that met the floor of 0 cannot be taken back exactly. Every connection is made and tested before the
first byte is sent, so a server that stays away makes each try fail with nothing counted anywhere.

What a server does *not answer* may have been counted or not, or be counted later: a server that was stopped finds the
commands in its socket when it goes on. But it carries out a connection's commands in their order, and numbers every
change of a key (the "cas unique" of protocol.txt). So of a batch that was begun everything is there up to the first key
that was changed before the mark of its begin: `missing` gives the rest. It is not exact where another source has
changed that very key since, and where a server speaks no meta commands or was told to keep no such numbers (-C).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from itertools import dropwhile
from pathlib import Path
from typing import Self, TypeVar
from zlib import crc32

from pipelog.backends.base import Claiming, CounterBackend, Resuming
from pipelog.backends.keys import MAX_KEY
from pipelog.backends.memcached_server import Held, Server
from pipelog.errors import LocationError, PipelogError, StoreError
from pipelog.locators import Location, seconds

LIMIT = 2**63 - 1
DEFAULT_PORT = 11211
#: protocol.txt, "Expiration times": a number of up to 30 days is a span, a greater one a moment in Unix time.
_LONGEST_SPAN = 60 * 60 * 24 * 30
_LAST_MOMENT = 2**31 - 1
#: Seconds. A connection's commands are carried out in portions, between those of others: a server that answers us, and
#: in this time has gone on with nothing, has nothing left.
_STILL = 0.25

V = TypeVar("V")


class MemcachedBackend(CounterBackend, Resuming, Claiming):
    """Counters in the servers at `addresses`: (host, port), or the absolute path of a Unix socket.

    The choice of the server is by the order of the addresses: give them alike to all who share the numbers.
    `connect_timeout`, `timeout`: seconds to wait for a connection, and for a server to take or give the next bytes.
    """

    def __init__(
        self, addresses: Sequence[tuple[str, int] | str], *, connect_timeout: float = 0.5, timeout: float = 1.0
    ) -> None:
        if not addresses:
            raise ValueError("give at least one address")
        self._servers = [Server(address, connect_timeout, timeout) for address in addresses]
        self.shards = len(self._servers)

    @classmethod
    def from_location(cls, location: Location) -> Self:
        """`memcached://host:port,host…` or `memcached:///socket`; settings `timeout` and `connect_timeout`, seconds."""
        settings = location.take_query({"timeout": seconds, "connect_timeout": seconds})
        if location.user is not None:
            raise LocationError("memcached: takes no user and no password; let only your own hosts reach the server")
        if bool(location.hosts) == bool(location.path):
            raise LocationError("memcached: write memcached://host:port or memcached:///path/of/socket")
        if location.path:
            return cls([str(Path(location.local_path()).absolute())], **settings)
        return cls(location.addresses(DEFAULT_PORT), **settings)

    def shard(self, key: str) -> int:
        return crc32(key.encode("ascii")) % self.shards

    def commit(self, counts: Mapping[str, int], documents: Mapping[str, bytes], *, ttl: int) -> None:
        taken: list[int] = []
        try:
            self._write(counts, documents, ttl, taken)
        except PipelogError:
            added = self._split(counts)
            for number in taken:
                self._servers[number].take_back(added[number], _exptime(ttl))
            raise

    def send(self, counts: Mapping[str, int], documents: Mapping[str, bytes], *, ttl: int) -> None:
        self._write(counts, documents, ttl, [])

    def missing(self, counts: Mapping[str, int], documents: Mapping[str, bytes]) -> dict[str, int]:
        rest, before = self._missing(counts, documents), None
        while rest and rest != before:
            time.sleep(_STILL)
            rest, before = self._missing(counts, documents), rest
        return rest

    def _missing(self, counts: Mapping[str, int], documents: Mapping[str, bytes]) -> dict[str, int]:
        added, stored = self._split(counts), self._split(documents)
        rest: dict[str, int] = {}
        for number in added.keys() | stored.keys():
            part, contents = added.get(number, {}), stored.get(number, {})
            rest |= _rest(part, contents, self._servers[number].get_changes([*part, *contents]))
        return rest

    def _write(self, counts: Mapping[str, int], documents: Mapping[str, bytes], ttl: int, taken: list[int]) -> None:
        """Servers that have taken their counts are entered in `taken`, where there are several."""
        _check(counts)
        _check(documents)
        if max(map(abs, counts.values()), default=0) > LIMIT:
            raise StoreError("memcached: a count of over 2**63 - 1 was to be added; nothing was changed")
        exptime = _exptime(ttl)
        added, stored = self._split(counts), self._split(documents)
        for number in sorted(added.keys() | stored.keys()):
            self._servers[number].prepare()
        if len(added.keys() | stored.keys()) == 1:
            [number] = added.keys() | stored.keys()
            self._servers[number].write(added.get(number, {}), stored.get(number, {}), exptime)
            return
        for number, part in added.items():
            self._servers[number].write(part, {}, exptime)
            taken.append(number)
        for number, contents in stored.items():
            self._servers[number].write({}, contents, exptime)

    def counts(self, keys: Sequence[str]) -> dict[str, int]:
        found = self._asked(keys, Server.get_counts)
        return found if max(found.values(), default=0) <= LIMIT else {k: min(n, LIMIT) for k, n in found.items()}

    def documents(self, keys: Sequence[str]) -> dict[str, bytes]:
        return self._asked(keys, Server.get)

    def claim(self, key: str, document: bytes, *, ttl: int) -> bytes:
        _check({key: document})
        return self._servers[self.shard(key)].add(key, document, _exptime(ttl))

    def close(self) -> None:
        for server in self._servers:
            server.close()

    def _asked(self, keys: Sequence[str], ask: Callable[[Server, Sequence[str]], dict[str, V]]) -> dict[str, V]:
        """What the servers that have them answer about keys."""
        wanted = dict.fromkeys(keys)
        _check(wanted)
        found: dict[str, V] = {}
        for number, part in self._split(wanted).items():
            found.update(ask(self._servers[number], list(part)))
        return found

    def _split(self, items: Mapping[str, V]) -> dict[int, Mapping[str, V]]:
        """The items of each server that has any."""
        if self.shards == 1:
            return {0: items} if items else {}
        parts: dict[int, dict[str, V]] = {}
        for key, value in items.items():
            parts.setdefault(self.shard(key), {})[key] = value
        return dict(parts)


def _rest(counts: Mapping[str, int], documents: Mapping[str, bytes], held: Mapping[str, Held]) -> Mapping[str, int]:
    """What one server lacks of its part of a batch; see `Resuming` and the head of this module."""
    if not counts:
        return {}
    nothing = Held(b"", -1)
    mark, end = next(iter(counts)), next(reversed(list(documents)), "")
    begun, ended = held.get(mark, nothing).change, held.get(end, nothing)
    if begun <= ended.change:  # of this batch, or of the one before
        return {} if ended.content == documents.get(end) else counts
    rest = dict(dropwhile(lambda item: held.get(item[0], nothing).change > begun, list(counts.items())[1:]))
    return {mark: counts[mark]} | rest if rest else {}


def _check(keys: Mapping[str, object]) -> None:
    """ValueError unless every key is legal: a blank or a line end in one would be a command of its own.

    All at once, for it costs 0.1 µs a key this way and ten times that one by one.
    """
    if not keys:
        return
    text = "".join(keys)
    if text.isascii() and text.isprintable() and " " not in text and "" not in keys and max(map(len, keys)) <= MAX_KEY:
        return
    bad = next(k for k in keys if not (k.isascii() and k.isprintable() and " " not in k and 0 < len(k) <= MAX_KEY))
    raise ValueError(f"not a key for memcached: {bad[:300]!r}; make keys by pipelog.backends.keys")


def _exptime(ttl: int) -> int:
    return ttl if ttl <= _LONGEST_SPAN else min(int(time.time()) + ttl, _LAST_MOMENT)
