"""Visitors: who is one person, the key of a day and its end, live and daily alike, and no address anywhere."""

from __future__ import annotations

import inspect
import os
import random
import socket
import sqlite3
import stat
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import unquote_to_bytes

import pytest
from cli_helpers import YESTERDAY, pipelog
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, rule
from intake_helpers import NOON, Clock, MemoryBackend, Pipe, Stepper, plan
from intake_helpers import views as counted
from shared_data import corpus, needs_shared, plain
from test_ledger import Journaled, Sharded

from pipelog import queries
from pipelog.backends.base import CounterBackend
from pipelog.backends.keys import Keys
from pipelog.backends.live import LiveDays
from pipelog.backends.memcached import MemcachedBackend
from pipelog.backends.sqlite import SQLiteBackend
from pipelog.backends.visitors import agreed_key
from pipelog.counting.caps import Caps
from pipelog.counting.daykeys import DayKeys, KeyFolder, key_id, new_key
from pipelog.counting.rules import OTHER, Rules
from pipelog.counting.tally import Batch, Tallier
from pipelog.counting.views import Judge
from pipelog.counting.visitors import MEMO, Visitors, person
from pipelog.daily import rollup
from pipelog.errors import BackendUnavailable, LineError, StoreError
from pipelog.model import DailySketch
from pipelog.parsing.logformat import LogFormat
from pipelog.queries import Hits
from pipelog.sinks.base import Sink
from pipelog.sinks.csvfile import CSVSink
from pipelog.sinks.merges import Merge
from pipelog.sinks.sqlite import SQLiteSink
from pipelog.testing import servers

DAY = date(2026, 11, 22)
HOURS = 3_600
RULES = Rules(visitors=True)
AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"


def line(page: str, host: str, day: date = DAY, agent: str = AGENT, status: int = 200) -> bytes:
    return f'{host} - - [{day:%d/%b/%Y}:12:00:00 +0000] "GET {page} HTTP/1.1" {status} 512 "-" "{agent}"\n'.encode()


def address(number: int) -> str:
    return socket.inet_ntoa((0x0A000000 + number).to_bytes(4))


# -- who is one person -----------------------------------------------------------------------------------------------

SAME = [
    ("192.0.2.1", "::ffff:192.0.2.1"),
    ("::ffff:192.0.2.1", "::FFFF:c000:0201"),
    ("2001:db8:1:2::1", "2001:0db8:1:2:ffff:ffff:ffff:ffff"),
    ("2001:db8::1", "2001:DB8::2"),
    ("2001:db8::1%eth0", "2001:db8::1"),
    ("fe80::1%eth0", "fe80::1%wlan0"),
    ("Host.Example.org", "host.example.org."),
]
OTHERS = [
    ("192.0.2.1", "192.0.2.2"),
    ("::ffff:192.0.2.1", "::ffff:192.0.2.2"),
    ("2001:db8:1:2::1", "2001:db8:1:3::1"),
    ("fe80::1", "fe80::2"),
    ("::1", "fe80::1"),
    ("host.example.org", "other.example.org"),
    ("192.0.2.1", "name 192.0.2.1"),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_the_same_person(one: str, other: str) -> None:
    assert person(one.encode(), b"agent") == person(other.encode(), b"agent")


@pytest.mark.parametrize(("one", "other"), OTHERS)
def test_other_people(one: str, other: str) -> None:
    assert person(one.encode(), b"agent") != person(other.encode(), b"agent")
    assert person(one.encode(), b"agent") != person(one.encode(), b"another")


@pytest.mark.parametrize("host", [b"", b"-"])
def test_nobody(host: bytes) -> None:
    assert person(host, b"agent") is None


@pytest.mark.parametrize(
    "host", [b"192.0.2.999", b"::1::", b"\xff\x00", b"%", b":", b"a" * 100_000, b"1.2.3", b"\\x00"]
)
def test_what_is_no_address_is_a_name(host: bytes) -> None:
    assert b"name " in (person(host, b"agent") or b"")


def test_address_and_agent_cannot_be_shifted_into_one_another() -> None:
    assert person(b"ab", b"c") != person(b"a", b"bc")


# -- sketches of views -----------------------------------------------------------------------------------------------


def seen(people: Visitors, views: list[tuple[str, str]], site: str = "", caps: Caps | None = None) -> None:
    pages, hosts = [page for page, _ in views], [host.encode() for _, host in views]
    people.add(DAY, site, pages, hosts, [b"agent"] * len(views), (caps or Caps(RULES)).admit)


def test_against_an_exact_set() -> None:
    people, exact, source = Visitors(DayKeys(), pages=True), set(), random.Random(1)
    for _ in range(20):
        hosts = [address(int(source.expovariate(1 / 8_000))) for _ in range(4_000)]
        exact.update(hosts)
        seen(people, [("/", host) for host in hosts])
    assert len(exact) > 15_000
    for page in ("", "/"):
        assert people.sketches[DAY, "", page].count() == pytest.approx(len(exact), rel=0.07)


def test_a_site_counts_each_person_once_however_many_pages() -> None:
    people = Visitors(DayKeys(), pages=True)
    seen(people, [(f"/{page}/", address(host)) for page in range(5) for host in range(3)])
    cells = {page: sketch.cells() for (_, _, page), sketch in people.sketches.items()}
    assert cells == dict.fromkeys(["", *(f"/{page}/" for page in range(5))], cells[""])
    assert 1 <= len(cells[""]) <= 3


def test_a_person_is_another_one_under_another_key_and_on_another_day() -> None:
    keys = DayKeys()
    sketches = [Visitors(key, pages=False) for key in (keys, keys, DayKeys(), lambda day: keys(day + timedelta(1)))]
    for people in sketches:
        seen(people, [("/", address(host)) for host in range(50)])
    one, same, other, tomorrow = (people.sketches[DAY, "", ""].cells() for people in sketches)
    assert one == same
    assert len({*one} & {*other}) < 5
    assert len({*one} & {*tomorrow}) < 5


def test_a_flood_of_pages_and_sites_makes_no_more_sketches_than_the_caps_admit() -> None:
    rules = Rules(visitors=True, max_pages=50, max_sites=5)
    people, caps = Visitors(DayKeys(), pages=True), Caps(rules)
    for site in range(20):
        seen(people, [(f"/{site}-{page}/", address(page)) for page in range(500)], f"{site}.example", caps)
    assert {site for _, site, _ in people.sketches} <= {OTHER, *(f"{site}.example" for site in range(5))}
    assert len(people.sketches) <= 6 * 52
    assert people.sketches[DAY, OTHER, ""].count() == pytest.approx(500, rel=0.06)
    assert people.sketches[DAY, "0.example", OTHER].count() == pytest.approx(455, rel=0.06)


def test_pages_get_their_places_in_the_order_of_the_lines() -> None:
    caps = Caps(Rules(visitors=True, max_pages=20))
    people = Visitors(DayKeys(), pages=True)
    seen(people, [(f"/{page}/", address(1)) for page in range(100)], caps=caps)
    assert {page for _, _, page in people.sketches} == {"", OTHER, *(f"/{page}/" for page in range(18))}


def test_what_is_remembered_of_visitors_is_bounded_and_holds_no_address() -> None:
    people = Visitors(DayKeys(), pages=False)
    for start in range(0, 5 * MEMO, MEMO):
        seen(people, [("/", address(host)) for host in range(start, start + MEMO)])
    assert len(people._cells) + len(people._older) <= 2 * MEMO
    assert all(type(mark) is int for mark in people._cells)


def test_lines_without_an_address_or_key_leave_nothing() -> None:
    people = Visitors(DayKeys(), pages=True)
    seen(people, [("/", "-")])
    without = Visitors(lambda day: None, pages=False)
    seen(without, [("/", address(1))])
    assert not people.sketches
    assert not without.sketches


# -- the key of a day ------------------------------------------------------------------------------------------------


def names(state: Path) -> list[str]:
    return sorted(path.name for path in (state / "visitors").iterdir())


def test_a_key_is_made_the_day_before_and_gone_after_the_day_after_also_when_no_lines_come(tmp_path: Path) -> None:
    clock, pipe, stepper, _ = journal(tmp_path, MemoryBackend(), ["/"])
    assert names(tmp_path) == ["2026-11-21.key", "2026-11-22.key", "2026-11-23.key"]
    tomorrow = KeyFolder(tmp_path).key(DAY + timedelta(1))
    for days in range(1, 4):
        clock.now = NOON + days * 24 * HOURS
        stepper.run()
        today = DAY + timedelta(days)
        assert names(tmp_path) == [f"{today + timedelta(n)}.key" for n in (-1, 0, 1)]
    assert KeyFolder(tmp_path).key(DAY + timedelta(1)) is None
    assert tomorrow
    stepper.close()
    pipe.close()


def test_only_the_owner_may_read_a_key(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        KeyFolder(tmp_path).keep(DAY, new_key())
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "visitors").stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "visitors" / "2026-11-22.key").stat().st_mode) == 0o600


def test_what_a_killed_process_left_of_a_key_goes_with_the_keys(tmp_path: Path) -> None:
    folder = KeyFolder(tmp_path)
    folder.forget(DAY)  # where there is none
    for name in (".2026-11-19.x1y2", "2026-11-20.key", "2026-11-21.key", ".2026-11-22.abcd", "2026-11-23.key", "notes"):
        folder.path.mkdir(exist_ok=True)
        (folder.path / name).write_bytes(b"")
    folder.forget(DAY)
    assert names(tmp_path) == [".2026-11-22.abcd", "2026-11-21.key", "2026-11-23.key", "notes"]


def test_a_key_whose_life_is_over_is_not_used_even_if_it_is_still_there(tmp_path: Path) -> None:
    folder = KeyFolder(tmp_path)
    days = [DAY - timedelta(n) for n in range(4)]
    for day in days:
        folder.keep(day, new_key())
    assert sorted(folder.living(days, DAY).given) == [DAY - timedelta(1), DAY]


def test_a_damaged_key_is_one_line(tmp_path: Path) -> None:
    folder = KeyFolder(tmp_path)
    folder.keep(DAY, b"short")
    with pytest.raises(StoreError, match=r"2026-11-22\.key: is no key; remove the file"):
        folder.key(DAY)


def test_a_foreign_document_in_the_place_of_the_key_is_one_line(tmp_path: Path) -> None:
    backend, keys = MemoryBackend(), Keys()
    backend.commit({}, {keys.document("visitor-key", day=DAY): b"something else"}, ttl=100)
    with pytest.raises(StoreError, match="is no key of visitors; use a prefix of your own"):
        agreed_key(backend, keys, KeyFolder(tmp_path), DAY, ttl=100)


def test_a_key_never_shows_in_what_is_printed_of_keys() -> None:
    key = new_key()
    assert repr(key) not in repr(DayKeys({DAY: key}, key))
    assert len(key_id(key)) == 4


def test_the_key_leaves_the_backend_at_the_end_of_its_life(tmp_path: Path) -> None:
    clock = Clock()
    backend = MemoryBackend(clock=clock)
    _, pipe, stepper, _ = journal(tmp_path, backend, ["/"], clock=clock)
    name = Keys().document("visitor-key", day=DAY)
    assert backend.documents([name])
    clock.now = NOON + 36 * HOURS - 60  # a minute before the end of the day after
    assert backend.documents([name])
    clock.now += 120
    assert not backend.documents([name])
    stepper.close()
    pipe.close()


def test_keys_that_have_left_a_database_are_not_in_its_file(tmp_path: Path) -> None:
    now, path = [1_000_000.0], tmp_path / "counters.db"
    keys = [new_key() for _ in range(60)]  # on all pages, of which nearly all are given up
    with SQLiteBackend(path, clock=lambda: now[0]) as backend:
        backend.commit({}, {f"d{n}": bytes(1_500) + key for n, key in enumerate(keys)}, ttl=10)
    assert all(key in path.read_bytes() for key in keys)
    now[0] += 20
    with SQLiteBackend(path, clock=lambda: now[0]) as backend:
        backend.claim("later", b"", ttl=10)
        backend.claim("later", b"", ttl=10)
    left = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    assert not any(key in left for key in keys)


def test_a_key_that_replay_took_out_of_a_database_is_not_in_its_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect = sqlite3.connect

    def connected(*arguments: Any, **options: Any) -> sqlite3.Connection:
        """As by an SQLite that is built without SQLITE_SECURE_DELETE; Debian's is built with it."""
        database = connect(*arguments, **options)
        database.execute("PRAGMA secure_delete = OFF")
        return database

    monkeypatch.setattr(sqlite3, "connect", connected)
    path, key, names = tmp_path / "counters.db", new_key(), Keys()
    with SQLiteBackend(path) as backend:
        backend.claim(names.document("visitor-key", day=DAY), key, ttl=60)
    assert key in path.read_bytes()
    with SQLiteBackend(path) as backend:
        backend.forget(names.day(DAY))
    assert not any(key in file.read_bytes() for file in tmp_path.iterdir())


# -- live ------------------------------------------------------------------------------------------------------------


def journal(
    state: Path, backend: CounterBackend, pages: list[str], *, clock: Clock | None = None, source: str = "host"
) -> tuple[Clock, Pipe, Stepper, object]:
    """A journal of some views by one person, counted."""
    state.mkdir(exist_ok=True)
    clock = clock or Clock()
    made = plan(state, backend, clock, rules=RULES, source=source)
    pipe = Pipe(state, made.archive, clock)
    pipe.send(b"".join(line(page, address(0)) for page in pages))
    stepper = Stepper(made)
    stepper.run()
    return clock, pipe, stepper, made


def exactly(state: Path, hosts: Iterable[int], day: date = DAY) -> int:
    """What a sketch of all these people must say, under the key in a state folder."""
    people, came = Visitors(KeyFolder(state).key, pages=False), [address(host).encode() for host in hosts]
    people.add(day, "", ["/"] * len(came), came, [AGENT.encode()] * len(came), Caps(RULES).admit)
    number = people.sketches[day, "", ""].count()
    assert number == pytest.approx(len(came), rel=0.1, abs=2)
    return number


def live(backend: CounterBackend, site: str = "", day: date = DAY) -> int:
    return LiveDays(backend, Keys()).visitors(day, site)


def test_a_restart_goes_on_with_the_sketch_in_the_store(tmp_path: Path) -> None:
    backend = MemoryBackend()
    _, pipe, stepper, made = journal(tmp_path, backend, ["/"])
    assert live(backend) == 1
    for host in range(1, 9):
        stepper.close()
        pipe.send(line("/", address(host)) + line("/again/", address(0)))
        stepper = Stepper(made)  # type: ignore[arg-type]
        stepper.run()
        assert live(backend) == exactly(tmp_path, range(host + 1))
    pipe.close()


def test_a_worker_that_leads_again_takes_in_what_another_wrote_meanwhile(tmp_path: Path) -> None:
    backend = MemoryBackend()
    _, pipe, first, made = journal(tmp_path, backend, ["/"])
    second = Stepper(made)  # type: ignore[arg-type]
    pipe.send(line("/", address(1)))
    second.run()
    assert live(backend) == exactly(tmp_path, range(2))
    assert first.counter.lead(first._lock)
    pipe.send(line("/", address(2)))
    first.run()
    assert live(backend) == exactly(tmp_path, range(3))
    pipe.close()


def test_an_emptied_store_has_the_same_key_and_visitors_again(tmp_path: Path) -> None:
    backend = MemoryBackend()
    _, pipe, stepper, _ = journal(tmp_path, backend, ["/"])
    pipe.send(b"".join(line("/", address(host)) for host in range(40)))
    stepper.run()
    key = KeyFolder(tmp_path).key(DAY)
    backend.forget("pipelog|")
    assert live(backend) == 0
    stepper.run()
    assert live(backend) == exactly(tmp_path, range(40))
    assert KeyFolder(tmp_path).key(DAY) == key
    pipe.close()


def test_a_store_that_came_back_with_another_key_has_the_day_counted_under_it(tmp_path: Path) -> None:
    backend = MemoryBackend()
    _, pipe, stepper, _ = journal(tmp_path, backend, ["/"])
    pipe.send(b"".join(line("/", address(host)) for host in range(40)))
    stepper.run()
    backend.forget("pipelog|")
    _, other_pipe, other, _ = journal(tmp_path / "other", backend, ["/"], source="other")  # comes first this time
    stepper.run()
    other.run()
    assert KeyFolder(tmp_path).key(DAY) == KeyFolder(tmp_path / "other").key(DAY)
    assert live(backend) == exactly(tmp_path, range(40))  # address 0 was at both
    pipe.close()
    other_pipe.close()


def test_a_damaged_sketch_in_the_store_is_one_line(tmp_path: Path) -> None:
    backend = MemoryBackend()
    journal(tmp_path, backend, ["/"])[1].close()
    [name] = [key for key in backend._documents if "|=visitors|" in key]
    backend.commit({}, {name: b"abcd?"}, ttl=100)
    with pytest.raises(StoreError, match="a document of visitors is no sketch: begins with"):
        live(backend)


def test_a_damaged_sketch_in_the_store_holds_no_counting_up(tmp_path: Path) -> None:
    backend = MemoryBackend()
    _, pipe, stepper, made = journal(tmp_path, backend, ["/a/"])
    stepper.close()
    [name] = [key for key in backend._documents if "|=visitors|" in key]
    backend.commit({}, {name: b"abcd?"}, ttl=100)
    pipe.send(line("/b/", address(1)))
    stepper = Stepper(made)  # type: ignore[arg-type]
    stepper.run()
    assert counted(backend) == {"/a/": 1, "/b/": 1}
    assert live(backend) == 1  # who came before is lost with it, until the day is counted again
    pipe.close()


def test_a_backend_that_cannot_claim_counts_all_but_visitors(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    backend = Sharded(2)
    journal(tmp_path, backend, ["/a/"])[1].close()
    assert backend.all_views() == {"/a/": 1}
    assert live(backend) == 0
    assert capfd.readouterr().err.count("(it is not Claiming): they are counted in the history alone") == 1
    assert not (tmp_path / "visitors").exists()


def test_sources_agree_on_one_memcached_and_each_person_counts_once(tmp_path: Path) -> None:
    with servers.memcached() as server:
        backends = [MemcachedBackend([server.address]) for _ in range(3)]
        parts = [journal(tmp_path / str(n), backends[n], ["/"], source=f"host{n}") for n in range(3)]
        for n, (_, pipe, stepper, _) in enumerate(parts):
            pipe.send(b"".join(line("/", address(host)) for host in range(n * 20, n * 20 + 30)))
            stepper.run()
        assert len({KeyFolder(tmp_path / str(n)).key(DAY) for n in range(3)}) == 1
        assert live(backends[0]) == exactly(tmp_path / "0", range(70))
        server.ask(b"flush_all")
        for _ in range(2):
            for _, _, stepper, _ in parts:
                stepper.run()
        assert live(backends[0]) == exactly(tmp_path / "0", range(70))
        for backend in backends:
            backend.close()
        for _, pipe, _, _ in parts:
            pipe.close()


class Failing(MemoryBackend):
    """A store that fails at its `fail_at`th call from now on, once."""

    fail_at = 0

    def _call(self) -> None:
        self.fail_at -= 1
        if self.fail_at == 0:
            raise BackendUnavailable("the store went away")

    def claim(self, key: str, document: bytes, *, ttl: int) -> bytes:
        self._call()
        return super().claim(key, document, ttl=ttl)

    def documents(self, keys: object) -> dict[str, bytes]:
        self._call()
        return super().documents(keys)  # type: ignore[arg-type]

    def commit(self, *arguments: object, **named: object) -> None:
        self._call()
        super().commit(*arguments, **named)  # type: ignore[arg-type]


@pytest.mark.parametrize("forget", [False, True])
@pytest.mark.parametrize("fail_at", range(1, 22))
def test_a_store_that_fails_at_any_moment_changes_no_number(tmp_path: Path, fail_at: int, forget: bool) -> None:
    backend = Failing()
    clock, pipe, stepper, _ = journal(tmp_path, backend, ["/"])
    clock.now += 24 * HOURS  # new keys are to be agreed on, too
    day = DAY + timedelta(1)
    pipe.send(line("/", address(1), day) + line("/", address(2), day))
    if forget:
        backend.forget("pipelog|")
    backend.fail_at, failed = fail_at, 0
    for _ in range(3):
        try:
            stepper.run()
            pipe.send(line("/", address(3), day))
            stepper.run()
        except BackendUnavailable:
            failed += 1
    assert failed == 1
    clock.now += 61  # the agreement, too, is tried again
    stepper.run()
    assert live(backend) == 1
    assert live(backend, day=day) == exactly(tmp_path, range(1, 4), day)
    assert names(tmp_path) == [f"{day + timedelta(n)}.key" for n in (-1, 0, 1)]
    pipe.close()


class Visited(Journaled):
    """Lines come, followers are killed, stores fail and forget: the visitors are always all who came."""

    @initialize()
    def begin(self) -> None:
        self.came = 0
        super().begin()

    def rules_of_counting(self) -> Rules:
        return RULES

    @rule(number=st.integers(1, 5))
    def send(self, number: int) -> None:
        pages = [next(self.pages) for _ in range(number)]
        hosts = [address(self.came + n // 2) for n in range(number)]  # some come twice
        self.pipe.send(b"".join(line(page, host) for page, host in zip(pages, hosts, strict=True)))
        self.sent.update(pages)
        self.came += (number - 1) // 2 + 1

    @invariant()
    def everyone_is_counted_once(self) -> None:
        if hasattr(self, "stepper"):
            self.step()
            self.step()
            assert live(self.backend) == exactly(self.folder, range(self.came))


Visited.TestCase.settings = settings(
    max_examples=50, stateful_step_count=12, deadline=None, suppress_health_check=list(HealthCheck)
)
TestVisited = Visited.TestCase
del Visited, Journaled


# -- daily -----------------------------------------------------------------------------------------------------------


SINKS = {"sqlite": lambda folder: SQLiteSink(folder / "history.db"), "csv": lambda folder: CSVSink(folder / "history")}


@pytest.fixture(params=SINKS)
def sink(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Sink]:
    with SINKS[request.param](tmp_path) as made:
        yield made


def log(path: Path, views: Iterable[tuple[str, int]]) -> Path:
    path.write_bytes(b"".join(line(page, address(host)) for page, host in views))
    return path


def hits(sink: Sink) -> Hits:
    return Hits(counters=None, history=sink, today=lambda: DAY + timedelta(1))


def rolled(sink: Sink, path: Path, source: str = "host", keys: DayKeys | None = None, rules: Rules = RULES) -> None:
    rollup([path], DAY, sink, source=source, rules=rules, keys=keys)


def test_live_and_daily_agree_under_one_key(tmp_path: Path, sink: Sink) -> None:
    backend = MemoryBackend()
    _, pipe, stepper, _ = journal(tmp_path, backend, ["/"])
    pipe.send(b"".join(line(f"/{host % 7}/", address(host)) for host in range(300)))
    bot = line("/", address(400), agent="Googlebot/2.1 (+http://www.google.com/bot.html)")
    pipe.send(bot + line("/", address(401), status=404) + line("/style.css", address(402)))
    stepper.run()
    keys = KeyFolder(tmp_path).living([DAY], DAY)
    rolled(sink, tmp_path / "journal" / "2026-11-22.log", keys=keys)
    assert live(backend) == hits(sink).visitors(DAY) == exactly(tmp_path, range(300))
    pipe.close()


@needs_shared
def test_live_and_daily_agree_on_a_real_log(tmp_path: Path) -> None:
    _, format, path = corpus("elastic_semicomplete_2015")
    content, keys = plain(path), DayKeys()
    (tmp_path / "log").write_bytes(content)
    days = [date(2015, 5, day) for day in range(17, 21)]
    with SQLiteSink(tmp_path / "history.db") as sink:
        rollup([tmp_path / "log"], days, sink, source="host", format=format, rules=RULES, keys=keys)
        people, batch, parsed = Visitors(keys, pages=False), Batch(), LogFormat(format)
        tallier = Tallier(RULES, parsed, None, people)
        for chunk in content.splitlines(keepends=True):
            tallier.add(parsed.columns(chunk), batch)
        judge, exact = Judge(RULES), {day: set() for day in days}
        for raw in content.splitlines():
            with suppress(LineError):
                record = parsed.parse(raw)
                for coordinate, _ in judge.coordinates(record, has_agent=True):
                    if coordinate.dimension == "views":
                        exact[coordinate.day].add((record.host, record.agent))
        for day in days:
            visitors = Hits(counters=None, history=sink, today=lambda: DAY).visitors(day)
            assert visitors == people.sketches[day, "", ""].count()
            assert visitors == pytest.approx(len(exact[day]), rel=0.05)
            assert len(exact[day]) > 100


def test_pages_have_their_own_visitors(tmp_path: Path, sink: Sink) -> None:
    rolled(sink, log(tmp_path / "log", [("/a/", 0), ("/a/", 0), ("/b/", 0), ("/b/", 1), ("/b/", 2)]))
    found = hits(sink)
    assert found.page_visitors(DAY) == {"/b/": 3, "/a/": 1}
    assert list(found.page_visitors(DAY)) == ["/b/", "/a/"]
    assert found.page_visitors(DAY, "/a/") == {"/a/": 1}
    assert found.page_visitors(DAY, "/c/") == {}
    assert found.visitors(DAY) == 3
    assert found.visitors(DAY, site="other.example") == found.visitors(DAY - timedelta(1)) == 0


def test_merged_pages_unite_their_visitors(tmp_path: Path, sink: Sink) -> None:
    rolled(sink, log(tmp_path / "log", [("/old/", 0), ("/old/", 1), ("/new/", 1), ("/new/", 2)]))
    sink.merge(Merge("", "/old/", "/new/", date.min, date.max))  # type: ignore[attr-defined]
    assert hits(sink).page_visitors(DAY) == {"/new/": 3}
    assert hits(sink).page_visitors(DAY, "/new/") == {"/new/": 3}
    assert hits(sink).page_visitors(DAY, "/old/") == {}


def test_sources_are_united_under_one_key_and_never_added_up(tmp_path: Path, sink: Sink) -> None:
    keys = DayKeys()
    for source, hosts in (("one", range(60)), ("two", range(40, 100))):
        rolled(sink, log(tmp_path / source, [("/", host) for host in hosts]), source, keys)
    assert hits(sink).visitors(DAY) == pytest.approx(100, abs=5)
    assert hits(sink).page_visitors(DAY)["/"] == hits(sink).visitors(DAY)
    rolled(sink, tmp_path / "two", "two", DayKeys())  # rolled up again when the key was gone
    assert hits(sink).visitors(DAY) == pytest.approx(60, abs=4)


def test_a_day_rolled_up_without_visitors_has_none_left(tmp_path: Path, sink: Sink) -> None:
    path = log(tmp_path / "log", [("/a/", 0)])
    rolled(sink, path, rules=Rules())
    assert not sink._visitors(DAY, "host").exists() if isinstance(sink, CSVSink) else True
    rolled(sink, path)
    assert hits(sink).visitors(DAY) == 1
    rolled(sink, path, rules=Rules())
    assert (hits(sink).visitors(DAY), hits(sink).page_visitors(DAY)) == (0, {})


def test_tasks_of_an_executor_share_a_key(tmp_path: Path, sink: Sink) -> None:
    paths = [log(tmp_path / str(part), [("/", part * 20 + host) for host in range(40)]) for part in range(3)]
    with ProcessPoolExecutor(2) as executor:
        rollup(paths, DAY, sink, source="host", rules=RULES, executor=executor)
    assert hits(sink).visitors(DAY) == pytest.approx(80, abs=5)


def test_a_damaged_sketch_in_the_history_is_one_line(sink: Sink) -> None:
    sink.replace_day(DAY, "host", [], lines=0)
    sink.replace_sketches(DAY, "host", [DailySketch(DAY, "", "", b"key0", b"?")])  # type: ignore[attr-defined]
    with pytest.raises(StoreError, match=r"visitors of 2026-11-22 are no sketch: .*roll the day up again"):
        hits(sink).visitors(DAY)


def test_days_cannot_be_added_up(tmp_path: Path) -> None:
    asked = [name for name, _ in inspect.getmembers(Hits, inspect.isfunction) if "visitors" in name]
    assert asked == ["page_visitors", "visitors"]
    for name in asked:
        parameters = inspect.signature(getattr(Hits, name)).parameters
        assert list(parameters) in (["self", "day", "site"], ["self", "day", "page", "site"])
        assert parameters["day"].annotation.split(" | ")[0] == "date"
    assert "visitors" not in queries.DIMENSIONS  # which are summed over days, and exported
    # Even by hand: sketches of two days have two keys, and are not united.
    keys = DayKeys()
    assert key_id(keys(DAY)) != key_id(keys(DAY + timedelta(1)))


# -- commands, and addresses in what they leave ----------------------------------------------------------------------


ADDRESSES = ["192.0.2.77", "198.51.100.123", "2001:db8:77:88::99", "client77.example.net"]
SECRETS = [
    *(text.encode() for text in ADDRESSES),
    socket.inet_aton(ADDRESSES[0]),
    socket.inet_aton(ADDRESSES[1]),
    socket.inet_pton(socket.AF_INET6, ADDRESSES[2])[:8],
]


def everything(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file() and path.parent.name != "journal")
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


@pytest.mark.parametrize("history", ["sqlite", "csv"])
def test_no_address_is_stored_outside_the_journal(tmp_path: Path, history: str) -> None:
    state = tmp_path / "state"
    days = YESTERDAY, YESTERDAY + timedelta(1)
    lines = b"".join(line("/", host, day) for day in days for host in [*ADDRESSES, *ADDRESSES])
    lines += b"not a line, of 192.0.2.77\n"
    changed = {"visitors": "true"} | ({"sink": f"csv://{tmp_path}/csv"} if history == "csv" else {})
    with servers.memcached() as server:
        for backend in (f"sqlite://{state}/counters.db", server.url):
            assert pipelog(state, stdin=lines, **changed, backend=backend).returncode == 0
        done = pipelog(state, "rollup", **changed)
        assert done.returncode == 0, done.stderr
        found = everything(tmp_path) | {"memcached": dump(server)}
    assert {"state/batch", "state/counters.db", "memcached"} <= found.keys()
    assert any(name.startswith("state/visitors/") for name in found)
    assert b"visitor-key" in found["memcached"]
    assert b"visitor-key" in found["state/counters.db"] + found.get("state/counters.db-wal", b"")
    for name, content in found.items():
        for secret in SECRETS:
            assert secret not in content, name


def dump(server: servers.MemcachedServer) -> bytes:
    """All keys and values of a memcached."""
    with server.connect() as connection:
        stream = connection.makefile("rwb")
        stream.write(b"lru_crawler metadump all\r\n")
        stream.flush()
        keys = []
        while (answer := stream.readline()).startswith(b"key="):
            keys.append(unquote_to_bytes(answer.split()[0][4:]))
        content = b""
        for key in keys:
            stream.write(b"get " + key + b"\r\n")
            stream.flush()
            while (answer := stream.readline()) != b"END\r\n":
                content += answer
        return content


def test_top_by_visitors(tmp_path: Path) -> None:
    lines = b"".join(
        line(page, address(host), day)
        for day in (YESTERDAY, YESTERDAY + timedelta(1))
        for page, host in (("/a/", 1), ("/a/", 1), ("/b/", 1), ("/b/", 2))
    )
    assert pipelog(tmp_path, stdin=lines, visitors="true").returncode == 0
    assert pipelog(tmp_path, "rollup", visitors="true").returncode == 0
    finished = pipelog(tmp_path, "top", "yesterday", "--by", "visitors", "--output", "csv", visitors="true")
    assert finished.stdout.decode().splitlines() == ["page,count", "(site),2", "/b/,2", "/a/,1"]
    first = pipelog(tmp_path, "top", "yesterday", "--by", "visitors", "-n", "1", "--output", "csv")
    assert first.stdout.decode().splitlines() == ["page,count", "(site),2", "/b/,2"]
    today = pipelog(tmp_path, "top", "--by", "visitors", "--output", "csv", visitors="true")
    assert today.stdout.decode().splitlines() == ["page,count", "(site),2"]
    exported = pipelog(tmp_path, "export", "yesterday")
    assert b"visitors" not in exported.stdout


def test_top_by_visitors_where_they_are_not_counted_says_so(tmp_path: Path) -> None:
    assert pipelog(tmp_path, stdin=line("/", address(1), YESTERDAY)).returncode == 0
    done = pipelog(tmp_path, "top", "--by", "visitors")
    assert done.returncode == 1
    assert done.stderr.count(b"\n") == 1
    assert b"set visitors = true" in done.stderr
    assert not (tmp_path / "visitors").exists()


def test_a_rollup_that_cannot_read_the_keys_says_so_and_counts(tmp_path: Path) -> None:
    assert pipelog(tmp_path, stdin=line("/", address(1), YESTERDAY), visitors="true").returncode == 0
    for name in names(tmp_path):
        (tmp_path / "visitors" / name).unlink()
    (tmp_path / "visitors").rmdir()
    (tmp_path / "visitors").write_text("")  # a folder that this user may not read is none to him; root may read all
    done = pipelog(tmp_path, "rollup", visitors="true")
    assert done.returncode == 0
    assert done.stderr.count(b"until then visitors of several sources cannot be united") == 1
    assert pipelog(tmp_path, "top", "yesterday", "--by", "visitors").stdout.count(b"1") == 2


def test_a_rollup_removes_the_keys_of_a_logger_that_was_stopped(tmp_path: Path) -> None:
    assert pipelog(tmp_path, stdin=line("/", address(1), YESTERDAY), visitors="true").returncode == 0
    old = YESTERDAY - timedelta(30)
    KeyFolder(tmp_path).keep(old, new_key())
    assert pipelog(tmp_path, "rollup", "--dry-run", visitors="true").returncode == 0
    assert f"{old}.key" in names(tmp_path)
    assert pipelog(tmp_path, "rollup", visitors="true").returncode == 0
    assert f"{old}.key" not in names(tmp_path)
