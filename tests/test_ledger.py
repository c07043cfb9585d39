"""Counts and checkpoint in one commit: nothing twice, nothing left out, whatever the store forgets and whoever dies."""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from collections.abc import Mapping
from datetime import date
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from intake_helpers import NOON, Clock, MemoryBackend, Pipe, Stepper, line, numbered, plan, views

from pipelog.backends.base import CounterBackend
from pipelog.backends.keys import Keys
from pipelog.counting.rules import Rules
from pipelog.errors import BackendUnavailable, StoreError
from pipelog.intake.checkpoint import Checkpoint, Healing
from pipelog.intake.journal import Position
from pipelog.model import Coordinate

DAY = 86_400


def test_a_checkpoint_survives_being_written() -> None:
    pair = (date(2026, 11, 22), 1)
    whole = Checkpoint(
        Position(3, 99),
        Position(2, 1),
        7,
        Healing(Position(3, 98), frozenset([pair])),
        frozenset([pair, (date(2026, 11, 21), 0)]),
        {"lines": 12},
    )
    assert Checkpoint.decode(whole.encode()) == whole
    bare = Checkpoint(Position(0, 0), Position(0, 0))
    assert Checkpoint.decode(bare.encode()) == bare


DAMAGED = [
    b"",
    b"{",
    b"[]",
    b"null",
    b"{}",
    b"\xff",
    b'{"healing": 1}',
    Checkpoint(Position(1, 2), Position(0, 0)).encode(),
]
DAMAGED[-1] = DAMAGED[-1].replace(b'"position": [1, 2]', b'"position": [1]')


@pytest.mark.parametrize("content", DAMAGED)
def test_a_damaged_checkpoint_is_said_and_the_journal_counted_again(
    tmp_path: Path, content: bytes, capfd: pytest.CaptureFixture[str]
) -> None:
    backend = MemoryBackend()
    clock, pipe, stepper = journal(tmp_path, backend)
    stepper.run()
    stepper.close()
    (key,) = (key for key in backend._documents if "=checkpoint" in key)
    backend.commit({}, {key: content}, ttl=DAY)
    pipe.send(line("/second/"))
    stepper = Stepper(plan(tmp_path, backend, clock))
    stepper.run()
    assert views(backend) == {"/first/": 1, "/second/": 1}
    assert capfd.readouterr().err.count("no checkpoint of this pipelog") == 1


def test_a_damaged_checkpoint_in_a_store_that_cannot_list_is_refused(tmp_path: Path) -> None:
    backend = Sharded(2)
    clock, pipe, stepper = journal(tmp_path, backend)
    stepper.run()
    keys = [key for store in backend.stores for key in store._documents if "=checkpoint" in key]
    backend.commit({}, {keys[0]: b"damaged"}, ttl=DAY)
    pipe.send(line("/second/"))
    Stepper(plan(tmp_path, backend, clock)).run()  # the other server has it, too
    assert backend.all_views() == {"/first/": 1, "/second/": 1}
    backend.commit({}, dict.fromkeys(keys, b"damaged"), ttl=DAY)
    with pytest.raises(StoreError, match=r"=checkpoint.* no checkpoint of this pipelog; empty the store"):
        Stepper(plan(tmp_path, backend, clock))


@pytest.mark.parametrize(
    "content", [b"", b"[", b"7", b"[[]]", b'{"sites": 1}', b'{"sites": [], "pages": [], "values": 0}']
)
def test_damaged_names_in_the_store_stop_nothing(tmp_path: Path, content: bytes) -> None:
    backend = Sharded(1)
    clock, pipe, stepper = journal(tmp_path, backend)
    stepper.run()
    stepper.close()
    for kind in ("=sources", "=leaders"):
        (key,) = (key for key in backend.stores[0]._documents if kind in key)
        backend.commit({}, {key: content}, ttl=DAY)
    pipe.send(line("/second/"))
    Stepper(plan(tmp_path, backend, clock)).run()
    assert backend.all_views() == {"/first/": 1, "/second/": 1}


class Flaky(MemoryBackend):
    """A store whose answers can get lost: before the commit, after it, or after a part of its shards."""

    fail = ""

    def commit(self, counts: Mapping[str, int], documents: Mapping[str, bytes], *, ttl: int) -> None:
        how, self.fail = self.fail, ""
        if how == "before":
            raise BackendUnavailable("the store went away")
        super().commit(counts, documents, ttl=ttl)
        if how == "after":
            raise BackendUnavailable("the answer got lost")


class Sharded(CounterBackend):
    """Several stores that can lose their memory one by one."""

    def __init__(self, number: int) -> None:
        self.stores = [MemoryBackend() for _ in range(number)]
        self.shards = number

    def shard(self, key: str) -> int:
        return sum(key.encode()) % self.shards

    def _parts(self, mapping: Mapping[str, object], number: int) -> dict[str, object]:
        return {key: value for key, value in mapping.items() if self.shard(key) == number}

    def commit(self, counts: Mapping[str, int], documents: Mapping[str, bytes], *, ttl: int) -> None:
        for number, store in enumerate(self.stores):
            store.commit(self._parts(counts, number), self._parts(documents, number), ttl=ttl)  # type: ignore[arg-type]

    def counts(self, keys: object) -> dict[str, int]:
        return {k: n for store in self.stores for k, n in store.counts(keys).items()}  # type: ignore[arg-type]

    def documents(self, keys: object) -> dict[str, bytes]:
        return {k: d for store in self.stores for k, d in store.documents(keys).items()}  # type: ignore[arg-type]

    def close(self) -> None:
        """Nothing is open."""

    def all_views(self) -> Counter[str]:
        found: Counter[str] = Counter()
        for store in self.stores:
            found += views(store)
        return found


class Silent(Sharded):
    """A store that cannot list and leaves one question unanswered: the `silent_at`th from now on."""

    silent_at = 0

    def documents(self, keys: object) -> dict[str, bytes]:
        self.silent_at -= 1
        if self.silent_at == 0:
            raise BackendUnavailable("the store does not answer")
        return super().documents(keys)


class Journaled(RuleBasedStateMachine):
    """Lines come, followers are killed, stores fail and forget: what is counted is always what the journal says."""

    @initialize()
    def begin(self) -> None:
        self.folder = Path(tempfile.mkdtemp())
        self.clock = Clock()
        self.backend = Flaky()
        self.plan = plan(self.folder, self.backend, self.clock, rules=self.rules_of_counting())
        self.pipe = Pipe(self.folder, self.plan.archive, self.clock)
        self.pages = numbered()
        self.sent: Counter[str] = Counter()
        self.send(1)
        self.stepper = Stepper(self.plan)

    def rules_of_counting(self) -> Rules:
        return Rules()

    def teardown(self) -> None:
        if hasattr(self, "pipe"):
            self.stepper.close()
            self.pipe.close()
            shutil.rmtree(self.folder)

    def step(self) -> None:
        for _ in range(3):
            try:
                self.stepper.run()
                return
            except BackendUnavailable:
                pass
        raise AssertionError("one fault must not make more than one error")

    @rule(number=st.integers(1, 5))
    def send(self, number: int) -> None:
        pages = [next(self.pages) for _ in range(number)]
        self.pipe.send(b"".join(line(page, self.clock.now) for page in pages))
        self.sent.update(pages)

    @rule(fail=st.sampled_from(["before", "after", ""]))
    def commit(self, fail: str) -> None:
        self.backend.fail = fail
        self.step()

    @rule(fail=st.sampled_from(["before", "after"]))
    def die_in_a_commit(self, fail: str) -> None:
        self.send(2)
        self.backend.fail = fail
        with pytest.raises(BackendUnavailable):
            self.stepper.run()
        self.die()

    @rule()
    def die(self) -> None:
        self.stepper.close()
        self.stepper = Stepper(self.plan)

    @rule()
    def empty_the_store(self) -> None:
        self.step()
        self.backend.forget("")

    @rule()
    def empty_the_store_and_go_on_unaware(self) -> None:
        # Between the look for the sentinel and the commit: the batch then stands alone in the emptied store.
        self.step()
        self.send(2)
        ledger = self.stepper.counter._ledger
        look = ledger.lost

        def lost_right_after() -> object:
            found = look()
            self.backend.forget("")
            ledger.lost = look  # type: ignore[method-assign]
            return found

        ledger.lost = lost_right_after  # type: ignore[assignment,method-assign]
        self.step()

    @rule()
    def empty_the_day(self) -> None:
        self.step()
        self.backend.forget(Keys("pipelog").day(date.fromtimestamp(self.clock.now)))

    @invariant()
    def everything_is_counted_once(self) -> None:
        if hasattr(self, "stepper"):
            self.step()
            self.step()
            assert views(self.backend) == self.sent


Journaled.TestCase.settings = settings(
    max_examples=60, stateful_step_count=15, deadline=None, suppress_health_check=list(HealthCheck)
)
TestJournaled = Journaled.TestCase


def journal(tmp_path: Path, backend: CounterBackend, **changes: object) -> tuple[Clock, Pipe, Stepper]:
    clock = Clock()
    made = plan(tmp_path, backend, clock, **changes)
    pipe = Pipe(tmp_path, made.archive, clock)
    pipe.send(line("/first/"))
    return clock, pipe, Stepper(made)


def test_yesterday_and_today_are_healed_after_midnight(tmp_path: Path) -> None:
    backend = MemoryBackend()
    clock, pipe, stepper = journal(tmp_path, backend)
    stepper.run()
    clock.now += DAY
    pipe.send(line("/second/", clock.now) + line("/late/", NOON))
    stepper.run()
    backend.forget("")
    stepper.run()
    assert views(backend) == {"/first/": 1, "/second/": 1, "/late/": 1}


def test_one_forgotten_shard_is_healed_and_the_others_stay(tmp_path: Path) -> None:
    backend = Sharded(3)
    clock, pipe, stepper = journal(tmp_path, backend)
    pages = [f"/page-{number}/" for number in range(50)]
    pipe.send(b"".join(line(page) for page in pages))
    stepper.run()
    whole = backend.all_views()
    assert whole == Counter(["/first/", *pages])
    for number in range(3):
        backend.stores[number].forget("")
        stepper.run()
        stepper.run()
        assert backend.all_views() == whole
    stepper.close()
    pipe.send(line("/last/"))
    Stepper(plan(tmp_path, backend, clock)).run()
    assert backend.all_views() == whole + Counter(["/last/"])


@pytest.mark.parametrize("question", [1, 2, 3])  # the sentinel twice, then the names that lead: see `Stepper.run`
def test_a_store_that_leaves_a_question_unanswered_loses_nothing(tmp_path: Path, question: int) -> None:
    backend, keys, long = Silent(1), Keys("pipelog"), "/" + "long" * 70 + "/"
    _, pipe, stepper = journal(tmp_path, backend)
    stepper.run()
    pipe.send(line("/second/") + line(long))
    backend.silent_at = question
    with pytest.raises(BackendUnavailable):
        stepper.run()
    stepper.run()
    assert backend.all_views() == Counter(["/first/", "/second/"])
    counter = keys.counter(Coordinate(date(2026, 11, 22), "", long, "views", ""))
    assert keys.is_hashed(counter)
    assert backend.counts([counter]) == {counter: 1}
    assert list(backend.documents([keys.name(counter)])) == [keys.name(counter)]


def test_two_journals_of_one_store_heal_independently(tmp_path: Path) -> None:
    backend = MemoryBackend()
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    _, _, one = journal(tmp_path / "one", backend, source="one")
    _, _, two = journal(tmp_path / "two", backend, source="two")
    one.run()
    two.run()
    assert views(backend) == {"/first/": 2}
    backend.forget("")
    one.run()
    assert views(backend) == {"/first/": 1}
    two.run()
    one.run()
    assert views(backend) == {"/first/": 2}


def test_old_lines_count_when_a_journal_is_new(tmp_path: Path) -> None:
    backend = MemoryBackend()
    _, pipe, stepper = journal(tmp_path, backend)
    pipe.send(line("/old/", NOON - 4000 * DAY))
    stepper.run()
    assert views(backend) == {"/first/": 1, "/old/": 1}


def test_a_cut_journal_is_gone_on_with(tmp_path: Path) -> None:
    backend = MemoryBackend()
    _, pipe, stepper = journal(tmp_path, backend)
    stepper.run()
    (path,) = (tmp_path / "journal").glob("*.log")
    path.write_bytes(b"")
    stepper.close()
    stepper = Stepper(plan(tmp_path, backend, Clock()))
    stepper.run()
    pipe.send(line("/after/"))
    stepper.run()
    assert views(backend) == {"/first/": 1, "/after/": 1}
    backend.forget("")
    stepper.run()
    assert views(backend) == {"/after/": 1}  # all that the journal still has


def test_bad_lines_are_counted_and_the_first_places_remembered(tmp_path: Path) -> None:
    from pipelog.intake.status import read_status

    backend = MemoryBackend()
    _, pipe, stepper = journal(tmp_path, backend)
    pipe.send(b"no log line\n" * 9 + line("/second/"))
    stepper.run()
    status = read_status(tmp_path)
    assert status is not None
    assert status.totals == {"lines": 11, "bad": 9, "too_long": 0, "unwritten": 0, "quarantined": 0, "over_caps": 0}
    assert len(status.bad_places) == 5
    assert status.bad_places[0].startswith(f"{tmp_path}/journal/2026-11-22.log:{len(line('/first/'))}: ")
    assert views(backend) == {"/first/": 1, "/second/": 1}
