# SPDX-License-Identifier: Apache-2.0
"""Single layers on this machine: as plans for trit, and the same shape for onnxruntime in its fastest forms."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from benchmarks.layers import Layer, layer_graph
from trit.export.graph import Kind, WeightKind
from trit.export.plan import to_plan
from trit.runtime import Session

Run = Callable[[], object]


CONVOLUTIONS = (Layer(128, 32, 3), Layer(256, 16, 3), Layer(512, 8, 3))
DENSE = Layer(4096, 1, 1)


def step_time(layer: Layer, activations: Kind, weights: WeightKind, variant: str) -> Callable[[], float]:
    """A function that measures the layer's step alone, in seconds: the median of a few runs.

    Raises Unavailable where the machine lacks the variant.
    """
    session = Session(to_plan(layer_graph(layer, activations, weights)), variant)
    image = np.random.default_rng(1).integers(0, 256, session.input_shape, dtype=np.uint8)
    index = next(step.index for step in session.steps if step.name == "layer")
    return lambda: session.profile(image, repeats=5)[index].seconds


def ort_conv(layer: Layer, quantized: bool) -> Run:
    """onnxruntime's convolution of the same shape, one thread: u8×s8 QLinearConv, its fastest int8, or float32."""
    rng = np.random.default_rng(0)
    shape = (layer.channels, layer.channels, layer.kernel, layer.kernel)
    pads = [layer.kernel // 2] * 4
    if quantized:
        constants = {
            "xs": np.float32(0.02), "xz": np.uint8(128), "w": rng.integers(-127, 128, shape).astype(np.int8),
            "ws": np.float32(0.01), "wz": np.int8(0), "ys": np.float32(1.0), "yz": np.uint8(128),
        }  # fmt: skip
        node = helper.make_node("QLinearConv", ["x", *constants], ["y"], pads=pads)
        kind, x = TensorProto.UINT8, rng.integers(0, 256, (1, layer.channels, layer.size, layer.size)).astype(np.uint8)
    else:
        constants = {"w": rng.normal(size=shape).astype(np.float32)}
        node = helper.make_node("Conv", ["x", "w"], ["y"], pads=pads)
        kind, x = TensorProto.FLOAT, rng.normal(size=(1, layer.channels, layer.size, layer.size)).astype(np.float32)
    return _runner([node], constants, x, kind)


def ort_two_bits(layer: Layer, block: int = 128) -> Run:
    """onnxruntime's MatMulNBits of a dense layer: 2 bits, accuracy level 4 (int8 activations), its fastest."""
    rng = np.random.default_rng(0)
    n = layer.channels
    constants = {
        "w": rng.integers(0, 256, (n, n // block, block // 4)).astype(np.uint8),
        "scales": np.full(n * (n // block), 0.01, np.float32),
    }
    attributes = {"K": n, "N": n, "bits": 2, "block_size": block, "accuracy_level": 4}
    node = helper.make_node("MatMulNBits", ["x", *constants], ["y"], domain="com.microsoft", **attributes)
    return _runner([node], constants, rng.normal(size=(1, n)).astype(np.float32), TensorProto.FLOAT)


def _runner(nodes: list[Any], constants: dict[str, Any], x: Any, kind: int) -> Run:
    graph = helper.make_graph(
        nodes,
        "layer",
        [helper.make_tensor_value_info("x", kind, x.shape)],
        [helper.make_tensor_value_info("y", kind, None)],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    opsets = [helper.make_opsetid("", 19), helper.make_opsetid("com.microsoft", 1)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=9)
    return ort_runner(model, {"x": x})


def ort_runner(model: onnx.ModelProto, inputs: dict[str, Any]) -> Run:
    """A function that runs the model once, on one thread, with its tensors bound beforehand."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    binding = session.io_binding()
    for name, value in inputs.items():
        binding.bind_cpu_input(name, value)
    binding.bind_output(session.get_outputs()[0].name)
    return lambda: session.run_with_iobinding(binding)
