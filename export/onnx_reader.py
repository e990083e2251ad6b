# SPDX-License-Identifier: Apache-2.0
"""model.onnx back to the integer graph, checked whole: digest, form, and every value."""

from __future__ import annotations

import hashlib
import os
from typing import Any

from trit.export.check import validate
from trit.export.graph import Graph, GraphError, Node, OnnxCall, Tensor
from trit.export.onnx_functions import DOMAIN, VERSION, functions
from trit.export.onnx_fused import split_calls
from trit.export.onnx_plain import MARK
from trit.export.onnx_writer import DIGEST_PATTERN, NO_DIGEST
from trit.export.operators import OPERATORS
from trit.export.tasks import with_tasks
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
        graph = _graph_of(model)
        validate(graph)
    except TritError as error:
        raise TritError(f"{name}: {error}") from error
    except (KeyError, IndexError, ValueError, TypeError, AttributeError) as error:
        # The digest says that trit wrote the file, so this is a file made to look like it.
        raise TritError(f"{name}: not a network that trit exported ({type(error).__name__}: {error})") from error
    return graph


def _check_digest(data: bytes, name: str) -> None:
    match = DIGEST_PATTERN.search(data)
    if match is None and MARK in data:
        raise TritError(f"{name}: in a form for other tools (onnx-plain, onnx-int2, qonnx); trit reads --format onnx")
    if match is None:
        raise TritError(f"{name}: not a network that trit exported, or truncated: make one with trit export")
    zeroed = data[: match.start(1)] + NO_DIGEST.encode() + data[match.end(1) :]
    if hashlib.sha256(zeroed).hexdigest().encode() != match[1]:
        raise TritError(f"{name}: damaged, or changed since trit wrote it: its checksum does not match")


def _graph_of(model: Any) -> Graph:
    properties = {entry.key: entry.value for entry in model.metadata_props}
    if "trit_tasks" not in properties:
        return _graph_of_task(model, properties, 0)
    names = properties["trit_tasks"].split("\n")
    return with_tasks({name: _graph_of_task(model, properties, index) for index, name in enumerate(names)})


def _graph_of_task(model: Any, properties: dict[str, str], task: int) -> Graph:
    """The nodes in order; kinds, shapes and zero points follow from the input's."""
    from onnx import numpy_helper

    constants = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
    for call in model.graph.node:
        if call.op_type == "Gather":
            constants[call.output[0]] = constants[call.input[0]][task]
    source = model.graph.input[0]
    channels, height, width = (dim.dim_value for dim in source.type.tensor_type.shape.dim[1:])
    image = Tensor(source.name, "uint8", (channels, height, width), int(properties["trit_zero_point"]))
    graph = Graph(source.name, "", {source.name: image}, [])
    for call in split_calls(model.graph.node, functions()):
        if call.domain == DOMAIN:
            _append(call, graph, constants)
    graph.output = graph.nodes[-1].output
    labels = properties["trit_labels"]
    graph.labels = labels.split("\n") if labels else []
    graph.metadata = {k.removeprefix("trit."): v for k, v in properties.items() if k.startswith("trit.")}
    return graph


def _append(call: Any, graph: Graph, constants: dict[str, Any]) -> None:
    from onnx import helper

    attributes = {a.name: helper.get_attribute_value(a) for a in call.attribute}
    inputs = [name for name in call.input if name in graph.tensors]
    # By position: one array may stand for two parameters.
    values = {str(i): constants[name] for i, name in enumerate(call.input) if name not in graph.tensors}
    read = OnnxCall(call.op_type, values, attributes)
    node = _operator(call.op_type).from_onnx(call.name, inputs, call.output[0], read)
    found = node.check(*graph.inputs_of(node))
    kind = attributes["kind"].decode() if "kind" in attributes else found.kinds[0]
    graph.nodes.append(node)
    graph.tensors[node.output] = Tensor(node.output, kind, found.shape, found.zero_point)


def _operator(function: str) -> type[Node]:
    for operator in OPERATORS:
        if function in operator.onnx_functions:
            return operator
    raise GraphError(f"unknown operator {function}")
