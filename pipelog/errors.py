"""What can go wrong: one root, and leaves that are also the built-in error a caller would expect.

Every message is one line that says what is wrong and what to do about it.
"""

from __future__ import annotations


class PipelogError(Exception):
    """Root of every error that pipelog raises on purpose."""


class SettingsError(PipelogError, ValueError):
    """A setting is unknown or has a value that cannot be used."""


class LocationError(PipelogError, ValueError):
    """A backend or sink URL that cannot be understood. The message never repeats a password."""


class PluginError(PipelogError, LookupError):
    """No implementation for a URL's scheme, or its driver is not installed."""


class FormatError(PipelogError, ValueError):
    """A LogFormat string that httpd would refuse or pipelog cannot parse.

    `position` is the index in the format string (characters, from 0) at which the faulty directive begins.
    """

    def __init__(self, reason: str, format: str, position: int) -> None:
        super().__init__(f"bad log format {format!r}: {reason} at position {position}")
        self.reason = reason
        self.format = format
        self.position = position

    def __reduce__(self) -> tuple[type[FormatError], tuple[str, str, int]]:
        return FormatError, (self.reason, self.format, self.position)


class LineError(PipelogError, ValueError):
    """A log line that does not match its format. `position` is the byte offset up to which it did."""

    def __init__(self, reason: str, line: bytes, position: int) -> None:
        super().__init__(f"{reason} at byte {position} of {line[:200]!r}")
        self.reason = reason
        self.line = line
        self.position = position

    def __reduce__(self) -> tuple[type[LineError], tuple[str, bytes, int]]:
        return LineError, (self.reason, self.line, self.position)


class StoreError(PipelogError, OSError):
    """A counter store or history that cannot be used as it is: no database, wrong version, not writable."""


class BackendUnavailable(PipelogError, ConnectionError):
    """The counter backend does not answer (now). What was to be counted is safe in the journal."""


class PartialDayError(PipelogError, ValueError):
    """A finished day was about to be replaced by one made from fewer lines. Nothing was changed."""


class LogFileError(PipelogError, OSError):
    """A log file that is absent, unreadable or damaged."""


class IntakeError(PipelogError, OSError):
    """The journal or the state folder cannot be used: not writable, unsafe, or taken by another.

    Made from a message, or from an errno and a message; either way it reads as the message alone.
    """

    def __str__(self) -> str:
        return str(self.args[-1])
