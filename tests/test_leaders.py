"""The names that lead a day, as a document."""

from __future__ import annotations

import json
import random
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelog.counting import leaders as leaders_module
from pipelog.counting.leaders import KEEP, MAX_DOCUMENT, Leaders
from pipelog.model import Coordinate, Tally

DAY = date(2026, 11, 22)


def views(counts: dict[str, int], site: str = "s") -> Tally:
    return {Coordinate(DAY, site, page, "views", ""): count for page, count in counts.items()}


def held(leaders: Leaders) -> dict[str, dict[str, dict[str, list[str]]]]:
    content: dict[str, dict[str, dict[str, list[str]]]] = json.loads(leaders.encode())
    return content


def test_of_nothing() -> None:
    content = held(Leaders())
    assert content["sites"] == []
    assert content["pages"] == {"views": {}, "missing": {}}
    assert set(content["values"]) == {"referrer", "keyword", "bot", "campaign", "status"}


def test_leaders_come_first() -> None:
    leaders = Leaders()
    leaders.add(views({"/a": 2, "/b": 3, "/c": 1}))
    leaders.add(views({"/a": 2}))
    leaders.add(views({"/z": 9}, site="t"))
    assert held(leaders)["pages"]["views"] == {"s": ["/a", "/b", "/c"], "t": ["/z"]}


def test_each_dimension_has_its_names() -> None:
    leaders = Leaders()
    leaders.add({
        Coordinate(DAY, "s", "", "requests", ""): 5,
        Coordinate(DAY, "t", "", "requests", ""): 6,
        Coordinate(DAY, "s", "/a", "missing", ""): 1,
        Coordinate(DAY, "s", "/a", "referrer", "search/Google"): 1,
        Coordinate(DAY, "s", "/b", "referrer", "search/Google"): 1,
        Coordinate(DAY, "s", "/a", "referrer", "search/Bing"): 1,
        Coordinate(DAY, "s", "/a", "keyword", "press"): 1,
        Coordinate(DAY, "s", "/a", "bot", "tool/curl"): 1,
        Coordinate(DAY, "s", "/a", "campaign", "a/b/c"): 1,
        Coordinate(DAY, "s", "", "status", "200"): 1,
        Coordinate(DAY, "s", "", "minute", "12:00"): 1,
        Coordinate(DAY, "s", "", "bytes", ""): 1,
    })  # fmt: skip
    assert held(leaders) == {
        "sites": ["t", "s"],
        "pages": {"views": {}, "missing": {"s": ["/a"]}},
        "values": {
            "referrer": {"s": ["search/Google", "search/Bing"]},
            "keyword": {"s": ["press"]},
            "bot": {"s": ["tool/curl"]},
            "campaign": {"s": ["a/b/c"]},
            "status": {"s": ["200"]},
        },
    }


def test_only_the_first_are_held() -> None:
    leaders = Leaders()
    leaders.add(views({f"/{number}": number for number in range(1, 3 * KEEP["pages"])}))
    pages = held(leaders)["pages"]["views"]["s"]
    assert pages == [f"/{number}" for number in range(3 * KEEP["pages"] - 1, 2 * KEEP["pages"] - 1, -1)]


@pytest.mark.parametrize("dimension", ["views", "referrer", "requests"])
def test_a_flood_of_names_costs_bounded_memory_and_drives_no_leader_out(dimension: str) -> None:
    leaders = Leaders()
    made = {"views": ("s", "{}", ""), "referrer": ("s", "/", "{}"), "requests": ("{}", "", "")}[dimension]

    def coordinate(name: str) -> Coordinate:
        site, page, value = (part.format(name) for part in made)
        return Coordinate(DAY, site, page, dimension, value)

    leaders.add({coordinate("leader"): 10})
    for flood in range(30):
        leaders.add({coordinate(f"{flood}/{number}"): 1 for number in range(1_000)})
    counters = [leaders._sites, *leaders._pages.values(), *leaders._values.values()]
    assert sum(map(len, counters)) <= 8 * max(KEEP.values()) + 1_000
    content = held(leaders)
    first = {
        "views": content["pages"]["views"],
        "referrer": content["values"]["referrer"],
        "requests": content["sites"],
    }
    names = first[dimension]
    assert (names["s"] if isinstance(names, dict) else names)[0] == "leader"


def test_goes_on_from_a_document() -> None:
    leaders = Leaders()
    leaders.add(views({"/a": 20, "/b": 10, "/c": 5}))
    leaders.add({Coordinate(DAY, "s", "", "requests", ""): 1, Coordinate(DAY, "s", "/a", "bot", "x"): 1})
    again = Leaders(leaders.encode())
    assert held(again) == held(leaders)
    again.add(views({"/c": 100}))
    assert held(again)["pages"]["views"]["s"] == ["/c", "/a", "/b"]


def test_a_document_of_a_later_version_may_hold_more() -> None:
    leaders = Leaders()
    leaders.add(views({"/a": 1}))
    content = held(leaders)
    content["values"]["colour"] = {"s": ["red"]}
    assert held(Leaders(json.dumps(content).encode())) == held(leaders)


def test_a_document_is_never_too_large() -> None:
    leaders = Leaders()
    rnd = random.Random(7)
    leaders.add(views({f"/{number}/" + "é" * 1_000: rnd.randint(1, 9) for number in range(2_000)}))
    leaders.add(views({"/leader": 1_000}))
    document = leaders.encode()
    assert len(document) <= MAX_DOCUMENT
    assert json.loads(document)["pages"]["views"]["s"][0] == "/leader"


def test_a_document_that_nothing_fits_into_holds_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leaders_module, "MAX_DOCUMENT", 300)
    leaders = Leaders()
    leaders.add(views({"/" + "x" * 1_000: 1}))
    assert held(leaders)["pages"]["views"] == {}


@settings(max_examples=50, deadline=None)
@given(st.dictionaries(st.text(), st.integers(1, 1_000)))
def test_any_name_comes_back(counts: dict[str, int]) -> None:
    leaders = Leaders()
    leaders.add(views(counts))
    assert sorted(held(leaders)["pages"]["views"].get("s", [])) == sorted(counts)
    assert held(Leaders(leaders.encode())) == held(leaders)
