"""The logs that are measured: made once for the same options, by the bench's generator where it is there."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from parts import REPOSITORY

BESIDE = REPOSITORY / ".." / "shared" / "bench" / "make_log.py"
OWN = Path(__file__).resolve().parent / "make_log.py"


def made(folder: Path, lines: int, **options: str | float | int) -> Path:
    """A log of so many lines in `folder`; options as those of make_log.py (odd=0.005, start="2026-11-22")."""
    generator = BESIDE if BESIDE.is_file() and "pages" not in options else OWN
    words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    path = folder / "-".join([generator.parent.name, str(lines), *words]).replace("--", "")
    path = path.with_name(path.name + ".log")
    if not path.exists():
        half = path.with_suffix(".part")
        with open(half, "wb") as file:
            subprocess.run([sys.executable, str(generator), str(lines), *words], stdout=file, check=True)
        os.replace(half, path)
    with open(path, "rb") as file:  # so that all of it is in the page cache before anything is measured
        while file.read(1 << 20):
            pass
    return path


def generator() -> str:
    """Which generator makes the logs, for the table."""
    return "make_log.py of the bench" if BESIDE.is_file() else "tests/benchmarks/make_log.py"
