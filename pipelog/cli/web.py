"""What the commands of the live page have in common."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from pipelog.errors import PluginError

_EXTRA = frozenset(("jinja2", "markupsafe", "pygal", "waitress"))


@contextmanager
def needing_the_extra(command: str) -> Iterator[None]:
    """A missing package of the extra `web` becomes a PluginError that says what to install."""
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name not in _EXTRA:
            raise
        raise PluginError(
            f"`{command}` needs the Python package {error.name}: pip install 'pipelog-httpd[web]'"
        ) from error
