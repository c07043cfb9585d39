"""The live page: one WSGI application, read-only, to be served by `pipelog serve` or mounted in another application.

`application` is configured by the environment and /etc/pipelog.toml at its first request; `make_application` by what
it is given. Both need the extra: pip install 'pipelog-httpd[web]'.
"""

from pipelog.web.wsgi import LivePage, application, make_application

__all__ = ["LivePage", "application", "make_application"]
