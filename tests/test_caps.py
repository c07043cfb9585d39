"""Caps: names are bounded, counts are kept."""

from __future__ import annotations

from collections import Counter
from datetime import date, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelog.counting.caps import CAPPED_DIMENSIONS, Caps
from pipelog.counting.rules import OTHER, Rules
from pipelog.model import Coordinate

DAY = date(2026, 11, 22)


def at(page: str, dimension: str = "views", value: str = "", *, site: str = "s", day: date = DAY) -> Coordinate:
    return Coordinate(day, site, page, dimension, value)


def test_first_come_first_served() -> None:
    caps = Caps(Rules(max_pages=2))
    assert [caps.admit(at(page)).page for page in "abcadb"] == ["a", "b", OTHER, "a", OTHER, "b"]
    assert caps.refused == {"page": 2}


def test_counts_of_what_is_refused() -> None:
    caps = Caps(Rules(max_pages=1, max_values=1, max_sites=1))
    caps.admit(at("a", "referrer", "x"), 5)
    caps.admit(at("a", "referrer", "y"), 6)
    caps.admit(at("b", "referrer", "x"), 7)
    caps.admit(at("a", "referrer", "x", site="t"), 8)
    assert caps.refused == {"value": 6, "page": 7, "site": 8}


def test_each_day_and_site_has_room_of_its_own() -> None:
    caps = Caps(Rules(max_pages=1))
    for coordinate in (at("a"), at("b", site="t"), at("c", day=DAY + timedelta(days=1))):
        assert caps.admit(coordinate) == coordinate


def test_what_is_missing_and_what_programs_ask_for_takes_no_viewed_page_its_place() -> None:
    caps = Caps(Rules(max_pages=2))
    for number in range(10):
        caps.admit(at(f"/scan/{number}", "missing"))
        caps.admit(at(f"/crawl/{number}", "bot", "search/X"))
    assert [caps.admit(at(page)).page for page in "abc"] == ["a", "b", OTHER]
    assert caps.admit(at("a", "referrer", "x")).page == "a"
    assert caps.admit(at("a", "missing")).page == OTHER


@pytest.mark.parametrize("dimension", sorted(CAPPED_DIMENSIONS))
def test_values_of_strangers_are_capped_for_each_page(dimension: str) -> None:
    caps = Caps(Rules(max_values=1))
    assert [caps.admit(at("a", dimension, value)).value for value in "xyx"] == ["x", OTHER, "x"]
    assert caps.admit(at("b", dimension, "y")).value == "y"


@pytest.mark.parametrize("dimension", ["status", "minute"])
def test_values_that_are_few_are_not_capped(dimension: str) -> None:
    caps = Caps(Rules(max_values=1))
    assert [caps.admit(at("", dimension, value)).value for value in "xy"] == ["x", "y"]


def test_numbers_of_a_site_need_no_room() -> None:
    caps = Caps(Rules(max_pages=1))
    caps.admit(at("a"))
    assert caps.admit(at("", "requests")) == at("", "requests")


def test_no_caps() -> None:
    caps = Caps(Rules(max_pages=0, max_values=0, max_sites=0))
    for number in range(2000):
        coordinate = at(f"/{number}", "referrer", str(number), site=str(number % 50))
        assert caps.admit(coordinate) == coordinate
    assert not caps.refused


def test_a_name_that_says_other_needs_no_room() -> None:
    caps = Caps(Rules(max_pages=1))
    assert caps.admit(at(OTHER)).page == OTHER
    assert caps.admit(at("a")).page == "a"


def test_the_names_of_earlier_days_are_let_go() -> None:
    caps = Caps(Rules(max_pages=1, max_values=1, max_sites=1))
    later = DAY + timedelta(days=1)
    for day in (DAY, later):
        caps.admit(at("a", "referrer", "x", day=day))
    caps.forget_before(later)
    fresh = at("b", "referrer", "y", site="t")
    assert caps.admit(fresh) == fresh
    assert caps.admit(fresh._replace(day=later)) == Coordinate(later, OTHER, "b", "referrer", "y")


names = st.sampled_from("abcde")
coordinates = st.builds(
    Coordinate, st.just(DAY), names, names, st.sampled_from(["views", "missing", "referrer", "status"]), names
)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(coordinates, st.integers(1, 9))), st.integers(0, 4), st.integers(0, 4), st.integers(0, 4))
def test_counts_are_kept_and_names_bounded(
    counts: list[tuple[Coordinate, int]], sites: int, pages: int, values: int
) -> None:
    caps = Caps(Rules(max_sites=sites, max_pages=pages, max_values=values))
    tally: Counter[Coordinate] = Counter()
    for coordinate, count in counts:
        admitted = caps.admit(coordinate, count)
        assert (admitted.day, admitted.dimension) == (coordinate.day, coordinate.dimension)
        assert caps.admit(admitted) == admitted
        tally[admitted] += count
    assert tally.total() == sum(count for _, count in counts)
    assert not sites or len({c.site for c in tally} - {OTHER}) <= sites
    for site in {c.site for c in tally}:
        viewed = {c.page for c in tally if c.site == site and c.dimension != "missing"}
        assert not pages or len(viewed - {OTHER}) <= pages
        for page in viewed:
            referrers = {c.value for c in tally if c[1:4] == (site, page, "referrer")}
            assert not values or len(referrers - {OTHER}) <= values
