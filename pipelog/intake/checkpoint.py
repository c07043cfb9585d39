"""Up to where a journal is counted: the document that travels in the same commit as the counts it covers."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, replace
from datetime import date
from typing import Any, Self

from pipelog.intake.journal import Position


@dataclass(frozen=True)
class Healing:
    """Counting again what a store has lost: from the checkpoint's position up to `until` only what was lost counts."""

    until: Position
    lost: frozenset[tuple[date, int]]  #: (day, shard) pairs


@dataclass(frozen=True)
class Checkpoint:
    """What a follower must know to go on."""

    position: Position  #: everything before it is counted
    since: Position  #: where the last batch began
    batch: int = 0  #: number of the last batch, so that no two checkpoints are the same
    healing: Healing | None = None
    #: (day, shard) pairs that a sentinel was written for
    sentinels: frozenset[tuple[date, int]] = frozenset()
    #: lines, counted, bad, too_long, unwritten, quarantined … since the journal began
    totals: dict[str, int] = field(default_factory=dict)

    def encode(self) -> bytes:
        """As a document."""
        held: dict[str, Any] = asdict(replace(self, healing=None))
        held["sentinels"] = _written(self.sentinels)
        if self.healing:
            held["healing"] = {"until": self.healing.until, "lost": _written(self.healing.lost)}
        return json.dumps(held).encode("ascii")

    @classmethod
    def decode(cls, document: bytes) -> Self:
        """What `encode` wrote; ValueError for anything else."""
        try:
            held = json.loads(document)
            healing = held["healing"]
            if healing:
                healing = Healing(_place(healing["until"]), _read(healing["lost"]))
            return cls(
                _place(held["position"]),
                _place(held["since"]),
                int(held["batch"]),
                healing,
                _read(held["sentinels"]),
                {name: int(number) for name, number in held["totals"].items()},
            )
        except (LookupError, TypeError, AttributeError) as error:
            raise ValueError(f"no checkpoint: {error}") from error


def _place(numbers: list[int]) -> Position:
    segment, offset = map(int, numbers)
    return Position(segment, offset)


def _written(pairs: frozenset[tuple[date, int]]) -> list[list[Any]]:
    return [[day.isoformat(), shard] for day, shard in sorted(pairs)]


def _read(pairs: list[list[Any]]) -> frozenset[tuple[date, int]]:
    return frozenset((date.fromisoformat(day), int(shard)) for day, shard in pairs)
