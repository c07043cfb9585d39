"""`pipelog status`: how the intake is doing, while it runs."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from typing import Any

from pipelog.cli.options import parser, settings_of
from pipelog.config import Settings
from pipelog.intake.journal import behind
from pipelog.intake.status import alive, read_status
from pipelog.printable import printable

# name -> (Prometheus type, what it is); see prometheus.io/docs/instrumenting/exposition_formats, "Text-based format".
METRICS = {
    "lines": ("counter", "lines read since the journal began"),
    "counted": ("counter", "lines that were read as log lines"),
    "bad": ("counter", "lines that do not match the format"),
    "too_long": ("counter", "lines over 128 KiB, left out"),
    "unwritten": ("counter", "lines counted, but not kept: the journal could not be written"),
    "quarantined": ("counter", "lines put aside because they ended workers"),
    "over_caps": ("counter", "counts of names over the caps, kept as (other)"),
    "restarts": ("counter", "workers that had to be replaced since httpd started this logger"),
    "behind_bytes": ("gauge", "bytes of the journal that are not counted yet"),
    "behind_seconds": ("gauge", "seconds since everything was counted; 0 when all is"),
    "last_commit": ("gauge", "when counts were last written, seconds since the epoch"),
    "healing": ("gauge", "1 while a store that lost its memory is filled again"),
    "running": ("gauge", "1 while a worker is there"),
}


def run(arguments: Sequence[str]) -> int:
    """Print the status; 1 where there is none or lines wait and no worker is there to count them."""
    made = parser(
        "status",
        "How the intake is doing: lines read, counted and bad, how far the counting is behind.",
        "pipelog status --output prometheus >/var/lib/node_exporter/pipelog.prom.new",
    )
    made.add_argument("--output", choices=("table", "json", "prometheus"), default="table")
    options = made.parse_args(arguments)
    settings = settings_of(options)
    found = numbers(settings)
    if found is None:
        nothing = printable(f"nothing is counted yet in {settings.state}")
        print({"table": nothing, "json": "{}", "prometheus": f"# {nothing}"}[options.output])
        return 1
    if options.output == "json":
        print(json.dumps(found, indent=1))
    elif options.output == "prometheus":
        print(_prometheus(found), end="")
    else:
        print(_table(found), end="")
    return int(bool(found["behind_bytes"]) and not found["running"])


def numbers(settings: Settings) -> dict[str, Any] | None:
    """Every metric, and `source`, `position` and the first `bad_places`; None where nothing is counted yet."""
    status = read_status(settings.state)
    if status is None:
        return None
    left = behind(settings.state, status.position)
    totals = status.totals
    return {
        "source": status.source,
        "over_caps": 0,  # a status of before there was such a number
        **totals,
        "counted": totals["lines"] - totals["bad"],
        "restarts": status.restarts,
        "behind_bytes": left,
        "behind_seconds": round(max(0.0, time.time() - status.time), 3) if left else 0.0,
        "last_commit": status.time,
        "healing": status.healing,
        "running": alive(status.pid),
        "position": list(status.position),
        "bad_places": status.bad_places,
    }


def _table(found: dict[str, Any]) -> str:
    ago = time.time() - found["last_commit"]
    shown = {
        "source": printable(found["source"]),
        "worker": "running" if found["running"] else "none is running",
        **{name: f"{found[name]:,}" for name in METRICS if METRICS[name][0] == "counter"},
        "behind": f"{found['behind_bytes']:,} bytes, {found['behind_seconds']:,.1f} s",
        "last commit": f"{ago:,.1f} s ago" + (", filling a store that lost its memory" if found["healing"] else ""),
    }
    lines = [f"{name.replace('_', ' '):12} {value}\n" for name, value in shown.items()]
    return "".join(lines) + "".join(f"bad line     {printable(place)}\n" for place in found["bad_places"])


def _prometheus(found: dict[str, Any]) -> str:
    source = printable(found["source"]).replace("\\", r"\\").replace('"', r"\"")
    text = ""
    for name, (kind, words) in METRICS.items():
        full = f"pipelog_{name}" + ("_total" if kind == "counter" else "")
        text += f'# HELP {full} {words}\n# TYPE {full} {kind}\n{full}{{source="{source}"}} {float(found[name]):.15g}\n'
    return text
