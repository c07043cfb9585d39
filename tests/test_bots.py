"""Which user agents are programs, and what they are called."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shared_data import cases, needs_shared

from pipelog.counting.bots import EMPTY, UNNAMED, bot

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
        ("x" * 65, None),
        ("Java/17.0.2", "other/Java"),
        ("Mozilla/5.0 (compatible; Lipperhey; http://www.lipperhey.com/)", UNNAMED),
        ("Something with (www.example.org)", UNNAMED),
        ("an rss reader", UNNAMED),
        # people
        (CHROME, None),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 Version/17.5 Safari/604.1", None),
        ("Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0", None),
        ("Mozilla/5.0 (Linux; Android 5.1; CUBOT X15) AppleWebKit/537.36 Chrome/131.0.0.0 Safari/537.36", None),
        ("Lynx/2.9.0dev.10 libwww-FM/2.14 SSL-MM/1.4.1", None),
        ("Opera/9.80 (Windows NT 6.1) Presto/2.12.388 Version/12.18", None),
        ("Mozilla/5.0", None),
        ("Mozilla", None),
        ("BlackBerry8520/5.0.0.681 Profile/MIDP-2.1 Configuration/CLDC-1.1", None),
    ],
)
def test_bot(agent: str | None, value: str | None) -> None:
    assert bot(agent) == value


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


@needs_shared
@pytest.mark.parametrize(
    ("name", "recall"),
    [("isbot", 0.69), ("monperrus_crawlers", 0.90), ("fnando_browser", 0.88)],
)
def test_agents_that_others_have_collected(name: str, recall: float) -> None:
    """How many of the programs are known for such; and of people and their applications one in a hundred is wrong."""
    programs = [case["line"] for case in cases(name) if case["expect"]["bot"]]
    people = [case["line"] for case in cases(name) if not case["expect"]["bot"]]
    assert sum(bot(agent) is not None for agent in programs) >= recall * len(programs) > 0
    assert sum(bot(agent) is not None for agent in people) <= 0.011 * len(people)
