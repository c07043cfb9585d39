"""Settings: from flags, then the environment (`PIPELOG_…`), then one TOML file; the same for logger, rollup and pages.

An unknown setting is an error that names its neighbours: a misspelt one must not silently mean the default.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from pipelog.counting.rules import OF_A_SITE, Rules
from pipelog.errors import SettingsError

DEFAULT_FILE = Path("/etc/pipelog.toml")
ENVIRONMENT = "PIPELOG_"
_DURATION = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,9})?)\s*(s|m|h|d|w)?")
_WHOLE = re.compile(r"[0-9]{1,18}")
_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}


def duration(text: str) -> float:
    """Seconds of "90", "90s", "15m", "12h", "2d", "1w"; "forever" is 0. ValueError for anything else."""
    if text.strip().lower() == "forever":
        return 0.0
    match = _DURATION.fullmatch(text.strip().lower())
    if not match:
        raise ValueError("give a time such as 0.5, 12h, 2d or forever")
    return float(match[1]) * _UNITS[match[2] or "s"]


@dataclass(frozen=True)
class Settings:
    """Every setting with its value. `origins` tells for each where it came from, for `pipelog check`."""

    state: Path  #: folder of everything that pipelog keeps for itself
    backend: str  #: URL of the counter backend
    sink: str  #: URL of the sink
    format: str = "combined"  #: a nickname or a mod_log_config format string
    source: str = ""  #: name of this writing host
    archive: str = ""  #: strftime template of the journal's files
    symlink: str = ""  #: kept pointing at the journal file in use
    keep: float = 0.0  #: seconds that counted journal files are kept; 0 = for ever
    flush: float = 0.5  #: seconds between two commits
    user: str = ""
    group: str = ""
    prefix: str = "pipelog"  #: of every key in the backend
    web_hosts: str = ""  #: names by which the live page may be asked for, besides those of this machine itself
    web_token: str = ""  #: the secret that it wants to hear first
    counting: Rules = field(default_factory=Rules)
    origins: Mapping[str, str] = field(default_factory=dict)


_TOP: dict[str, Callable[[str], Any]] = {
    "state": lambda text: Path(os.path.abspath(os.path.expanduser(text))),
    "backend": str,
    "sink": str,
    "format": str,
    "source": str,
    "archive": str,
    "symlink": str,
    "keep": duration,
    "flush": duration,
    "user": str,
    "group": str,
    "prefix": str,
    "web_hosts": str,
    "web_token": str,
}
_RULES = {rule.name: rule for rule in fields(Rules) if rule.name != "sites"}
#: tables within [counting] -> their settings, which in flags and the environment have the table's name before theirs
_TABLES = {"site_search": frozenset({"path", "parameter"})}
NAMES = frozenset(_TOP) | frozenset(_RULES)


def load(
    flags: Mapping[str, str | None] | None = None,
    *,
    config: str | Path | None = None,
    environ: Mapping[str, str] | None = None,
    application: Mapping[str, Any] | None = None,
    origin: str = "the application",
) -> Settings:
    """The settings in force. `flags` go before everything; None there means not given. Raises `SettingsError`.

    `application`: settings that stand in an application's own, `origin` says where. They are written as in the file,
    but the rules may stand at the top, too; they go after the flags and before the environment.
    """
    environ = os.environ if environ is None else environ
    given: dict[str, tuple[Any, str]] = {}
    path = config or environ.get(ENVIRONMENT + "CONFIG") or (DEFAULT_FILE if DEFAULT_FILE.exists() else None)
    if path:
        given.update(_from_file(Path(path)))
    named = _from_table(application or {}, origin, top=NAMES)
    sites, file = named.pop("sites", given.pop("sites", ({}, "")))
    for variable, text in environ.items():
        if variable.startswith(ENVIRONMENT) and variable != ENVIRONMENT + "CONFIG":
            name = variable.removeprefix(ENVIRONMENT).lower()
            _known(name, NAMES, variable)
            given[name] = text, variable
    given.update(named)
    for name, flag in (flags or {}).items():
        if flag is not None:
            option = f"--{name.replace('_', '-')}"
            _known(name, NAMES, option)
            given[name] = flag, option
    values: dict[str, Any] = {}
    rules: dict[str, Any] = {}
    for name, (value, origin) in given.items():
        if name in _TOP:
            values[name] = _top(name, value, origin)
        else:
            rules[name] = _rule(name, value, origin)
    values.setdefault("state", default_state(environ))
    origins = {name: origin for name, (_, origin) in given.items()}
    return _completed(values, with_sites(Rules(**rules), sites, file), origins)


def _completed(values: dict[str, Any], rules: Rules, origins: dict[str, str]) -> Settings:
    state = values["state"]
    values.setdefault("backend", f"sqlite://{_quoted(state)}/counters.db")
    values.setdefault("sink", f"sqlite://{_quoted(state)}/history.db")
    values["source"] = values.get("source") or os.uname().nodename
    if not values.get("archive"):
        # A journal in the state folder is a queue; an archive of the owner's is kept until they say otherwise.
        values.setdefault("keep", 2 * _UNITS["d"])
        values["archive"] = str(state).replace("%", "%%") + "/journal/%Y-%m-%d.log"
    for name in ("archive", "symlink"):
        if values.get(name):
            values[name] = os.path.abspath(values[name])
    if rules.referrer_spam_file:
        rules = replace(rules, referrer_spam_file=os.path.abspath(rules.referrer_spam_file))
    settings = Settings(counting=rules, origins=origins, **values)
    if settings.flush <= 0:
        raise SettingsError(f"flush {settings.flush:g}: give a time above 0, such as 0.5")
    rules.check()
    return settings


def default_state(environ: Mapping[str, str] | None = None) -> Path:
    """/var/lib/pipelog for root, else $XDG_STATE_HOME/pipelog (XDG Base Directory Specification)."""
    if os.geteuid() == 0:
        return Path("/var/lib/pipelog")
    home = (os.environ if environ is None else environ).get("XDG_STATE_HOME", "")
    if not os.path.isabs(home):  # the specification says to take no heed of such a one
        home = os.path.expanduser("~/.local/state")
    return Path(home) / "pipelog"


def _quoted(path: Path) -> str:
    from urllib.parse import quote_from_bytes

    return quote_from_bytes(os.fsencode(path))


def _known(name: str, names: frozenset[str], where: str) -> None:
    if name not in names:
        import difflib

        near = difflib.get_close_matches(name, sorted(names), 3, 0.6)
        hint = f"did you mean {' or '.join(near)}?" if near else f"known are: {', '.join(sorted(names))}"
        raise SettingsError(f"{where}: unknown setting {name!r}; {hint}")


def _from_file(path: Path) -> dict[str, tuple[Any, str]]:
    import tomllib  # only where there is a file: the logger starts in a hurry

    try:
        with open(path, "rb") as file:
            content = tomllib.load(file)
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror}") from error
    except ValueError as error:
        raise SettingsError(f"{path} is no TOML: {error}") from error
    return _from_table(content, str(path), top=frozenset(_TOP))


def _from_table(content: Mapping[str, Any], where: str, *, top: frozenset[str]) -> dict[str, tuple[Any, str]]:
    """The settings of a table with tables in it, of which those of `top` may stand outside of [counting]."""
    content = dict(content)
    given: dict[str, tuple[Any, str]] = {}
    counting = content.pop("counting", {})
    if not isinstance(counting, dict):
        raise SettingsError(f"{where}: counting is a table; write [counting]")
    if isinstance(content.get("site"), dict):
        given["sites"] = content.pop("site"), where
    for name, value in (_flat(content, where) if top >= frozenset(_RULES) else content).items():
        if name in _RULES and name not in top:
            raise SettingsError(f"{where}: {name} stands in the table [counting]")
        _known(name, top | {"counting"}, where)
        given[name] = value, where
    for name, value in _flat(counting, f"{where} [counting]").items():
        _known(name, frozenset(_RULES), f"{where} [counting]")
        given[name] = value, where
    return given


def _flat(rules: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Rules with those of the tables among them under the table's name and theirs."""
    found = dict(rules)
    for table, names in _TABLES.items():
        inner = found.pop(table, {})
        if not isinstance(inner, dict):
            raise SettingsError(f"{where}: {table} is a table, with {' and '.join(sorted(names))}")
        for name, value in inner.items():
            _known(name, names, f"{where} [{table}]")
            found[f"{table}_{name}"] = value
    return found


def _top(name: str, value: Any, origin: str) -> Any:
    if isinstance(value, Path):
        value = str(value)
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise SettingsError(f"{origin}: {name} is a text")
    if name not in ("keep", "flush") and not isinstance(value, str):
        raise SettingsError(f"{origin}: {name} is a text, in quotes")
    if "\0" in str(value):
        raise SettingsError(f"{origin}: {name} holds a NUL, which no system takes")
    if value == "" and name in ("state", "backend", "sink", "format", "prefix"):
        raise SettingsError(f"{origin}: {name} is empty; leave it out to have its default")
    try:
        return _TOP[name](str(value))
    except ValueError as error:
        raise SettingsError(f"{origin}: {name} {value!r}: {error}") from error


def _rule(name: str, value: Any, origin: str) -> Any:
    default = _RULES[name].default
    if isinstance(default, bool):
        if isinstance(value, str) and value.strip().lower() in ("true", "false"):
            value = value.strip().lower() == "true"
        if not isinstance(value, bool):
            raise SettingsError(f"{origin}: {name} is true or false")
        return value
    if isinstance(default, str):
        if not isinstance(value, str):
            raise SettingsError(f"{origin}: {name} is a text, in quotes")
        return value
    if isinstance(default, int):
        if isinstance(value, str) and _WHOLE.fullmatch(value.strip()):
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise SettingsError(f"{origin}: {name} is a whole number, 0 or more")
        return value
    assert isinstance(default, tuple)
    kind = int if default and isinstance(default[0], int) else str
    if isinstance(value, str):
        value = [part.strip() for part in value.split(",") if part.strip()]
        if kind is int and all(map(_WHOLE.fullmatch, value)):
            value = list(map(int, value))
    if not isinstance(value, (list, tuple)) or any(type(part) is not kind for part in value):
        raise SettingsError(f"{origin}: {name} is a list of {'whole numbers' if kind is int else 'texts'}")
    return tuple(value)


def with_sites(rules: Rules, sites: Mapping[str, Any], file: str) -> Rules:
    """`rules` with those of the sites that have a table `[site."NAME"]`: the same but for what stands there."""
    if not sites:
        return rules
    from pipelog.counting.referrers import hostname  # only where there are any: the logger starts in a hurry

    found: dict[str, Rules] = {}
    for title, table in sites.items():
        site, where = hostname(title), f'{file} [site."{title}"]'
        if not site or site in found:
            raise SettingsError(f"{where}: {'stands there twice' if site else 'give the name of a site'}")
        if isinstance(table, dict):
            table = _flat(table, where)
        if not isinstance(table, dict) or any(name not in _RULES and isinstance(table[name], dict) for name in table):
            raise SettingsError(f'{where}: is no table of a site; write [site."www.example.org"], with quotes')
        for name in table:
            if name in NAMES and name not in OF_A_SITE:
                raise SettingsError(f"{where}: {name} holds for all sites; known here: {', '.join(sorted(OF_A_SITE))}")
            _known(name, OF_A_SITE, where)
        found[site] = replace(rules, **{name: _rule(name, value, where) for name, value in table.items()})
    return replace(rules, sites=found)


def with_rules(settings: Settings, **changes: Any) -> Settings:
    """The same settings with other counting rules."""
    return replace(settings, counting=replace(settings.counting, **changes))
