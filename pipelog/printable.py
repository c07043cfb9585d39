"""Text that may reach a terminal or an error log."""

from __future__ import annotations


def printable(text: str) -> str:
    """Text with nothing left in it that acts: controls, bidirectional marks and undecodable bytes stand as escapes."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
