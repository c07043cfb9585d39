"""What the Python rivals do with a parsed line: the rollup's job with plain dictionaries."""

import json
import re
from collections import Counter

ASSETS = re.compile(r"\.(?:css|js|json|png|jpe?g|gif|webp|svg|ico|ttf|woff2?|gz|zip)$|^/robots\.txt$")
PROGRAMS = re.compile(r"bot|crawl|spider|slurp|curl", re.I)
VIEWED = frozenset((200, 201, 202, 203, 204, 205, 304))


class Tally:
    def __init__(self) -> None:
        self.lines = 0
        self.counts: Counter[tuple[str, ...]] = Counter()

    def add(
        self, day: str, minute: str, method: str, path: str, status: int, sent: int, referrer: str, agent: str
    ) -> None:
        self.lines += 1
        self.counts["status", day, str(status)] += 1
        self.counts["bytes", day] += sent
        if method != "GET" or " " in path or ASSETS.search(path):
            return
        if status == 404:
            self.counts["missing", day, path] += 1
        if status not in VIEWED:
            return
        if PROGRAMS.search(agent):
            self.counts["program", day, path, agent] += 1
            return
        self.counts["views", day, path] += 1
        self.counts["minute", day, minute] += 1
        if referrer:
            self.counts["referrer", day, path, referrer] += 1

    def told(self) -> str:
        views = [count for key, count in self.counts.items() if key[0] == "views"]
        return json.dumps({"views": sum(views), "pages": len(views)})
