# SPDX-License-Identifier: Apache-2.0
"""Equilibrium propagation beside backpropagation through time: the angle between both gradients, and their ratio.

At rest, t nudged steps estimate what backpropagation through the last t steps gives (Ernoult et al. 2019): for β → 0
each layer's partial sums are equal, at every t.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import acos, degrees

import torch
from torch import Tensor

from trit.train.equilibrium import ConvergentNetwork, States
from trit.train.equilibrium_layers import Drive
from trit.train.equilibrium_learning import Propagation, estimate


@dataclass(frozen=True)
class Agreement:
    """Of one layer's weights after so many nudged steps."""

    layer: int  # from 1, the nearest to the image
    step: int
    angle: float  # degrees between both gradients; nan where one is zero
    ratio: float  # |equilibrium propagation| / |backpropagation through time|


def agreements(network: ConvergentNetwork, images: Tensor, target: Tensor, rule: Propagation) -> list[Agreement]:
    """Both gradients of the mean loss of these images (N, C, H, W), target (N, classes), for each number of steps."""
    with torch.no_grad():
        first = network.all_layers[0].up(images)
        free = network.settle(first, network.rest(images), network.free_steps)
    found = []
    for steps in range(1, rule.nudged_steps + 1):
        exact = through_time(network, images, free, target, steps)
        with torch.no_grad():
            estimate(network, images, first, free, target, replace(rule, nudged_steps=steps))
        for number, (layer, gradient) in enumerate(zip(network.all_layers, exact, strict=True), 1):
            found.append(_compare(number, steps, layer.weight.grad, gradient))
    return found


def through_time(
    network: ConvergentNetwork, images: Tensor, free: States, target: Tensor, steps: int
) -> tuple[Tensor, ...]:
    """∂L/∂W of each layer by backpropagation through the `steps` last steps of the free phase, which rests."""
    first: Drive = network.all_layers[0].up(images)
    last = network.settle(first, [state.detach() for state in free], steps)
    weights = [layer.weight for layer in network.all_layers]
    loss = network.loss(last, target).mean()
    return torch.autograd.grad(loss, weights, materialize_grads=True)


def _compare(layer: int, steps: int, estimated: Tensor | None, exact: Tensor) -> Agreement:
    assert estimated is not None
    one, other = estimated.double().flatten(), exact.double().flatten()
    lengths = one.norm() * other.norm()
    if lengths == 0:
        return Agreement(layer, steps, float("nan"), float("nan"))
    cosine = float(one @ other / lengths)
    return Agreement(layer, steps, degrees(acos(max(-1.0, min(1.0, cosine)))), float(one.norm() / other.norm()))
