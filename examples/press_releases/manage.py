#!/usr/bin/env python3
"""Django's commands for this site, and pipelog's: `manage.py pipelog_rollup`, `manage.py pipelog top --by referrer`."""

import os
import sys

from django.core.management import execute_from_command_line

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "press.settings")
    execute_from_command_line(sys.argv)
