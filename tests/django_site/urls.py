"""Every kind of URL that a resolver meets."""

from django.conf.urls.i18n import i18n_patterns
from django.http import HttpRequest, HttpResponse
from django.urls import include, path
from django.views.generic import DeleteView, DetailView, ListView, TemplateView, UpdateView

from django_site.models import News, Release, ShortRelease


def show(request: HttpRequest, **_: object) -> HttpResponse:
    return HttpResponse("a page")


def find_news(year: int, slug: str) -> News | None:
    return News.objects.filter(year=year, slug=slug).first()


press = [
    path("news/<slug:slug>/", DetailView.as_view(model=News), name="news"),
    path("archive/<int:year>/<slug:slug>/", show, name="archived"),
]
urlpatterns = [
    path("releases/", ListView.as_view(model=Release, template_name="list.html"), name="list"),
    path("releases/<int:pk>/", DetailView.as_view(model=Release, template_name="release.html"), name="release"),
    path("releases/<int:pk>/edit/", UpdateView.as_view(model=Release, fields=["title"])),
    path("releases/<int:pk>/delete/", DeleteView.as_view(model=Release)),
    path("r/<int:pk>", DetailView.as_view(queryset=ShortRelease.objects.all()), name="short"),
    path("all/<slug:title>/", show, name="by-title"),
    path("", include((press, "press"))),
    path("cached/", TemplateView.as_view(template_name="cached.html")),
    path("pipelog/", include("pipelog.contrib.django.urls")),
    *i18n_patterns(path("mitteilung/<int:pk>/", DetailView.as_view(model=Release), name="translated")),
]
