# SPDX-License-Identifier: Apache-2.0
"""Whole networks to measure: as plans for trit, and the same graph in 8 bits for onnxruntime."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from benchmarks.host_layers import Layer, Run, layer_graph, ort_runner
from trit.export.graph import Graph
from trit.export.lower import lower
from trit.export.plan import to_plan
from trit.train.networks import build
from trit.train.recipe import read_recipe

WIDTH = 64


def network_graph() -> Graph:
    """cifar10-ternary-vgg at width 64, untrained: the time does not depend on the weights."""
    recipe = read_recipe("cifar10-ternary-vgg", [f"network.width={WIDTH}"])
    return lower(build(recipe).eval(), recipe.input_shape)


@cache
def network() -> bytes:
    """Its plan."""
    return to_plan(network_graph())


def large_plan() -> bytes:
    """A plan of about 1 MB."""
    return to_plan(layer_graph(Layer(680, 2, 3), "ternary", "ternary"))


def ort_network(image: Any) -> Run:
    """The same layers with uint8 activations and int8 weights: QLinearConv, MaxPool, QLinearMatMul."""
    return ort_runner(_EightBits().model(image.shape), {"x": image[None]})


class _EightBits:
    """Collects nodes and constants; every tensor has scale 0.02 and zero point 0, as after a ReLU."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: dict[str, Any] = {
            "xs": np.float32(0.02), "xz": np.uint8(0), "ws": np.float32(0.01), "wz": np.int8(0),
        }  # fmt: skip
        self.rng = np.random.default_rng(0)
        self.last = "x"

    def model(self, shape: tuple[int, ...]) -> Any:
        channels = shape[0]
        for stage in range(3):
            for _ in range(2):
                self._convolution(channels, WIDTH << stage)
                channels = WIDTH << stage
            self._append("MaxPool", [self.last], kernel_shape=[2, 2], strides=[2, 2])
        self._append("Flatten", [self.last])
        self._dense(channels * (shape[1] // 8) * (shape[2] // 8), 512)
        self._dense(512, 10)
        graph = helper.make_graph(
            self.nodes,
            "vgg",
            [helper.make_tensor_value_info("x", TensorProto.UINT8, (1, *shape))],
            [helper.make_tensor_value_info(self.last, TensorProto.UINT8, None)],
            [numpy_helper.from_array(np.asarray(value), name) for name, value in self.constants.items()],
        )
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 19)], ir_version=9)

    def _append(self, operator: str, inputs: list[str], **attributes: Any) -> None:
        output = f"t{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, inputs, [output], **attributes))
        self.last = output

    def _weights(self, *shape: int) -> str:
        name = f"w{len(self.nodes)}"
        self.constants[name] = self.rng.integers(-127, 128, shape).astype(np.int8)
        return name

    def _convolution(self, inputs: int, outputs: int) -> None:
        weights = self._weights(outputs, inputs, 3, 3)
        self._append("QLinearConv", [self.last, "xs", "xz", weights, "ws", "wz", "xs", "xz"], pads=[1, 1, 1, 1])

    def _dense(self, inputs: int, outputs: int) -> None:
        weights = self._weights(inputs, outputs)
        self._append("QLinearMatMul", [self.last, "xs", "xz", weights, "ws", "wz", "xs", "xz"])
