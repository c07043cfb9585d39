"""`python -m pipelog`."""

import sys

from pipelog.cli import main

sys.exit(main())
