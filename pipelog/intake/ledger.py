"""What stands in the store, and whether it still does: commits, the checkpoint, and the store's lost memory.

Each commit carries the checkpoint along with the counts it covers, so that a restart counts nothing twice and skips
nothing. For each of the last two days a *sentinel* is written, once; should it be gone, the store has lost its memory
and the day is counted again from the journal. A *mark* with the batch's number is written with every commit: it tells
whether the last batch went into the store before it was emptied or after.

A store without transactions can take a part of a batch and then be silent, or go on with it later. Where it can tell
that part (`Resuming`), the batch is kept on disk while it is on its way, and the rest of it is sent by whoever is next.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import date, timedelta
from itertools import count as count_up
from pathlib import Path

from pipelog.backends.base import CounterBackend, Listing, Resuming
from pipelog.backends.keys import Keys, encode_name
from pipelog.counting.leaders import Leaders
from pipelog.counting.rules import Rules
from pipelog.errors import StoreError
from pipelog.intake import redo
from pipelog.intake.checkpoint import Checkpoint, Healing
from pipelog.intake.journal import Position
from pipelog.intake.messages import say
from pipelog.model import MOST, Tally

TTL = 48 * 3600
"""Seconds; no hole at midnight before the rollup ran."""
REFRESH = 3600.0
"""Seconds after which an idle journal's checkpoint is written again, so that it outlives its time to live."""

Pair = tuple[date, int]


class Ledger:
    """The store, as one journal's follower sees it. Errors of the store come through; nothing is lost by retrying."""

    def __init__(
        self,
        backend: CounterBackend,
        keys: Keys,
        rules: Rules,
        *,
        source: str,
        journal: str,
        state: Path,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._backend = backend
        self._state = state
        self._keys = keys
        self._rules = rules
        self._source = source
        self.journal = journal
        self._clock = clock
        self._pending: Checkpoint | None = None
        self._pending_counts: dict[str, int] = {}
        self._pending_documents: dict[str, bytes] = {}
        self._named: set[str] = set()
        self._leaders: dict[date, Leaders] = {}
        self._shard_keys: dict[tuple[str, int, date | None], str] = {}
        self._pending_tried = False
        self._written_at = 0.0
        self.checkpoint: Checkpoint | None = None

    # -- where to go on ------------------------------------------------------------------------------------------

    def load(self) -> Checkpoint | None:
        """The checkpoint that the store has, if it has one. A batch that was on its way is then pending again."""
        keys = [self._per_shard("checkpoint", shard) for shard in range(self._backend.shards)]
        found = self._backend.documents(keys)
        held = [checkpoint for checkpoint in map(_decoded, found.values()) if checkpoint]
        self.checkpoint = max(held, key=lambda checkpoint: checkpoint.batch, default=None)
        if found and not held:
            self._begin_anew(next(iter(found)))
        if isinstance(self._backend, Resuming) and (batch := redo.kept(self._state, self.journal)):
            # Without a checkpoint it was the first batch; or the store was emptied, which forgot the mark, too.
            # With its own it is in, unless the store refused a count of it and then took the documents.
            latest = self.checkpoint.batch if self.checkpoint else 0
            if batch.checkpoint.batch in (latest, latest + 1) and (latest or self._backend.counts(self._begins())):
                self._pending, self._pending_counts, self._pending_documents = batch
                self._pending_tried = True
        return self.checkpoint

    def _begin_anew(self, damaged: str) -> None:
        """Nobody can tell what is counted: empty the live days, so that each source counts them again."""
        if not isinstance(self._backend, Listing):
            raise StoreError(
                f"the document {damaged} in the store is no checkpoint of this pipelog; empty the store (for memcached:"
                " restart it, or send it flush_all), and today is counted again from the journal"
            )
        say(f"the document {damaged} in the store is no checkpoint of this pipelog: counting again from the journal")
        today = self._rules.today(self._clock())
        for day in (today - timedelta(days=1), today):
            self._backend.forget(self._keys.day(day))

    def begin(self, position: Position) -> None:
        """Start with a journal that the store knows nothing of."""
        self.checkpoint = Checkpoint(position, position)

    @property
    def latest(self) -> Checkpoint:
        """The pending checkpoint, or else the one that the store has: where reading goes on."""
        latest = self._pending or self.checkpoint
        assert latest
        return latest

    # -- the store's memory --------------------------------------------------------------------------------------

    def lost(self) -> tuple[frozenset[Pair], frozenset[Pair]]:
        """The (day, shard) pairs that the store has forgotten, and those of them that the last batch is in again."""
        assert self.checkpoint
        yesterday = self._rules.today(self._clock()) - timedelta(days=1)
        expected = [pair for pair in self.checkpoint.sentinels if pair[0] >= yesterday]
        if not expected:
            return frozenset(), frozenset()
        sentinels = {pair: self._per_shard("sentinel", pair[1], pair[0]) for pair in expected}
        marks = {pair: self._per_shard("mark", pair[1], pair[0]) for pair in expected}
        held = self._backend.documents([*sentinels.values(), *marks.values()])
        lost = frozenset(pair for pair, key in sentinels.items() if key not in held)
        batch = str(self.checkpoint.batch).encode()
        return lost, frozenset(pair for pair in lost if held.get(marks[pair]) == batch)

    def heal(self, lost: frozenset[Pair], start: Position, again: Tally, counted_since: frozenset[Pair]) -> None:
        """Go back to `start` to count the lost pairs once more.

        `again` is the tally of the last batch, which stands in the store's `counted_since` pairs; it is taken out.
        """
        old = self.checkpoint
        assert old
        until = max(old.position, old.healing.until if old.healing else old.position)
        if old.healing:
            lost |= old.healing.lost
        undone = {k: -n for k, n in self._counts(again).items() if self._pair(k) in counted_since}
        checkpoint = Checkpoint(start, start, old.batch + 1, Healing(until, lost), old.sentinels | lost, old.totals)
        documents = {self._per_shard("sentinel", shard, day): b"1" for day, shard in lost}
        self._named.clear()
        self._prepare(undone, documents, checkpoint)
        self.settle()

    # -- commits -------------------------------------------------------------------------------------------------

    def commit(self, tally: Tally, position: Position, totals: dict[str, int]) -> None:
        """Add a batch that ends at `position`: `prepare` and `settle`."""
        self.prepare(tally, position, totals)
        self.settle()

    def prepare(
        self, tally: Tally, position: Position, totals: dict[str, int], along: Mapping[str, bytes] | None = None
    ) -> None:
        """Make a batch that ends at `position` the pending one, which `settle` tries until the store has taken it.

        `along`: documents that go with it. The store is asked before anything changes: should it fail here, the batch
        is still the caller's.
        """
        old = self.checkpoint
        assert old
        counts = self._counts(tally)
        keys = list(counts)
        healing = old.healing
        if healing:
            lost = healing.lost
            counts = {k: n for k, n in counts.items() if self._pair(k) in lost}
            if position >= healing.until:
                healing = None
        today = self._rules.today(self._clock())
        recent = {c[0] for c in tally} & {today, today - timedelta(days=1)}
        pairs = frozenset((day, shard) for day in recent for shard in range(self._backend.shards))
        kept = frozenset(pair for pair in old.sentinels if pair[0] >= today - timedelta(days=1))
        documents = dict(along or {})
        documents |= {} if isinstance(self._backend, Listing) else self._leading(tally, recent)
        documents |= {self._per_shard("sentinel", shard, day): b"1" for day, shard in pairs - kept}
        documents |= self._names(keys, tally)  # last, as it remembers what it has named
        self._prepare(
            counts, documents, Checkpoint(position, old.position, old.batch + 1, healing, kept | pairs, totals)
        )

    @staticmethod
    def add(backend: CounterBackend, keys: Keys, tally: Tally) -> None:
        """Add counts that no checkpoint covers: lines that could not be written to the journal."""
        counts = {keys.counter(coordinate): min(count, MOST) for coordinate, count in tally.items()}
        names = {keys.name(k): encode_name(c) for c in tally if keys.is_hashed(k := keys.counter(c))}
        backend.commit(counts, names, ttl=TTL)

    def refresh(self) -> None:
        """Keep an idle journal's checkpoint alive."""
        if self.checkpoint and time.monotonic() - self._written_at > REFRESH:
            self.commit({}, self.checkpoint.position, self.checkpoint.totals)

    @property
    def pending(self) -> bool:
        """Whether a batch is on its way that the store has not taken yet."""
        return self._pending is not None

    def settle(self) -> None:
        """Bring a pending batch into the store. A batch whose answer got lost is first looked for."""
        if self._pending is None:
            return
        if isinstance(self._backend, Resuming):
            if self._pending_tried:
                self._pending_counts = self._backend.missing(self._pending_counts, self._pending_documents)
            batch = redo.Sent(self._pending, self._pending_counts, self._pending_documents)
            redo.keep(self._state, self.journal, batch)
            self._pending_tried = True
            self._backend.send(self._pending_counts, self._pending_documents, ttl=TTL)
        elif not (self._pending_tried and self._last_batch() == self._pending.batch):
            self._pending_tried = True
            self._backend.commit(self._pending_counts, self._pending_documents, ttl=TTL)
        self._done()

    def _last_batch(self) -> int:
        """The number of the last batch that the store has whole: documents go when every shard has its counts."""
        key = self._per_shard("checkpoint", self._backend.shards - 1)
        content = self._backend.documents([key]).get(key)
        checkpoint = _decoded(content) if content else None
        return checkpoint.batch if checkpoint else -1

    def _prepare(self, counts: dict[str, int], documents: dict[str, bytes], checkpoint: Checkpoint) -> None:
        batch = str(checkpoint.batch).encode()
        for day, shard in checkpoint.sentinels:
            documents[self._per_shard("mark", shard, day)] = batch
        encoded = checkpoint.encode()
        for shard in range(self._backend.shards):
            documents[self._per_shard("checkpoint", shard)] = encoded
        if isinstance(self._backend, Resuming):
            counts = dict.fromkeys(self._begins(), 1) | counts
        self._pending, self._pending_counts, self._pending_documents = checkpoint, counts, documents
        self._pending_tried = False

    def _done(self) -> None:
        self.checkpoint, self._pending = self._pending, None
        self._pending_counts, self._pending_documents = {}, {}
        self._written_at = time.monotonic()

    # -- keys and documents --------------------------------------------------------------------------------------

    def _counts(self, tally: Tally) -> dict[str, int]:
        counter = self._keys.counter
        return {counter(coordinate): min(count, MOST) for coordinate, count in tally.items()}

    def _per_shard(self, kind: str, shard: int, day: date | None = None) -> str:
        """A document's key that lies on a given shard: the first number that brings it there is part of it."""
        asked = kind, shard, day
        if asked not in self._shard_keys:
            tries = (self._keys.document(kind, self._source, self.journal, n, day=day) for n in count_up())
            self._shard_keys[asked] = next(key for key in tries if self._backend.shard(key) == shard)
        return self._shard_keys[asked]

    def _begins(self) -> list[str]:
        """The counters that stand first in each shard's part of a batch; checkpoints stand last."""
        return [self._per_shard("begin", shard) for shard in range(self._backend.shards)]

    def _pair(self, key: str) -> Pair:
        return self._keys.day_of(key), self._backend.shard(key)

    def _names(self, keys: Iterable[str], tally: Tally) -> dict[str, bytes]:
        """Names for the counters whose keys are hashes, once each. `keys`: those of the tally, in its order."""
        documents = {}
        for key, coordinate in zip(keys, tally, strict=True):
            if self._keys.is_hashed(key) and key not in self._named:
                if len(self._named) > 200_000:
                    self._named.clear()
                self._named.add(key)
                documents[self._keys.name(key)] = encode_name(coordinate)
        return documents

    def _leading(self, tally: Tally, days: set[date]) -> dict[str, bytes]:
        """For a store that cannot list: the day's leading names, and this source's own name among the sources."""
        leaders = {day: self._keys.document("leaders", self._source, day=day) for day in days}
        listings = {day: self._keys.document("sources", day=day) for day in days}
        unread = [key for day, key in leaders.items() if day not in self._leaders]
        held = self._backend.documents([*unread, *listings.values()]) if days else {}
        documents = {}
        for day in days:
            if day not in self._leaders:
                self._leaders[day] = _leaders(held.get(leaders[day]))
            self._leaders[day].add({c: n for c, n in tally.items() if c[0] == day})
            documents[leaders[day]] = self._leaders[day].encode()
            sources = _names(held.get(listings[day], b"[]"))
            if self._source not in sources:
                documents[listings[day]] = json.dumps(sorted(sources | {self._source})).encode("ascii")
        for day in self._leaders.keys() - days:
            if day < max(days, default=day) - timedelta(days=1):
                del self._leaders[day]
        return documents


# What is damaged counts as absent, and is written anew.


def _decoded(content: bytes) -> Checkpoint | None:
    try:
        return Checkpoint.decode(content)
    except ValueError:
        return None


def _leaders(content: bytes | None) -> Leaders:
    try:
        return Leaders(content)
    except (ValueError, LookupError, TypeError, AttributeError):
        return Leaders(None)


def _names(content: bytes) -> set[str]:
    """A set of names in JSON."""
    try:
        return set(map(str, json.loads(content)))
    except (ValueError, TypeError):
        return set()
