"""Sketches: how far off they are, and that they are sets."""

from __future__ import annotations

import math
import random
import zlib
from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelog.counting.sketches import ERROR, REGISTERS, Sketch, cell, people

HIGHEST = 53


def numbers(source: random.Random, size: int) -> list[int]:
    return [source.getrandbits(64) for _ in range(size)]


def sketch_of(chosen: Iterable[int]) -> Sketch:
    return Sketch(map(cell, chosen))


SETS = st.builds(lambda seed, size: numbers(random.Random(seed), size), st.integers(0, 2**32), st.integers(0, 1_500))


@pytest.mark.parametrize(
    ("size", "times"), [(1, 50), (2, 50), (10, 50), (100, 200), (1_000, 200), (3_000, 100), (10_000, 60), (50_000, 20)]
)
def test_the_estimate_is_within_two_percent(size: int, times: int) -> None:
    source = random.Random(size)
    errors = [sketch_of(numbers(source, size)).count() / size - 1 for _ in range(times)]
    assert math.sqrt(sum(error**2 for error in errors) / times) <= 0.02
    assert abs(sum(errors) / times) <= 0.01  # to neither side
    assert max(map(abs, errors)) <= 4.5 * ERROR
    if size <= 10:
        assert max(map(abs, errors)) == 0


def test_the_estimate_of_a_million_is_within_two_percent() -> None:
    source, errors = random.Random(7), []
    for _ in range(8):
        sketch = Sketch()
        for _ in range(50):
            sketch.add(set(map(cell, numbers(source, 20_000))))
        errors.append(sketch.count() / 1_000_000 - 1)
    assert math.sqrt(sum(error**2 for error in errors) / len(errors)) <= 0.02
    assert max(map(abs, errors)) <= 4.5 * ERROR


def test_cells() -> None:
    assert cell(0) == HIGHEST
    assert cell(2**64 - 1) == (REGISTERS - 1) << 6 | 1
    assert cell(1) == 52
    assert cell(1 << 52) == 1 << 6 | HIGHEST
    assert cell(1 << 51) == 1
    assert Sketch().count() == 0
    assert Sketch(register << 6 | HIGHEST for register in range(REGISTERS)).count() == 2**64
    assert Sketch(register << 6 | HIGHEST - (register > 0) for register in range(REGISTERS)).count() > 10**18


@settings(deadline=None, max_examples=40)
@given(SETS, SETS)
def test_a_merge_is_the_union(one: list[int], other: list[int]) -> None:
    both, merged = sketch_of(one + other), sketch_of(one)
    before = merged.cells()
    assert merged.merge(sketch_of(other)) == (merged.cells() != before)
    assert merged == both
    assert merged.count() == both.count()
    assert not merged.merge(sketch_of(one))  # again, and what is a part of it, changes nothing
    assert not merged.add(map(cell, other))
    assert merged == both
    turned = sketch_of(other)
    turned.merge(sketch_of(one))
    assert turned == both


@settings(deadline=None, max_examples=40)
@given(SETS)
def test_what_is_written_is_read(chosen: list[int]) -> None:
    sketch = sketch_of(chosen)
    encoded = sketch.encode()
    again = Sketch.decode(encoded)
    assert again == sketch
    assert again.encode() == encoded
    assert again.count() == sketch.count()


@pytest.mark.parametrize(("size", "most"), [(0, 1), (1, 4), (10, 31), (1_000, 1_400), (1_000_000, 2_000)])
def test_it_takes_few_bytes(size: int, most: int) -> None:
    assert len(sketch_of(numbers(random.Random(1), size)).encode()) <= most


DENSE = sketch_of(numbers(random.Random(1), 5_000)).encode()
DAMAGED = {
    "nothing": b"",
    "another kind": b"\x03abc",
    "text": b"hello",
    "cut off in a number": b"\x01\x81",
    "a register that is not": b"\x01\x81\x80\x80\x01",
    "registers without end": b"\x01" + b"\xff" * 1_000_000,
    "a value of none": b"\x01\x40",
    "a value too high": b"\x01\x3f",
    "cut off": DENSE[:-20],
    "not compressed": b"\x02" + bytes(100),
    "too few registers": b"\x02" + zlib.compress(bytes(REGISTERS - 1)),
    "too many registers": b"\x02" + zlib.compress(bytes(REGISTERS + 1)),
    "a bomb": b"\x02" + zlib.compress(bytes(10_000_000)),
    "more after it": DENSE + b"x",
    "a register too high": b"\x02" + zlib.compress(bytes(REGISTERS - 1) + bytes([HIGHEST + 1])),
}


@pytest.mark.parametrize("encoded", DAMAGED.values(), ids=DAMAGED)
def test_what_is_damaged_is_an_error(encoded: bytes) -> None:
    with pytest.raises(ValueError, match=r"^(no|a damaged) sketch: "):
        Sketch.decode(encoded)


@settings(max_examples=200, deadline=None)
@given(st.one_of(st.binary(max_size=60), st.binary(max_size=60).map(b"\x01".__add__)))
def test_any_bytes_are_a_sketch_or_an_error(encoded: bytes) -> None:
    try:
        sketch = Sketch.decode(encoded)
    except ValueError:
        return
    assert Sketch.decode(sketch.encode()) == sketch


def test_people_of_several_sources() -> None:
    source = random.Random(3)
    first, second = numbers(source, 3_000), numbers(source, 1_000)
    one, both = sketch_of(first), sketch_of(first + second)
    assert people([]) == 0
    assert people([(b"key", one)]) == one.count()
    assert people([(b"key", one), (b"key", sketch_of(second))]) == both.count()
    # Under two keys the same people look like others: the higher number, never the sum.
    assert people([(b"key", one), (b"another", sketch_of(second))]) == one.count()


def test_a_sketch_is_no_key_of_a_dictionary() -> None:
    with pytest.raises(TypeError):
        hash(Sketch())
    assert Sketch() != 0
    assert repr(sketch_of([1])) == "<Sketch of about 1>"
