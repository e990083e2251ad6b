# SPDX-License-Identifier: Apache-2.0
"""Equilibrium propagation: gradients of the loss from the states at rest and the states that a nudge shifts.

    one-sided    −∂L/∂θ ≈ (1/β)  [∂Φ/∂θ(s_β) − ∂Φ/∂θ(s_*)]     off by O(β)
    random-sign  the same with β's sign drawn for each batch
    symmetric    −∂L/∂θ ≈ (1/2β) [∂Φ/∂θ(s_β) − ∂Φ/∂θ(s_−β)]    off by O(β²)

Φ holds −βL, too, from which the read-out of cross-entropy learns. Separate feedback weights take the same update as
the forward ones, so that with weight decay both become the same (Kolen & Pollack 1994; Laborieux et al. 2021).
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from trit.train.equilibrium import ConvergentNetwork, Nudge, States
from trit.train.equilibrium_layers import Drive, Layer
from trit.train.equilibrium_near import near

Estimator = Literal["one-sided", "random-sign", "symmetric"]


@dataclass(frozen=True)
class Propagation:
    """How a gradient is estimated: β, the steps of a nudged phase, the estimator."""

    beta: float
    nudged_steps: int
    estimator: Estimator = "symmetric"


def propagate(
    network: ConvergentNetwork,
    images: Tensor,
    target: Tensor,
    rule: Propagation,
    sign: int = 1,
    bfloat16: bool = False,
) -> Tensor:
    """Set every parameter's gradient to the estimate of that of the mean loss; the mean loss after the free phase.

    `target` is one-hot (N, classes); `sign` is β's for the random-sign estimator. With `bfloat16` those parts run in
    that precision whose rounding all phases share: what the image gives to the first layer, and the free phase but for
    its last steps, as many as a nudged phase has. Nudged states differ by less than bfloat16 resolves: of those steps
    wide layers' changes alone are in it (trit.train.equilibrium_near).
    """
    with torch.no_grad():
        with torch.autocast(images.device.type, torch.bfloat16, enabled=bfloat16):
            drive, where = network.all_layers[0].up(images)
        first = drive.to(images.dtype), where
        free = free_phase(network, images, first, rule.nudged_steps if bfloat16 else network.free_steps)
        beta = rule.beta * (sign if rule.estimator == "random-sign" else 1)
        estimate(network, images, first, free, target, replace(rule, beta=beta), bfloat16)
        return network.loss(free, target).mean()


def free_phase(network: ConvergentNetwork, images: Tensor, first: Drive, exact_steps: int) -> States:
    """The states after the free phase: all but its last `exact_steps` in bfloat16, those near where that came to."""
    states, steps = network.rest(images), network.free_steps - exact_steps
    if steps <= 0:
        return network.settle(first, states, network.free_steps)
    rounded = [deepcopy(layer).bfloat16() for layer in network.dynamic[1:]]
    coarse = network.settle((first[0].bfloat16(), first[1]), [s.bfloat16() for s in states], steps, acting=rounded)
    states = [s.to(images.dtype) for s in coarse]
    return network.settle(first, states, exact_steps, acting=near(network.dynamic, states))


def estimate(
    network: ConvergentNetwork,
    images: Tensor,
    first: Drive,
    free: States,
    target: Tensor,
    rule: Propagation,
    bfloat16: bool = False,
) -> None:
    """Set the gradients from the nudged phases that begin at the states `free`.

    Both phases of the symmetric estimator run as one batch of twice the size.
    """
    count = len(images)
    if rule.estimator == "symmetric":
        beta = _column(free[-1], [rule.beta] * count + [-rule.beta] * count)
        nudge = Nudge(beta, target.repeat(2, 1))
        states = [torch.cat([s, s]) for s in free]
        acting = near(network.dynamic, states) if bfloat16 else ()
        states = network.settle(_twice(first), states, rule.nudged_steps, nudge, acting)
        weights = -1 / (2 * count * beta)  # of each image's ∂Φ/∂θ: 1/2β times β's sign, in the mean
    else:
        beta = _column(free[-1], [rule.beta] * count)
        acting = near(network.dynamic, free) if bfloat16 else ()
        nudged = network.settle(first, free, rule.nudged_steps, Nudge(beta, target), acting)
        nudge = Nudge(torch.cat([beta, 0 * beta]), target.repeat(2, 1))
        states = [torch.cat(pair) for pair in zip(nudged, free, strict=True)]
        weights = torch.cat([-1 / (count * beta), 1 / (count * beta)])
    below_first = images.bfloat16() if bfloat16 else images
    _set_gradients(network, below_first, first, states, nudge, weights)


def _set_gradients(
    network: ConvergentNetwork, images: Tensor, first: Drive, states: States, nudge: Nudge, weights: Tensor
) -> None:
    """Σ weight·∂Φ/∂θ over both phases' states; the first layer's in the precision of `images`."""
    weighted = [s * weights.reshape(-1, *[1] * (s.dim() - 1)) for s in states]
    for index, layer in enumerate(network.dynamic):
        if index == 0:  # both phases have the same image below
            one, other = weighted[0].chunk(2)
            product = layer.products((one + other).to(images.dtype), images, first[1])
        else:
            below = states[index - 1]
            product = layer.products(weighted[index], below, layer.up(below)[1])
        _assign(layer, product)
    if network.readout == "cross-entropy":
        readout, top = network.all_layers[-1], states[-1]
        error = torch.softmax(network.logits(top), 1) - nudge.target
        _assign(readout, readout.products(-weights * nudge.beta * error, top))


def _assign(layer: Layer, product: tuple[Tensor, Tensor]) -> None:
    layer.weight.grad, layer.bias.grad = (each.to(layer.bias.dtype) for each in product)
    if layer.feedback is not None:
        layer.feedback.grad = layer.weight.grad.clone()


def _twice(first: Drive) -> Drive:
    drive, where = first
    return torch.cat([drive, drive]), None if where is None else torch.cat([where, where])


def _column(like: Tensor, values: list[float]) -> Tensor:
    return torch.tensor(values, dtype=like.dtype, device=like.device)[:, None]


def one_hot(labels: Tensor, classes: int, dtype: torch.dtype = torch.float32) -> Tensor:
    return functional.one_hot(labels, classes).to(dtype)
