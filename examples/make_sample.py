"""Writes `press.log`: two invented days of a press office's web site, in Apache's combined format.

    python examples/make_sample.py >examples/press.log

A fixed seed, so that it is the same file every time. Addresses are those set aside for documentation (RFC 5737,
RFC 3849), the host is that of RFC 2606.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from random import Random
from typing import NamedTuple

SEED = 20261121
DAYS = (datetime(2026, 11, 21, tzinfo=UTC), datetime(2026, 11, 22, tzinfo=UTC))
LINES = 200  # a day
HOST = "www.example.org"

PAGES = {
    "/": 20,
    "/releases/": 14,
    "/releases/1/": 26,
    "/releases/2/": 17,
    "/releases/3/": 9,
    "/releases/caf%C3%A9-opens/": 5,
    "/about/": 6,
    "/contact/": 4,
}
BROWSERS = {
    "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0": 4,
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0"
    " Safari/537.36": 9,
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.6"
    " Mobile/15E148 Safari/604.1": 7,
    "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0"
    " Mobile Safari/537.36": 6,
    'Mozilla/5.0 (compatible; \\"quoted\\" browser)': 1,
}
BOTS = {
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)": 7,
    "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)": 3,
    "Mozilla/5.0 (compatible; GPTBot/1.2; +https://openai.com/gptbot)": 5,
    "Mozilla/5.0 (compatible; ClaudeBot/1.0; +claudebot@anthropic.com)": 3,
    "Mozilla/5.0 (compatible; AhrefsBot/7.0; +http://ahrefs.com/robot/)": 2,
    "facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)": 1,
    "curl/8.14.1": 1,
}
REFERRERS = {
    "-": 20,
    f"https://{HOST}/releases/": 9,
    "https://www.google.com/": 8,
    "https://www.bing.com/search?q=press+release+bridge": 3,
    "https://duckduckgo.com/": 3,
    "https://mastodon.social/@press": 4,
    "https://news.ycombinator.com/item?id=1": 2,
    "https://chatgpt.com/": 3,
    "https://newspaper.example/politics/bridge.html": 4,
}
ASSETS = ("/style.css", "/app.js", "/logo.svg", "/fonts/text.woff2", "/favicon.ico", "/releases/1/photo.jpg")
SCANS = ("/wp-login.php", "/.env", "/releases/99/", "/releases/%22%3E%3Cscript%3E/", "/old/page.html")


class Line(NamedTuple):
    """What differs from line to line."""

    request: str
    status: int
    size: int
    referrer: str
    agent: str


def pick(random: Random, weights: dict[str, int]) -> str:
    """One of the keys, by weight."""
    return random.choices(list(weights), list(weights.values()))[0]


def address(random: Random) -> str:
    """A visitor, from one of the nets set aside for documentation."""
    net = random.choices(("192.0.2.", "198.51.100.", "2001:db8::"), (4, 3, 2))[0]
    number = 1 + int(random.random() * 254)
    return f"{net}{number:x}" if ":" in net else f"{net}{number}"


def size(random: Random) -> int:
    """Bytes sent."""
    return 400 + int(random.random() * 40_000)


def request(random: Random) -> Line:
    """One line's worth of what comes in from the net."""
    kind = random.choices(
        ("view", "bot", "asset", "search", "campaign", "scan", "post", "cached", "part", "watch", "noise"),
        (52, 13, 12, 3, 2, 5, 2, 4, 2, 3, 2),
    )[0]
    page, browser, bytes_sent = pick(random, PAGES), pick(random, BROWSERS), size(random)
    referrer = pick(random, REFERRERS)
    if kind == "bot":
        return Line(f"GET {page} HTTP/1.1", 200, bytes_sent, "-", pick(random, BOTS))
    if kind == "asset":
        asset = ASSETS[int(random.random() * len(ASSETS))]
        return Line(f"GET {asset} HTTP/1.1", 200, bytes_sent, f"https://{HOST}{page}", browser)
    if kind == "search":
        words = ("bridge", "opening+hours", "annual+report")[int(random.random() * 3)]
        return Line(f"GET /search?q={words} HTTP/1.1", 200, bytes_sent, f"https://{HOST}/", browser)
    if kind == "campaign":
        target = f"{page}?utm_source=newsletter&utm_medium=email&utm_campaign=november"
        return Line(f"GET {target} HTTP/1.1", 200, bytes_sent, "-", browser)
    if kind == "scan":
        return Line(f"GET {SCANS[int(random.random() * len(SCANS))]} HTTP/1.1", 404, 196, "-", browser)
    if kind == "post":
        return Line("POST /contact/ HTTP/1.1", 303, 0, f"https://{HOST}/contact/", browser)
    if kind == "cached":
        return Line(f"GET {page} HTTP/1.1", 304, 0, referrer, browser)
    if kind == "part":
        return Line("GET /releases/1/report.pdf HTTP/1.1", 206, 65536, f"https://{HOST}/releases/1/", browser)
    if kind == "watch":
        return Line(
            "HEAD / HTTP/1.1", 200, 0, "-", "Mozilla/5.0 (compatible; UptimeRobot/2.0; http://www.uptimerobot.com/)"
        )
    if kind == "noise":
        # A TLS handshake sent to the plain port, and a client that never sent its request.
        return (Line("\\x16\\x03\\x01", 400, 226, "-", "-"), Line("-", 408, 0, "-", "-"))[int(random.random() * 2)]
    return Line(f"GET {page} HTTP/1.1", 200, bytes_sent, referrer, browser)


def lines() -> list[str]:
    """The sample's lines, in the order of time, each with its newline."""
    random = Random(SEED)
    made = []
    for day in DAYS:
        moments = sorted(8 * 3600 + int(random.random() * 14 * 3600) for _ in range(LINES))
        for moment in moments:
            stamp = (day + timedelta(seconds=moment)).strftime("%d/%b/%Y:%H:%M:%S %z")
            line = request(random)
            sent = line.size or "-"
            made.append(
                f'{address(random)} - - [{stamp}] "{line.request}" {line.status} {sent}'
                f' "{line.referrer}" "{line.agent}"\n'
            )
    return made


if __name__ == "__main__":
    sys.stdout.writelines(lines())
