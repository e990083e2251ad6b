# SPDX-License-Identifier: Apache-2.0
"""What layers give each other near states for which that is known: the change alone is computed, in bfloat16.

The sums of a layer are linear in the states below, W s = W a + W (s − a). Where s is near a, the change s − a is small,
and bfloat16's eight bits of it are as fine as float32's of s; a nudge moves the states by less than bfloat16 resolves
of the states themselves. Downwards the same holds of the states put back to where the maxima are; one that has moved
to another place is a change of the whole state.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeGuard

from torch import Tensor

from trit.train.equilibrium_layers import Drive, Layer, PooledConv, backward_weight

NARROWEST = 64  # channels; below, a product costs less than the passes over the states that changes take


class Near:
    """A convolution near the states `below` (N, *below) and `above` (N, *shape) of it; W is rounded for changes."""

    def __init__(self, layer: PooledConv, below: Tensor, above: Tensor) -> None:
        self.layer, self.below = layer, below
        self.sums = layer.upwards(below, layer.weight, layer.bias)
        self.unpooled = layer.unpooled(above, layer.pooled(self.sums)[1])
        self.force = layer.downwards(self.unpooled, backward_weight(layer))
        self.weight, self.backward_weight = layer.weight.bfloat16(), backward_weight(layer).bfloat16()

    def up(self, below: Tensor) -> Drive:
        change = self.layer.upwards((below - self.below).bfloat16(), self.weight)
        return self.layer.pooled(self.sums + change)

    def down(self, above: Tensor, where: Tensor | None = None) -> Tensor:
        change = (self.layer.unpooled(above, where) - self.unpooled).bfloat16()
        return self.force + self.layer.downwards(change, self.backward_weight)


def near(layers: Sequence[Layer], states: Sequence[Tensor]) -> list[Near | Layer]:
    """The layers from the second on, near these states of all; dense and narrow ones as they are."""
    pairs = zip(layers[1:], states[:-1], states[1:], strict=True)
    return [Near(layer, *around) if _is_wide(layer) else layer for layer, *around in pairs]


def _is_wide(layer: Layer) -> TypeGuard[PooledConv]:
    return isinstance(layer, PooledConv) and min(layer.weight.shape[:2]) >= NARROWEST
