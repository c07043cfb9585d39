"""Where a view came from."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from shared_data import cases, needs_shared

from pipelog.counting.referrers import bare, hostname, source


@pytest.mark.parametrize(
    ("referrer", "value"),
    [
        ("https://www.google.com/", "search/Google"),
        ("http://google.com", "search/Google"),
        ("https://www.google.co.uk/search?q=x", "search/Google"),
        ("https://www.google.com.br/", "search/Google"),
        ("https://www.google.de", "search/Google"),
        ("HTTPS://WWW.BING.COM/search?q=x", "search/Bing"),
        ("https://de.search.yahoo.com/search?p=x", "search/Yahoo"),
        ("https://duckduckgo.com/", "search/DuckDuckGo"),
        ("https://yandex.com.tr/", "search/Yandex"),
        ("https://chatgpt.com/", "ai/ChatGPT"),
        ("https://www.perplexity.ai/search/x", "ai/Perplexity"),
        ("https://gemini.google.com/app", "ai/Gemini"),
        ("https://t.co/abc", "social/X"),
        ("https://m.facebook.com/", "social/Facebook"),
        ("https://l.instagram.com/?u=x", "social/Instagram"),
        ("https://mail.google.com/mail/u/0/", "mail/Gmail"),
        ("https://mail.yahoo.com/", "mail/Yahoo Mail"),
        ("https://mail.yandex.ru/lite", "mail/Yandex Mail"),
        ("https://docs.google.com/document/d/x", "site/docs.google.com"),
        ("https://images.google.co.uk/imgres?q=x", "search/Google"),
        ("https://search.yahoo.co.jp/search?p=x", "search/Yahoo"),
        ("android-app://com.google.android.googlequicksearchbox/https/www.google.com", "search/Google"),
        ("android-app://org.example.reader/", "site/org.example.reader"),
        # by label, never by substring
        ("https://notbing.com/", "site/notbing.com"),
        ("https://bing.com.example.org/", "site/bing.com.example.org"),
        ("https://example.org/?u=https://www.bing.com/", "site/example.org"),
        ("https://google.example.org/", "site/google.example.org"),
        ("https://mygoogle.de/", "site/mygoogle.de"),
        ("https://chat.co/", "site/chat.co"),
        ("https://microsoft.com/", "site/microsoft.com"),
        # any other host is its own name
        ("http://blog.example.org:8080/a?b#c", "site/blog.example.org"),
        ("http://example.org.", "site/example.org"),
        ("//example.org/a", "site/example.org"),
        ("http://user:secret@example.org/", "site/example.org"),
        ("http://www.bing.com@example.org/", "site/example.org"),
        ("http://example.org\\@www.bing.com/", "site/example.org"),
        ("http://192.0.2.7/", "site/192.0.2.7"),
        ("http://[2001:DB8::1]:80/", "site/[2001:db8::1]"),
        ("http://localhost", "site/localhost"),
        ("http://xn--bcher-kva.example/", "site/xn--bcher-kva.example"),
        # no web address
        (None, None),
        ("", None),
        ("-", None),
        ("example.org", None),
        ("about:blank", None),
        ("javascript:alert(1)", None),
        ("file:///etc/passwd", None),
        ("http://", None),
        ("http:///a", None),
        ("http://exa mple.org/", None),
        ("http://example.org:port/", None),
        ("http://bücher.example/", None),
        ("http://ex\x00ample.org/", None),
        ("http://<script>/", None),
        ("http://example.org\n.evil/", None),
        ("http://.example.org/", None),
        ("http://-example.org/", None),
        ("http://" + "a" * 254 + "/", None),
        ("http://[" + "1" * 46 + "]/", None),
        (" http://example.org/", None),
    ],
)
def test_source(referrer: str | None, value: str | None) -> None:
    found = source(referrer)
    assert (found and found.value) == value


def test_the_rest_holds_path_and_query() -> None:
    found = source("http://Example.ORG:80/A?b=C#d")
    assert found
    assert (found.host, found.rest) == ("example.org", "/A?b=C")


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("Example.ORG", "example.org"),
        ("example.org:443", "example.org"),
        ("example.org.", "example.org"),
        ("www.example.org", "www.example.org"),
        ("[::1]", "[::1]"),
        ("[::1]:80", "[::1]"),
        ("[::1", "[::1"),
        ("192.0.2.7:80", "192.0.2.7"),
        (":80", ""),
        ("", ""),
    ],
)
def test_hostname(host: str, expected: str) -> None:
    assert hostname(host) == expected
    assert hostname(expected) == expected


def test_bare_hosts_lack_www() -> None:
    assert bare("WWW.example.org:80") == bare("example.org.") == "example.org"
    assert bare("www2.example.org") == "www2.example.org"


VALUE = re.compile(r"(?:search|ai|social|mail|site)/[ -~]{1,260}")
parts = st.sampled_from(
    ["http://", "//", "android-app://", "www.", "google.", "com", ".", ":", "80", "@", "/", "?", "[", "]", "\\"]
)


@settings(deadline=None)
@given(st.lists(st.one_of(parts, st.text(max_size=3))).map("".join))
@example("http://" + "a.b" * 84)
def test_values_are_short_and_printable(referrer: str) -> None:
    found = source(referrer)
    assert found is None or VALUE.fullmatch(found.value)


@pytest.mark.parametrize("piece", ["a", "a.", "@", ":", "[", "/", "http://", "\\"])
def test_no_referrer_takes_long(piece: str) -> None:
    begin = time.process_time()
    source("http://" + piece * (128 * 1024 // len(piece)))
    source("android-app://" + piece * (128 * 1024 // len(piece)))
    assert time.process_time() - begin < 0.1


# What others call by another name.
SAME = {"twitter": "x", "google images": "google", "google custom search": "google", "yandex images": "yandex"}
# Places that are no more, or known here by their host alone.
UNKNOWN = {"google+", "me2day", "infospace"}


@needs_shared
@pytest.mark.parametrize("name", ["segmentio_inbound", "ref_inspector", "real_search_referrers_open"])
def test_referrers_that_others_have_collected(name: str) -> None:
    compared = 0
    for case in cases(name):
        expect = case["expect"]
        wanted = str(expect.get("engine") or expect.get("network") or expect.get("source") or "").lower()
        if wanted and wanted not in UNKNOWN:
            found = source(case["line"])
            assert found, case["line"]
            assert found.name.lower() == SAME.get(wanted, wanted), case["line"]
            compared += 1
    assert compared > 4


@needs_shared
def test_hosts_of_spam_are_hosts() -> None:
    hosts = [case["line"] for case in cases("matomo_referrer_spam")]
    assert len(hosts) > 2000
    for host in hosts:
        found = source(f"http://www.{host}/x")
        assert found is None if not host.isascii() else found
