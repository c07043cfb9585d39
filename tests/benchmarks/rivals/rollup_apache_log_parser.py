"""The rollup's job with apache-log-parser: rollup_apache_log_parser.py access.log; the sums as JSON."""

import sys
from urllib.parse import urlsplit

import apache_log_parser
from tally import Tally

parse = apache_log_parser.make_parser('%h %l %u %t "%r" %>s %b "%{Referer}i" "%{User-Agent}i"')
tally = Tally()
with open(sys.argv[1], encoding="utf-8", errors="replace") as log:
    for line in log:
        try:
            row = parse(line)
        except apache_log_parser.LineDoesntMatchException:
            continue
        if "request_url_path" not in row:
            continue
        time, sent, referrer = (
            row["time_received_datetimeobj"],
            row["response_bytes_clf"],
            row["request_header_referer"],
        )
        tally.add(
            time.strftime("%Y-%m-%d"),
            time.strftime("%H:%M"),
            row["request_method"],
            row["request_url_path"],
            int(row["status"]),
            0 if sent == "-" else int(sent),
            "" if referrer == "-" else urlsplit(referrer).netloc,
            row["request_header_user_agent"],
        )
print(tally.told())
