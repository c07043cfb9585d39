"""From bytes to records: log formats, and the values that httpd writes.

LogFormat("combined").parse(line) -> Record
LogFormat("combined").columns(chunk) -> Columns
"""
