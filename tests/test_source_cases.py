"""Referrers that others have collected, with the answers of their lists: we agree, or say why not."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest
from shared_data import cases, needs_shared

from pipelog.counting.keywords import NOT_PROVIDED, searched, tidy
from pipelog.counting.referrers import source

pytestmark = needs_shared

NAMES = ["real_search_referrers_open", "ref_inspector", "segmentio_inbound"]

# Their words -> ours.
MEDIA = {"email": "mail", "link": "site", "unknown": "site"}
SAME = {"twitter": "x", "gmail": "gmail", "hotmail": "outlook"}

SECTION = "a part of the engine (images, site search) counts under the engine's name"
RENAMED = "an engine of its own name, which they count under its owner's"
LATER = "newer than their lists: Google in Myanmar"
GONE = "closed for years: counts under its host"
PLACE = "they have a medium for places; here it is what the host is, and most are a site"
AD = "an advertisement cannot be told by the host; `utm_medium` tells it"
OWN = "what is the site's own is not told by a referrer alone; `Judge` knows the sites"
NO_ADDRESS = "no web address is like no referrer"
TWO = "they know the landing page, which is Google's, too; a referrer alone is Google"

#: case -> why we differ
DIFFERENT = {
    **dict.fromkeys((f"real-ref-open-{n:04}" for n in (29, 46, 114, 122, 167, 316)), SECTION),
    "real-ref-open-0207": LATER,
    "real-ref-open-0353": RENAMED,
    **dict.fromkeys(("ref_inspector-0002", "ref_inspector-0009"), SECTION),
    **dict.fromkeys((f"segmentio_inbound-{n:04}" for n in (6, 8)), GONE),
    "segmentio_inbound-0022": NO_ADDRESS,
    **dict.fromkeys((f"segmentio_inbound-{n:04}" for n in (32, 37)), OWN),
    "segmentio_inbound-0034": TWO,
    **dict.fromkeys((f"segmentio_inbound-{n:04}" for n in range(46, 57)), PLACE),
    **dict.fromkeys((f"segmentio_inbound-{n:04}" for n in (57, 58, 59)), AD),
}


class Answer(NamedTuple):
    medium: str
    name: str  #: lower-case; of a mere site ""
    words: str


def ours(referrer: str | None) -> Answer:
    found = source(referrer)
    if not found:
        return Answer("direct", "", "")
    words = searched(found)
    return Answer(
        found.medium,
        "" if found.medium == "site" else found.name.lower(),
        "" if words in (None, NOT_PROVIDED) else words,
    )


def theirs(case: dict[str, Any]) -> Answer:
    expect = case["expect"]
    medium = expect.get("type") or expect.get("medium") or ("search" if expect["engine"] else "unknown")
    name = next((expect[k] for k in ("engine", "network", "client", "source") if expect.get(k)), "").lower()
    if medium == "email" and name not in SAME:
        name += " mail"
    words = next((expect[k] for k in ("keyword", "query", "term") if expect.get(k)), "")
    return Answer(MEDIA.get(medium, medium), SAME.get(name, name), tidy(words))


@pytest.mark.parametrize("name", NAMES)
def test_we_agree_with_others_but_for_what_is_listed(name: str) -> None:
    found = cases(name)
    differing = {case["id"] for case in found if ours(case["line"]) != theirs(case)}
    known = {case["id"] for case in found} & DIFFERENT.keys()
    assert differing == known
    assert len(differing) < len(found) / 2


def test_every_difference_is_of_a_case() -> None:
    assert DIFFERENT.keys() <= {case["id"] for name in NAMES for case in cases(name)}
