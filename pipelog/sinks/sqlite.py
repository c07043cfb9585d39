"""History in one SQLite file: the default sink."""

from __future__ import annotations

import os
import re
import sqlite3
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from itertools import chain, islice
from pathlib import Path
from typing import Any, Literal, Self

from pipelog.errors import StoreError
from pipelog.locators import Location, seconds
from pipelog.model import DailyCount, DailySketch, DayInfo
from pipelog.sinks.base import Merging, Sink, Sketching, only_of, refuse_partial
from pipelog.sinks.merges import Merge, called, names_on, renamed

APPLICATION_ID = int.from_bytes(b"plhi")  # "pipelog history"; `file` and the check below tell it from other databases
SCHEMA_VERSION = 1
SCHEMA = """
-- Every site, page, dimension, value and source once; all other tables speak of it by its id.
-- The bytes of the text (UTF-8, undecodable ones as they were in the log): SQLite's own TEXT could not hold them.
CREATE TABLE IF NOT EXISTS name (
    id INTEGER PRIMARY KEY,
    text BLOB NOT NULL UNIQUE
);

-- What is counted, day by day. The index makes "a page and dimension, all its values" one range.
CREATE TABLE IF NOT EXISTS series (
    id INTEGER PRIMARY KEY,
    page INTEGER NOT NULL,
    dimension INTEGER NOT NULL,
    site INTEGER NOT NULL,
    value INTEGER NOT NULL,
    UNIQUE (page, dimension, site, value)
);

-- The counts. The key makes "a series over the days" one range: that is hits(page). About 16 bytes a row.
CREATE TABLE IF NOT EXISTS hit (
    series INTEGER NOT NULL,
    day INTEGER NOT NULL,  -- days since 1970-01-01: two bytes; date(day * 86400, 'unixepoch') shows it
    source INTEGER NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY (series, day, source)
) WITHOUT ROWID;

-- The other way in: a day is read, in order and summed over its sources, and removed, from this index alone.
CREATE INDEX IF NOT EXISTS hit_by_day ON hit (day, series, source, count);

-- What there is: also tells a day without any hit from a day that nobody rolled up.
CREATE TABLE IF NOT EXISTS day (
    day INTEGER NOT NULL,
    source INTEGER NOT NULL,
    lines INTEGER NOT NULL,
    written REAL NOT NULL,  -- seconds since 1970-01-01 00:00 UTC
    PRIMARY KEY (day, source)
) WITHOUT ROWID;
"""

# A new day waits in a table of the connection's own until it is complete, then goes to its place sorted: the pages of
# the file are touched once each, in order, however large it has grown. Memory stays bounded: SQLite spills it to disk.
_INCOMING = """
CREATE TEMP TABLE incoming (page INTEGER, dimension INTEGER, site INTEGER, value INTEGER, count INTEGER)
"""
_CODE = """
CREATE TEMP TABLE coded AS
SELECT page, dimension, site, value, SUM(count) AS count FROM incoming GROUP BY 1, 2, 3, 4
"""
_ADD_SERIES = """
INSERT OR IGNORE INTO series (page, dimension, site, value) SELECT page, dimension, site, value FROM coded
"""
_ADD_HITS = """
INSERT INTO hit (series, day, source, count)
SELECT series.id, :day, :source, coded.count
FROM coded CROSS JOIN series USING (page, dimension, site, value)
ORDER BY series.id
"""

# Made by the first merge, so that a history without any is as it always was.
_MERGES = """
-- Pages that were made one, in the order in which it was done; it holds for days that are written later, too.
CREATE TABLE IF NOT EXISTS merge (
    number INTEGER PRIMARY KEY,
    site BLOB NOT NULL,
    old BLOB NOT NULL,
    new BLOB NOT NULL,
    since INTEGER NOT NULL,  -- days since 1970-01-01, both included
    until INTEGER NOT NULL
)
"""
# The page of series is the first column of its index: this is one range, however large the history.
_ADD_SERIES_OF_NEW = """
INSERT OR IGNORE INTO series (page, dimension, site, value)
SELECT :new, dimension, site, value FROM series WHERE page = :old AND site = :site
"""
_ADD_TO_NEW = """
INSERT INTO hit (series, day, source, count)
SELECT added.id, hit.day, hit.source, hit.count
FROM series AS gone
CROSS JOIN series AS added
    ON added.page = :new AND added.dimension = gone.dimension AND added.site = gone.site AND added.value = gone.value
CROSS JOIN hit ON hit.series = gone.id
WHERE gone.page = :old AND gone.site = :site AND hit.day BETWEEN :since AND :until
ON CONFLICT (series, day, source) DO UPDATE SET count = count + excluded.count
"""
_REMOVE_OLD = """
DELETE FROM hit WHERE day BETWEEN :since AND :until
AND series IN (SELECT id FROM series WHERE page = :old AND site = :site)
"""

# Made by the first day that has visitors.
_SKETCHES = """
-- Who viewed a page on a day, as a sketch in which nobody can be found; "key" tells which may be united.
CREATE TABLE IF NOT EXISTS sketch (
    day INTEGER NOT NULL,  -- days since 1970-01-01
    site INTEGER NOT NULL,
    page INTEGER NOT NULL,  -- as it was counted: merges are applied when it is read
    source INTEGER NOT NULL,
    key BLOB NOT NULL,
    content BLOB NOT NULL,
    PRIMARY KEY (day, site, page, source)
) WITHOUT ROWID
"""

_EPOCH = date(1970, 1, 1).toordinal()
_NAMES = 100_000  # of at most 1 KiB
_ROWS = 10_000  # of four names each
_WILD, _ESCAPED = re.compile(r"[%_\\]"), r"\\\g<0>"  # what LIKE takes for something else
_VARIABLES = 900  # in one statement; SQLite before 3.32 takes 999 (sqlite.org/limits.html)


def _number(day: date) -> int:
    return day.toordinal() - _EPOCH


def _blob(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _text(blob: bytes) -> str:
    return blob.decode("utf-8", "surrogateescape")


def _portions(blobs: list[bytes]) -> Iterator[tuple[list[bytes], str]]:
    """As many as one statement takes at a time, with their places in it."""
    for start in range(0, len(blobs), _VARIABLES):
        part = blobs[start : start + _VARIABLES]
        yield part, ", ".join("?" * len(part))


class _Ids(dict[str, int]):
    """Name -> its id in the database, given where it has none. Holds some of them: most names of a day come again."""

    def __init__(self, database: sqlite3.Connection) -> None:
        super().__init__()
        self._database = database

    def __missing__(self, name: str) -> int:
        self.learn([name])
        return self[name]

    def learn(self, names: Collection[str]) -> None:
        """Hold these, at the least. Many at once take a fifth of the time."""
        if len(self) + len(names) > _NAMES:
            self.clear()
        new = {_blob(name): name for name in names if name not in self}
        self._database.executemany("INSERT OR IGNORE INTO name (text) VALUES (?)", ([blob] for blob in sorted(new)))
        for part, places in _portions(list(new)):
            found = self._database.execute(f"SELECT text, id FROM name WHERE text IN ({places})", part)
            self.update((new[blob], identifier) for blob, identifier in found)


class SQLiteSink(Sink, Merging, Sketching):
    """History in the SQLite file `path`, which the first write makes (0640, its folder 0750).

    Another process that writes is waited for up to `timeout` seconds. Readers never wait (write-ahead log), but they
    too must be allowed to write in the folder: SQLite keeps its shared memory there.
    """

    def __init__(self, path: str | os.PathLike[str], *, timeout: float = 30.0) -> None:
        self.path = Path(path)
        self._timeout = timeout
        self._connection: sqlite3.Connection | None = None
        self._opened_as: tuple[int, int, int] | None = None
        self._inherited: list[sqlite3.Connection] = []

    @classmethod
    def from_location(cls, location: Location) -> Self:
        """From `sqlite:///path?timeout=30`."""
        return cls(location.local_path(), **location.take_query({"timeout": seconds}))

    def replace_day(
        self, day: date, source: str, rows: Iterable[DailyCount], *, lines: int, force: bool = False
    ) -> None:
        number = _number(day)
        with self._errors(), self._writing() as database:
            source_id = _Ids(database)[source]
            key = {"day": number, "source": source_id}
            stored = database.execute("SELECT lines FROM day WHERE day = :day AND source = :source", key).fetchone()
            if stored and not force:
                refuse_partial(day, source, lines=lines, stored=stored[0])
            database.execute(_INCOMING)
            ids = _Ids(database)
            coming = renamed(only_of(day, rows), names_on(day, _merges(database)))
            while some := list(islice(coming, _ROWS)):
                _, sites, pages, dimensions, values, counts = zip(*some, strict=True)
                ids.learn({*sites, *pages, *dimensions, *values})
                columns = [map(ids.__getitem__, names) for names in (pages, dimensions, sites, values)]
                database.executemany("INSERT INTO incoming VALUES (?, ?, ?, ?, ?)", zip(*columns, counts, strict=True))
            database.execute(_CODE)
            database.execute("DELETE FROM hit WHERE day = :day AND source = :source", key)
            database.execute(_ADD_SERIES)
            database.execute(_ADD_HITS, key)
            database.execute("DROP TABLE incoming")
            database.execute("DROP TABLE coded")
            database.execute(
                "INSERT OR REPLACE INTO day (day, source, lines, written) VALUES (?, ?, ?, ?)",
                [number, source_id, lines, datetime.now(UTC).timestamp()],
            )

    def rows(
        self,
        since: date,
        until: date,
        *,
        site: str | None = None,
        page: str | None = None,
        dimension: str | None = None,
    ) -> Iterator[DailyCount]:
        wanted: dict[str, Any] = {"since": _number(since), "until": _number(until)}
        # CROSS JOIN fixes the order (sqlite.org/lang_select.html): without statistics the planner cannot know that a
        # page has few series and a day has many.
        if page is None:
            tables = """hit CROSS JOIN series ON series.id = hit.series
                        CROSS JOIN name AS page ON page.id = series.page"""
        else:
            tables = """name AS page CROSS JOIN series ON series.page = page.id
                        CROSS JOIN hit ON hit.series = series.id"""
        conditions = "hit.day BETWEEN :since AND :until"
        if page is not None:
            conditions += " AND page.text = :page"
            wanted["page"] = _blob(page)
        for column, name in (("dimension", dimension), ("site", site)):
            if name is not None:
                conditions += f" AND series.{column} = (SELECT id FROM name WHERE text = :{column})"
                wanted[column] = _blob(name)
        query = f"""SELECT hit.day, site.text, page.text, dimension.text, value.text, SUM(hit.count)
                    FROM {tables}
                    CROSS JOIN name AS site ON site.id = series.site
                    CROSS JOIN name AS dimension ON dimension.id = series.dimension
                    CROSS JOIN name AS value ON value.id = series.value
                    WHERE {conditions} GROUP BY hit.day, hit.series ORDER BY hit.day, hit.series"""
        with self._errors():
            database = self._open()
            if database is None:
                return
            for number, *blobs, count in database.execute(query, wanted):
                site, page, dimension, value = map(_text, blobs)
                yield DailyCount(date.fromordinal(number + _EPOCH), site, page, dimension, value, count)

    def totals(self, since: date, until: date, *, site: str, pages: Collection[str], dimension: str) -> dict[str, int]:
        wanted = [_blob(page) for page in dict.fromkeys(pages)]
        with self._errors():
            database = self._open()
            if database is None:
                return {}
            ids = [
                database.execute("SELECT id FROM name WHERE text = ?", [_blob(name)]).fetchone()
                for name in (dimension, site)
            ]
            if None in ids:
                return {}
            fixed = [ids[0][0], ids[1][0], _number(since), _number(until)]
            sums: dict[str, int] = {}
            for part, places in _portions(wanted):
                # The sum is a query of its own per page, so that nothing has to be sorted into groups.
                query = f"""SELECT text, (
                                SELECT SUM(hit.count) FROM series CROSS JOIN hit ON hit.series = series.id
                                WHERE series.page = name.id AND series.dimension = ? AND series.site = ?
                                AND hit.day BETWEEN ? AND ?) AS sum
                            FROM name WHERE text IN ({places}) AND sum IS NOT NULL"""
                sums.update((_text(text), count) for text, count in database.execute(query, fixed + part))
            return sums

    def daily(
        self, since: date, until: date, *, site: str, pages: Collection[str], dimension: str
    ) -> dict[str, dict[date, int]]:
        wanted = [_blob(page) for page in dict.fromkeys(pages)]
        fixed = [_blob(dimension), _blob(site), _number(since), _number(until)]
        found: dict[str, dict[date, int]] = {}
        with self._errors():
            database = self._open()
            if database is None:
                return {}
            for part, places in _portions(wanted):
                query = f"""SELECT page.text, hit.day, SUM(hit.count)
                            FROM name AS page CROSS JOIN series ON series.page = page.id
                            AND series.dimension = (SELECT id FROM name WHERE text = ?)
                            AND series.site = (SELECT id FROM name WHERE text = ?)
                            CROSS JOIN hit ON hit.series = series.id AND hit.day BETWEEN ? AND ?
                            WHERE page.text IN ({places}) GROUP BY page.id, hit.day"""
                for text, number, count in database.execute(query, fixed + part):
                    found.setdefault(_text(text), {})[date.fromordinal(number + _EPOCH)] = count
        return found

    def top(
        self,
        n: int,
        since: date,
        until: date,
        *,
        site: str,
        dimension: str,
        by: Literal["page", "value"],
        value: str | None = None,
        containing: str = "",
    ) -> list[tuple[str, int]]:
        wanted: dict[str, Any] = {"since": _number(since), "until": _number(until), "n": n}
        tables = "hit CROSS JOIN series ON series.id = hit.series"
        conditions = "hit.day BETWEEN :since AND :until"
        if containing:
            # The names first: few of them match, and each has its series side by side.
            tables = """name AS page CROSS JOIN series ON series.page = page.id
                        CROSS JOIN hit ON hit.series = series.id"""
            conditions += " AND CAST(page.text AS TEXT) LIKE :containing ESCAPE '\\'"
            wanted["containing"] = f"%{_WILD.sub(_ESCAPED, containing)}%".encode("utf-8", "replace").decode()
        for column, name in (("dimension", dimension), ("site", site), ("value", value)):
            if name is not None:
                conditions += f" AND series.{column} = (SELECT id FROM name WHERE text = :{column})"
                wanted[column] = _blob(name)
        query = f"""SELECT text, sum
                    FROM (SELECT series.{by} AS id, SUM(hit.count) AS sum FROM {tables} WHERE {conditions} GROUP BY 1)
                    JOIN name USING (id) ORDER BY sum DESC, text LIMIT :n"""
        with self._errors():
            database = self._open()
            return [] if database is None else [(_text(text), sum_) for text, sum_ in database.execute(query, wanted)]

    def days(self) -> list[DayInfo]:
        with self._errors():
            database = self._open()
            if database is None:
                return []
            found = database.execute("SELECT day, text, lines, written FROM day JOIN name ON name.id = source")
            return sorted(
                DayInfo(date.fromordinal(day + _EPOCH), _text(text), lines, datetime.fromtimestamp(written, UTC))
                for day, text, lines, written in found
            )

    def merge(self, merge: Merge) -> None:
        merge.check()
        texts = {"site": _blob(merge.site), "old": _blob(merge.old), "new": _blob(merge.new)}
        range_ = {"since": _number(merge.since), "until": _number(merge.until)}
        with self._errors(), self._writing() as database:
            if _merges(database)[-1:] != [merge]:
                database.execute(_MERGES)
                database.execute(
                    "INSERT INTO merge (site, old, new, since, until) VALUES (:site, :old, :new, :since, :until)",
                    texts | range_,
                )
            ids = {}
            for name, text in texts.items():
                database.execute("INSERT OR IGNORE INTO name (text) VALUES (?)", [text])
                [ids[name]] = database.execute("SELECT id FROM name WHERE text = ?", [text]).fetchone()
            for statement, wanted in (
                (_ADD_SERIES_OF_NEW, ids),
                (_ADD_TO_NEW, ids | range_),
                (_REMOVE_OLD, ids | range_),
            ):
                database.execute(statement, wanted)

    def merges(self) -> list[Merge]:
        with self._errors():
            database = self._open()
            return [] if database is None else _merges(database)

    def replace_sketches(self, day: date, source: str, sketches: Iterable[DailySketch]) -> None:
        coming = only_of(day, sketches)
        first = next(coming, None)
        with self._errors(), self._writing() as database:
            if first is None and not _has_table(database, "sketch"):
                return
            database.execute(_SKETCHES)
            ids, number = _Ids(database), _number(day)
            database.execute("DELETE FROM sketch WHERE day = ? AND source = ?", [number, ids[source]])
            database.executemany(
                "INSERT INTO sketch (day, site, page, source, key, content) VALUES (?, ?, ?, ?, ?, ?)",
                (
                    (number, ids[s.site], ids[s.page], ids[source], s.key, s.sketch)
                    for s in chain((first,) if first else (), coming)
                ),
            )

    def sketches(self, day: date, *, site: str, page: str | None = None) -> Iterator[DailySketch]:
        with self._errors():
            database = self._open()
            if database is None or not _has_table(database, "sketch"):
                return
            names = names_on(day, _merges(database))
            wanted: list[Any] = [_number(day), _blob(site)]
            condition = ""
            pages = None if page is None else list(called(site, page, names))
            if pages is not None and len(pages) < _VARIABLES:
                condition = f"AND page IN (SELECT id FROM name WHERE text IN ({', '.join('?' * len(pages))}))"
                wanted += map(_blob, pages)
            query = f"""SELECT name.text, key, content FROM sketch CROSS JOIN name ON name.id = page
                        WHERE day = ? AND site = (SELECT id FROM name WHERE text = ?) {condition}
                        ORDER BY page, source"""
            for blob, key, content in database.execute(query, wanted):
                counted = _text(blob)
                name = names.get((site, counted), counted)
                if page in (None, name):
                    yield DailySketch(day, site, name, key, content)

    def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is None:
            return
        if self._opened_as and self._opened_as[0] != os.getpid():
            # A connection must neither be used nor closed across a fork (sqlite.org/howtocorrupt.html, 2.6).
            self._inherited.append(connection)
            return
        with self._errors():
            connection.close()

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise StoreError(f"{self.path}: {error}; {_advice(error)}") from error

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """One transaction of the only writer.

        On a connection of its own: on that of the readers, one that is only half read would keep the writer out
        (SQLITE_BUSY_SNAPSHOT), and could not go on after a rollback. It is closed right after, so that the file is
        complete without its write-ahead log whenever nobody reads.
        """
        self._make_file()
        database = self._connect()
        try:
            if not _is_history(database, self.path):
                _make_tables(database)
            database.execute("BEGIN IMMEDIATE")
            yield database
            database.execute("COMMIT")
        finally:
            database.close()  # which rolls back what is not committed

    def _open(self) -> sqlite3.Connection | None:
        """The connection of this process to the file that now stands at `path`; None where there is no history."""
        try:
            found = os.stat(self.path)
        except (FileNotFoundError, NotADirectoryError):
            self.close()
            return None
        except OSError as error:
            raise StoreError(f"{self.path}: {error.strerror}; give this user access to it") from error
        opened_as = (os.getpid(), found.st_dev, found.st_ino)
        if self._connection is not None and opened_as == self._opened_as:
            return self._connection
        self.close()
        connection = self._connect()
        try:
            there = _is_history(connection, self.path)
        except BaseException:
            connection.close()
            raise
        if not there:
            connection.close()
            return None
        self._connection, self._opened_as = connection, opened_as
        return connection

    def _make_file(self) -> None:
        try:
            self.path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
            # SQLite gives its other files the mode of this one.
            os.close(os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o640))
        except FileExistsError:
            if not self.path.parent.is_dir():
                raise StoreError(f"{self.path}: its folder is a file; give another path") from None
        except OSError as error:
            raise StoreError(f"{self.path}: {error.strerror}; give this user a folder to write in") from error

    def _connect(self) -> sqlite3.Connection:
        # mode=rw: opening never creates. Autocommit: transactions begin and end where this module says so.
        uri = f"{self.path.absolute().as_uri()}?mode=rw"
        connection = sqlite3.connect(
            uri, uri=True, timeout=self._timeout, isolation_level=None, check_same_thread=False
        )
        # The journal of a finished day may be removed right after: the commit must outlive a power cut.
        connection.execute("PRAGMA synchronous = FULL")
        return connection


def _has_table(database: sqlite3.Connection, name: str) -> bool:
    return bool(database.execute("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?", [name]).fetchone())


def _merges(database: sqlite3.Connection) -> list[Merge]:
    if not _has_table(database, "merge"):
        return []
    found = database.execute("SELECT site, old, new, since, until FROM merge ORDER BY number")
    return [
        Merge(_text(site), _text(old), _text(new), date.fromordinal(since + _EPOCH), date.fromordinal(until + _EPOCH))
        for site, old, new, since, until in found
    ]


def _is_history(connection: sqlite3.Connection, path: Path) -> bool:
    """Whether the tables stand there; False for an empty file, StoreError for somebody else's."""
    [application] = connection.execute("PRAGMA application_id").fetchone()
    [version] = connection.execute("PRAGMA user_version").fetchone()
    if (application, version) == (APPLICATION_ID, SCHEMA_VERSION):
        return True
    if application == APPLICATION_ID:
        raise StoreError(
            f"{path}: is a history of version {version}, this pipelog has version {SCHEMA_VERSION};"
            " use the pipelog that wrote it, or move the file away and roll up again"
        )
    [tables] = connection.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()
    if (application, version, tables) == (0, 0, 0):
        return False
    raise StoreError(f"{path}: is another program's database; give the history a file of its own")


def _make_tables(database: sqlite3.Connection) -> None:
    """Make the tables, or what is missing of them: several processes may do so at once."""
    database.executescript(
        f"BEGIN IMMEDIATE; {SCHEMA}"
        f"PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {SCHEMA_VERSION}; COMMIT"
    )
    try:
        database.execute("PRAGMA journal_mode = WAL")
    except sqlite3.OperationalError:
        pass  # "locked": another process is making the very same, lasting change


def _advice(error: sqlite3.Error) -> str:
    name = getattr(error, "sqlite_errorname", "")
    if name.startswith("SQLITE_BUSY"):
        return "another process is writing to it, try again"
    if name.startswith(("SQLITE_NOTADB", "SQLITE_CORRUPT")):
        return "move the file away and roll up again, or give another path"
    if name.startswith(("SQLITE_READONLY", "SQLITE_CANTOPEN")):
        return "give this user write access to the file and its folder"
    if name.startswith(("SQLITE_FULL", "SQLITE_IOERR")):
        return "look after the disk"
    return "check the file"
