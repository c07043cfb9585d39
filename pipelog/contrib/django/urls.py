"""`path("pipelog/", include("pipelog.contrib.django.urls"))`."""

from django.urls import path, re_path

from pipelog.contrib.django import views

app_name = "pipelog"
urlpatterns = [
    path("fragment/", views.fragment, name="fragment"),
    re_path(r"^live/(?P<path>.*)$", views.live, name="live"),
]
