"""Caps on names: a scanner with ten million addresses costs bounded memory, and no page its place.

First come, first served, for nine tenths of the places. The last tenth is for who comes too late and proves to be more
than a scanner's address: a name over the cap is watched, and gets a place at its `PROVEN`th count, together with what
had been counted for it under "(other)".
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable
from datetime import date
from functools import lru_cache
from hashlib import blake2b
from operator import itemgetter
from typing import Protocol

from pipelog.counting.rules import OTHER, Rules
from pipelog.model import Coordinate, Tally

CAPPED_DIMENSIONS = frozenset(("referrer", "keyword", "bot", "campaign"))
"""Dimensions whose values are strangers' words. The rest have few values by their nature (status, minute)."""

PROVEN = 4
"""Counts at which a name that came too late has proved itself."""
WATCHED = 50_000
"""Names over the caps that are watched at once. When there are more, those are let go that came least often."""
LENGTH = 250
"""Bytes of a name that are one place; a longer one takes several, for it takes so much of a store."""

_OWN_PAGES = frozenset(("missing", "bot"))
"""Dimensions with page caps of their own: whoever asks for what is not there, or says that it is a program, takes no
viewed page its place."""

Place = tuple[int, int, int]  #: hash of where a name was admitted, hash of it there, how many places it takes


class Memory(Protocol):
    """Where the names that have a place are kept from one worker to the next."""

    def load(self, day: date) -> Iterable[Place]:
        """What earlier workers have admitted for a day."""


class Caps:
    """Admits names up to the caps of `Rules`; what is over becomes "(other)".

    Nothing is dropped: the count of a refused name is added under "(other)". `refused` says how many counts of each
    kind (site, page, value) stand there. `fresh`: the places given since it was emptied last, to be kept by the caller
    who gave a `memory`. Names are held as hashes, 60 to 100 bytes each whatever their length.
    """

    def __init__(self, rules: Rules, memory: Memory | None = None) -> None:
        self._max = {
            "site": rules.max_sites,
            "page": rules.max_pages,
            "value": rules.max_values,
            "name": rules.max_names,
        }
        self._memory = memory
        self._where = lru_cache(maxsize=1_000)(lambda among: _hash("\n".join(among)))
        self._days: dict[date, _Day] = {}
        self._moves: list[tuple[Coordinate, Coordinate, int]] = []
        self.refused: Counter[str] = Counter()
        self.fresh: defaultdict[date, list[Place]] = defaultdict(list)

    def add(self, counts: Iterable[tuple[Coordinate, int]], tally: Tally) -> None:
        """Add counts to a tally, under the names that are admitted.

        What a name is given a place for later is taken from "(other)" then, which may make that negative in this tally.
        """
        for wanted, count in counts:
            coordinate = self.admit(wanted, count)
            tally[coordinate] = tally.get(coordinate, 0) + count
            while self._moves:
                other, own, moved = self._moves.pop()
                tally[own] = tally.get(own, 0) + moved
                left = tally.pop(other, 0) - moved
                if left:
                    tally[other] = left

    def fit(self, sites: int, pages: Iterable[Collection[str]], pairs: Iterable[Collection[tuple[str, str]]]) -> bool:
        """Whether these names would all get a place if they were all that come, in any order: pages that share a cap,
        (page, value) of one dimension. For long names it may say no where there is room."""
        total = sites  # a site's name takes a place, too
        for names in pages:
            places = len(names) + sum(map(len, names)) // LENGTH
            total += places
            if self._over("page", places):
                return False
        for names_of_pages in pairs:
            room = 1 + max(map(len, map(itemgetter(1), names_of_pages)), default=0) // LENGTH
            total += len(names_of_pages) * room
            of_one_page = Counter(map(itemgetter(0), names_of_pages))
            if self._over("value", max(of_one_page.values(), default=0) * room):
                return False
        return not self._over("site", sites) and not self._over("name", total)

    def _over(self, kind: str, places: int) -> bool:
        """Whether so many places are more than are given to whoever comes first."""
        most = self._max[kind]
        return most > 0 and places > most - most // 10

    def admit(self, coordinate: Coordinate, count: int = 1) -> Coordinate:
        """The coordinate under which this one's `count` belongs."""
        day, site, page, dimension, value = coordinate
        names = self._days.get(day)
        if names is None:
            names = self._days[day] = _Day(() if self._memory is None else self._memory.load(day))
        known = names.known
        of = (site, dimension if dimension in _OWN_PAGES else "views")
        at = (site, page, dimension) if value and dimension in CAPPED_DIMENSIONS else ()
        # What has a place stands at one that has one; so nearly every name is known by one look.
        if (hash((at, value)) if at else hash((of, page)) if page else hash(((), site))) in known:
            return coordinate
        if hash(((), site)) not in known and not self._given(names, "site", (), site, coordinate, count):
            site, of = OTHER, (OTHER, of[1])
        if page and hash((of, page)) not in known:
            wanted = Coordinate(day, site, page, dimension, value)
            page = page if self._given(names, "page", of, page, wanted, count) else OTHER
        if at:
            at = (site, page, dimension)
            if hash((at, value)) not in known:
                wanted = Coordinate(day, site, page, dimension, value)
                value = value if self._given(names, "value", at, value, wanted, count) else OTHER
        return Coordinate(day, site, page, dimension, value)

    def _given(
        self, names: _Day, kind: str, among: tuple[str, ...], name: str, coordinate: Coordinate, count: int
    ) -> bool:
        """Whether a name that is not known to have a place needs none, or has one, or gets one now."""
        if name == OTHER or not self._max[kind]:
            return True
        place = self._place(among, name)
        if place[1] in names.remembered:
            names.known.add(hash((among, name)))
            return True
        room, most = place[2], self._max[kind]
        used = names.used.get(place[0], 0) + room
        most_names = self._max["name"]
        total = names.total + room if most_names else 0
        if self._over(kind, used) or self._over("name", total):
            before = names.watched.get(hash(coordinate), 0)
            if used > most or total > most_names or before + count < PROVEN:
                names.watch(coordinate, count)
                self.refused[kind] += count
                return False
            names.watched.pop(hash(coordinate), None)
            self._move(kind, coordinate, before)
        names.known.add(hash((among, name)))
        names.used[place[0]] = used
        names.total += room
        if self._memory is not None:
            self.fresh[coordinate.day].append(place)
        return True

    def _move(self, kind: str, coordinate: Coordinate, count: int) -> None:
        """What was counted of a name before it had a place comes to it, where it is known under which one it was."""
        if kind == "page" and not coordinate.value:
            other = coordinate._replace(page=OTHER)
        elif kind == "value":
            other = coordinate._replace(value=OTHER)
        else:
            return
        if count:
            self._moves.append((other, coordinate, count))
            self.refused[kind] -= count

    def _place(self, among: tuple[str, ...], name: str) -> Place:
        if self._memory is None:
            return hash(among), hash((among, name)), 1 + len(name) // LENGTH
        where = self._where(among)
        return where, _hash(f"{where}\n{name}"), 1 + len(name) // LENGTH

    def forget_before(self, day: date) -> None:
        """Let go of the names of earlier days."""
        for past in [known for known in self._days if known < day]:
            del self._days[past]

    def count_anew(self) -> None:
        """Forget what was counted under "(other)": the store has lost it, and it is counted again."""
        for names in self._days.values():
            names.watched.clear()


class _Day:
    """The names of one day."""

    def __init__(self, places: Iterable[Place]) -> None:
        self.known: set[int] = set()  # by Python's hash, which differs from process to process, and is at hand
        self.remembered: set[int] = set()  # by a hash that does not: of earlier workers
        self.used: dict[int, int] = {}
        self.total = 0
        self.watched: dict[int, int] = {}  # coordinate -> what was counted of it under "(other)"
        for where, name, room in places:
            self.remembered.add(name)
            self.used[where] = self.used.get(where, 0) + room
            self.total += room

    def watch(self, coordinate: Coordinate, count: int) -> None:
        key = hash(coordinate)
        self.watched[key] = self.watched.get(key, 0) + count
        least = 1
        while len(self.watched) > WATCHED:
            self.watched = {key: seen for key, seen in self.watched.items() if seen > least}
            least *= 2


def _hash(text: str) -> int:
    return int.from_bytes(blake2b(text.encode("utf-8", "surrogateescape"), digest_size=8).digest(), "little")
