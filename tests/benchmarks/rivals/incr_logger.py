"""One `incr` a line, as one would write it first: incr_logger.py HOST:PORT PREFIX < access.log; the sums as JSON."""

import json
import re
import sys

from pymemcache.client.base import Client

LINE = re.compile(
    rb'\S+ \S+ .*?\[(\d\d/\w{3}/\d{4}):[^\]]+\] "GET ([^ ?"]+)\S* [^" ]+" (20[0-5]|304) \S+ "[^"]*" "([^"]*)"'
)
ASSETS = re.compile(rb"\.(?:css|js|json|png|jpe?g|gif|webp|svg|ico|ttf|woff2?|gz|zip)$|^/robots\.txt$")
PROGRAMS = re.compile(rb"bot|crawl|spider|slurp|curl", re.I)

host, _, port = sys.argv[1].rpartition(":")
prefix = sys.argv[2].encode()
client = Client((host, int(port)), default_noreply=False)
views, pages = 0, 0
for line in sys.stdin.buffer:
    found = LINE.match(line)
    if found and not ASSETS.search(found[2]) and not PROGRAMS.search(found[4]):
        key = prefix + b"|" + found[1] + b"|" + found[2]
        if client.incr(key, 1) is None:
            client.add(key, b"1")
            pages += 1
        views += 1
print(json.dumps({"views": views, "pages": pages}))
