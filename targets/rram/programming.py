# SPDX-License-Identifier: Apache-2.0
"""Writes the programming files of a network: the state of every device of every array, and what joins the arrays.

network.txt lists tensors (channels, height, width, zero point), input, output and nodes in execution order, in the
form that firmware/rram_run.c reads; arrays/NNNNN.txt has a line a row: the devices on the bit lines, then those on
the complements, as hexadecimal digits of four columns each, 1 for LRS.
"""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import numpy as np
import numpy.typing as npt

from trit.export.graph import BoolArray, Graph, GraphError, Node
from trit.export.operators import Add, Concat, Conv, MaxPool, Rescale, Scores, SumPool, Threshold
from trit.runtime.files import write_atomic
from trit.targets.description import Array, Rram
from trit.targets.rram.mapping import LayerMap, Tile, map_graph


def write_programming(
    graph: Graph, target: Rram, folder: Path, images: npt.NDArray[np.uint8], scores: npt.NDArray[np.float32]
) -> None:
    """Fill `folder` with the programming files, a program that computes from them, and images to test it with."""
    layers = {layer.node.name: layer for layer in map_graph(graph, target)}
    (folder / "arrays").mkdir(parents=True, exist_ok=True)
    for layer in layers.values():
        for tile in layer.tiles:
            write_atomic(folder / "arrays" / f"{tile.array:05}.txt", _array(tile, target.array).encode())
    write_atomic(folder / "network.txt", _network(graph, target, layers).encode())
    write_atomic(folder / "inputs.bin", np.ascontiguousarray(images).tobytes())
    write_atomic(folder / "scores.bin", scores.astype("<f4").tobytes())
    firmware = files("trit.targets") / "firmware"
    write_atomic(folder / "rram_run.c", (firmware / "rram_run.c").read_bytes())
    write_atomic(folder / "Makefile", (firmware / "rram.mk").read_bytes())


def _array(tile: Tile, array: Array) -> str:
    """All devices of the array that holds the tile; those it does not use are in HRS."""
    states = np.zeros((2, array.rows, -(-array.columns // 4) * 4), np.bool_)
    states[:, : tile.rows, : tile.columns] = tile.states
    return "".join(
        f"{_hexadecimal(bit_line)} {_hexadecimal(complement)}\n" for bit_line, complement in zip(*states, strict=True)
    )


def _hexadecimal(bits: BoolArray) -> str:
    return "".join(f"{digit:x}" for digit in bits.reshape(-1, 4) @ np.array([8, 4, 2, 1]))


def _network(graph: Graph, target: Rram, layers: dict[str, LayerMap]) -> str:
    index = {name: i for i, name in enumerate(graph.tensors)}
    lines = [f"{target.cell.polarity} {len(index)}"]
    lines += [f"{_join(*tensor.shape)} {tensor.zero_point}" for tensor in graph.tensors.values()]
    lines.append(_join(index[graph.input], index[graph.output], len(graph.nodes)))
    for node in graph.nodes:
        tensors = [index[name] for name in (*node.inputs, node.output)]
        lines.append(f"{type(node).__name__.lower()} {_join(*tensors, *_attributes(node, graph, layers))}")
    return "\n".join(lines) + "\n"


def _attributes(node: Node, graph: Graph, layers: dict[str, LayerMap]) -> list[int]:
    match node:
        case Conv():
            tiles = layers[node.name].tiles
            window = [*node.weights.shape[2:], *node.stride, *node.padding[:2], *node.dilation]
            places = [number for t in tiles for number in (t.array, t.row, t.column, t.rows, t.columns)]
            return [*window, node.groups, len(tiles), *places]
        case MaxPool() | SumPool():
            window = [*node.kernel, *node.stride, *node.padding[:2], 1, 1]
            if isinstance(node, SumPool):
                return window
            channels = graph.tensors[node.output].shape[0]
            return [*window, *(np.zeros(channels, int) if node.minimum is None else node.minimum.astype(int))]
        case Threshold():
            return [int(v) for v in np.stack([node.lo, node.hi, node.negative.astype(np.int32)], 1).reshape(-1)]
        case Rescale():
            words = node.offset.view(np.int32).reshape(-1, 2)  # low, high
            return [int(v) for v in np.column_stack([node.multiplier, words, node.shift]).reshape(-1)]
        case Scores():
            return [int(v) for v in np.stack([node.scale, node.bias], 1).reshape(-1).view(np.int32)]
        case Add() | Concat():
            return []
    raise GraphError(f"{node.name}: the chip's controller cannot run {type(node).__name__}")


def _join(*numbers: int) -> str:
    return " ".join(str(number) for number in numbers)
