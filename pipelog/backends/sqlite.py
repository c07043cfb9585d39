"""Counters in one SQLite file: the default backend, for one host and as many processes as read or write on it."""

from __future__ import annotations

import fcntl
import json
import math
import os
import re
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Self
from urllib.parse import quote_from_bytes

from pipelog.backends.base import Claiming, CounterBackend, Listing
from pipelog.errors import BackendUnavailable, PipelogError, StoreError
from pipelog.locators import Location, seconds

SCHEMA_VERSION = 1
#: Tells our file from any other SQLite database (sqlite.org/fileformat2.html, section 1.3.10): "PLog".
APPLICATION_ID = 0x504C6F67

SCHEMA = f"""
    PRAGMA application_id = {APPLICATION_ID};
    PRAGMA user_version = {SCHEMA_VERSION};

    -- One number. Ordered by key, so that a prefix is a range; without a rowid, so that there is one tree to change.
    CREATE TABLE counters (
        key TEXT PRIMARY KEY,
        count INTEGER NOT NULL,     -- 0 to 2**63 - 1
        expires INTEGER NOT NULL    -- seconds since the epoch; from then on the row is not seen
    ) WITHOUT ROWID;

    -- One small value of one writer. Some are many kilobytes, which a tree of keys should not carry: hence the rowid.
    CREATE TABLE documents (
        key TEXT PRIMARY KEY,
        content BLOB NOT NULL,
        expires INTEGER NOT NULL
    );
"""

_ADD = """
    INSERT INTO counters (key, count, expires) VALUES (?1, max(0, ?2), ?3)
    ON CONFLICT (key) DO UPDATE SET
        count = CASE
            WHEN expires <= ?4 THEN excluded.count
            WHEN ?2 > 9223372036854775807 - count THEN 9223372036854775807
            ELSE max(0, count + ?2)
        END,
        expires = CASE WHEN expires <= ?4 THEN excluded.expires ELSE expires END
"""
_STORE = """
    INSERT INTO documents (key, content, expires) VALUES (?, ?, ?)
    ON CONFLICT (key) DO UPDATE SET content = excluded.content, expires = excluded.expires
"""
_CLAIM = """
    INSERT INTO documents (key, content, expires) VALUES (?1, ?2, ?3)
    ON CONFLICT (key) DO UPDATE SET content = excluded.content, expires = excluded.expires WHERE expires <= ?4
"""
# json_each takes any number of keys in one statement, and one statement sees one moment.
# The answer is one object, too: to read a thousand rows takes Python half as long again.
_COUNTS = """
    SELECT json_group_object(counters.key, count)
    FROM json_each(?) AS asked CROSS JOIN counters ON counters.key = asked.value WHERE expires > ?
"""
_DOCUMENTS = "SELECT key, content FROM documents WHERE key IN (SELECT value FROM json_each(?)) AND expires > ?"
_SCAN = "SELECT key, count FROM counters WHERE key > ? AND key < ? AND expires > ? ORDER BY key LIMIT ?"
# 100,000 keys are ranked in 15 ms, with the interpreter free for others; in Python it were 150.
_HIGHEST = """
    SELECT key, count FROM counters
    WHERE key >= ?1 AND key < ?2 AND expires > ?3
    AND (?4 = '' OR substr(key, ?6) LIKE ?4 ESCAPE '\\') AND (?5 = '' OR substr(substr(key, ?6), -?7) = ?5)
    ORDER BY count DESC, key LIMIT ?8
"""
_SUMS = """
    SELECT CASE WHEN instr(rest, '|') THEN substr(rest, instr(rest, '|') + 1) ELSE rest END AS name, SUM(count)
    FROM (SELECT substr(key, ?4) AS rest, count FROM counters WHERE key >= ?1 AND key < ?2 AND expires > ?3)
    GROUP BY name
"""

_WILD, _ESCAPED = re.compile(r"[%_\\]"), r"\\\g<0>"  # what LIKE takes for something else

#: Greater than every character of a key, so that `prefix + _LAST` ends the range of a prefix.
_LAST = "\x7f"
#: Rows that a commit looks through for expired ones, at the least. Twice what it writes keeps ahead of any growth.
_SWEEP_ROWS = 500
_SCAN_ROWS = 10_000
#: KiB of pages that a connection remembers: those that a large commit touches would else go to the disk several times.
_CACHE = 8_000
#: Pages of 4 KiB after which the write-ahead log goes into the file: a page that many commits change goes there once.
_WAL_PAGES = 4_000

_UNAVAILABLE = {
    sqlite3.SQLITE_BUSY: "another process holds the lock; it is free again when that one ends",
    sqlite3.SQLITE_LOCKED: "another process holds the lock; it is free again when that one ends",
    sqlite3.SQLITE_FULL: "the disk is full; make room",
    sqlite3.SQLITE_IOERR: "the disk does not read or write; look at the system's log",
    sqlite3.SQLITE_NOMEM: "there is no memory left",
}
_UNUSABLE = {
    sqlite3.SQLITE_NOTADB: "this is no SQLite database; name another file or move this one away",
    sqlite3.SQLITE_CORRUPT: "the file is damaged; move it away and today is counted again from the journal",
    sqlite3.SQLITE_READONLY: "this user may not write to it; give the user the file and its folder",
    sqlite3.SQLITE_CANTOPEN: "it cannot be opened; give this user the file and its folder",
    sqlite3.SQLITE_PERM: "this user may not open it; give the user the file and its folder",
}

#: Connections from before a fork. SQLite must not close them in the child (sqlite.org/howtocorrupt.html, section 2.6).
_INHERITED: list[sqlite3.Connection] = []


class SQLiteBackend(CounterBackend, Listing, Claiming):
    """Counters in the file `path`, made on the first commit (0640, folders 0750).

    `timeout`: seconds to wait for another writer. `clock`: seconds since the epoch. A commit is one transaction. A
    count that would pass 2**63 - 1 stays there. A file that was deleted or replaced counts as an emptied one.
    """

    def __init__(self, path: Path, *, timeout: float = 5.0, clock: Callable[[], float] = time.time) -> None:
        self.path = path.absolute()
        self._timeout = timeout
        self._clock = clock
        self._database: sqlite3.Connection | None = None
        self._identity: tuple[int, int] | None = None
        self._pid = 0
        self._swept = {"counters": "", "documents": ""}

    @classmethod
    def from_location(cls, location: Location) -> Self:
        """`sqlite:///absolute` or `sqlite:relative`, with `timeout` in seconds."""
        return cls(location.local_path(), **location.take_query({"timeout": seconds}))

    def commit(self, counts: Mapping[str, int], documents: Mapping[str, bytes], *, ttl: int) -> None:
        if not counts and not documents:
            return
        now = self._clock()
        expires = math.ceil(now + ttl)
        with self._writing() as database:
            # In the order of keys each page of the tree is touched once: 300,000 a second instead of 200,000.
            database.executemany(_ADD, ((key, counts[key], expires, now) for key in sorted(counts)))
            database.executemany(_STORE, ((key, content, expires) for key, content in documents.items()))
            self._sweep(database, "counters", len(counts), now)
            self._sweep(database, "documents", len(documents), now)

    def counts(self, keys: Sequence[str]) -> dict[str, int]:
        with self._guard():
            database = self._connection()
            if database is None:
                return {}
            (found,) = database.execute(_COUNTS, (json.dumps(sorted(keys)), self._clock())).fetchone()
            counts: dict[str, int] = json.loads(found)
            return counts

    def documents(self, keys: Sequence[str]) -> dict[str, bytes]:
        with self._guard():
            database = self._connection()
            if database is None:
                return {}
            return dict(database.execute(_DOCUMENTS, (json.dumps(list(keys)), self._clock())))

    def scan(self, prefix: str) -> Iterator[tuple[str, int]]:
        """As the contract says; in portions, each of one moment, so that a slow reader holds up no writer."""
        after, end = prefix, prefix + _LAST
        yield from self.counts([prefix]).items()
        while True:
            with self._guard():
                database = self._connection()
                if database is None:
                    return
                rows = database.execute(_SCAN, (after, end, self._clock(), _SCAN_ROWS)).fetchall()
            yield from rows
            if len(rows) < _SCAN_ROWS:
                return
            after = rows[-1][0]

    def highest(self, prefix: str, n: int, *, containing: str = "", ending: str = "") -> list[tuple[str, int]]:
        part = f"%{_WILD.sub(_ESCAPED, containing)}%" if containing else ""
        with self._guard():
            database = self._connection()
            if database is None:
                return []
            range_ = (prefix, prefix + _LAST, self._clock())
            return database.execute(_HIGHEST, (*range_, part, ending, len(prefix) + 1, len(ending), n)).fetchall()

    def sums(self, prefix: str) -> dict[str, int]:
        with self._guard():
            database = self._connection()
            if database is None:
                return {}
            return dict(database.execute(_SUMS, (prefix, prefix + _LAST, self._clock(), len(prefix) + 1)))

    def forget(self, prefix: str) -> None:
        with self._guard():
            if self._connection() is None:
                return
        with self._writing() as database:
            database.execute("PRAGMA secure_delete = ON")  # a day's key goes, too; see `_sweep`
            for table in ("counters", "documents"):
                database.execute(f"DELETE FROM {table} WHERE key >= ? AND key < ?", (prefix, prefix + _LAST))

    def claim(self, key: str, document: bytes, *, ttl: int) -> bytes:
        now = self._clock()
        with self._writing() as database:
            database.execute(_CLAIM, (key, document, math.ceil(now + ttl), now))
            self._sweep(database, "documents", 1, now)
            (there,) = database.execute("SELECT content FROM documents WHERE key = ?", (key,)).fetchone()
        return bytes(there)

    def close(self) -> None:
        database, self._database = self._database, None
        if database is None:
            return
        if self._pid != os.getpid():
            _INHERITED.append(database)
            return
        try:
            database.close()  # what was not committed is rolled back
        except sqlite3.Error:
            pass  # the file is let go of either way

    @contextmanager
    def _guard(self) -> Iterator[None]:
        """Any failure drops the connection, and with it the transaction; SQLite's errors become ours."""
        try:
            yield
        except sqlite3.Error as error:
            self.close()
            code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
            if code in _UNAVAILABLE:
                raise BackendUnavailable(f"{self.path}: {_UNAVAILABLE[code]} ({error})") from error
            advice = _UNUSABLE.get(code, "it cannot be used; move it away and today is counted again from the journal")
            raise StoreError(f"{self.path}: {advice} ({error})") from error
        except OverflowError as error:
            self.close()
            raise StoreError(f"{self.path}: a count of over 2**63 - 1 was to be added; nothing was changed") from error
        except PipelogError:
            self.close()
            raise
        except OSError as error:
            self.close()
            raise StoreError(f"{self.path}: {error.strerror}; give this user the file and its folder") from error
        except BaseException:
            self.close()
            raise

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """One transaction. It takes the write lock at once: one that reads first cannot wait for it later."""
        with self._guard():
            database = self._connection()
            if database is None:
                _create(self.path)
                database = self._connection()
                if database is None:
                    raise BackendUnavailable(f"{self.path}: was removed as soon as it was made; try again")
            database.execute("BEGIN IMMEDIATE")
            yield database
            database.execute("COMMIT")

    def _connection(self) -> sqlite3.Connection | None:
        """The connection to the file that is there now, in this process; None where there is no file."""
        identity = _identify(self.path)
        if self._database is not None:
            if identity == self._identity and self._pid == os.getpid():
                return self._database
            self.close()
        if identity is None:
            return None
        # The identity is older than the connection: should the file be replaced between the two, the next call sees it.
        self._identity, self._pid = identity, os.getpid()
        self._database = self._connect()
        return self._database

    def _connect(self) -> sqlite3.Connection:
        database = sqlite3.connect(
            f"file:{quote_from_bytes(os.fsencode(self.path))}?mode=rw",  # rw: never makes a file
            uri=True,
            timeout=self._timeout,
            isolation_level=None,
            check_same_thread=False,  # made in one thread, used in another; never in two at once
        )
        try:
            (application,) = database.execute("PRAGMA application_id").fetchone()
            (version,) = database.execute("PRAGMA user_version").fetchone()
            if application != APPLICATION_ID:
                raise StoreError(f"{self.path}: is a database of another program; name another file")
            if version != SCHEMA_VERSION:
                raise StoreError(
                    f"{self.path}: has version {version}, this pipelog knows {SCHEMA_VERSION}; use the pipelog that "
                    "made it, or move it away and today is counted again from the journal"
                )
            # With a write-ahead log NORMAL never damages the file; a power cut may lose the last commits, each of them
            # with the checkpoint it carried, so that the journal is simply counted again from an older one.
            database.execute("PRAGMA synchronous = NORMAL")
            database.execute(f"PRAGMA cache_size = -{_CACHE}")
            database.execute(f"PRAGMA wal_autocheckpoint = {_WAL_PAGES}")
        except BaseException:
            database.close()
            raise
        return database

    def _sweep(self, database: sqlite3.Connection, table: str, written: int, now: float) -> None:
        """Remove what has expired from the next portion of a table, in the order of keys, round and round.

        No index by expiry, which every new row would have to pay for.
        """
        after = self._swept[table]
        rows = _SWEEP_ROWS + 2 * written
        query = f"SELECT key FROM {table} WHERE key > ? ORDER BY key LIMIT 1 OFFSET ?"
        (until,) = database.execute(query, (after, rows)).fetchone() or (_LAST,)
        # What is removed is overwritten: a day's key (see visitors.py) must not be found in the file after its life.
        # Not that of counters: to write again each page that is given up doubles what a day's end writes.
        database.execute(f"PRAGMA secure_delete = {'ON' if table == 'documents' else 'OFF'}")
        database.execute(f"DELETE FROM {table} WHERE key > ? AND key <= ? AND expires <= ?", (after, until, now))
        self._swept[table] = "" if until == _LAST else until


def _identify(path: Path) -> tuple[int, int] | None:
    try:
        status = os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return (status.st_dev, status.st_ino) if status.st_size else None


def _create(path: Path) -> None:
    """Make an empty database where there is none (or a file without a byte), whole from its first moment.

    Under a lock on the folder, for what a deleted database left behind (-wal, -shm) must go before the new one
    appears, and must not be the new one's own.
    """
    _make_folder(path.parent)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        if _identify(path) is not None:
            return
        draft = path.with_name(path.name + ".new")
        leftovers = (base.with_name(base.name + end) for base in (path, draft) for end in ("-wal", "-shm", "-journal"))
        for leftover in (draft, *leftovers):
            leftover.unlink(missing_ok=True)
        os.close(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o640))
        with closing(sqlite3.connect(draft, isolation_level=None)) as database:
            database.executescript(SCHEMA)
            database.execute("PRAGMA journal_mode = WAL")
        os.replace(draft, path)
    finally:
        os.close(folder)


def _make_folder(folder: Path) -> None:
    if not folder.is_dir():
        _make_folder(folder.parent)
        try:
            folder.mkdir(0o750)
        except FileExistsError:
            pass  # another process was faster
