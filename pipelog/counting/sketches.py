"""How many different ones there were, from a few kilobytes that tell none of them: HyperLogLog.

Flajolet et al., "HyperLogLog: the analysis of a near-optimal cardinality estimation algorithm" (2007): each one is a
number of 64 random bits. The first 12 choose a register, which keeps the longest run of zeros that the others began
with, and one. The number is estimated after Ertl, "New cardinality estimation algorithms for HyperLogLog sketches"
(2017, algorithm 6), which needs no tables and is unbiased from none to billions.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterable
from typing import Self

P = 12
REGISTERS = 1 << P
ERROR = 1.04 / math.sqrt(REGISTERS)
"""The standard error of an estimate: 1.6 %."""

_BITS = 64 - P
_MOST = _BITS + 1  #: the value of a register whose ones never came
_FEW = 64
"""Registers that are kept one by one; a dictionary of more takes more memory than all of them side by side."""
_SCATTERED = 450
"""Registers that are written one by one, in two bytes each; with more, all of them compressed take less."""
_SPARSE, _DENSE = b"\x01", b"\x02"


def cell(number: int) -> int:
    """Register and value that a number of 64 random bits sets: all that a sketch will ever know of it, 18 bits."""
    return number >> _BITS << 6 | _MOST - (number & (1 << _BITS) - 1).bit_length()


class Sketch:
    """A set of which only the size can be told, and that only about. Adding again what is there changes nothing."""

    __slots__ = ("_few", "_registers")

    def __init__(self, cells: Iterable[int] = ()) -> None:
        self._few: dict[int, int] = {}  # register -> value, until there are too many
        self._registers: bytearray | None = None
        self.add(cells)

    def add(self, cells: Iterable[int]) -> bool:
        """Take in what `cell` gave of each one; whether that changed anything."""
        changed = False
        registers: dict[int, int] | bytearray = self._few if self._registers is None else self._registers
        for one in cells:
            register, value = one >> 6, one & 63
            if registers is self._few:
                if value > self._few.get(register, 0):
                    self._few[register] = value
                    changed = True
                    if len(self._few) > _FEW:
                        registers = self._widened()
            elif value > registers[register]:
                registers[register] = value
                changed = True
        return changed

    def merge(self, other: Sketch) -> bool:
        """Become the sketch of both sets' union: of each register the higher value. Whether that changed anything."""
        if other._registers is None:
            return self.add(other.cells())
        mine = self._widened()
        united = bytearray(map(max, mine, other._registers))
        changed = united != mine
        self._registers = united
        return changed

    def cells(self) -> list[int]:
        """The registers that are set, as `cell` writes them, in order."""
        if self._registers is None:
            return sorted(register << 6 | value for register, value in self._few.items())
        return [register << 6 | value for register, value in enumerate(self._registers) if value]

    def count(self) -> int:
        """About how many different ones were added."""
        values = list(self._few.values()) if self._registers is None else list(self._registers)
        numbers = [0] * (_MOST + 1)
        for value in values:
            numbers[value] += 1
        numbers[0] += REGISTERS - len(values)
        if numbers[0] == REGISTERS:
            return 0
        if numbers[_MOST] == REGISTERS:  # no estimate is high enough: all numbers there are
            return 1 << 64
        z = REGISTERS * _tau(1 - numbers[_MOST] / REGISTERS)
        for value in range(_BITS, 0, -1):
            z = 0.5 * (z + numbers[value])
        z += REGISTERS * _sigma(numbers[0] / REGISTERS)
        return round(REGISTERS * REGISTERS / (2 * math.log(2)) / z)

    def encode(self) -> bytes:
        """As few bytes as it takes: 4 for one visitor, at most about 1,900 for many."""
        if self._registers is not None and REGISTERS - self._registers.count(0) > _SCATTERED:
            return _DENSE + zlib.compress(self._registers, 1)
        packed = bytearray(_SPARSE)
        last = 0
        for one in self.cells():  # the distances, seven bits a byte, the lowest first; the last has its high bit clear
            step, last = one - last, one
            while step > 0x7F:
                packed.append(step & 0x7F | 0x80)
                step >>= 7
            packed.append(step)
        return bytes(packed)

    @classmethod
    def decode(cls, encoded: bytes) -> Self:
        """What `encode` wrote; ValueError where it is something else."""
        kind, content = encoded[:1], encoded[1:]
        made = cls()
        if kind == _SPARSE:
            made.add(_checked(_unpacked(content)))
        elif kind == _DENSE:
            unpacker = zlib.decompressobj()
            try:
                registers = unpacker.decompress(content, REGISTERS + 1)
            except zlib.error as error:
                raise ValueError(f"a damaged sketch: {error}") from None
            if len(registers) != REGISTERS or max(registers) > _MOST or not unpacker.eof or unpacker.unused_data:
                raise ValueError("a damaged sketch: not its registers")
            made._registers = bytearray(registers)
        else:
            raise ValueError(f"no sketch: begins with {kind!r}")
        return made

    def __eq__(self, other: object) -> bool:
        return self.cells() == other.cells() if isinstance(other, Sketch) else NotImplemented

    __hash__ = None  # type: ignore[assignment]  # it changes

    def __repr__(self) -> str:
        return f"<Sketch of about {self.count()}>"

    def _widened(self) -> bytearray:
        if self._registers is None:
            self._registers = bytearray(REGISTERS)
            for register, value in self._few.items():
                self._registers[register] = value
            self._few = {}
        return self._registers


def people(sketches: Iterable[tuple[bytes, Sketch]]) -> int:
    """About how many there are in several sketches, each told with the id of the key that it was made under.

    Sketches under one key are united. Under another one the same people look like others: then it is the highest of
    the numbers under each key, so that nobody is counted twice.
    """
    united: dict[bytes, Sketch] = {}
    for key, sketch in sketches:
        united.setdefault(key, Sketch()).merge(sketch)
    return max((one.count() for one in united.values()), default=0)


def _unpacked(content: bytes) -> list[int]:
    cells, last, step, shift = [], 0, 0, 0
    for byte in content:
        step |= (byte & 0x7F) << shift
        shift += 7
        if shift > 21:
            raise ValueError("a damaged sketch: no such register")
        if byte < 0x80:
            last += step
            cells.append(last)
            step = shift = 0
    if shift:
        raise ValueError("a damaged sketch: cut off")
    return cells


def _checked(cells: list[int]) -> list[int]:
    if cells and (cells[-1] >> 6 >= REGISTERS or not all(0 < one & 63 <= _MOST for one in cells)):
        raise ValueError("a damaged sketch: no such register")
    return cells


def _sigma(x: float) -> float:
    if x == 1:
        return math.inf
    y, z = 1.0, x
    while True:
        x *= x
        last = z
        z += x * y
        y += y
        if z == last:
            return z


def _tau(x: float) -> float:
    if x in (0, 1):
        return 0.0
    y, z = 1.0, 1 - x
    while True:
        x = math.sqrt(x)
        last = z
        y *= 0.5
        z -= (1 - x) ** 2 * y
        if z == last:
            return z / 3
