"""A day or several as one file that needs nothing else: the live page's charts and tables, no script, no link."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import tempfile
from datetime import datetime
from pathlib import Path

from pipelog.errors import StoreError
from pipelog.overview import Overview
from pipelog.periods import Period
from pipelog.web import render
from pipelog.web.asked import Asked
from pipelog.web.fresh import Fresh
from pipelog.web.views import First, Views
from pipelog.web.wsgi import static


def report(overview: Overview, period: Period, now: datetime, *, site: str | None, home: str) -> First:
    """What the report shows: of `site`, or as the live page chooses."""
    return Views(Fresh(lambda: overview), home, lambda: now).first(Asked("", "", False, period, str(period), site))


def as_html(found: First, made: datetime) -> bytes:
    """The report as one HTML file. Its policy admits its own style sheet and nothing else."""
    style = static("style.css").decode()
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    text = render.environment.get_template("report.html").render(
        asked=found.asked, root="", report=True, style=style, digest=digest, made=made, **render.first_context(found)
    )
    return text.encode("utf-8", "backslashreplace")


def as_json(found: First) -> bytes:
    """The same as JSON."""
    return json.dumps(found.json(), indent=1).encode("ascii") + b"\n"


def write(path: Path, content: bytes) -> None:
    """Put a file into its place, whole or not at all. Raises `StoreError`."""
    try:
        handle, temporary = tempfile.mkstemp(".tmp", f".{path.name}.", path.parent)
        try:
            with open(handle, "wb") as file:
                os.fchmod(handle, 0o666 & ~_umask())
                file.write(content)
                file.flush()
                os.fsync(handle)
            os.replace(temporary, path)
        except BaseException:
            os.unlink(temporary)
            raise
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror}; name a file in a folder that this user may write to") from error


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
