"""Search words: of engines, of campaigns and of the site itself."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shared_data import cases, needs_shared

from pipelog.counting.keywords import MAX_KEYWORD, NOT_PROVIDED, parameters, searched, tidy
from pipelog.counting.referrers import source


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", {}),
        ("a=1&b=2", {"a": "1", "b": "2"}),
        ("a=1&a=2", {"a": "1"}),
        ("a", {}),
        ("a=", {"a": ""}),
        ("=x", {"": "x"}),
        ("a=b=c", {"a": "b=c"}),
        ("&&a=1&", {"a": "1"}),
        ("q=press+release%20kit%2B", {"q": "press release kit+"}),
        ("q=%C3%A9&r=é&s=\udcc3\udca9", {"q": "é", "r": "é", "s": "é"}),
        ("q=%E9&q=later", {"q": "later"}),  # Latin-1: bytes never become text by guessing
        ("q=%&r=%zz", {"q": "%", "r": "%zz"}),
        ("q=\udcff", {}),
        ("q=%00%1b", {"q": "\x00\x1b"}),
    ],
)
def test_parameters(query: str, found: dict[str, str]) -> None:
    assert parameters(query) == found


def test_no_more_than_a_hundred_parameters_are_looked_at() -> None:
    found = parameters("&".join(f"p{n}=x" for n in range(100_000)))
    assert len(found) == 101


@pytest.mark.parametrize(
    ("words", "tidied"),
    [
        ("Press  Release ", "press release"),
        ("\ta\nb\x00c\x1b[2Jd", "a b c [2jd"),
        ("a\u202eb\u00a0c\u2028d", "a b c d"),
        ("ÄÖÜ 日本語", "äöü 日本語"),
        ("", ""),
        (" \x00 ", ""),
        ("\udcff", ""),
        ("x" * 1000, "x" * MAX_KEYWORD),
        ("x" * (MAX_KEYWORD - 1) + " y", "x" * (MAX_KEYWORD - 1)),
    ],
)
def test_tidy(words: str, tidied: str) -> None:
    assert tidy(words) == tidied


@settings(deadline=None)
@given(st.text())
def test_tidy_words_are_printable_short_and_final(words: str) -> None:
    tidied = tidy(words)
    assert tidied.isprintable()
    assert len(tidied) <= MAX_KEYWORD
    assert tidied == tidied.strip()
    assert "  " not in tidied


@pytest.mark.parametrize(
    ("referrer", "words"),
    [
        ("https://www.google.com/", NOT_PROVIDED),
        ("https://www.google.com/url?sa=t&q=&url=x", NOT_PROVIDED),
        ("https://www.google.com/search?q=Press+Kit", "press kit"),
        ("https://www.google.com/search?hl=en#q=press", NOT_PROVIDED),
        ("https://www.bing.com/search?q=press%20kit&form=x", "press kit"),
        ("https://search.yahoo.com/search?p=press", "press"),
        ("https://yandex.ru/search/?text=%D0%BC%D0%B8%D1%80", "мир"),
        ("https://www.baidu.com/s?wd=press", "press"),
        ("https://www.baidu.com/s?q=press", NOT_PROVIDED),
        ("https://search.naver.com/search.naver?query=press", "press"),
        ("https://www.startpage.com/do/search?query=&q=press", "press"),
        ("https://duckduckgo.com/?q=%FF", NOT_PROVIDED),
        ("android-app://com.google.android.googlequicksearchbox/", NOT_PROVIDED),
        ("https://example.org/?q=press", None),
        ("https://chatgpt.com/?q=press", None),
        ("https://t.co/?q=press", None),
    ],
)
def test_searched(referrer: str, words: str | None) -> None:
    found = source(referrer)
    assert found
    assert searched(found) == words


@needs_shared
@pytest.mark.parametrize("name", ["segmentio_inbound", "ref_inspector", "real_search_referrers_open"])
def test_words_that_others_have_found(name: str) -> None:
    compared = 0
    for case in cases(name):
        expect = case["expect"]
        wanted = expect.get("keyword") or expect.get("term") or expect.get("query")
        found = source(case["line"])
        if wanted and found and found.medium == "search":
            assert searched(found) == tidy(wanted), case["line"]
            compared += 1
    assert compared
