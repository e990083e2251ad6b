# SPDX-License-Identifier: Apache-2.0
"""The integer graph as an ONNX file that is complete and that stock onnxruntime runs.

Weights are packed uint8: a row of bits per output channel, one plane if binary, two if ternary. The file carries a
SHA-256 over its own bytes, so that a damaged file is refused rather than run.

Of a network that has learned several tasks, arrays that differ are stacked, a task each, and a Gather takes the part
that the int64 input `task` says, 0 where it is not given.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from trit.export.check import accumulator_ranges, validate
from trit.export.graph import ONNX_TYPES, Array, Graph, GraphError, Node, Tensor
from trit.export.onnx_functions import DOMAIN, EXACT_FLOAT32, IR_VERSION, OPSET, VERSION, used_functions
from trit.export.onnx_fused import fuse_calls
from trit.export.operators import Add, Concat, MaxUnpool, Rescale
from trit.runtime.files import write_atomic

TASK = "task"  # the input for the task's index
DIGEST_KEY = "trit_sha256"
# The key and its 64-character value as protobuf lays them out: field 2, length 64.
DIGEST_PATTERN = re.compile(re.escape(DIGEST_KEY.encode() + b"\x12\x40") + rb"([0-9a-f]{64})")
NO_DIGEST = "0" * 64
IN_INTEGERS = (Add, Concat, MaxUnpool, Rescale)  # operators whose functions do not compute in float32


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
    constants = _Constants()
    nodes = [_call(node, graph, constants) for node in graph.nodes]
    result = _flatten_scores(graph.tensors[graph.output], nodes)
    body = helper.make_graph(
        [*constants.gathers, *nodes],
        graph.metadata.get("name", "trit"),
        [_value_info(graph.tensors[graph.input]), *_task_input(graph, constants)],
        [result],
        initializer=constants.initializers,
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


@dataclass
class _Constants:
    """The initializers so far, and the nodes that take the task's part of those that differ from task to task."""

    initializers: list[Any] = field(default_factory=list)
    gathers: list[Any] = field(default_factory=list)

    def add(self, name: str, arrays: Sequence[Array]) -> str:
        """The name by which a node reads the array, of which there is one for all tasks or one a task."""
        from onnx import helper, numpy_helper

        shared = all(array.tobytes() == arrays[0].tobytes() for array in arrays[1:])  # bit for bit: -0.0 is not 0.0
        values = arrays[0] if shared else np.stack(arrays)
        self.initializers.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        if shared:
            return name
        self.gathers.append(helper.make_node("Gather", [name, TASK], [f"{name}:{TASK}"], name=f"{name}:{TASK}"))
        return f"{name}:{TASK}"


def _call(node: Node, graph: Graph, constants: _Constants) -> Any:
    """The node as a call of its function, whose constants are added."""
    from onnx import helper

    own = [nodes.get(node.output, node) for nodes in graph.tasks.values()]
    nodes = [node] if all(each is node for each in own) else own
    calls = [each.to_onnx(graph.inputs_of(node), graph.tensors[node.output]) for each in nodes]
    names: dict[tuple[int, ...], str] = {}  # arrays that stand twice are written once
    inputs = list(node.inputs)
    for name in calls[0].constants:
        arrays = [call.constants[name] for call in calls]
        key = tuple(map(id, arrays))
        if key not in names:
            names[key] = constants.add(f"{node.name}.{name}", arrays)
        inputs.append(names[key])
    function, attributes = calls[0].function, calls[0].attributes
    return helper.make_node(function, inputs, [node.output], name=node.name, domain=DOMAIN, **attributes)


def _task_input(graph: Graph, constants: _Constants) -> list[Any]:
    """Of a network with tasks, the index of the one to run: an input whose default, an initializer, is the first."""
    from onnx import TensorProto, helper, numpy_helper

    if not graph.tasks:
        return []
    if TASK in graph.tensors:
        raise GraphError(f"a tensor has the name {TASK!r}, which is that of the input for the task's index")
    constants.initializers.append(numpy_helper.from_array(np.array(0, np.int64), TASK))
    return [helper.make_tensor_value_info(TASK, TensorProto.INT64, [])]


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
    if graph.tasks:
        fixed["trit_tasks"] = "\n".join(graph.tasks)
    return {**{f"trit.{key}": value for key, value in graph.metadata.items()}, **fixed, DIGEST_KEY: NO_DIGEST}


def check_exactness(graph: Graph, in_integers: tuple[type[Node], ...] = IN_INTEGERS) -> None:
    """Raise GraphError where float32 cannot hold what it computes: all operators but those that stay `in_integers`."""
    for each in graph.of_tasks():
        _check_exactness(each, in_integers)


def _check_exactness(graph: Graph, in_integers: tuple[type[Node], ...]) -> None:
    ranges = accumulator_ranges(graph)
    for node in graph.nodes:
        low, high = ranges[node.output]
        if not isinstance(node, in_integers) and max(-low, high) >= EXACT_FLOAT32:
            raise GraphError(
                f"{node.name}: accumulators reach {low}..{high}; the ONNX form is exact below 2^24: use fewer inputs"
            )
