# SPDX-License-Identifier: Apache-2.0
"""Metaplastic optimizers: a hidden weight that has grown large is moved towards zero, and so to a flip, but little.

Laborieux et al., "Synaptic metaplasticity in binarized neural networks", Nature Communications 12:2549, 2021. With ΔW
the update of Adam or SGD and m the metaplasticity of the weight's group,

    W <- W + ΔW·(1 - tanh²(m·|W|))   where ΔW leads towards zero, sign(W)·ΔW < 0
    W <- W + ΔW                      elsewhere

Weight decay is L2 in the gradient, before the moments. Nothing is clipped. With m = 0 the optimizers are torch's own;
so is Adam's eps, 1e-8, which torch adds to the bias-corrected root of the second moment and the work to the raw one.

Of ternary weights the rule is the same: |W| counts from zero, not from the threshold Δ. Below Δ, in the zero state,
m·|W| < m·Δ is small, so that zeros stay free to take either sign and only ±1 are consolidated.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.optimizer import ParamsT

from trit.runtime.errors import TritError
from trit.train.quantizers import WeightQuantizer

_PART = 1 << 15  # weights at a time, so that the passes over them find them in the cache


class MetaplasticAdam(torch.optim.Adam):
    """Adam (Kingma & Ba 2015, bias-corrected), with `metaplasticity` m an option of each parameter group.

    A step ΔW that leads towards zero is multiplied with 1 - tanh²(m·|W|); m = 0 is torch's Adam, bit for bit.
    torch's fused kernel moves the weights, unless `options`, which are torch.optim.Adam's, say otherwise.
    """

    def __init__(self, params: ParamsT, lr: float = 0.005, metaplasticity: float = 0.0, **options: Any) -> None:
        super().__init__(params, lr, **{"fused": True, **options})
        _set_default(self, metaplasticity)

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        before = _consolidating(self)
        loss = super().step(closure)
        _damp(before)
        return loss


class MetaplasticSGD(torch.optim.SGD):
    """Stochastic gradient descent, with `metaplasticity` m an option of each parameter group beside torch.optim.SGD's.

    A step ΔW that leads towards zero is multiplied with 1 - tanh²(m·|W|); m = 0 is torch's SGD, bit for bit.
    """

    def __init__(self, params: ParamsT, lr: float = 0.01, metaplasticity: float = 0.0, **options: Any) -> None:
        super().__init__(params, lr, **options)
        _set_default(self, metaplasticity)

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        before = _consolidating(self)
        loss = super().step(closure)
        _damp(before)
        return loss


def parameter_groups(network: nn.Module, metaplasticity: float | list[float]) -> list[dict[str, Any]]:
    """The weights of each layer that is binary or ternary, with its m, and all other parameters with m = 0.

    A list has an m for each such layer, first to last. Raises TritError where it is longer or shorter.
    """
    layers = quantized_weights(network)
    values = metaplasticity if isinstance(metaplasticity, list) else [metaplasticity] * len(layers)
    if len(values) != len(layers):
        raise TritError(
            f"training.metaplasticity: {len(values)} values for {len(layers)} layers with binary or ternary weights"
        )
    weights = list(layers.values())
    chosen = {id(weight) for weight in weights}
    others = [parameter for parameter in network.parameters() if id(parameter) not in chosen]
    groups = [{"params": [weight], "metaplasticity": m} for weight, m in zip(weights, values, strict=True)]
    return [*groups, {"params": others, "metaplasticity": 0.0}]


def quantized_weights(network: nn.Module) -> dict[str, nn.Parameter]:
    """The hidden weights of the layers that are binary or ternary, by the layer's name."""
    found = {}
    for name, module in network.named_modules():
        quantizer = getattr(module, "weight_quantizer", None)
        if isinstance(quantizer, WeightQuantizer) and quantizer.kind in ("binary", "ternary"):
            found[name] = module.get_parameter("weight")
    return found


def _set_default(optimizer: torch.optim.Optimizer, metaplasticity: float) -> None:
    optimizer.defaults["metaplasticity"] = metaplasticity
    for group in optimizer.param_groups:
        group.setdefault("metaplasticity", metaplasticity)


Consolidating = list[tuple[Tensor, Tensor, float]]  # weights, what they were before the step, m


def _consolidating(optimizer: torch.optim.Optimizer) -> Consolidating:
    return [
        (weight.detach(), weight.detach().clone(), group["metaplasticity"])
        for group in optimizer.param_groups
        if group["metaplasticity"]
        for weight in group["params"]
        if weight.grad is not None
    ]


def _damp(moved: Consolidating) -> None:
    """Take back tanh²(m·|W|) of each step towards zero.

    With t = tanh(m·W), which has W's sign, this is t·min(t·ΔW, 0): t·ΔW is negative where ΔW leads towards zero.
    """
    for weights, before, m in moved:
        rows = max(1, _PART // max(1, weights[0].numel()))
        for now, old in zip(torch.split(weights, rows), torch.split(before, rows), strict=True):
            hold = (old * m).tanh_()
            towards_zero = (now - old).mul_(hold).clamp_max_(0)
            now.addcmul_(hold, towards_zero, value=-1)
