# SPDX-License-Identifier: Apache-2.0
"""An analog macro: columns sum the currents of devices, and converters turn the sums into codes.

A weight is a pair of conductances, w = (1/R_bl - 1/R_blb) / (1/LRS - 1/HRS) with the medians, so 1 for typical devices.
Activations go in by magnitude bit by bit, their sign by which lines are driven. For `rows` rows at once a converter
makes of a sum s between -rows and rows the nearest of 2^bits codes, whose codes are added digitally:

    acc = Σ_b 2^b · Σ_groups Δ·round(s / Δ),    Δ = 2·rows / (2^bits - 2)

so that 0 is a code. Sums are rounded to integers before thresholds.
"""

from __future__ import annotations

import numpy as np

from trit.export.graph import Graph
from trit.targets.rram.chip import Adc, Rram
from trit.targets.rram.device import aged, as_read, draw
from trit.targets.rram.errors import STATES, medians
from trit.targets.rram.executor import Array, Images, by_groups, read_layer, run_rram
from trit.targets.rram.mapping import LayerMap, map_graph


def run_analog(graph: Graph, images: Images, target: Rram, sense: Adc, seed: int) -> Array:
    """Output (N, C, H, W) for uint8 images on one chip, whose devices the seed draws; noise is drawn once a chip."""
    rng = np.random.default_rng(seed)
    layers = map_graph(graph, target)
    weights = {layer.node.name: by_groups(layer, _conductances(layer, target, rng)) for layer in layers}

    def multiply(layer: LayerMap, windows: Array) -> Array:
        total = np.zeros((*windows.shape[:2], weights[layer.node.name].shape[2]), np.float32)
        magnitude, sign = np.abs(windows), np.sign(windows)
        for bit in range(int(magnitude.max(initial=0)).bit_length()):
            plane = (sign * (magnitude >> bit & 1)).astype(np.float32)
            total += 2.0**bit * _converted(plane, weights[layer.node.name], layer, sense)
        return np.floor(total + 0.5)

    return run_rram(graph, images, target, multiply)


def _converted(plane: Array, columns: Array, layer: LayerMap, sense: Adc) -> Array:
    """Sums of codes [groups][M][O / groups] of inputs -1, 0, +1 [groups][M][K]."""
    step = 2 * sense.rows / (2**sense.bits - 2)
    highest = 2 ** (sense.bits - 1) - 1
    total = np.zeros((*plane.shape[:2], columns.shape[2]), np.float32)
    for first, tiles in layer.bands.items():
        for start in range(first, first + tiles[0].rows, sense.rows):
            rows = slice(start, min(start + sense.rows, first + tiles[0].rows))
            total += step * np.clip(np.rint(plane[:, :, rows] @ columns[:, rows] / step), -highest, highest)
    return total


def _conductances(layer: LayerMap, target: Rram, rng: np.random.Generator) -> Array:
    """Weights [K][O] of devices drawn for the chip, in units of a typical weight."""
    low, high = medians(target)
    stored = read_layer(layer, target).reshape(-1) * np.int8(target.cell.polarity)
    difference = _line(stored > 0, target, rng) - _line(stored < 0, target, rng)
    weights = target.cell.polarity * difference / (1 / low - 1 / high)
    return weights.reshape(layer.rows, layer.columns).astype(np.float32)


def _line(low: Array, target: Rram, rng: np.random.Generator) -> Array:
    """Conductances in S of the devices on a line, in LRS where `low`."""
    operation, found = target.operation, np.empty(len(low))
    for state, chosen in zip(STATES, (low, ~low), strict=True):
        fresh = draw(target.condition, state, int(chosen.sum()), rng)
        settled = aged(target.device, state, fresh, operation.age, operation.temperature, rng)
        found[chosen] = 1 / as_read(target.device, state, settled, rng)
    return found
