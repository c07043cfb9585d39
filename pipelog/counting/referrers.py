"""Where a view came from: name and medium of a referrer's host, matched by label and never by substring.

A referrer's value in a tally is "medium/Name". Media: search, ai, social, mail, and site for every other host,
which is its own name.
"""

from __future__ import annotations

import re
from typing import NamedTuple

_URL = re.compile(r"(?:https?:)?//([^/?#\\]*)([^#]*)", re.I)
_APP = re.compile(r"android-app://([A-Za-z0-9._]{1,100})")
_AUTHORITY = re.compile(r"([a-z0-9_](?:[a-z0-9._-]{0,251}[a-z0-9_])?|\[[0-9a-f:.]{2,45}\])\.?(?::[0-9]{0,5})?")

# host -> (medium, name); a host stands for itself and for everything below it, the longest match wins.
_HOSTS = {
    host: (medium, name)
    for medium, table in {
        "ai": {
            "ChatGPT": "chatgpt.com chat.openai.com",
            "Perplexity": "perplexity.ai",
            "Claude": "claude.ai",
            "Gemini": "gemini.google.com bard.google.com",
            "Copilot": "copilot.microsoft.com copilot.cloud.microsoft",
            "DeepSeek": "chat.deepseek.com",
            "Mistral": "chat.mistral.ai",
            "Grok": "grok.com",
            "Meta AI": "meta.ai",
            "You.com": "you.com",
        },
        "search": {
            "Bing": "bing.com",
            "DuckDuckGo": "duckduckgo.com",
            "Yahoo": "search.yahoo.com",
            "Yandex": "yandex.ru yandex.com yandex.by yandex.kz yandex.com.tr ya.ru",
            "Baidu": "baidu.com",
            "Ecosia": "ecosia.org",
            "Qwant": "qwant.com",
            "Startpage": "startpage.com",
            "Brave": "search.brave.com",
            "Kagi": "kagi.com",
            "Ask": "ask.com",
            "AOL": "search.aol.com",
            "Seznam": "search.seznam.cz",
            "Naver": "search.naver.com",
            "Sogou": "sogou.com",
            "Swisscows": "swisscows.com",
            "Mojeek": "mojeek.com",
            "Daum": "search.daum.net",
            "Nate": "search.nate.com",
        },
        "social": {
            "Facebook": "facebook.com fb.me",
            "Instagram": "instagram.com",
            "Threads": "threads.net threads.com",
            "X": "t.co twitter.com x.com",
            "LinkedIn": "linkedin.com lnkd.in",
            "Reddit": "reddit.com",
            "Mastodon": "mastodon.social mastodon.online",
            "Bluesky": "bsky.app",
            "YouTube": "youtube.com youtu.be",
            "Pinterest": "pinterest.com",
            "Hacker News": "news.ycombinator.com",
            "TikTok": "tiktok.com",
            "Telegram": "t.me web.telegram.org",
            "WhatsApp": "web.whatsapp.com wa.me",
            "VK": "vk.com",
            "Xing": "xing.com",
        },
        "mail": {
            "Gmail": "mail.google.com",
            "Outlook": "outlook.live.com outlook.office.com outlook.office365.com",
            "Yahoo Mail": "mail.yahoo.com",
            "Yandex Mail": "mail.yandex.ru mail.yandex.com",
            "Proton Mail": "mail.proton.me",
            "GMX": "gmx.net navigator.gmx.net",
            "Web.de": "web.de",
        },
    }.items()
    for name, hosts in table.items()
    for host in hosts.split()
}
_APPS = {
    "com.google.android.googlequicksearchbox": ("search", "Google"),
    "com.google.android.gm": ("mail", "Gmail"),
    "com.linkedin.android": ("social", "LinkedIn"),
    "org.telegram.messenger": ("social", "Telegram"),
    "com.slack": ("social", "Slack"),
}
# Country sites of engines whose name stands before a public suffix: google.de, google.co.uk, google.com.br. Google has
# much under its name that is no search (docs, groups, translate).
_COUNTRY = re.compile(
    r"(?:^|\.)(bing|yahoo|yandex)\.(?:com?\.)?[a-z]{2}$"
    r"|^(?:(?:www|m|images|news|encrypted|cse|ipv[46])\.)?(google)\.(?:com|(?:com?\.)?[a-z]{2})$"
)
_ENGINES = {"google": "Google", "bing": "Bing", "yahoo": "Yahoo", "yandex": "Yandex"}


class Source(NamedTuple):
    """What a referrer says: `host` lower-case, without port; `rest` is its path and query, for the search words."""

    medium: str
    name: str
    host: str
    rest: str

    @property
    def value(self) -> str:
        """As a tally has it."""
        return f"{self.medium}/{self.name}"


def _named(host: str) -> tuple[str, str]:
    labels = host.split(".")
    for start in range(len(labels)):
        known = _HOSTS.get(".".join(labels[start:]))
        if known:
            return known
    country = _COUNTRY.search(host)
    if country:
        return "search", _ENGINES[country.group(1) or country.group(2)]
    return "site", host


def hostname(host: str) -> str:
    """A host as it is compared: lower-case, without port and trailing dot."""
    host = host.lower()
    if host.startswith("["):
        return host[: host.find("]") + 1] or host
    return host.partition(":")[0].rstrip(".")


def bare(host: str) -> str:
    """A host as sites are compared: as `hostname`, and without "www."."""
    return hostname(host).removeprefix("www.")


def source(referrer: str | None) -> Source | None:
    """Name and medium of a referrer; None where there is none or it is no web address (no guess is made)."""
    if not referrer:
        return None
    app = _APP.match(referrer)
    if app:
        medium, name = _APPS.get(app.group(1), ("site", app.group(1)))
        return Source(medium, name, "android-app:" + app.group(1), "")
    url = _URL.match(referrer)
    if not url:
        return None
    authority = _AUTHORITY.fullmatch(url.group(1).rpartition("@")[2].lower())
    if not authority:
        return None
    host = authority.group(1)
    return Source(*_named(host), host, url.group(2))
