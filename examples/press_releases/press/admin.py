"""Where the owner writes releases; the list shows their hits, from one round trip."""

from typing import Any

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList

from pipelog.contrib.django import prefetch_hits
from press.models import Release


class ReleaseList(ChangeList):
    """The list with its hits fetched ahead."""

    def get_results(self, request: Any) -> None:
        super().get_results(request)
        prefetch_hits(self.result_list)


@admin.register(Release)
class ReleaseAdmin(admin.ModelAdmin):
    """Releases with their hits."""

    list_display = ("title", "published", "hits_today", "hits")
    prepopulated_fields = {"slug": ("title",)}  # noqa: RUF012  (as Django wants it)

    def get_changelist(self, request: Any, **kwargs: Any) -> type[ChangeList]:
        return ReleaseList
