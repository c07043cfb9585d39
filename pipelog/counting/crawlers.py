"""The programs that the package crawler-user-agents knows (extra `bots`): its 1,500 patterns as three expressions.

Most of its patterns are plain words. They are joined by their first letter, so that one search over an agent finds
which of them stands there (19 µs, where a flat alternation takes 380). The rest are regular expressions of strangers
that run over bytes of strangers: one with several unbounded repeats, or one around a group, is left out, and a single
one is bounded to `REACH`, so that the time is linear.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from itertools import product
from typing import Any

from pipelog.counting.bots import LONGEST, UNNAMED, Search, by_first_letter
from pipelog.errors import SettingsError

# A pattern has several tags: the first of these decides.
_CLASSES = {
    "ai-crawler": "ai-training",
    "search-engine": "search",
    "social-preview": "social",
    "feed-reader": "feed",
    "monitoring": "monitor",
    "seo": "seo",
    "advertising": "seo",
    "http-library": "tool",
    "browser-automation": "tool",
    "scanner": "tool",
}
# Products of applications in which people look at pages: a pattern that finds one of them is left out.
_APPLICATIONS = [
    f"Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36 (KHTML, like Gecko) {product} Safari/537.36"
    for product in (
        "Chrome/140.0.0.0",
        "Firefox/140.0",
        "Edg/140.0",
        "OPR/120.0",
        "Vivaldi/7.5",
        "YaBrowser/25.2",
        "SamsungBrowser/28.0",
        "Silk/140.1",
        "UCBrowser/13.4",
        "DuckDuckGo/5",
        "Ecosia/1",
        "Brave/1",
        "Whale/4.0",
        "HuaweiBrowser/15.0",
        "MiuiBrowser/14.1",
        "QQBrowser/15.1",
        "Instagram 400.0 Android",
        "[FB_IAB/FB4A;FBAV/500.0;]",
        "MetaIAB Facebook",
        "Viber/25.0",
        "MicroMessenger/8.0",
        "Line/15.1",
        "Snapchat/13.1",
        "Pinterest/13.1",
        "GSA/380.0",
        "Twitter for iPhone",
        "LinkedInApp/9.1",
        "Slack/4.4 WindowsStore Sonic",
        "Electron/39.0",
        "Code/1.115.0",
        "Trae/1.107.1",
        "Fluid/0.9.6",
        "Thunderbird/140.0 Lightning/6.2",
        "MozacFetch/49.0",
        "QtWebEngine/6.9",
        "Version/18.5 Mobile/15E148",
    )
]
_PART = r"[^\\.^$*+?{}\[\]|()]|\\[^A-Za-z0-9]|\[[A-Za-z]{2,3}\]|\|"
_PLAIN = re.compile(rf"(?:{_PART})+")
_MOST_SPELLINGS = 16
_PIECES = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*+\]?|\)[*+?{]|[*+{]|.", re.S)
REACH = 256
"""Characters that a repeat without a bound takes at most. "Name[\\s\\S]*Other" would be looked for from each Name to
the end."""
_RUN = re.compile(r"[A-Za-z][A-Za-z0-9 ._-]*")


class Crawlers:
    """The expressions made of a list as the package has it; `search` is what `bots.verdict` asks."""

    def __init__(self, entries: Iterable[Mapping[str, Any]]) -> None:
        self._literals: dict[str, tuple[str, str]] = {}
        self._patterns: dict[str, tuple[str, str]] = {}
        anywhere: list[str] = []
        anchored: list[str] = []
        for number, entry in enumerate(entries):
            pattern = entry["pattern"]
            found = f"{_class(entry)}/{_name(pattern)}", pattern
            if _of_people(entry):
                continue
            if words := _spellings(pattern):
                for word in words:
                    self._literals.setdefault(word, found)
            elif bounded := _bounded(pattern):
                group = f"p{number}"
                self._patterns[group] = found
                (anchored if pattern.startswith("^") and "|" not in pattern else anywhere).append(
                    f"(?P<{group}>{bounded})"
                )
        self._words = re.compile(by_first_letter(self._literals))
        self._anywhere = re.compile("|".join(anywhere) or r"(?!)")
        self._anchored = re.compile("|".join(anchored) or r"(?!)")

    def __len__(self) -> int:
        return len({*self._literals.values(), *self._patterns.values()})

    def search(self, agent: str) -> tuple[str, str] | None:
        """ "class/Name" for an agent and the pattern that was found in it."""
        agent = agent[:LONGEST]
        if word := self._words.search(agent):
            return self._literals[word.group()]
        match = self._anchored.match(agent) or self._anywhere.search(agent)
        if match is None:
            return None
        return next(self._patterns[group] for group, text in match.groupdict().items() if text is not None)


def _spellings(pattern: str) -> list[str]:
    """The words that a pattern finds, "wget" and "Wget" for "[wW]get"; none where it is more than words."""
    if not (pattern.isascii() and _PLAIN.fullmatch(pattern)):
        return []
    words = [
        "".join(letters)
        for choice in pattern.replace("\\|", "\\x7c").split("|")
        for letters in product(
            *(part.strip("[]") if part[0] == "[" else part[-1] for part in re.findall(_PART, choice))
        )
    ]
    return words if all(words) and len(words) <= _MOST_SPELLINGS else []


def _class(entry: Mapping[str, Any]) -> str:
    tags = entry.get("tags") or ()
    kind = next((_CLASSES[tag] for tag in _CLASSES if tag in tags), "other")
    return "ai-assistant" if kind == "ai-training" and "-User" in entry["pattern"] else kind


def _name(pattern: str) -> str:
    """What stands in the pattern itself: a piece of the agent would be the client's own words."""
    plain = re.sub(r"\[(\\?.)[^\[\]]*\](?![*+{])", r"\1", pattern)
    runs = (run.strip(" ._-")[:64] for run in _RUN.findall(_unescaped(plain)))
    return next((run for run in runs if len(run) > 1), UNNAMED)


def _of_people(entry: Mapping[str, Any]) -> bool:
    """Whether a pattern means an application in which people look at pages: it finds one of those we know, or all its
    examples are Android's web view ("; wv)"), which no program claims to be."""
    examples = entry.get("instances") or ()
    if examples and all("; wv)" in example for example in examples):
        return True
    pattern = entry["pattern"]
    if words := _spellings(pattern):
        return any(word in agent for word in words for agent in _APPLICATIONS)
    found = re.compile(pattern)
    return any(found.search(agent) for agent in _APPLICATIONS)


def _unescaped(literal: str) -> str:
    return re.sub(r"\\([^A-Za-z0-9])", r"\1", literal)


def _bounded(pattern: str) -> str:
    """The pattern with its repeat bounded; "" where there are several, or one around a group."""
    pieces = _PIECES.findall(pattern)
    repeats = sum(piece in ("*", "+", "{") for piece in pieces)
    if repeats > 1 or ",}" in pattern or any(piece.startswith(")") and len(piece) > 1 for piece in pieces):
        return ""
    bounds = {"*": f"{{0,{REACH}}}", "+": f"{{1,{REACH}}}"}
    return "".join(bounds.get(piece, piece) for piece in pieces)


def installed() -> str:
    """The version of the package, or "" where it is not installed."""
    try:
        return version("crawler-user-agents") if find_spec("crawleruseragents") else ""
    except PackageNotFoundError:
        return ""


@cache
def package() -> Crawlers:
    """The package's list: read and compiled when the first agent that our table does not know is looked at."""
    from crawleruseragents import CRAWLER_USER_AGENTS_DATA

    return Crawlers(CRAWLER_USER_AGENTS_DATA)


def described(setting: str) -> str:
    """Which lists a setting means on this machine, in words."""
    if chosen(setting):
        return f"pipelog's own table, then crawler-user-agents {installed()}"
    return "pipelog's own table" + ("" if installed() else "; crawler-user-agents is not installed")


def chosen(setting: str) -> Search | None:
    """The search that a setting means: "auto" (the package where it is installed), "core" (none), "package" (the
    package, or SettingsError)."""
    if setting not in ("auto", "core", "package"):
        raise SettingsError(f'bots {setting!r}: give "auto", "core" or "package"')
    if setting == "core" or (setting == "auto" and not installed()):
        return None
    if not installed():
        raise SettingsError('bots "package": crawler-user-agents is not installed; pip install "pipelog-httpd[bots]"')
    return lambda agent: package().search(agent)
