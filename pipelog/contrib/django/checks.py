"""What `manage.py check` says of pipelog."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.apps import apps
from django.core.checks import CheckMessage, Error, Info, Warning

from pipelog import plugins
from pipelog.config import Settings
from pipelog.contrib.django import numbers, objects
from pipelog.contrib.django.reading import HitsMixin
from pipelog.contrib.django.setting import own
from pipelog.counting.pages import PageNamer
from pipelog.errors import PipelogError, SettingsError
from pipelog.queries import Hits
from pipelog.shortcuts import process


def check_settings(**_: Any) -> list[CheckMessage]:
    """E001: a setting is bad, or the resolver cannot be loaded."""
    try:
        rules = process.settings().counting
        for each in (rules, *rules.sites.values()):
            PageNamer(each)
    except PipelogError as error:
        return [Error(_line(error), hint="See docs/settings.md of pipelog.", id="pipelog.E001")]
    return []


def check_objects(**_: Any) -> list[CheckMessage]:
    """E002: a wrong entry in `PIPELOG["objects"]`; E003, W002, I001: models with `HitsMixin` that have no hits."""
    try:
        return list(_objects())
    except SettingsError:
        return []  # E001 tells of it


def _objects() -> Iterator[CheckMessage]:
    resolves = process.settings().counting.resolver
    views = list(objects.views())
    targets = []
    for name, view in views:
        try:
            target = objects.target_of(name, view)
            if target:
                targets.append(target)
        except SettingsError as error:
            yield Error(_line(error), id="pipelog.E002")
    for name in own("objects").keys() - {name for name, _ in views}:
        yield Error(f"PIPELOG['objects']: the URLconf has no name {name!r}.", id="pipelog.E002")
    found = [model for model in apps.get_models() if issubclass(model, HitsMixin)]
    for model in found:
        if not hasattr(model, "get_absolute_url"):
            yield Error(
                f"{model._meta.label} has HitsMixin, but no get_absolute_url: it has no page.",
                obj=model,
                id="pipelog.E003",
            )
        elif resolves == numbers.RESOLVER and not any(objects.shows(target, model) for target in targets):
            yield Warning(
                f"No URL is known to show {model._meta.label}: its hits are those of its present address.",
                hint="Name the URL in PIPELOG['objects'].",
                obj=model,
                id="pipelog.W002",
            )
    if found and not resolves:
        yield Info(
            "No resolver is set: an object whose address changes loses its hits.",
            hint=f"Set resolver = {numbers.RESOLVER!r}, for the logger, too.",
            id="pipelog.I001",
        )


def check_stores(**_: Any) -> list[CheckMessage]:
    """W001: a store does not answer, or not as it is. Pages are shown all the same."""
    try:
        settings = process.settings()
    except PipelogError:
        return []
    found: list[CheckMessage] = []
    for kind, ask in (("backend", _ask_backend), ("sink", _ask_sink)):
        try:
            ask(settings)
        except PipelogError as error:
            found.append(
                Warning(f"The {kind} cannot be asked: {_line(error)}", hint="Pages show no hits.", id="pipelog.W001")
            )
    return found


def _ask_backend(settings: Settings) -> None:
    with plugins.backend(settings.backend) as backend:
        Hits(counters=backend, history=None, prefix=settings.prefix).today("/")


def _ask_sink(settings: Settings) -> None:
    with plugins.sink(settings.sink) as sink:
        sink.days()


def _line(error: Exception) -> str:
    return " ".join(str(error).split())
