"""A scanner's flood through the whole logger: made-up addresses without end, and true pages among them.

    python tests/benchmarks/flood.py [--urls 10000000] [--length 30] [--early]

Every tenth line is a view of one of 700 pages (by Zipf's law), the others ask for a path that nobody asks for again and
are answered with 200. Tells the most memory of the worker, the size of the store, and how many of the true pages have
exactly their number; with --early each was seen once before the flood began.
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from itertools import accumulate
from pathlib import Path

from pipelog.backends.sqlite import SQLiteBackend
from pipelog.queries import Hits

TRUE = [f"/releases/{n}/" for n in range(700)]
WEIGHTS = list(accumulate(1 / (n + 1) for n in range(len(TRUE))))
AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--urls", type=int, default=10_000_000)
    parser.add_argument("--length", type=int, default=30, help="bytes of a made-up address")
    parser.add_argument("--early", action="store_true", help="each true page is seen before the flood")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        print(measure(Path(folder), options.urls, options.length, early=options.early))


def measure(state: Path, urls: int, length: int, *, early: bool) -> str:
    """One flood; a line of figures."""
    logger = subprocess.Popen(
        [sys.executable, "-P", "-m", "pipelog", "--state", str(state), "--keep", "1s"],
        stdin=subprocess.PIPE,
        env=os.environ | {"PIPELOG_CONFIG": os.devnull},
    )
    most, done = [0], threading.Event()
    watch = threading.Thread(target=_watch, args=(logger.pid, most, done))
    watch.start()
    assert logger.stdin
    sent: Counter[str] = Counter()
    began = time.monotonic()
    if early:
        sent.update(TRUE)
        logger.stdin.write(b"".join(map(_line, TRUE)))
    rnd = random.Random(7)
    for start in range(0, urls, 10_000):
        pages = rnd.choices(TRUE, cum_weights=WEIGHTS, k=1_000)
        sent.update(pages)
        lines = [_line(f"/probe/{start + n:x}/".ljust(length, "x")) for n in range(9_000)] + list(map(_line, pages))
        rnd.shuffle(lines)
        logger.stdin.write(b"".join(lines))
    logger.stdin.close()
    code = logger.wait()
    seconds = time.monotonic() - began
    done.set()
    watch.join()
    size = sum(path.stat().st_size for path in state.glob("counters.db*"))
    with SQLiteBackend(state / "counters.db") as backend:
        hits = Hits(counters=backend, history=None)
        found = hits.many(TRUE)
        other = hits.today("(other)")
        total = sum(count for _, count in hits.top(2_000_000))
    exact = sum(found[page].today == sent[page] for page in TRUE)
    missed = sum(sent[page] - found[page].today for page in TRUE)
    assert code == 0
    assert total == sum(sent.values()) + urls // 10_000 * 9_000, (total, other)
    return (
        f"{urls:,} lines, {length} bytes{', true pages first' if early else ''}: worker {most[0] / 1e6:.0f} MB,"
        f" store {size / 1e6:.0f} MB, {exact} of {len(TRUE)} true pages exact, {missed:,} of {sum(sent.values()):,} of"
        f" their views under (other), {seconds:.0f} s"
    )


def _line(page: str) -> bytes:
    return b'192.0.2.7 - - [%b] "GET %b HTTP/1.1" 200 512 "-" "%b"\n' % (STAMP, page.encode(), AGENT.encode())


STAMP = time.strftime("%d/%b/%Y:12:00:00 %z").encode()


def _watch(supervisor: int, most: list[int], done: threading.Event) -> None:
    """The most memory that a child of the supervisor has had, in bytes."""
    while not done.wait(0.2):
        try:
            children = Path(f"/proc/{supervisor}/task/{supervisor}/children").read_text().split()
            for child in children:
                for row in Path(f"/proc/{child}/status").read_text().splitlines():
                    if row.startswith("VmHWM:"):
                        most[0] = max(most[0], int(row.split()[1]) * 1024)
        except OSError:
            pass


if __name__ == "__main__":
    main()
