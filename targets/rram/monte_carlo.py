# SPDX-License-Identifier: Apache-2.0
"""The accuracy of a network over many programmed chips, each with errors of its own, on packed bits in C."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from trit.export.graph import Graph
from trit.export.operators import Conv
from trit.export.plan import to_plan
from trit.runtime.chips import Chips
from trit.runtime.cluster import dask_workers
from trit.runtime.errors import TritError
from trit.targets.rram.chip import Rram
from trit.targets.rram.errors import Matrices, ReadErrors
from trit.targets.rram.mapping import map_graph

Images = npt.NDArray[np.uint8]
Labels = npt.NDArray[Any]
CHIPS_PER_TASK = 25  # of a cluster


def monte_carlo(
    graph: Graph,
    target: Rram,
    images: Images,
    labels: Labels,
    chips: int,
    errors: ReadErrors | Sequence[ReadErrors],
    seed: int = 0,
    cluster: str | None = None,
    on_chip: Callable[[], None] | None = None,
) -> list[float]:
    """Accuracies of chips 0 … chips - 1 on images (N, C, H, W) with labels (N,).

    A sequence of `errors` has one for each layer. The machine's processors share the chips, or with `cluster`, the
    address of a Dask scheduler, its workers do; either way the same seed gives the same accuracies. `on_chip` is called
    after each. Raises TritError if the network does not fit the target.
    """
    require_labels(images, labels)
    map_graph(graph, target)
    task = (to_plan(graph), images, labels, target.array.rows, seed, *_tables(graph, errors))
    if cluster is not None:
        return _on_cluster(cluster, task, chips)
    accuracies = []
    for accuracy in _accuracies(*task, range(chips), threads=_processors()):
        accuracies.append(accuracy)
        if on_chip:
            on_chip()
    return accuracies


def require_labels(images: Images, labels: Labels) -> None:
    """Raises TritError unless there is a label for each image, and an image at least."""
    if len(images) != len(labels) or not len(images):
        raise TritError(f"{len(images)} images and {len(labels)} labels; accuracy needs as many of each, at least one")


def _tables(graph: Graph, errors: ReadErrors | Sequence[ReadErrors]) -> tuple[Matrices, Matrices]:
    """Matrices of programmed errors (layers, classes, 3, 3) and of read errors (layers, 1, 3, 3)."""
    layers = [node for node in graph.nodes if isinstance(node, Conv)]
    each = [errors] * len(layers) if isinstance(errors, ReadErrors) else errors
    pairs = list(zip(layers, each, strict=True))
    programmed = np.stack([error.programmed[node.weight_kind] for node, error in pairs])
    return programmed, np.stack([error.read[node.weight_kind][None] for node, error in pairs])


def _accuracies(
    plan: bytes,
    images: Images,
    labels: Labels,
    rows: int,
    seed: int,
    programmed: Matrices,
    read: Matrices,
    chips: range,
    threads: int = 1,
) -> Iterator[float]:
    engine = Chips(plan, images, rows)
    for found in engine.run(chips, seed, programmed, read, threads):
        yield float((found == labels).mean())


def _part(*task: Any) -> list[float]:
    return list(_accuracies(*task))


def _on_cluster(address: str, task: tuple[Any, ...], chips: int) -> list[float]:
    """The same on the workers of a Dask scheduler, through joblib."""
    parts = [range(start, min(start + CHIPS_PER_TASK, chips)) for start in range(0, chips, CHIPS_PER_TASK)]
    with dask_workers(address, task):
        import joblib

        found = joblib.Parallel()(joblib.delayed(_part)(*task, part) for part in parts)
    return [accuracy for part in found for accuracy in part]


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
