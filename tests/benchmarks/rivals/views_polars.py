"""The same as views.awk as a Polars query over all cores: views_polars.py LOG"""

import sys

import polars as pl

cut = (
    pl.scan_csv(sys.argv[1], has_header=False, separator="\x01", quote_char=None, new_columns=["line"])
    .select(pl.col("line").str.splitn('"', 7).alias("part"))
    .unnest("part")
    .select(
        day=pl.col("field_0").str.extract(r"\[([^:]+):"),
        minute=pl.col("field_0").str.extract(r"\[[^:]+:(\d\d:\d\d)"),
        status=pl.col("field_2").str.slice(1, 3),
        size=pl.col("field_2").str.slice(5).str.strip_chars().cast(pl.Int64, strict=False),
        method=pl.col("field_1").str.extract(r"^(\S+) "),
        page=pl.col("field_1").str.extract(r"^\S+ ([^\s?]+)"),
        source=pl.col("field_3").str.extract(r"^[a-z]+://([^/]+)"),
        program=pl.col("field_5").str.to_lowercase().str.contains("bot|crawl|spider|curl|slurp"),
    )
    .collect(engine="streaming")
)
cut.group_by("day", "status").len()
cut.group_by("day").agg(pl.col("size").sum())
cut.group_by("day", "minute").len()
asked = cut.filter(
    (pl.col("method") == "GET")
    & pl.col("status").is_in(["200", "201", "202", "203", "204", "205", "304"])
    & ~pl.col("page").str.contains(r"\.(css|js|png|jpe?g|gif|svg|ico|woff2?)$")
)
views = asked.filter(~pl.col("program")).group_by("day", "page").len()
asked.filter(pl.col("program")).group_by("day", "page").len()
asked.filter(~pl.col("program") & pl.col("source").is_not_null()).group_by("day", "page", "source").len()
print(views["len"].sum(), "views on", views.height, "pages")
