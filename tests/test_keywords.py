"""Search words: of engines, of campaigns and of the site itself."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelog.counting.keywords import (
    CHARSETS,
    MAX_KEYWORD,
    NOT_PROVIDED,
    OLD_CHARSETS,
    PARAMETERS,
    parameters,
    searched,
    tidy,
)
from pipelog.counting.referrers import source
from pipelog.counting.sources import HOSTS


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


# -- charsets ------------------------------------------------------------------------------------------------


def of_bytes(text: str, codec: str) -> str:
    """As a form sends it in that charset."""
    return quote(text.encode(codec))


NEWS = "新闻稿"
PRESS = "пресса"
KOREAN = "보도자료"
JAPANESE = "報道資料"


@pytest.mark.parametrize(
    ("referrer", "words"),
    [
        # named by the URL
        (f"https://www.baidu.com/s?ie=gb2312&wd={of_bytes(NEWS, 'gbk')}", NEWS),
        (f"https://www.baidu.com/s?wd={of_bytes(NEWS, 'gbk')}&ie=GBK", NEWS),
        (f"https://www.baidu.com/s?ie=utf-8&wd={of_bytes(NEWS, 'utf-8')}", NEWS),
        (f"https://www.baidu.com/s?ie=utf-8&wd={of_bytes(NEWS, 'gbk')}", NOT_PROVIDED),
        (f"https://search.yahoo.co.jp/search?ei=EUC-JP&p={of_bytes(JAPANESE, 'euc_jp')}", JAPANESE),
        (f"https://search.yahoo.co.jp/search?ei=UTF-8&p={of_bytes(JAPANESE, 'utf-8')}", JAPANESE),
        (f"https://search.yahoo.co.jp/search?p={of_bytes(JAPANESE, 'euc_jp')}", NOT_PROVIDED),
        (f"https://search.naver.com/search.naver?ie=euc-kr&query={of_bytes(KOREAN, 'euc_kr')}", KOREAN),
        (f"https://www.google.co.jp/search?ie=Shift_JIS&q={of_bytes(JAPANESE, 'cp932')}", JAPANESE),
        (f"https://www.google.ru/search?ie=windows-1251&q={of_bytes(PRESS, 'cp1251')}", PRESS),
        (f"https://www.google.de/search?ie=ISO-8859-1&q={of_bytes('größe', 'latin-1')}", "größe"),
        (f"https://www.google.com/search?ei=W88AU4n9HOq60QXbv4GwBg&q={of_bytes(PRESS, 'utf-8')}", PRESS),
        # not named: UTF-8, or else what the engine is known for
        (f"https://www.baidu.com/s?wd={of_bytes(NEWS, 'gbk')}", NEWS),
        (f"https://www.baidu.com/s?wd={of_bytes(NEWS, 'utf-8')}", NEWS),
        (f"https://www.sogou.com/web?query={of_bytes(NEWS, 'gbk')}", NEWS),
        (f"https://search.naver.com/search.naver?query={of_bytes(KOREAN, 'euc_kr')}", KOREAN),
        (f"https://search.nate.com/search/all.html?q={of_bytes(KOREAN, 'euc_kr')}", KOREAN),
        (f"https://search.goo.ne.jp/web.jsp?MT={of_bytes(JAPANESE, 'euc_jp')}", JAPANESE),
        # never by guessing: no charset named and none known, one that is no charset, UTF-8 without its end
        (f"https://www.google.ru/search?q={of_bytes(PRESS, 'cp1251')}", NOT_PROVIDED),
        (f"https://nova.rambler.ru/search?query={of_bytes(PRESS, 'cp1251')}", NOT_PROVIDED),
        (f"https://www.google.ru/search?ie=zip&q={of_bytes(PRESS, 'cp1251')}", NOT_PROVIDED),
        ("https://www.google.com/search?ie=rot13&q=press", "press"),
        ("https://www.google.com/search?ie=unicode_escape&q=%5Cx41", "\\x41"),
        ("https://www.google.com/search?ie=utf-7&q=%2BADw-", "+adw-"),
        (f"https://www.baidu.com/s?wd={of_bytes(NEWS + NEWS, 'utf-8')[:-6]}", NOT_PROVIDED),
        ("https://www.baidu.com/s?wd=%FF%FE", NOT_PROVIDED),
        ("https://www.baidu.com/s?wd=%FF%FE&word=press", "press"),
    ],
)
def test_charsets(referrer: str, words: str) -> None:
    found = source(referrer)
    assert found
    assert searched(found) == words


def test_the_codecs_are_charsets() -> None:
    for codec in {*CHARSETS.values(), *OLD_CHARSETS.values()}:
        assert isinstance(b"press".decode(codec), str)
    for engine, codec in OLD_CHARSETS.items():
        garbage = sum(is_text(bytes((0xE0 + n, 0x20)), codec) for n in range(32))
        assert garbage < 8, f"{engine}: most bytes pass for text"


def is_text(raw: bytes, codec: str) -> bool:
    try:
        raw.decode(codec)
    except UnicodeDecodeError:
        return False
    return True


@settings(deadline=None)
@given(st.binary(max_size=12), st.sampled_from(["Baidu", "Google", "Naver"]), st.sampled_from([*CHARSETS, "", "zip"]))
def test_what_is_counted_could_have_been_typed(raw: bytes, engine: str, charset: str) -> None:
    """Words are the bytes sent, in a charset that the URL or the engine stands for, or they are not counted."""
    host, parameter = {"Baidu": ("baidu.com", "wd"), "Naver": ("search.naver.com", "query")}.get(
        engine, ("google.de", "q")
    )
    found = source(f"http://{host}/?ie={charset}&{parameter}={quote(raw)}")
    assert found
    words = searched(found)
    allowed = [CHARSETS[charset]] if charset in CHARSETS else ["utf-8", *filter(None, [OLD_CHARSETS.get(engine)])]
    readings = [tidy(raw.decode(codec)) for codec in allowed if is_text(raw, codec)]
    assert words in readings or words == NOT_PROVIDED


def test_every_engine_with_parameters_is_in_the_table() -> None:
    assert set(PARAMETERS) | set(OLD_CHARSETS) <= set(HOSTS["search"])


@pytest.mark.parametrize("engine", sorted(HOSTS["search"]))
def test_every_engine_is_asked_for_its_words(engine: str) -> None:
    host = HOSTS["search"][engine].split()[0]
    for parameter in PARAMETERS.get(engine, ("q",)):
        found = source(f"https://{host}/x?a=b&{parameter}=Press+Kit")
        assert found
        assert searched(found) == "press kit"
