"""Distinct people: whose views they were, as sketches in which nobody can be found once the day's key is gone.

A person is an address and a user agent, as far as a log can tell. Both go through a hash under the key of the day
(`daykeys`), so that the same person is another one tomorrow, and of the hash a `Sketch` keeps 18 bits.
"""

from __future__ import annotations

import hashlib
import socket
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable
from datetime import date
from itertools import repeat

from pipelog.counting.sketches import Sketch, cell
from pipelog.model import Coordinate

#: (day, site, page); page "" is the whole site
Place = tuple[date, str, str]

MEMO = 20_000
"""Visitors whose hash is remembered; there may be two memos, of the last lines and of those before."""
NOBODY = -1

_MAPPED = bytes(10) + b"\xff\xff"
_LINK_LOCAL = b"\xfe\x80" + bytes(6)


def person(host: bytes, agent: bytes) -> bytes | None:
    """What tells a person from others: bytes to be hashed, never kept. None where the line has no address.

    An IPv4 address counts whole, also where it is written as IPv6 (::ffff:192.0.2.1), of an IPv6 address the first 64
    bits, which are those of a household (RFC 6177); a zone (%eth0) is no part of it. Those of the link, which all
    begin alike, count whole, and a name (`HostnameLookups On`) in either case of letters.
    """
    if host in (b"-", b""):
        return None
    text = host.decode("latin-1").partition("%")[0]
    try:
        if ":" in text:
            packed = socket.inet_pton(socket.AF_INET6, text)
            if packed.startswith(_MAPPED):
                packed = packed[12:]
            elif not packed.startswith(_LINK_LOCAL):
                packed = packed[:8]
        else:
            packed = socket.inet_pton(socket.AF_INET, text)
    except (OSError, ValueError):
        packed = b"name " + host.lower().removesuffix(b".")
    return b"%d %b%b" % (len(packed), packed, agent)


class Visitors:
    """Counts views into sketches, a site's or (`pages`) those of its pages, too.

    `key` gives the key of a day; the views of a day that has none are left out.
    """

    def __init__(self, key: Callable[[date], bytes | None], *, pages: bool) -> None:
        self._key = key
        self._pages = pages
        # By Python's hash of day, address and agent: neither is held, however long it is.
        self._cells: dict[int, int] = {}
        self._older: dict[int, int] = {}
        self.sketches: defaultdict[Place, Sketch] = defaultdict(Sketch)
        self.changed: set[Place] = set()  #: places whose sketch has changed since the caller emptied this

    def add(
        self,
        day: date,
        site: str,
        pages: Iterable[str],
        hosts: Iterable[bytes],
        agents: Iterable[bytes],
        admit: Callable[[Coordinate, int], Coordinate],
    ) -> None:
        """Take in views of a day and site: what stands at the same place of pages, hosts and agents is one. `admit` is
        that of the caps."""
        remembered = self._cells.get
        cells = [
            remembered(hash(one)) or self._cell(one)  # a cell is never 0: its lower bits are the rank, from 1
            for one in zip(repeat(day), hosts, agents)
        ]
        named = admit(Coordinate(day, site, "", "requests", ""), 0)
        self._add((day, named.site, ""), {one for one in cells if one != NOBODY})
        if not self._pages:
            return
        seen: defaultdict[str, list[int]] = defaultdict(list)
        # In their order, as a set would not be: caps are first come, first served.
        for page, one in dict.fromkeys(zip(pages, cells, strict=True)):
            if one != NOBODY:
                seen[page].append(one)
        for page, found in seen.items():
            named = admit(Coordinate(day, site, page, "views", ""), 0)
            self._add((day, named.site, named.page), found)

    def merge(self, place: Place, sketch: Sketch) -> None:
        """Take in what was counted elsewhere under the same key."""
        if self.sketches[place].merge(sketch):
            self.changed.add(place)

    def forget(self, gone: Callable[[date], bool]) -> None:
        """Let go of days, and of whom their views were."""
        self._cells, self._older = {}, {}
        for place in [place for place in self.sketches if gone(place[0])]:
            del self.sketches[place]
            self.changed.discard(place)

    def _add(self, place: Place, cells: Collection[int]) -> None:
        if cells and self.sketches[place].add(cells):
            self.changed.add(place)

    def _cell(self, visitor: tuple[date, bytes, bytes]) -> int:
        """The cell of a visitor that is not among those seen last."""
        day, host, agent = visitor
        mark = hash(visitor)
        found = self._older.get(mark)
        if found is None:
            key, whom = self._key(day), person(host, agent)
            if key is None or whom is None:
                found = NOBODY
            else:
                found = cell(int.from_bytes(hashlib.blake2b(whom, key=key, digest_size=8).digest()))
        if len(self._cells) >= MEMO:
            self._cells, self._older = {}, self._cells
        self._cells[mark] = found
        return found
