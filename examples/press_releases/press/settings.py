"""Django's settings. `PRESS_FOLDER` is where everything lives that is not code; /srv/press on a server."""

import os
from pathlib import Path

HERE = Path(__file__).parent
FOLDER = Path(os.environ.get("PRESS_FOLDER", "/srv/press"))

PIPELOG = {"config": FOLDER / "pipelog.toml"}

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.humanize",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "pipelog.contrib.django",
    "press",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": FOLDER / "site.db"}}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
ROOT_URLCONF = "press.urls"
WSGI_APPLICATION = "press.wsgi.application"
STATIC_URL = "/static/"
STATIC_ROOT = FOLDER / "static"
LANGUAGE_CODE = "en-gb"
USE_THOUSAND_SEPARATOR = True
TIME_ZONE = "UTC"
USE_TZ = True
ALLOWED_HOSTS = ["www.example.org", "localhost", "127.0.0.1"]
# Made once, kept with the data: sessions outlive a restart, and the secret is in no repository.
SECRET_KEY = (FOLDER / "secret").read_text() if (FOLDER / "secret").exists() else "only until there is a secret"
