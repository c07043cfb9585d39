"""What every counter backend has to do, as tests: subclass `BackendSuite` and say how a backend is made."""

from __future__ import annotations

import gc
import os
import threading
import time
import traceback
import uuid
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping
from typing import TypeVar

import pytest

from pipelog.backends.base import Claiming, CounterBackend, Listing, Resuming

LIMIT = 2**63 - 1
DAY = 86_400

#: Legal keys that a store may take for something else: quotes, wildcards, commands, numbers, options, the longest.
HOSTILE_KEYS = [
    "".join(map(chr, range(0x21, 0x7F))),
    "k" * 250,
    "k" * 249 + "l",
    "~" * 250,
    "!",
    "0",
    "-1",
    "1e3",
    "NULL",
    "END",
    "noreply",
    "N0",
    "a|b|c",
    "A|B|C",
    "a|b",
    "a|b|",
    "%00%0D%0A",
    "%s%d{0}{}",
    "$(x)`x`${x}",
    "'';DROP",
    "');DROP/**/TABLE/**/counters;--",
    '"quoted"',
    "\\",
    "\\n\\r\\0",
    "*",
    "?",
    "_%",
    "[a-z]",
    "../../etc/passwd",
    '{"a":[1]}',
    "<b>&amp;</b>",
    "=1+1",
    "--option",
]

T = TypeVar("T")


class BackendSuite:
    """Subclass it in a class whose name pytest collects (`TestMyBackend`) and define `make_backend`.

    All instances that one test makes are to see one store, a new one or an emptied one, unless `shared` is False.
    Fixtures (a folder, a server) go into a fixture of the subclass with `autouse=True`.
    """

    #: Whether two instances see the same numbers. False for a store inside the object.
    shared = True
    #: Whether a commit is one transaction: all or nothing, and nobody sees half of it.
    transactional = True

    @abstractmethod
    def make_backend(self) -> CounterBackend:
        """A new instance, not connected."""
        raise NotImplementedError("define make_backend()")

    def let_pass(self, seconds: float) -> None:
        """Let time pass for the store. Where it takes a clock, turn that one instead of waiting."""
        time.sleep(seconds)

    @pytest.fixture
    def backend(self) -> Iterator[CounterBackend]:
        with self.make_backend() as made:
            yield made

    @pytest.fixture
    def other(self, backend: CounterBackend) -> Iterator[CounterBackend]:
        """A second way into the same store, to see what really got there."""
        if not self.shared:
            yield backend
            return
        with self.make_backend() as made:
            yield made

    @pytest.fixture
    def prefix(self) -> str:
        """Keys of this test alone, should the store outlive it."""
        return f"suite|{uuid.uuid4().hex[:8]}|"

    # Reading and adding

    def test_nothing_is_there_at_first(self, backend: CounterBackend, prefix: str) -> None:
        assert backend.counts([prefix + "a", prefix + "b"]) == {}
        assert backend.documents([prefix + "a"]) == {}

    def test_nothing_asked_nothing_done(self, backend: CounterBackend) -> None:
        backend.commit({}, {}, ttl=DAY)
        assert backend.counts([]) == {}
        assert backend.documents([]) == {}

    def test_counts_add_up(self, backend: CounterBackend, other: CounterBackend, prefix: str) -> None:
        a, b, c = prefix + "a", prefix + "b", prefix + "c"
        backend.commit({a: 1, b: 20}, {}, ttl=DAY)
        backend.commit({a: 2}, {}, ttl=DAY)
        assert other.counts([a, b, c]) == {a: 3, b: 20}
        other.commit({a: 4}, {}, ttl=DAY)
        assert backend.counts([a]) == {a: 7}

    def test_a_key_asked_twice_is_answered_once(self, backend: CounterBackend, prefix: str) -> None:
        backend.commit({prefix: 5}, {prefix + "d": b"x"}, ttl=DAY)
        assert backend.counts([prefix, prefix]) == {prefix: 5}
        assert backend.documents([prefix + "d"] * 2) == {prefix + "d": b"x"}

    def test_negative_counts_take_away(self, backend: CounterBackend, other: CounterBackend, prefix: str) -> None:
        a, b = prefix + "a", prefix + "b"
        backend.commit({a: 1000}, {}, ttl=DAY)
        backend.commit({a: -999}, {}, ttl=DAY)
        assert other.counts([a]) == {a: 1}
        backend.commit({a: -2, b: -1}, {}, ttl=DAY)
        assert set(other.counts([a, b]).values()) == {0}
        backend.commit({a: 3, b: 4}, {}, ttl=DAY)
        assert other.counts([a, b]) == {a: 3, b: 4}

    def test_zero_changes_nothing(self, backend: CounterBackend, prefix: str) -> None:
        a, b = prefix + "a", prefix + "b"
        backend.commit({a: 7}, {}, ttl=DAY)
        backend.commit({a: 0, b: 0}, {}, ttl=DAY)
        assert backend.counts([a]) == {a: 7}
        assert backend.counts([b]).get(b, 0) == 0

    def test_greatest_count(self, backend: CounterBackend, other: CounterBackend, prefix: str) -> None:
        backend.commit({prefix: LIMIT - 1}, {}, ttl=DAY)
        backend.commit({prefix: 1}, {}, ttl=DAY)
        assert other.counts([prefix]) == {prefix: LIMIT}
        backend.commit({prefix: 1}, {}, ttl=DAY)
        assert other.counts([prefix]) == {prefix: LIMIT}

    def test_many_keys(self, backend: CounterBackend, other: CounterBackend, prefix: str) -> None:
        counts = {f"{prefix}{number}|{'x' * (number % 200)}": number for number in range(1, 5001)}
        documents = {f"{prefix}d{number}": b"%d" % number for number in range(500)}
        backend.commit(counts, documents, ttl=DAY)
        backend.commit(counts, {}, ttl=DAY)
        assert other.counts([*counts, prefix + "absent"]) == {key: 2 * count for key, count in counts.items()}
        assert other.documents([*documents, prefix + "absent"]) == documents

    def test_hostile_keys(self, backend: CounterBackend, other: CounterBackend) -> None:
        counts = {key: number for number, key in enumerate(HOSTILE_KEYS, 1)}
        before = other.counts(HOSTILE_KEYS)
        backend.commit(counts, {}, ttl=DAY)
        assert other.counts(HOSTILE_KEYS) == {key: before.get(key, 0) + count for key, count in counts.items()}
        for key in HOSTILE_KEYS:
            assert other.counts([key]).keys() == {key}

    def test_hostile_keys_of_documents(self, backend: CounterBackend, other: CounterBackend) -> None:
        documents = {("d" + key)[:250]: key.encode() for key in HOSTILE_KEYS}
        backend.commit({}, documents, ttl=DAY)
        assert other.documents(list(documents)) == documents

    # Documents

    @pytest.mark.parametrize(
        "content",
        [b"", b"\0", b"\r\n", b"END\r\n", b"x\r\nVALUE a 0 1\r\n", bytes(range(256)), b"100", os.urandom(100_000)],
        ids=["empty", "null", "line end", "END", "VALUE", "all bytes", "number", "100 KB"],
    )
    def test_document_is_kept_byte_for_byte(
        self, backend: CounterBackend, other: CounterBackend, prefix: str, content: bytes
    ) -> None:
        backend.commit({}, {prefix: content, prefix + "next": b"next"}, ttl=DAY)
        assert other.documents([prefix, prefix + "next"]) == {prefix: content, prefix + "next": b"next"}

    def test_document_is_replaced(self, backend: CounterBackend, other: CounterBackend, prefix: str) -> None:
        for content in (b"a longer first one", b"second", b"", b"fourth"):
            backend.commit({}, {prefix: content}, ttl=DAY)
            assert other.documents([prefix]) == {prefix: content}

    def test_counts_and_documents_in_one_commit(
        self, backend: CounterBackend, other: CounterBackend, prefix: str
    ) -> None:
        counts = {f"{prefix}{number}": number for number in range(1, 50)}
        documents = {f"{prefix}d{number}": bytes([number]) for number in range(1, 50)}
        backend.commit(counts, documents, ttl=DAY)
        assert (other.counts(list(counts)), other.documents(list(documents))) == (counts, documents)

    # Time to live

    def test_what_has_expired_is_gone(self, backend: CounterBackend, other: CounterBackend, prefix: str) -> None:
        """One wait for all that has to do with expiry, since some stores can only be waited for."""
        short, long, document, lasting = (prefix + name for name in ("short", "long", "document", "lasting"))
        backend.commit({short: 5}, {document: b"x"}, ttl=1)
        backend.commit({long: 6}, {lasting: b"y"}, ttl=DAY)
        backend.commit({short: 1, long: 1}, {}, ttl=DAY)  # a counter keeps the time to live it was made with
        for _ in range(40):
            if not other.counts([short]) and not other.documents([document]):
                break
            self.let_pass(0.1)
        assert other.counts([short, long]) == {long: 7}
        assert other.documents([document, lasting]) == {lasting: b"y"}
        if isinstance(other, Listing):
            assert dict(other.scan(prefix)) == {long: 7}
        backend.commit({short: 2}, {document: b"z"}, ttl=DAY)
        assert other.counts([short]) == {short: 2}
        assert other.documents([document]) == {document: b"z"}

    @pytest.mark.parametrize("days", [2, 29, 31, 366])
    def test_long_times_to_live(self, backend: CounterBackend, prefix: str, days: int) -> None:
        backend.commit({prefix: 1}, {prefix + "d": b"x"}, ttl=days * DAY)
        assert backend.counts([prefix]) == {prefix: 1}
        assert backend.documents([prefix + "d"]) == {prefix + "d": b"x"}

    # Life of an instance

    def test_close_twice_and_use_again(self, backend: CounterBackend, prefix: str) -> None:
        backend.close()
        backend.commit({prefix: 1}, {prefix + "d": b"x"}, ttl=DAY)
        backend.close()
        backend.close()
        assert backend.counts([prefix]) == {prefix: 1}
        backend.close()
        assert backend.documents([prefix + "d"]) == {prefix + "d": b"x"}

    def test_with_closes(self, prefix: str) -> None:
        with self.make_backend() as made:
            made.commit({prefix: 1}, {}, ttl=DAY)
        assert made.counts([prefix]) == {prefix: 1}
        made.close()

    def test_shard_is_one_of_the_shards(self, backend: CounterBackend, prefix: str) -> None:
        again = self.make_backend()
        assert backend.shards >= 1
        for key in (f"{prefix}{number}" for number in range(100)):
            assert 0 <= backend.shard(key) < backend.shards
            assert backend.shard(key) == again.shard(key)

    @pytest.mark.parametrize("connected", [False, True], ids=["made", "used"])
    def test_fork(self, backend: CounterBackend, prefix: str, connected: bool) -> None:
        """An instance from before a fork works in the child, and afterwards in the parent."""
        if not self.shared:
            pytest.skip("the store is inside the object")
        if connected:
            backend.commit({prefix: 1}, {}, ttl=DAY)

        def child() -> None:
            for _ in range(20):
                backend.commit({prefix: 10}, {prefix + "d": b"child"}, ttl=DAY)
            assert backend.counts([prefix])[prefix] >= 200
            backend.close()
            gc.collect()

        process = forked(child)
        if connected:
            for _ in range(20):
                backend.commit({prefix: 1}, {}, ttl=DAY)
                assert backend.counts([prefix])[prefix] >= 1
        joined(process)
        backend.commit({prefix: 1}, {}, ttl=DAY)
        assert backend.counts([prefix]) == {prefix: 222 if connected else 201}
        assert backend.documents([prefix + "d"]) == {prefix + "d": b"child"}

    # Several writers

    def test_two_writers_add_up(self, backend: CounterBackend, prefix: str) -> None:
        if not self.shared:
            pytest.skip("the store is inside the object")
        keys = [f"{prefix}{number}" for number in range(200)]

        def write() -> None:
            with self.make_backend() as mine:
                for turn in range(50):
                    mine.commit(dict.fromkeys(keys[turn:], 1), {prefix + "d": b"x"}, ttl=DAY)

        processes = [forked(write), forked(write)]
        for process in processes:
            joined(process)
        assert backend.counts(keys) == {key: 2 * min(number + 1, 50) for number, key in enumerate(keys)}

    def test_nobody_sees_half_a_commit(self, backend: CounterBackend, other: CounterBackend, prefix: str) -> None:
        if not (self.shared and self.transactional):
            pytest.skip("commits are no transactions, or the store is inside the object")
        keys = [f"{prefix}{number}" for number in range(100)]
        failures: list[BaseException] = []

        def write() -> None:
            try:
                for _ in range(100):
                    backend.commit(dict.fromkeys(keys, 1), {}, ttl=DAY)
            except BaseException as error:
                failures.append(error)

        writer = threading.Thread(target=write)
        writer.start()
        seen = [other.counts(keys)]
        while writer.is_alive():
            seen.append(other.counts(keys))
        writer.join()
        seen.append(other.counts(keys))
        assert failures == []
        assert seen[-1] == dict.fromkeys(keys, 100)
        assert [numbers for numbers in seen if len(set(numbers.values())) > 1 or len(numbers) not in (0, 100)] == []

    @pytest.mark.parametrize("where", ["counts", "documents"])
    def test_a_failed_commit_leaves_no_trace(
        self, backend: CounterBackend, other: CounterBackend, prefix: str, where: str
    ) -> None:
        if not self.transactional:
            pytest.skip("commits are no transactions")
        a, document = prefix + "a", prefix + "d"
        backend.commit({a: 1}, {document: b"old"}, ttl=DAY)
        counts: Mapping[str, int] = {a: 5, prefix + "b": 5}
        documents: Mapping[str, bytes] = {document: b"new", prefix + "e": b"new"}
        if where == "counts":
            counts = TornMapping(counts)
        else:
            documents = TornMapping(documents)
        with pytest.raises(Torn):
            backend.commit(counts, documents, ttl=DAY)
        assert other.counts([a, prefix + "b"]) == {a: 1}
        assert other.documents([document, prefix + "e"]) == {document: b"old"}
        backend.commit({a: 1}, {document: b"newer"}, ttl=DAY)
        assert other.counts([a]) == {a: 2}
        assert other.documents([document]) == {document: b"newer"}

    # Listing, where there is one

    def test_scan(self, backend: CounterBackend, other: CounterBackend, prefix: str) -> None:
        listing = _listing(other)
        mine = {f"{prefix}{name}": number for number, name in enumerate(["", "a", "ab", "b", "~", "a_", "a%", "A"], 1)}
        backend.commit(mine | {prefix[:-1] + "!": 99}, {prefix + "document": b"1"}, ttl=DAY)
        assert dict(listing.scan(prefix)) == mine
        for part in ("a", "a_", "a%", "~", "*", "?", "[a]", "nothing"):
            assert dict(listing.scan(prefix + part)) == {k: n for k, n in mine.items() if k.startswith(prefix + part)}
        assert mine.items() <= dict(listing.scan("")).items()

    def test_scan_of_many(self, backend: CounterBackend, prefix: str) -> None:
        listing = _listing(backend)
        counts = {f"{prefix}{number}": number for number in range(1, 25_001)}
        backend.commit(counts, {}, ttl=DAY)
        found = list(listing.scan(prefix))
        assert len(found) == len(counts)
        assert dict(found) == counts

    def test_scan_while_writing(self, backend: CounterBackend, prefix: str) -> None:
        listing = _listing(backend)
        backend.commit({f"{prefix}{number}": 1 for number in range(100)}, {}, ttl=DAY)
        for key, count in listing.scan(prefix):
            backend.commit({key: count}, {}, ttl=DAY)
        assert set(dict(listing.scan(prefix)).values()) == {2}

    def test_highest(self, backend: CounterBackend, other: CounterBackend, prefix: str) -> None:
        listing = _listing(other)
        names = ["a|x", "Ab|x", "a%|x", "a_|y", "b|", "x|a", "%C3|x", "\\|x", "x"]
        mine = {prefix + name: 10 + number // 2 for number, name in enumerate(names)}
        backend.commit(mine | {prefix[:-1] + "!": 99}, {}, ttl=DAY)
        ranked = sorted(mine.items(), key=lambda item: (-item[1], item[0]))
        for n in (0, 1, 4, 100):
            assert listing.highest(prefix, n) == ranked[:n]
        for part in ("a", "A", "%", "_", "a_", "\\", "c3", "|x", "nothing", prefix):
            found = [(k, n) for k, n in ranked if part.lower() in k[len(prefix) :].lower()]
            assert listing.highest(prefix, 100, containing=part) == found, part
            assert listing.highest(prefix, 1, containing=part) == found[:1], part
        for end in ("|x", "x", "X", "|", "%|x", prefix + "a|x", "nothing"):
            found = [(k, n) for k, n in ranked if k[len(prefix) :].endswith(end)]
            assert listing.highest(prefix, 100, ending=end) == found, end
        assert dict(listing.highest(prefix + "a", 9)) == {k: n for k, n in mine.items() if k.startswith(prefix + "a")}
        assert listing.highest(prefix + "nothing", 9) == []

    def test_sums(self, backend: CounterBackend, other: CounterBackend, prefix: str) -> None:
        listing = _listing(other)
        counts = {"a|x": 1, "b|x": 2, "b|y": 4, "c|": 8, "|": 16, "x": 32, "": 64, "d|x|y": 128}
        backend.commit({prefix + name: count for name, count in counts.items()}, {}, ttl=DAY)
        assert listing.sums(prefix) == {"x": 35, "y": 4, "": 88, "x|y": 128}
        assert listing.sums(prefix + "b|") == {"x": 2, "y": 4}
        assert listing.sums(prefix + "nothing") == {}

    def test_forget(self, backend: CounterBackend, other: CounterBackend, prefix: str) -> None:
        listing = _listing(backend)
        names = ["1|", "1|a", "1|~", "1", "10|a", "2|a", "1_a", "1%"]
        counts = {prefix + name: 1 for name in names}
        documents = {f"{prefix}{name}=": b"x" for name in names}
        backend.commit(counts, documents, ttl=DAY)
        listing.forget(prefix + "1|")
        kept = [prefix + name for name in names if not name.startswith("1|")]
        assert other.counts(list(counts)) == dict.fromkeys(kept, 1)
        assert other.documents(list(documents)) == {key + "=": b"x" for key in kept}
        backend.commit({prefix + "1|a": 5}, {}, ttl=DAY)
        assert other.counts([prefix + "1|a"]) == {prefix + "1|a": 5}

    def test_forget_nothing(self, backend: CounterBackend, prefix: str) -> None:
        listing = _listing(backend)
        listing.forget(prefix + "absent")
        assert dict(listing.scan(prefix)) == {}

    # Going on with half a commit

    def test_nothing_is_missing_of_a_whole_batch_and_all_of_one_never_sent(
        self, backend: CounterBackend, other: CounterBackend, prefix: str
    ) -> None:
        resuming, later = _resuming(backend), _resuming(other)
        tries = {name: [f"{prefix}{name}{n}" for n in range(200)] for name in ("begin", "end")}
        marks = {
            name: [next(k for k in keys if backend.shard(k) == shard) for shard in range(backend.shards)]
            for name, keys in tries.items()
        }
        counts = dict.fromkeys(marks["begin"], 1) | {f"{prefix}{n}": 2 for n in range(40)}
        first, second = (dict.fromkeys(marks["end"], content) for content in (b"1", b"2"))
        assert later.missing(counts, first) == counts
        resuming.send(counts, first, ttl=DAY)
        assert other.counts([prefix + "7"]) == {prefix + "7": 2}
        assert later.missing(counts, first) == {}
        assert later.missing(counts, second) == counts
        resuming.send(counts, second, ttl=DAY)
        assert later.missing(counts, second) == {}
        assert other.counts([prefix + "7"]) == {prefix + "7": 4}

    # Claiming, where there is any

    def test_the_first_claim_wins(self, backend: CounterBackend, other: CounterBackend, prefix: str) -> None:
        first, second = _claiming(backend), _claiming(other)
        key, content = prefix + "key", bytes(range(256)) + b"\r\nEND\r\n"
        assert first.claim(key, content, ttl=DAY) == content
        assert second.claim(key, b"late", ttl=DAY) == first.claim(key, b"later", ttl=DAY) == content
        assert other.documents([key]) == {key: content}
        backend.commit({}, {key: b"committed"}, ttl=DAY)
        assert second.claim(key, b"late", ttl=DAY) == b"committed"

    def test_a_claim_expires(self, backend: CounterBackend, prefix: str) -> None:
        claiming, key = _claiming(backend), prefix + "key"
        assert claiming.claim(key, b"first", ttl=1) == b"first"
        self.let_pass(2.5)
        assert claiming.claim(key, b"second", ttl=DAY) == b"second"
        assert backend.documents([key]) == {key: b"second"}

    def test_all_who_claim_at_once_get_the_same(self, prefix: str) -> None:
        if not self.shared:
            pytest.skip("each instance has a store of its own")
        begin = threading.Barrier(4)
        got: list[list[bytes]] = [[] for _ in range(4)]

        def claim(number: int) -> None:
            with self.make_backend() as mine:
                for round_ in range(25):
                    begin.wait(20)
                    got[number].append(_claiming(mine).claim(f"{prefix}{round_}", b"%d" % number, ttl=DAY))

        with self.make_backend() as one:
            _claiming(one).claim(prefix + "made", b"", ttl=DAY)
        threads = [threading.Thread(target=claim, args=[number]) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert len(got[0]) == 25
        assert all(each == got[0] for each in got)


class Torn(Exception):
    """What a TornMapping raises."""


class TornMapping(Mapping[str, T]):
    """A mapping that gives its items and then fails, as a caller's own might."""

    def __init__(self, items: Mapping[str, T]) -> None:
        self._items = items

    def __getitem__(self, key: str) -> T:
        return self._items[key]

    def __len__(self) -> int:
        return len(self._items) + 1

    def __iter__(self) -> Iterator[str]:
        yield from self._items
        raise Torn


def _resuming(backend: CounterBackend) -> Resuming:
    if not isinstance(backend, Resuming):
        pytest.skip("not a Resuming backend")
    return backend


def _listing(backend: CounterBackend) -> Listing:
    if not isinstance(backend, Listing):
        pytest.skip("not a Listing backend")
    return backend


def _claiming(backend: CounterBackend) -> Claiming:
    if not isinstance(backend, Claiming):
        pytest.skip("not a Claiming backend")
    return backend


def forked(work: Callable[[], None]) -> int:
    """Run `work` in a child process made by a plain fork; its process id."""
    process = os.fork()
    if process == 0:
        status = 1
        try:
            work()
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)
    return process


def joined(process: int) -> None:
    """Wait for a `forked` process, and fail the test if it failed."""
    _, status = os.waitpid(process, 0)
    assert os.waitstatus_to_exitcode(status) == 0, "the child process failed; its traceback is in the output"
