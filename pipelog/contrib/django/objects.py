"""From a path to the object whose page it is, by the URLconf: `app.model:pk`.

A `DetailView` says which model it shows. Other views are told of in `PIPELOG["objects"]`: the name of the URL, and the
model, whose fields the URL's arguments then are, or a function `module:function` of these arguments.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from importlib import import_module
from typing import Any, NamedTuple
from urllib.parse import unquote

from django.apps import apps
from django.conf import settings
from django.db import models
from django.urls import Resolver404, ResolverMatch, URLPattern, URLResolver, get_resolver, resolve
from django.utils.translation import get_language_from_path, override
from django.views.generic.detail import BaseDetailView, SingleObjectMixin
from django.views.generic.edit import DeletionMixin

from pipelog.contrib.django.setting import own
from pipelog.errors import SettingsError


class Target(NamedTuple):
    """What a URL leads to: objects of `model`, or what `find` makes of its arguments."""

    model: type[models.Model] | None
    find: Callable[..., Any] | None = None
    view: Any = None  #: the DetailView that says so


def page(path: str) -> str | None:
    """The page at a canonical path: `app.model:pk` where it shows one object, else the path. None for our own views.

    The live page asks for itself every other second, and a fragment is a part of a page.
    """
    match = _match(path)
    if match and "pipelog" in match.app_names:
        return None
    return _object(match, None) or path


def name(path: str, known: models.Model | None = None) -> str | None:
    """`app.model:pk` of the object at a canonical path, None where there is none.

    `known`: the object that is expected there. Then the database is not asked, and the answer is None where it would
    have to be.
    """
    return _object(_match(path), known)


def _object(match: ResolverMatch | None, known: models.Model | None) -> str | None:
    target = match and target_of(match.view_name, match.func)
    if not match or not target:
        return None
    if target.model:
        return _find(target.model, target.view, match.kwargs, known)
    if known is not None or not target.find:
        return None
    found = target.find(*match.args, **match.kwargs)
    return None if found is None else _name(type(found), found.pk)


def shows(target: Target, model: type[models.Model]) -> bool:
    """Whether objects of a model may be at what a URL leads to."""
    return target.model is None or issubclass(_concrete(model), _concrete(target.model))


def target_of(view_name: str, view: Any) -> Target | None:
    """What the URL of a view leads to. Raises `SettingsError` for a bad entry in `PIPELOG["objects"]`."""
    named = own("objects").get(view_name)
    if named is not None:
        return _named(str(named))
    shown = getattr(view, "view_class", None)
    # An UpdateView is no BaseDetailView, a DeleteView is one; nobody reads the object there.
    if not isinstance(shown, type) or not issubclass(shown, BaseDetailView) or issubclass(shown, DeletionMixin):
        return None
    made = shown(**getattr(view, "view_initkwargs", {}))
    model = made.model or getattr(made.queryset, "model", None)
    return Target(model, view=made) if model else None


def _named(text: str) -> Target:
    try:
        if ":" in text:
            module, _, function = text.partition(":")
            return Target(None, getattr(import_module(module), function))
        return Target(apps.get_model(text))
    except (ImportError, AttributeError, LookupError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise SettingsError(f"PIPELOG['objects']: {text!r}: {reason}; give app.Model or module:function") from error


def views() -> Iterator[tuple[str, Any]]:
    """Each URL's name, with its namespaces, and its view."""
    yield from _views(get_resolver(settings.ROOT_URLCONF), ())


def _views(resolver: URLResolver, namespaces: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
    for pattern in resolver.url_patterns:
        if isinstance(pattern, URLPattern):
            yield ":".join((*namespaces, pattern.name or pattern.lookup_str)), pattern.callback
        else:
            yield from _views(pattern, (*namespaces, pattern.namespace) if pattern.namespace else namespaces)


def _match(path: str) -> ResolverMatch | None:
    path = unquote(path.partition("?")[0])
    prefix = (settings.FORCE_SCRIPT_NAME or "").rstrip("/")
    if prefix and path.startswith(prefix + "/"):
        path = path.removeprefix(prefix)
    language = get_language_from_path(path)
    with override(language) if language else nullcontext():
        # Where the rules strip slashes, or APPEND_SLASH adds them, the address is the one with a slash.
        for candidate in (path, path + "/"):
            try:
                return resolve(candidate, settings.ROOT_URLCONF)
            except Resolver404:
                pass
    return None


def _find(
    model: type[models.Model],
    view: SingleObjectMixin[Any] | None,
    arguments: dict[str, Any],
    known: models.Model | None,
) -> str | None:
    key = arguments.get(view.pk_url_kwarg) if view else arguments.get("pk")
    if key is not None:
        return _name(model, model._meta.pk.to_python(key))
    if view:
        slug = arguments.get(view.slug_url_kwarg)
        if slug is None:
            return None
        arguments = {view.get_slug_field(): slug}
    if known is not None:
        fits = isinstance(known, _concrete(model)) and all(
            str(getattr(known, field, None)) == str(value) for field, value in arguments.items()
        )
        return _name(model, known.pk) if fits else None
    found = list(model._base_manager.filter(**arguments).values_list("pk", flat=True)[:2])
    return _name(model, found[0]) if len(found) == 1 else None


def _name(model: type[models.Model], key: object) -> str:
    return f"{_concrete(model)._meta.label_lower}:{key}"


def _concrete(model: type[models.Model]) -> type[models.Model]:
    return model._meta.concrete_model or model
