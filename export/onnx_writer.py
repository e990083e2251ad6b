# SPDX-License-Identifier: Apache-2.0
"""The integer graph as an ONNX file that is complete and that stock onnxruntime runs.

Weights are packed uint8: a row of bits per output channel, one plane if binary, two if ternary. The file carries a
SHA-256 over its own bytes, so that a damaged file is refused rather than run.
"""

from __future__ import annotations

import hashlib
import os
import re
from typing import Any

import numpy as np
import numpy.typing as npt

from trit.export.check import accumulator_ranges, validate
from trit.export.graph import Add, Conv, Graph, GraphError, MaxPool, Node, Scores, SumPool, Tensor, Threshold
from trit.export.onnx_functions import DOMAIN, EXACT_FLOAT32, IR_VERSION, OPSET, VERSION, functions
from trit.runtime.files import write_atomic

DIGEST_KEY = "trit_sha256"
# The key and its 64-character value as protobuf lays them out: field 2, length 64.
DIGEST_PATTERN = re.compile(re.escape(DIGEST_KEY.encode() + b"\x12\x40") + rb"([0-9a-f]{64})")
_NO_DIGEST = "0" * 64
_ELEMENT = {"uint8": 2, "binary": 3, "ternary": 3, "int32": 6, "float32": 1}  # onnx.TensorProto types


def write_onnx(graph: Graph, path: str | os.PathLike[str]) -> None:
    """Write `graph` to `path` atomically. Raises GraphError if it is inconsistent or not exact in float32."""
    write_atomic(path, onnx_bytes(graph))


def onnx_bytes(graph: Graph) -> bytes:
    """The file's bytes; the same graph gives the same bytes."""
    data: bytes = to_onnx(graph).SerializeToString(deterministic=True)
    digest = hashlib.sha256(data).hexdigest().encode()
    return DIGEST_PATTERN.sub(lambda match: match[0].replace(match[1], digest), data, count=1)


def to_onnx(graph: Graph) -> Any:
    """The onnx.ModelProto, its digest still zero."""
    from onnx import helper

    validate(graph)
    _check_exactness(graph)
    writer = _Writer(graph)
    for node in graph.nodes:
        writer.add(node)
    output = graph.tensors[graph.output]
    result = writer.flatten_scores(output)
    body = helper.make_graph(
        writer.nodes,
        graph.metadata.get("name", "trit"),
        [_value_info(graph.tensors[graph.input])],
        [result],
        initializer=writer.initializers,
        value_info=[_value_info(t) for t in graph.tensors.values() if t.name not in (graph.input, graph.output)],
    )
    model = helper.make_model(
        body,
        functions=writer.used_functions(),
        opset_imports=[helper.make_opsetid("", OPSET), helper.make_opsetid(DOMAIN, VERSION)],
        ir_version=IR_VERSION,
        producer_name="trit",
    )
    helper.set_model_props(model, _metadata(graph))
    return model


class _Writer:
    """Collects the nodes and initializers of one graph."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.nodes: list[Any] = []
        self.initializers: list[Any] = []

    def add(self, node: Node) -> None:
        zero_point = self.graph.tensors[node.input].zero_point
        match node:
            case Conv():
                self._conv(node, zero_point)
            case Threshold():
                kind = self.graph.tensors[node.output].kind
                hi = self._constant(node, "hi", node.hi[:, None, None])
                same = np.array_equal(node.lo, node.hi)
                lo = hi if same else self._constant(node, "lo", node.lo[:, None, None])
                inputs = [node.input, lo, hi, self._direction(node, node.negative)]
                self._node("Threshold", node, inputs, zero_point=zero_point, kind=kind)
            case MaxPool():
                flags = np.zeros(1, np.bool_) if node.minimum is None else node.minimum
                inputs = [node.input, self._direction(node, flags)]
                self._node("MaxPool", node, inputs, kernel_shape=node.kernel, strides=node.stride, pads=node.padding)
            case SumPool():
                self._sum_pool(node, zero_point)
            case Add():
                other = self.graph.tensors[node.other].zero_point
                self._node("Add", node, [node.input, node.other], zero_point=zero_point, other_zero_point=other)
            case Scores():
                scale = self._constant(node, "scale", node.scale[:, None, None])
                bias = self._constant(node, "bias", node.bias[:, None, None])
                self._node("Scores", node, [node.input, scale, bias])

    def _conv(self, node: Conv, zero_point: int) -> None:
        rows = node.weights.transpose(0, 2, 3, 1)
        planes = {"sign": rows < 0} if node.weight_kind == "binary" else {"nonzero": rows != 0, "sign": rows < 0}
        packed = [
            self._constant(node, name, np.packbits(plane.reshape(len(rows), -1), axis=1, bitorder="little"))
            for name, plane in planes.items()
        ]
        self._node(
            "BinaryConv" if node.weight_kind == "binary" else "TernaryConv",
            node,
            [node.input, *packed],
            strides=node.stride,
            pads=node.padding,
            dilations=node.dilation,
            group=node.groups,
            zero_point=float(zero_point),
            weight_shape=rows.shape,
            fan_in=[int(np.prod(rows.shape[1:]))],
        )

    def _sum_pool(self, node: SumPool, zero_point: int) -> None:
        source, output = self.graph.tensors[node.input], self.graph.tensors[node.output]
        self._node(
            "SumPool",
            node,
            [node.input],
            kernel=[1, 1, *node.kernel],
            strides=node.stride,
            pads=node.padding,
            zero_point=float(zero_point),
            plane_shape=[-1, 1, *source.shape[1:]],
            output_shape=[-1, *output.shape],
            output_zero_point=float(output.zero_point),
            to=_ELEMENT[output.kind],
        )

    def flatten_scores(self, output: Tensor) -> Any:
        """Scores of one position leave as (N, classes)."""
        from onnx import helper

        if output.shape[1:] != (1, 1):
            return _value_info(output)
        flat = f"{output.name}_flat"
        self.nodes.append(helper.make_node("Flatten", [output.name], [flat], name="flatten"))
        return helper.make_tensor_value_info(flat, _ELEMENT[output.kind], ["N", output.shape[0]])

    def used_functions(self) -> list[Any]:
        """The functions that the nodes call, and those that these call."""
        names = {node.op_type for node in self.nodes if node.domain == DOMAIN}
        if names & {"BinaryConv", "TernaryConv"}:
            names.add("UnpackBits")
        return [function for name, function in functions().items() if name in names]

    def _node(self, operator: str, node: Node, inputs: list[str], **attributes: Any) -> None:
        from onnx import helper

        self.nodes.append(
            helper.make_node(operator, inputs, [node.output], name=node.name, domain=DOMAIN, **attributes)
        )

    def _direction(self, node: Node, negative: npt.NDArray[np.bool_]) -> str:
        return self._constant(node, "direction", np.where(negative, -1, 1).astype(np.int8)[:, None, None])

    def _constant(self, node: Node, name: str, values: npt.NDArray[Any]) -> str:
        from onnx import numpy_helper

        full = f"{node.name}.{name}"
        self.initializers.append(numpy_helper.from_array(np.ascontiguousarray(values), full))
        return full


def _value_info(tensor: Tensor) -> Any:
    from onnx import helper

    return helper.make_tensor_value_info(tensor.name, _ELEMENT[tensor.kind], ["N", *tensor.shape])


def _metadata(graph: Graph) -> dict[str, str]:
    fixed = {"trit_zero_point": str(graph.tensors[graph.input].zero_point), "trit_labels": "\n".join(graph.labels)}
    return {**{f"trit.{key}": value for key, value in graph.metadata.items()}, **fixed, DIGEST_KEY: _NO_DIGEST}


def _check_exactness(graph: Graph) -> None:
    """Sums of products must stay where float32 holds every integer."""
    ranges = accumulator_ranges(graph)
    for node in graph.nodes:
        low, high = ranges[node.output]
        if isinstance(node, Conv | SumPool) and max(-low, high) >= EXACT_FLOAT32:
            raise GraphError(
                f"{node.name}: accumulators reach {low}..{high}; the ONNX form is exact below 2^24: use fewer inputs"
            )
