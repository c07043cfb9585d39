"""A counter backend for pipelog that keeps everything in one JSON file.

    jsonfile:///var/www/site/counters.json

Anything reads it: jq, PHP, a static page's script. Each commit writes the whole file anew, under a lock and in one
step, so it is meant for sites of some thousand pages a day, not for large ones.
"""

from __future__ import annotations

import base64
import fcntl
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

from pipelog.backends.base import CounterBackend, Listing
from pipelog.errors import StoreError
from pipelog.locators import Location

LIMIT = 2**63 - 1


class JSONFileBackend(CounterBackend, Listing):
    """Counters in the file `path`; beside it `path.lock`, which is never removed. `clock`: seconds since the epoch."""

    def __init__(self, path: Path, *, clock: Callable[[], float] = time.time) -> None:
        self.path = path.absolute()
        self._clock = clock

    @classmethod
    def from_location(cls, location: Location) -> Self:
        location.take_query({})
        return cls(location.local_path())

    def commit(self, counts: Mapping[str, int], documents: Mapping[str, bytes], *, ttl: int) -> None:
        expires = self._clock() + ttl
        with self._changing() as content:
            for key, count in counts.items():
                old, end = content["counters"].get(key, (0, expires))
                content["counters"][key] = [min(max(0, old + count), LIMIT), end]
            for key, document in documents.items():
                content["documents"][key] = [base64.b64encode(document).decode("ascii"), expires]

    def counts(self, keys: Sequence[str]) -> dict[str, int]:
        counters = self._read()["counters"]
        return {key: counters[key][0] for key in keys if key in counters}

    def documents(self, keys: Sequence[str]) -> dict[str, bytes]:
        documents = self._read()["documents"]
        return {key: base64.b64decode(documents[key][0]) for key in keys if key in documents}

    def scan(self, prefix: str) -> Iterator[tuple[str, int]]:
        for key, (count, _) in self._read()["counters"].items():
            if key.startswith(prefix):
                yield key, count

    def forget(self, prefix: str) -> None:
        with self._changing() as content:
            for kind, items in content.items():
                content[kind] = {key: item for key, item in items.items() if not key.startswith(prefix)}

    def close(self) -> None:
        """Nothing stays open between two calls."""

    def _read(self) -> dict[str, dict[str, Any]]:
        """What is in the file and has not expired."""
        now = self._clock()
        try:
            content = json.loads(self.path.read_bytes())
            return {
                kind: {key: item for key, item in content[kind].items() if item[1] > now}
                for kind in ("counters", "documents")
            }
        except FileNotFoundError:
            return {"counters": {}, "documents": {}}
        except OSError as error:
            raise StoreError(f"{self.path}: {error.strerror}; let this user read the file") from error
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise StoreError(f"{self.path}: holds no counters; name another file or move this one away") from error

    @contextmanager
    def _changing(self) -> Iterator[dict[str, dict[str, Any]]]:
        """The content, to be changed by one process at a time and put in place of the old in one step."""
        try:
            with open(f"{self.path}.lock", "ab") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                content = self._read()
                yield content
                draft = Path(f"{self.path}.new")
                with draft.open("w", encoding="ascii") as file:
                    json.dump(content, file)
                    file.flush()
                    os.fsync(file.fileno())
                os.replace(draft, self.path)
        except StoreError:
            raise
        except OSError as error:
            raise StoreError(f"{self.path}: {error.strerror}; let this user write to its folder") from error
