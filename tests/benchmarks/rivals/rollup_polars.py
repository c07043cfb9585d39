"""The rollup's job as a Polars query over all cores: rollup_polars.py access.log; the sums as JSON."""

import json
import sys

import polars as pl

ASSETS = r"\.(css|js|json|png|jpe?g|gif|webp|svg|ico|ttf|woff2?|gz|zip)$|^/robots\.txt$"
line = pl.col("line")
parts = (
    pl.scan_csv(
        sys.argv[1], has_header=False, separator="\x01", quote_char=None, new_columns=["line"], encoding="utf8-lossy"
    )
    .select(line.str.splitn('"', 7).alias("part"))
    .unnest("part")
    .rename(
        {f"field_{n}": name for n, name in enumerate(["head", "request", "answer", "referrer", "_", "agent", "__"])}
    )
    .filter(pl.col("agent").is_not_null())
    .select(
        day=pl.col("head").str.extract(r"\[([^:\]]+)"),
        minute=pl.col("head").str.extract(r"\[[^:\]]+:(\d\d:\d\d)"),
        status=pl.col("answer").str.extract(r"^ (\d{3}) "),
        sent=pl.col("answer").str.extract(r"(\d+) $").cast(pl.Int64),
        method=pl.col("request").str.extract(r"^(\S+) \S+ \S+$"),
        path=pl.col("request").str.extract(r"^\S+ ([^ ?]+)\S* \S+$"),
        host=pl.col("referrer").str.extract(r"^https?://([^/]+)"),
        program=pl.col("agent").str.to_lowercase().str.contains("bot|crawl|spider|slurp|curl"),
    )
    .collect(engine="streaming")
)
by_status = parts.group_by("day", "status").len()
by_day = parts.group_by("day").agg(pl.col("sent").sum())
asked = parts.filter((pl.col("method") == "GET") & ~pl.col("path").str.contains(ASSETS))
missing = asked.filter(pl.col("status") == "404").group_by("day", "path").len()
shown = asked.filter(pl.col("status").str.contains("^(20[0-5]|304)$"))
programs = shown.filter("program").group_by("day", "path").len()
viewed = shown.filter(~pl.col("program"))
minutes = viewed.group_by("day", "minute").len()
views = viewed.group_by("day", "path").len()
referrers = viewed.filter(pl.col("host").is_not_null()).group_by("day", "path", "host").len()
print(json.dumps({"views": views["len"].sum(), "pages": views.height}))
