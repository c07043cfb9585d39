"""The content of packed log files, unpacked ahead in a thread while what came before is counted."""

from __future__ import annotations

import threading
import zlib
from collections.abc import Callable
from queue import Empty, Queue
from typing import IO, Any, NamedTuple

from pipelog.errors import LogFileError

GZIP = b"\x1f\x8b"
ZSTD = b"\x28\xb5\x2f\xfd"
"""What a file of that kind begins with (RFC 1952 section 2.3.1, RFC 8878 section 3.1.1)."""

AHEAD = 4
"""Unpacked pieces that wait to be counted: some 4 MB of a log, which shrinks to a tenth."""


class Codec(NamedTuple):
    """How files of a kind are unpacked."""

    new: Callable[[], Any]  #: a decompressor: `decompress`, `eof`, `unused_data`
    error: type[Exception]
    #: bytes given to it at once. While it works it lets go of the interpreter, and to get it back takes up to 5 ms: in
    #: small pieces, that is all the time there is. What unpacks to a thousand times as much must still fit the memory.
    piece: int


def codec(head: bytes, path: str) -> Codec | None:
    """How to unpack a file that begins with `head`; None for a plain one. LogFileError where a package is missing."""
    if head.startswith(GZIP):
        try:
            from isal import igzip_lib, isal_zlib  # type: ignore[import-not-found, unused-ignore]
        except ImportError:
            return Codec(lambda: zlib.decompressobj(zlib.MAX_WBITS | 16), zlib.error, 1 << 17)
        return Codec(lambda: isal_zlib.decompressobj(zlib.MAX_WBITS | 16), igzip_lib.IsalError, 1 << 17)  # type: ignore[arg-type, unused-ignore]
    if head.startswith(ZSTD):
        try:
            import zstandard
        except ImportError as error:
            raise LogFileError(
                f"{path} is a .zst file; install its reader: pip install 'pipelog-httpd[zstd]'"
            ) from error
        return Codec(zstandard.ZstdDecompressor().decompressobj, zstandard.ZstdError, 1 << 16)
    return None


class Unpacked:
    """The content of an open packed file. `EOFError` where it is damaged or cut off."""

    def __init__(self, file: IO[bytes], codec: Codec) -> None:
        self._file = file
        self._codec = codec
        self._piece, self._taken = b"", 0
        self._pieces: Queue[bytes | BaseException] = Queue(AHEAD)
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name="unpacking", daemon=True)
        self._thread.start()

    def read(self, size: int) -> bytes:
        """At most `size` bytes; b"" at the end."""
        if self._taken == len(self._piece):
            got = self._pieces.get()
            if not got or not isinstance(got, bytes):
                self._pieces.put(got)  # it is the last one, however often it is asked for
            if not isinstance(got, bytes):
                raise got
            self._piece, self._taken = got, 0
        taken = self._piece[self._taken : self._taken + size]
        self._taken += len(taken)
        return taken

    def close(self) -> None:
        """End the thread."""
        self._stopped = True
        while self._thread.is_alive():
            try:
                self._pieces.get(timeout=0.01)
            except Empty:
                pass
        self._thread.join()

    def _run(self) -> None:
        try:
            self._unpack()
            self._put(b"")
        except BaseException as error:
            self._put(error)

    def _unpack(self) -> None:
        """Frame after frame (in a .gz: members), to the end of the file, which zeros may fill up as `gzip` has it."""
        frame, begun = self._codec.new(), False
        while not self._stopped:
            packed = self._file.read(self._codec.piece)
            if not packed:
                if begun:
                    raise EOFError("it ends inside a frame")
                return
            while packed:
                if not begun and not (packed := packed.lstrip(b"\0")):
                    break
                begun = True
                try:
                    unpacked = frame.decompress(packed)
                except self._codec.error as error:
                    raise EOFError(str(error)) from error
                if unpacked:
                    self._put(unpacked)
                packed = b""
                if frame.eof:
                    packed, frame, begun = frame.unused_data, self._codec.new(), False

    def _put(self, piece: bytes | BaseException) -> None:
        if not self._stopped:
            self._pieces.put(piece)
