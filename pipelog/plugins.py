"""From a URL to the backend or sink that it means.

The built-in ones are a table of strings, imported when asked for; after them come the entry points of the groups
`pipelog.backends` and `pipelog.sinks`, whose names are schemes. A class is made by its `from_location(location)`.
A broken plugin fails when its own scheme is asked for, and only then.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from pipelog.backends.base import CounterBackend
from pipelog.errors import PluginError
from pipelog.locators import Location
from pipelog.sinks.base import Sink

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Builtin:
    """An implementation of ours: "module:Class", and the extra of this distribution that brings its driver."""

    target: str
    extra: str | None = None


class Registry(Generic[T]):
    """Implementations of one contract, by the scheme of their URLs."""

    def __init__(self, kind: str, group: str, contract: type[T], builtins: Mapping[str, Builtin]) -> None:
        self.kind = kind
        self.group = group
        self.contract = contract
        self.builtins = builtins

    def make(self, location: Location | str) -> T:
        """The implementation for a location, unconnected. LocationError where the URL is bad, else PluginError."""
        if isinstance(location, str):
            location = Location.parse(location)
        made: T = self.load(location.scheme).from_location(location)
        return made

    def load(self, scheme: str) -> Any:
        """The class for a scheme, or for what stands before its "+"; PluginError where there is none that works."""
        for name in dict.fromkeys((scheme, scheme.partition("+")[0])):
            if name in self.builtins:
                return self._load_builtin(name)
            if entries := [entry for entry in self._entries() if entry.name == name]:
                return self._load_entry(name, entries)
        raise self._unknown(scheme)

    def schemes(self) -> list[str]:
        """Every scheme that has an implementation, sorted; a plugin is named whether it works or not."""
        return sorted({*self.builtins, *(entry.name for entry in self._entries())})

    def _entries(self) -> list[EntryPoint]:
        from importlib.metadata import entry_points  # slow to import, and seldom needed

        return [entry for entry in entry_points(group=self.group) if entry.name not in self.builtins]

    def _load_builtin(self, scheme: str) -> Any:
        builtin = self.builtins[scheme]
        module, _, name = builtin.target.partition(":")
        try:
            return getattr(import_module(module), name)
        except ModuleNotFoundError as error:
            wanted = f"pipelog-httpd[{builtin.extra}]" if builtin.extra else error.name
            raise PluginError(
                f"the {self.kind} {scheme}: needs the Python package {error.name}: pip install '{wanted}'"
            ) from error

    def _load_entry(self, scheme: str, entries: list[EntryPoint]) -> Any:
        if len(entries) > 1:
            raise PluginError(
                f"the {self.kind} {scheme}: is offered by {' and '.join(map(_origin, entries))}; uninstall all but one"
            )
        entry = entries[0]
        try:
            loaded = entry.load()
        except Exception as error:
            cause = " ".join(f"{type(error).__name__}: {error}".split())
            raise PluginError(f"the {self.kind} {scheme}: of {_origin(entry)} cannot be loaded: {cause}") from error
        if not (isinstance(loaded, type) and issubclass(loaded, self.contract) and hasattr(loaded, "from_location")):
            raise PluginError(
                f"the {self.kind} {scheme}: of {_origin(entry)} is no {self.contract.__name__} with a from_location"
            )
        return loaded

    def _unknown(self, scheme: str) -> PluginError:
        from difflib import get_close_matches

        known = self.schemes()
        nearest = get_close_matches(scheme, known, 1)
        hint = f"; did you mean {nearest[0]}:?" if nearest else ""
        return PluginError(f"there is no {self.kind} {scheme}: known are {', '.join(known)}{hint}")


def _origin(entry: EntryPoint) -> str:
    distribution = f"{entry.dist.name} " if entry.dist else ""
    return f"the plugin {distribution}({entry.value})"


backends: Registry[CounterBackend] = Registry(
    "backend",
    "pipelog.backends",
    CounterBackend,  # type: ignore[type-abstract]
    {
        "memory": Builtin("pipelog.backends.memory:MemoryBackend"),
        "sqlite": Builtin("pipelog.backends.sqlite:SQLiteBackend"),
        "memcached": Builtin("pipelog.backends.memcached:MemcachedBackend"),
    },
)

sinks: Registry[Sink] = Registry(
    "sink",
    "pipelog.sinks",
    Sink,  # type: ignore[type-abstract]
    {
        "sqlite": Builtin("pipelog.sinks.sqlite:SQLiteSink"),
        "csv": Builtin("pipelog.sinks.csvfile:CSVSink"),
    },
)


def backend(location: Location | str) -> CounterBackend:
    """The counter backend of a URL; making it does not connect."""
    return backends.make(location)


def sink(location: Location | str) -> Sink:
    """The sink of a URL; making it opens and creates nothing."""
    return sinks.make(location)
