"""Which user agents are programs, and what they are called."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest
from bot_cases import FILES, programs, tidy_browsers
from hypothesis import given, settings
from hypothesis import strategies as st
from shared_data import needs_shared

from pipelog.counting import bots
from pipelog.counting.bot_names import CLASSES, NAMES
from pipelog.counting.bots import EMPTY, bot, verdict

CHROME = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36"


@pytest.mark.parametrize(
    ("agent", "value"),
    [
        (None, EMPTY),
        ("", EMPTY),
        (" \t", EMPTY),
        ("Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", "search/Googlebot"),
        ("Googlebot-Image/1.0", "search/Googlebot-Image"),
        ("GOOGLEBOT/2.1", "search/Googlebot"),
        ("Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)", "search/bingbot"),
        (
            "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; GPTBot/1.2; +https://openai.com/gptbot)",
            "ai-training/GPTBot",
        ),
        ("Mozilla/5.0 (compatible; ClaudeBot/1.0; +claudebot@anthropic.com)", "ai-training/ClaudeBot"),
        (CHROME + " ChatGPT-User/1.0", "ai-assistant/ChatGPT-User"),
        ("Mozilla/5.0 (compatible; Sogou web spider/4.0)", "search/Sogou web spider"),
        ("facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)", "social/facebookexternalhit"),
        ("Mozilla/5.0 (compatible; AhrefsBot/7.0; +http://ahrefs.com/robot/)", "seo/AhrefsBot"),
        ("Tiny Tiny RSS/24.04 (https://tt-rss.org/)", "feed/Tiny Tiny RSS"),
        ("Mozilla/5.0+(compatible; UptimeRobot/2.0; http://www.uptimerobot.com/)", "monitor/UptimeRobot"),
        ("Apache/2.4.62 (Debian) (internal dummy connection)", "monitor/internal dummy connection"),
        ("curl/8.5.0", "tool/curl"),
        (CHROME.replace("Chrome/", "HeadlessChrome/"), "tool/HeadlessChrome"),
        # not in the table: called what they call themselves
        ("Mozilla/5.0 (compatible; SomethingNewBot/1.0)", "other/SomethingNewBot"),
        ("Mozilla/5.0 (compatible; my-crawler)", "other/my-crawler"),
        ("an archiver of things", "other/archiver"),
        ("newspaper/0.1.0.7", "other/newspaper"),
        ("Jaunt", "other/Jaunt"),
        ("x" * 65, "other/" + "x" * 64),
        ("Java/17.0.2", "other/Java"),
        ("-", EMPTY),
        ("Example Uptime Service/1.0", "monitor/Uptime"),
        ("ExampleSEOkit SEO/2", "seo/SEO"),
        ("Mozilla/5.0 (compatible; examplescan/1.0)", "tool/examplescan"),
        (CHROME + " ExampleSynthetics/2", "monitor/ExampleSynthetics"),
        (CHROME + " (example-links.com)", "other/example-links.com"),
        ("Mozilla/5.0 (Windows NT 10.0) Gecko somebody(at)mail.example", "other/somebody"),
        ("Example, " + CHROME, "other/Example"),
        ("Mozilla/5.0 (Example) AppleWebKit/537.36 (KHTML, like Gecko)", "other/Example"),
        ("COMODO DCV", "other/COMODO"),
        ("()", "other/(unnamed)"),
        ("Mozilla/5.0 (compatible; Lipperhey; http://www.lipperhey.com/)", "other/Lipperhey"),
        ("Something with (www.example.org)", "other/Something"),
        ("an rss reader", "feed/rss"),
        # people
        (CHROME, None),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 Version/17.5 Safari/604.1", None),
        ("Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0", None),
        ("Mozilla/5.0 (Linux; Android 5.1; CUBOT X15) AppleWebKit/537.36 Chrome/131.0.0.0 Safari/537.36", None),
        ("Lynx/2.9.0dev.10 libwww-FM/2.14 SSL-MM/1.4.1", None),
        ("Opera/9.80 (Windows NT 6.1) Presto/2.12.388 Version/12.18", None),
        (CHROME + " CamScanner/4.5", None),
        (CHROME + " (Ecosia android@111.0.5563.116)", None),
        ("Mozilla/5.0 (Linux; Android 14; x Build/test-keys; wv) com.example.app/1 Chrome/131.0.0.0", None),
        ("Mozilla/4.0 (compatible; MSIE 8.0; Windows NT 6.1; Trident/4.0)", None),
        ("Voyager3/AmigaoS3.1", None),
        ("Mozilla/5.0", None),
        ("Mozilla", None),
        ("BlackBerry8520/5.0.0.681 Profile/MIDP-2.1 Configuration/CLDC-1.1", None),
    ],
)
def test_bot(agent: str | None, value: str | None) -> None:
    assert bot(agent) == value


@pytest.mark.parametrize(
    ("agent", "rule"),
    [
        ("", "no agent"),
        ("curl/8.5.0", "the name curl stands in pipelog's table"),
        ("newcrawler x", "the word 'crawl' says it"),
        (CHROME + " (example.com)", "an address ('e.com')"),
        ("Mozilla/5.0 (compatible; Example)", "no browser's name"),
        ("Example/1", "one product and nothing else"),
        ("Example of something", "no platform and no browser"),
        (CHROME, "nothing says that it is a program"),
    ],
)
def test_a_verdict_says_which_rule_decided(agent: str, rule: str) -> None:
    assert rule in verdict(agent).rule


def test_the_table_has_each_name_once_and_knows_its_classes() -> None:
    names = [name.lower() for line in NAMES.values() for name in line.split("|")]
    assert len(names) == len(set(names)) > 200
    assert NAMES.keys() == CLASSES.keys()
    for kind, line in NAMES.items():
        for name in line.split("|"):
            assert str(bot(name)).startswith(kind + "/"), name


def test_another_list_comes_after_the_table() -> None:
    def search(agent: str) -> tuple[str, str] | None:
        return ("seo/Other", "ex.*") if "ex" in agent else None

    assert bot("curl ex", search) == "tool/curl"
    assert verdict("example bot", search) == ("seo/Other", "pattern ex.* of the package crawler-user-agents")
    assert bot("a bot", search) == "other/bot"


DOCS = (Path(__file__).parents[1] / "docs" / "bots.md").read_text()


def test_the_examples_of_the_documentation() -> None:
    rows = re.findall(r"^\| .* \| `([^`]+)` \| `([^`]+)` \|$", DOCS, re.M)
    assert len(rows) == 8
    assert [(agent, bot(agent)) for agent, _ in rows] == rows
    classes = re.findall(r"^\| `([a-z-]+)` \| .* \| `([^`]+)` \|$", DOCS, re.M)
    assert [kind for kind, _ in classes] == list(CLASSES)
    assert [bot(value.partition("/")[2]) for _, value in classes] == [value for _, value in classes]


VALUE = re.compile(r"[a-z-]+/[ -~]{1,110}")


words = st.sampled_from(
    ["bot", "ſpider", "crawl", "\u212a", "_", "é", "\udcff", " ", "/"]
)  # \u212a: its lower case is k


@settings(deadline=None)
@given(st.one_of(st.text(), st.lists(words).map("".join)))
def test_values_are_short_printable_and_have_a_class(agent: str) -> None:
    value = bot(agent)
    assert value is None or VALUE.fullmatch(value)


@pytest.mark.parametrize("piece", ["a", "bo", "b-", "+http", "monito", " ", "(", "\x00", "é"])
def test_no_agent_takes_long(piece: str) -> None:
    begin = time.process_time()
    bot(piece * (128 * 1024 // len(piece)))
    assert time.process_time() - begin < 0.1


@pytest.mark.parametrize("piece", ["a", "-", "bo", "com.", "a@a", "compatible; ", "mozilla/5,", "Spider ", "1.a"])
def test_time_is_linear_in_the_agent(piece: str) -> None:
    """No expression of ours takes four times as long for twice the text."""
    expressions = [
        *(value for value in vars(bots).values() if isinstance(value, re.Pattern)),
        *(pattern for _, pattern in bots._SAYS_IT),
    ]
    assert len(expressions) > 10

    def cost(length: int) -> float:
        text = (piece * length)[:length]
        rounds = []
        for _ in range(5):
            begin = time.process_time()
            for expression in expressions:
                expression.search(text)
            rounds.append(time.process_time() - begin)
        return min(rounds)

    assert cost(64_000) < 3 * cost(32_000) + 0.005


@needs_shared
@pytest.mark.parametrize("name", FILES)
def test_programs_that_others_have_collected(name: str) -> None:
    agents = programs(name)
    assert sum(bot(agent) is not None for agent in agents) >= 0.90 * len(agents) > 0


@needs_shared
def test_browsers_that_others_have_collected() -> None:
    agents = tidy_browsers()
    assert len(agents) > 500
    assert sum(bot(agent) is not None for agent in agents) <= 0.002 * len(agents)
