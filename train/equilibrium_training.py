# SPDX-License-Identifier: Apache-2.0
"""Train a recipe's convergent network by equilibrium propagation, in the loop of all other recipes."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from trit.train.equilibrium import ConvergentNetwork
from trit.train.equilibrium_learning import Propagation, one_hot, propagate
from trit.train.loop import DataSet, Trainer
from trit.train.recipe import Recipe

_KEPT = 0.999  # of the mean square, a step
_TINY = 1e-8  # of weights that have no gradient


class FlipRule(torch.optim.Optimizer):
    """Binary weights −α, α with a running gradient each, and nothing hidden behind them:

        v ← 0.999·v + 0.001·(∂L/∂w)²
        g ← (1 − γ)·g + γ·∂L/∂w / √v,    w ← −w where sign(w)·g > τ

    Laydevant et al., "Training dynamical binary neural networks with equilibrium propagation", CVPRW 2021, after
    Helwegen et al., NeurIPS 2019. They have no v, which makes one γ and τ right for all layers (v without the bias of
    its start, as in Adam), and g begins at zero, where all weights of an output would flip at once: here at random
    from −τ to τ. A group's `lr` is γ, or where `flips` is False the learning rate of plain gradient descent, as of
    biases; schedules move either.
    """

    def __init__(self, groups: list[dict[str, Any]], threshold: float) -> None:
        super().__init__(groups, {"lr": 3e-4, "threshold": threshold, "flips": True})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        for group in self.param_groups:
            for weight in group["params"]:
                if group["flips"]:
                    self._flip(weight, group["lr"], group["threshold"])
                else:
                    weight.sub_(weight.grad, alpha=group["lr"])

    def _flip(self, weight: Tensor, rate: float, threshold: float) -> None:
        assert weight.grad is not None
        state = self.state[weight]
        if not state:
            state.update(steps=0, square=torch.zeros_like(weight))
            state["running"] = torch.empty_like(weight).uniform_(-threshold, threshold)
        state["steps"] += 1
        state["square"].mul_(_KEPT).addcmul_(weight.grad, weight.grad, value=1 - _KEPT)
        deviation = (state["square"] / (1 - _KEPT ** state["steps"])).sqrt_().add_(_TINY)
        state["running"].lerp_(weight.grad / deviation, rate)
        flips = state["running"] * weight.sign() > threshold
        torch.where(flips, -weight, weight, out=weight)


class EquilibriumTrainer(Trainer):
    """A trainer whose gradients come from the states at rest and nudged, not from autograd."""

    def __init__(self, recipe: Recipe, train_set: DataSet) -> None:
        super().__init__(recipe, train_set)
        assert recipe.equilibrium is not None
        rule = recipe.equilibrium
        self.rule = Propagation(rule.beta, rule.nudged_steps, rule.estimator)

    @property
    def convergent(self) -> ConvergentNetwork:
        found = self.network.get_submodule("convergent1")
        assert isinstance(found, ConvergentNetwork)
        return found

    def make_optimizer(self) -> torch.optim.Optimizer:
        training, rule, layers = self.recipe.training, self.recipe.equilibrium, self.convergent.all_layers
        assert rule is not None
        rates = rule.learning_rates or [training.learning_rate] * len(layers)
        if rule.flip_rate:
            weights = [{"params": [layer.weight], "lr": rule.flip_rate} for layer in layers]
            biases = [
                {"params": [layer.bias], "lr": rate, "flips": False} for layer, rate in zip(layers, rates, strict=True)
            ]
            return FlipRule([*weights, *biases], rule.flip_threshold)
        groups = [{"params": list(layer.parameters()), "lr": rate} for layer, rate in zip(layers, rates, strict=True)]
        decay = training.weight_decay
        match training.optimizer:
            case "sgd":
                return torch.optim.SGD(groups, momentum=training.momentum, weight_decay=decay)
            case "adam":
                return torch.optim.Adam(groups, weight_decay=decay)
            case "adamw":
                return torch.optim.AdamW(groups, weight_decay=decay)

    def backward(self, images: Tensor, labels: Tensor, criterion: nn.Module, part: float) -> Tensor:
        pixels, steps = self.network.get_submodule("pixels"), self.schedule.last_epoch
        # Drawn from the number of the step, so that resuming needs no generator state.
        draw = torch.randint(2, (1,), generator=torch.Generator().manual_seed(1_000_003 * self.recipe.seed + steps))
        target = one_hot(labels, len(self.recipe.labels))
        loss = propagate(self.convergent, pixels(images), target, self.rule, 2 * int(draw) - 1, self.bfloat16)
        if self.accelerator.num_processes > 1:
            for parameter in self.network.parameters():
                assert parameter.grad is not None
                parameter.grad = self.accelerator.reduce(part * parameter.grad, "mean")
        return part * loss
