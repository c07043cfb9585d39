"""Where a view came from: name and medium of a referrer's host, matched by label and never by substring.

A referrer's value in a tally is "medium/Name". Media: search, ai, social, mail, and site for every other host, which
is its own name unless `sources` has a usual one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from pipelog.counting import sources
from pipelog.errors import SettingsError

_URL = re.compile(r"(?:https?:)?//([^/?#\\]*)([^#]*)", re.I)
_APP = re.compile(r"android-app://([A-Za-z0-9._]{1,100})")
_AUTHORITY = re.compile(r"([a-z0-9_](?:[a-z0-9._-]{0,251}[a-z0-9_])?|\[[0-9a-f:.]{2,45}\])\.?(?::[0-9]{0,5})?")


def _by_host(table: dict[str, dict[str, str]]) -> dict[str, tuple[str, str]]:
    return {
        host: (medium, name)
        for medium, names in table.items()
        for name, hosts in names.items()
        for host in hosts.split()
    }


_HOSTS = _by_host(sources.HOSTS)
_APPS = _by_host(sources.APPS)
_SECOND_LEVELS = {label: frozenset(countries.split()) for label, countries in sources.SECOND_LEVELS.items()}


class Source(NamedTuple):
    """What a referrer says: `host` lower-case, without port; `rest` is its path and query, for the search words."""

    medium: str
    name: str
    host: str
    rest: str

    @property
    def value(self) -> str:
        """As a tally has it."""
        return f"{self.medium}/{self.name}"


def _as_com(labels: list[str]) -> list[str]:
    """The .com name of a brand's site in a country: www.google.co.uk, www.google.de -> www.google.com."""
    registry = labels[-2] if len(labels) > 2 else ""
    name = labels[: -2 if labels[-1] in _SECOND_LEVELS.get(registry, ()) else -1]
    return [*name, "com"] if len(labels[-1]) == 2 and name and name[-1] in sources.BRANDS else labels


def _named(host: str) -> tuple[str, str]:
    labels = _as_com(host.split("."))
    for start in range(len(labels)):
        name = ".".join(labels[start:])
        if name in _HOSTS and (start == 0 or name not in sources.ALONE):
            return _HOSTS[name]
    return "site", host


def hostname(host: str) -> str:
    """A host as it is compared: lower-case, without port and trailing dot."""
    host = host.lower()
    if host.startswith("["):
        return host[: host.find("]") + 1] or host
    return host.partition(":")[0].rstrip(".")


def bare(host: str) -> str:
    """A host as sites are compared: as `hostname`, and without "www."."""
    return hostname(host).removeprefix("www.")


def hosts(names: Iterable[str]) -> frozenset[str]:
    """Hosts as settings name them, ready to be compared with `bare` ones; umlauts and the like in their IDNA form."""
    return frozenset(bare(_ascii(name.strip())) for name in names) - {""}


def _ascii(host: str) -> str:
    try:
        return host.encode("idna").decode("ascii") if not host.isascii() else host
    except UnicodeError:  # no host name; it is like no referrer
        return host


def hosts_of_file(path: str) -> frozenset[str]:
    """The hosts of a list, one a line; what follows a "#" is a comment. Raises `SettingsError`."""
    try:
        with open(path, encoding="utf-8-sig") as file:
            return hosts(line.partition("#")[0] for line in file)
    except OSError as error:
        raise SettingsError(
            f"referrer_spam_file {path}: {error.strerror}; name a file that pipelog can read"
        ) from error
    except ValueError as error:
        raise SettingsError(f"referrer_spam_file {path} is no UTF-8 text; give one host a line") from error


def is_below(host: str, hosts: frozenset[str]) -> bool:
    """Whether a bare host is one of `hosts` or below one."""
    labels = host.split(".") if hosts else []
    return any(".".join(labels[start:]) in hosts for start in range(len(labels)))


def source(referrer: str | None) -> Source | None:
    """Name and medium of a referrer; None where there is none or it is no web address (no guess is made)."""
    if not referrer:
        return None
    app = _APP.match(referrer)
    if app:
        medium, name = _APPS.get(app.group(1), ("site", app.group(1)))
        return Source(medium, name, "android-app:" + app.group(1), "")
    url = _URL.match(referrer)
    if not url:
        return None
    authority = _AUTHORITY.fullmatch(url.group(1).rpartition("@")[2].lower())
    if not authority:
        return None
    host = authority.group(1)
    return Source(*_named(host), host, url.group(2))
