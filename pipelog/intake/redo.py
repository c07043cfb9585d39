"""The batch that is on its way to a store without transactions, kept on disk until the next one.

A worker that is killed while it commits leaves a store that has some of the batch. Its successor sends exactly the
rest, which only the batch itself can tell: counted anew from the journal it may be another one (other settings, caps).
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import NamedTuple

from pipelog.intake.checkpoint import Checkpoint
from pipelog.intake.journal import FILE_MODE
from pipelog.intake.messages import say


class Sent(NamedTuple):
    """What one commit is to bring."""

    checkpoint: Checkpoint  #: as of when it is in
    counts: dict[str, int]
    documents: dict[str, bytes]


def keep(state: Path, journal: str, batch: Sent) -> None:
    """Replace what was kept. Not forced onto the disk: it is for a kill, after a power cut the batch counts again."""
    held = {
        "journal": journal,
        "checkpoint": batch.checkpoint.encode().decode("ascii"),
        "counts": batch.counts,
        "documents": {key: content.decode("latin-1") for key, content in batch.documents.items()},
    }
    temporary = state / "batch.new"
    try:
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, FILE_MODE)
        with open(fd, "w", encoding="ascii") as file:
            file.write(json.dumps(held))
        os.replace(temporary, state / "batch")
    except OSError as error:  # a full disk is no reason to stop counting
        say(f"{temporary}: {error.strerror}: should the worker be killed now, its last batch may count twice", "batch")


def kept(state: Path, journal: str) -> Sent | None:
    """What was kept last for this journal, if anything."""
    try:
        held = json.loads((state / "batch").read_bytes())
        if held["journal"] != journal:
            return None
        documents = {key: content.encode("latin-1") for key, content in held["documents"].items()}
        return Sent(Checkpoint.decode(held["checkpoint"].encode()), held["counts"], documents)
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return None
