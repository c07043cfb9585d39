"""`manage.py pipelog_rollup [DAY] …`: finished days into the history, for cron."""

from pipelog.contrib.django.management.commands.pipelog import Command as PipelogCommand


class Command(PipelogCommand):
    """`pipelog rollup` with the settings in PIPELOG."""

    help = "Write finished days (default: yesterday) into the history."
    fixed = ("rollup",)
