"""A made-up log in Combined Log Format, the same bytes for the same options: `make_log.py 1000000 > access.log`.

A news site: 20,000 articles and 700 files that belong to them, read by Zipf's law; a tenth of the requests has a query;
one agent in fourteen is a program, one request in twenty no GET, one in five neither 200 nor a view from the cache.
"""

from __future__ import annotations

import argparse
import random
import re
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import accumulate

ARTICLES, FILES = 20_000, 700
BATCH = 10_000
WORDS = re.findall(
    r"\w+",
    "annual award board budget city climate energy fund growth health harbour launch market merger museum partner plan"
    " quarter rail report research results school sport summit supply tender trade transport water winter",
)
WINDOWS = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{}.0.0.0 Safari/537.36"
)
BROWSERS = [
    *(f"Mozilla/5.0 (X11; Linux x86_64; rv:{v}.0) Gecko/20100101 Firefox/{v}.0" for v in range(115, 141)),
    *(WINDOWS.format(v) for v in range(116, 142)),
]
PROGRAMS = [
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; GPTBot/1.3; +https://openai.com/gptbot)",
    "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)",
    "curl/8.14.1",
]
REFERRERS = [
    *["-"] * 7,
    "https://www.google.com/",
    "https://www.bing.com/search?q=annual+report+harbour",
    "https://news.example.net/today/",
    "https://chatgpt.com/",
    "https://t.co/a1b2c3",
]
# What a real server's log has besides: a connection without request, TLS bytes, escapes, names with blanks, junk.
ODD = [
    '198.51.100.9 - - [{}] "-" 408 - "-" "-"',
    '198.51.100.9 - - [{}] "\\x16\\x03\\x01\\x05\\xa8\\x01" 400 484 "-" "-"',
    '198.51.100.9 - - [{}] "GET /say/\\"hello\\" HTTP/1.1" 404 196 "-" "an \\"agent\\" \\\\ of its own"',
    '198.51.100.9 - "eva m" [{}] "GET /two words HTTP/1.1" 200 90 "https://a.example/\\"" "Mozilla/5.0"',
    '2001:db8::9 - - [{}] "OPTIONS * HTTP/1.0" 200 - "-" "Apache/2.4 (internal dummy connection)"',
    "httpd: cannot write to the log: a line that is none",
]


def lines(
    count: int,
    *,
    start: datetime,
    days: int = 1,
    seed: int = 1,
    odd: float = 0.0,
    pages: int = 0,
    unique: bool = False,
    vhost: bool = False,
) -> Iterator[str]:
    """The lines of a log, in the order of their stamps.

    `odd`: share of lines that are no ordinary ones. `pages`: so many different pages instead, each as often as any
    other. `unique`: each line asks for a path of its own. `vhost`: the format vhost_combined, of 20 sites.
    """
    dice = random.Random(seed)
    names = [f"/news/{n}/{'-'.join(dice.sample(WORDS, 1 + n % 4))}/" for n in range(ARTICLES)]
    names += [f"/assets/{n}.{'css' if n % 3 else 'png'}" for n in range(FILES)]
    weights = list(accumulate(1 / (n + 1) ** 0.9 for n in range(len(names))))
    agents = BROWSERS + PROGRAMS
    step, stamp, second = days * 86_400 / max(count, 1), "", -1
    stride = _coprime(pages)
    for first in range(0, count, BATCH):
        size = min(BATCH, count - first)
        drawn = zip(
            dice.choices(names, cum_weights=weights, k=size),
            dice.choices((200, 304, 404, 301, 500), (80, 10, 6, 3, 1), k=size),
            dice.choices(agents, k=size),
            dice.choices(REFERRERS, k=size),
            (dice.getrandbits(48) for _ in range(size)),
            strict=True,
        )
        for number, (name, status, agent, referrer, bits) in enumerate(drawn, first):
            if (now := int(number * step)) != second:
                second, stamp = now, (start + timedelta(seconds=now)).strftime("%d/%b/%Y:%H:%M:%S +0000")
            site = f"www{bits % 20}.example.org:443 " if vhost else ""
            if odd and (bits & 0xFFFF) < odd * 0x10000:
                yield f"{site}{ODD[bits % len(ODD)].format(stamp)}\n"
                continue
            if unique:
                name = f"/probe/{number:x}/{bits:x}.php"
            elif pages:
                name = f"/page/{number * stride % pages}/"
            query = f"?utm_source=list{bits % 21}&page={bits % 1000}" if (bits >> 16 & 0xFF) < 26 else ""
            method = "POST" if (bits >> 24 & 0xFF) < 13 else "GET"
            length = "-" if status == 304 else 200 + bits % 59_801
            host = f"{1 + bits % 223}.{bits >> 8 & 255}.{bits >> 32 & 255}.{bits >> 40 & 255}"
            request = f"{method} {name}{query} HTTP/1.1"
            yield f'{site}{host} - - [{stamp}] "{request}" {status} {length} "{referrer}" "{agent}"\n'


def _coprime(pages: int) -> int:
    """A stride that visits every page before any comes again."""
    return next(prime for prime in (2_654_435_761, 1_000_003) if not pages or prime % pages)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("lines", type=int)
    parser.add_argument("--days", type=int, default=1)
    parser.add_argument("--start", type=datetime.fromisoformat, default=datetime(2026, 11, 22))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--odd", type=float, default=0.0, metavar="SHARE")
    parser.add_argument("--pages", type=int, default=0)
    parser.add_argument("--unique", action="store_true")
    parser.add_argument("--vhost", action="store_true")
    options = vars(parser.parse_args())
    sys.stdout.writelines(lines(options.pop("lines"), **options))


if __name__ == "__main__":
    main()
