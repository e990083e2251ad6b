# SPDX-License-Identifier: Apache-2.0
"""The integer graph as a Relax module of trit's operators."""

from __future__ import annotations

from typing import Any

import numpy as np
from tvm import relax

from trit.export.check import validate
from trit.export.graph import Graph, GraphError
from trit.export.tvm import operators


def variable(index: int) -> str:
    """The name of the variable that holds the output of node `index`; a node's own may be none that Relax takes."""
    return f"n{index}"


def to_relax(graph: Graph) -> Any:
    """The graph as an IRModule: `main` takes uint8 (C, H, W) and gives float32 scores (C, H, W).

    A second function, `input_shape`, gives (C, H, W), so that the built library is complete. Raises GraphError where
    the graph is inconsistent or does not end in Scores.
    """
    validate(graph)
    if graph.tensors[graph.output].kind != "float32":
        kind = graph.tensors[graph.output].kind
        raise GraphError(f"the output {graph.output!r} is {kind}; TVM needs Scores at the end")
    shape = graph.tensors[graph.input].shape
    builder = relax.BlockBuilder()
    image = relax.Var("image", relax.TensorType(shape, "uint8"))
    with builder.function("main", [image]):
        with builder.dataflow():
            values = {graph.input: builder.emit(relax.op.permute_dims(image, [1, 2, 0]))}
            for index, node in enumerate(graph.nodes):
                operands = [values[name] for name in node.inputs]
                call = operators.call(node, graph.inputs_of(node), graph.tensors[node.output], operands)
                values[node.output] = builder.emit(call, variable(index))
            result = builder.emit_output(values[graph.output])
        builder.emit_func_output(result)
    with builder.function("input_shape", []):
        with builder.dataflow():
            sizes = builder.emit_output(builder.emit(relax.const(np.array(shape, np.int64), "int64")))
        builder.emit_func_output(sizes)
    return builder.get()
