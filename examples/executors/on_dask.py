"""A rollup on a Dask cluster: `pipelog rollup … --executor on_dask:executor`, this folder on PYTHONPATH.

The cluster is that of $DASK_SCHEDULER_ADDRESS; without it one is made of this machine's cores.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager

from distributed import Client


@contextmanager
def executor() -> Iterator[Executor]:
    """Tasks of a rollup are told apart by their arguments alone, so Dask must not take one for another's answer."""
    with Client(dashboard_address=None) as client, client.get_executor(pure=False) as made:  # type: ignore[no-untyped-call, unused-ignore]
        yield made
