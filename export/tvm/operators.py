# SPDX-License-Identifier: Apache-2.0
"""trit's operators as Relax operators: `trit.BinaryConv`, `trit.Threshold`, ..., with the constants and attributes that
the functions of the same names have in ONNX.

A call's arguments are its tensors, as values.py lays them out, and then its constants. Beside ONNX's attributes stand
`channels` and `zero_points`, one a tensor: packed words do not show how many channels they hold.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import tvm
from tvm import relax

from trit.export.graph import Kind, Node, OnnxCall, Tensor
from trit.export.operators import OPERATORS
from trit.runtime.bits import words
from trit.runtime.errors import TritError

PREFIX = "trit."
_PARTS = ("UnpackBits", "Int2Conv")  # functions of the ONNX forms alone
_CLASSES = {f: operator for operator in OPERATORS for f in operator.onnx_functions if f not in _PARTS}


def call(node: Node, sources: Sequence[Tensor], output: Tensor, operands: Sequence[Any]) -> Any:
    """The node as a call on Relax expressions `operands`, which hold the tensors `sources`."""
    form = node.to_onnx(sources, output)
    constants = [relax.const(np.ascontiguousarray(v), str(v.dtype)) for v in form.constants.values()]
    attributes = {name: list(v) if isinstance(v, tuple) else v for name, v in form.attributes.items()}
    attributes["channels"] = [tensor.shape[0] for tensor in sources]
    attributes["zero_points"] = [tensor.zero_point for tensor in sources]
    attrs = tvm.ir.make_node("ir.DictAttrs", **attributes)
    return relax.Call(tvm.ir.Op.get(PREFIX + form.function), [*operands, *constants], attrs)


def is_operator(expr: Any) -> bool:
    is_call: bool = isinstance(expr, relax.Call) and isinstance(expr.op, tvm.ir.Op)
    return is_call and expr.op.name.removeprefix(PREFIX) in _CLASSES


def read(expr: Any) -> tuple[Node, list[Tensor], Tensor]:
    """The reverse of `call`: the node, its inputs and its output. Raises TritError if the call is malformed."""
    name = expr.op.name
    function = name.removeprefix(PREFIX)
    try:
        names = expr.attrs.keys()  # it is no mapping of Python's
        attributes = {key: expr.attrs[key] for key in names}
        channels, zero_points = attributes["channels"], attributes["zero_points"]
        count = len(channels)
        sources = [_tensor(str(i), expr.args[i].ty, int(channels[i]), int(zero_points[i])) for i in range(count)]
        constants = {str(i): argument.value.numpy() for i, argument in enumerate(expr.args[count:])}
        operands = [source.name for source in sources]
        node = _CLASSES[function].from_onnx(name, operands, "output", OnnxCall(function, constants, attributes))
    except TritError:
        raise
    except Exception as error:  # what a call lacks, TVM reports in types of its own
        raise TritError(f"{name}: not a call of this operator ({type(error).__name__}: {error})") from error
    found = node.check(*sources)
    kind = str(attributes["kind"]) if "kind" in attributes else found.kinds[0]
    return node, sources, Tensor("output", kind, found.shape, found.zero_point)  # type: ignore[arg-type]


def type_of(tensor: Tensor) -> Any:
    """The Relax type of what holds the tensor."""
    channels, height, width = tensor.shape
    if tensor.is_bits:
        return relax.TensorType((2 if tensor.kind == "ternary" else 1, height, width, words(channels)), "uint32")
    shape = tensor.shape if tensor.kind == "float32" else (height, width, channels)
    return relax.TensorType(shape, tensor.kind)


def _tensor(name: str, type_: Any, channels: int, zero_point: int) -> Tensor:
    sizes = [int(size) for size in type_.shape]
    dtype = str(type_.dtype.dtype if hasattr(type_.dtype, "dtype") else type_.dtype)
    kind: Kind = {"uint8": "uint8", "int32": "int32", "float32": "float32"}.get(dtype, "binary")  # type: ignore[assignment]
    if dtype == "uint32":
        kind, (height, width) = ("ternary" if sizes[0] == 2 else "binary"), sizes[1:3]
    else:
        height, width = sizes[:2]
    tensor = Tensor(name, kind, (channels, height, width), zero_point)
    if [int(size) for size in type_of(tensor).shape] != sizes:
        raise TritError(f"operand of type {type_} does not hold {channels} channels")
    return tensor


def _infer(expr: Any, _builder: Any) -> Any:
    return type_of(read(expr)[2])


def _register() -> None:
    for name, operator in _CLASSES.items():
        tvm.get_global_func("ir.RegisterOp")(PREFIX + name, operator.__doc__ or name)
        tvm.ir.register_op_attr(PREFIX + name, "FPurity", True)
        tvm.ir.register_op_attr(PREFIX + name, "FInferType", _infer)


_register()
