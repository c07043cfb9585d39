"""The folder `shared` beside the repository: real logs with known figures, cases, and the bench's tools."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path
from typing import Any

import pytest

SHARED = Path(__file__).resolve().parents[1] / ".." / "shared"

# Where it is absent under CI=true the tests run, and fail.
needs_shared = pytest.mark.skipif(
    not SHARED.is_dir() and os.environ.get("CI") != "true", reason="no folder `shared` beside the repository"
)

# nginx's format of one log, as the directives that write the same.
_GONX = '%h %t "%r" %>s %I %b %T "%{size}n" %{read}n %{generated}n'

CORPORA = sorted(path.stem for path in (SHARED / "data" / "truth").glob("*.json")) or ["absent"]


def corpus(name: str) -> tuple[dict[str, Any], str, Path]:
    """What is known of a log, its format, and its file (plain or .gz)."""
    truth = json.loads((SHARED / "data" / "truth" / f"{name}.json").read_text("utf-8"))
    format = _GONX if truth["format"].startswith("$") else truth["format"]
    return truth, format, SHARED / "data" / "logs" / truth["file"]


def plain(path: Path) -> bytes:
    """The bytes of a log, unpacked."""
    raw = path.read_bytes()
    return gzip.decompress(raw) if path.suffix == ".gz" else raw


def cases(name: str) -> list[dict[str, Any]]:
    """Other projects' cases."""
    lines = (SHARED / "data" / "cases" / f"{name}.jsonl").read_text("utf-8").splitlines()
    return [json.loads(line) for line in lines]
