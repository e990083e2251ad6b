# SPDX-License-Identifier: Apache-2.0
"""model.onnx back to the integer graph, checked whole: digest, form, and every value."""

from __future__ import annotations

import hashlib
import os
from typing import Any

import numpy as np
import numpy.typing as npt

from trit.export.check import validate
from trit.export.graph import (
    SUM_ZERO_POINT,
    Add,
    Conv,
    Graph,
    Kind,
    MaxPool,
    Node,
    Scores,
    SumPool,
    Tensor,
    Threshold,
    window_shape,
)
from trit.export.onnx_functions import DOMAIN, VERSION
from trit.export.onnx_writer import _NO_DIGEST, DIGEST_PATTERN
from trit.runtime.errors import TritError
from trit.runtime.files import read_bytes


def read_onnx(path: str | os.PathLike[str]) -> Graph:
    """The graph that `write_onnx` wrote. Raises TritError if the file is foreign, damaged, or of another version."""
    return parse_onnx(read_bytes(path), str(path))


def parse_onnx(data: bytes, name: str) -> Graph:
    """As `read_onnx`, of a file's bytes; `name` is what errors call it."""
    import onnx
    from google.protobuf.message import DecodeError

    _check_digest(data, name)
    try:
        model = onnx.load_model_from_string(data)
    except DecodeError as error:
        raise TritError(f"{name}: not an ONNX file") from error
    versions = {opset.domain: opset.version for opset in model.opset_import}
    if versions.get(DOMAIN) != VERSION:
        raise TritError(f"{name}: has operators of trit version {versions.get(DOMAIN)}; this trit reads {VERSION}")
    try:
        graph = _Reader(model).graph()
        validate(graph)
    except TritError as error:
        raise TritError(f"{name}: {error}") from error
    except (KeyError, IndexError, ValueError, TypeError, AttributeError) as error:
        # The digest says that trit wrote the file, so this is a file made to look like it.
        raise TritError(f"{name}: not a network that trit exported ({type(error).__name__}: {error})") from error
    return graph


def _check_digest(data: bytes, name: str) -> None:
    match = DIGEST_PATTERN.search(data)
    if match is None:
        raise TritError(f"{name}: not a network that trit exported, or truncated: make one with trit export")
    zeroed = data[: match.start(1)] + _NO_DIGEST.encode() + data[match.end(1) :]
    if hashlib.sha256(zeroed).hexdigest().encode() != match[1]:
        raise TritError(f"{name}: damaged, or changed since trit wrote it: its checksum does not match")


class _Reader:
    """Rebuilds nodes in order; shapes follow from the input's."""

    def __init__(self, model: Any) -> None:
        from onnx import numpy_helper

        self.model = model
        self.constants = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
        self.properties = {entry.key: entry.value for entry in model.metadata_props}
        self.tensors: dict[str, Tensor] = {}
        self.nodes: list[Node] = []

    def graph(self) -> Graph:
        (source,) = self.model.graph.input
        dims = [dim.dim_value for dim in source.type.tensor_type.shape.dim]
        channels, height, width = dims[1:]
        zero_point = int(self.properties["trit_zero_point"])
        self.tensors[source.name] = Tensor(source.name, "uint8", (channels, height, width), zero_point)
        for node in self.model.graph.node:
            if node.domain == DOMAIN:
                self._read(node)
        metadata = {k.removeprefix("trit."): v for k, v in self.properties.items() if k.startswith("trit.")}
        labels = self.properties["trit_labels"]
        output = self.nodes[-1].output
        return Graph(source.name, output, self.tensors, self.nodes, labels.split("\n") if labels else [], metadata)

    def _read(self, node: Any) -> None:
        from onnx import helper

        attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
        inputs, name, output = list(node.input), node.name, node.output[0]
        source = self.tensors[inputs[0]]
        match node.op_type:
            case "BinaryConv" | "TernaryConv":
                self._conv(node, attributes, source)
            case "Threshold":
                lo, hi, direction = (self.constants[i].reshape(-1) for i in inputs[1:])
                self._append(Threshold(name, source.name, output, lo, hi, direction < 0), attributes["kind"].decode())
            case "MaxPool":
                flags = self.constants[inputs[1]].reshape(-1) < 0
                window = _window(attributes["kernel_shape"], attributes)
                pool = MaxPool(name, source.name, output, *window, flags if flags.any() else None)
                self._append(pool, source.kind, source.zero_point)
            case "SumPool":
                bits = source.kind in ("binary", "ternary")
                window = _window(attributes["kernel"][2:], attributes)
                pool_sum = SumPool(name, source.name, output, *window)
                self._append(pool_sum, "uint8" if bits else "int32", SUM_ZERO_POINT if bits else 0)
            case "Add":
                self._append(Add(name, source.name, inputs[1], output), "int32")
            case "Scores":
                scale, bias = (self.constants[i].reshape(-1) for i in inputs[1:])
                self._append(Scores(name, source.name, output, scale, bias), "float32")
            case other:
                raise TritError(f"unknown operator {other}")

    def _conv(self, node: Any, attributes: dict[str, Any], source: Tensor) -> None:
        shape, count = tuple(attributes["weight_shape"]), attributes["fan_in"][0]
        planes = [_unpack(self.constants[name], shape, count) for name in node.input[1:]]
        sign = planes[-1]
        values = 1 - 2 * sign if node.op_type == "BinaryConv" else planes[0] - 2 * sign
        if values.min() < -1:
            raise TritError(f"{node.name}: a weight is negative and zero at once")
        conv = Conv(
            node.name,
            source.name,
            node.output[0],
            np.ascontiguousarray(values.transpose(0, 3, 1, 2)),
            "binary" if node.op_type == "BinaryConv" else "ternary",
            (attributes["strides"][0], attributes["strides"][1]),
            _pads(attributes),
            (attributes["dilations"][0], attributes["dilations"][1]),
            attributes["group"],
        )
        self._append(conv, "int32")

    def _append(self, node: Node, kind: Kind, zero_point: int = 0) -> None:
        self.nodes.append(node)
        channels, *size = self.tensors[node.input].shape
        shape = (channels, size[0], size[1])
        if isinstance(node, Conv):
            kernel = (node.weights.shape[2], node.weights.shape[3])
            shape = (len(node.weights), *window_shape(shape, kernel, node.stride, node.padding, node.dilation))
        elif isinstance(node, MaxPool | SumPool):
            shape = (channels, *window_shape(shape, node.kernel, node.stride, node.padding))
        self.tensors[node.output] = Tensor(node.output, kind, shape, zero_point)


def _unpack(rows: npt.NDArray[np.uint8], shape: tuple[int, ...], count: int) -> npt.NDArray[np.int8]:
    """Bits (O, KH, KW, I) of packed rows (O, bytes)."""
    if rows.dtype != np.uint8 or rows.shape != (shape[0], -(-count // 8)):
        raise TritError(f"packed weights have shape {rows.shape}")
    return np.unpackbits(rows, axis=1, count=count, bitorder="little").reshape(shape).astype(np.int8)


def _window(
    kernel: Any, attributes: dict[str, Any]
) -> tuple[tuple[int, int], tuple[int, int], tuple[int, int, int, int]]:
    strides = attributes["strides"]
    return (kernel[0], kernel[1]), (strides[0], strides[1]), _pads(attributes)


def _pads(attributes: dict[str, Any]) -> tuple[int, int, int, int]:
    top, left, bottom, right = attributes["pads"]
    return top, left, bottom, right
