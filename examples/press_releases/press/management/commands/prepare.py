"""`manage.py prepare`: a fresh folder becomes a site with releases, an owner, and two weeks of history."""

from __future__ import annotations

import os
import random
import secrets
from argparse import ArgumentParser
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.core.management import call_command
from django.core.management.base import BaseCommand

from press.models import Release

DAYS = 14
BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
AGENTS = (BROWSER,) * 9 + ("Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",)
REFERRERS = ("-",) * 6 + ("https://www.google.com/", "https://duckduckgo.com/", "https://news.ycombinator.com/")


class Command(BaseCommand):
    """Once for each folder."""

    help = __doc__

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--password", required=True, help="of the user `owner`")

    def handle(self, *args: Any, **options: Any) -> None:
        secret = settings.FOLDER / "secret"
        if not secret.exists():
            secret.touch(0o600)
            secret.write_text(secrets.token_urlsafe(50))
        call_command("migrate", run_syncdb=True, verbosity=0)
        call_command("loaddata", "releases", verbosity=0)
        call_command("collectstatic", interactive=False, verbosity=0)
        owner, _ = User.objects.get_or_create(username="owner", is_staff=True, is_superuser=True)
        owner.set_password(options["password"])
        owner.save()
        log = Path(settings.FOLDER, "before.log")
        log.write_text("".join(lines(datetime.now().astimezone())))
        # Logs from before pipelog was there become history in the same way as a day that is over.
        call_command("pipelog_rollup", f"--since=-{DAYS}d", "--force", os.fspath(log))


def lines(now: datetime) -> Iterator[str]:
    """What httpd would have logged in the two weeks before: the same each time, but for the dates."""
    chance = random.Random(1)
    releases = list(Release.objects.all())
    for ago in range(DAYS, 0, -1):
        midnight = (now - timedelta(days=ago)).replace(hour=0, minute=0, second=0)
        weekday = 0.5 if midnight.weekday() > 4 else 1.0
        for place, release in enumerate(releases):
            for second in sorted(chance.choices(range(86_400), k=int(weekday * chance.uniform(60, 140) / (place + 1)))):
                stamp = (midnight + timedelta(seconds=second)).strftime("%d/%b/%Y:%H:%M:%S %z")
                path = chance.choice((release.get_absolute_url(),) * 4 + (f"/r/{release.pk}/",))
                rest = f'200 5120 "{chance.choice(REFERRERS)}" "{chance.choice(AGENTS)}"'
                yield f'192.0.2.{chance.randrange(1, 250)} - - [{stamp}] "GET {path} HTTP/1.1" {rest}\n'
