# SPDX-License-Identifier: Apache-2.0
"""Equilibrium propagation: gradients of the loss from the states at rest and the states that a nudge shifts.

    one-sided    −∂L/∂θ ≈ (1/β)  [∂Φ/∂θ(s_β) − ∂Φ/∂θ(s_*)]     off by O(β)
    random-sign  the same with β's sign drawn for each batch
    symmetric    −∂L/∂θ ≈ (1/2β) [∂Φ/∂θ(s_β) − ∂Φ/∂θ(s_−β)]    off by O(β²)

Φ holds −βL, too, from which the read-out of cross-entropy learns. Separate feedback weights take the same update as
the forward ones, so that with weight decay both become the same (Kolen & Pollack 1994; Laborieux et al. 2021).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from trit.train.equilibrium import ConvergentNetwork, Drive, Nudge, States

Estimator = Literal["one-sided", "random-sign", "symmetric"]


@dataclass(frozen=True)
class Propagation:
    """How a gradient is estimated: β, the steps of a nudged phase, the estimator."""

    beta: float
    nudged_steps: int
    estimator: Estimator = "symmetric"


def propagate(network: ConvergentNetwork, images: Tensor, target: Tensor, rule: Propagation, sign: int = 1) -> Tensor:
    """Set every parameter's gradient to the estimate of that of the mean loss; the mean loss after the free phase.

    `target` is one-hot (N, classes); `sign` is β's for the random-sign estimator.
    """
    with torch.no_grad():
        first = network.all_layers[0].up(images)
        free = network.settle(first, network.rest(images), network.free_steps)
        beta = rule.beta * (sign if rule.estimator == "random-sign" else 1)
        estimate(network, images, first, free, target, Propagation(beta, rule.nudged_steps, rule.estimator))
        return network.loss(free, target).mean()


def estimate(
    network: ConvergentNetwork, images: Tensor, first: Drive, free: States, target: Tensor, rule: Propagation
) -> None:
    """Set the gradients from the nudged phases that begin at the states `free`.

    Both phases of the symmetric estimator run as one batch of twice the size.
    """
    count = len(images)
    if rule.estimator == "symmetric":
        beta = _column(free[-1], [rule.beta] * count + [-rule.beta] * count)
        nudge = Nudge(beta, target.repeat(2, 1))
        states = network.settle(_twice(first), [torch.cat([s, s]) for s in free], rule.nudged_steps, nudge)
        weights = -1 / (2 * count * beta)  # of each image's ∂Φ/∂θ: 1/2β times β's sign, in the mean
    else:
        beta = _column(free[-1], [rule.beta] * count)
        nudged = network.settle(first, free, rule.nudged_steps, Nudge(beta, target))
        nudge = Nudge(torch.cat([beta, 0 * beta]), target.repeat(2, 1))
        states = [torch.cat(pair) for pair in zip(nudged, free, strict=True)]
        weights = torch.cat([-1 / (count * beta), 1 / (count * beta)])
    _set_gradients(network, images, first, states, nudge, weights)


def _set_gradients(
    network: ConvergentNetwork, images: Tensor, first: Drive, states: States, nudge: Nudge, weights: Tensor
) -> None:
    """Σ weight·∂Φ/∂θ over both phases' states."""
    weighted = [s * weights.reshape(-1, *[1] * (s.dim() - 1)) for s in states]
    for index, layer in enumerate(network.dynamic):
        if index == 0:  # both phases have the same image below
            one, other = weighted[0].chunk(2)
            product = layer.products(one + other, images, first[1])
        else:
            below = states[index - 1]
            product = layer.products(weighted[index], below, layer.up(below)[1])
        _assign(layer, product)
    if network.readout == "cross-entropy":
        readout, top = network.all_layers[-1], states[-1]
        error = torch.softmax(network.logits(top), 1) - nudge.target
        _assign(readout, readout.products(-weights * nudge.beta * error, top))


def _assign(layer: torch.nn.Module, product: tuple[Tensor, Tensor]) -> None:
    layer.weight.grad, layer.bias.grad = product
    if layer.feedback is not None:
        layer.feedback.grad = product[0].clone()


def _twice(first: Drive) -> Drive:
    drive, where = first
    return torch.cat([drive, drive]), None if where is None else torch.cat([where, where])


def _column(like: Tensor, values: list[float]) -> Tensor:
    return torch.tensor(values, dtype=like.dtype, device=like.device)[:, None]


def one_hot(labels: Tensor, classes: int, dtype: torch.dtype = torch.float32) -> Tensor:
    return functional.one_hot(labels, classes).to(dtype)
