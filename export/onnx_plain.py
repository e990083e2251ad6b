# SPDX-License-Identifier: Apache-2.0
"""The ONNX form with its functions inlined, for tools that know standard operators alone."""

from __future__ import annotations

import os
from typing import Any

from trit.export.graph import Graph
from trit.export.onnx_functions import DOMAIN
from trit.export.onnx_writer import DIGEST_KEY, to_onnx
from trit.runtime.files import write_atomic

MARK = b"trit, for other tools"  # the producer's name, by which the reader knows a file that it does not read


def write_onnx_plain(graph: Graph, path: str | os.PathLike[str]) -> None:
    """Write what `to_onnx_plain` gives to `path` atomically. Raises GraphError as `write_onnx` does."""
    write_atomic(path, to_onnx_plain(graph).SerializeToString(deterministic=True))


def to_onnx_plain(graph: Graph) -> Any:
    """The onnx.ModelProto, its weights still packed. The metadata lacks the digest, as trit reads the other form."""
    return inline(to_onnx(graph))


def inline(model: Any) -> Any:
    """The model with the nodes of the functions' bodies in place of their calls, and constants as initializers."""
    from onnx import inliner

    model = inliner.inline_local_functions(model)
    model.producer_name = MARK.decode()
    _move(model.opset_import, lambda opset: opset.domain == DOMAIN)
    _move(model.metadata_props, lambda entry: entry.key == DIGEST_KEY)
    constants = _move(model.graph.node, lambda node: node.op_type == "Constant")
    model.graph.initializer.extend(_tensor(node) for node in constants)
    return model


def _move(items: Any, belongs: Any) -> list[Any]:
    """Take those that belong out of a protobuf list."""
    taken = [item for item in items if belongs(item)]
    for item in taken:
        items.remove(item)
    return taken


def _tensor(node: Any) -> Any:
    """A Constant's value, whichever attribute holds it, as an initializer."""
    import numpy as np
    from onnx import helper, numpy_helper

    (attribute,) = node.attribute
    value = helper.get_attribute_value(attribute)
    if attribute.name == "value":
        array = numpy_helper.to_array(value)
    else:
        array = np.array(value, np.int64 if attribute.name.startswith("value_int") else np.float32)
    return numpy_helper.from_array(array, node.output[0])
