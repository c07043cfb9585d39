"""Which directive of a format tells what a record and a view need."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from pipelog.parsing import clf
from pipelog.parsing.directives import Directive

PURPOSE_HEADERS = ("Sec-Purpose", "Purpose", "X-Purpose", "X-Moz")
"""Request headers by which browsers tell that they fetch a page ahead: the Fetch Standard's, and its forerunners."""


class Roles(NamedTuple):
    """For each role the index among the directives of the format; None where none of them plays it.

    `time` is there only where a record's time is one CLF time of the line and nothing else. `purposes` are all that
    hold one of `PURPOSE_HEADERS`.
    """

    time: int | None
    site: int | None
    host: int | None
    user: int | None
    request: int | None
    method: int | None
    path: int | None
    query: int | None
    protocol: int | None
    status: int | None
    size: int | None
    referrer: int | None
    agent: int | None
    purposes: tuple[int, ...]

    @classmethod
    def of(cls, directives: Sequence[Directive]) -> Roles:
        def find(*wanted: str) -> int | None:
            """The first of the wanted, in their order; one that is written for every status goes before one that is
            not."""
            for conditional in (False, True):
                for code in wanted:
                    for index, directive in enumerate(directives):
                        if directive.conditional is conditional and _matches(directive, code):
                            return index
            return None

        return cls(
            time=_plain_time(directives),
            site=find("v", "V"),
            host=find("h", "a"),
            user=find("u"),
            request=find("r"),
            method=find("m"),
            path=find("U"),
            query=find("q"),
            protocol=find("H"),
            status=find(">s", "s"),
            size=find("O", "b", "B"),
            referrer=find("{referer}i"),
            agent=find("{user-agent}i"),
            purposes=tuple(
                index
                for index, directive in enumerate(directives)
                if any(_matches(directive, f"{{{name.lower()}}}i") for name in PURPOSE_HEADERS)
            ),
        )

    @property
    def has_request_parts(self) -> bool:
        """Whether method, path or query stand by themselves."""
        return (self.method, self.path, self.query) != (None, None, None)

    def request_line(self, raws: Sequence[bytes]) -> bytes:
        """The request line, escaped: %r, or put together from its parts."""
        if self.request is not None:
            return raws[self.request]
        if not self.has_request_parts:
            return clf.MISSING
        parts = (self.method, self.path, self.query, self.protocol)
        method, path, query, protocol = [clf.MISSING if part is None else raws[part] for part in parts]
        return clf.join_request(method, path, query, protocol)


def _matches(directive: Directive, code: str) -> bool:
    # Header names are compared in any case (RFC 9110 section 5.1).
    names = {directive.code, directive.redirect + directive.code, directive.code.replace("*", directive.param.lower())}
    return code in names


def _plain_time(directives: Sequence[Directive]) -> int | None:
    for index, directive in enumerate(directives):
        if directive.time and directive.time.plain and not directive.time.end:
            return None if directive.conditional else index
    return None
