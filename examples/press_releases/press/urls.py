"""A release has two addresses: the one with its slug, and a short one for print and mail."""

from django.contrib import admin
from django.urls import include, path

from press import views

urlpatterns = [
    path("", views.ReleaseListView.as_view(), name="home"),
    path("releases/<slug:slug>/", views.ReleaseView.as_view(), name="release"),
    path("r/<int:pk>/", views.ReleaseView.as_view(), name="short"),
    path("search/", views.search, name="search"),
    path("owner/", views.owner, name="owner"),
    path("pipelog/", include("pipelog.contrib.django.urls")),
    path("admin/", admin.site.urls),
]
