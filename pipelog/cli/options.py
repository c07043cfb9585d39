"""What commands have in common: their parser, the settings, dates."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import date
from typing import NoReturn, Protocol

from pipelog import config, periods
from pipelog.config import Settings
from pipelog.errors import SettingsError
from pipelog.periods import Period
from pipelog.printable import printable

_AGO = re.compile(r"-(\d{1,5})d")

SETTINGS = {
    "format": ("FORMAT", "nickname (combined, vhost_combined, common, …) or LogFormat string of the lines"),
    "site": ("NAME", "site of lines whose format has no %%v"),
    "source": ("NAME", "name of this writing host (default: its host name)"),
    "backend": ("URL", "counter backend, such as memcached://127.0.0.1"),
    "sink": ("URL", "history, such as csv:///var/lib/pipelog/days"),
    "archive": ("TEMPLATE", "strftime template of the kept log, such as /var/log/site/%%Y-%%m-%%d.log"),
    "symlink": ("PATH", "symbolic link kept on the log file in use"),
    "keep": ("TIME", "how long counted log files are kept: 2d, 12h, forever"),
    "flush": ("SECONDS", "time between two commits (0.5)"),
    "user": ("USER", "become this user right after start (root only)"),
    "group": ("GROUP", "and this group"),
}


class Parser(argparse.ArgumentParser):
    """Says one line instead of three when the usage is wrong, and takes options between the words."""

    def parse_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: None = None
    ) -> argparse.Namespace:
        return self.parse_intermixed_args(args, namespace)

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {printable(message)}; see {self.prog} --help\n")


def parser(command: str, description: str, example: str, settings: Sequence[str] = ()) -> Parser:
    """The parser of one command, with --config, --state and the named settings as options."""
    made = Parser(
        prog=f"pipelog {command}",
        description=description,
        epilog=f"example:\n  {example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    made.add_argument("--config", metavar="FILE", help="settings file (default: $PIPELOG_CONFIG or /etc/pipelog.toml)")
    made.add_argument("--state", metavar="FOLDER", help="pipelog's own folder")
    for name in settings:
        metavar, words = SETTINGS[name]
        made.add_argument(f"--{name}", metavar=metavar, help=words)
    return made


def add_output(made: Parser) -> None:
    """--output, for commands that print rows."""
    made.add_argument("--output", choices=("table", "csv", "json"), help="default: table on a terminal, else csv")


class Load(Protocol):
    """Gives the settings in force, as `config.load` does."""

    def __call__(self, flags: Mapping[str, str | None], *, config: str | None) -> Settings: ...


_load: ContextVar[Load] = ContextVar("load", default=config.load)


@contextmanager
def settings_from(load: Load) -> Iterator[None]:
    """Within it commands have their settings from `load`: how an application runs them with its own."""
    token = _load.set(load)
    try:
        yield
    finally:
        _load.reset(token)


def settings_of(options: argparse.Namespace) -> Settings:
    """The settings in force for parsed options."""
    flags = {name: getattr(options, name, None) for name in ("state", *SETTINGS)}
    return _load.get()(flags, config=options.config)


def shield_dates(arguments: Sequence[str]) -> list[str]:
    """`-7d` is a date and no option: written so that argparse takes it for an argument."""
    return [f"{argument[1:]}-ago" if _AGO.fullmatch(argument) else argument for argument in arguments]


def is_ago(text: str) -> bool:
    """Whether a date is of the kind `-7d`, shielded or not."""
    return bool(_AGO.fullmatch(_as_typed(text)))


def is_dates(text: str) -> bool:
    """Whether a word is meant as a date."""
    try:
        dates(text, date(2000, 1, 1))
    except SettingsError:
        return False
    return True


def dates(text: str, today: date) -> Period:
    """The days that `periods.dates` reads; `-7d` shielded or not."""
    return periods.dates(_as_typed(text), today)


def one_day(text: str, today: date) -> date:
    """A date that must be a single day."""
    first, last = dates(text, today)
    if first != last:
        raise SettingsError(f"{_as_typed(text)!r} is more than one day; name one")
    return first


def _as_typed(text: str) -> str:
    return "-" + text.removesuffix("-ago") if text.endswith("d-ago") else text


def above_zero(text: str) -> int:
    """A whole number above 0, for argparse."""
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number above 0")
    return number
