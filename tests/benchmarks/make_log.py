"""A made-up combined log of one day, the same bytes for the same arguments: python make_log.py LINES [--unique]

20,000 articles by Zipf's law and some assets; a tenth of the requests carry a query, a few come from programs, one of
two hundred lines is odd (escapes, no request, no log line at all). With --unique every path is asked for once.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections.abc import Iterator
from itertools import accumulate

DAY = "22/Nov/2026"
BROWSERS = [f"Mozilla/5.0 (X11; Linux x86_64; rv:{n}.0) Gecko/20100101 Firefox/{n}.0" for n in range(100, 145)]
PROGRAMS = [
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    "Mozilla/5.0 (compatible; GPTBot/1.2; +https://openai.com/gptbot)",
    "curl/8.5.0",
]
REFERRERS = [
    *["-"] * 6,
    "https://www.google.com/",
    "https://www.bing.com/search?q=press+kit",
    "https://duckduckgo.com/",
    "https://news.example.net/today",
]
ODD = [
    '192.0.2.7 - - [{}] "\\x16\\x03\\x01" 400 226 "-" "-"',
    '192.0.2.7 - - [{}] "-" 408 - "-" "-"',
    '192.0.2.7 - - [{}] "GET /a\\"b/ HTTP/1.1" 404 10 "-" "says \\"hello\\""',
    "this is no log line",
]


def lines(number: int, *, unique: bool = False) -> Iterator[str]:
    """The lines of such a log."""
    rnd = random.Random(7)
    pages = [f"/articles/{n}/{'abcdefghijklmnopqrstuvwxyz'[: n % 25 + 1]}/" for n in range(20_000)]
    pages += [f"/static/{n}.css" for n in range(200)] + [f"/img/{n}.png" for n in range(500)]
    weights = list(accumulate(1 / (n + 1) ** 0.9 for n in range(len(pages))))
    agents = BROWSERS + PROGRAMS
    for n in range(number):
        second = n * 86_400 // max(number, 1)
        stamp = f"{DAY}:{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02} +0000"
        if not unique and rnd.random() < 0.005:
            yield rnd.choice(ODD).format(stamp)
            continue
        path = f"/probe/{n:x}/" if unique else rnd.choices(pages, cum_weights=weights)[0]
        if not unique and rnd.random() < 0.1:
            path += f"?utm_source=s{rnd.randrange(20)}&n={rnd.randrange(1_000)}"
        method = "GET" if rnd.random() < 0.95 else "POST"
        status = rnd.choices((200, 304, 404, 301, 500), (80, 10, 6, 3, 1))[0]
        size = "-" if status == 304 else rnd.randrange(200, 60_000)
        host = f"{rnd.randrange(1, 224)}.{rnd.randrange(256)}.{rnd.randrange(256)}.{rnd.randrange(1, 255)}"
        yield (
            f'{host} - - [{stamp}] "{method} {path} HTTP/1.1" {status} {size}'
            f' "{rnd.choice(REFERRERS)}" "{rnd.choice(agents)}"'
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("lines", type=int)
    parser.add_argument("--unique", action="store_true")
    options = parser.parse_args()
    sys.stdout.writelines(line + "\n" for line in lines(options.lines, unique=options.unique))


if __name__ == "__main__":
    main()
