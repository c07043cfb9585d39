"""What every framework needs: pipelog's settings out of the application's, and numbers that never break a page."""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from importlib import import_module
from io import BytesIO
from typing import Any, TypeVar

from pipelog import config
from pipelog.cli.options import settings_from
from pipelog.config import Settings
from pipelog.contrib.machine import machine_time, now
from pipelog.errors import PipelogError, SettingsError
from pipelog.queries import Hits
from pipelog.shortcuts import Process

NAME = "PIPELOG"
"""What the setting is called that holds pipelog's."""
PAUSE = 5.0
"""Seconds for which nobody asks a store that did not answer: a page with 50 numbers must not wait 50 times."""
QUIET = 60.0
"""Seconds between two warnings."""

log = logging.getLogger("pipelog")
T = TypeVar("T")


def load(
    given: Mapping[str, Any],
    flags: Mapping[str, str | None] | None = None,
    *,
    config_file: str | None = None,
) -> Settings:
    """The settings in force in an application whose setting `PIPELOG` is `given`. Raises `SettingsError`.

    They are those of pipelog.toml, by the same names; `config` names such a file, which the logger reads, too.
    """
    if not isinstance(given, Mapping):
        raise SettingsError(f"{NAME} is a dictionary, such as {{'config': '/etc/pipelog.toml'}}")
    named = dict(given)
    file = named.pop("config", None)
    return config.load(flags, config=config_file or file, application=named, origin=NAME)


def command(name: str, arguments: list[str], given: Mapping[str, Any]) -> int:
    """Run a command of pipelog with the settings of an application; its exit code. Raises `PipelogError`.

    Not `count`, which is the web server's to start.
    """

    def from_application(flags: Mapping[str, str | None], *, config: str | None) -> Settings:
        return load(given, flags, config_file=config)

    with settings_from(from_application), machine_time():
        code: int = import_module(f"pipelog.cli.{name}").run(arguments)
    return code


class Asker:
    """Asks the stores and never raises for one that cannot answer: that is warned of once a minute.

    `hits`: gives the thread's `Hits`. `clock`: seconds.
    """

    def __init__(self, hits: Callable[[], Hits], *, clock: Callable[[], float] = time.monotonic) -> None:
        self._hits = hits
        self._clock = clock
        self._lock = threading.Lock()
        self._paused = self._warned = float("-inf")

    def ask(self, question: Callable[[Hits], T]) -> T | None:
        """The answer to a question, or None where there is none now."""
        if self._clock() < self._paused + PAUSE:
            return None
        try:
            return question(self._hits())
        except PipelogError as error:
            self._fail(error)
            return None

    def _fail(self, error: PipelogError) -> None:
        with self._lock:
            failed = self._paused = self._clock()  # it may have taken its time
            if failed < self._warned + QUIET:
                return
            self._warned = failed
        log.warning("hits cannot be shown: %s", " ".join(str(error).split()))


def mounted(environ: Mapping[str, Any], mount: str, path: str) -> dict[str, Any]:
    """A request's WSGI environment for an application that stands at `mount` of the site and is asked for `path`."""
    return {
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": BytesIO(),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
        **environ,  # has all of these under WSGI, none of them under ASGI
        "SCRIPT_NAME": mount.rstrip("/").encode().decode("latin-1"),  # PEP 3333, "Unicode Issues"
        "PATH_INFO": ("/" + path).encode().decode("latin-1"),
    }


class Live:
    """The live page of a process, made at the first request. Whoever mounts it has asked who wants to see it."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._made: Callable[..., Iterable[bytes]] | None = None

    def answer(self, environ: Mapping[str, Any]) -> tuple[str, list[tuple[str, str]], bytes]:
        """Status, headers and body; 501 where the extra `web` is not installed. Raises `SettingsError`."""
        try:
            self._made = self._made or self._make()
        except ImportError as error:
            text = f"The live page needs {error.name}: pip install 'pipelog-httpd[web]'\n"
            return "501 Not Implemented", [("Content-Type", "text/plain; charset=utf-8")], text.encode()
        told: list[Any] = []
        body = b"".join(self._made(environ, lambda status, headers: told.extend((status, headers))))
        return told[0], told[1], body

    def _make(self) -> Callable[..., Iterable[bytes]]:
        settings = self._process.settings()
        made: Callable[..., Iterable[bytes]] = import_module("pipelog.web").make_application(
            settings, hits=self._process.hits, now=lambda: now(settings.counting), hosts="*", token=""
        )
        return made
