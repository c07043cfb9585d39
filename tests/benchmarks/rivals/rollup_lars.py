"""The rollup's job with lars: rollup_lars.py access.log; the sums as JSON."""

import sys
import warnings

from lars import apache
from tally import Tally

warnings.simplefilter("ignore")  # one for each line that it cannot read
tally = Tally()
with open(sys.argv[1], encoding="utf-8", errors="replace") as log, apache.ApacheSource(log, apache.COMBINED) as source:
    for row in source:
        request, time = row.request, row.time
        if request is None or request.url is None:
            continue
        tally.add(
            time.strftime("%Y-%m-%d"),
            time.strftime("%H:%M"),
            request.method,
            request.url.path_str,
            row.status,
            row.size or 0,
            row.req_Referer.hostname or "" if row.req_Referer else "",
            row.req_User_agent or "",
        )
print(tally.told())
