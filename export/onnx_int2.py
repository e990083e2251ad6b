# SPDX-License-Identifier: Apache-2.0
"""The ONNX form with INT2 weights behind DequantizeLinear, standard operators alone, for tools that know such tensors.

Every convolution stays a Conv, linear layers as 1 × 1: onnxruntime fuses DequantizeLinear with a MatMul into one that
rounds activations to 8 bits, and with a Conv it does not.
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from trit.export.graph import Graph
from trit.export.onnx_plain import inline
from trit.export.onnx_writer import bring_functions, to_onnx
from trit.export.operators import Conv
from trit.export.operators.conv import GEOMETRY
from trit.runtime.files import write_atomic

OPSET = 25  # the first whose DequantizeLinear takes INT2
IR_VERSION = 13


def write_onnx_int2(graph: Graph, path: str | os.PathLike[str]) -> None:
    """Write what `to_onnx_int2` gives to `path` atomically. Raises GraphError as `write_onnx` does."""
    write_atomic(path, to_onnx_int2(graph).SerializeToString(deterministic=True))


def to_onnx_int2(graph: Graph) -> Any:
    """The onnx.ModelProto: binary and ternary weights are INT2 tensors (O, I, kh, kw) of -1, 0, +1 with scale 1."""
    model = to_onnx(graph)
    convs = {node.name: node for node in graph.nodes if isinstance(node, Conv) and node.weight_kind != "int8"}
    packed = {name for call in model.graph.node if call.name in convs for name in call.input[1:]}
    kept = [tensor for tensor in model.graph.initializer if tensor.name not in packed]
    names: dict[int, str] = {}  # weights that two nodes share are written once
    for node in convs.values():
        if id(node.weights) not in names:
            names[id(node.weights)] = f"{node.name}.weights"
            kept.append(_int2(node.weights, names[id(node.weights)]))
    for call in model.graph.node:
        if call.name in convs:
            _use(call, names[id(convs[call.name].weights)])
    del model.graph.initializer[:]
    model.graph.initializer.extend(kept)
    bring_functions(model)
    _raise_versions(model)
    return inline(model)


def _use(call: Any, weights: str) -> None:
    """Turn the call of a convolution into one with these INT2 weights."""
    attributes = [attribute for attribute in call.attribute if attribute.name in GEOMETRY]
    call.op_type = "Int2Conv"
    call.input[1:] = [weights]
    del call.attribute[:]
    call.attribute.extend(attributes)


def _int2(values: Any, name: str) -> Any:
    from ml_dtypes import int2
    from onnx import numpy_helper

    return numpy_helper.from_array(np.ascontiguousarray(values).astype(int2), name)


def _raise_versions(model: Any) -> None:
    model.ir_version = IR_VERSION
    for imports in (model.opset_import, *(function.opset_import for function in model.functions)):
        for opset in imports:
            opset.version = opset.version if opset.domain else OPSET
