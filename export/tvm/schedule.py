# SPDX-License-Identifier: Apache-2.0
"""Schedules of the functions that `legalize` makes: convolutions in tiles of positions and channels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tvm
from tvm import s_tir, tirx

from trit.export.tvm.conv import ACCUMULATORS, SUMS
from trit.export.tvm.legalize import OPERATOR
from trit.export.tvm.machine import Machine, machine_of
from trit.runtime.bits import WORD_BITS

UNROLLED_TAPS = 32
Choose = Callable[[Any, list[int], int], int]  # of a schedule, candidates, and the one to take unless told otherwise


def schedule(module: Any, target: Any) -> Any:
    """The IRModule with trit's TIR functions scheduled for the target; other functions as they are."""
    machine = machine_of(target)
    made = tvm.IRModule(dict(module.functions_items()), attrs=module.attrs)
    for name, function in module.functions_items():
        if is_ours(function):
            made.update_func(name, schedule_function(function, machine))
    return made


def is_ours(function: Any) -> bool:
    return function.attrs is not None and OPERATOR in function.attrs


def schedule_function(function: Any, machine: Machine) -> Any:
    made = s_tir.Schedule(function)
    if is_convolution(made):
        tile_convolution(made, machine, lambda _made, _candidates, default: default)
    for name in _stages(made):
        _begin_before_loops(made, made.get_sblock(name))
    return made.mod["main"]


def _begin_before_loops(made: Any, block: Any) -> None:
    """A reduction to a lone value starts before its loops: gcc does not see that their first turn would start it."""
    stage = made.get(block)
    places = [int(axis.dom.extent) for axis in stage.iter_vars if axis.iter_type == tirx.IterVar.DataPar]
    if stage.init is not None and set(places) == {1}:
        made.decompose_reduction(block, made.get_loops(block)[len(places)])


def is_convolution(made: Any) -> bool:
    return SUMS in _stages(made)


def tile_convolution(made: Any, machine: Machine, choose: Choose) -> None:
    """The sums of a tile, of neighbouring positions and blocks of channels, stay in registers until they are stored.

    For each row, tile of positions and tile of channels: the taps, and innermost the tile's positions and blocks.
    """
    sums, stages = made.get_sblock(SUMS), _stages(made)
    width, channels = (int(axis.dom.extent) for axis in made.get(sums).iter_vars[1:3])
    lanes = machine.lanes
    widths = _divisors(width, machine.registers)
    positions = choose(made, widths, max(size for size in widths if 2 * size <= max(2, machine.registers)))
    sizes = _divisors(machine.registers, machine.registers // positions)
    most = choose(made, sizes, sizes[-1])
    out = made.get_sblock(stages[-1])
    if stages[-1] == "bits":
        tile = _tile_bits(made, out, positions, most, lanes)
    else:
        if _extent(made, made.get_loops(out)[-1]) % lanes:
            out = made.cache_write(sums, 0, "local")  # and what is stored is cut to the channels that there are
        y, x, channel = made.get_loops(out)
        tile, block_in, lane = made.split(channel, [None, _largest_divisor(channels // lanes, most), lanes])
        x_tile, x_in = made.split(x, [None, positions])
        made.reorder(y, x_tile, tile, x_in, block_in, lane)
        _vectorize(made, lane)
    if ACCUMULATORS in stages:
        accumulators = made.get_sblock(ACCUMULATORS)
        made.compute_at(accumulators, tile, preserve_unit_loops=True)
        *_, x, channel = made.get_loops(accumulators)
        _unroll_tile(made, x, *made.split(channel, [None, lanes]))
        made.set_scope(accumulators, 0, "local")
    made.compute_at(sums, tile, preserve_unit_loops=True)
    _tile_sums(made, sums, lanes)


def _tile_bits(made: Any, out: Any, positions: int, most: int, lanes: int) -> Any:
    """Tiles of whole words, or of parts of one where they are made bit by bit; returns the loop over them."""
    plane, y, x, word, *bits = made.get_loops(out)
    blocks = WORD_BITS // lanes  # of a word
    x_tile, x_in = made.split(x, [None, positions])
    if most >= blocks or not bits:
        tile, word_in = made.split(word, [None, _largest_divisor(_extent(made, word), max(1, most // blocks))])
        made.reorder(y, x_tile, tile, x_in, word_in, plane, *bits)
        if bits:
            made.decompose_reduction(out, *bits)
    else:
        tile, bit = made.split(*bits, [None, _largest_divisor(blocks, most) * lanes])
        made.reorder(y, x_tile, word, tile, x_in, plane, bit)
        made.decompose_reduction(out, tile)
        bits = [bit]
    if lanes > 1:
        for loop in (x_in, plane, *bits):
            made.unroll(loop)
    return tile


def _tile_sums(made: Any, sums: Any, lanes: int) -> None:
    y, x, channel, ky, kx, k = made.get_loops(sums)[-6:]
    block, lane = made.split(channel, [None, lanes])
    made.reorder(ky, kx, k, y, x, block, lane)
    if lanes > 1:
        made.set_scope(sums, 0, "local")  # a scope that C does not know
    else:
        _unroll_taps(made, [ky, kx, k])
    _unroll_tile(made, x, block, lane)
    start = made.decompose_reduction(sums, ky)
    _unroll_tile(made, *made.get_loops(start)[-3:])


def _unroll_tile(made: Any, x: Any, block: Any, lane: Any) -> None:
    if _extent(made, lane) > 1:
        made.unroll(x)
        made.unroll(block)
    _vectorize(made, lane)


def _unroll_taps(made: Any, loops: list[Any]) -> None:
    """Without vectors there is little work in a tap, and loops would be most of it."""
    count = 1
    for loop in reversed(loops):
        count *= _extent(made, loop)
        if count > UNROLLED_TAPS:
            break
        made.unroll(loop)


def _vectorize(made: Any, loop: Any) -> None:
    if _extent(made, loop) > 1:
        made.vectorize(loop)


def _extent(made: Any, loop: Any) -> int:
    return int(made.get(loop).extent)


def _stages(made: Any) -> list[str]:
    return [made.get(block).name_hint for block in made.get_child_blocks(made.get_sblock("root"))]


def _divisors(count: int, most: int) -> list[int]:
    return [size for size in range(1, min(count, most) + 1) if count % size == 0]


def _largest_divisor(count: int, most: int) -> int:
    return _divisors(count, most)[-1]
