"""The logger that one writes first: a line, a match, an `incr`. incr_logger.py HOST:PORT <LOG"""

import re
import sys

from pymemcache.client.base import Client

LINE = re.compile(rb'"GET ([^ ?"]+)[^"]*" (?:20[0-5]|304) ')
client = Client(sys.argv[1], no_delay=True)  # else each new page waits 40 ms for an acknowledgement
for line in sys.stdin.buffer:
    match = LINE.search(line)
    if match and client.incr(match[1], 1) is None:
        client.add(match[1], b"1")
