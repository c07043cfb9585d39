"""What the sources of a backend share about a day's visitors: the key, who they are, and each one's sketches.

    =visitor-key                                     the key; the first one that is claimed is that of all
    =visitor-source|0, |1 …                          who counts: each source claims the next that is free
    =visitors|source|journal|site                    a source's sketch of a site, behind the id of its key

All are documents of a day. A store that loses its memory gets the same key again from whoever has it in the state
folder; whoever finds another there than before counts the day again, as the store has lost it anyway.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from itertools import count as count_up

from pipelog.backends.base import Claiming, CounterBackend
from pipelog.backends.keys import Keys
from pipelog.counting.daykeys import KEY_BYTES, KeyFolder, new_key
from pipelog.counting.sketches import Sketch, people
from pipelog.errors import StoreError

_AT_ONCE = 16
_ID_BYTES = 4


def agreed_key(backend: Claiming, keys: Keys, folder: KeyFolder, day: date, *, ttl: int) -> bytes:
    """The key that all sources of a backend have for a day; this one's folder has it then, too."""
    mine = folder.key(day)
    name = keys.document("visitor-key", day=day)
    agreed = backend.claim(name, mine or new_key(), ttl=ttl)
    if len(agreed) != KEY_BYTES:
        raise StoreError(f"the document {name!r} is no key of visitors; use a prefix of your own")
    if agreed != mine:
        folder.keep(day, agreed)
    return agreed


def take_part(backend: Claiming, keys: Keys, source: str, journal: str, day: date, *, ttl: int) -> None:
    """See to it that readers find this source among those of a day."""
    me = f"{source}\n{journal}".encode("utf-8", "surrogateescape")
    for number in count_up():
        if backend.claim(keys.document("visitor-source", number, day=day), me, ttl=ttl) == me:
            return


def sketch_key(keys: Keys, source: str, journal: str, site: str, day: date) -> str:
    """The key of the document in which a source has its sketch of a site and day."""
    return keys.document("visitors", source, journal, site, day=day)


def encode(key_id: bytes, sketch: Sketch) -> bytes:
    """A sketch as the content of such a document."""
    return key_id + sketch.encode()


def decode(document: bytes) -> tuple[bytes, Sketch]:
    """What `encode` wrote: the id of the key, and the sketch."""
    try:
        return document[:_ID_BYTES], Sketch.decode(document[_ID_BYTES:])
    except ValueError as error:
        raise StoreError(
            f"a document of visitors is {error}; empty the backend, and today is counted again from the journal"
        ) from error


def live_visitors(backend: CounterBackend, keys: Keys, day: date, site: str) -> int:
    """About how many people viewed a site on a live day: of all sources, each person once."""
    names = [sketch_key(keys, source, journal, site, day) for source, journal in _sources(backend, keys, day)]
    documents = backend.documents(names) if names else {}
    return people(map(decode, documents.values()))


def _sources(backend: CounterBackend, keys: Keys, day: date) -> Iterator[tuple[str, str]]:
    for start in count_up(0, _AT_ONCE):
        numbers = range(start, start + _AT_ONCE)
        found = backend.documents([keys.document("visitor-source", number, day=day) for number in numbers])
        for document in found.values():
            source, _, journal = document.decode("utf-8", "surrogateescape").rpartition("\n")
            yield source, journal
        if not found:
            return
