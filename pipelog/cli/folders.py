"""What `pipelog check` finds of the folders that the logger writes to."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from pipelog.config import Settings
from pipelog.errors import IntakeError
from pipelog.intake.filesystems import is_read_only, network_type
from pipelog.intake.journal import template_root
from pipelog.intake.privileges import identity


def findings(settings: Settings) -> Iterator[tuple[str, str]]:
    """A mark ("ok", "warn", "FAIL") and words for each finding."""
    other = None
    if os.geteuid() == 0:
        try:
            other = identity(settings.user, settings.group)
        except IntakeError as error:
            yield "FAIL", str(error)
    who = f"user {settings.user or other[0]}" if other else "this user"
    for name, folder in (("state", settings.state), ("archive", template_root(settings.archive))):
        there = folder
        while not there.exists():
            there = there.parent
        # The logger makes the state folder while it still is root, and gives it away; the archive it makes afterwards.
        made_by_root = other and name == "state" and there != folder
        if not there.is_dir():
            yield "FAIL", f"{name} {folder}: {there} is no folder"
        elif is_read_only(there):
            yield "FAIL", f"{name} {folder}: {there} is on a read-only file system"
        elif not (_may_write(there, other) if other and not made_by_root else os.access(there, os.W_OK | os.X_OK)):
            yield "FAIL", f"{name} {folder}: {who} may not write to {there}"
        elif there == folder and folder.stat().st_mode & 0o002:
            yield "FAIL", f"{name} {folder}: anyone may write to it; chmod o-w"
        else:
            yield "ok", f"{name} {folder} {'is writable' if there == folder else 'can be made'}"
        if kind := network_type(there):
            yield "warn", f"{name} {folder} is on a network file system ({kind}); use a local disk: locks and speed"


def _may_write(folder: Path, identity: tuple[int, int]) -> bool:
    """Asked as that user, for only the kernel knows all the rules."""
    asked = "import os, sys; sys.exit(not os.access(sys.argv[1], os.W_OK | os.X_OK))"
    uid, gid = identity
    try:
        done = subprocess.run(
            [sys.executable, "-I", "-c", asked, folder], user=uid, group=gid, extra_groups=[], stderr=subprocess.DEVNULL
        )
    except OSError:  # that user cannot even run this interpreter, and so no logger
        return False
    return done.returncode == 0
