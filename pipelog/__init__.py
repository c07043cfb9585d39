"""pipelog: live and lasting hit numbers for a web site, from the web server's own log."""

__version__ = "0.1.0"
