"""One memcached server: its connection, and pipelines over it.

pymemcache makes the connection. Pipelines are ours, since its own batches wait for each command in turn or write
everything before they read: with replies filling both socket buffers that would stand still for ever.
"""

from __future__ import annotations

import os
import re
import select
import socket
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice
from typing import NamedTuple, TypeVar

from pymemcache.client.base import Client  # type: ignore[import-untyped]
from pymemcache.exceptions import MemcacheError  # type: ignore[import-untyped]

from pipelog.errors import BackendUnavailable, PipelogError, StoreError

V = TypeVar("V")

_RECEIVE_BYTES = 1 << 18
_KEYS_A_PORTION = 1_000
_END = b"END\r\n"
_PROBE = b"ma pipelog:probe D0\r\n"
_NUMBER = re.compile(rb"(VALUE ([!-~]++) [0-9]++ ([0-9]++)\r\n([0-9]++ *+)\r\n)")
#: linger.h: a close throws away what is not sent yet, instead of sending it whenever the network lets it.
_NO_LINGER = struct.pack("ii", 1, 0)


class Held(NamedTuple):
    """What a server has under a key."""

    content: bytes
    change: int = 0  #: of all keys the one that was changed later has the greater number; 0 where nobody keeps count


class Server:
    """A server at (host, port) or at the absolute path of a Unix socket. Connects when first used, in each process.

    Every failure raises BackendUnavailable, or StoreError where trying again cannot help, and drops the connection,
    so that no late reply is ever taken for the answer to another question.
    """

    def __init__(self, address: tuple[str, int] | str, connect_timeout: float, timeout: float) -> None:
        self.address = address
        self._connect_timeout = connect_timeout
        self._timeout = timeout
        self._client: Client | None = None
        self._poll = select.poll()
        self._pid = 0
        self._meta: bool | None = None

    @property
    def name(self) -> str:
        """For people: "memcached host:port"."""
        if isinstance(self.address, str):
            return f"memcached {self.address}"
        host, port = self.address
        return f"memcached [{host}]:{port}" if ":" in host else f"memcached {host}:{port}"

    def prepare(self) -> None:
        """Connect and see which commands the server speaks, so that a dead one is found before any is written to."""
        self._connection()
        if self._meta is None:
            # Meta arithmetic came with memcached 1.6; asked for rather than told by the version, which proxies make up.
            self._meta = not self._exchange([_PROBE], 1)[0].startswith((b"ERROR", b"CLIENT_ERROR"))

    def write(self, counts: Mapping[str, int], documents: Mapping[str, bytes], exptime: int) -> None:
        """Add all counts, then store all documents. If the server refuses any, the counts it took are taken back."""
        self.prepare()
        keys = [*counts, *documents]
        payload: Iterable[bytes] = [_sets(documents, exptime)]
        if self._meta:
            payload = chain(_lines(_meta_add, counts, exptime), payload)
        else:
            self._add_classic(counts, exptime)
            keys = list(documents)
        replies = self._exchange(payload, len(keys))
        if replies.count(b"HD") + replies.count(b"STORED") == len(keys):
            return
        bad = {key: reply for key, reply in zip(keys, replies, strict=True) if reply not in (b"HD", b"STORED")}
        self.take_back({key: count for key, count in counts.items() if key not in bad}, exptime)
        raise self._refused(*next(iter(bad.items())))

    def add(self, key: str, document: bytes, exptime: int) -> bytes:
        """Store a document unless there is one; the one that is there then."""
        command = b"add %b 0 %d %d\r\n%b\r\n" % (key.encode("ascii"), exptime, len(document), document)
        for _ in range(3):  # what was there may go before it is read
            [reply] = self._exchange([command], 1)
            if reply == b"STORED":
                return document
            if reply != b"NOT_STORED":
                raise self._refused(key, reply)
            if there := self.get([key]):
                return there[key]
        raise self._unavailable(f"loses {key!r} as soon as it is stored; look at its memory limit (-m)")

    def take_back(self, counts: Mapping[str, int], exptime: int) -> None:
        """Undo the adding of counts as far as the server lets; for use after another failure, so it raises nothing.

        The last one first: then the first, which may be a mark of the begin, has been changed after all others.
        """
        try:
            self.prepare()
            command = _meta_add if self._meta else _classic_add
            back = {key: -count for key, count in reversed(list(counts.items()))}
            self._exchange(_lines(command, back, exptime), len(counts))
        except PipelogError:
            pass

    def get(self, keys: Sequence[str]) -> dict[str, bytes]:
        """The values there are under `keys`."""
        return {key: held.content for key, held in self._ask(b"get", keys, self._read_values).items()}

    def get_changes(self, keys: Sequence[str]) -> dict[str, Held]:
        """The same, with the order in which they were changed."""
        return self._ask(b"gets", keys, self._read_values)

    def get_counts(self, keys: Sequence[str]) -> dict[str, int]:
        """The counts there are under `keys`; StoreError where something else is."""
        return self._ask(b"get", keys, self._read_counts)

    def _ask(
        self, command: bytes, keys: Sequence[str], read: Callable[[socket.socket, dict[str, V]], None]
    ) -> dict[str, V]:
        """Ask for keys in portions; `read` enters a reply in the answers, or raises ValueError where it is none."""
        found: dict[str, V] = {}
        connection = self._connection()
        try:
            for start in range(0, len(keys), _KEYS_A_PORTION):
                names = " ".join(keys[start : start + _KEYS_A_PORTION]).encode("ascii")
                unsent = memoryview(command + b" " + names + b"\r\n")
                while unsent := _send(connection, unsent):
                    self._wait(connection, select.POLLOUT)  # it answers no sooner than it has the whole line
                read(connection, found)
        except PipelogError:  # the reply is read, and was understood
            raise
        except (OSError, ValueError) as error:
            raise self._unavailable(error) from error
        except BaseException:
            self.close()  # interrupted: the rest of the reply is still to come
            raise
        return found

    def close(self) -> None:
        """Drop the connection. In a child process that closes the child's copy only."""
        client, self._client = self._client, None
        self._meta = None
        if client is not None:
            client.close()

    def _add_classic(self, counts: Mapping[str, int], exptime: int) -> None:
        """The same by `incr`, `decr` and `add`, for what speaks no meta commands.

        A counter that is missing is added; where another writer was faster, it is there to be incremented.
        """
        pending, done = dict(counts), dict[str, int]()
        for command in (_classic_add, _classic_create, _classic_add):
            if not pending:
                return
            replies = self._exchange(_lines(command, pending, exptime), len(pending))
            answers = dict(zip(pending, replies, strict=True))
            missed = {key: reply for key, reply in answers.items() if reply != b"STORED" and not reply.isdigit()}
            done.update((key, count) for key, count in pending.items() if key not in missed)
            pending = {key: pending[key] for key in missed}
            for key, reply in missed.items():
                if reply not in (b"NOT_FOUND", b"NOT_STORED"):
                    self.take_back(done, exptime)
                    raise self._refused(key, reply)
        if pending:
            self.take_back(done, exptime)
            raise self._unavailable(f"lost {len(pending)} counters while they were made; look at its memory limit (-m)")

    def _refused(self, key: str, reply: bytes) -> StoreError | BackendUnavailable:
        """What the server's refusal to write `key` means. The connection is dropped: who errs may also lose count."""
        self.close()
        text = _printable(reply.decode("latin-1"))
        if reply.startswith(b"SERVER_ERROR object too large"):
            return StoreError(f"{self.name}: the document {key!r} is over the server's item size limit; raise its -I")
        if reply.startswith((b"CLIENT_ERROR", b"ERROR")):
            return StoreError(f"{self.name}: refuses to write {key!r}: {text}; use a prefix of your own")
        return BackendUnavailable(f"{self.name}: cannot take {key!r} now: {text}")

    def _connection(self) -> socket.socket:
        """The open connection of this process, made if there is none or the server has closed it meanwhile."""
        if self._client is not None and self._pid == os.getpid():
            connection: socket.socket = self._client.sock
            # Readable while nothing was asked: closed by the server, or a reply nobody waits for.
            self._poll.modify(connection, select.POLLIN)
            if not self._poll.poll(0):
                return connection
        self.close()
        self._client, self._pid = self._connect(), os.getpid()
        connection = self._client.sock
        connection.setblocking(False)
        self._poll = select.poll()  # not select(), which fails beyond 1,024 open files
        self._poll.register(connection, select.POLLIN)
        return connection

    def _wait(self, connection: socket.socket, events: int) -> int:
        """Which of `events` (or what failure) the connection is ready for; TimeoutError after `timeout` seconds."""
        self._poll.modify(connection, events)
        ready = self._poll.poll(self._timeout * 1000)
        if not ready:
            raise TimeoutError("timed out")
        return ready[0][1]

    def _receive(self, connection: socket.socket) -> bytes:
        self._wait(connection, select.POLLIN)
        return _received(connection)

    def _connect(self) -> Client:
        failure: Exception | None = None
        for address in self._resolve():
            client = Client(address, connect_timeout=self._connect_timeout, timeout=self._timeout, no_delay=True)
            try:
                client.version()
                return client
            except (OSError, MemcacheError) as error:
                client.close()
                failure = error
        raise self._unavailable(failure or "has no address") from failure

    def _resolve(self) -> Iterable[tuple[str, int] | str]:
        """Every address of the host. pymemcache tries the first alone, which fails where "localhost" is ::1 first."""
        if isinstance(self.address, str):
            return [self.address]
        try:
            found = socket.getaddrinfo(*self.address, type=socket.SOCK_STREAM)
        except OSError as error:
            raise self._unavailable(error) from error
        return [(str(entry[4][0]), int(entry[4][1])) for entry in found]

    def _exchange(self, payload: Iterable[bytes], expected: int) -> list[bytes]:
        """Write all of `payload` and read `expected` reply lines, both at once as the server takes and gives."""
        connection = self._connection()
        received: list[bytes] = []
        lines = 0
        portions, unsent = iter(payload), memoryview(b"")
        wanted = select.POLLIN | select.POLLOUT
        try:
            while lines < expected:
                events = self._wait(connection, wanted)
                if events != select.POLLOUT:
                    chunk = _received(connection)
                    received.append(chunk)
                    lines += chunk.count(b"\n")
                if events & select.POLLOUT:
                    unsent = unsent or memoryview(next(portions, b""))
                    if unsent:
                        unsent = _send(connection, unsent)
                    else:
                        wanted = select.POLLIN
        except OSError as error:
            raise self._unavailable(error) from error
        except BaseException:
            self.close()
            raise
        replies = b"".join(received).split(b"\r\n")
        if unsent or lines > expected or replies.pop() or len(replies) != expected:
            raise self._unavailable("sent what is no answer; is this a memcached?")
        return replies

    def _read_counts(self, connection: socket.socket, found: dict[str, int]) -> None:
        """Read one reply to `get`. It holds numbers and nothing else, nearly always: one expression reads them in a
        fifth of the time that `_read_values` takes."""
        buffer = self._receive(connection)
        while not buffer.endswith(_END) and _NUMBER.match(buffer):
            buffer += self._receive(connection)
        rows = _NUMBER.findall(buffer)
        matched = sum(len(row) for row, _, _, _ in rows) + len(_END) == len(buffer)
        if matched and buffer.endswith(_END) and all(len(value) == int(size) for _, _, size, value in rows):
            # int() drops the blanks that memcached fills a number up with when it gets shorter.
            found.update({key.decode("ascii"): int(value) for _, key, _, value in rows})
            return
        held: dict[str, Held] = {}
        self._read_values(connection, held, buffer)
        for key, (value, _) in held.items():
            if not value.strip().isdigit():
                raise StoreError(f"memcached: there is no number under {key!r}; use a prefix of your own")
            found[key] = int(value)

    def _read_values(self, connection: socket.socket, found: dict[str, Held], buffer: bytes = b"") -> None:
        """Read one reply to `get` or `gets`. `buffer`: what there is of it."""
        start = 0
        while True:
            end = buffer.find(b"\r\n", start)
            if end < 0:
                buffer = buffer[start:] + self._receive(connection)
                start = 0
                continue
            words = buffer[start:end].split(b" ")
            if words == [b"END"]:
                if end + 2 != len(buffer):
                    raise ValueError("sent more than was asked for")
                return
            if words[0] != b"VALUE" or not 4 <= len(words) <= 5 or not all(map(bytes.isdigit, words[3:])):
                raise ValueError(buffer[start:end].decode("latin-1"))
            size = int(words[3])
            start = end + 2
            while len(buffer) < start + size + 2:
                buffer += self._receive(connection)
            found[words[1].decode("ascii")] = Held(buffer[start : start + size], *map(int, words[4:]))
            start += size + 2

    def _unavailable(self, reason: object) -> BackendUnavailable:
        if self._client is not None and self._client.sock:
            self._client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
        self.close()
        return BackendUnavailable(f"{self.name}: {_printable(str(reason)) or type(reason).__name__}")


def _lines(command: Callable[[str, int, int], str], counts: Mapping[str, int], exptime: int) -> Iterator[bytes]:
    """The commands for all counts, in portions: the server works on one while the next is made."""
    items = iter(counts.items())
    while portion := list(islice(items, _KEYS_A_PORTION)):
        yield "".join([command(key, count, exptime) for key, count in portion]).encode("ascii")


def _meta_add(key: str, count: int, exptime: int) -> str:
    # protocol.txt, "Meta Arithmetic": N makes what is missing, J is its first value, D the step, MD subtracts.
    if count < 0:
        return f"ma {key} N{exptime} J0 D{-count} MD\r\n"
    return f"ma {key} N{exptime} J{count} D{count}\r\n"


def _classic_add(key: str, count: int, exptime: int) -> str:
    return f"decr {key} {-count}\r\n" if count < 0 else f"incr {key} {count}\r\n"


def _classic_create(key: str, count: int, exptime: int) -> str:
    first = str(max(0, count))
    return f"add {key} 0 {exptime} {len(first)}\r\n{first}\r\n"


def _sets(documents: Mapping[str, bytes], exptime: int) -> bytes:
    # Not "ms": its syntax changed between releases of 1.6.
    return b"".join(
        b"set %b 0 %d %d\r\n%b\r\n" % (key.encode("ascii"), exptime, len(content), content)
        for key, content in documents.items()
    )


def _printable(text: str) -> str:
    """What a server or the system said, fit for one line of a log."""
    return text[:200].encode("unicode_escape").decode("ascii")


def _send(connection: socket.socket, data: memoryview) -> memoryview:
    """Write what fits now; the rest of `data`."""
    try:
        return data[connection.send(data) :]
    except BlockingIOError:
        return data


def _received(connection: socket.socket) -> bytes:
    chunk = connection.recv(_RECEIVE_BYTES)
    if not chunk:
        raise ConnectionResetError("closed the connection")
    return chunk
