"""Views of each page by a parser of lines from PyPI, and nothing else: views_by_line.py lars|apache-log-parser LOG"""

import re
import sys
import warnings
from collections import Counter

ASSET = re.compile(r"\.(css|js|png|jpe?g|gif|svg|ico|woff2?)$")
PROGRAM = re.compile(r"bot|crawl|spider|curl|slurp", re.I)
VIEWED = {200, 201, 202, 203, 204, 205, 304}
library, path = sys.argv[1:]
views = Counter()
if library == "lars":
    from lars.apache import COMBINED, ApacheSource

    warnings.simplefilter("ignore")  # one a bad line
    with open(path, encoding="utf-8", errors="replace") as log, ApacheSource(log, COMBINED) as source:
        for row in source:
            request = row.request
            if not request or request.method != "GET" or row.status not in VIEWED:
                continue
            page = request.url.path_str
            if not ASSET.search(page) and not PROGRAM.search(row.req_User_agent or ""):
                views[page] += 1
else:
    import apache_log_parser

    parse = apache_log_parser.make_parser('%h %l %u %t "%r" %>s %b "%{Referer}i" "%{User-Agent}i"')
    with open(path, encoding="utf-8", errors="replace") as log:
        for line in log:
            try:
                row = parse(line)
            except apache_log_parser.LineDoesntMatchException:
                continue
            if row.get("request_method") != "GET" or int(row["status"]) not in VIEWED:
                continue
            page = row["request_url_path"]
            if not ASSET.search(page) and not PROGRAM.search(row["request_header_user_agent"]):
                views[page] += 1
print(views.total(), "views on", len(views), "pages")
