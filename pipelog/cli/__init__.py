"""The command line: `python -m pipelog [COMMAND]`. One file a command; each wires objects and prints."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial
from io import TextIOWrapper
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipelog.intake.supervisor import Progress

COMMANDS = {
    "count": "count log lines from standard input, as httpd's logger (what no command means)",
    "rollup": "write finished days from the logs into the history",
    "hits": "hit numbers of pages",
    "top": "what leads a day: pages, referrers, bots, …",
    "export": "every row of a day",
    "merge": "make two pages of the history one",
    "replay": "count a day again from the journal",
    "serve": "the live page, on this machine",
    "report": "a day or several as one file to send or keep",
    "status": "how the intake is doing, while it runs",
    "check": "say what will happen: settings, stores, folders, a sample of a log",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; the exit code: 0 done, 1 refused or failed (one line says what to do), 2 usage."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if isinstance(sys.stdout, TextIOWrapper):  # a page may be of letters that the terminal's charset lacks
        sys.stdout.reconfigure(errors="backslashreplace")
    command = "count"
    if given and not given[0].startswith("-"):
        command = given.pop(0)
    elif given and given[0] in ("-h", "--help"):
        return _help()
    elif given and given[0] == "--version":
        from pipelog import __version__

        print(f"pipelog {__version__}")
        return 0
    if command not in COMMANDS:
        return _unknown(command)
    if command == "count":
        from pipelog.intake.supervisor import hold_signals, open_standard_descriptors, supervise

        hold_signals()
        open_standard_descriptors()
        return supervise(partial(_count, given))
    return _run(command, given)


def _count(arguments: Sequence[str], progress: Progress) -> int:
    from pipelog.cli import count

    return count.run(arguments, progress)


def _run(command: str, arguments: Sequence[str]) -> int:
    from importlib import import_module

    from pipelog.errors import PipelogError

    try:
        code: int = import_module(f"pipelog.cli.{command}").run(arguments)
        if sys.stdout:
            sys.stdout.flush()
        return code
    except PipelogError as error:
        from pipelog.printable import printable

        print(f"pipelog: {printable(' '.join(str(error).split()))}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        # The reader has seen enough (`| head`); python must not complain about it when it closes standard output.
        sys.stdout = None
        return 0
    except OSError as error:
        from pipelog.printable import printable

        where = f"{error.filename}: " if error.filename else ""
        print(f"pipelog: {printable(f'{where}{error.strerror or error}')}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _help() -> int:
    width = max(map(len, COMMANDS))
    print("usage: python -m pipelog [COMMAND] [OPTION…]\n")
    print("Live and lasting hit numbers for a web site, from the web server's own log.\n")
    print("commands:")
    for name, words in COMMANDS.items():
        print(f"  {name:{width}}  {words}")
    print("\n`python -m pipelog COMMAND --help` tells more. In Apache's configuration:")
    print('  CustomLog "|/usr/bin/env --ignore-signal=TERM /path/to/venv/bin/python -P -m pipelog" combined')
    return 0


def _unknown(command: str) -> int:
    import difflib

    from pipelog.printable import printable

    near = difflib.get_close_matches(command, COMMANDS, 1)
    hint = f"did you mean {near[0]}?" if near else f"commands are: {', '.join(COMMANDS)}"
    print(f"pipelog: no command {printable(command)!r}; {hint}", file=sys.stderr)
    return 2
