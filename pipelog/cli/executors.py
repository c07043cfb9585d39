"""What a rollup's tasks are given to: a pool of this machine's cores, or what somebody's function makes."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import BrokenExecutor, Executor, ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from importlib import import_module

from pipelog.errors import PipelogError, SettingsError


@contextmanager
def made_by(factory: str) -> Iterator[Executor]:
    """What the function "module:factory" makes: an executor, or a context manager that gives one."""
    module, _, name = factory.partition(":")
    with ExitStack() as stack:
        try:
            executor = stack.enter_context(getattr(import_module(module), name)())
            _ = executor.submit
        except (ImportError, AttributeError, TypeError, ValueError) as error:
            raise SettingsError(f"executor {factory!r} cannot be made: {error}; give module:factory") from error
        yield executor


@contextmanager
def pool(jobs: int) -> Iterator[Executor]:
    """So many processes. They end at once with this one, on Ctrl-C, too. `PipelogError` where one of them is killed."""
    # A fork is 100 ms sooner at work than a new Python; there are no threads yet that it could tear.
    with ProcessPoolExecutor(jobs, multiprocessing.get_context("fork"), _end_with_parent) as executor:
        executor.submit(int).result()  # forks all of them
        try:
            yield executor
        except KeyboardInterrupt:
            os._exit(130)  # the processes end with this one; nothing is written yet
        except BrokenExecutor as error:
            raise PipelogError(
                "a process that counted was killed, for want of memory perhaps: nothing was changed; say --jobs 1"
            ) from error


def _end_with_parent() -> None:
    """Make this process of a pool end when the command does, however that ends: it would wait for ever."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_wait_for_parent, daemon=True).start()


def _wait_for_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent
    parent.join()
    os._exit(1)
