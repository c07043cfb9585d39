"""pipelog inside of web frameworks: their settings, their templates, their commands."""
