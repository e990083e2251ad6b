# SPDX-License-Identifier: Apache-2.0
"""Is an integer graph consistent, and can no accumulator overflow? Every reader and writer asks here."""

from __future__ import annotations

from trit.export.graph import INT32_MAX, INT32_MIN, Graph, GraphError, Node, Range, Tensor


def validate(graph: Graph) -> None:
    """Raise GraphError, naming the node, where names, kinds, shapes, values or ranges do not fit together."""
    source = graph.tensors.get(graph.input)
    if source is None or source.kind != "uint8":
        raise GraphError(f"input {graph.input!r} is not a uint8 tensor of the graph")
    for tensor in graph.tensors.values():
        _check_tensor(tensor)
    written = {graph.input}
    for node in graph.nodes:
        for name in node.inputs:
            if name not in written or name not in graph.tensors:
                raise GraphError(f"{node.name}: reads {name!r}, which nothing before it writes")
        if node.output in written or node.output not in graph.tensors:
            raise GraphError(f"{node.name}: output {node.output!r} is unknown or written twice")
        written.add(node.output)
        _check_node(node, graph)
    if graph.output not in written or graph.output == graph.input:
        raise GraphError(f"output {graph.output!r} is written by no node")
    if graph.labels and len(graph.labels) != graph.tensors[graph.output].shape[0]:
        raise GraphError(f"{len(graph.labels)} labels for {graph.tensors[graph.output].shape[0]} output channels")
    accumulator_ranges(graph)
    for name in graph.tasks:
        try:
            validate(graph.of_task(name))
        except GraphError as error:
            raise GraphError(f"task {name!r}: {error}") from error


def accumulator_ranges(graph: Graph) -> dict[str, Range]:
    """Bounds of every tensor's values over all inputs. Raises GraphError where int32 could overflow."""
    ranges: dict[str, Range] = {graph.input: graph.tensors[graph.input].value_range}
    for node in graph.nodes:
        low, high = node.value_range(*(ranges[name] for name in node.inputs))
        if low <= INT32_MIN or high >= INT32_MAX:
            raise GraphError(f"{node.name}: accumulators reach {low}..{high}, more than 32 bits hold")
        ranges[node.output] = (low, high)
    return ranges


def _check_tensor(tensor: Tensor) -> None:
    if len(tensor.shape) != 3 or min(tensor.shape) < 1:
        raise GraphError(f"tensor {tensor.name!r}: shape {tensor.shape} is not (channels, height, width)")
    if not 0 <= tensor.zero_point <= 255 or (tensor.zero_point and tensor.kind != "uint8"):
        raise GraphError(f"tensor {tensor.name!r}: zero point {tensor.zero_point} does not fit {tensor.kind}")


def _check_node(node: Node, graph: Graph) -> None:
    inputs, output = graph.inputs_of(node), graph.tensors[node.output]
    expected = node.check(*inputs)
    of = f"{type(node).__name__} of {inputs[0].kind} {inputs[0].shape}"
    if output.kind not in expected.kinds:
        raise GraphError(f"{node.name}: {of} gives {expected.kinds[0]}, not {output.kind}")
    if output.shape != expected.shape or min(expected.shape) < 1:
        raise GraphError(f"{node.name}: {of} gives {expected.shape}, not {output.shape}")
    if output.zero_point != expected.zero_point:
        raise GraphError(f"{node.name}: {of} gives zero point {expected.zero_point}, not {output.zero_point}")
