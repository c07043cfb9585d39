"""The Django application `pipelog`."""

from __future__ import annotations

from typing import Any

from django.apps import AppConfig
from django.core.checks import register
from django.core.signals import setting_changed

from pipelog.contrib.application import NAME


class PipelogConfig(AppConfig):
    """Has `pipelog.hits_today` and everything else in this process ask where the setting `PIPELOG` says."""

    name = "pipelog.contrib.django"
    label = "pipelog"
    verbose_name = "pipelog"

    def ready(self) -> None:
        from pipelog.contrib.django import checks, numbers

        numbers.configure()
        register(checks.check_settings, "pipelog")
        register(checks.check_objects, "pipelog")
        register(checks.check_stores, "pipelog")
        setting_changed.connect(_changed, dispatch_uid="pipelog")


def _changed(*, setting: str, **_: Any) -> None:
    """Tests override settings."""
    if setting == NAME:
        from pipelog.contrib.django import numbers

        numbers.configure()
