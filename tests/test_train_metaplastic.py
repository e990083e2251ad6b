# SPDX-License-Identifier: Apache-2.0
"""The metaplastic optimizers: the authors' rule weight by weight, torch's own optimizers where m is 0."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import pytest

for package in ("torch", "accelerate"):
    pytest.importorskip(package, reason=f"{package} is not installed: pip install 'trit[train]'")
import torch
from torch import nn

from trit.runtime.errors import TritError
from trit.train.layers import BinaryWeights, Int8Weights, QuantConv2d, QuantLinear, TernaryWeights
from trit.train.loop import Trainer
from trit.train.metaplastic import MetaplasticAdam, MetaplasticSGD, parameter_groups
from trit.train.recipe import parse_recipe

RATE, DECAY, STEPS = 0.05, 0.1, 12


def gradients(shape: tuple[int, ...], seed: int = 1) -> Iterator[torch.Tensor]:
    """Of either sign, with a drift, so that weights go out, come back and cross zero."""
    generator = torch.Generator().manual_seed(seed)
    drift = torch.randn(shape, generator=generator, dtype=torch.float64)
    for step in range(STEPS):
        towards = 1 if step < STEPS // 2 else -1
        yield towards * drift + 0.5 * torch.randn(shape, generator=generator, dtype=torch.float64)


def moved_by(optimizer: torch.optim.Optimizer, weights: nn.Parameter) -> list[torch.Tensor]:
    """The weights after each step."""
    path = []
    for gradient in gradients(tuple(weights.shape)):
        weights.grad = torch.empty_like(weights).copy_(gradient)  # in the weights' order, as autograd has it
        optimizer.step()
        path.append(weights.detach().clone())
    return path


def start(shape: tuple[int, ...], dtype: torch.dtype = torch.float64) -> nn.Parameter:
    return nn.Parameter(0.1 * torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=dtype))


def adam_by_hand(weights: np.ndarray, m: float) -> list[np.ndarray]:
    """models_utils.py of the work in plain Python: a loop over weights and an if."""
    weights, path = weights.copy(), []
    first, second = np.zeros_like(weights), np.zeros_like(weights)
    for step, gradient in enumerate(gradients(weights.shape), 1):
        size = RATE * math.sqrt(1 - 0.999**step) / (1 - 0.9**step)
        for i, w in np.ndenumerate(weights):
            g = float(gradient[i]) + DECAY * w
            first[i] = 0.9 * first[i] + 0.1 * g
            second[i] = 0.999 * second[i] + 0.001 * g * g
            # torch adds eps to the corrected root, the work to the raw one.
            change = size * first[i] / (math.sqrt(second[i]) + 1e-8 * math.sqrt(1 - 0.999**step))
            if np.sign(w) * first[i] > 0:
                weights[i] = w - (1 - math.tanh(m * abs(w)) ** 2) * change
            else:
                weights[i] = w - change
        path.append(weights.copy())
    return path


def sgd_by_hand(weights: np.ndarray, m: float) -> list[np.ndarray]:
    weights, path = weights.copy(), []
    momentum = np.zeros_like(weights)
    for step, gradient in enumerate(gradients(weights.shape)):
        for i, w in np.ndenumerate(weights):
            g = float(gradient[i]) + DECAY * w
            momentum[i] = g if step == 0 else 0.9 * momentum[i] + g
            scale = 1 - math.tanh(m * abs(w)) ** 2 if np.sign(w) * momentum[i] > 0 else 1.0
            weights[i] = w - RATE * scale * momentum[i]
        path.append(weights.copy())
    return path


@pytest.mark.parametrize("m", [0.5, 1.35, 13.0])
@pytest.mark.parametrize("shape", [(7, 5), (4, 3, 2, 2), (31,)])
def test_adam_moves_each_weight_as_the_rule_says(m: float, shape: tuple[int, ...]) -> None:
    weights = start(shape)
    expected = adam_by_hand(weights.detach().numpy(), m)
    path = moved_by(MetaplasticAdam([weights], RATE, m, weight_decay=DECAY), weights)
    for found, wanted in zip(path, expected, strict=True):
        np.testing.assert_allclose(found.numpy(), wanted, rtol=1e-10, atol=1e-12)
    assert any((np.sign(point) != np.sign(expected[0])).any() for point in expected)  # some cross zero


@pytest.mark.parametrize("m", [0.5, 13.0])
def test_sgd_moves_each_weight_as_the_rule_says(m: float) -> None:
    weights = start((7, 5))
    expected = sgd_by_hand(weights.detach().numpy(), m)
    optimizer = MetaplasticSGD([weights], RATE, m, momentum=0.9, weight_decay=DECAY)
    for found, wanted in zip(moved_by(optimizer, weights), expected, strict=True):
        np.testing.assert_allclose(found.numpy(), wanted, rtol=1e-10, atol=1e-12)


def test_weights_in_many_parts_and_in_channels_last_order_move_alike() -> None:
    shape = (70, 64, 3, 3)  # more than one part of rows, the last one shorter
    plain, strided = start(shape, torch.float32), start(shape, torch.float32)
    strided.data = strided.data.contiguous(memory_format=torch.channels_last)
    one = moved_by(MetaplasticAdam([plain], RATE, 1.35), plain)
    other = moved_by(MetaplasticAdam([strided], RATE, 1.35), strided)
    assert torch.equal(one[-1], other[-1])
    exact = start(shape, torch.float64)
    exact.data = start(shape, torch.float32).detach().double()
    wanted = moved_by(MetaplasticAdam([exact], RATE, 1.35), exact)
    torch.testing.assert_close(one[-1].double(), wanted[-1], rtol=1e-4, atol=1e-5)


def test_without_metaplasticity_they_are_torchs_own_bit_for_bit() -> None:
    options = {"weight_decay": DECAY}
    ours, theirs = start((40, 30), torch.float32), start((40, 30), torch.float32)
    pairs = [
        (MetaplasticAdam([ours], RATE, 0.0, **options), torch.optim.Adam([theirs], RATE, fused=True, **options)),
        (MetaplasticSGD([ours], RATE, 0.0, **options), torch.optim.SGD([theirs], RATE, **options)),
    ]
    for one, other in pairs:
        paths = zip(moved_by(one, ours), moved_by(other, theirs), strict=True)
        assert all(torch.equal(mine, wanted) for mine, wanted in paths)


def test_only_steps_towards_zero_are_held_back() -> None:
    before = start((50, 40), torch.float32).detach()
    plain, held = nn.Parameter(before.clone()), nn.Parameter(before.clone())
    for weights, m in ((plain, 0.0), (held, 20.0)):
        weights.grad = next(gradients((50, 40))).float()
        MetaplasticAdam([weights], RATE, m).step()
    free, kept = plain.detach() - before, held.detach() - before
    outwards = before * free > 0
    assert 0.3 < outwards.float().mean() < 0.7
    assert torch.equal(free[outwards], kept[outwards])
    scale = 1 - torch.tanh(20.0 * before[~outwards]) ** 2
    torch.testing.assert_close(kept[~outwards], free[~outwards] * scale, rtol=1e-4, atol=1e-6)


def test_each_layer_has_its_own_m_and_batch_norm_none() -> None:
    network = nn.Sequential(
        QuantConv2d(1, 2, 3, BinaryWeights()),
        nn.BatchNorm2d(2),
        QuantLinear(4, 3, Int8Weights(), bias=True),
        QuantLinear(3, 2, TernaryWeights()),
    )
    groups = parameter_groups(network, [1.0, 2.0])
    assert [group["metaplasticity"] for group in groups] == [1.0, 2.0, 0.0]
    assert groups[0]["params"] == [network[0].weight] and groups[1]["params"] == [network[3].weight]
    assert sum(len(group["params"]) for group in groups) == len(list(network.parameters()))
    optimizer = MetaplasticAdam(groups, RATE)
    again = MetaplasticAdam(parameter_groups(network, 0.0), RATE)
    again.load_state_dict(optimizer.state_dict())
    assert [group["metaplasticity"] for group in again.param_groups] == [1.0, 2.0, 0.0]
    with pytest.raises(TritError, match="metaplasticity: 3 values for 2 layers with binary or ternary weights"):
        parameter_groups(network, [1.0, 2.0, 3.0])


RECIPE = """
data = "digits"
[quantization]
weights = "binary"
activations = "binary"
start = 0.05
[network]
kind = "mlp"
hidden = [16]
[training]
epochs = 1
schedule = "constant"
learning_rate = 0.02
"""


def trainer(*overrides: str) -> Trainer:
    images = np.random.default_rng(0).integers(0, 256, (200, 1, 8, 8), dtype=np.uint8)
    recipe = parse_recipe(RECIPE, "mine", [f"training.{override}" for override in overrides])
    return Trainer(recipe, (images, np.arange(200, dtype=np.int64) % 10))


def test_the_recipe_chooses_the_optimizer() -> None:
    made = trainer("optimizer=adam", "metaplasticity=[1.0, 2.0]", "weight_decay=0.1").optimizer.optimizer
    assert isinstance(made, MetaplasticAdam)
    assert [(group["metaplasticity"], group["weight_decay"]) for group in made.param_groups] == [
        (1.0, 0.1),
        (2.0, 0.1),
        (0.0, 0.1),
    ]
    made = trainer("optimizer=sgd", "metaplasticity=3", "momentum=0.9").optimizer.optimizer
    assert isinstance(made, MetaplasticSGD) and made.param_groups[0]["momentum"] == 0.9
    assert type(trainer().optimizer.optimizer) is torch.optim.AdamW


def test_the_learning_rate_is_constant_and_weights_start_as_the_recipe_says() -> None:
    made = trainer("optimizer=adam")
    weights = made.network.get_submodule("dense1").get_parameter("weight").detach()
    assert 0.04 < float(weights.max()) <= 0.05 and -0.05 <= float(weights.min()) < -0.04
    made.train_epoch(0, lambda: None)
    assert made.optimizer.param_groups[0]["lr"] == 0.02


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["metaplasticity=1.35"], "training: metaplasticity needs the optimizer adam or sgd, not adamw"),
        (["optimizer=adam", "momentum=0.9"], "training: momentum is of the optimizer sgd, not adam"),
        (["optimizer=adam", "metaplasticity=-1"], r"training\.metaplasticity.*greater than or equal to 0"),
        (["optimizer=lion"], r"training\.optimizer: .*'adamw', 'adam' or 'sgd', not 'lion'"),
    ],
)
def test_mistakes_are_named(overrides: list[str], message: str) -> None:
    with pytest.raises(TritError, match=message) as mistake:
        parse_recipe(RECIPE, "mine", [f"training.{override}" for override in overrides])
    assert "\n" not in str(mistake.value)
