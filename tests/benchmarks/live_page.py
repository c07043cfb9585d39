"""How long the live page takes to answer, with many pages in the day: prints percentiles.

    python tests/benchmarks/live_page.py [PAGES] [REQUESTS]

SQLite for counters and history, 30 days of 3,000 pages before today. The requests are those of an open page: one every
two seconds, while each second new views are counted. Beside the time by the clock stands that of the processor, which
other programs on the machine do not lengthen: of the thread that answers, and of the whole process.
"""

from __future__ import annotations

import http.client
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta
from pathlib import Path
from random import Random

import waitress

from pipelog.backends.keys import Keys
from pipelog.backends.sqlite import SQLiteBackend
from pipelog.model import Coordinate, DailyCount
from pipelog.queries import Hits
from pipelog.sinks.sqlite import SQLiteSink
from pipelog.web import LivePage

SOURCES = ["search/Google", "social/Reddit", "ai/ChatGPT", *(f"site/host{n}.example" for n in range(200))]
BOTS = [
    "ai-training/GPTBot",
    "ai-training/ClaudeBot",
    "search/Googlebot",
    "search/bingbot",
    "seo/AhrefsBot",
    "tool/curl",
]
EVERY = 2.0  # seconds
SHARES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}
TODAY = date.today()


def rows(random: Random, day: date, pages: int) -> Iterator[DailyCount]:
    """What is counted on a day: half of the pages have a referrer, 60 % a bot."""
    for n in range(pages):
        page = f"/catalogue/section-{n % 97}/article-{n:06}-with-some-words/"
        yield DailyCount(day, "", page, "views", "", 1 + pages // (n + 3))
        if random.random() < 0.5:
            yield DailyCount(day, "", page, "referrer", random.choice(SOURCES), 1 + 1_000 // (n + 3))
        if random.random() < 0.6:
            yield DailyCount(day, "", page, "bot", random.choice(BOTS), 1)
    for minute in range(24 * 60):
        yield DailyCount(day, "", "", "minute", f"{minute // 60:02}:{minute % 60:02}", 100 + random.randrange(50))
    for name, value, count in (("status", "200", 200_000), ("status", "404", 900), ("requests", "", 220_000)):
        yield DailyCount(day, "", "", name, value, count)


def count_on(backend: SQLiteBackend, stop: threading.Event) -> None:
    """Commit some views each second, so that no answer is the one before."""
    keys = Keys()
    while not stop.wait(1.0):
        moment = f"{datetime.now():%H:%M}"
        page = "/catalogue/section-0/article-000000-with-some-words/"
        counted = [Coordinate(TODAY, "", "", "minute", moment), Coordinate(TODAY, "", page, "views", "")]
        backend.commit({keys.counter(coordinate): 3 for coordinate in counted}, {}, ttl=86_400)


def main(pages: int, requests: int) -> None:
    random, keys = Random(1), Keys()
    with tempfile.TemporaryDirectory(prefix="pipelog-") as folder:
        counters, history = Path(folder, "counters.db"), Path(folder, "history.db")
        with SQLiteBackend(counters) as backend:
            counts = {keys.counter(Coordinate(*row[:5])): row.count for row in rows(random, TODAY, pages)}
            backend.commit(counts, {}, ttl=2 * 86_400)
        with SQLiteSink(history) as sink:
            for ago in range(1, 31):
                day = TODAY - timedelta(days=ago)
                sink.replace_day(day, "web1", rows(random, day, 3_000), lines=1)
        application = LivePage(lambda: Hits(counters=SQLiteBackend(counters), history=SQLiteSink(history)))
        answering: list[float] = []

        def timed(environ: dict[str, object], start_response: Callable[..., object]) -> list[bytes]:
            begun = time.thread_time()
            body = list(application(environ, start_response))
            answering.append(time.thread_time() - begun)
            return body

        server = waitress.create_server(timed, host="127.0.0.1", port=0)
        threading.Thread(target=server.run, daemon=True).start()
        stop = threading.Event()
        writer = threading.Thread(target=count_on, args=(SQLiteBackend(counters), stop))
        writer.start()
        connection = http.client.HTTPConnection("127.0.0.1", server.effective_port)
        times, used = [], []
        for _ in range(requests + 1):
            begun, processor = time.perf_counter(), time.process_time()
            connection.request("GET", "/?part=1")
            answer = connection.getresponse()
            answer.read()
            times.append(time.perf_counter() - begun)
            assert answer.status == 200
            time.sleep(EVERY)
            used.append(time.process_time() - processor)
        stop.set()
        writer.join()
        server.close()
    print(f"{len(counts):,} counters of {pages:,} pages; the first answer {times.pop(0) * 1_000:.0f} ms")
    for title, found in (("by the clock", times), ("processor", answering[1:])):
        ranked = sorted(found)
        told = (f"{name} {ranked[int(share * len(ranked))] * 1_000:.1f} ms" for name, share in SHARES.items())
        print(f"{title:13} {', '.join(told)}")
    print(f"the process   {sum(used[1:]) / requests * 1_000:.0f} ms of the processor in {EVERY:.0f} s")


if __name__ == "__main__":
    given = [int(argument) for argument in sys.argv[1:]]
    main(*(given + [100_000, 60][len(given) :]))
