"""`manage.py pipelog COMMAND …`: pipelog's commands with the settings of the site."""

from __future__ import annotations

import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from pipelog.cli import COMMANDS
from pipelog.contrib import application
from pipelog.contrib.django.setting import given
from pipelog.errors import PipelogError


class _Parser(CommandParser):
    """Takes Django's own options, and leaves the rest to pipelog, --help too."""

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        known, rest = self.parse_known_args(args, namespace)
        known.arguments = rest
        return known


class Command(BaseCommand):
    """Any command but `count`, which is the web server's to start."""

    help = "Run a command of pipelog (hits, top, export, merge, …) with the settings in PIPELOG."
    requires_system_checks = ()
    fixed: tuple[str, ...] = ()

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        made = _Parser(prog=f"{prog_name} {subcommand}", description=self.help, add_help=False, allow_abbrev=False)
        self.add_base_argument(made, "--settings", help="module of the site's settings")
        self.add_base_argument(made, "--pythonpath", help="folder to add to Python's path")
        self.add_base_argument(made, "--traceback", action="store_true", help="show whole errors")
        made.set_defaults(verbosity=1, no_color=False, force_color=False, skip_checks=True)
        return made

    def handle(self, *args: Any, **options: Any) -> None:
        words = [*self.fixed, *options["arguments"]]
        known = [name for name in COMMANDS if name != "count"]
        if not words or words[0] not in known:
            raise CommandError(f"name a command of pipelog: {', '.join(known)}", returncode=2)
        try:
            code = application.command(words[0], words[1:], given())
        except PipelogError as error:
            raise CommandError(" ".join(str(error).split())) from error
        if code:
            sys.exit(code)
