# SPDX-License-Identifier: Apache-2.0
"""The integer graph in numpy, node by node: what every other executor is compared with.

Tensors hold values, not codes: a uint8 tensor enters and leaves a node as q - zero_point, bits as -1, 0, +1.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from trit.export.graph import Array, Graph
from trit.runtime.errors import TritError


def run(graph: Graph, images: npt.NDArray[np.uint8]) -> Array:
    """Output (N, C, H, W) of the graph for uint8 images (N, C, H, W). Raises TritError where they do not fit."""
    return trace(graph, images)[graph.output]


def trace(graph: Graph, images: npt.NDArray[np.uint8]) -> dict[str, Array]:
    """Every tensor's values (N, C, H, W) by name; int32, and float32 after Scores. Raises TritError as `run` does."""
    source = graph.tensors[graph.input]
    if images.dtype != np.uint8 or images.shape[1:] != source.shape:
        raise TritError(f"input is {images.dtype} {images.shape}; the network takes uint8 (N, {str(source.shape)[1:]}")
    values: dict[str, Array] = {graph.input: images.astype(np.int32) - source.zero_point}
    for node in graph.nodes:
        values[node.output] = node.evaluate(*(values[name] for name in node.inputs))
    return values
