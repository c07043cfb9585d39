"""Keys in a backend: written and read here alone.

    prefix|20261122|views|site|/page|          a counter
    prefix|20261122|views|#6f1d…               a counter whose readable key would be too long
    prefix|20261122|=name|#6f1d…               the document that tells what that one stands for
    prefix|20261122|=sentinel|host|0           other documents, of a day or of none

Legal for memcached (protocol.txt, "Keys": at most 250 bytes, no control, no blank) and so for every other store.
"|", "#", "=" and "%" of a name are written as %xx, so no name can pass for another or for a separator.
"""

from __future__ import annotations

import hashlib
import json
import re
from datetime import date
from functools import lru_cache
from urllib.parse import unquote_to_bytes

from pipelog.errors import SettingsError
from pipelog.model import Coordinate, PlainCoordinate

MAX_KEY = 250
_UNSAFE = re.compile(rb"[^!-~]|[%|#=]")
_SAFE = bytes(byte for byte in range(256) if not _UNSAFE.match(bytes((byte,))))
_PREFIX = re.compile(r"[A-Za-z0-9_.:-]{1,40}")


def quote(text: str) -> str:
    """A name as it stands in a key."""
    raw = text.encode("utf-8", "surrogateescape")
    if not raw.translate(None, _SAFE):  # nothing but safe bytes, as nearly always; a tenth of the time of `sub`
        return text
    return _UNSAFE.sub(lambda m: b"%%%02X" % m.group()[0], raw).decode("ascii")


def unquote(text: str) -> str:
    """What `quote` was given."""
    return unquote_to_bytes(text).decode("utf-8", "surrogateescape")


@lru_cache(maxsize=16)
def _stamp(day: date) -> str:
    return f"{day.year:04}{day.month:02}{day.day:02}"


@lru_cache(maxsize=16)
def _day(stamp: str) -> date:
    return date(int(stamp[:4]), int(stamp[4:6]), int(stamp[6:]))


class Keys:
    """Maker and reader of the keys of one namespace. `prefix`: 1 to 40 letters, digits and `_.:-`."""

    def __init__(self, prefix: str = "pipelog") -> None:
        if not _PREFIX.fullmatch(prefix):
            raise SettingsError(f"prefix {prefix!r}: use 1 to 40 letters, digits and _ . : -")
        self.prefix = prefix
        self._dimension = lru_cache(maxsize=256)(lambda day, dimension: f"{prefix}|{_stamp(day)}|{quote(dimension)}|")

    def day(self, day: date) -> str:
        """What every key of a day begins with, counters and documents."""
        return f"{self.prefix}|{_stamp(day)}|"

    def dimension(self, day: date, dimension: str) -> str:
        """What every counter of a day's dimension begins with."""
        return self._dimension(day, dimension)

    def counter(self, coordinate: PlainCoordinate) -> str:
        """The key of a counter: readable, or keyed with a hash where it would be too long."""
        day, site, page, dimension, value = coordinate
        head = self._dimension(day, dimension)
        names = f"{site}|{page}|{value}"
        if names.encode("utf-8", "surrogateescape").translate(None, _SAFE) != b"||":  # not the separators alone
            names = f"{quote(site)}|{quote(page)}|{quote(value)}"
        key = head + names
        if len(key) <= MAX_KEY:
            return key
        return head + "#" + hashlib.blake2b(key.encode("ascii"), digest_size=24).hexdigest()

    def coordinate(self, key: str) -> Coordinate | None:
        """The coordinate that a readable counter key stands for; None where it is a hash (see `name`)."""
        _, stamp, dimension, *rest = key.split("|")
        if len(rest) != 3:
            return None
        site, page, value = map(unquote, rest)
        return Coordinate(_day(stamp), site, page, unquote(dimension), value)

    def day_of(self, key: str) -> date:
        """The day of a counter's key, readable or hashed."""
        return _day(key.split("|", 2)[1])

    def is_hashed(self, key: str) -> bool:
        """Whether this counter key is a hash, so that a document has to tell its name."""
        return key[-49:-48] == "#"

    def name(self, key: str) -> str:
        """The key of the document that names a hashed counter key."""
        prefix, stamp, _, digest = key.split("|")
        return f"{prefix}|{stamp}|=name|{digest}"

    def document(self, kind: str, *names: str | int, day: date | None = None) -> str:
        """The key of a document of a kind, of one day or of none; `names` tell several of a kind apart."""
        stamp = _stamp(day) if day else ""
        key = "|".join((self.prefix, stamp, "=" + kind, *(quote(str(n)) for n in names)))
        if len(key) <= MAX_KEY:
            return key
        return f"{self.prefix}|{stamp}|={kind}|#" + hashlib.blake2b(key.encode("ascii"), digest_size=24).hexdigest()


def encode_name(coordinate: Coordinate) -> bytes:
    """A coordinate as the content of a name document."""
    return json.dumps([coordinate.day.isoformat(), *coordinate[1:]], ensure_ascii=True).encode("ascii")


def decode_name(document: bytes) -> Coordinate:
    """What `encode_name` wrote."""
    day, site, page, dimension, value = json.loads(document)
    return Coordinate(date.fromisoformat(day), site, page, dimension, value)
