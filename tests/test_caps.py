"""Caps: names are bounded, counts are kept."""

from __future__ import annotations

from collections import Counter
from datetime import date, timedelta
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelog.counting import caps as caps_module
from pipelog.counting.caps import CAPPED_DIMENSIONS, PROVEN, Caps, Place
from pipelog.counting.rules import OTHER, Rules
from pipelog.intake.admitted import Admitted
from pipelog.model import Coordinate, Tally

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


# -- who comes too late ---------------------------------------------------------------------------------------------


def flooded(caps: Caps, tally: Tally, number: int = 1_000, dimension: str = "views") -> None:
    caps.add(((tuple(at(f"/probe/{n}", dimension)), 1) for n in range(number)), tally)


def test_a_page_that_comes_after_a_flood_gets_its_place_and_all_its_counts() -> None:
    caps, tally = Caps(Rules(max_pages=100)), Tally()
    caps.add([(at("/early"), 1)], tally)
    flooded(caps, tally)
    for _ in range(10):
        caps.add([(at("/early"), 1), (at("/late"), 1)], tally)
    assert tally[at("/early")] == 11
    assert tally[at("/late")] == 10
    assert len({c.page for c in tally} - {OTHER}) == 91
    assert sum(tally.values()) == 1_021
    assert caps.refused == {"page": tally[at(OTHER)]}


def test_what_was_counted_before_comes_along_from_an_earlier_tally() -> None:
    caps, tally = Caps(Rules(max_pages=100)), Tally()
    flooded(caps, tally)
    caps.add([(at("/late"), PROVEN - 1)], tally)
    later: Tally = {}
    caps.add([(at("/late"), 1)], later)
    assert later == {at("/late"): PROVEN, at(OTHER): 1 - PROVEN}


def test_the_last_tenth_is_all_there_is() -> None:
    caps, tally = Caps(Rules(max_pages=100)), Tally()
    flooded(caps, tally)
    caps.add([(at(f"/late/{n}"), PROVEN) for n in range(50)], tally)
    assert len({c.page for c in tally} - {OTHER}) == 100
    assert sum(tally.values()) == 1_000 + 50 * PROVEN


def test_values_prove_themselves_too() -> None:
    caps, tally = Caps(Rules(max_values=10)), Tally()
    caps.add([(at("/a", "referrer", f"site/{n}"), 1) for n in range(100)], tally)
    for _ in range(PROVEN):
        caps.add([(at("/a", "referrer", "search/Late"), 1)], tally)
    assert tally[at("/a", "referrer", "search/Late")] == PROVEN
    assert tally[at("/a", "referrer", OTHER)] == 91
    assert caps.refused == {"value": 91}


def test_long_names_take_several_places() -> None:
    caps, tally = Caps(Rules(max_pages=100)), Tally()
    caps.add([(at("/" + str(n) + "x" * 999), 1) for n in range(100)], tally)
    assert len({c.page for c in tally} - {OTHER}) == 90 // 5


def test_all_names_of_a_day_together_are_bounded() -> None:
    caps, tally = Caps(Rules(max_names=1_000)), Tally()
    for n in range(300):
        caps.add([(at(f"/{n}", "referrer", f"site/{v}"), 1) for v in range(10)], tally)
    assert 800 <= len({(c.page, c.value) for c in tally}) <= 1_000 + 10


def test_what_is_watched_is_bounded_and_keeps_what_comes_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(caps_module, "WATCHED", 100)
    caps, tally = Caps(Rules(max_pages=10)), Tally()
    flooded(caps, tally)
    for n in range(3):
        caps.add([(at("/late"), 2 - (n > 0))], tally)
        flooded(caps, tally)
        assert len(caps._days[DAY].watched) <= 100
    assert tally[at("/late")] == PROVEN


few = st.integers(0, 12)


@given(
    st.sets(st.text("ab", min_size=1, max_size=600), max_size=20),
    st.sets(st.tuples(st.sampled_from("abc"), st.text("xyz", min_size=1, max_size=300)), max_size=20),
    st.builds(Rules, max_pages=few, max_values=few, max_names=few.map(lambda n: 4 * n)),
    st.randoms(use_true_random=False),
)
def test_names_that_fit_all_get_a_place(
    pages: set[str], pairs: set[tuple[str, str]], rules: Rules, random: Random
) -> None:
    pages |= {page for page, _ in pairs}
    names = [at(page) for page in pages] + [at(page, "referrer", value) for page, value in pairs]
    random.shuffle(names)
    if Caps(rules).fit(1, [pages], [pairs]):
        caps = Caps(rules)
        assert [caps.admit(name) for name in names] == names


def test_few_short_names_fit() -> None:
    caps = Caps(Rules(max_sites=10, max_pages=10, max_values=10, max_names=40))
    pages, pairs = set("abcdefghi"), {("a", value) for value in "abcdefghi"}
    assert caps.fit(9, [pages, pages], [pairs])
    assert not caps.fit(10, [pages], [pairs])
    assert not caps.fit(1, [pages | {"j"}], [])
    assert not caps.fit(1, [], [pairs | {("a", "j")}])
    assert caps.fit(1, [], [pairs | {("b", "j")}])
    assert not caps.fit(1, [pages] * 4, [])
    assert Caps(Rules(max_pages=0, max_values=0, max_names=0)).fit(1, [pages | {"j"}], [pairs])


class Kept(dict[date, list[Place]]):
    """A memory of names, for one caps after the other."""

    def load(self, day: date) -> list[Place]:
        return list(self.get(day, []))

    def take(self, caps: Caps) -> None:
        for day, places in caps.fresh.items():
            self.setdefault(day, []).extend(places)
        caps.fresh.clear()


def test_a_worker_after_another_admits_the_same_names_and_no_more() -> None:
    kept, tallies = Kept(), []
    for worker in range(3):
        caps, tally = Caps(Rules(max_pages=100, max_values=10), kept), Tally()
        caps.add([(at("/early"), 1), (at("/early", "referrer", "search/X"), 1)], tally)
        caps.add([(at(f"/probe/{n}/{worker if n > 50 else ''}"), 1) for n in range(1_000)], tally)
        kept.take(caps)
        tallies.append(tally)
    pages = [{c.page for c in tally} - {OTHER} for tally in tallies]
    assert len(pages[0] | pages[1] | pages[2]) == len(pages[0]) == 90
    assert all({"/early", "/probe/50/"} <= found for found in pages)
    assert all(tally[at("/early", "referrer", "search/X")] == 1 for tally in tallies)


def test_the_places_on_disk_are_read_again_and_outlive_a_torn_record(tmp_path: Path) -> None:
    admitted, later = Admitted(tmp_path), DAY + timedelta(days=1)
    assert list(admitted.load(DAY)) == []
    admitted.save(DAY, [(1, 2, 3), (2**64 - 1, 0, 1)])
    with (tmp_path / f"names-{DAY}").open("ab") as file:
        file.write(b"torn")
    assert list(admitted.load(DAY)) == [(1, 2, 3), (2**64 - 1, 0, 1)]
    admitted.save(DAY, [(4, 5, 1)])
    admitted.save(later, [(6, 7, 1)])
    assert list(admitted.load(DAY)) == [(1, 2, 3), (2**64 - 1, 0, 1), (4, 5, 1)]
    admitted.forget_before(later)
    assert (list(admitted.load(DAY)), list(admitted.load(later))) == ([], [(6, 7, 1)])


# -- always ------------------------------------------------------------------------------------------------------

names = st.sampled_from("abcde")
coordinates = st.builds(
    Coordinate, st.just(DAY), names, names, st.sampled_from(["views", "missing", "referrer", "status"]), names
)


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.tuples(coordinates, st.integers(1, 3)), max_size=60),
    st.integers(0, 20),
    st.integers(0, 20),
    st.integers(0, 20),
)
def test_counts_are_kept_in_a_tally_whoever_proves_himself(
    counts: list[tuple[Coordinate, int]], sites: int, pages: int, values: int
) -> None:
    caps = Caps(Rules(max_sites=sites, max_pages=pages, max_values=values, max_names=pages * 3))
    tallies: list[Tally] = [{}, {}]
    for number, count in enumerate(counts):
        caps.add([count], tallies[number % 2])
    sums: Counter[Coordinate] = Counter()
    for tally in tallies:
        sums.update(tally)
    assert sums.total() == sum(count for _, count in counts)
    assert all(count >= 0 for count in sums.values())


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
