"""Press releases by number, news by slug."""

from django.db import models
from django.urls import reverse

from pipelog.contrib.django import HitsMixin


class Release(HitsMixin, models.Model):
    title = models.CharField(max_length=100)

    def get_absolute_url(self) -> str:
        return reverse("release", args=[self.pk])


class ShortRelease(Release):
    class Meta:
        proxy = True


class News(HitsMixin, models.Model):
    slug = models.SlugField()
    year = models.IntegerField(default=2026)

    def get_absolute_url(self) -> str:
        return reverse("press:news", args=[self.slug])
