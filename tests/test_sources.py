"""The table of sources: what stands in it is well-formed, stands there once, and is found."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pipelog.counting.keywords import searched
from pipelog.counting.referrers import source
from pipelog.counting.sources import ALONE, APPS, BRANDS, HOSTS, SECOND_LEVELS

ROWS = [
    (host, medium, name) for medium, names in HOSTS.items() for name, hosts in names.items() for host in hosts.split()
]
IDS = [(app, medium, name) for medium, names in APPS.items() for name, apps in names.items() for app in apps.split()]
KNOWN = {host: f"{medium}/{name}" for host, medium, name in ROWS}
HOST = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)+[a-z]{2,}")


def value_of(referrer: str) -> str:
    found = source(referrer)
    assert found
    return found.value


def test_there_are_enough_of_them_and_each_once() -> None:
    assert len(ROWS) >= 250
    assert len({host for host, _, _ in ROWS}) == len(ROWS)
    assert len({app for app, _, _ in IDS}) == len(IDS)
    assert set(HOSTS) == set(APPS) == {"search", "ai", "social", "mail", "site"}


@pytest.mark.parametrize(("host", "medium", "name"), ROWS, ids=[host for host, _, _ in ROWS])
def test_a_host_is_found_as_itself_and_below_it_and_by_label(host: str, medium: str, name: str) -> None:
    assert HOST.fullmatch(host)
    value = f"{medium}/{name}"
    for written in (host, host.upper(), f"{host}.:8080"):
        assert value_of(f"https://{written}/a?q=b") == value
    assert value_of(f"https://zz.{host}/") == (f"site/zz.{host}" if host in ALONE else value)
    for other in (f"{host}.example", f"{host}-x.example"):
        assert value_of(f"https://{other}/") == f"site/{other}"
    labels = host.split(".")
    above = [".".join(labels[start:]) for start in range(1, len(labels))]
    if not any(parent in KNOWN for parent in above):
        assert value_of(f"https://zz{host}/") == f"site/zz{host}"
    assert not [parent for parent in above if KNOWN.get(parent) == value and parent not in ALONE], "says it twice"


@pytest.mark.parametrize(("app", "medium", "name"), IDS, ids=[app for app, _, _ in IDS])
def test_an_app_is_found_by_its_whole_id(app: str, medium: str, name: str) -> None:
    assert value_of(f"android-app://{app}/") == f"{medium}/{name}"
    assert value_of(f"android-app://{app}x/") == f"site/{app}x"


COUNTRIES = [
    *("de", "fr", "it", "co", "io", "ru", "ch"),
    *(f"co.{country}" for country in SECOND_LEVELS["co"].split()),
    *(f"com.{country}" for country in SECOND_LEVELS["com"].split()),
]


@pytest.mark.parametrize("brand", sorted(BRANDS))
def test_a_brand_is_in_every_country_what_it_is_under_com(brand: str) -> None:
    below = {"yahoo": "search.yahoo"}.get(brand, f"www.{brand}")
    home = value_of(f"https://{below}.com/")
    assert home.lower().endswith(f"/{brand}")
    for country in COUNTRIES:
        assert value_of(f"https://{below}.{country}/") == home
        for other in (f"{below}.{country}.example", f"{below}x.{country}", f"x{brand}.{country}"):
            assert value_of(f"https://{other}/") == f"site/{other}"
    for other in (f"{brand}.co.cc", f"{brand}.com.de", f"{brand}.net.au", f"{brand}.example"):
        assert value_of(f"https://{other}/") == f"site/{other}"


# -- what the documentation says of it -----------------------------------------------------------------------------

DOCS = (Path(__file__).parents[1] / "docs" / "referrers.md").read_text("utf-8")


def table(heading: str) -> list[list[str]]:
    """The cells of the rows of the first table with this heading, without quotes."""
    rows = DOCS.partition(f"\n| {heading}")[2].partition("\n\n")[0].splitlines()[2:]
    return [[cell.strip(" `") for cell in row.strip("|").split("|")] for row in rows]


def test_the_documented_numbers_are_those_of_the_table() -> None:
    assert f"{len(ROWS)} hosts and {len(IDS)} ids of Android apps" in DOCS
    told = {medium: int(number) for medium, number, _ in table("medium | hosts")}
    assert told == {medium: sum(row[1] == medium for row in ROWS) for medium in HOSTS}


@pytest.mark.parametrize(("referrer", "value"), table("referrer | counts as"))
def test_the_documented_referrers(referrer: str, value: str) -> None:
    found = source(referrer)
    assert (found.value if found else "no row") == value


@pytest.mark.parametrize(("referrer", "words"), table("referrer | keyword"))
def test_the_documented_search_words(referrer: str, words: str) -> None:
    found = source(referrer)
    assert found
    assert (searched(found) or "no row") == words
