# SPDX-License-Identifier: Apache-2.0
"""The network as QONNX (Pappalardo et al. 2022, "QONNX: Representing Arbitrary-Precision Quantized Neural Networks"),
for FINN, hls4ml and the tools around them.

Tensors are float32 that hold integers, weights go through BipolarQuant or Quant with scale 1, and activations are
MultiThresholds, which are exact: an activation is the number of thresholds that an integer reaches. The batch is 1.
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from trit.export.check import validate
from trit.export.graph import Array, Graph, GraphError, Node, Tensor
from trit.export.onnx_functions import EXACT_FLOAT32
from trit.export.onnx_plain import MARK
from trit.export.onnx_writer import check_exactness
from trit.export.operators import Add, Concat, Conv, MaxPool, Rescale, Scores, SumPool, Threshold
from trit.export.operators.rescale import MAX_CODE
from trit.runtime.files import write_atomic

QONNX = "qonnx.custom_op.general"
OPSET = 13
IR_VERSION = 8
_BITS = {"ternary": 2.0, "int8": 8.0}
_TYPES = {"binary": "BIPOLAR", "ternary": "TERNARY"}


def write_qonnx(graph: Graph, path: str | os.PathLike[str]) -> None:
    """Write what `to_qonnx` gives to `path` atomically. Raises GraphError as `write_onnx` does."""
    write_atomic(path, to_qonnx(graph).SerializeToString(deterministic=True))


def to_qonnx(graph: Graph) -> Any:
    """The onnx.ModelProto: float32 pixels 0..255 (1, C, H, W) in, scores (1, classes) out."""
    validate(graph)
    check_exactness(graph, in_integers=())
    writer = _Writer()
    source = graph.tensors[graph.input]
    writer.shapes[graph.input] = (1, *source.shape)
    values = {graph.input: writer.less_zero_point(graph.input, source)}
    for node in graph.nodes:
        values[node.output] = _emit(writer, graph, node, values)
    return writer.model(graph, values[graph.output])


def _emit(writer: _Writer, graph: Graph, node: Node, values: dict[str, str]) -> str:
    """Append what the node does; returns the name of its output, the tensor's values."""
    x, output = values[node.input], graph.tensors[node.output]
    match node:
        case Conv():
            return writer.convolve(node, x, graph.tensors[node.input], output)
        case Threshold():
            scale, bias, steps = (2, -1, 1) if output.kind == "binary" else (1, -1, 2)
            limits = _limits(node, steps)
            return writer.multi_threshold(node, x, limits, node.negative, _TYPES[output.kind], scale, bias)
        case Rescale():
            limits, negative = _code_limits(node)
            return writer.multi_threshold(node, x, limits, negative, _code_type(node.zero_point), 1, -node.zero_point)
        case MaxPool():
            return writer.max_pool(node, x, output)
        case SumPool():
            return writer.sum_pool(node, x, output)
        case Add():
            return writer.append("Add", [x, values[node.other]], node.output, output.shape)
        case Concat():
            return writer.append("Concat", [x, values[node.other]], node.output, output.shape, axis=1)
        case Scores():
            product = writer.times(x, node.scale, f"{node.name}.scale")
            return writer.append("Add", [product, writer.per_channel(f"{node.name}.bias", node.bias, product)],
                                 node.output, output.shape)  # fmt: skip
    raise GraphError(f"{node.name}: QONNX cannot express {type(node).__name__}")


def _limits(node: Threshold, steps: int) -> Array:
    """(C, steps): the level is the number of limits that d·x reaches, d = -1 where the output falls.

    For integers x < limit is -x >= 1 - limit. Limits that no accumulator reaches are as good where float32 holds them.
    """
    rising = np.stack([node.lo, node.hi][:steps], axis=1).astype(np.int64)
    limits = np.where(node.negative[:, None], (1 - rising)[:, ::-1], rising)
    return np.clip(limits, -EXACT_FLOAT32, EXACT_FLOAT32)


def _code_limits(node: Rescale) -> tuple[Array, Array]:
    """(limits (C, 255), falls (C,)): the code is the number of limits that d·x reaches, d = -1 where it falls.

    (x·m + o) >> s >= k is x·m >= k·2^s - o, in Python's integers, as the right side can exceed 64 bits.
    """
    rows = []
    for m, o, s in zip(node.multiplier.tolist(), node.offset.tolist(), node.shift.tolist(), strict=True):
        needed = [(k << s) - o for k in range(1, MAX_CODE + 1)]
        if m == 0:
            rows.append([-EXACT_FLOAT32 if n <= 0 else EXACT_FLOAT32 for n in needed])
        else:
            rows.append([min(max(-(-n // abs(m)), -EXACT_FLOAT32), EXACT_FLOAT32) for n in needed])
    return np.array(rows), node.falls


def _code_type(zero_point: int) -> str:
    if zero_point == 0:
        return "UINT8"
    return "INT8" if zero_point == MAX_CODE // 2 + 1 else "INT9"


class _Writer:
    """Nodes, constants and shapes so far. Tensors of one position are (1, C), all others (1, C, H, W)."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: dict[str, Array] = {}
        self.shapes: dict[str, tuple[int, ...]] = {}

    def append(
        self, operator: str, inputs: list[str], output: str, shape: Any, domain: str = "", **attributes: Any
    ) -> str:
        from onnx import helper

        shape = tuple(shape)
        self.shapes[output] = (1, *(shape[:1] if shape[1:] == (1, 1) else shape))
        node = helper.make_node(operator, inputs, [output], name=output, domain=domain, **attributes)
        self.nodes.append(node)
        return output

    def constant(self, name: str, values: Array) -> str:
        self.constants[name] = np.asarray(values, np.float32)
        return name

    def per_channel(self, name: str, values: Array, like: str) -> str:
        return self.constant(name, np.reshape(values, (1, -1) + (1,) * (len(self.shapes[like]) - 2)))

    def shape_of(self, tensor: str) -> tuple[int, ...]:
        """(C, H, W)."""
        return (*self.shapes[tensor][1:], 1, 1)[:3]

    def times(self, x: str, factors: Array, name: str) -> str:
        return self.append("Mul", [x, self.per_channel(name, factors, x)], f"{name}.product", self.shape_of(x))

    def less_zero_point(self, x: str, tensor: Tensor) -> str:
        if tensor.shape[1:] == (1, 1):
            x = self.append("Flatten", [x], f"{x}.flat", tensor.shape)
        if tensor.zero_point == 0:
            return x
        point = self.constant("zero_point", np.array(tensor.zero_point))
        return self.append("Sub", [x, point], f"{tensor.name}.values", tensor.shape)

    def in_four_dimensions(self, x: str) -> str:
        if len(self.shapes[x]) == 4:
            return x
        shape = (1, *self.shape_of(x))
        name = f"{x}.image.{len(self.nodes)}"
        self._reshape(x, name, shape)
        return name

    def _reshape(self, x: str, output: str, shape: tuple[int, ...]) -> None:
        self.append("Reshape", [x, f"{output}.shape"], output, ())
        self.constants[f"{output}.shape"] = np.array(shape, np.int64)
        self.shapes[output] = shape

    def window(self, operator: str, inputs: list[str], output: Tensor, **attributes: Any) -> str:
        """A node that slides a window; its output loses height and width where they are 1."""
        if output.shape[1:] != (1, 1):
            return self.append(operator, inputs, output.name, output.shape, **attributes)
        name = self.append(operator, inputs, f"{output.name}.image", output.shape, **attributes)
        self.shapes[name] = (1, *output.shape)
        return self.append("Flatten", [name], output.name, output.shape)

    def weights(self, node: Conv, values: Array) -> str:
        name, one = self.constant(f"{node.name}.weights", values), self.constant("one", np.array(1))
        output = f"{node.name}.quantized"
        if node.weight_kind == "binary":
            self.append("BipolarQuant", [name, one], output, (), QONNX)
        else:
            bits = self.constant(f"bits.{node.weight_kind}", np.array(_BITS[node.weight_kind]))
            inputs = [name, one, self.constant("zero", np.array(0)), bits]
            self.append("Quant", inputs, output, (), QONNX, signed=1, narrow=1, rounding_mode="ROUND")
        self.shapes[output] = values.shape
        return output

    def convolve(self, node: Conv, x: str, source: Tensor, output: Tensor) -> str:
        whole = node.kernel == source.shape[1:] and node.padding == (0, 0, 0, 0) and node.groups == 1
        if whole and output.shape[1:] == (1, 1):
            matrix = self.weights(node, node.weights.reshape(len(node.weights), -1).T)
            if len(self.shapes[x]) == 4:
                flat = (int(np.prod(source.shape)), 1, 1)
                x = self.append("Flatten", [x], f"{node.name}.flat", flat)
            return self.append("MatMul", [x, matrix], node.output, output.shape)
        inputs = [self.in_four_dimensions(x), self.weights(node, node.weights)]
        return self.window("Conv", inputs, output, kernel_shape=node.kernel, strides=node.stride, pads=node.padding,
                           dilations=node.dilation, group=node.groups)  # fmt: skip

    def multi_threshold(self, node: Node, x: str, limits: Array, falls: Array, kind: str, scale: int, bias: int) -> str:
        """scale · (number of a channel's limits (C, steps) that x reaches, -x where the output falls) + bias."""
        if falls.any():
            x = self.times(x, np.where(falls, -1, 1), f"{node.name}.direction")
        table = self.constant(f"{node.name}.thresholds", limits)
        layout = "NCHW" if len(self.shapes[x]) == 4 else "NC"
        attributes = {"out_dtype": kind, "out_scale": float(scale), "out_bias": float(bias), "data_layout": layout}
        return self.append("MultiThreshold", [x, table], node.output, self.shape_of(x), QONNX, **attributes)

    def max_pool(self, node: MaxPool, x: str, output: Tensor) -> str:
        """The minimum of a channel is minus the maximum of its negative."""
        directions = None if node.minimum is None else np.where(node.minimum, -1, 1)
        if directions is not None:
            x = self.times(x, directions, f"{node.name}.direction")
            output = Tensor(f"{node.name}.directed", output.kind, output.shape)
        x = self.window("MaxPool", [self.in_four_dimensions(x)], output, kernel_shape=node.kernel, strides=node.stride,
                        pads=node.padding)  # fmt: skip
        if directions is None:
            return x
        factors = self.per_channel(f"{node.name}.back", directions, x)
        return self.append("Mul", [x, factors], node.output, output.shape)

    def sum_pool(self, node: SumPool, x: str, output: Tensor) -> str:
        channels = output.shape[0]
        ones = self.constant(f"{node.name}.ones", np.ones((channels, 1, *node.kernel)))
        return self.window("Conv", [self.in_four_dimensions(x), ones], output, kernel_shape=node.kernel,
                           strides=node.stride, pads=node.padding, group=channels)  # fmt: skip

    def model(self, graph: Graph, output: str) -> Any:
        from onnx import TensorProto, helper, numpy_helper

        def info(name: str) -> Any:
            return helper.make_tensor_value_info(name, TensorProto.FLOAT, self.shapes[name])

        inside = [info(name) for name in self.shapes if name not in (graph.input, output)]
        body = helper.make_graph(
            self.nodes, graph.metadata.get("name", "trit"), [info(graph.input)], [info(output)],
            [numpy_helper.from_array(values, name) for name, values in self.constants.items()], value_info=inside,
        )  # fmt: skip
        model = helper.make_model(
            body,
            opset_imports=[helper.make_opsetid("", OPSET), helper.make_opsetid(QONNX, 1)],
            ir_version=IR_VERSION,
            producer_name=MARK.decode(),
        )
        annotation = model.graph.quantization_annotation.add(tensor_name=graph.input)
        annotation.quant_parameter_tensor_names.add(key="finn_datatype", value="UINT8")
        return model
