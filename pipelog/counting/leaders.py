"""The names worth asking for: a small document for backends that cannot list what they hold.

memcached answers "how many for this key", never "which keys". So each worker keeps, beside the counts, the names that
lead the day. The document holds names only; the exact counts are read from the counters.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Hashable, Iterable
from typing import TypeVar

from pipelog.model import Tally

K = TypeVar("K", bound=Hashable)

PAGE_DIMENSIONS = ("views", "missing")
VALUE_DIMENSIONS = ("referrer", "keyword", "bot", "campaign", "status")
KEEP = {"pages": 1_000, "values": 200, "sites": 1_000}
"""How many names of each kind the document holds, for each dimension; ranked over all sites."""
MAX_DOCUMENT = 500_000
"""Bytes; memcached takes items up to 1 MiB by default."""


class Leaders:
    """The leading names of one day, gathered from tallies."""

    def __init__(self, document: bytes | None = None) -> None:
        self._sites: Counter[str] = Counter()
        self._pages: dict[str, Counter[tuple[str, str]]] = {d: Counter() for d in PAGE_DIMENSIONS}
        self._values: dict[str, Counter[tuple[str, str]]] = {d: Counter() for d in VALUE_DIMENSIONS}
        if document:
            self._restore(json.loads(document))

    def _restore(self, held: dict[str, object]) -> None:
        # The first of a list led it; what counts it had is not told, so places stand for counts.
        def ranked(names: Iterable[str]) -> list[tuple[str, int]]:
            return [(name, rank) for rank, name in enumerate(reversed(list(names)), 1)]

        self._sites.update(dict(ranked(held["sites"])))  # type: ignore[arg-type]
        for kind, table in (("pages", self._pages), ("values", self._values)):
            for dimension in table.keys() & held[kind].keys():  # type: ignore[attr-defined]
                for site, names in held[kind][dimension].items():  # type: ignore[index]
                    table[dimension].update({(site, name): rank for name, rank in ranked(names)})

    def add(self, tally: Tally) -> None:
        """Take the names of a tally of this day into account."""
        for (_, site, page, dimension, value), count in tally.items():
            if dimension == "requests":
                self._sites[site] += count
            elif dimension in self._pages:
                self._pages[dimension][site, page] += count
            elif dimension in self._values:
                self._values[dimension][site, value] += count
        self._sites = _trimmed(self._sites, KEEP["sites"])
        for table, most in ((self._pages, KEEP["pages"]), (self._values, KEEP["values"])):
            for dimension, names in table.items():
                table[dimension] = _trimmed(names, most)

    def encode(self) -> bytes:
        """As a document: JSON, leaders first, at most `MAX_DOCUMENT` bytes."""
        share = 1.0
        while True:
            document = json.dumps(self._held(share), ensure_ascii=True, separators=(",", ":")).encode("ascii")
            if len(document) <= MAX_DOCUMENT:
                return document
            share /= 2

    def _held(self, share: float) -> dict[str, object]:
        def by_site(names: Counter[tuple[str, str]], most: int) -> dict[str, list[str]]:
            sites: dict[str, list[str]] = {}
            for (site, name), _ in names.most_common(int(most * share)):
                sites.setdefault(site, []).append(name)
            return sites

        return {
            "sites": [site for site, _ in self._sites.most_common(int(KEEP["sites"] * share))],
            "pages": {d: by_site(names, KEEP["pages"]) for d, names in self._pages.items()},
            "values": {d: by_site(names, KEEP["values"]) for d, names in self._values.items()},
        }


def _trimmed(names: Counter[K], most: int) -> Counter[K]:
    """The names that may yet come to lead; trimmed now and then, as ranking costs time."""
    return Counter(dict(names.most_common(4 * most))) if len(names) > 8 * most else names
