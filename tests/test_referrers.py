"""Where a view came from."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from shared_data import cases, needs_shared

from pipelog.counting.referrers import bare, hostname, hosts, hosts_of_file, is_below, source
from pipelog.counting.rules import Rules
from pipelog.counting.views import Judge
from pipelog.errors import SettingsError


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
        ("https://www.docs.google.de/", "site/www.docs.google.de"),
        ("https://scholar.google.fr/", "search/Google Scholar"),
        ("https://news.google.co.jp/", "site/Google News"),
        ("https://www.google.cat/", "search/Google"),
        ("https://WWW.GOOGLE.CO.UK.:443/", "search/Google"),
        ("https://www.pinterest.com.au/pin/1", "social/Pinterest"),
        ("https://mail.yahoo.co.jp/", "mail/Yahoo Mail"),
        ("https://images.yandex.kz/", "search/Yandex"),
        ("https://disk.yandex.ru/", "site/disk.yandex.ru"),
        ("https://www.yahoo.com/", "site/www.yahoo.com"),
        ("https://edgeservices.bing.com/", "ai/Copilot"),
        ("https://tieba.baidu.com/f?kw=x", "social/Baidu Tieba"),
        ("https://old.reddit.com/r/x", "social/Reddit"),
        ("https://example-org.translate.goog/", "site/Google Translate"),
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
        ("https://evilgoogle.com/", "site/evilgoogle.com"),
        ("https://google.com.evil.example/", "site/google.com.evil.example"),
        ("https://google.co.cc/", "site/google.co.cc"),
        ("https://www.google.com.xx/", "site/www.google.com.xx"),
        ("https://google.co.uk.com/", "site/google.co.uk.com"),
        ("https://google.uk.evil/", "site/google.uk.evil"),
        ("https://google-de/", "site/google-de"),
        ("https://google/", "site/google"),
        ("https://co.uk/", "site/co.uk"),
        ("https://de/", "site/de"),
        ("https://x.com.example/", "site/x.com.example"),
        ("https://ax.com/", "site/ax.com"),
        ("https://chatgpt.com.example/", "site/chatgpt.com.example"),
        ("android-app://com.slack.evil/", "site/com.slack.evil"),
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
    [
        "http://",
        "//",
        "android-app://",
        "www.",
        "google.",
        "com",
        "co.",
        "uk",
        ".",
        ":",
        "80",
        "@",
        "/",
        "?",
        "[",
        "]",
        "\\",
    ]
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


# -- hosts that settings name ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "host"),
    [
        ("example.org", "example.org"),
        ("WWW.Example.ORG", "example.org"),
        (" example.org:8080 ", "example.org"),
        ("example.org.", "example.org"),
        ("[::1]:80", "[::1]"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("www.BÜCHER.example:80", "xn--bcher-kva.example"),
        ("例え.テスト", "xn--r8jz45g.xn--zckzah"),
    ],
)
def test_hosts_of_settings_are_compared_as_referrers_write_them(given: str, host: str) -> None:
    assert hosts([given]) == {host}


def test_what_is_no_host_is_like_no_referrer() -> None:
    assert hosts(["", "  ", ":80"]) == frozenset()
    assert hosts(["ü" * 70]) == {"ü" * 70}


def test_below_is_a_matter_of_labels() -> None:
    own = frozenset({"spam.example", "evil"})
    assert all(is_below(host, own) for host in ("spam.example", "a.b.spam.example", "x.evil", "evil"))
    assert not any(
        is_below(host, own) for host in ("nospam.example", "spam.example.org", "example", "evil.example", "")
    )
    assert not is_below("spam.example", frozenset())


LIST = """\ufeff# spammers, one a line
spam.example
  WWW.Casino.example  # with a reason

bücher.example
"""


def test_a_list_of_hosts(tmp_path: Path) -> None:
    path = tmp_path / "spam.txt"
    path.write_text(LIST, "utf-8")
    assert hosts_of_file(str(path)) == {"spam.example", "casino.example", "xn--bcher-kva.example"}


def test_a_list_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"^referrer_spam_file .*absent: No such file or directory; name a file"):
        hosts_of_file(str(tmp_path / "absent"))
    (tmp_path / "latin").write_bytes(b"b\xfccher.example\n")
    with pytest.raises(SettingsError, match=r"latin is no UTF-8 text; give one host a line"):
        hosts_of_file(str(tmp_path / "latin"))
    (tmp_path / "nul").mkdir()
    with pytest.raises(SettingsError, match="Is a directory"):
        hosts_of_file(str(tmp_path / "nul"))


@needs_shared
def test_a_list_of_thousands_leaves_out_those_and_no_others(tmp_path: Path) -> None:
    spammers = [case["line"].lower() for case in cases("matomo_referrer_spam")]
    listed = hosts(spammers)
    assert len(listed) > 2000
    path = tmp_path / "spammers.txt"
    path.write_text("\n".join(spammers), "utf-8")
    judge = Judge(Rules(referrer_spam_file=str(path), referrer_spam=("more.example",)))
    without = Judge(Rules())
    for host in (*spammers, "more.example"):
        for written in (host, f"www.{host}", f"a.b.{host.upper()}:80"):
            assert without.referrer(f"http://{written}/x?q=y", "")[0], written
            assert judge.referrer(f"http://{written}/x?q=y", "") == ("", ""), written
        for other in (f"{host}.example.net", f"no-{host}"):
            if not is_below(other, listed):
                assert judge.referrer(f"http://{other}/", "") == (f"site/{other}", "")
