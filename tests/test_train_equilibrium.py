# SPDX-License-Identifier: Apache-2.0
"""Equilibrium propagation: the dynamics are the primitive function's, the gradients those of backpropagation."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from math import isnan
from pathlib import Path

import numpy as np
import pytest

for package in ("torch", "accelerate", "sklearn"):
    pytest.importorskip(package, reason=f"{package} is not installed: pip install 'trit[train]'")
import torch
from conftest import Run

from trit.export.lower import lower
from trit.export.plan import to_plan
from trit.files import read_model
from trit.runtime import Session
from trit.runtime.errors import TritError
from trit.train import checkpoint
from trit.train.data import load_test
from trit.train.equilibrium import ConvergentNetwork, Nudge, Readout
from trit.train.equilibrium_check import agreements, through_time
from trit.train.equilibrium_layers import Dense, Layer, PooledConv
from trit.train.equilibrium_learning import Estimator, Propagation, estimate, one_hot, propagate
from trit.train.equilibrium_near import near
from trit.train.equilibrium_training import EquilibriumTrainer, FlipRule
from trit.train.loop import evaluate
from trit.train.networks import build, unrolled
from trit.train.recipe import read_recipe
from trit.train.run import train

CLASSES, IMAGES = 5, 7
READOUTS: list[Readout] = ["squared-error", "cross-entropy"]


@pytest.fixture(autouse=True)
def in_float64() -> Iterator[None]:
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def sigmoid(x: torch.Tensor) -> torch.Tensor:
    """1/(1 + exp(2 − 4x)): smooth, with slope 1 at its middle x = 1/2."""
    return torch.sigmoid(4 * x - 2)


def network(kind: str, readout: Readout, separate: bool = False, seed: int = 0) -> ConvergentNetwork:
    """Small and smooth, with steps enough to rest to the last bits."""
    torch.manual_seed(seed)
    if kind == "dense":
        layers: list[Layer] = [Dense((2, 10, 10), 12, separate), Dense((12,), 8, separate)]
    else:
        layers = [PooledConv((2, 10, 10), 4, 3, 1, separate)]
        layers.append(PooledConv(layers[0].shape, 6, 3, 0, separate))
    return ConvergentNetwork([*layers, Dense(layers[-1].shape, CLASSES, separate)], readout, 300, sigmoid)


def batch(seed: int = 1) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    images = torch.rand(IMAGES, 2, 10, 10, generator=generator)
    return images, one_hot(torch.randint(0, CLASSES, (IMAGES,), generator=generator), CLASSES, torch.float64)


@pytest.mark.parametrize("kind", ["dense", "convolutional"])
@pytest.mark.parametrize("readout", READOUTS)
def test_the_drives_are_the_derivative_of_the_primitive_function(kind: str, readout: Readout) -> None:
    made, (images, target) = network(kind, readout), batch()
    states = [torch.rand(IMAGES, *layer.shape).requires_grad_() for layer in made.dynamic]
    first = made.all_layers[0].up(images)
    for beta in (0.0, 0.3):
        energy = (made.primitive(images, states) - beta * made.loss(states, target)).sum()
        expected = torch.autograd.grad(energy, states)
        nudge = Nudge(torch.full((IMAGES, 1), beta), target)
        for drive, gradient in zip(made.drives(first, states, nudge), expected, strict=True):
            torch.testing.assert_close(drive, gradient)


@pytest.mark.parametrize("kind", ["dense", "convolutional"])
@pytest.mark.parametrize("readout", READOUTS)
@pytest.mark.parametrize(("estimator", "order"), [("one-sided", 1), ("symmetric", 2)])
def test_the_bias_falls_with_beta_as_the_estimator_promises(
    kind: str, readout: Readout, estimator: Estimator, order: int
) -> None:
    """|estimate − backpropagation| ~ β^order: the slope of a straight line through log-log points."""
    made, (images, target) = network(kind, readout), batch()
    first = made.all_layers[0].up(images)
    with torch.no_grad():
        free = made.settle(first, made.rest(images), made.free_steps)
    exact = torch.cat([gradient.flatten() for gradient in through_time(made, images, free, target, 200)])
    betas, errors = [0.04, 0.02, 0.01, 0.005], []
    for beta in betas:
        with torch.no_grad():
            estimate(made, images, first, free, target, Propagation(beta, 200, estimator))
        found = torch.cat([layer.weight.grad.flatten() for layer in made.all_layers if layer.weight.grad is not None])
        errors.append(float((found - exact).norm() / exact.norm()))
    slope = np.polyfit(np.log(betas), np.log(errors), 1)[0]
    assert slope == pytest.approx(order, abs=0.1)
    assert errors[-1] < 0.05 and (order == 1 or errors[-1] < 5e-4)


@pytest.mark.parametrize("kind", ["dense", "convolutional"])
@pytest.mark.parametrize("readout", READOUTS)
def test_every_step_gives_what_backpropagation_through_as_many_gives(kind: str, readout: Readout) -> None:
    made, (images, target) = network(kind, readout), batch()
    found = agreements(made, images, target, Propagation(1e-4, 6, "symmetric"))
    assert len(found) == 6 * len(made.all_layers)
    reached = [each for each in found if not isnan(each.angle)]
    # The nudge goes down one layer a step: only layers that it has not reached have no gradient yet.
    assert len(found) - len(reached) == {"squared-error": 3, "cross-entropy": 1}[readout]
    for each in reached:
        assert each.angle < 0.01 and each.ratio == pytest.approx(1, abs=1e-4)


def test_random_signs_average_to_the_symmetric_estimate() -> None:
    made, (images, target) = network("dense", "squared-error"), batch()

    def gradients(estimator: Estimator, sign: int) -> torch.Tensor:
        propagate(made, images, target, Propagation(0.2, 30, estimator), sign)
        return torch.cat([layer.weight.grad.flatten() for layer in made.all_layers if layer.weight.grad is not None])

    pair = [gradients("random-sign", sign) for sign in (1, -1)]
    torch.testing.assert_close((pair[0] + pair[1]) / 2, gradients("symmetric", 1))
    torch.testing.assert_close(pair[0], gradients("one-sided", 1))


@pytest.mark.parametrize("kind", ["dense", "convolutional"])
def test_separate_weights_that_are_equal_learn_as_transposed_ones(kind: str) -> None:
    one, other = network(kind, "cross-entropy"), network(kind, "cross-entropy", separate=True)
    with torch.no_grad():
        for layer, twin in zip(one.all_layers, other.all_layers, strict=True):
            twin.weight.copy_(layer.weight)
            twin.bias.copy_(layer.bias)
            assert twin.feedback is not None
            twin.feedback.copy_(layer.weight)
    images, target = batch()
    for made in (one, other):
        propagate(made, images, target, Propagation(0.1, 20))
    for layer, twin in zip(one.all_layers, other.all_layers, strict=True):
        assert layer.weight.grad is not None and twin.feedback is not None and twin.feedback.grad is not None
        torch.testing.assert_close(twin.weight.grad, layer.weight.grad)
        torch.testing.assert_close(twin.feedback.grad, layer.weight.grad)


def test_weight_decay_aligns_separate_weights() -> None:
    """The same update for both: their difference decays by 1 − ηλ a step, whatever the gradients are."""
    made, (images, target) = network("convolutional", "cross-entropy", separate=True), batch()
    rate, decay, steps = 0.5, 0.2, 20
    optimizer = torch.optim.SGD(made.parameters(), rate, weight_decay=decay)

    def differences() -> list[torch.Tensor]:
        return [(layer.weight - layer.feedback).detach() for layer in made.all_layers if layer.feedback is not None]

    before = differences()
    for _ in range(steps):
        propagate(made, images, target, Propagation(0.1, 5))
        optimizer.step()
    for now, then in zip(differences(), before, strict=True):
        torch.testing.assert_close(now, then * (1 - rate * decay) ** steps)


BINARY = [
    "data=digits",
    "network.hidden=[128]",
    "equilibrium.magnitudes=[0.125, 0.0625]",
    "training.batch=20",
    "training.precision=float32",
]


def test_binary_weights_flip_by_the_running_gradient() -> None:
    """Weight by weight: g ← (1 − γ)g + γ(∂L/∂w)/√v from a random start within ±τ, w ← −w where sign(w)·g > τ."""
    generator = torch.Generator().manual_seed(0)
    weight = torch.nn.Parameter(0.5 * torch.randn(50, generator=generator).sign())
    bias = torch.nn.Parameter(torch.zeros(3))
    optimizer = FlipRule([{"params": [weight], "lr": 0.3}, {"params": [bias], "lr": 0.1, "flips": False}], 0.2)
    expected, square = weight.detach().tolist(), [0.0] * 50
    torch.manual_seed(1)
    running = torch.empty(50).uniform_(-0.2, 0.2).tolist()
    flipped = 0
    torch.manual_seed(1)
    for count in range(1, 21):
        weight.grad, bias.grad = torch.randn(50, generator=generator), torch.ones(3)
        optimizer.step()
        for index, gradient in enumerate(weight.grad.tolist()):
            square[index] = 0.999 * square[index] + 0.001 * gradient**2
            deviation = np.sqrt(square[index] / (1 - 0.999**count))
            running[index] = 0.7 * running[index] + 0.3 * gradient / deviation
            if running[index] * np.sign(expected[index]) > 0.2:
                expected[index], flipped = -expected[index], flipped + 1
        torch.testing.assert_close(weight.detach(), torch.tensor(expected))
    assert flipped > 20
    torch.testing.assert_close(bias.detach(), torch.full((3,), -2.0))


def test_bfloat16_serves_where_all_phases_share_its_rounding() -> None:
    torch.set_default_dtype(torch.float32)
    torch.manual_seed(0)
    made = ConvergentNetwork([Dense((2, 10, 10), 64), Dense((64,), CLASSES)], "squared-error", 40, sigmoid)
    images, target = (each.float() for each in batch())
    found = []
    for bfloat16 in (False, True):
        propagate(made, images, target, Propagation(0.1, 20), bfloat16=bfloat16)
        found.append([layer.weight.grad for layer in made.all_layers])
    for exact, rounded in zip(*found, strict=True):
        assert exact is not None and rounded is not None
        assert float((exact - rounded).norm() / exact.norm()) < 0.02


BINARY_KINDS = ["quantization.weights=binary", "equilibrium.flip_rate=0.001"]
UNROLLED = {
    "binary, 8-bit states": [*BINARY_KINDS, "quantization.activations=8-bit"],
    "binary, binary states": [*BINARY_KINDS, "quantization.activations=binary"],
    "int8": ["quantization.weights=int8", "pixel_scale=0.0065", "zero_point=121"],
    "int8, separate feedback": ["quantization.weights=int8", "equilibrium.feedback=separate"],
}
SHAPES = {
    "24": ["network.hidden=[24]"],
    "24, 12": ["network.hidden=[24, 12]"],
    "convolutions": ["network.channels=[5, 33]", "network.padding=[1, 2]", "network.hidden=[]"],
    "convolutions, 12": ["network.channels=[7]", "network.padding=[0]", "network.hidden=[12]"],
}


@pytest.mark.parametrize("separate", [False, True])
def test_near_known_states_changes_alone_are_in_bfloat16(separate: bool) -> None:
    """Exact where nothing changes; elsewhere off by bfloat16's bits of the change, not of the states."""
    torch.set_default_dtype(torch.float32)
    torch.manual_seed(0)
    layers: list[Layer] = [PooledConv((2, 16, 16), 64, 3, 1), PooledConv((64, 8, 8), 65, 3, 1, separate)]
    layers.append(Dense((65, 4, 4), 9))
    states = [torch.rand(3, *layer.shape) for layer in layers]
    with torch.no_grad():
        acting = near(layers, states)
        assert acting[1] is layers[2]  # dense: as it is
        up, where = layers[1].up(states[0])
        assert torch.equal(acting[0].up(states[0])[0], up)
        assert torch.equal(acting[0].down(states[1], where), layers[1].down(states[1], where))
        moved = [state + (torch.rand_like(state) - 0.5) / 64 for state in states]
        up, where = layers[1].up(moved[0])
        down = layers[1].down(moved[1], where)
        changes = acting[0].up(moved[0])[0], acting[0].down(moved[1], where)
        with torch.autocast("cpu", torch.bfloat16):
            whole = layers[1].up(moved[0])[0], layers[1].down(moved[1], where)
        # Downwards less: where a maximum is now at another place, the change is the whole state.
        for exact, near_by, rounded, times in zip((up, down), changes, whole, (64, 4), strict=True):
            assert times * (near_by - exact).norm() < (rounded - exact).norm()


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("kind", UNROLLED)
@pytest.mark.parametrize("readout", READOUTS)
def test_unrolled_networks_run_in_the_c_runtime_bit_for_bit(shape: str, kind: str, readout: Readout) -> None:
    torch.set_default_dtype(torch.float32)
    overrides = ["data=digits", *SHAPES[shape], *UNROLLED[kind], f"equilibrium.readout={readout}"]
    if shape != "24, 12":  # few steps run through all there is
        overrides.append("equilibrium.free_steps=4")
    if "binary" in kind:
        overrides.append(f"equilibrium.magnitudes={[0.25, 0.0625, 0.125][: 2 if shape == '24' else 3]}")
    if kind == "binary, binary states" and "convolutions" in shape:
        with pytest.raises(TritError, match="8-bit with int8 weights and with convolutions"):
            read_recipe("ep-mnist-mlp", overrides)
        return
    recipe = read_recipe("ep-mnist-mlp", overrides)
    torch.manual_seed(0)
    built = build(recipe)
    images = np.random.default_rng(0).integers(0, 256, (100, 1, 8, 8), dtype=np.uint8)
    settled = built(torch.from_numpy(images)).detach()  # in training mode: float32 states, from zero
    scores = evaluate(built.eval(), torch.from_numpy(images))
    packed = Session(to_plan(lower(unrolled(built), recipe.input_shape))).run(images)
    assert np.array_equal(packed.reshape(100, -1), scores.numpy())
    if shape == "24, 12" and kind != "binary, binary states":  # near the fixed point that both have
        assert float((settled - scores).abs().max()) < 0.03


def test_float32_weights_run_nowhere() -> None:
    torch.set_default_dtype(torch.float32)
    with pytest.raises(TritError, match="float32 weights runs nowhere: train it with int8 or binary ones"):
        unrolled(build(read_recipe("ep-mnist-mlp", ["quantization.weights=float32"])))


@pytest.mark.parametrize("weights", ["int8", "binary"])
def test_a_recipe_learns_resumes_and_exports(weights: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.set_default_dtype(torch.float32)
    recipe = {"int8": "ep-mnist-mlp", "binary": "ep-mnist-binary"}[weights]
    overrides = [*(BINARY if weights == "binary" else BINARY[:1]), "training.epochs=4"]
    overrides.append("equilibrium.estimator=random-sign")
    whole = train(recipe, out=tmp_path / "whole", overrides=overrides)
    assert whole.accuracy > 0.8
    real = EquilibriumTrainer.train_epoch

    def interrupted(self: EquilibriumTrainer, epoch: int, on_step: Callable[[], None]) -> float:
        if epoch == 2:
            raise KeyboardInterrupt
        return real(self, epoch, on_step)

    monkeypatch.setattr(EquilibriumTrainer, "train_epoch", interrupted)
    with pytest.raises(KeyboardInterrupt):
        train(recipe, out=tmp_path / "parts", overrides=overrides)
    monkeypatch.setattr(EquilibriumTrainer, "train_epoch", real)
    train(recipe, out=tmp_path / "parts", overrides=overrides, resume=True)
    states = [checkpoint.read(tmp_path / name / "model.pt")["state"] for name in ("whole", "parts")]
    assert states[0].keys() == states[1].keys() and all(
        torch.equal(states[0][key], states[1][key]) for key in states[0]
    )
    if weights == "binary":
        assert set(states[0]["convergent1.layers.1.weight"].unique().tolist()) == {-0.0625, 0.0625}
    images, labels = load_test("digits")
    scores = Session(to_plan(read_model(tmp_path / "whole" / "model.pt"))).run(images)
    assert (scores.reshape(len(images), -1).argmax(1) == labels).mean() == whole.accuracy


def test_the_command_compares_and_draws(run: Run, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="matplotlib is not installed: pip install 'trit[plot]'")
    torch.set_default_dtype(torch.float32)
    options = ["--set", "data=digits", "--set", "equilibrium.nudged_steps=3", "--images", "5"]
    status, out, _ = run("gradients", "ep-mnist-mlp", *options, "--plot", "angles.svg", "--json")
    rows = json.loads(out)["rows"]
    assert status == 0 and len(rows) == 2 * 3 * 2
    assert {row["estimator"] for row in rows} == {"one-sided", "symmetric"}
    drawn = (tmp_path / "angles.svg").read_text()
    assert "<svg" in drawn
    status, _, mistake = run("gradients", "digits-ternary-mlp")
    assert status == 2 and "is no convergent network whose weights act back transposed" in mistake
