"""The setting `resolver` for Django sites: `pipelog.contrib.django.resolver:resolve`.

The logger and the rollup import this without any Django server: $DJANGO_SETTINGS_MODULE says which site it is, and
Python must find it ($PYTHONPATH). What is missing is said when this is imported, not line by line.
"""

from __future__ import annotations

import django
from django.apps import apps
from django.conf import settings
from django.db import close_old_connections

from pipelog.contrib.django import objects
from pipelog.contrib.machine import kept_time

_ALONE = not apps.ready and not apps.loading
if _ALONE:
    # Loading the settings makes TIME_ZONE this process's, whose log files are named by the machine's.
    with kept_time():
        settings.is_overridden("TIME_ZONE")
    django.setup(set_prefix=False)


def resolve(path: str) -> str | None:
    """The page at a canonical path, see `objects.page`."""
    if not _ALONE:
        return objects.page(path)
    # Nobody else ends connections that the database has closed over night.
    close_old_connections()
    try:
        return objects.page(path)
    finally:
        close_old_connections()
