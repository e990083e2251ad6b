# SPDX-License-Identifier: Apache-2.0
"""joblib on the workers of a Dask cluster."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from trit.runtime.errors import MissingExtra, TritError

CONNECT_SECONDS = 10


@contextmanager
def dask_workers(address: str, scatter: Sequence[Any] = ()) -> Iterator[None]:
    """Within it, joblib.Parallel runs on the workers of the Dask scheduler at `address`; these are given the objects of
    `scatter` once. Raises MissingExtra without dask, TritError where no scheduler answers."""
    try:
        import joblib
        from distributed import Client
    except ImportError:
        raise MissingExtra("dask", "cluster") from None
    try:
        client = Client(address, timeout=CONNECT_SECONDS)
    except (OSError, ValueError) as error:
        raise TritError(f"cannot reach a Dask scheduler at {address}: {error}") from error
    with client, joblib.parallel_backend("dask", scatter=list(scatter)):
        yield
