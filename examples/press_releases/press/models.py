"""Press releases."""

from django.db import models
from django.urls import reverse

from pipelog.contrib.django import HitsMixin


class Release(HitsMixin, models.Model):
    """Has `hits_today`, `hits` and `hits_daily`, whatever becomes of its slug."""

    title = models.CharField(max_length=120)
    slug = models.SlugField(unique=True, help_text="May change: the hits stay.")
    published = models.DateField()
    summary = models.CharField(max_length=300)
    body = models.TextField()

    class Meta:
        ordering = ("-published", "-pk")

    def __str__(self) -> str:
        return self.title

    def get_absolute_url(self) -> str:
        return reverse("release", args=[self.slug])
