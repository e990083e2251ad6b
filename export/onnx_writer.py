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

from trit.export.check import accumulator_ranges, validate
from trit.export.graph import ONNX_TYPES, Graph, GraphError, Node, Tensor
from trit.export.onnx_functions import DOMAIN, EXACT_FLOAT32, IR_VERSION, OPSET, VERSION, used_functions
from trit.export.onnx_fused import fuse_calls
from trit.export.operators import Add, Concat, Rescale
from trit.runtime.files import write_atomic

DIGEST_KEY = "trit_sha256"
# The key and its 64-character value as protobuf lays them out: field 2, length 64.
DIGEST_PATTERN = re.compile(re.escape(DIGEST_KEY.encode() + b"\x12\x40") + rb"([0-9a-f]{64})")
NO_DIGEST = "0" * 64


def write_onnx(graph: Graph, path: str | os.PathLike[str]) -> None:
    """Write `graph` to `path` atomically. Raises GraphError if it is inconsistent or not exact in float32."""
    write_atomic(path, onnx_bytes(graph))


def onnx_bytes(graph: Graph) -> bytes:
    """The file's bytes; the same graph gives the same bytes."""
    model = to_onnx(graph)
    fuse_calls(model)
    bring_functions(model)
    data: bytes = model.SerializeToString(deterministic=True)
    digest = hashlib.sha256(data).hexdigest().encode()
    return DIGEST_PATTERN.sub(lambda match: match[0].replace(match[1], digest), data, count=1)


def to_onnx(graph: Graph) -> Any:
    """The onnx.ModelProto with a call a node, its digest still zero."""
    from onnx import helper

    validate(graph)
    check_exactness(graph)
    nodes: list[Any] = []
    initializers: list[Any] = []
    for node in graph.nodes:
        nodes.append(_call(node, graph, initializers))
    result = _flatten_scores(graph.tensors[graph.output], nodes)
    body = helper.make_graph(
        nodes,
        graph.metadata.get("name", "trit"),
        [_value_info(graph.tensors[graph.input])],
        [result],
        initializer=initializers,
        value_info=[_value_info(t) for t in graph.tensors.values() if t.name not in (graph.input, graph.output)],
    )
    model = helper.make_model(
        body,
        opset_imports=[helper.make_opsetid("", OPSET), helper.make_opsetid(DOMAIN, VERSION)],
        ir_version=IR_VERSION,
        producer_name="trit",
    )
    helper.set_model_props(model, _metadata(graph))
    bring_functions(model)
    return model


def bring_functions(model: Any) -> None:
    """Make the model's functions those that its nodes call."""
    del model.functions[:]
    model.functions.extend(used_functions({node.op_type for node in model.graph.node if node.domain == DOMAIN}))


def _call(node: Node, graph: Graph, initializers: list[Any]) -> Any:
    """The node as a call of its function; its constants are added to the initializers."""
    from onnx import helper, numpy_helper

    call = node.to_onnx(graph.inputs_of(node), graph.tensors[node.output])
    names: dict[int, str] = {}  # an array that stands twice is written once
    for name, values in call.constants.items():
        if id(values) not in names:
            names[id(values)] = f"{node.name}.{name}"
            initializers.append(numpy_helper.from_array(np.ascontiguousarray(values), names[id(values)]))
    inputs = [*node.inputs, *(names[id(values)] for values in call.constants.values())]
    return helper.make_node(call.function, inputs, [node.output], name=node.name, domain=DOMAIN, **call.attributes)


def _flatten_scores(output: Tensor, nodes: list[Any]) -> Any:
    """Scores of one position leave as (N, classes)."""
    from onnx import helper

    if output.shape[1:] != (1, 1):
        return _value_info(output)
    flat = f"{output.name}_flat"
    nodes.append(helper.make_node("Flatten", [output.name], [flat], name="flatten"))
    return helper.make_tensor_value_info(flat, ONNX_TYPES[output.kind], ["N", output.shape[0]])


def _value_info(tensor: Tensor) -> Any:
    from onnx import helper

    return helper.make_tensor_value_info(tensor.name, ONNX_TYPES[tensor.kind], ["N", *tensor.shape])


def _metadata(graph: Graph) -> dict[str, str]:
    fixed = {"trit_zero_point": str(graph.tensors[graph.input].zero_point), "trit_labels": "\n".join(graph.labels)}
    return {**{f"trit.{key}": value for key, value in graph.metadata.items()}, **fixed, DIGEST_KEY: NO_DIGEST}


def check_exactness(graph: Graph, in_integers: tuple[type[Node], ...] = (Add, Concat, Rescale)) -> None:
    """Raise GraphError where float32 cannot hold what it computes: all operators but those that stay `in_integers`."""
    ranges = accumulator_ranges(graph)
    for node in graph.nodes:
        low, high = ranges[node.output]
        if not isinstance(node, in_integers) and max(-low, high) >= EXACT_FLOAT32:
            raise GraphError(
                f"{node.name}: accumulators reach {low}..{high}; the ONNX form is exact below 2^24: use fewer inputs"
            )
