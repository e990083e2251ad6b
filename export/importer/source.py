# SPDX-License-Identifier: Apache-2.0
"""Other people's ONNX files, read leniently: operations in order, stored constants, the one input, the outputs.

No checker is asked: exporters of quantized networks write domains that they do not import and operators that no
schema knows. An operator counts by its type, whatever domain it is in.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from trit.export.graph import GraphError
from trit.runtime.errors import TritError
from trit.runtime.files import read_bytes

Array = npt.NDArray[Any]


# What older operator sets have as attributes and newer ones as inputs, from this position on.
_ONCE_ATTRIBUTES: dict[str, tuple[int, tuple[str, ...]]] = {
    "Clip": (1, ("min", "max")),
    "Pad": (1, ("pads", "value")),
    "Reshape": (1, ("shape",)),
    "Slice": (1, ("starts", "ends", "axes", "steps")),
    "Split": (1, ("split",)),
    "Squeeze": (1, ("axes",)),
    "TopK": (1, ("k",)),
    "Unsqueeze": (1, ("axes",)),
    **dict.fromkeys(("ReduceMax", "ReduceMean", "ReduceSum"), (1, ("axes",))),
}
OPSET = 21  # whose operators these are once their attributes are inputs


@dataclass(frozen=True)
class Operation:
    """A node of the source, in the form that newer operator sets have. Absent inputs and outputs are ""."""

    type: str
    domain: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any]  # as Python's and numpy's values; text as str

    def error(self, message: str) -> GraphError:
        return GraphError(f"node {self.name} ({self.type}): {message}")


@dataclass
class Source:
    """A file's graph. The input's axes are sizes, 0 where the file leaves one open."""

    operations: list[Operation]
    constants: dict[str, Array]
    input: str
    input_shape: tuple[int, ...]
    input_type: np.dtype[Any]
    outputs: tuple[str, ...]
    model: Any = field(repr=False, default=None)  # the onnx.ModelProto, for whoever runs it


def read_source(path: str | os.PathLike[str]) -> Source:
    """The graph of an ONNX file. Raises TritError for a file that is none, or that trit wrote itself."""
    import onnx
    from google.protobuf.message import DecodeError
    from onnx.external_data_helper import load_external_data_for_model

    data = read_bytes(path)
    try:
        model = onnx.load_model_from_string(data)
    except DecodeError as error:
        raise TritError(f"{path}: not an ONNX file, or truncated") from error
    if not model.graph.node:
        raise TritError(f"{path}: not an ONNX file, or an empty graph")
    if any(entry.key == "trit_sha256" for entry in model.metadata_props):
        raise TritError(f"{path}: is trit's own already, there is nothing to import")
    try:
        load_external_data_for_model(model, os.path.dirname(os.path.abspath(path)))
        return source_of(model)
    except TritError as error:
        raise TritError(f"{path}: {error}") from error
    except (OSError, ValueError, onnx.checker.ValidationError) as error:
        raise TritError(f"{path}: cannot be read: {error}") from error


def source_of(model: Any) -> Source:
    """The graph of an onnx.ModelProto. Raises GraphError where it has not one input."""
    from onnx import helper, inliner, numpy_helper

    graph = (inliner.inline_local_functions(model) if model.functions else model).graph
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    operations = [_operation(node, index, constants) for index, node in enumerate(graph.node)]
    inputs = [value for value in graph.input if value.name not in constants]
    if len(inputs) != 1:
        names = ", ".join(value.name for value in inputs) or "none"
        raise GraphError(f"the network has inputs {names}; one image input is expected")
    kind = inputs[0].type.tensor_type
    return Source(
        operations,
        constants,
        inputs[0].name,
        tuple(dim.dim_value for dim in kind.shape.dim),
        np.dtype(helper.tensor_dtype_to_np_dtype(kind.elem_type)) if kind.elem_type else np.dtype(np.float32),
        tuple(value.name for value in graph.output),
        model,
    )


def _operation(node: Any, index: int, constants: dict[str, Array]) -> Operation:
    from onnx import helper

    attributes = {attribute.name: _plain(helper.get_attribute_value(attribute)) for attribute in node.attribute}
    name = node.name.strip("/") or f"{node.op_type}_{index}"
    inputs = list(node.input)
    first, once_attributes = _ONCE_ATTRIBUTES.get(node.op_type, (0, ()))
    if node.op_type == "Pad" and "paddings" in attributes:  # as operator set 1 spells it
        attributes["pads"] = attributes.pop("paddings")
    for position, key in enumerate(once_attributes, first):
        if key in attributes:
            inputs += [""] * (position + 1 - len(inputs))
            inputs[position] = f"{name}.{key}"
            constants[inputs[position]] = _number_array(attributes.pop(key))
    return Operation(node.op_type, node.domain, name, tuple(inputs), tuple(node.output), attributes)


def _number_array(value: Any) -> Array:
    array = np.asarray(value)
    return array.astype(np.float32 if array.dtype.kind == "f" else np.int64)


def _plain(value: Any) -> Any:
    from onnx import TensorProto, numpy_helper

    if isinstance(value, bytes):
        return value.decode(errors="replace")
    if isinstance(value, TensorProto):
        return numpy_helper.to_array(value)
    return value
