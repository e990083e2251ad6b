# SPDX-License-Identifier: Apache-2.0
"""From a trained torch network to the integer graph, exactly.

The network is traced with torch.fx, whole layers kept as leaves, and evaluated symbolically: each value is an
integer tensor of the graph and, per channel, the affine function that makes the layer's real value of it
(`exact.Channel`). Batch norm, scales and biases only change that function; an activation turns it into
thresholds or into the factors of a rescaling.
"""

from __future__ import annotations

import operator
from dataclasses import replace
from typing import Any

import torch
from torch import fx, nn

from trit.export import lower_layers as layers
from trit.export.graph import Graph, GraphError, Shape
from trit.export.lowering import Lowering, Value


def lower(network: nn.Module, input_shape: Shape) -> Graph:
    """The integer graph of `network` for uint8 images of `input_shape` (channels, height, width; 1-d: height 1).

    In evaluation mode the graph equals the network's real-valued meaning: every activation is the one that exact
    arithmetic on the float parameters gives. Raises GraphError with a layer's path where that cannot be done.
    """
    traced = _trace(network)
    lowering = Lowering(input_shape)
    values: dict[fx.Node, Any] = {}
    modules = dict(traced.root.named_modules())
    for node in traced.graph.nodes:
        if node.op == "output":
            return _finish(lowering, values.get(node.args[0]))
        values[node] = _evaluate(node, values, modules, lowering)
    raise GraphError("the network has no output")


class _Tracer(fx.Tracer):
    """Keeps torch's and trit's own layers whole."""

    def is_leaf_module(self, module: nn.Module, qualified_name: str) -> bool:
        package = type(module).__module__
        return package.startswith(("torch.nn", "trit.train.layers", "trit.train.quantizers")) and not isinstance(
            module, nn.Sequential
        )


class _Traced:
    def __init__(self, root: nn.Module, graph: fx.Graph) -> None:
        self.root, self.graph = root, graph


def _trace(network: nn.Module) -> _Traced:
    if not isinstance(network, nn.Sequential) and _Tracer().is_leaf_module(network, ""):
        network = nn.Sequential(network)
    try:
        return _Traced(network, _Tracer().trace(network))
    except (fx.proxy.TraceError, TypeError) as error:
        reason = str(error).splitlines()[0]
        raise GraphError(
            f"{type(network).__name__} cannot be traced ({reason}): its forward must not branch on values"
        ) from error


def _evaluate(node: fx.Node, values: dict[fx.Node, Any], modules: dict[str, nn.Module], lowering: Lowering) -> Any:
    if node.op == "placeholder":
        return lowering.placeholder()
    operands: list[Any] = [values[a] if isinstance(a, fx.Node) else a for a in node.args]
    if node.op == "call_function" and node.target in _CONCATENATIONS:
        return _concatenate(node, values, lowering)
    match operands:
        case [Value()] | [Value(), Value()] if node.op == "call_module":
            path = str(node.target)
            return _module(lowering.name_of(path), modules[path], operands, lowering)
        case [Value() as value] if node.target in _SIGNS:
            return layers.sign(lowering.name_of(node.name), value, lowering)
        case [Value() as left, Value() as right] if node.target in _ADDITIONS and not node.kwargs:
            return layers.add(node.name, left, right, lowering)
        case [Value(), *_] | [_, Value()] if node.target in _ADDITIONS:
            raise GraphError(f"{node.name}: adds a constant or a multiple; put it into a bias or a scale")
        case [Value() as value, *axes] if node.target in (torch.flatten, "flatten"):
            if [*axes, *node.kwargs.values()] not in ([1], [1, -1]):
                raise GraphError(f"{node.name}: only flattening of all but the batch is supported: flatten(x, 1)")
            return replace(value, flat=True)
    name = getattr(node.target, "__name__", node.target)
    raise GraphError(
        f"{node.name} ({name}) is not supported: use the layers in {_SUPPORTED}, +, torch.sign, torch.cat and flatten"
    )


def _concatenate(node: fx.Node, values: dict[fx.Node, Any], lowering: Lowering) -> Value:
    """torch.cat of all its tensors, two at a time."""
    arguments = {**dict(zip(("tensors", "dim"), node.args, strict=False)), **node.kwargs}
    sources, axis = arguments["tensors"], arguments.get("dim", arguments.get("axis"))
    found = [values[a] if isinstance(a, fx.Node) else a for a in sources] if isinstance(sources, list | tuple) else []
    if axis != 1 or not found or not all(isinstance(value, Value) for value in found):
        raise GraphError(f"{node.name}: only a list of values along the channels can be joined: torch.cat([a, b], 1)")
    joined: Value = found[0]
    for count, value in enumerate(found[1:], 1):
        joined = layers.concat(node.name if count == 1 else f"{node.name}:{count}", joined, value, lowering)
    return joined


_CONCATENATIONS = (torch.cat, torch.concat, torch.concatenate)
_SIGNS = (torch.sign, torch.sgn, "sign", "sign_", "sgn")
_ADDITIONS = (operator.add, operator.iadd, torch.add, "add", "add_")


def _module(path: str, module: nn.Module, values: list[Value], lowering: Lowering) -> Value:
    for kinds, lower_module in layers.LAYERS if len(values) == 1 else layers.LAYERS_OF_TWO:
        if type(module).__name__ in kinds:
            if any(value.limits for value in values) and lower_module not in layers.AFTER_CLIPPING:
                raise GraphError(
                    f"layer {path} reads clipped values: put an activation behind the Hardtanh or ReLU before it"
                )
            return lower_module(path, module, *values, lowering)
    if any(type(module).__name__ in kinds for kinds, _ in layers.LAYERS_OF_TWO):
        raise GraphError(f"layer {path} ({type(module).__name__}) takes two values, not by keyword")
    raise GraphError(f"layer {path} ({type(module).__name__}) is not supported: use {_SUPPORTED}")


_SUPPORTED = ", ".join(name for kinds, _ in (*layers.LAYERS, *layers.LAYERS_OF_TWO) for name in kinds)


def _finish(lowering: Lowering, value: Any) -> Graph:
    """Scores of the last accumulators."""
    if not isinstance(value, Value):
        raise GraphError("the network returns several values; return the scores alone")
    source = lowering.tensors[value.tensor]
    if source.kind != "int32" or value.limits:
        raise GraphError("the network ends in an activation; end it with a layer and, if wanted, batch norm")
    return lowering.scores(value.tensor, value.channels)
