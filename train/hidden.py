# SPDX-License-Identifier: Apache-2.0
"""What hidden weights remember: how they are distributed, and what switching the weights that they stand for costs.

The hidden weight W of a binary weight sign(W) grows where training pushes the same way again and again, so that |W|
says how much the network relies on it. Switching the signs of the weights with the largest |W| then costs more
accuracy than of those with the smallest (Laborieux et al., Nature Communications 12:2549, 2021, Fig. 5).
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from trit.runtime.errors import TritError
from trit.train.loop import DataSet, evaluate
from trit.train.metaplastic import quantized_weights
from trit.train.quantizers import WeightQuantizer

BINS = 100
Order = Literal["smallest", "random", "largest"]
Distribution = dict[str, Any]  # numbers and a list, as model.pt holds them


@dataclass(frozen=True)
class Switched:
    """Accuracy after the signs of a fraction of each layer's weights were switched, of each draw where it is random."""

    order: Order  # of the hidden weights' magnitudes
    fraction: float
    accuracies: list[float]


def distributions(network: nn.Module) -> dict[str, Distribution]:
    """Of each layer with binary or ternary weights, how its hidden weights W are distributed.

    "count" of them, "mean", "median" and "largest" of |W|, and the "histogram" of W in 100 bins from -largest to
    largest, as fractions.
    """
    return {name: _distribution(weight.detach().float().cpu()) for name, weight in quantized_weights(network).items()}


def switching(
    network: nn.Module,
    data: DataSet,
    fractions: Sequence[float],
    draws: int,
    seed: int = 0,
    layers: Sequence[str] = (),
) -> Iterator[Switched]:
    """The network's accuracy on images (N, C, H, W) with labels (N,) after switching signs, fraction by fraction.

    Of each of the `layers`, or of all that are binary or ternary, the weights with the smallest and with the largest
    |W|, and `draws` times random ones; of ternary weights those that are not zero. Batch norm stays as it was trained.
    The network is left as it is. Raises TritError for a layer that is not there or has other weights.
    """
    network = copy.deepcopy(network).eval()
    weights = quantized_weights(network)
    chosen = list(layers) or list(weights)
    for name in chosen:
        if name not in weights:
            has = ", ".join(weights) or "none"
            raise TritError(f"no layer {name!r} with binary or ternary weights: there are {has}")
    if not chosen:
        raise TritError("no layer has binary or ternary weights, whose signs could be switched")
    kept = {name: weights[name].detach().clone() for name in chosen}
    images, labels = torch.from_numpy(data[0]), torch.from_numpy(data[1])
    generator = torch.Generator().manual_seed(seed)
    orders: list[tuple[Order, int]] = [("smallest", 1), ("random", draws), ("largest", 1)]
    for fraction in fractions:
        for order, times in orders:
            found = []
            for _ in range(times):
                for name, weight in kept.items():
                    nonzero = _quantizer(network, name).integers(weight) != 0
                    weights[name].data = switched(weight, nonzero, fraction, order, generator)
                found.append(int((evaluate(network, images).argmax(1) == labels).sum()) / len(labels))
            yield Switched(order, fraction, found)


def switched(weight: Tensor, nonzero: Tensor, fraction: float, order: Order, generator: torch.Generator) -> Tensor:
    """Hidden weights of which `fraction` of those that stand for ±1 have the other sign, their magnitudes kept."""
    places = nonzero.flatten().nonzero().flatten()
    count = round(fraction * len(places))
    if order == "random":
        picked = torch.randperm(len(places), generator=generator)[:count]
    else:
        picked = weight.flatten()[places].abs().argsort(descending=order == "largest", stable=True)[:count]
    flat = weight.flatten().clone()
    at = places[picked]
    # A hidden weight of exactly 0 is +1, and has no sign to switch.
    flat[at] = torch.where(flat[at] == 0, -torch.finfo(flat.dtype).tiny, -flat[at])
    return flat.reshape(weight.shape)


def _distribution(weights: Tensor) -> Distribution:
    magnitudes = weights.abs().flatten()
    largest = float(magnitudes.max())
    counts = torch.histc(weights, BINS, -largest, largest) if largest else torch.zeros(BINS)
    return {
        "count": weights.numel(),
        "mean": float(magnitudes.mean()),
        "median": float(magnitudes.median()),
        "largest": largest,
        "histogram": (counts / weights.numel()).tolist(),
    }


def _quantizer(network: nn.Module, name: str) -> WeightQuantizer:
    quantizer = network.get_submodule(name).weight_quantizer
    assert isinstance(quantizer, WeightQuantizer)
    return quantizer
