"""The list of crawler-user-agents: which of its patterns are used, and what they say."""

from __future__ import annotations

import re
import time

import pytest
from bot_cases import FILES, programs, tidy_browsers
from hypothesis import given, settings
from hypothesis import strategies as st
from shared_data import needs_shared

from pipelog.counting import crawlers
from pipelog.counting.bots import LONGEST, bot
from pipelog.counting.crawlers import Crawlers, chosen, described, package
from pipelog.counting.rules import Rules
from pipelog.counting.views import Judge
from pipelog.errors import SettingsError


def entry(pattern: str, *tags: str, example: str = "x") -> dict[str, object]:
    return {"pattern": pattern, "tags": list(tags), "instances": [example]}


@pytest.mark.parametrize(
    ("pattern", "tags", "agent", "value"),
    [
        (r"Some\/", ["seo"], "Some/1", "seo/Some"),
        (r"Some\/", ["seo"], "Some", None),
        ("[sS]ome", ["ai-crawler", "search-engine"], "some", "ai-training/some"),
        ("New-User", ["ai-crawler"], "New-User", "ai-assistant/New-User"),
        ("^Some", ["monitoring"], "x Some", None),
        ("^Some", ["monitoring"], "Some", "monitor/Some"),
        ("(^| )some", ["scanner"], "a some", "tool/some"),
        ("Some(A|B)", ["archiver"], "SomeB", "other/Some"),
        ("One|Two", ["feed-reader"], "Two", "feed/One"),
        (r"~7[\s\S]*~8", [], "~7 x ~8", "other/(unnamed)"),
    ],
)
def test_search(pattern: str, tags: list[str], agent: str, value: str | None) -> None:
    found = Crawlers([entry(pattern, *tags)]).search(agent)
    assert (found and found[0]) == value


def test_of_two_words_the_one_with_more_in_it_names() -> None:
    both = Crawlers([entry("Some"), entry("Some-Image", "search-engine")])
    assert both.search("x Some-Image/1") == ("search/Some-Image", "Some-Image")
    assert both.search("x Some-/1") == ("other/Some", "Some")


@pytest.mark.parametrize(
    "pattern", ["(a+)+", "a*b*", "(a|aa)+$", "x{1,}y*", "(?:a){2,}", "Chrome", "Firefox/", r"Code\/1\."]
)
def test_patterns_that_are_left_out(pattern: str) -> None:
    """More than one unbounded repeat, one around a group; and what finds a browser."""
    assert len(Crawlers([entry(pattern)])) == 0


def test_a_pattern_all_of_whose_examples_are_a_web_view_is_left_out() -> None:
    assert len(Crawlers([entry("AB1A", example="Mozilla/5.0 (Linux; Android 15; X Build/AB1A; wv)")])) == 0


def test_the_package_is_used_nearly_whole() -> None:
    from crawleruseragents import CRAWLER_USER_AGENTS_DATA

    assert len(CRAWLER_USER_AGENTS_DATA) - 20 < len(package()) <= len(CRAWLER_USER_AGENTS_DATA)


VALUE = re.compile(r"(search|ai-training|ai-assistant|seo|social|feed|monitor|tool|other)/[ -~]{1,64}")


def test_every_value_of_the_package_is_short_printable_and_has_a_class() -> None:
    whole = package()
    values = [value for value, _ in (*whole._literals.values(), *whole._patterns.values())]
    assert len(values) > 1000
    assert [value for value in values if not VALUE.fullmatch(value)] == []


@settings(deadline=None, max_examples=50)
@given(st.text())
def test_values_never_hold_the_clients_own_words(text: str) -> None:
    found = package().search(f"ContextualBot {text} outcomes.net")
    assert found is not None
    assert VALUE.fullmatch(found[0])


PIECES = ["a", "ContextualBot ", "Current ", "Spider", "BlogTraffic/1.1", "1.", "(", "sentry ", "\x00", "é", "SSL Labs"]


@pytest.mark.parametrize("piece", PIECES)
def test_no_agent_takes_long(piece: str) -> None:
    begin = time.process_time()
    package().search(piece * (128 * 1024 // len(piece)))
    assert time.process_time() - begin < 0.1


@pytest.mark.parametrize("piece", PIECES)
def test_twice_the_text_takes_at_most_four_times_as_long(piece: str) -> None:
    def cost(length: int) -> float:
        text = (piece * length)[:length]
        rounds = []
        for _ in range(5):
            begin = time.process_time()
            package().search(text)
            rounds.append(time.process_time() - begin)
        return min(rounds)

    assert cost(LONGEST) < 5 * cost(LONGEST // 2) + 0.005


def test_settings() -> None:
    agent = "Mozilla/5.0 (X11; Linux x86_64) Chrome/138.0.0.0 Safari/537.36 Sindup/1.0.0"
    assert Judge(Rules(bots="core")).bot(agent) is None
    assert Judge(Rules(bots="package")).bot(agent) == Judge(Rules()).bot(agent) == "monitor/Sindup"
    with pytest.raises(SettingsError, match='"auto", "core" or "package"'):
        Judge(Rules(bots="all"))


def test_where_the_package_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crawlers, "find_spec", lambda name: None)
    assert chosen("auto") is None
    assert "not installed" in described("auto")
    with pytest.raises(SettingsError, match=r"pip install .*\[bots\]"):
        chosen("package")


@needs_shared
@pytest.mark.parametrize("name", FILES)
def test_programs_that_others_have_collected(name: str) -> None:
    agents = programs(name)
    search = package().search
    assert sum(bot(agent, search) is not None for agent in agents) >= 0.97 * len(agents) > 0


@needs_shared
def test_browsers_that_others_have_collected() -> None:
    agents = tidy_browsers()
    search = package().search
    assert sum(bot(agent, search) is not None for agent in agents) <= 0.002 * len(agents)
