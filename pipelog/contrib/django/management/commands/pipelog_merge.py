"""`manage.py pipelog_merge`: what the history has of paths becomes their objects'."""

from __future__ import annotations

from datetime import date
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from pipelog import plugins
from pipelog.contrib.django import numbers, objects
from pipelog.errors import PipelogError
from pipelog.printable import printable
from pipelog.shortcuts import process
from pipelog.sinks.base import Merging
from pipelog.sinks.merges import Merge


class Command(BaseCommand):
    """For a site that begins to count objects, and after a new entry in `PIPELOG["objects"]`."""

    help = "Make the paths of the history the objects that they lead to, as `pipelog merge PATH app.model:pk` would."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="say what would be merged, change nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            settings = process.settings()
            if settings.counting.resolver != numbers.RESOLVER:
                raise CommandError(
                    f"nothing is merged before the logger counts so: set resolver = {numbers.RESOLVER!r}"
                )
            self._merge(settings.sink, dry=options["dry_run"])
        except PipelogError as error:
            raise CommandError(" ".join(str(error).split())) from error

    def _merge(self, url: str, *, dry: bool) -> None:
        with plugins.sink(url) as sink:
            if not isinstance(sink, Merging):
                raise CommandError(f"a sink of the kind {url.partition(':')[0]} cannot merge; use sqlite or csv")
            pages = sorted({(row.site, row.page) for row in sink.rows(date.min, date.max) if row.page[:1] == "/"})
            for site, path in pages:
                name = objects.name(path) if numbers.rules_of(site).resolver == numbers.RESOLVER else None
                if name:
                    if not dry:
                        sink.merge(Merge(site, path, name, date.min, date.max))
                    self.stdout.write(
                        printable(f"{path} {'would become' if dry else 'is now'} {name} ({site or 'no site'})")
                    )
