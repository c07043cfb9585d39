"""A month of an invented press office, as its web server would have logged it: for screenshots and browser tests.

A fixed seed, so that it is the same month every time, but for the dates. Two sites, `vhost_combined`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import datetime, timedelta
from random import Random

SITE = "www.example.org"
OTHER = "jobs.example.org"
DAYS = 30
VIEWS = 1_600  # of a weekday

PAGES = {
    "/": 30,
    "/releases/": 14,
    "/releases/harbour-bridge-opens/": 34,
    "/releases/annual-report/": 15,
    "/releases/night-trains-return/": 22,
    "/releases/caf%C3%A9-culture-grant/": 8,
    "/releases/new-water-works/": 11,
    "/releases/library-hours/": 7,
    "/releases/storm-warning/": 5,
    "/releases/budget-explained/": 9,
    "/releases/school-meals/": 4,
    "/releases/tram-line-7/": 12,
    "/about/": 5,
    "/contact/": 4,
    "/press-kit/": 6,
    "/photos/": 5,
    "/events/2026/": 4,
    "/newsletter/": 2,
    "/accessibility/": 1,
}
JOBS = {"/": 6, "/openings/": 9, "/openings/press-officer/": 5, "/openings/photographer/": 3}
BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
BOTS = {
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)": 30,
    "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)": 12,
    "Mozilla/5.0 (compatible; YandexBot/3.0; +http://yandex.com/bots)": 4,
    "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; GPTBot/1.2; +https://openai.com/gptbot)": 26,
    "Mozilla/5.0 (compatible; ClaudeBot/1.0; +claudebot@anthropic.com)": 19,
    "Mozilla/5.0 (compatible; PerplexityBot/1.0; +https://perplexity.ai/perplexitybot)": 7,
    "CCBot/2.0 (https://commoncrawl.org/faq/)": 5,
    "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko); compatible; ChatGPT-User/1.0; +https://openai.com/bot": 9,
    "Mozilla/5.0 (compatible; AhrefsBot/7.0; +http://ahrefs.com/robot/)": 8,
    "facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)": 3,
    "Feedly/1.0 (+http://www.feedly.com/fetcher.html; 12 subscribers)": 4,
    "Mozilla/5.0+(compatible; UptimeRobot/2.0; http://www.uptimerobot.com/)": 6,
    "curl/8.14.1": 2,
}
REFERRERS = {
    "-": 44,
    "https://www.google.com/": 30,
    "https://www.bing.com/search?q=harbour+bridge+opening": 4,
    "https://www.bing.com/search?q=night+train+timetable": 3,
    "https://duckduckgo.com/": 6,
    "https://www.ecosia.org/": 2,
    "https://yandex.com/search/?text=tram+line+7": 1,
    "https://chatgpt.com/": 9,
    "https://www.perplexity.ai/": 4,
    "https://claude.ai/": 3,
    "https://news.ycombinator.com/item?id=1": 8,
    "https://mastodon.social/@press": 6,
    "https://www.reddit.com/r/trains/": 5,
    "https://bsky.app/": 3,
    "https://mail.google.com/": 4,
    "https://newspaper.example/city/bridge.html": 9,
    "https://trains.example/forum/42": 4,
    "https://radio.example/morning": 2,
}
MISSING = {"/wp-login.php": 9, "/.env": 5, "/releases/harbor-bridge-opens/": 4, "/xmlrpc.php": 3, "/old/report.pdf": 2}
CAMPAIGNS = ("utm_source=newsletter&utm_medium=email&utm_campaign=november", "utm_source=poster&utm_campaign=bridge")


def lines(now: datetime) -> Iterator[str]:
    """The lines of the 30 days before `now` (aware) and of today up to it, in the order of time within a day."""
    random = Random(20261121)
    for ago in range(DAYS, -1, -1):
        day = now.replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=ago)
        busy = (0.55 if day.weekday() >= 5 else 1.0) * (0.9 + 0.2 * random.random())
        interest = {page: weight * _news(page, ago) for page, weight in PAGES.items()}
        count = int(VIEWS * busy * sum(interest.values()) / sum(PAGES.values()))
        for seconds in sorted(_moment(random) for _ in range(count)):
            moment = day + timedelta(seconds=seconds)
            line = _line(random, moment, interest)
            if moment <= now:
                yield line


def _news(page: str, ago: int) -> float:
    """How much more than usual a release is read: one that came out some days ago, and fades."""
    born = {"harbour-bridge-opens": 6, "night-trains-return": 15, "tram-line-7": 2, "storm-warning": 22, "annual": 27}
    for name, day in born.items():
        if name in page:
            return 0.05 if ago > day else 0.3 + 2.6 * math.exp(-(day - ago) / 4)
    return 1.0


def _moment(random: Random) -> int:
    """A second of the day: quiet at night, most at noon and in the evening."""
    while True:
        hour = random.random() * 24
        likely = 0.16 + 0.75 * math.exp(-(((hour - 12.5) / 4.2) ** 2)) + 0.45 * math.exp(-(((hour - 20) / 2.4) ** 2))
        if random.random() < likely:
            return int(hour * 3_600)


def _pick(random: Random, weights: dict[str, float] | dict[str, int]) -> str:
    return random.choices(list(weights), list(weights.values()))[0]


def _line(random: Random, moment: datetime, interest: dict[str, float]) -> str:
    site, page = SITE, _pick(random, interest)
    status, agent, referrer = 200, BROWSER, "-"
    kind = _pick(random, {"view": 66, "bot": 24, "missing": 3, "search": 3, "campaign": 3, "jobs": 6, "error": 0.3})
    if kind == "bot":
        agent = _pick(random, BOTS)
    elif kind == "missing":
        page, status = _pick(random, MISSING), 404
    elif kind == "error":
        status = 500
    elif kind == "jobs":
        site, page = OTHER, _pick(random, JOBS)
    elif kind == "campaign":
        page += "?" + random.choice(CAMPAIGNS)
    else:
        referrer = _pick(random, REFERRERS)
        status = 304 if random.random() < 0.08 else 200
    size = 400 + int(random.random() * 40_000)
    return (
        f"{site}:443 192.0.2.{1 + int(random.random() * 250)} - - [{moment:%d/%b/%Y:%H:%M:%S %z}]"
        f' "GET {page} HTTP/1.1" {status} {size} "{referrer}" "{agent}"\n'
    )
