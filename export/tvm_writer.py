# SPDX-License-Identifier: Apache-2.0
"""The integer graph as a Relax module of packed-bit operators, built by TVM for this machine."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from trit.export.check import validate
from trit.export.graph import Graph, GraphError, Node
from trit.export.operators import Add, Concat, Conv, MaxPool, Rescale, Scores, SumPool, Threshold
from trit.runtime.errors import MissingExtra, TritError
from trit.runtime.images import as_images

Array = npt.NDArray[Any]


class TvmModule:
    """A built network: run(images) gives its scores."""

    def __init__(self, machine: Any) -> None:
        self._main = machine["main"]
        channels, height, width = machine["input_shape"]().numpy().tolist()
        self._shape = (channels, height, width)

    def run(self, x: npt.ArrayLike) -> npt.NDArray[np.float32]:
        """Scores (N, C, H, W) of images (N, C, H, W), one image at a time. Raises TritError where x does not fit."""
        tvm = _tvm()
        images = as_images(x, self._shape)
        return np.stack([self._main(tvm.runtime.tensor(image)).numpy() for image in images])


def build(graph: Graph) -> TvmModule:
    """Build the network for this machine, in memory."""
    tvm = _tvm()
    machine = tvm.relax.VirtualMachine(_compile(graph), tvm.cpu())
    return TvmModule(machine)


def write_tvm(graph: Graph, path: Path) -> None:
    """Build the network for this machine as a shared library. Raises TritError if it cannot be written."""
    from tempfile import TemporaryDirectory

    from trit.runtime.files import write_atomic

    executable = _compile(graph)
    with TemporaryDirectory(prefix="trit-") as folder:
        library = Path(folder) / "model.so"
        try:
            executable.export_library(str(library))
        except RuntimeError as error:
            raise TritError(f"{path}: TVM needs a C compiler to link: {str(error).strip()[-200:]}") from error
        write_atomic(path, library.read_bytes())


def load_tvm(path: str | os.PathLike[str]) -> TvmModule:
    """Open what `write_tvm` wrote. Raises TritError if it is no such library."""
    tvm = _tvm()
    try:
        return TvmModule(tvm.relax.VirtualMachine(tvm.runtime.load_module(str(path)), tvm.cpu()))
    except Exception as error:  # TVM raises types of its own for what it cannot load
        raise TritError(f"{path}: not a network built by TVM: {str(error).strip().splitlines()[-1]}") from error


def to_relax(graph: Graph) -> Any:
    """The graph as an IRModule: `main` takes uint8 (C, H, W) and gives float32 scores (C, H, W).

    A second function, `input_shape`, gives (C, H, W), so that the built library is complete.
    """
    tvm = _tvm()
    from trit.export import tvm_operators as operators

    validate(graph)
    if graph.tensors[graph.output].kind != "float32":
        raise GraphError(
            f"the output {graph.output!r} is {graph.tensors[graph.output].kind}; TVM needs Scores at the end"
        )
    source = graph.tensors[graph.input]
    builder = tvm.relax.BlockBuilder()
    image = tvm.relax.Var("image", tvm.relax.TensorType(source.shape, "uint8"))
    with builder.function("main", [image]):
        with builder.dataflow():
            values = {graph.input: builder.emit_te(operators.interleave, image)}
            for node in graph.nodes:
                values[node.output] = _emit(builder, graph, node, values)
            result = builder.emit_output(values[graph.output])
        builder.emit_func_output(result)
    with builder.function("input_shape", []):
        with builder.dataflow():
            shape = builder.emit_output(builder.emit(tvm.relax.const(np.array(source.shape, np.int64))))
        builder.emit_func_output(shape)
    return builder.get()


def _emit(builder: Any, graph: Graph, node: Node, values: dict[str, Any]) -> Any:
    from tvm import relax

    from trit.export import tvm_operators as operators

    source, target, x = graph.tensors[node.input], graph.tensors[node.output], values[node.input]

    def emit(compute: Callable[..., Any], *operands: Any) -> Any:
        # Without its type named, TVM makes int32 of int64.
        constants = [relax.const(o, str(o.dtype)) if isinstance(o, np.ndarray) else o for o in operands]
        return builder.emit_te(compute, *constants, primfunc_name_hint=type(node).__name__.lower())

    match node:
        case Conv():
            return emit(operators.conv(node, source, target), x, operators.conv_weights(node, source.shape[0]))
        case Threshold():
            return emit(operators.threshold(node, source, target), x, operators.threshold_parameters(node))
        case Rescale():
            return emit(operators.rescale(node, source), x, operators.rescale_parameters(node))
        case MaxPool():
            return emit(operators.max_pool(node, source, target), x, operators.minimum_bits(node, target.shape[0]))
        case SumPool():
            return emit(operators.sum_pool(node, source, target), x)
        case Add():
            other = graph.tensors[node.other]
            return emit(operators.add(source, other, target), x, values[node.other])
        case Concat():
            other = graph.tensors[node.other]
            return emit(operators.concat(source, other, target), x, values[node.other])
        case Scores():
            product = emit(operators.scores_product(node, source), x, node.scale)
            return emit(operators.scores_sum, product, node.bias)
    raise GraphError(f"{node.name}: TVM cannot run {type(node).__name__}")


def _compile(graph: Graph) -> Any:
    tvm = _tvm()
    # Not mcpu "native": TVM logs that it does not know it and goes on with a generic processor.
    target = tvm.target.Target({"kind": "llvm", "mcpu": tvm.target.codegen.llvm_get_system_cpu()})
    return tvm.relax.build(to_relax(graph), target)


def _tvm() -> Any:
    try:
        import tvm
        import tvm.relax
    except ImportError:
        raise MissingExtra("apache-tvm", "tvm") from None
    return tvm
