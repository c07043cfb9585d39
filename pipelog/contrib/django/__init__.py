"""pipelog for Django: numbers in templates and models, commands, checks, the live page. See docs/frameworks.md.

INSTALLED_APPS = [..., "pipelog.contrib.django"]
PIPELOG = {"config": "/etc/pipelog.toml"}
"""

from pipelog.contrib.django.numbers import ask
from pipelog.contrib.django.reading import HitsMixin, prefetch_hits

__all__ = ["HitsMixin", "ask", "prefetch_hits"]
