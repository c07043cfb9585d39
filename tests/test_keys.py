"""Keys: legal for memcached whatever the text, one key a coordinate, and readable back."""

from __future__ import annotations

import re
from datetime import date

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pipelog.backends.keys import MAX_KEY, Keys, decode_name, encode_name
from pipelog.errors import SettingsError
from pipelog.model import Coordinate

DAY = date(2026, 11, 22)
LEGAL = re.compile(r"[!-~]{1,250}")
KEYS = Keys()

# As the parser makes it: bytes of anyone, decoded once. The short alphabet makes near misses likely.
texts = st.one_of(
    st.binary(max_size=120).map(lambda raw: raw.decode("utf-8", "surrogateescape")),
    st.text("|#=%7Cä a\x00\n\udcff", max_size=6),
    st.text("ab/%|", min_size=200, max_size=400),
)
names = st.text("abc|#=%ä ", max_size=8)
coordinates = st.builds(
    Coordinate, st.dates(), texts, texts, names, texts | st.text(st.characters(codec="utf-8"), max_size=80)
)


def as_bytes(*parts: str) -> list[bytes]:
    return [part.encode("utf-8", "surrogateescape") for part in parts]


@pytest.mark.parametrize(
    ("coordinate", "key"),
    [
        (Coordinate(DAY, "site", "/page", "views", ""), "pipelog|20261122|views|site|/page|"),
        (Coordinate(DAY, "", "", "requests", ""), "pipelog|20261122|requests|||"),
        (Coordinate(date(7, 1, 2), "a", "b", "c", "d"), "pipelog|00070102|c|a|b|d"),
        (Coordinate(DAY, "a b", "/ä|%#=", "x", "\n\0"), "pipelog|20261122|x|a%20b|/%C3%A4%7C%25%23%3D|%0A%00"),
        (Coordinate(DAY, "s", "/\udcff", "x", ""), "pipelog|20261122|x|s|/%FF|"),
    ],
)
def test_readable_keys(coordinate: Coordinate, key: str) -> None:
    assert KEYS.counter(coordinate) == key
    assert KEYS.coordinate(key) == coordinate
    assert not KEYS.is_hashed(key)


@pytest.mark.parametrize(("length", "hashed"), [(223, False), (224, False), (225, True), (100_000, True)])
def test_long_keys_are_hashed(length: int, hashed: bool) -> None:
    coordinate = Coordinate(DAY, "s", "/" * length, "views", "")
    key = KEYS.counter(coordinate)
    assert KEYS.is_hashed(key) is hashed
    assert len(key) == (len("pipelog|20261122|views|#") + 48 if hashed else length + 26)
    assert key.startswith(KEYS.day(DAY) + "views|")
    assert KEYS.coordinate(key) == (None if hashed else coordinate)


@settings(max_examples=300)
@given(coordinates)
@example(Coordinate(DAY, "", "", "", ""))
def test_counter_keys_are_legal_and_read_back(coordinate: Coordinate) -> None:
    key = KEYS.counter(coordinate)
    assert LEGAL.fullmatch(key)
    assert len(key) <= MAX_KEY
    assert key.startswith(KEYS.day(coordinate.day))
    if KEYS.is_hashed(key):
        assert KEYS.coordinate(key) is None
        name = KEYS.name(key)
        assert LEGAL.fullmatch(name)
        assert name.startswith(KEYS.day(coordinate.day))
    else:
        read = KEYS.coordinate(key)
        assert read is not None
        assert read.day == coordinate.day
        assert as_bytes(*read[1:]) == as_bytes(*coordinate[1:])


@settings(max_examples=500)
@given(coordinates, coordinates)
@example(Coordinate(DAY, "a|b", "c", "d", ""), Coordinate(DAY, "a", "b|c", "d", ""))
@example(Coordinate(DAY, "a%7Cb", "c", "d", ""), Coordinate(DAY, "a|b", "c", "d", ""))
@example(Coordinate(DAY, "s", "p" * 300, "d", "x"), Coordinate(DAY, "s", "p" * 300, "d", "y"))
@example(Coordinate(DAY, "s", "p" * 300, "d", ""), Coordinate(DAY, "s" + "p" * 300, "", "d", ""))
@example(Coordinate(DAY, "s", "p" * 300, "d", ""), Coordinate(DAY, "s", "p" * 300, "e", ""))
def test_different_coordinates_have_different_keys(one: Coordinate, two: Coordinate) -> None:
    same = (one.day, as_bytes(*one[1:])) == (two.day, as_bytes(*two[1:]))
    keys = KEYS.counter(one), KEYS.counter(two)
    assert (keys[0] == keys[1]) is same
    if all(map(KEYS.is_hashed, keys)):
        assert (KEYS.name(keys[0]) == KEYS.name(keys[1])) is same


@settings(max_examples=300)
@given(coordinates, st.lists(texts, max_size=3), st.none() | st.dates())
def test_no_document_passes_for_a_counter(coordinate: Coordinate, name: list[str], day: date | None) -> None:
    key = KEYS.document("kind", *name, day=day)
    assert LEGAL.fullmatch(key)
    assert key != KEYS.counter(coordinate)
    if day is not None:
        assert key.startswith(KEYS.day(day))


@settings(max_examples=300)
@given(st.lists(texts, max_size=3), st.lists(texts, max_size=3), st.none() | st.dates(), st.none() | st.dates())
@example(["a", "b"], ["a|b"], None, None)
@example(["x" * 300], ["x" * 299, ""], None, None)
@example([], [""], None, None)
def test_different_documents_have_different_keys(
    one: list[str], two: list[str], day: date | None, other: date | None
) -> None:
    same = (as_bytes(*one), day) == (as_bytes(*two), other)
    assert (KEYS.document("kind", *one, day=day) == KEYS.document("kind", *two, day=other)) is same


def test_kinds_and_prefixes_are_apart() -> None:
    assert KEYS.document("a", "host", 0) == "pipelog||=a|host|0"
    assert KEYS.document("a", day=DAY) == "pipelog|20261122|=a"
    long = "x" * 300
    keys = {Keys(prefix).document(kind, long) for prefix in ("p", "q") for kind in ("a", "b")}
    assert len(keys) == 4
    coordinate = Coordinate(DAY, "s", long, "views", "")
    assert Keys("p").counter(coordinate) != Keys("q").counter(coordinate)


@settings(max_examples=200)
@given(coordinates)
def test_name_documents_read_back(coordinate: Coordinate) -> None:
    content = encode_name(coordinate)
    assert content.isascii()
    assert decode_name(content) == coordinate


@pytest.mark.parametrize("prefix", ["", "a b", "a|b", "a" * 41, "ä", "a\n", "a%", "#"])
def test_bad_prefix(prefix: str) -> None:
    with pytest.raises(SettingsError, match="use 1 to 40 letters"):
        Keys(prefix)


def test_longest_prefix() -> None:
    keys = Keys("p" * 40)
    assert LEGAL.fullmatch(keys.counter(Coordinate(DAY, "s" * 300, "", "d" * 100, "")))
    assert LEGAL.fullmatch(keys.document("k" * 40, "x" * 300, day=DAY))
