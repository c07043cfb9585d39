"""`pipelog count`: httpd's logger. All of it runs in the supervisor's child."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from pipelog.backends.base import CounterBackend
from pipelog.cli.options import parser, settings_of
from pipelog.config import Settings
from pipelog.errors import PipelogError
from pipelog.intake.messages import say
from pipelog.intake.plan import Plan
from pipelog.intake.run import drain, throw_away, work
from pipelog.intake.supervisor import Progress


def run(arguments: Sequence[str], progress: Progress) -> int:
    """Count standard input to its end; 0, or the code of a refusal (then a pipe's lines were thrown away)."""
    made = parser(
        "count",
        "Read log lines on standard input to its end, keep them in dated files and count them.",
        'CustomLog "|/usr/bin/env --ignore-signal=TERM /srv/venv/bin/python -P -m pipelog" combined',
        ("format", "site", "source", "backend", "archive", "symlink", "keep", "flush", "user", "group"),
    )
    try:
        settings = settings_of(made.parse_args(arguments))
    except SystemExit as usage:
        if usage.code:
            drain()
        sys.stdout.flush()
        return int(usage.code or 0)
    except (PipelogError, OSError, ValueError) as error:  # whatever a path of the settings is to the system
        return throw_away(error)
    plan = plan_of(settings)
    if os.isatty(0):
        say("reading log lines from this terminal; Ctrl-D ends")
    return work(plan, progress, user=settings.user, group=settings.group)


def plan_of(settings: Settings) -> Plan:
    """The intake's plan. A format or backend that cannot be used is found by the counting thread, and the log is kept
    all the same: a misspelt setting must not stop httpd."""

    def backend() -> CounterBackend:
        from pipelog import plugins  # in the counting thread: the first byte does not wait for it

        return plugins.backend(settings.backend)

    return Plan(
        state=settings.state,
        archive=settings.archive,
        format=settings.format,
        rules=settings.counting,
        source=settings.source,
        prefix=settings.prefix,
        backend=backend,
        symlink=settings.symlink,
        flush=settings.flush,
        keep=settings.keep,
    )
