"""User agents that others have collected, with the labels they gave."""

from __future__ import annotations

from functools import cache

from shared_data import cases

FILES = ("isbot", "monperrus_crawlers", "fnando_browser", "ai_robots")


@cache
def programs(name: str) -> list[str]:
    """The agents of one file that it calls bots."""
    return [case["line"] for case in cases(name) if case["expect"].get("bot") or case["expect"].get("ai_bot")]


@cache
def browsers() -> list[str]:
    """All that isbot says is no bot."""
    return [case["line"] for case in cases("isbot") if not case["expect"]["bot"]]


@cache
def tidy_browsers() -> list[str]:
    """The same without what is disputed: the very text is called a bot by another file, or isbot itself has it under
    "glitches", "insignificant bots" or "miscellaneous" (attacks, Yahoo's Slurp, a test agent of a search product)."""
    elsewhere = {agent for name in FILES for agent in programs(name)}
    return [
        case["line"]
        for case in cases("isbot")
        if not case["expect"]["bot"] and not case["name"].startswith("ZZZ ") and case["line"] not in elsewhere
    ]
