"""The visitors of the days that a journal's follower counts: their keys, and the sketches that go with each commit."""

from __future__ import annotations

import math
from collections.abc import Iterable
from contextlib import suppress
from datetime import date, datetime, timedelta
from datetime import time as clock_time
from pathlib import Path

from pipelog.backends import visitors
from pipelog.backends.base import Claiming, CounterBackend
from pipelog.backends.keys import Keys
from pipelog.counting.daykeys import LIFE, KeyFolder, key_id
from pipelog.counting.rules import Rules
from pipelog.counting.visitors import Place, Visitors
from pipelog.errors import StoreError

_DAY = timedelta(days=1)


class LiveVisitors:
    """A site's visitors of yesterday, today and tomorrow, whose keys all sources of the backend have agreed on.

    Views of other days are left out: no key is made for a day that may have been counted under another. Errors of the
    store come through, and nothing has changed then. `claims`: the backend, as what it must be besides.
    """

    def __init__(
        self, backend: CounterBackend, claims: Claiming, names: Keys, state: Path, source: str, rules: Rules
    ) -> None:
        self._backend = backend
        self._claims = claims
        self._names = names
        self._folder = KeyFolder(state)
        self._source = source
        self._rules = rules
        self._journal = ""
        self._keys: dict[date, bytes] = {}
        self._known: set[Place] = set()  # whose sketch in the store has been taken in
        self._today = date.min
        self.counted = Visitors(self._keys.get, pages=False)

    def lead(self, now: float, journal: str) -> None:
        """Begin to count a journal, after another worker may have: what it wrote is taken in before it is replaced."""
        self._known.clear()
        self.agree(now, journal, again=True)

    def agree(self, now: float, journal: str, *, again: bool = False) -> None:
        """Have the keys of the days around `now`, and be known as one of their sources. A day's key is agreed on the
        day before, so that its first line finds it. `again`: the store may have forgotten them."""
        today = self._rules.today(now)
        if (self._today, self._journal) == (today, journal) and not again:
            return
        keys = {day: self._agreed(day, now, journal) for day in (today - _DAY, today, today + _DAY)}
        old = self._keys.copy() if journal == self._journal else {}
        self._keys.clear()
        self._keys.update(keys)
        self.counted.forget(lambda day: day not in keys or keys[day] != old.get(day))
        self._known.intersection_update(self.counted.sketches)
        self._folder.forget(today)
        self._today, self._journal = today, journal

    def _agreed(self, day: date, now: float, journal: str) -> bytes:
        end = datetime.combine(day + LIFE, clock_time(), self._rules.zone()).timestamp()
        ttl = max(1, math.ceil(end - now))
        key = visitors.agreed_key(self._claims, self._names, self._folder, day, ttl=ttl)
        visitors.take_part(self._claims, self._names, self._source, journal, day, ttl=ttl)
        return key

    def documents(self) -> dict[str, bytes]:
        """What has changed, to be committed; `written` says that it was."""
        names = {place: self._name(place) for place in self.counted.changed}
        unknown = [name for place, name in names.items() if place not in self._known]
        held = self._backend.documents(unknown) if unknown else {}
        for place, name in names.items():
            if name in held:
                with suppress(StoreError):  # what is damaged counts as absent, and is written anew
                    key, sketch = visitors.decode(held[name])
                    if key == key_id(self._keys[place[0]]):
                        self.counted.merge(place, sketch)
        self._known |= names.keys()
        return {
            name: visitors.encode(key_id(self._keys[place[0]]), self.counted.sketches[place])
            for place, name in names.items()
        }

    def written(self) -> None:
        """The documents are on their way, and will be sent until they are there."""
        self.counted.changed.clear()

    def lost(self, days: Iterable[date]) -> None:
        """The store has forgotten days: their sketches are to be written again."""
        forgotten = frozenset(days)
        self.counted.changed |= {place for place in self.counted.sketches if place[0] in forgotten}

    def _name(self, place: Place) -> str:
        day, site, _ = place
        return visitors.sketch_key(self._names, self._source, self._journal, site, day)
