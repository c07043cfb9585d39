"""`python -m pipelog`; see `pipelog.cli`."""

import sys

from pipelog.cli import main

if __name__ == "__main__":  # the processes of some executors import the main module, too
    sys.exit(main())
