"""A rollup on a Ray cluster: `pipelog rollup … --executor on_ray:RayExecutor`, this folder on PYTHONPATH."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any

import ray


class RayExecutor(Executor):
    """As much of an executor as a rollup asks for."""

    def __init__(self) -> None:
        ray.init()  # $RAY_ADDRESS, or this machine's cores

    def submit(self, function: Callable[..., Any], /, *arguments: Any, **named: Any) -> Future[Any]:
        future: Future[Any] = ray.remote(function).remote(*arguments, **named).future()
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        ray.shutdown()
