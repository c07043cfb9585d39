"""A batch whose answer never came is counted once: memcached cut off, stopped and left alone with it, at any stage."""

from __future__ import annotations

import os
import random
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import date
from pathlib import Path

import pytest
from intake_helpers import NOON, Clock, Pipe, Stepper, line, plan

from pipelog.backends import memcached as module
from pipelog.backends import memcached_server
from pipelog.backends.keys import Keys
from pipelog.backends.memcached import MemcachedBackend
from pipelog.backends.memcached_server import _lines, _meta_add, _sets
from pipelog.counting.rules import Rules
from pipelog.errors import BackendUnavailable, StoreError
from pipelog.intake import redo
from pipelog.intake.checkpoint import Checkpoint
from pipelog.intake.journal import Position
from pipelog.model import Coordinate
from pipelog.testing.servers import MemcachedServer, memcached

TTL = 600
KEYS = [f"k{number}" for number in range(30)]
ROUNDS = int(os.environ.get("ROUNDS", "5"))
"""Batches in which a server is stopped; 100 take six minutes."""


@pytest.fixture(scope="module")
def servers() -> Iterator[list[MemcachedServer]]:
    with ExitStack() as stack:
        yield [stack.enter_context(memcached(arguments=("-t", "4", "-m", "1024"))) for _ in range(3)]


@pytest.fixture(autouse=True)
def _emptied(servers: list[MemcachedServer], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_STILL", 0.05)
    for server in servers:
        assert server.ask(b"flush_all") == b"OK"


def made(*servers: MemcachedServer, timeout: float = 10) -> MemcachedBackend:
    return MemcachedBackend([server.address for server in servers], timeout=timeout, connect_timeout=timeout)


def batch(number: int) -> tuple[dict[str, int], dict[str, bytes]]:
    """Counts with the mark of their begin in front, documents with that of the end behind."""
    return {"begin": 1} | dict.fromkeys(KEYS, number), {"other": b"x", "end": b"batch %d" % number}


def payload(counts: dict[str, int], documents: dict[str, bytes]) -> list[bytes]:
    """The commands, one by one."""
    commands = b"".join(_lines(_meta_add, counts, TTL)).splitlines(keepends=True)
    return commands + [_sets({key: content}, TTL) for key, content in documents.items()]


@pytest.mark.parametrize("before", [0, 1])
def test_the_rest_of_a_batch_that_was_cut_off_anywhere(servers: list[MemcachedServer], before: int) -> None:
    server = servers[0]
    counts, documents = batch(5)
    whole = payload(counts, documents)
    for taken in range(len(whole) + 1):
        assert server.ask(b"flush_all") == b"OK"
        with made(server) as backend:
            if before:
                backend.send(*batch(1), ttl=TTL)
            with server.connect() as other:
                # The command after those is cut in its midst. What the next line answers, all before it have been.
                other.sendall(b"".join(whole[:taken]) + b"mn\r\n" + b"".join(whole[taken:])[:4])
                stream = other.makefile("rb")
                while stream.readline() != b"MN\r\n":
                    pass
            rest = backend.missing(counts, documents)
            assert set(rest) - {"begin"} == set(KEYS[max(0, taken - 1) :])
            assert rest.get("begin", 0) == bool(set(rest))
            backend.send(rest, documents, ttl=TTL)
            assert backend.missing(counts, documents) == {}
            assert backend.counts(KEYS) == dict.fromkeys(KEYS, 5 + before)


@pytest.mark.parametrize("number", [1, 3])
def test_a_refused_batch_is_sent_whole_again(servers: list[MemcachedServer], number: int) -> None:
    with made(*servers[:number]) as backend:

        def on_each(name: str) -> list[str]:
            names = [f"{name}{n}" for n in range(99)]
            return [next(n for n in names if backend.shard(n) == shard) for shard in range(number)]

        counts = dict.fromkeys(on_each("begin"), 1) | dict.fromkeys(KEYS, 5)
        documents = dict.fromkeys(on_each("end"), b"5")
        backend.commit({}, {"k7": b"no number"}, ttl=TTL)
        with pytest.raises(StoreError, match="non-numeric"):
            backend.send(counts, documents, ttl=TTL)
        # What that server had taken is taken back; the others keep theirs, and that is known.
        rest = backend.missing(counts, documents)
        assert {key for key in KEYS if backend.shard(key) == backend.shard("k7")} <= set(rest)
        backend.commit({}, {"k7": b"0"}, ttl=TTL)
        backend.send(rest, documents, ttl=TTL)
        assert backend.counts(KEYS) == dict.fromkeys(KEYS, 5)


def pages_of(backend: MemcachedBackend, pages: Counter[str]) -> Counter[str]:
    keys = Keys("pipelog")
    day = date.fromtimestamp(NOON)
    named = {keys.counter(Coordinate(day, "", page, "views", "")): page for page in pages}
    return Counter({named[key]: count for key, count in backend.counts(list(named)).items()})


class Stops:
    """Stops a server when bytes are sent to it, or come from it, for the nth time, and lets it go on later."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, victim: MemcachedServer) -> None:
        self.victim = victim
        self.left: dict[str, int] = {}
        self.timers: list[threading.Timer] = []
        for name in ("_send", "_received"):
            monkeypatch.setattr(memcached_server, name, self._counted(name, getattr(memcached_server, name)))

    def _counted(self, name: str, call: Callable[..., object]) -> Callable[..., object]:
        def counted(*arguments: object) -> object:
            self.left[name] = self.left.get(name, 0) - 1
            if self.left[name] == 0:
                self.victim.pause()
                self.timers.append(threading.Timer(self.seconds, self.victim.resume))
                self.timers[-1].start()
            return call(*arguments)

        return counted

    def once(self, name: str, number: int, seconds: float) -> None:
        self.left, self.seconds = {name: number}, seconds

    def over(self) -> None:
        self.left = {}
        while self.timers:
            self.timers.pop().join()


@pytest.mark.parametrize("number", [1, 3])
@pytest.mark.parametrize("killed", [False, True])
def test_a_store_that_is_stopped_at_any_moment(
    servers: list[MemcachedServer], tmp_path: Path, number: int, killed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the midst of commits, with and without the death of who commits. Nothing is lost, nothing counted twice."""
    dice, some = random.Random(number), servers[:number]
    made_plan = plan(tmp_path, made(*some), clock := Clock(), rules=Rules(max_pages=0))
    made_plan = made_plan._replace(backend=lambda: made(*some, timeout=0.2))
    pipe = Pipe(tmp_path, made_plan.archive, clock)
    pipe.send(line("/first/"))
    sent = Counter(["/first/"])
    stepper: Stepper | None = None
    stops = Stops(monkeypatch, some[-1])
    unanswered = 0
    for turn in range(ROUNDS):
        pages = [f"/{turn}-{n}/" for n in range(dice.choice((20, 4_000, 12_000)))] + ["/again/"] * 3
        for start in range(0, len(pages), 300):
            pipe.send(b"".join(line(page) for page in pages[start : start + 300]))
        sent.update(pages)
        stops.once(dice.choice(("_send", "_received")), dice.randint(1, 6), 0.3 + dice.random() * 0.3)
        done = False
        while not done:
            try:
                if stepper is None or (killed and unanswered):
                    stepper = Stepper(made_plan)  # the one before is as good as dead: it does nothing any more
                stepper.run()
                done = True
            except BackendUnavailable:
                unanswered += 1
        stops.over()
        with made(*some) as reader:
            counted = pages_of(reader, sent)
        assert ((sent - counted).total(), (counted - sent).total()) == (0, 0), f"lost, doubled in turn {turn}"
    assert unanswered
    pipe.close()


def test_a_kept_batch_is_read_back_and_anything_else_is_none(tmp_path: Path) -> None:
    kept = redo.Sent(Checkpoint(Position(1, 2), Position(1, 0), 7), {"a|b": 3, "c": -1}, {"d": b"\x00\xff{"})
    assert redo.kept(tmp_path, "journal") is None
    redo.keep(tmp_path, "journal", kept)
    assert redo.kept(tmp_path, "journal") == kept
    assert redo.kept(tmp_path, "another") is None
    path = tmp_path / "batch"
    for content in (b"", b"{", b"[]", b"{}", b"\xff", b'{"journal": "journal", "counts": {}, "documents": 1}'):
        path.write_bytes(content)
        assert redo.kept(tmp_path, "journal") is None
