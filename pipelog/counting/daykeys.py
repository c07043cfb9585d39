"""The key of a day, under which addresses become visitors: random, of one day, and then gone.

It is made on the day before, so that the first line finds it, and kept through the day after, in which the day is
rolled up: in STATE/visitors/2026-11-22.key (0600). All who count a day together must have the same; how they agree on
it is told in `pipelog.backends.visitors`.
"""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path

from pipelog.errors import StoreError

KEY_BYTES = 16
LIFE = timedelta(days=2)
"""A key is gone so long after the begin of its day."""
_NAME = re.compile(r"\.?\d{4}-\d\d-\d\d\.")


def new_key() -> bytes:
    """A key that nobody has."""
    return os.urandom(KEY_BYTES)


def key_id(key: bytes) -> bytes:
    """Four bytes by which sketches tell under which key they were made, and that tell nothing of it."""
    return hashlib.blake2b(key, digest_size=4, person=b"pipelog key id").digest()


@dataclass(frozen=True)
class DayKeys:
    """The key of any day, for one run: those given, and for other days one from a secret that nobody keeps."""

    given: Mapping[date, bytes] = field(default_factory=dict, repr=False)
    secret: bytes = field(default_factory=new_key, repr=False)

    def __call__(self, day: date) -> bytes:
        return (
            self.given.get(day)
            or hashlib.blake2b(day.isoformat().encode(), key=self.secret, digest_size=KEY_BYTES).digest()
        )


class KeyFolder:
    """The keys in a state folder. `StoreError` where they cannot be read or written."""

    def __init__(self, state: Path) -> None:
        self.path = state / "visitors"

    def key(self, day: date) -> bytes | None:
        """The key of a day, if there is one."""
        try:
            key = self._file(day).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._error(error) from error
        if len(key) != KEY_BYTES:
            raise StoreError(f"{self._file(day)}: is no key; remove the file, and the day has another")
        return key

    def living(self, days: Iterable[date], today: date) -> DayKeys:
        """The keys of days whose life is not over; the others have one of a run's own, even if a file is left."""
        found = {day: self.key(day) for day in days if day + LIFE > today}
        return DayKeys({day: key for day, key in found.items() if key})

    def keep(self, day: date, key: bytes) -> None:
        """Keep a key in the place of any other. In one step: nobody ever reads half a key."""
        try:
            self.path.mkdir(mode=0o700, exist_ok=True)
            descriptor, draft = tempfile.mkstemp(dir=self.path, prefix=f".{day.isoformat()}.")  # 0600
            try:
                with open(descriptor, "wb") as file:
                    file.write(key)
                    file.flush()
                    os.fsync(descriptor)
                os.replace(draft, self._file(day))
            except BaseException:
                Path(draft).unlink(missing_ok=True)
                raise
        except OSError as error:
            raise self._error(error) from error

    def forget(self, today: date) -> None:
        """Remove the keys whose life is over, and what a killed process left of one."""
        oldest = (today - LIFE + timedelta(days=1)).isoformat()
        try:
            for name in os.listdir(self.path):
                if _NAME.match(name) and name.lstrip(".") < oldest:
                    (self.path / name).unlink(missing_ok=True)
        except FileNotFoundError:
            pass
        except OSError as error:
            raise self._error(error) from error

    def _file(self, day: date) -> Path:
        return self.path / f"{day.isoformat()}.key"

    def _error(self, error: OSError) -> StoreError:
        return StoreError(f"{self.path}: {error.strerror}; give this user the folder, or remove it")
