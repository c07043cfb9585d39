"""From bytes to records: log formats, and the values that httpd writes.

LogFormat("combined").parse(line) -> Record
LogFormat("combined").columns(chunk) -> Columns
"""

from __future__ import annotations

from pipelog.parsing.clf import clf_time, escape, parse_clf_time, split_request, text
from pipelog.parsing.columns import Columns
from pipelog.parsing.logformat import NICKNAMES, LogFormat

__all__ = ["NICKNAMES", "Columns", "LogFormat", "clf_time", "escape", "parse_clf_time", "split_request", "text"]
