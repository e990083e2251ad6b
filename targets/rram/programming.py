# SPDX-License-Identifier: Apache-2.0
"""Writes the programming files of a network: the state of every device of every array, and what joins the arrays.

network.txt begins with the polarity, rows, columns and columns per amplifier of an array, the number of arrays and the
cycles of an image. It lists tensors (channels, height, width, zero point), input, output and nodes in execution
order, in the form that firmware/rram_run.c reads. schedule.csv says the same of the arrays for people: a line for each
tile. arrays/NNNNN.txt has a line a row: the devices on the bit lines, then those on the complements, as hexadecimal
digits of four columns each, 1 for LRS.
"""

from __future__ import annotations

from collections.abc import Iterable
from importlib.resources import files
from pathlib import Path

import numpy as np
import numpy.typing as npt

from trit.export.graph import BoolArray, Graph, GraphError, Node
from trit.export.operators import Add, Concat, Conv, MaxPool, MaxUnpool, Rescale, Scores, SumPool, Threshold
from trit.runtime.errors import TritError
from trit.runtime.files import write_atomic
from trit.targets.rram.chip import Adc, Array, Rram
from trit.targets.rram.mapping import Tile
from trit.targets.rram.schedule import Slot, schedule


def write_programming(
    graph: Graph, target: Rram, folder: Path, images: npt.NDArray[np.uint8], scores: npt.NDArray[np.float32]
) -> None:
    """Fill `folder` with the programming files, a program that computes from them, and images to test it with."""
    if isinstance(target.sense, Adc):
        raise TritError(f"{target.name}: programming files are of arrays with sense amplifiers, not with converters")
    slots = {slot.layer.node.name: slot for slot in schedule(graph, target)}
    (folder / "arrays").mkdir(parents=True, exist_ok=True)
    for number, states in _arrays(slots.values(), target.array).items():
        write_atomic(folder / "arrays" / f"{number:05}.txt", _lines(states).encode())
    write_atomic(folder / "network.txt", _network(graph, target, slots).encode())
    write_atomic(folder / "schedule.csv", _schedule(slots.values(), target).encode())
    write_atomic(folder / "inputs.bin", np.ascontiguousarray(images).tobytes())
    write_atomic(folder / "scores.bin", scores.astype("<f4").tobytes())
    firmware = files("trit.targets") / "firmware"
    write_atomic(folder / "rram_run.c", (firmware / "rram_run.c").read_bytes())
    write_atomic(folder / "Makefile", (firmware / "rram.mk").read_bytes())


def _arrays(slots: Iterable[Slot], array: Array) -> dict[int, BoolArray]:
    """The states (2, rows, columns) of every array; devices that no tile uses are in HRS."""
    arrays: dict[int, BoolArray] = {}
    for tile in (tile for slot in slots for tiles in slot.layer.copies for tile in tiles):
        states = arrays.setdefault(tile.array, np.zeros((2, array.rows, array.columns), np.bool_))
        states[:, tile.top : tile.top + tile.rows, tile.left : tile.left + tile.columns] = tile.states
    return arrays


def _lines(states: BoolArray) -> str:
    states = np.pad(states, ((0, 0), (0, 0), (0, -states.shape[2] % 4)))
    return "".join(
        f"{_hexadecimal(bit_line)} {_hexadecimal(complement)}\n" for bit_line, complement in zip(*states, strict=True)
    )


def _hexadecimal(bits: BoolArray) -> str:
    return "".join(f"{digit:x}" for digit in bits.reshape(-1, 4) @ np.array([8, 4, 2, 1]))


def _schedule(slots: Iterable[Slot], target: Rram) -> str:
    """A line for each tile: when its layer works, and what of the layer stands where."""
    lines = ["layer,first cycle,cycles,rounds,reads a round,copy,array,top,left,row,column,rows,columns"]
    for slot in slots:
        for number, tiles in enumerate(slot.layer.copies):
            for tile in tiles:
                timing = (slot.first, slot.cycles, slot.rounds, slot.per_position, number)
                place = (tile.array, tile.top, tile.left, tile.row, tile.column, tile.rows, tile.columns)
                lines.append(",".join([slot.layer.node.name, *(str(value) for value in (*timing, *place))]))
    return "\n".join(lines) + "\n"


def _network(graph: Graph, target: Rram, slots: dict[str, Slot]) -> str:
    index, array = {name: i for i, name in enumerate(graph.tensors)}, target.array
    arrays = 1 + max(number for slot in slots.values() for number in slot.layer.arrays)
    cycles = sum(slot.cycles for slot in slots.values())
    chip = (target.cell.polarity, array.rows, array.columns, array.columns_per_amplifier, arrays, cycles)
    lines = [f"{_join(*chip)} {len(index)}"]
    lines += [f"{_join(*tensor.shape)} {tensor.zero_point}" for tensor in graph.tensors.values()]
    lines.append(_join(index[graph.input], index[graph.output], len(graph.nodes)))
    for node in graph.nodes:
        tensors = [index[name] for name in (*node.inputs, node.output)]
        lines.append(f"{type(node).__name__.lower()} {_join(*tensors, *_attributes(node, graph, slots))}")
    return "\n".join(lines) + "\n"


def _attributes(node: Node, graph: Graph, slots: dict[str, Slot]) -> list[int]:
    match node:
        case Conv():
            slot = slots[node.name]
            window = [*node.weights.shape[2:], *node.stride, *node.padding[:2], *node.dilation]
            timing = [slot.first, slot.per_position, slot.drain, len(slot.layer.copies)]
            return [*window, node.groups, *timing, *(n for tiles in slot.layer.copies for n in _places(tiles))]
        case MaxPool() | SumPool():
            window = [*node.kernel, *node.stride, *node.padding[:2], 1, 1]
            if isinstance(node, SumPool):
                return window
            channels = graph.tensors[node.output].shape[0]
            return [*window, *(np.zeros(channels, int) if node.minimum is None else node.minimum.astype(int))]
        case MaxUnpool():
            return [*node.kernel, *node.kernel, 0, 0, 1, 1]
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


def _places(tiles: list[Tile]) -> list[int]:
    """How many, and of each its array, its place there and in the weight matrix, and its size."""
    each = [(t.array, t.top, t.left, t.row, t.column, t.rows, t.columns) for t in tiles]
    return [len(tiles), *(number for place in each for number in place)]


def _join(*numbers: int) -> str:
    return " ".join(str(number) for number in numbers)
