"""MemoryBackend: the suite, and what is its own."""

from __future__ import annotations

import pytest

from pipelog.backends.memory import SWEEP, MemoryBackend
from pipelog.errors import LocationError
from pipelog.locators import Location
from pipelog.testing.backends import BackendSuite


class TestMemory(BackendSuite):
    shared = False

    @pytest.fixture(autouse=True)
    def _time(self) -> None:
        self.now = 0.0

    def let_pass(self, seconds: float) -> None:
        self.now += seconds

    def make_backend(self) -> MemoryBackend:
        return MemoryBackend(clock=lambda: self.now)


def test_each_instance_is_its_own() -> None:
    one, two = MemoryBackend(), MemoryBackend()
    one.commit({"a": 1}, {"d": b"x"}, ttl=60)
    assert two.counts(["a"]) == {}
    assert two.documents(["d"]) == {}


def test_expired_is_removed() -> None:
    now = 0.0
    backend = MemoryBackend(clock=lambda: now)
    backend.commit({f"k{number}": 1 for number in range(100)}, {"d": b"x"}, ttl=10)
    now = SWEEP
    backend.commit({"a": 1}, {"e": b"x"}, ttl=10)
    backend.forget("a")
    backend.forget("e")
    assert not any(value for name, value in vars(backend).items() if isinstance(value, dict)), vars(backend)


def test_location() -> None:
    backend = MemoryBackend.from_location(Location.parse("memory:"))
    backend.commit({"a": 1}, {}, ttl=60)
    assert backend.counts(["a"]) == {"a": 1}


@pytest.mark.parametrize("url", ["memory:x", "memory:///x", "memory://host", "memory:?a=1", "memory://u@h"])
def test_location_refused(url: str) -> None:
    with pytest.raises(LocationError, match=r"^memory: "):
        MemoryBackend.from_location(Location.parse(url))
