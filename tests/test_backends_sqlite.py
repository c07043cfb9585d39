"""SQLiteBackend: the suite, and what can befall a file."""

from __future__ import annotations

import os
import resource
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelog.backends import sqlite as module
from pipelog.backends.sqlite import APPLICATION_ID, SCHEMA_VERSION, SQLiteBackend
from pipelog.errors import BackendUnavailable, LocationError, StoreError
from pipelog.locators import Location
from pipelog.testing.backends import LIMIT, BackendSuite, forked, joined


class TestSQLite(BackendSuite):
    @pytest.fixture(autouse=True)
    def _place(self, tmp_path: Path) -> None:
        self.path = tmp_path / "counters.db"
        self.now = 1_800_000_000.25

    def let_pass(self, seconds: float) -> None:
        self.now += seconds

    def make_backend(self) -> SQLiteBackend:
        return SQLiteBackend(self.path, timeout=30, clock=lambda: self.now)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "counters.db"


@pytest.fixture
def backend(path: Path) -> Iterator[SQLiteBackend]:
    with SQLiteBackend(path) as made:
        yield made


def query(path: Path, sql: str) -> list[tuple[object, ...]]:
    """The back channel: a connection that is none of ours."""
    with closing(sqlite3.connect(path)) as database:
        return database.execute(sql).fetchall()


def rows(path: Path) -> int:
    [(number,)] = query(path, "SELECT count(*) FROM counters")
    assert isinstance(number, int)
    return number


# Making the file


def test_reading_creates_nothing(tmp_path: Path) -> None:
    with SQLiteBackend(tmp_path / "folder" / "c.db") as backend:
        assert backend.counts(["a"]) == {}
        assert backend.documents(["a"]) == {}
        assert list(backend.scan("")) == []
        backend.forget("")
        backend.commit({}, {}, ttl=60)
    assert list(tmp_path.iterdir()) == []


def test_made_on_the_first_commit_with_narrow_rights(tmp_path: Path) -> None:
    old = os.umask(0o022)
    try:
        with SQLiteBackend(tmp_path / "a" / "b" / "c.db") as backend:
            backend.commit({"a": 1}, {}, ttl=60)
            files = sorted((tmp_path / "a" / "b").iterdir())
            assert [file.name for file in files] == ["c.db", "c.db-shm", "c.db-wal"]
            assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o640}
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o750
    assert stat.S_IMODE((tmp_path / "a" / "b").stat().st_mode) == 0o750
    assert [file.name for file in (tmp_path / "a" / "b").iterdir()] == ["c.db"]


def test_settings_of_the_file(backend: SQLiteBackend, path: Path) -> None:
    backend.commit({"a": 1}, {"d": b"x"}, ttl=60)
    assert query(path, "PRAGMA journal_mode") == [("wal",)]
    assert query(path, "PRAGMA application_id") == [(APPLICATION_ID,)]
    assert query(path, "PRAGMA user_version") == [(SCHEMA_VERSION,)]
    assert query(path, "SELECT key, count FROM counters") == [("a", 1)]
    assert query(path, "SELECT key, content FROM documents") == [("d", b"x")]


def test_many_processes_make_it_at_once(path: Path) -> None:
    def work() -> None:
        with SQLiteBackend(path, timeout=30) as mine:
            mine.commit({"a": 1}, {}, ttl=60)

    processes = [forked(work) for _ in range(12)]
    for process in processes:
        joined(process)
    with SQLiteBackend(path) as backend:
        assert backend.counts(["a"]) == {"a": 12}
    assert [file.name for file in path.parent.iterdir()] == ["counters.db"]


def test_a_file_without_a_byte_is_no_obstacle(backend: SQLiteBackend, path: Path) -> None:
    path.touch()
    assert backend.counts(["a"]) == {}
    backend.commit({"a": 1}, {}, ttl=60)
    assert backend.counts(["a"]) == {"a": 1}


def test_a_draft_left_by_a_killed_process_is_no_obstacle(backend: SQLiteBackend, path: Path) -> None:
    path.with_name("counters.db.new").write_bytes(b"half a file")
    path.with_name("counters.db.new-journal").write_bytes(b"half a file")
    backend.commit({"a": 1}, {}, ttl=60)
    assert backend.counts(["a"]) == {"a": 1}


def test_odd_names(tmp_path: Path) -> None:
    for name in ("a b?mode=ro&x#y%20.db", "ü.db", os.fsdecode(b"\xff.db")):
        with SQLiteBackend(tmp_path / name) as backend:
            backend.commit({"a": 1}, {}, ttl=60)
            assert backend.counts(["a"]) == {"a": 1}
        assert (tmp_path / name).exists()


def test_a_relative_path_stays_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    backend = SQLiteBackend.from_location(Location.parse("sqlite:c.db?timeout=0.5"))
    monkeypatch.chdir("/")
    with backend:
        backend.commit({"a": 1}, {}, ttl=60)
    assert (tmp_path / "c.db").exists()


@pytest.mark.parametrize("url", ["sqlite:", "sqlite://h/x", "sqlite:///x?timeout=-1", "sqlite:///x?mode=ro"])
def test_location_refused(url: str) -> None:
    with pytest.raises(LocationError, match=r"^sqlite: "):
        SQLiteBackend.from_location(Location.parse(url))


# Removed and replaced under our feet


def test_deleted_while_open(backend: SQLiteBackend, path: Path) -> None:
    backend.commit({"a": 5}, {"d": b"x"}, ttl=60)
    path.unlink()  # its -wal and -shm stay, as with a careless rm
    assert backend.counts(["a"]) == {}
    assert backend.documents(["d"]) == {}
    assert not path.exists()
    backend.commit({"a": 1}, {}, ttl=60)
    assert backend.counts(["a"]) == {"a": 1}
    assert query(path, "SELECT key, count FROM counters") == [("a", 1)]


def test_deleted_while_others_have_it_open(path: Path) -> None:
    with SQLiteBackend(path) as one, SQLiteBackend(path) as two, SQLiteBackend(path) as three:
        for backend in (one, two, three):
            backend.commit({"a": 1}, {}, ttl=60)
        path.unlink()
        one.commit({"b": 1}, {}, ttl=60)
        two.close()  # must not take the new file's log with it
        three.commit({"b": 1}, {}, ttl=60)
        two.commit({"b": 1}, {}, ttl=60)
        for backend in (one, two, three):
            assert backend.counts(["a", "b"]) == {"b": 3}
    assert query(path, "SELECT key, count FROM counters") == [("b", 3)]
    assert query(path, "PRAGMA integrity_check") == [("ok",)]


def test_replaced_while_open(tmp_path: Path, path: Path) -> None:
    with SQLiteBackend(tmp_path / "other.db") as other:
        other.commit({"a": 100}, {}, ttl=60)
    with SQLiteBackend(path) as backend:
        backend.commit({"a": 1}, {}, ttl=60)
        backend.close()
        backend.counts(["a"])
        os.replace(tmp_path / "other.db", path)
        assert backend.counts(["a"]) == {"a": 100}
        backend.commit({"a": 1}, {}, ttl=60)
        assert backend.counts(["a"]) == {"a": 101}


def test_folder_removed(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "c.db"
    with SQLiteBackend(path) as backend:
        backend.commit({"a": 1}, {}, ttl=60)
        for file in path.parent.iterdir():
            file.unlink()
        path.parent.rmdir()
        assert backend.counts(["a"]) == {}
        backend.commit({"a": 2}, {}, ttl=60)
        assert backend.counts(["a"]) == {"a": 2}


# What cannot be used


def test_not_a_database(backend: SQLiteBackend, path: Path) -> None:
    content = b"not a database at all, but long enough to have a header of a hundred bytes" * 100
    path.write_bytes(content)
    for call in (lambda: backend.counts(["a"]), lambda: backend.commit({"a": 1}, {}, ttl=60)):
        with pytest.raises(StoreError, match="no SQLite database") as caught:
            call()
        assert str(path) in str(caught.value)
        assert isinstance(caught.value.__cause__, sqlite3.Error)
    assert path.read_bytes() == content


def test_database_of_another_program(backend: SQLiteBackend, path: Path) -> None:
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE counters (key, count)")
    with pytest.raises(StoreError, match="another program"):
        backend.commit({"a": 1}, {}, ttl=60)
    assert query(path, "SELECT * FROM counters") == []


def test_other_version(backend: SQLiteBackend, path: Path) -> None:
    backend.commit({"a": 1}, {}, ttl=60)
    backend.close()
    query(path, f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    with pytest.raises(StoreError, match=f"version {SCHEMA_VERSION + 1}.* knows {SCHEMA_VERSION}"):
        backend.counts(["a"])


def test_damaged(backend: SQLiteBackend, path: Path) -> None:
    backend.commit({f"key{number}": 1 for number in range(5_000)}, {}, ttl=60)
    backend.close()
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * 200_000)
    with pytest.raises(StoreError, match="journal") as caught:
        backend.counts(["key1", "key4000"])
    assert str(path) in str(caught.value)


def test_a_folder_in_its_place(backend: SQLiteBackend, path: Path) -> None:
    path.mkdir()
    with pytest.raises(StoreError, match=str(path)):
        backend.commit({"a": 1}, {}, ttl=60)


def test_a_file_in_place_of_its_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with SQLiteBackend(tmp_path / "file" / "c.db") as backend:
        assert backend.counts(["a"]) == {}
        with pytest.raises(StoreError, match=r"file/c\.db"):
            backend.commit({"a": 1}, {}, ttl=60)


@pytest.mark.skipif(os.getuid() != 0, reason="needs root to become another user")
@pytest.mark.parametrize(("file", "folder"), [(0o644, 0o755), (0o600, 0o755), (0o644, 0o700)])
def test_not_ours_to_write(path: Path, file: int, folder: int) -> None:
    """As another user: reads what may be read, says what is not allowed, and never anything but our errors."""
    with SQLiteBackend(path) as backend:
        backend.commit({"a": 1}, {}, ttl=60)
    for part in (path, *path.parents[:3]):
        if part != Path("/tmp"):
            part.chmod(file if part == path else 0o755)
    path.parent.chmod(folder)

    def child() -> None:
        os.setgid(65534)
        os.setuid(65534)
        with SQLiteBackend(path) as mine:
            for call in (lambda: mine.counts(["a"]), lambda: mine.commit({"a": 1}, {}, ttl=60)):
                with pytest.raises(StoreError, match=r"counters\.db.*give"):
                    call()

    joined(forked(child))


def test_locked_by_another(path: Path) -> None:
    with SQLiteBackend(path, timeout=0.05) as backend:
        backend.commit({"a": 1}, {}, ttl=60)
        with closing(sqlite3.connect(path, isolation_level=None)) as holder:
            holder.execute("BEGIN IMMEDIATE")
            with pytest.raises(BackendUnavailable, match=r"counters\.db.*lock") as caught:
                backend.commit({"a": 1}, {}, ttl=60)
            assert isinstance(caught.value.__cause__, sqlite3.OperationalError)
            assert backend.counts(["a"]) == {"a": 1}
        backend.commit({"a": 1}, {}, ttl=60)
        assert backend.counts(["a"]) == {"a": 2}


def test_disk_full(path: Path) -> None:
    """A limit on the size of a file stands in for the disk's: SQLite sees EFBIG where it would see ENOSPC."""

    def child() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        with SQLiteBackend(path) as mine:
            mine.commit({"a": 1}, {}, ttl=60)
            resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, resource.RLIM_INFINITY))
            with pytest.raises(BackendUnavailable, match="disk"):
                mine.commit({f"{'k' * 100}{number}": 1 for number in range(20_000)}, {}, ttl=60)
            assert mine.counts(["a", "k" * 100 + "1"]) == {"a": 1}
            resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
            mine.commit({"a": 1}, {}, ttl=60)
            assert mine.counts(["a"]) == {"a": 2}

    joined(forked(child))


# Numbers


def test_counts_stay_whole_numbers(backend: SQLiteBackend, path: Path) -> None:
    backend.commit({"a": LIMIT}, {}, ttl=60)
    backend.commit({"a": LIMIT}, {}, ttl=60)
    backend.commit({"b": -LIMIT}, {}, ttl=60)
    assert query(path, "SELECT key, count, typeof(count) FROM counters ORDER BY key") == [
        ("a", LIMIT, "integer"),
        ("b", 0, "integer"),
    ]
    backend.commit({"a": -LIMIT}, {}, ttl=60)
    assert backend.counts(["a"]) == {"a": 0}


def test_a_count_over_the_limit_is_refused_whole(backend: SQLiteBackend) -> None:
    backend.commit({"a": 1}, {}, ttl=60)
    with pytest.raises(StoreError, match="2\\*\\*63"):
        backend.commit({"a": 1, "b": LIMIT + 1}, {"d": b"x"}, ttl=60)
    assert backend.counts(["a", "b"]) == {"a": 1}
    assert backend.documents(["d"]) == {}


@settings(max_examples=25, deadline=None)
@given(st.lists(st.dictionaries(st.sampled_from("abc"), st.integers(-LIMIT, LIMIT), min_size=1), max_size=6))
def test_adds_like_arithmetic(tmp_path_factory: pytest.TempPathFactory, commits: list[dict[str, int]]) -> None:
    expected: dict[str, int] = {}
    with SQLiteBackend(tmp_path_factory.mktemp("sqlite") / "c.db") as backend:
        for counts in commits:
            backend.commit(counts, {}, ttl=60)
            for key, count in counts.items():
                expected[key] = min(max(0, expected.get(key, 0) + count), LIMIT)
        assert backend.counts(["a", "b", "c"]) == expected


# Expiry


def test_expired_rows_are_removed_in_portions(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_SWEEP_ROWS", 10)
    now = 1000.0
    with SQLiteBackend(path, clock=lambda: now) as backend:
        backend.commit({f"old{number:03}": 1 for number in range(200)}, {f"d{n}": b"x" for n in range(20)}, ttl=10)
        backend.commit({"new": 1}, {"e": b"x"}, ttl=1000)
        now = 2000.0 - 1
        sizes = []
        while (size := rows(path)) > 2:
            sizes.append(size)
            backend.commit({"newer": 1}, {}, ttl=1000)
            assert len(sizes) < 50
        assert len(sizes) > 10
        assert all(0 <= before - after <= 13 for before, after in pairwise(sizes))
        assert backend.counts(["new", "newer", "old001"]) == {"new": 1, "newer": len(sizes)}
        assert query(path, "SELECT key FROM documents") == [("e",)]


def test_steady_growth_is_kept_small(path: Path) -> None:
    """Commits of new keys only: what has expired never amounts to more than what lives, by order of magnitude."""
    now = 0.0
    with SQLiteBackend(path, clock=lambda: now) as backend:
        for turn in range(60):
            backend.commit({f"{turn * 7919 % 60:02}|{number}": 1 for number in range(1000)}, {}, ttl=5)
            now += 1
        assert rows(path) < 20_000


# Connections


def test_scan_uses_the_key(backend: SQLiteBackend, path: Path) -> None:
    backend.commit({"a": 1}, {}, ttl=60)
    with closing(sqlite3.connect(path)) as database:
        [plan] = database.execute("EXPLAIN QUERY PLAN " + module._SCAN, ("a", "b", 0, 10)).fetchall()
    assert "PRIMARY KEY" in plan[3]


def test_making_one_does_not_connect(path: Path) -> None:
    path.write_bytes(b"no database")
    SQLiteBackend(path)


def test_used_from_another_thread(backend: SQLiteBackend) -> None:
    backend.commit({"a": 1}, {}, ttl=60)
    seen: list[dict[str, int]] = []
    thread = threading.Thread(target=lambda: seen.append(backend.counts(["a"])))
    thread.start()
    thread.join()
    assert seen == [{"a": 1}]


def test_a_killed_writer_leaves_whole_commits(path: Path) -> None:
    """kill -9 in the middle of commits: each one is there as a whole or not at all."""
    code = (
        "import sys, pathlib\n"
        "from pipelog.backends.sqlite import SQLiteBackend\n"
        "backend = SQLiteBackend(pathlib.Path(sys.argv[1]))\n"
        "keys = [f'k{n}' for n in range(500)]\n"
        "turn = 0\n"
        "while True:\n"
        "    turn += 1\n"
        "    backend.commit(dict.fromkeys(keys, 1), {'turn': b'%d' % turn}, ttl=600)\n"
        "    print(turn, flush=True)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code, path], stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        for _ in range(20):
            assert writer.stdout.readline()
        writer.kill()
    with SQLiteBackend(path) as backend:
        counts = backend.counts([f"k{number}" for number in range(500)])
        turn = int(backend.documents(["turn"])["turn"])
        assert turn >= 20
        assert counts == {f"k{number}": turn for number in range(500)}
