"""MemcachedBackend: the suite against real servers, and servers that are slow, full, old, hung or gone."""

from __future__ import annotations

import socket
import socketserver
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelog.backends.memcached import MemcachedBackend
from pipelog.backends.memcached_server import Held, Server
from pipelog.errors import BackendUnavailable, LocationError, StoreError
from pipelog.locators import Location
from pipelog.testing.backends import LIMIT, BackendSuite
from pipelog.testing.servers import MemcachedServer, memcached, missing


@pytest.fixture(scope="module")
def server() -> Iterator[MemcachedServer]:
    with memcached() as running:
        yield running


@pytest.fixture(scope="module")
def servers() -> Iterator[list[MemcachedServer]]:
    with ExitStack() as stack:
        yield [stack.enter_context(memcached()) for _ in range(3)]


@pytest.fixture(scope="module")
def server_on_a_socket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MemcachedServer]:
    with memcached(path=tmp_path_factory.mktemp("memcached") / "m.sock") as running:
        yield running


def made(*servers: MemcachedServer, query: str = "") -> MemcachedBackend:
    if len(servers) == 1:
        url = servers[0].url
    else:
        url = "memcached://" + ",".join(server.url.removeprefix("memcached://") for server in servers)
    return MemcachedBackend.from_location(Location.parse(url + query))


def flush(*servers: MemcachedServer) -> None:
    for server in servers:
        assert server.ask(b"flush_all") == b"OK"


class TestOneServer(BackendSuite):
    transactional = False

    @pytest.fixture(autouse=True)
    def _servers(self, server: MemcachedServer) -> None:
        self.servers = [server]
        flush(*self.servers)

    def make_backend(self) -> MemcachedBackend:
        return made(*self.servers)


class TestThreeServers(TestOneServer):
    @pytest.fixture(autouse=True)
    def _servers(self, servers: list[MemcachedServer]) -> None:
        self.servers = servers
        flush(*self.servers)


class TestUnixSocket(TestOneServer):
    @pytest.fixture(autouse=True)
    def _servers(self, server_on_a_socket: MemcachedServer) -> None:
        self.servers = [server_on_a_socket]
        flush(*self.servers)


def test_ipv6() -> None:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        missing("there is no IPv6 loopback")
    with memcached(host="::1") as server, made(server) as backend:
        assert server.url.startswith("memcached://[::1]:")
        backend.commit({"a": 1}, {"d": b"x"}, ttl=60)
        assert backend.counts(["a"]) == {"a": 1}


def test_every_address_of_a_name_is_tried(server: MemcachedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """As "localhost" where it is ::1 first and the server listens on 127.0.0.1 alone."""
    closed, port = free_port(), server.address[1]
    resolve = socket.getaddrinfo

    def two_addresses(host: object, *args: object, **named: object) -> object:
        if host != "both.example":
            return resolve(host, *args, **named)  # type: ignore[arg-type]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", p)) for p in (closed, port)]

    monkeypatch.setattr(socket, "getaddrinfo", two_addresses)
    with MemcachedBackend([("both.example", 11211)]) as backend:
        backend.commit({"both": 1}, {}, ttl=60)


# Locations


@pytest.mark.parametrize(
    ("url", "addresses"),
    [
        ("memcached://h1", [("h1", 11211)]),
        ("memcached://h1:1,h2,[::1]:3", [("h1", 1), ("h2", 11211), ("::1", 3)]),
        ("memcached:///run/m.sock?timeout=0.5&connect_timeout=2", ["/run/m.sock"]),
    ],
)
def test_location(url: str, addresses: list[object]) -> None:
    backend = MemcachedBackend.from_location(Location.parse(url))
    assert [server.address for server in backend._servers] == addresses
    assert backend.shards == len(addresses)


@pytest.mark.parametrize(
    "url",
    [
        "memcached:",
        "memcached://",
        "memcached://h/path",
        "memcached://u:p@h",
        "memcached://h?timeout=0",
        "memcached://h?tiemout=1",
    ],
)
def test_location_refused(url: str) -> None:
    with pytest.raises(LocationError, match=r"^memcached: "):
        MemcachedBackend.from_location(Location.parse(url))


# What is sent, and where


@pytest.mark.parametrize("key", ["", "a b", "a\r\nflush_all", "a\n", "a\tb", "\x7f", "ü", "\udcff", "k" * 251])
def test_illegal_keys_never_reach_a_server(server: MemcachedServer, key: str) -> None:
    with made(server) as backend:
        backend.commit({"legal": 1}, {}, ttl=60)
        before = server.ask(b"get legal")
        for call in (
            lambda: backend.commit({"legal": 1, key: 1}, {}, ttl=60),
            lambda: backend.commit({"legal": 1}, {key: b"x"}, ttl=60),
            lambda: backend.counts(["legal", key]),
            lambda: backend.documents([key]),
        ):
            with pytest.raises(ValueError, match=r"not a key.*pipelog\.backends\.keys"):
                call()
        assert server.ask(b"get legal") == before
        assert backend.counts(["legal"]) == {"legal": 1}
    flush(server)


def test_a_count_over_the_limit_is_refused(server: MemcachedServer) -> None:
    with made(server) as backend, pytest.raises(StoreError, match="2\\*\\*63"):
        backend.commit({"over": LIMIT + 1}, {}, ttl=60)


def test_keys_have_fixed_servers(servers: list[MemcachedServer]) -> None:
    flush(*servers)
    keys = [f"key{number}" for number in range(300)]
    with made(*servers) as backend:
        backend.commit(dict.fromkeys(keys, 1), {}, ttl=60)
        shards = [backend.shard(key) for key in keys]
        assert set(shards) == {0, 1, 2}
        for key, shard in zip(keys, shards, strict=True):
            there = [server.ask(b"get " + key.encode()).startswith(b"VALUE") for server in servers]
            assert there == [number == shard for number in range(3)]


@pytest.mark.parametrize(("ttl", "low", "high"), [(100, 90, 100), (40 * 86400, 40 * 86400 - 10, 40 * 86400)])
def test_time_to_live(server: MemcachedServer, ttl: int, low: int, high: int) -> None:
    with made(server) as backend:
        backend.commit({f"ttl{ttl}": 1}, {f"ttl{ttl}d": b"x"}, ttl=ttl)
    for key in (f"ttl{ttl}", f"ttl{ttl}d"):
        seconds = int(server.ask(b"mg %b t" % key.encode()).removeprefix(b"HD t"))
        assert low <= seconds <= high + 1  # its clock ticks once a second


def test_a_time_to_live_beyond_what_memcached_can_tell(server: MemcachedServer) -> None:
    with made(server) as backend:
        backend.commit({"eternal": 1}, {}, ttl=10**10)
        assert backend.counts(["eternal"]) == {"eternal": 1}


@pytest.mark.parametrize("kind", ["server", "server_on_a_socket"])
def test_two_hundred_thousand_keys_at_once(request: pytest.FixtureRequest, kind: str) -> None:
    """More replies than all socket buffers hold: whoever writes everything before reading waits for ever."""
    running = request.getfixturevalue(kind)
    counts = {f"pipelog|20261122|views|site|/page/{number}|": number for number in range(1, 200_001)}
    with made(running) as backend:
        backend.commit(counts, {"checkpoint": b"200000"}, ttl=600)
        keys = list(counts)
        assert backend.counts(keys[:5000] + keys[-5000:]) == {key: counts[key] for key in keys[:5000] + keys[-5000:]}
        assert backend.documents(["checkpoint"]) == {"checkpoint": b"200000"}
    flush(running)


def test_long_lines_of_long_keys(server: MemcachedServer) -> None:
    counts = {f"{number:0250}": number for number in range(1, 3000)}
    with made(server) as backend:
        backend.commit(counts, {}, ttl=60)
        assert backend.counts(list(counts)) == counts
    flush(server)


# Refusals


def test_document_over_the_item_size(servers: list[MemcachedServer]) -> None:
    """Says so, and the counts of that commit are taken back, with one server as with three."""
    for some in (servers[:1], servers):
        flush(*servers)
        with made(*some) as backend:
            counts = {f"key{number}": number for number in range(1, 100)}
            backend.commit(counts, {"d": b"old"}, ttl=60)
            with pytest.raises(StoreError, match=r"memcached .*'e'.*item size limit"):
                backend.commit(counts | {"new": 5}, {"e": b"x" * 2_000_000}, ttl=60)
            assert backend.counts(list(counts)) == counts
            assert backend.counts(["new"]).get("new", 0) == 0
            backend.commit(counts, {"e": b"x"}, ttl=60)
            assert backend.counts(list(counts)) == {key: 2 * count for key, count in counts.items()}


def test_no_counter_under_that_key(server: MemcachedServer) -> None:
    with made(server) as backend:
        backend.commit({"good": 1}, {"text": b"words"}, ttl=60)
        with pytest.raises(StoreError, match=r"'text'.*non-numeric"):
            backend.commit({"good": 1, "text": 1, "fine": 1}, {"other": b"x"}, ttl=60)
        assert backend.counts(["good", "fine"]) == {"good": 1, "fine": 0}
        with pytest.raises(StoreError, match="no number under 'text'"):
            backend.counts(["text"])
        assert backend.documents(["text"]) == {"text": b"words"}
    flush(server)


def test_out_of_memory() -> None:
    """A server that may not evict (-M) says so when it is full, and what it took is taken back."""
    with memcached(arguments=["-M", "-m", "2"]) as server, made(server) as backend:
        first = {f"{number:0100}": 1 for number in range(1000)}
        backend.commit(first, {}, ttl=600)
        with pytest.raises(BackendUnavailable, match="Out of memory"):
            backend.commit(first | {f"{number:0220}": 1 for number in range(50_000)}, {}, ttl=600)
        assert backend.counts(list(first)) == first


# Failures


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def test_nobody_there() -> None:
    port = free_port()
    with MemcachedBackend([("127.0.0.1", port)]) as backend:
        for call in (lambda: backend.counts(["a"]), lambda: backend.commit({"a": 1}, {}, ttl=60)):
            with pytest.raises(BackendUnavailable, match=rf"^memcached 127\.0\.0\.1:{port}: .*refused"):
                call()


def test_no_such_socket_and_no_such_host(tmp_path: Path) -> None:
    with pytest.raises(BackendUnavailable, match=r"m\.sock"), MemcachedBackend([str(tmp_path / "m.sock")]) as backend:
        backend.counts(["a"])
    with pytest.raises(BackendUnavailable, match=r"host\.invalid"), MemcachedBackend([("host.invalid", 1)]) as backend:
        backend.counts(["a"])


def test_a_hung_server_costs_the_timeout_and_no_stale_reply_is_read() -> None:
    with memcached() as server, made(server, query="?timeout=0.1&connect_timeout=0.1") as backend:
        backend.commit({"a": 1}, {"d": b"x"}, ttl=60)
        server.pause()
        begun = time.monotonic()
        for call in (
            lambda: backend.counts(["a"]),
            lambda: backend.documents(["d"]),
            lambda: backend.commit({"b": 1}, {}, ttl=60),
        ):
            with pytest.raises(BackendUnavailable, match="timed out"):
                call()
        assert time.monotonic() - begun < 2
        server.resume()
        assert backend.documents(["d"]) == {"d": b"x"}
        assert backend.counts(["a", "b"])["a"] == 1


def test_a_restarted_server_is_found_again() -> None:
    with ExitStack() as stack:
        server = stack.enter_context(memcached())
        assert not isinstance(server.address, str)
        port = server.address[1]
        with made(server) as backend:
            backend.commit({"a": 1}, {}, ttl=60)
            server.stop()
            with pytest.raises(BackendUnavailable, match=f":{port}: "):
                backend.commit({"a": 1}, {}, ttl=60)
            again = stack.enter_context(memcached(port=port))
            assert backend.counts(["a"]) == {}
            backend.commit({"a": 1}, {}, ttl=60)
            again.stop()
            stack.enter_context(memcached(port=port))
            assert backend.counts(["a"]) == {}  # the old connection's end is noticed before it is used


def test_one_dead_server_of_several_means_nothing_is_counted_on_the_others() -> None:
    with memcached() as one, memcached() as two, made(one, two, query="?timeout=0.2") as backend:
        counts = {f"key{number}": 1 for number in range(100)}
        mine = [key for key in counts if backend.shard(key) == 0]
        backend.commit(counts, {"d": b"1"}, ttl=60)
        two.stop()
        for _ in range(3):
            with pytest.raises(BackendUnavailable, match=two.url.removeprefix("memcached://")):
                backend.commit(counts, {"d": b"2"}, ttl=60)
        assert backend.counts(mine) == dict.fromkeys(mine, 1)


def test_a_server_that_hangs_between_has_the_others_taken_back() -> None:
    with memcached() as one, memcached() as two, made(one, two, query="?timeout=0.2") as backend:
        counts = {f"key{number}": 1 for number in range(100)}
        mine = [key for key in counts if backend.shard(key) == 0]
        document = next(f"d{number}" for number in range(100) if backend.shard(f"d{number}") == 0)
        backend.commit(counts, {document: b"1"}, ttl=60)
        two.pause()  # its connection is open and tested: nothing tells before the commands are out
        with pytest.raises(BackendUnavailable, match="timed out"):
            backend.commit(counts, {document: b"2"}, ttl=60)
        assert backend.counts(mine) == dict.fromkeys(mine, 1)
        assert backend.documents([document]) == {document: b"1"}
        two.resume()


@contextmanager
def talker(*replies: bytes) -> Iterator[tuple[str, int]]:
    """A peer that answers its first requests with `replies`, whatever they are, and then hangs up."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            for reply in replies:
                if self.request.recv(1 << 20):
                    self.request.sendall(reply)

    with serving(Handler) as address:
        yield address


@contextmanager
def serving(handler: type[socketserver.BaseRequestHandler]) -> Iterator[tuple[str, int]]:
    class Listener(socketserver.ThreadingTCPServer):
        daemon_threads = True
        block_on_close = False

    with Listener(("127.0.0.1", 0), handler) as listener:
        thread = threading.Thread(target=listener.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield ("127.0.0.1", listener.server_address[1])
        finally:
            listener.shutdown()
            thread.join()


VERSION = b"VERSION 1.6.18\r\n"


@pytest.mark.parametrize(
    "replies",
    [
        [b"HTTP/1.1 400 Bad Request\r\n\r\n"],
        [b""],
        [VERSION],
        [VERSION, b"NF\r\n", b"HD\r\nHD\r\nHD\r\n"],
        [VERSION, b"NF\r\n", b"HD\r\nHD\r\nH"],
        [VERSION, b"NF\r\n", b"\n\n"],
        [VERSION, b"NF\r\n", b"SERVER_ERROR proxy\r\nHD\r\n"],
    ],
)
def test_whatever_answers_a_commit(replies: list[bytes]) -> None:
    with talker(*replies) as address, MemcachedBackend([address], timeout=0.2) as backend:
        with pytest.raises(BackendUnavailable, match=f":{address[1]}: ") as caught:
            backend.commit({"a": 1, "b": 1}, {}, ttl=60)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "reply",
    [
        b"ERROR\r\n",
        b"SERVER_ERROR a\x1b[31m\r\n",
        b"VALUE a 0\r\n",
        b"VALUE a 0 x\r\n1\r\nEND\r\n",
        b"VALUE a 0 -17\r\n1\r\nEND\r\n",
        b"VALUE a 0 1\r\n1\r\n",
        b"END\r\nEND\r\n",
        b"",
    ],
)
def test_whatever_answers_a_get(reply: bytes) -> None:
    with talker(VERSION, reply) as address, MemcachedBackend([address], timeout=0.2) as backend:
        with pytest.raises(BackendUnavailable, match=f":{address[1]}: ") as caught:
            backend.counts(["a"])
        assert str(caught.value).isprintable()


def test_a_reply_in_single_bytes() -> None:
    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            for answer in (VERSION, b"VALUE a 0 5\r\n\r\n1\r\n\r\nVALUE b 0 0\r\n\r\nEND\r\n"):
                self.rfile.readline()
                for byte in answer:
                    self.wfile.write(bytes([byte]))
                    self.wfile.flush()

    with serving(Handler) as address, MemcachedBackend([address]) as backend:
        assert backend.documents(["a", "b"]) == {"a": b"\r\n1\r\n", "b": b""}


# Servers without meta commands


class ClassicServer(socketserver.StreamRequestHandler):
    """The commands that memcached 1.4 had and we use: no such old one can be installed where the tests run."""

    store: dict[bytes, tuple[bytes, float]]
    lock: threading.Lock

    def handle(self) -> None:
        for line in self.rfile:
            words = line.split()
            with self.lock:
                self.wfile.write(self.answer(words[0], words[1:]))

    def answer(self, command: bytes, words: list[bytes]) -> bytes:
        now = time.time()
        names = words if command in (b"get", b"gets") else words[:1]
        there = {key: self.store[key] for key in names if self.store.get(key, (b"", 0.0))[1] > now}
        if command == b"version":
            return b"VERSION 1.4.39\r\n"
        if command == b"get":
            values = [b"VALUE %b 0 %d\r\n%b\r\n" % (key, len(value), value) for key, (value, _) in there.items()]
            return b"".join(values) + b"END\r\n"
        if command == b"gets":  # as with -C: no change has a number
            values = [b"VALUE %b 0 %d 0\r\n%b\r\n" % (key, len(value), value) for key, (value, _) in there.items()]
            return b"".join(values) + b"END\r\n"
        if command in (b"set", b"add"):
            content = self.rfile.read(int(words[3]) + 2)[:-2]
            if len(content) > 1_000_000:
                return b"SERVER_ERROR object too large for cache\r\n"
            if command == b"add" and there:
                return b"NOT_STORED\r\n"
            span = int(words[2])
            self.store[words[0]] = (content, span if span > 30 * 86400 else now + span)
            return b"STORED\r\n"
        if command in (b"incr", b"decr"):
            if not there:
                return b"NOT_FOUND\r\n"
            value, expires = there[words[0]]
            if not value.strip().isdigit():
                return b"CLIENT_ERROR cannot increment or decrement non-numeric value\r\n"
            old, step = int(value), int(words[1])
            new = b"%d" % ((old + step) % 2**64 if command == b"incr" else max(0, old - step))
            # As memcached does: a number that got shorter is filled up with blanks.
            self.store[words[0]] = (new.ljust(len(value)), expires)
            return new + b"\r\n"
        return b"ERROR\r\n"


@contextmanager
def classic() -> Iterator[tuple[str, int]]:
    handler = type("Handler", (ClassicServer,), {"store": {}, "lock": threading.Lock()})
    with serving(handler) as address:
        yield address


class TestClassicCommands(BackendSuite):
    transactional = False

    @pytest.fixture(autouse=True)
    def _server(self) -> Iterator[None]:
        with classic() as self.address:
            yield

    def make_backend(self) -> MemcachedBackend:
        return MemcachedBackend([self.address])

    def test_refusals_are_taken_back(self) -> None:
        with self.make_backend() as backend:
            backend.commit({"a": 1}, {"text": b"words"}, ttl=60)
            with pytest.raises(StoreError, match=r"'text'.*non-numeric"):
                backend.commit({"new": 1, "a": 1, "text": 1}, {}, ttl=60)
            with pytest.raises(StoreError, match="item size limit"):
                backend.commit({"new": 1, "a": 1}, {"e": b"x" * 1_000_001}, ttl=60)
            assert backend.counts(["a", "new"]) == {"a": 1, "new": 0}


def test_classic_commands_against_the_real_server(server: MemcachedServer) -> None:
    """The same numbers by both sets of commands, on a server that knows both."""
    flush(server)
    counts = {f"key{number}": number for number in range(500)}
    with made(server) as backend:
        backend._servers[0].prepare()
        backend._servers[0]._meta = False
        backend.commit(counts, {"d": b"x"}, ttl=60)
        backend.commit(counts, {"d": b"y"}, ttl=60)
        backend.commit({"key1": -1, "key2": -9, "absent": -1}, {}, ttl=60)
        assert backend._servers[0]._meta is False
        expected = {key: 2 * number for key, number in counts.items()} | {"key1": 1, "key2": 0, "absent": 0}
        assert backend.counts(list(expected)) == expected
        assert backend.documents(["d"]) == {"d": b"y"}
    flush(server)


# -- replies, however they are cut --------------------------------------------------------------------------------


NOWHERE: Any = None  # these ask no connection


class Pieces(Server):
    """A server whose reply comes in given pieces."""

    def __init__(self, reply: bytes, cuts: list[int]) -> None:
        super().__init__(("127.0.0.1", 1), 1.0, 1.0)
        places = [0, *sorted(cut for cut in cuts if 0 < cut < len(reply)), len(reply)]
        self.pieces = [reply[begin:end] for begin, end in pairwise(places) if begin < end]

    def _receive(self, connection: object) -> bytes:
        if not self.pieces:
            raise ConnectionResetError("there is no more")
        return self.pieces.pop(0)


numbers = st.integers(0, 2**64).map(b"%d".__mod__) | st.sampled_from([b"7  ", b"0 "])
texts = st.binary(max_size=20) | st.sampled_from([b"END\r\n", b"1\r\nEND\r\n", b"VALUE a 0 1\r\n1\r\n", b" ", b""])


@given(
    st.dictionaries(st.text("abc|#", min_size=1, max_size=5), numbers, max_size=6),
    st.dictionaries(st.text("xyz", min_size=1, max_size=2), texts, max_size=2),
    st.lists(st.integers(0, 200), max_size=6),
)
def test_counts_are_read_as_values_are(numbers: dict[str, bytes], texts: dict[str, bytes], cuts: list[int]) -> None:
    held = numbers | texts
    reply = b"".join(b"VALUE %b 0 %d\r\n%b\r\n" % (key.encode(), len(value), value) for key, value in held.items())
    reply += b"END\r\n"
    values: dict[str, Held] = {}
    Pieces(reply, cuts)._read_values(NOWHERE, values)
    assert {key: value.content for key, value in values.items()} == held
    counts: dict[str, int] = {}
    if all(value.strip().isdigit() for value in texts.values()):
        Pieces(reply, cuts)._read_counts(NOWHERE, counts)
        assert counts == {key: int(value) for key, value in held.items()}
    else:
        with pytest.raises(StoreError, match="no number"):
            Pieces(reply, cuts)._read_counts(NOWHERE, counts)


@pytest.mark.parametrize(
    "reply",
    [
        b"VALUE a 0 2\r\n7\r\nEND\r\n",
        b"VALUE a 0 1\r\n7\r\n",
        b"END\r\nEND\r\n",
        b"VALUE a 0 1\r\n7\r\nEND\r\nmore",
        b"x\r\n",
    ],
)
def test_what_is_no_reply_is_none(reply: bytes) -> None:
    with pytest.raises((ValueError, ConnectionResetError)):
        Pieces(reply, [])._read_counts(NOWHERE, {})
