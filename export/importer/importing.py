# SPDX-License-Identifier: Apache-2.0
"""An ONNX file of others as an integer graph: each operation in turn, by its rule."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from trit.export import fuse
from trit.export.exact import Channel
from trit.export.graph import Graph, GraphError
from trit.export.importer.constants import fold
from trit.export.importer.network import Layer, Network
from trit.export.importer.pixels import Pixels, image_of
from trit.export.importer.quantize import line_of
from trit.export.importer.rules import RULES, Ending
from trit.export.importer.source import Operation, Source, read_source
from trit.export.importer.values import Real
from trit.export.schema import did_you_mean


@dataclass(frozen=True)
class Imported:
    """The integer graph, a row for each layer with weights, and what was left out or assumed."""

    graph: Graph
    layers: list[Layer]
    notes: list[str]
    source: Source
    pixels: Pixels  # what the image's codes stand for in the source's input
    gives_scores: bool  # does the source give the scores, not probabilities or classes made of them


Watch = Callable[[str], None]  # told each node's name


def import_onnx(
    path: str | os.PathLike[str],
    pixels: Pixels | None = None,
    round_weights: bool = False,
    watch: Watch = lambda node: None,
) -> Imported:
    """The integer graph of an ONNX or QONNX file.

    `pixels` says what uint8 pixels are to the source's input; without it that is deduced. With `round_weights` layers
    whose weights are on no grid get the nearest 8-bit weights, and the result is not exact. Raises GraphError that
    names the first node that does not reduce and what was expected, TritError for a file that is no network.
    """
    return import_source(read_source(path), pixels, round_weights, watch)


def import_source(
    source: Source, pixels: Pixels | None = None, round_weights: bool = False, watch: Watch = lambda node: None
) -> Imported:
    """As `import_onnx`, of a graph that is read already."""
    chosen, real, network = image_of(source, pixels or Pixels())
    network.round_weights = round_weights
    values: dict[str, Any] = {**source.constants, source.input: real}
    for array in source.constants.values():
        network.store(array)
    for operation in source.operations:
        for name in operation.inputs:
            network.readers.setdefault(name, []).append(operation)
    needed = _needed(source)
    for operation in source.operations:
        if needed.intersection(operation.outputs):
            watch(operation.name)
            _evaluate(operation, values, network)
    scores = _scores(source, values)
    graph = _finish(source, scores, network)
    gives_scores = not any(isinstance(values[name], Ending) for name in source.outputs)
    return Imported(graph, network.layers, network.notes, source, chosen, gives_scores)


def _needed(source: Source) -> set[str]:
    """The values that the outputs depend on."""
    wanted = set(source.outputs)
    for operation in reversed(source.operations):
        if wanted.intersection(operation.outputs):
            wanted.update(operation.inputs)
    return wanted


def _evaluate(operation: Operation, values: dict[str, Any], network: Network) -> None:
    missing = [name for name in operation.inputs if name and name not in values]
    if missing:
        raise operation.error(f"reads {missing[0]}, which nothing before it writes")
    inputs = [values[name] if name else None for name in operation.inputs]
    if any(isinstance(value, Ending) for value in inputs):
        inputs = _behind_ending(operation, inputs)
        values.update(dict.fromkeys(operation.outputs, inputs[0]))
        return
    if any(isinstance(value, Real) for value in inputs):
        if operation.type not in RULES:
            hint = did_you_mean(operation.type, RULES)
            raise operation.error(f"has no rule; {hint}docs/importing.md lists what is understood")
        found = RULES[operation.type](operation, inputs, network)
    else:
        found = tuple(fold(operation, inputs))
        network.inherit(inputs, found)
    outputs: Sequence[Any] = found if isinstance(found, tuple) else (found,)
    values.update(zip(operation.outputs, outputs, strict=False))


def _behind_ending(operation: Operation, inputs: list[Any]) -> list[Any]:
    if operation.type in ("Identity", "Cast", "Squeeze", "Unsqueeze", "Reshape", "Flatten", "Log", "ArgMax", "TopK"):
        return inputs
    raise operation.error("works on classes or probabilities; the network's end is expected there")


def _scores(source: Source, values: dict[str, Any]) -> Real:
    """The one value that all outputs are of."""
    reals: list[Real] = []
    for name in source.outputs:
        value = values.get(name)
        real = value.scores if isinstance(value, Ending) else value
        if not isinstance(real, Real):
            raise GraphError(f"output {name} does not depend on the image")
        reals.append(real)
    if any((real.parts, real.functions) != (reals[0].parts, reals[0].functions) for real in reals):
        names = ", ".join(source.outputs)
        raise GraphError(f"the network has outputs {names}; scores of one set of classes are expected")
    return reals[0]


def _finish(source: Source, real: Real, network: Network) -> Graph:
    """Scores of the last sums; bits and codes are summed alone. What nothing reads is left out."""
    last = Operation("output", "", source.outputs[0], (), (), {})
    shape = network.tensor(real.parts[0]).shape
    if not np.array_equal(real.positions.reshape(-1), np.arange(np.prod(shape))):
        raise last.error(f"its elements are not the channels of {real.name} in order; one score a class is expected")
    line = line_of(last, real, network, sums=True)
    tensor = network.widened(network.added(line.parts), codes=True)
    channels = [Channel(a=scale, o=offset) for scale, offset in zip(line.scales, line.offsets, strict=True)]
    graph = network.lowering.scores(tensor, channels)
    graph.nodes = fuse.needed(graph)
    read = {graph.input, *(node.output for node in graph.nodes)}
    graph.tensors = {name: found for name, found in graph.tensors.items() if name in read}
    return graph
