"""LogFormat: from a mod_log_config format string to records and columns."""

from __future__ import annotations

import re
from functools import cached_property
from itertools import accumulate
from typing import Any

from pipelog.errors import FormatError, LineError
from pipelog.model import Record
from pipelog.parsing import clf, patterns
from pipelog.parsing.columns import Columns, FastReader, Raw, line_by_line
from pipelog.parsing.directives import Directive, Item, parse_format
from pipelog.parsing.roles import Roles
from pipelog.parsing.times import Part, combine

_COMMON = '%h %l %u %t "%r" %>s %b'
_DEBIAN = '%h %l %u %t "%r" %>s %O'
_HEADERS = ' "%{Referer}i" "%{User-Agent}i"'

#: Nickname -> format string. `debian_…` are those of Debian's apache2.conf, where the size is that of the whole
#: answer (%O); vhost_combined is in Debian's alone.
NICKNAMES = {
    "common": _COMMON,
    "combined": _COMMON + _HEADERS,
    "combinedio": _COMMON + _HEADERS + " %I %O",
    "vhost_combined": "%v:%p " + _DEBIAN + _HEADERS,
    "debian_common": _DEBIAN,
    "debian_combined": _DEBIAN + _HEADERS,
    "debian_vhost_combined": "%v:%p " + _DEBIAN + _HEADERS,
}


class LogFormat:
    """A log format, given as a nickname or as any mod_log_config format string. FormatError where it is neither.

    name: the nickname, "custom" where there is none. string: the format string. directives: as written, in order.
    Two formats are equal when their strings are.
    """

    def __init__(self, format: str) -> None:
        self.string = NICKNAMES.get(format, format)
        nicknames = [name for name, string in NICKNAMES.items() if string == self.string]
        self.name = format if format in nicknames else [*nicknames, "custom"][0]
        self._items = _of_one_line(parse_format(self.string), self.string)
        self._directives = [item for item in self._items if isinstance(item, Directive)]
        if not self._directives:
            raise FormatError(f"no directive in it, nor is it one of {', '.join(NICKNAMES)}", self.string, 0)
        self.directives = tuple(directive.text for directive in self._directives)
        self._patterns = patterns.exact(self._items, self.string)
        self._regex = re.compile(b"".join(self._patterns), re.DOTALL)
        self._roles = Roles.of(self._directives)

    def __repr__(self) -> str:
        return f"LogFormat({self.string if self.name == 'custom' else self.name!r})"

    def __eq__(self, other: object) -> bool:
        return self.string == other.string if isinstance(other, LogFormat) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.string)

    def __reduce__(self) -> tuple[type[LogFormat], tuple[str]]:
        return LogFormat, (self.string if self.name == "custom" else self.name,)

    def parse(self, line: bytes) -> Record:
        """The record of one line, with or without its line end. LineError says where and why it does not match."""
        return self._read(line)[0]

    def columns(self, chunk: bytes, *, hosts: bool = True) -> Columns:
        """The raw values of a chunk of whole lines (the last may lack its newline): the same answers as `parse`,
        many times as fast. A line that tells no time is bad here, since it belongs to no day. Without `hosts` those
        may be missing: only visitors need them, and they cost a twentieth of the time."""
        reader = self._fast_reader if hosts else self._faster_reader
        return reader.columns(chunk) if reader else line_by_line(chunk, self._raw)

    def _read(self, line: bytes) -> tuple[Record, tuple[bytes, ...]]:
        """The record of a line, and what each directive wrote in it."""
        match = self._match(line)
        raws: tuple[bytes, ...] = match.groups()
        values: list[Any] = []
        fields: dict[str, Any] = {}
        begin: dict[str, Part] = {}
        end: dict[str, Part] = {}
        for number, (directive, raw) in enumerate(zip(self._directives, raws, strict=True), 1):
            try:
                value = directive.read(raw)
                if directive.time and value is not None:
                    for name, part in directive.time.parts(raw).items():
                        (end if directive.time.end else begin).setdefault(name, part)
            except ValueError as error:
                raise LineError(f"{directive.text}: {error}", line, match.start(number)) from None
            values.append(value)
            fields.setdefault(directive.text, value)
        try:
            time = combine(begin) or combine(end)
        except ValueError as error:
            raise LineError(f"impossible time: {error}", line, 0) from None
        roles = self._roles
        method, target, protocol = clf.split_request(roles.request_line(raws))

        def value_of(role: int | None) -> Any:
            return None if role is None else values[role]

        record = Record(
            time=time,
            site=value_of(roles.site),
            host=value_of(roles.host),
            user=value_of(roles.user),
            method=method,
            target=target,
            protocol=protocol,
            status=value_of(roles.status),
            size=None if roles.size is None else values[roles.size] or 0,
            referrer=value_of(roles.referrer),
            agent=value_of(roles.agent),
            fields=fields,
        )
        return record, raws

    def _raw(self, line: bytes) -> Raw:
        """What `columns` gives of one line."""
        record, raws = self._read(line)
        if record.time is None:
            raise LineError("no time", line, 0)
        roles = self._roles

        def raw_of(role: int | None) -> bytes:
            return clf.MISSING if role is None else raws[role]

        return Raw(
            time=clf.write_clf_time(record.time) if roles.time is None else raws[roles.time][1:-1],
            site=raw_of(roles.site),
            request=roles.request_line(raws),
            status=raw_of(roles.status),
            size=raw_of(roles.size),
            referrer=raw_of(roles.referrer),
            agent=raw_of(roles.agent),
            purpose=b" ".join([raws[role] for role in roles.purposes]) or clf.MISSING,
            host=raw_of(roles.host),
        )

    @cached_property
    def _fast_reader(self) -> FastReader | None:
        return self._reader(self._roles.host)

    @cached_property
    def _faster_reader(self) -> FastReader | None:
        return self._reader(None)

    def _reader(self, host: int | None) -> FastReader | None:
        """None where times, requests or purposes are not pieces of the line, or the line has no fast pattern."""
        roles = self._roles
        if roles.time is None or (roles.request is None and roles.has_request_parts) or len(roles.purposes) > 1:
            return None
        purpose = roles.purposes[0] if roles.purposes else None
        wanted = (
            *(roles.time, roles.site, roles.request, roles.status, roles.size, roles.referrer, roles.agent),
            *(purpose, host),
        )
        places = [index for index, item in enumerate(self._items) if isinstance(item, Directive)]
        chosen = sorted({role for role in wanted if role is not None})
        pattern = patterns.fast(self._items, [places[role] for role in chosen])
        if pattern is None:
            return None
        return FastReader(pattern, tuple(None if role is None else chosen.index(role) for role in wanted), self._raw)

    def _match(self, line: bytes) -> re.Match[bytes]:
        content = line.removesuffix(b"\n").removesuffix(b"\r")
        trimmed = line.rstrip(b" \t\r\n")
        # First as it is: a format may end in a value that is empty here, after a blank ("%U %q").
        match = self._regex.fullmatch(content) or (trimmed != content and self._regex.fullmatch(trimmed))
        # A format of one header alone may well have empty lines, but no entry is made of blanks.
        if match and (trimmed or not content):
            return match
        raise self._mismatch(line, trimmed) if trimmed else LineError("empty line", line, 0)

    def _mismatch(self, line: bytes, trimmed: bytes) -> LineError:
        reached = 0
        for prefix, item in zip(self._prefixes, self._items, strict=True):
            match = prefix.match(trimmed)
            if not match:
                what = item.text if isinstance(item, Directive) else repr(item.decode("utf-8", "backslashreplace"))
                return LineError(f"no match for {what} of the log format {self.name}", line, reached)
            reached = match.end()
        return LineError(f"more than the log format {self.name} holds", line, reached)

    @cached_property
    def _prefixes(self) -> list[re.Pattern[bytes]]:
        """Of the first item, of the first two, and so on: to find how far a bad line matches."""
        return [re.compile(prefix, re.DOTALL) for prefix in accumulate(self._patterns)]


def _of_one_line(items: list[Item], format: str) -> list[Item]:
    """The items without blanks and newline at the end of the format: those at the end of a line are overlooked."""
    if items and isinstance(last := items[-1], bytes):
        last = last.rstrip(b" \t\r\n")
        items = [*items[:-1], last] if last else items[:-1]
    if any(isinstance(item, bytes) and b"\n" in item for item in items):
        raise FormatError("entries of several lines cannot be read", format, max(format.find("\\n"), format.find("\n")))
    return items
