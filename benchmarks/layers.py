# SPDX-License-Identifier: Apache-2.0
"""Single layers to measure, as graphs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from trit.export.graph import Graph, Kind, Tensor, WeightKind
from trit.export.operators import Conv, Scores, Threshold


@dataclass(frozen=True)
class Layer:
    """A convolution, padded to keep its size, with as many channels out as in unless said otherwise.

    Kernel 1 at size 1 is a dense layer.
    """

    channels: int
    size: int
    kernel: int
    outputs: int = 0  # 0: as many as channels

    @property
    def channels_out(self) -> int:
        return self.outputs or self.channels

    @property
    def name(self) -> str:
        if self.size == 1:
            return f"{self.channels}×{self.channels_out}"
        return f"{self.kernel}×{self.kernel} {self.channels}@{self.size}²"

    @property
    def operations(self) -> float:
        """Two for each multiply-accumulate, at the border too, as everybody counts them."""
        return 2.0 * self.macs

    @property
    def macs(self) -> int:
        return self.channels * self.channels_out * self.kernel**2 * self.size**2


def layer_graph(layer: Layer, activations: Kind, weights: WeightKind) -> Graph:
    """The layer on bits made of the input, or on the uint8 input itself, packed out; a small one gives scores."""
    rng, outputs = np.random.default_rng(0), layer.channels_out
    shape, shape_out = (layer.channels, layer.size, layer.size), (outputs, layer.size, layer.size)
    tensors = {"image": Tensor("image", "uint8", shape, 128)}
    source, nodes = "image", []
    if activations != "uint8":
        reach = 0 if activations == "binary" else 43  # a third of the values are 0
        nodes.append(_threshold("input", "image", "bits", layer.channels, reach))
        source, tensors["bits"] = "bits", Tensor("bits", activations, shape)
    low = -1 if weights == "ternary" else 0
    values = rng.integers(low, 2, (outputs, layer.channels, layer.kernel, layer.kernel)).astype(np.int8)
    if weights == "binary":
        values = (2 * values - 1).astype(np.int8)
    pad = layer.kernel // 2
    nodes.append(Conv("layer", source, "acc", values, weights, padding=(pad, pad, pad, pad)))
    nodes.append(_threshold("sign", "acc", "packed", outputs, 0))
    nodes.append(Conv("last", "packed", "sums", np.ones((1, outputs, 1, 1), np.int8), "binary"))
    nodes.append(Scores("scores", "sums", "scores", np.ones(1, np.float32), np.zeros(1, np.float32)))
    tensors["acc"] = Tensor("acc", "int32", shape_out)
    tensors["packed"] = Tensor("packed", "binary", shape_out)
    tensors["sums"] = Tensor("sums", "int32", (1, layer.size, layer.size))
    tensors["scores"] = Tensor("scores", "float32", (1, layer.size, layer.size))
    return Graph("image", "scores", tensors, nodes)


def _threshold(name: str, source: str, output: str, channels: int, reach: int) -> Threshold:
    lo, hi = np.full(channels, -reach, np.int32), np.full(channels, reach, np.int32)
    return Threshold(name, source, output, lo, hi, np.zeros(channels, np.bool_))
