"""Pages of the documentation with a part that a program writes, between two marks."""

from __future__ import annotations

from pathlib import Path

END = "<!-- Up to here. -->\n"


def begin(command: str) -> str:
    """The line above the part that a command makes."""
    return f"<!-- Made by: {command} -->\n"


def replace(path: Path, command: str, text: str) -> None:
    """Put text between the marks of a file; `ValueError` where they are missing."""
    before, mark, rest = path.read_text("utf-8").partition(begin(command))
    _, end, after = rest.partition(END)
    if not mark or not end:
        raise ValueError(f"{path} lacks the lines {begin(command)!r} and {END!r}; the tables go between them")
    path.write_text(before + mark + text + end + after, "utf-8")


def part(path: Path, command: str) -> str:
    """What stands between the marks."""
    return path.read_text("utf-8").partition(begin(command))[2].partition(END)[0]
