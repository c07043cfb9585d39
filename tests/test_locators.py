"""Locations: a table of good and bad URLs, and passwords that never show."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from pipelog.errors import LocationError
from pipelog.locators import Location, seconds

GOOD = [
    ("memory:", Location("memory")),
    ("memory://", Location("memory")),
    ("sqlite:///var/lib/counters.db", Location("sqlite", (), "/var/lib/counters.db")),
    ("sqlite:/var/lib/counters.db", Location("sqlite", (), "/var/lib/counters.db")),
    ("sqlite:counters.db", Location("sqlite", (), "counters.db")),
    ("sqlite:../state/c.db?timeout=2", Location("sqlite", (), "../state/c.db", query={"timeout": "2"})),
    ("SQLite:///A%20b%3Fc%25.db", Location("sqlite", (), "/A b?c%.db")),
    ("sqlite:////x", Location("sqlite", (), "//x")),
    ("sqlite:///my folder/ü.db", Location("sqlite", (), "/my folder/ü.db")),
    ("sqlite:///srv/user@host/x.db", Location("sqlite", (), "/srv/user@host/x.db")),
    ("sqlite:///%FF.db", Location("sqlite", (), "/\udcff.db")),
    ("memcached://h1", Location("memcached", (("h1", None),))),
    ("memcached://h1:1,h2,10.0.0.1:65535", Location("memcached", (("h1", 1), ("h2", None), ("10.0.0.1", 65535)))),
    ("memcached://[::1]:11212,[fe80::1%25eth0]", Location("memcached", (("::1", 11212), ("fe80::1%eth0", None)))),
    ("memcached:///run/memcached.sock", Location("memcached", (), "/run/memcached.sock")),
    (
        "memcached://h1:11211,h2:11211?timeout=0.5&connect_timeout=2",
        Location("memcached", (("h1", 11211), ("h2", 11211)), query={"timeout": "0.5", "connect_timeout": "2"}),
    ),
    ("redis://u:p%40%2F%3A@h:6379/0", Location("redis", (("h", 6379),), "/0", "u", "p@/:")),
    ("redis://u:a:b@h", Location("redis", (("h", None),), "", "u", "a:b")),
    ("redis://:secret@h", Location("redis", (("h", None),), "", "", "secret")),
    ("sql+postgresql://u@db.example.org/site", Location("sql+postgresql", (("db.example.org", None),), "/site", "u")),
    ("csv:///folder/", Location("csv", (), "/folder/")),
    ("x:a?empty=&plus=a+b&path=/x", Location("x", (), "a", query={"empty": "", "plus": "a+b", "path": "/x"})),
]

BAD = [
    ("", "begins with a scheme"),
    ("/var/lib/counters.db", "begins with a scheme"),
    ("counters.db", "begins with a scheme"),
    ("://h", "begins with a scheme"),
    ("1x://h", "begins with a scheme"),
    ("a b://h", "begins with a scheme"),
    ("sql+://h", "begins with a scheme"),
    ("memcached://h1\n", "control character"),
    ("sqlite:///a\0b", "control character"),
    ("sqlite:///a#b", "%23"),
    ("sqlite:///100%", "%25"),
    ("sqlite:///%zz", "%25"),
    ("memcached://h1:0", "port of host number 1"),
    ("memcached://h1,h2:65536", "port of host number 2"),
    ("memcached://h1:x", "host number 1"),
    ("memcached://h1:", "host number 1"),
    ("memcached://h1:123456", "host number 1"),
    ("memcached://h1,", "host number 2"),
    ("memcached://,h1", "host number 1"),
    ("memcached://::1", "host number 1"),
    ("memcached://[::1", "host number 1"),
    ("memcached://[::1]x", "host number 1"),
    ("memcached://[localhost]", "host number 1"),
    ("memcached://h 1", "host number 1"),
    ("memcached://h1%0d%0aflush_all", "host number 1"),
    ("memcached://user@", "no host after the @"),
    ("redis://u:pa/ss@h", "%2F"),
    ("redis://u:pa?s=s@h", "%3F"),
    ("memcached://h?timeout", "setting number 1"),
    ("memcached://h?=1", "setting number 1"),
    ("memcached://h?a=1&a=2", "given twice"),
    ("memcached://h?a=1&", "setting number 2"),
]


@pytest.mark.parametrize(("url", "location"), GOOD)
def test_good(url: str, location: Location) -> None:
    assert Location.parse(url) == location


@pytest.mark.parametrize("location", [location for _, location in GOOD if location.password is None])
def test_str_reads_back(location: Location) -> None:
    assert Location.parse(str(location)) == location


@pytest.mark.parametrize(("url", "reason"), BAD)
def test_bad(url: str, reason: str) -> None:
    with pytest.raises(LocationError) as caught:
        Location.parse(url)
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)


def test_driver_and_ports() -> None:
    assert Location.parse("sql+postgresql://db").driver == "postgresql"
    assert Location.parse("sqlite:x").driver == ""
    assert Location.parse("memcached://a,b:5").addresses(11211) == (("a", 11211), ("b", 5))


def test_is_frozen_and_hashable() -> None:
    location = Location.parse("memcached://h?timeout=1")
    assert len({location, Location.parse("memcached://h?timeout=1")}) == 1
    with pytest.raises(AttributeError):
        location.path = "/x"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("sqlite:///a/b.db", "/a/b.db"),
        ("sqlite:////a/b.db", "/a/b.db"),
        ("sqlite:b.db", "b.db"),
        ("csv:/folder/", "/folder"),
    ],
)
def test_local_path(url: str, path: str) -> None:
    assert str(Location.parse(url).local_path()) == path


@pytest.mark.parametrize("url", ["sqlite:", "sqlite:///", "sqlite://a/b.db", "sqlite://u@h/b.db", "sqlite:///a%00b"])
def test_no_local_path(url: str) -> None:
    with pytest.raises(LocationError, match="sqlite:///absolute"):
        Location.parse(url).local_path()


def test_take_query() -> None:
    location = Location.parse("memcached://h?timeout=0.5&tries=3")
    assert location.take_query({"timeout": seconds, "tries": int, "other": str}) == {"timeout": 0.5, "tries": 3}


@pytest.mark.parametrize(
    ("query", "known", "reason"),
    [
        ("tiemout=1", {"timeout": seconds, "connect_timeout": seconds}, "known are: connect_timeout, timeout"),
        ("timeout=1", {}, "known are: none"),
        ("timeout=soon", {"timeout": seconds}, "timeout cannot be used: use a number of seconds above 0"),
        ("timeout=0", {"timeout": seconds}, "above 0"),
        ("timeout=-1", {"timeout": seconds}, "above 0"),
        ("timeout=nan", {"timeout": seconds}, "above 0"),
        ("timeout=inf", {"timeout": seconds}, "above 0"),
        ("tries=x", {"tries": int}, "tries cannot be used"),
    ],
)
def test_take_query_refuses(query: str, known: dict[str, Any], reason: str) -> None:
    with pytest.raises(LocationError) as caught:
        Location.parse(f"memcached://h?{query}").take_query(known)
    assert reason in str(caught.value)


def test_secrets_are_hidden() -> None:
    location = Location.parse("redis://u:hunter2@h/0?password=hunter2&access_token=hunter2&timeout=1")
    assert str(location) == "redis://u:***@h/0?password=***&access_token=***&timeout=1"
    assert repr(location) == f"Location({str(location)!r})"


@settings(max_examples=300)
@given(
    secret=st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20),
    url=st.sampled_from(
        [
            "redis://u:{}@h/0?timeout=1",
            "redis://:{}@h",
            "redis://u:{}@h:x",
            "redis://u:{}@h:99999",
            "redis://u:{}@",
            "redis://u:{}@h/0?timeout",
            "redis://u:{}@h/0#",
        ]
    ),
)
def test_password_never_shows(secret: str, url: str) -> None:
    marked = "Zq9" + secret + "9qZ"  # recognisable whole and by its two ends, should it be cut at a / or @
    try:
        location = Location.parse(url.format(marked))
        shown = str(location) + repr(location)
        try:
            location.take_query({})
        except LocationError as error:
            shown += str(error)
        try:
            location.local_path()
        except LocationError as error:
            shown += str(error)
    except LocationError as error:
        shown = str(error)
    assert "Zq9" not in shown
    assert "9qZ" not in shown


@settings(max_examples=200)
@given(
    path=st.text(max_size=20).map(lambda text: text.encode("utf-8", "surrogatepass").decode("utf-8", "replace")),
    absolute=st.booleans(),
    query=st.dictionaries(st.sampled_from(["timeout", "a b", "ü"]), st.text(st.characters(codec="utf-8"))),
)
def test_round_trip(path: str, absolute: bool, query: dict[str, str]) -> None:
    path = "/" + path if absolute else path
    assume(absolute or not path.startswith("/"))
    location = Location("sqlite", (), path, query=query)
    assert Location.parse(str(location)) == location


@settings(max_examples=300)
@given(st.text(max_size=60) | st.from_regex(r"\A[a-z]+:(//)?[^\n]{0,40}\Z"))
def test_any_text_parses_or_is_refused(url: str) -> None:
    try:
        location = Location.parse(url)
    except LocationError:
        return
    assert location.scheme
