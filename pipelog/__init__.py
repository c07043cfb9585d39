"""pipelog: live and lasting hit numbers for a web site, from the web server's own log.

    import pipelog

    pipelog.hits_today("/releases/1/")    # views today, up to half a second ago
    pipelog.hits("/releases/1/")          # views ever

Importing this is cheap: a name is loaded when it is first asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipelog.config import Settings
    from pipelog.counting.rules import Rules
    from pipelog.daily import rollup
    from pipelog.errors import (
        BackendUnavailable,
        FormatError,
        LineError,
        LocationError,
        LogFileError,
        PartialDayError,
        PipelogError,
        PluginError,
        SettingsError,
        StoreError,
    )
    from pipelog.model import Coordinate, DailyCount, DayInfo, Record
    from pipelog.parsing.logformat import LogFormat
    from pipelog.queries import Hits
    from pipelog.shortcuts import configure, hits, hits_today

__version__ = "0.1.0"

_HOMES = {
    "pipelog.config": ("Settings",),
    "pipelog.counting.rules": ("Rules",),
    "pipelog.daily": ("rollup",),
    "pipelog.errors": (
        "BackendUnavailable",
        "FormatError",
        "LineError",
        "LocationError",
        "LogFileError",
        "PartialDayError",
        "PipelogError",
        "PluginError",
        "SettingsError",
        "StoreError",
    ),
    "pipelog.model": ("Coordinate", "DailyCount", "DayInfo", "Record"),
    "pipelog.parsing.logformat": ("LogFormat",),
    "pipelog.queries": ("Hits",),
    "pipelog.shortcuts": ("configure", "hits", "hits_today"),
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
    "BackendUnavailable",
    "Coordinate",
    "DailyCount",
    "DayInfo",
    "FormatError",
    "Hits",
    "LineError",
    "LocationError",
    "LogFileError",
    "LogFormat",
    "PartialDayError",
    "PipelogError",
    "PluginError",
    "Record",
    "Rules",
    "Settings",
    "SettingsError",
    "StoreError",
    "configure",
    "hits",
    "hits_today",
    "rollup",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module 'pipelog' has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(_HOME_OF[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
