"""The setting `PIPELOG`: pipelog's settings by their names, and a few of Django's own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.conf import settings

from pipelog.contrib.application import NAME
from pipelog.errors import SettingsError

OWN = {"default": "–", "objects": {}}
"""What `PIPELOG` holds besides pipelog's settings: what tags show when a store is down; URL names and their models."""


def own(name: str) -> Any:
    """One of the settings in `OWN`."""
    found = getattr(settings, NAME, {})
    return found.get(name, OWN[name]) if isinstance(found, Mapping) else OWN[name]


def given() -> Mapping[str, Any]:
    """Pipelog's settings in `PIPELOG`. `SettingsError` for a value of `OWN` that cannot be."""
    found = getattr(settings, NAME, {})
    if not isinstance(own("objects"), Mapping):
        raise SettingsError(f"{NAME}: objects is a dictionary of URL names, such as {{'release': 'press.Release'}}")
    return {name: found[name] for name in found if name not in OWN} if isinstance(found, Mapping) else found
