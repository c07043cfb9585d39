"""What often goes wrong in Apache's configuration of a piped logger; for `pipelog check`."""

from __future__ import annotations

import glob
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

PLACES = (
    "/etc/apache2/apache2.conf",
    "/etc/apache2/conf-enabled/*.conf",
    "/etc/apache2/sites-enabled/*",
    "/etc/httpd/conf/httpd.conf",
    "/etc/httpd/conf.d/*.conf",
    "/usr/local/apache2/conf/httpd.conf",
)
_LOG = re.compile(r'^\s*(?P<directive>CustomLog|GlobalLog|TransferLog)\s+(?P<target>"(?:[^"\\]|\\.)*"|\S+)', re.I)
_BUFFERED = re.compile(r"^\s*BufferedLogs\s+On\b", re.I)
_VHOST = re.compile(r"^\s*<(?P<end>/)?VirtualHost\b", re.I)


def pitfalls(files: Sequence[str] | None) -> Iterator[tuple[str, str]]:
    """Findings ("ok", "warn" or "FAIL", and a line) about configuration files; None = where they usually are."""
    paths = [path for place in files or PLACES for path in sorted(glob.glob(place)) or ([place] if files else [])]
    found: list[str] = []
    main_server = False
    overriding: list[str] = []
    for path in paths:
        try:
            text = Path(path).read_text("utf-8", "replace")
        except OSError as error:
            yield "FAIL", f"{path}: {error.strerror}"
            continue
        inside = has_pipelog = False
        own: list[str] = []
        for number, line in _directives(text):
            place = f"{path}:{number}"
            if vhost := _VHOST.match(line):
                if vhost["end"] and own and not has_pipelog:
                    overriding += own
                inside, has_pipelog, own = not vhost["end"], False, []
            if _BUFFERED.match(line):
                yield "warn", f"{place}: BufferedLogs keeps lines back in each httpd worker; numbers come late"
            log = _LOG.match(line)
            if not log:
                continue
            target = log["target"].strip('"')
            everywhere = log["directive"].lower() == "globallog"
            if "pipelog" in target and target.startswith("|"):
                found.append(place)
                has_pipelog = True
                main_server |= not inside and not everywhere
                yield from ((mark, f"{place}: {text}") for mark, text in _target(target))
            elif inside and not everywhere:
                own.append(place)
    for place in overriding if main_server else ():
        yield "warn", f"{place}: this virtual host's own log takes the place of the main server's; use GlobalLog"
    if found:
        yield "ok", f"pipelog is the logger at {', '.join(found)}"


def _directives(text: str) -> Iterator[tuple[int, str]]:
    """Lines with their numbers; one that ends in a backslash goes on in the next (httpd: ap_cfg_getline)."""
    pending, begun = "", 0
    for number, line in enumerate(text.splitlines(), 1):
        begun = begun or number
        pending += line
        if pending.endswith("\\"):
            pending = pending[:-1]
            continue
        yield begun, pending
        pending, begun = "", 0


def _target(target: str) -> Iterator[tuple[str, str]]:
    command = target[1:]
    if command.startswith("$"):
        yield "warn", "`|$` puts a shell between httpd and pipelog, which takes its signals; write `|`"
        command = command[1:]
    command = command.removeprefix("|")
    if not command.lstrip().startswith("/"):
        yield "FAIL", "httpd starts only a program with an absolute path"
    if "--ignore-signal=TERM" not in command:
        yield "warn", "without `/usr/bin/env --ignore-signal=TERM` a graceful can end pipelog while it starts"
    if "python" in command and " -P " not in command:
        yield "warn", "without -P python looks for modules in ServerRoot first"
