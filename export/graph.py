# SPDX-License-Identifier: Apache-2.0
"""The integer graph: what every exporter writes and every executor runs.

Tensors are (C, H, W) of one image; a dense layer is a convolution whose kernel covers its input, and 1-d data
has H = 1. docs/design.md gives the meaning of each operator; `reference.py` is its executable definition.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt

from trit.runtime.errors import TritError

Kind = Literal["uint8", "binary", "ternary", "int32", "float32"]
WeightKind = Literal["binary", "ternary"]
Shape = tuple[int, int, int]
Pair = tuple[int, int]
Pads = tuple[int, int, int, int]
Int8Array = npt.NDArray[np.int8]
Int32Array = npt.NDArray[np.int32]
BoolArray = npt.NDArray[np.bool_]
Float32Array = npt.NDArray[np.float32]

INT32_MIN, INT32_MAX = -(2**31), 2**31 - 1
SUM_ZERO_POINT = 128  # of the uint8 tensor that SumPool makes of bits


class GraphError(TritError):
    """The network cannot be expressed as an integer graph; the message names the layer and what would work."""


@dataclass(frozen=True)
class Tensor:
    name: str
    kind: Kind
    shape: Shape
    zero_point: int = 0  # of kind uint8: the value is q - zero_point

    @property
    def value_range(self) -> tuple[int, int]:
        """Least and greatest value; int32 ranges are found by `Graph.accumulator_ranges`."""
        ranges = {"binary": (-1, 1), "ternary": (-1, 1), "uint8": (-self.zero_point, 255 - self.zero_point)}
        return ranges.get(self.kind, (INT32_MIN, INT32_MAX))


@dataclass(frozen=True)
class Conv:
    """acc[o, y, x] = Σ w[o, i, ky, kx] · value(in[i, y·s + ky·d - p, x·s + kx·d - p]); positions outside count 0."""

    name: str
    input: str
    output: str
    weights: Int8Array  # (O, I / groups, KH, KW), values of weight_kind
    weight_kind: WeightKind
    stride: Pair = (1, 1)
    padding: Pads = (0, 0, 0, 0)  # top, left, bottom, right
    dilation: Pair = (1, 1)
    groups: int = 1


@dataclass(frozen=True)
class Threshold:
    """out = d · ([acc >= hi] - [acc < lo]) per channel, d = -1 where `negative`; binary where lo == hi throughout."""

    name: str
    input: str
    output: str
    lo: Int32Array  # (C,)
    hi: Int32Array  # (C,), lo <= hi
    negative: BoolArray  # (C,)


@dataclass(frozen=True)
class MaxPool:
    """Maximum over the window, minimum for channels in `minimum`; positions outside are ignored."""

    name: str
    input: str
    output: str
    kernel: Pair
    stride: Pair
    padding: Pads = (0, 0, 0, 0)
    minimum: BoolArray | None = None  # (C,); None: maximum everywhere


@dataclass(frozen=True)
class SumPool:
    """Sum of the values over the window; positions outside count 0. Bits give uint8 with zero point 128."""

    name: str
    input: str
    output: str
    kernel: Pair
    stride: Pair
    padding: Pads = (0, 0, 0, 0)


@dataclass(frozen=True)
class Add:
    """Sum of two tensors' values, in int32."""

    name: str
    input: str
    other: str
    output: str


@dataclass(frozen=True)
class Scores:
    """out[c] = float32(acc[c]) · scale[c] + bias[c], product and sum rounded to float32 one after the other."""

    name: str
    input: str
    output: str
    scale: Float32Array  # (C,)
    bias: Float32Array  # (C,)


Node = Conv | Threshold | MaxPool | SumPool | Add | Scores


@dataclass
class Graph:
    """Nodes in execution order. `tensors` holds every tensor by name, `input` and `output` name two of them."""

    input: str
    output: str
    tensors: dict[str, Tensor]
    nodes: list[Node]
    labels: list[str] = field(default_factory=list)
    metadata: dict[str, str] = field(default_factory=dict)  # e.g. recipe (TOML text), accuracy

    def readers(self, tensor: str) -> list[Node]:
        return [node for node in self.nodes if tensor in inputs_of(node)]


def inputs_of(node: Node) -> tuple[str, ...]:
    return (node.input, node.other) if isinstance(node, Add) else (node.input,)


def window_shape(shape: Shape, kernel: Pair, stride: Pair, padding: Pads, dilation: Pair = (1, 1)) -> Pair:
    """Output height and width of a sliding window: floor((size + pads - dilation·(kernel-1) - 1) / stride) + 1."""
    top, left, bottom, right = padding
    height = (shape[1] + top + bottom - dilation[0] * (kernel[0] - 1) - 1) // stride[0] + 1
    width = (shape[2] + left + right - dilation[1] * (kernel[1] - 1) - 1) // stride[1] + 1
    return height, width
