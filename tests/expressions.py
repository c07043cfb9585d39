"""Every regular expression of the package, found by itself, and inputs made from each that a slow one cannot bear.

Found are: what a module holds by name, also in lists and dictionaries; what is written into a call such as
`re.sub(r"…", …)`; and what objects compile for themselves, which `MADE` lists. `unlisted` tells of compilations that
are none of these, so that a new one cannot be overlooked.
"""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from re import _parser as sre  # type: ignore[attr-defined]
from types import ModuleType
from typing import Any, NamedTuple
from unittest.mock import patch

import pipelog
from pipelog.counting.crawlers import package
from pipelog.counting.rules import Rules
from pipelog.counting.views import Judge
from pipelog.errors import LineError
from pipelog.parsing.logformat import LogFormat
from pipelog.parsing.times import time_format

METHODS = ("match", "fullmatch", "search", "sub", "subn", "split", "findall", "finditer")
FORMATS = (
    "combined",
    "vhost_combined",
    '%v,%p,%h,%l,%u,%t,%>s,"%m","%U","%q","%{Referer}i"',
    "%{X-Forwarded-For}i %l %u %t %U%q %{Referer}i -> %f | %{User-Agent}i",
    "%{%d/%b/%Y %T}t %u",
)


class Expression(NamedTuple):
    """A compiled expression, where it stands, and how it is asked: a method of `re.Pattern`, or what calls it."""

    where: str
    pattern: re.Pattern[Any]
    ask: Callable[[Any], object]


Made = Iterator[tuple[re.Pattern[Any], Callable[[Any], object]]]


# What functions compile that make their expression, or are given it.
def _formats() -> Made:
    """Asked through the formats themselves, whichever of their expressions a line meets."""
    for string in FORMATS:
        compiled: list[re.Pattern[Any]] = []
        with patch.object(re, "compile", lambda *args, to=compiled, by=re.compile: to.append(by(*args)) or to[-1]):
            format = LogFormat(string)
            parse = _parsing(format)
            parse(b"x")
            format.columns(b"x\n")
        for pattern in compiled:
            if not any(pattern.pattern in other.pattern for other in compiled if other is not pattern):  # but for parts
                yield pattern, parse
                yield pattern, format.columns


def _parsing(format: LogFormat) -> Callable[[bytes], object]:
    def parse(line: bytes) -> object:
        try:
            return format.parse(line)
        except LineError as error:
            return error

    return parse


def _crawlers() -> Made:
    for name, pattern in _held(package()):
        yield pattern, pattern.match if name == "_anchored" else pattern.search


def _asset() -> Made:
    pattern = Judge(Rules())._asset
    yield pattern, pattern.fullmatch


def _times() -> Made:
    for string in ("", "sec", "%c %e%n%Z"):
        pattern = time_format(string).regex
        yield pattern, pattern.fullmatch


MADE: dict[str, Callable[[], Made]] = {
    "pipelog.parsing.logformat": _formats,
    "pipelog.parsing.columns": lambda: iter(()),  # asked by formats
    "pipelog.parsing.times": _times,
    # The package's patterns run over our own list of browsers, too; over agents only those that are kept.
    "pipelog.counting.crawlers": _crawlers,
    "pipelog.counting.views": _asset,
}


CONTRIB = "pipelog.contrib"


def modules() -> list[ModuleType]:
    """All modules but `__main__`, which runs a command, and those for frameworks, which want an application."""
    names = [module.name for module in pkgutil.walk_packages(pipelog.__path__, "pipelog.")]
    return [importlib.import_module(n) for n in names if n != "pipelog.__main__" and not n.startswith(CONTRIB)]


def source_of(module: ModuleType) -> str:
    """Its text; `inspect` has none of an empty file."""
    return Path(str(module.__file__)).read_text("utf-8")


def patterns_in(value: object, depth: int = 4) -> Iterator[re.Pattern[Any]]:
    """The expressions in a value, in containers and bound methods too."""
    if isinstance(value, re.Pattern):
        yield value
    elif isinstance(owner := getattr(value, "__self__", None), re.Pattern):
        yield owner
    elif depth and isinstance(value, dict | list | tuple | set | frozenset):
        for item in [*value.values()] if isinstance(value, dict) else value:
            yield from patterns_in(item, depth - 1)


def _held(owner: object) -> Iterator[tuple[str, re.Pattern[Any]]]:
    for name, value in vars(owner).items():
        yield from ((name, pattern) for pattern in patterns_in(value))


def _calls(module: ModuleType) -> Iterator[tuple[str, str, ast.expr]]:
    """Function (or "") , method of `re`, and first argument of each call of it."""

    def visit(node: ast.AST, function: str) -> Iterator[tuple[str, str, ast.expr]]:
        for child in ast.iter_child_nodes(node):
            inside = child.name if isinstance(child, ast.FunctionDef) else function
            yield from visit(child, inside)
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and isinstance(node.func.value, ast.Name)
            and node.func.value.id == "re"
            and node.func.attr in (*METHODS, "compile")
        ):
            yield function, node.func.attr, node.args[0]

    return visit(ast.parse(source_of(module)), "")


def unlisted() -> list[str]:
    """Compilations inside functions that `MADE` does not know."""
    return [
        f"{module.__name__}.{function}"
        for module in modules()
        for function, method, _ in _calls(module)
        if function and method == "compile" and module.__name__ not in MADE
    ]


def expressions() -> list[Expression]:
    """All of them, each once for each way in which its module asks it."""
    found: dict[tuple[str, re.Pattern[Any], str], Expression] = {}

    def note(module: ModuleType, name: str, pattern: re.Pattern[Any], ask: Callable[[Any], object], how: str) -> None:
        where = f"{module.__name__.removeprefix('pipelog.')}.{name}: {how}"
        owner = getattr(ask, "__self__", None)  # a format asks in its own way
        found.setdefault((module.__name__, pattern, f"{how} {owner!r}"), Expression(where, pattern, ask))

    for module in modules():
        source = source_of(module)
        for name, pattern in _held(module):
            for method in sorted(set(re.findall(rf"\b{name}\.({'|'.join(METHODS)})\b", source))) or ["search"]:
                note(module, name, pattern, _asking(pattern, method), method)
        for function, method, argument in _calls(module):
            if method != "compile":
                text = eval(compile(ast.Expression(argument), module.__name__, "eval"), vars(module))
                pattern = re.compile(text)
                note(module, function, pattern, _asking(pattern, method), method)
    for name, made in MADE.items():
        for pattern, ask in made():
            note(importlib.import_module(name), made.__name__, pattern, ask, ask.__name__)
    return list(found.values())


def _asking(pattern: re.Pattern[Any], method: str) -> Callable[[Any], object]:
    asked = getattr(pattern, method)
    if method in ("sub", "subn"):
        return lambda text: asked(text[:0], text)
    return lambda text: list(asked(text)) if method == "finditer" else asked(text)


# -- inputs ------------------------------------------------------------------------------------------------------

_CANDIDATES = [*" aA0.-/:;=&%?#_\"'\\()[]{}<>|,+*!@~^$`\t\n\r\x00é"]
_MOST_BRANCHES = 6
_MOST_ATTACKS = 80


def _is_in(items: Any, char: str) -> bool:
    """Whether a set of sre's parse tree has a character."""
    categories = {"DIGIT": str.isdigit, "SPACE": str.isspace, "WORD": lambda c: c.isalnum() or c == "_"}
    negated = found = False
    for op, value in items:
        match str(op):
            case "NEGATE":
                negated = True
            case "LITERAL":
                found |= ord(char) == value
            case "RANGE":
                found |= value[0] <= ord(char) <= value[1]
            case "CATEGORY":
                name = str(value).removeprefix("CATEGORY_")
                found |= categories[name.removeprefix("NOT_")](char) is not name.startswith("NOT_")
    return found is not negated


class _Maker:
    """Strings out of a parse tree: what matches a part of it, and what its repeats take."""

    def __init__(self, pattern: re.Pattern[Any]) -> None:
        text = pattern.pattern if isinstance(pattern.pattern, str) else pattern.pattern.decode("latin-1")
        self._tree = sre.parse(
            text, pattern.flags & ~re.UNICODE if isinstance(pattern.pattern, bytes) else pattern.flags
        )
        self._letters = list(dict.fromkeys(_CANDIDATES + [c for c in text if ord(c) < 256]))

    def chars(self, op: str, value: Any) -> list[str]:
        """Characters that one node takes; those of the pattern are tried: what two repeats share is slow."""
        if op == "LITERAL":
            return [chr(value)]
        if op == "NOT_LITERAL":
            return [c for c in self._letters if ord(c) != value]
        if op == "ANY":
            return [c for c in self._letters if c != "\n"]
        return [c for c in self._letters if _is_in(value, c)] or [
            chr(v[0] if str(o) == "RANGE" else v) for o, v in value if str(o) in ("RANGE", "LITERAL")
        ]

    def samples(self, tree: Any) -> list[str]:
        """A few strings that a sequence of nodes takes, heedless of assertions."""
        made = [""]
        for op, value in tree:
            pieces = self._pieces(str(op), value)[:_MOST_BRANCHES]
            made = [a + b for a in made[:_MOST_BRANCHES] for b in pieces][: 2 * _MOST_BRANCHES]
        return made

    def _pieces(self, op: str, value: Any) -> list[str]:
        match op:
            case "LITERAL" | "NOT_LITERAL" | "ANY" | "IN":
                return self.chars(op, value)
            case "BRANCH":
                return [sample for branch in value[1] for sample in self.samples(branch)[:1]]
            case "SUBPATTERN":
                return self.samples(value[3])
            case "ATOMIC_GROUP":
                return self.samples(value)
            case "MAX_REPEAT" | "MIN_REPEAT" | "POSSESSIVE_REPEAT":
                return [sample * max(1, min(value[0], 8)) for sample in self.samples(value[2])]
        return [""]

    def pumps(self, tree: Any = None, prefix: str = "") -> Iterator[tuple[str, str]]:
        """For each repeat: what stands before it, and what it takes once."""
        for op, value in self._tree if tree is None else tree:
            match str(op):
                case "BRANCH":
                    for branch in value[1]:
                        yield from self.pumps(branch, prefix)
                case "SUBPATTERN":
                    yield from self.pumps(value[3], prefix)
                case "ATOMIC_GROUP":
                    yield from self.pumps(value, prefix)
                case "ASSERT" | "ASSERT_NOT":
                    yield from self.pumps(value[1], prefix)
                case "MAX_REPEAT" | "MIN_REPEAT" | "POSSESSIVE_REPEAT":
                    body = value[2]
                    if len(body) == 1 and str(body[0][0]) in ("IN", "ANY", "NOT_LITERAL", "LITERAL"):
                        yield from ((prefix, char) for char in self.chars(str(body[0][0]), body[0][1]))
                    else:
                        yield from ((prefix, sample) for sample in self.samples(body))
                        yield from self.pumps(body, prefix)
            prefix += (self._pieces(str(op), value) or [""])[0]
        if tree is None:
            yield from (("", sample) for sample in self.samples(self._tree) if sample)


def attacks(pattern: re.Pattern[Any]) -> Iterator[tuple[str, str, str]]:
    """(begin, what is repeated, end): what stands before a repeat once, or each time; an end that nothing takes."""
    made = dict.fromkeys(
        attack
        for prefix, pump in _Maker(pattern).pumps()
        if pump
        for attack in ((prefix, pump, ""), (prefix, pump, "\x00"), ("", prefix + pump, "\x00"), ("", prefix, "\x00"))
        if attack[1]
    )
    return iter(list(made)[:: len(made) // _MOST_ATTACKS + 1])
