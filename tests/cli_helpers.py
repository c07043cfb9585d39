"""What the tests of commands and examples share: pipelog as a process, with a state folder and no other settings."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import date, datetime, timedelta
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
EXAMPLES = REPOSITORY / "examples"
PIPELOG = [sys.executable, "-P", "-m", "pipelog"]
BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
TODAY = date.today()
YESTERDAY = TODAY - timedelta(days=1)


def environment(**settings: str) -> dict[str, str]:
    """This process's environment without any setting of pipelog but these; no settings file of the machine either."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PIPELOG_")}
    return kept | {"PIPELOG_CONFIG": os.devnull} | {f"PIPELOG_{name.upper()}": text for name, text in settings.items()}


def pipelog(state: Path, *arguments: str, stdin: bytes = b"", **settings: str) -> subprocess.CompletedProcess[bytes]:
    """Run `python -m pipelog ARGUMENTS` to its end."""
    return subprocess.run(
        [*PIPELOG, *arguments],
        input=stdin,
        capture_output=True,
        env=environment(state=str(state), **settings),
        timeout=60,
        check=False,
    )


def line(page: str, day: date = TODAY, *, status: int = 200, agent: str = BROWSER, referrer: str = "-") -> bytes:
    """A combined line, stamped at noon."""
    zone = datetime.now().astimezone().strftime("%z")
    stamp = f"{day:%d/%b/%Y}:12:00:00 {zone}"
    return f'192.0.2.1 - - [{stamp}] "GET {page} HTTP/1.1" {status} 512 "{referrer}" "{agent}"\n'.encode()
