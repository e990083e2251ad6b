# SPDX-License-Identifier: Apache-2.0
"""What protects former tasks by a penalty: elastic weight consolidation and synaptic intelligence.

Either adds the gradient of its penalty to that of the new task's loss. Batch norm stays out of both.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.grad import conv1d_weight, conv2d_weight

from trit.train.layers import QuantConv1d, QuantConv2d, QuantLinear
from trit.train.metaplastic import quantized_weights
from trit.train.quantizers import WeightQuantizer
from trit.train.recipe import Recipe
from trit.train.recipe_tasks import ElasticWeights, SynapticIntelligence

FISHER_BATCH = 100
Importance = dict[str, Tensor]  # by the layer's name, in the shape of its weights


class Protection:
    """No penalty; what the trainer and the runner of tasks call of those that have one."""

    def before_step(self) -> None:
        """Between a batch's gradient and the optimizer's step."""

    def after_step(self) -> None:
        """After the optimizer's step."""

    def end_task(self, images: Tensor, labels: Tensor) -> None:
        """The network has learned a task; `images` are of its training set, in random order."""

    def state(self) -> dict[str, Any]:
        """What `restore` needs to go on after the tasks so far."""
        return {}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from what `state` gave."""


class Elastic(Protection):
    """λ/2·Σ over former tasks t and weights of F_t·(q - q_t)², with q the quantized weights and q_t those after t.

    F is the empirical Fisher information. Kirkpatrick et al., "Overcoming catastrophic forgetting in neural networks",
    PNAS 114, 2017; of the binary weights as in Laborieux et al. 2021. The gradient is λ·(ΣF_t·q - ΣF_t·q_t), so that
    two sums suffice whatever the number of tasks.
    """

    def __init__(self, network: nn.Module, options: ElasticWeights) -> None:
        self.network, self.options = network, options
        self.weights = quantized_weights(network)
        self.stiffness = {name: torch.zeros_like(weight.detach()) for name, weight in self.weights.items()}  # λ·ΣF
        self.pull = {name: torch.zeros_like(weight.detach()) for name, weight in self.weights.items()}  # λ·ΣF·q_t
        self.tasks = 0

    def before_step(self) -> None:
        if self.tasks:
            for name, weight in self.weights.items():
                assert weight.grad is not None
                weight.grad.addcmul_(self.stiffness[name], self._quantized(name)).sub_(self.pull[name])

    def end_task(self, images: Tensor, labels: Tensor) -> None:
        self.tasks += 1
        samples = self.options.samples
        for name, fisher in fisher_information(self.network, images[:samples], labels[:samples]).items():
            self.stiffness[name].add_(fisher, alpha=self.options.strength)
            self.pull[name].addcmul_(fisher, self._quantized(name), value=self.options.strength)

    def state(self) -> dict[str, Any]:
        return {"tasks": self.tasks, "stiffness": self.stiffness, "pull": self.pull}

    def restore(self, state: dict[str, Any]) -> None:
        self.tasks = state["tasks"]
        for name in self.weights:
            self.stiffness[name].copy_(state["stiffness"][name])
            self.pull[name].copy_(state["pull"][name])

    def _quantized(self, name: str) -> Tensor:
        quantizer = self.network.get_submodule(name).weight_quantizer
        assert isinstance(quantizer, WeightQuantizer)
        return quantizer.integers(self.weights[name].detach())


class Intelligent(Protection):
    """c·Σ Ω·(W - W*)² with the hidden weights W, and W* those after the last task.

    Each task adds to Ω its max(0, ω) / (ΔW² + ξ): ω = -Σ gradient·step is what the weight took off the task's loss
    along its path, ΔW how far it came. Zenke et al., "Continual Learning Through Synaptic Intelligence", ICML 2017; the
    path is that of the hidden weights, which is what the optimizer moves.
    """

    def __init__(self, network: nn.Module, options: SynapticIntelligence) -> None:
        self.options = options
        self.weights = quantized_weights(network)
        self.importance = {name: torch.zeros_like(weight.detach()) for name, weight in self.weights.items()}  # Ω
        self._begin()

    def before_step(self) -> None:
        for name, weight in self.weights.items():
            assert weight.grad is not None
            self.gradient[name].copy_(weight.grad)
            self.before[name].copy_(weight.detach())
            away = weight.detach() - self.anchor[name]
            weight.grad.addcmul_(self.importance[name], away, value=2 * self.options.strength)

    def after_step(self) -> None:
        for name, weight in self.weights.items():
            step = weight.detach() - self.before[name]
            self.gain[name].addcmul_(self.gradient[name], step, value=-1)

    def end_task(self, images: Tensor, labels: Tensor) -> None:
        for name, weight in self.weights.items():
            way = (weight.detach() - self.anchor[name]).square_().add_(self.options.damping)
            self.importance[name] += self.gain[name].clamp_(min=0) / way
        self._begin()

    def state(self) -> dict[str, Any]:
        return {"importance": self.importance}

    def restore(self, state: dict[str, Any]) -> None:
        for name, importance in self.importance.items():
            importance.copy_(state["importance"][name])
        self._begin()

    def _begin(self) -> None:
        """Begin a task where the weights are now."""
        self.anchor = {name: weight.detach().clone() for name, weight in self.weights.items()}  # W*
        self.gain = {name: torch.zeros_like(weight.detach()) for name, weight in self.weights.items()}  # ω
        self.gradient = {name: torch.empty_like(weight.detach()) for name, weight in self.weights.items()}
        self.before = {name: torch.empty_like(weight.detach()) for name, weight in self.weights.items()}


def protection(network: nn.Module, recipe: Recipe) -> Protection:
    """The recipe's penalty, or none."""
    match recipe.protection:
        case ElasticWeights() as options:
            return Elastic(network, options)
        case SynapticIntelligence() as options:
            return Intelligent(network, options)
    return Protection()


def fisher_information(network: nn.Module, images: Tensor, labels: Tensor) -> Importance:
    """Mean over the images of (∂ cross-entropy of one image / ∂q)², in evaluation mode, for each quantized weight.

    In evaluation mode an image's scores are its own, so that one backward pass gives every image's gradient g of a
    layer's output; a dense layer's squared gradients then sum to (g²)ᵀ·x².
    """
    layers = {name: network.get_submodule(name) for name in quantized_weights(network)}
    sums = {name: torch.zeros_like(layer.get_parameter("weight").detach()) for name, layer in layers.items()}
    seen: dict[str, tuple[Tensor, Tensor]] = {}

    def keep(name: str) -> Any:
        def hook(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            output.retain_grad()
            seen[name] = inputs[0].detach(), output

        return hook

    handles = [layer.register_forward_hook(keep(name)) for name, layer in layers.items()]
    network.eval()
    try:
        for batch, targets in zip(torch.split(images, FISHER_BATCH), torch.split(labels, FISHER_BATCH), strict=True):
            network.zero_grad()
            loss = nn.functional.cross_entropy(network(batch), targets, reduction="sum")
            torch.autograd.backward(loss)
            for name, (inputs, output) in seen.items():
                assert output.grad is not None
                sums[name] += _squared_gradients(layers[name], inputs, output.grad)
    finally:
        for handle in handles:
            handle.remove()
        network.zero_grad()
    return {name: total / len(images) for name, total in sums.items()}


def _squared_gradients(layer: nn.Module, inputs: Tensor, gradients: Tensor) -> Tensor:
    """Sum over a batch of the squares of each image's gradient of the weights."""
    if isinstance(layer, QuantLinear):
        return gradients.square().T @ inputs.square()
    assert isinstance(layer, QuantConv1d | QuantConv2d)
    of_weight: Callable[..., Tensor] = conv2d_weight if isinstance(layer, QuantConv2d) else conv1d_weight
    total = torch.zeros_like(layer.weight.detach())
    for x, g in zip(torch.split(inputs, 1), torch.split(gradients, 1), strict=True):
        total += of_weight(x, layer.weight.shape, g, layer.stride, layer.padding, layer.dilation, layer.groups).square()
    return total
