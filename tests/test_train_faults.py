# SPDX-License-Identifier: Apache-2.0
"""Faulty weights while training: at their rates, drawn when they should be, and nowhere else."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="needs trit[train]")

import numpy as np

from trit.runtime.errors import TritError
from trit.targets.rram.errors import error_model
from trit.train.faults import Faults, make_faulty
from trit.train.layers import QuantLinear
from trit.train.quantizers import BinaryWeights, Int8Weights, TernaryWeights
from trit.train.recipe import parse_recipe, read_recipe
from trit.train.run import train

MATRIX = np.array([[0.7, 0.2, 0.1], [0.15, 0.8, 0.05], [0.02, 0.08, 0.9]])


def test_weights_read_at_their_probabilities() -> None:
    faults = Faults("ternary", lambda kind, zeros: MATRIX, "step")
    faults.renew(0)
    for stored in (-1, 0, 1):
        read = faults(torch.full((300_000,), float(stored)))
        found = [float((read == value).float().mean()) for value in (-1, 0, 1)]
        assert found == pytest.approx(list(MATRIX[stored + 1]), abs=0.004)


def test_the_published_model_sees_the_fraction_of_zeros() -> None:
    faults = Faults("ternary", error_model(ber=0.1), "step")
    faults.renew(0)
    drawn = torch.Generator().manual_seed(1)  # not as the faults are
    zero, sign = torch.rand(300_000, generator=drawn) < 0.3, torch.randn(300_000, generator=drawn).sign()
    weights = torch.where(zero, 0.0, sign)
    read = faults(weights)
    assert float((read != weights).float().mean()) == pytest.approx(0.1, abs=0.004)
    assert not bool((read == -weights)[weights != 0].any())


@pytest.mark.parametrize("per", ["step", "chip"])
def test_a_chip_errs_alike_until_it_is_renewed(per: str) -> None:
    layer = QuantLinear(64, 32, BinaryWeights())
    (faults,) = make_faulty(layer, error_model(ber=0.2), per)  # type: ignore[arg-type]
    faults.renew(1)
    x = torch.eye(64)
    first, second = layer(x), layer(x)
    assert bool((first == second).all()) == (per == "chip")
    faults.renew(2)
    assert bool((layer(x) != first).any())
    faults.renew(1)
    assert bool((layer(x) == first).all())


def test_evaluation_gradient_and_export_are_those_of_the_right_weights() -> None:
    layer = QuantLinear(16, 8, TernaryWeights(scaled=True))
    clean = layer(torch.eye(16)).detach()
    make_faulty(layer, lambda kind, zeros: np.fliplr(np.eye(3)), "step")
    faulty = layer(torch.eye(16))
    torch.testing.assert_close(faulty, -clean)  # every sign flips, with its channel's scale
    faulty.sum().backward()
    torch.testing.assert_close(layer.weight.grad, torch.ones(8, 16))
    torch.testing.assert_close(layer.eval()(torch.eye(16)), clean)
    torch.testing.assert_close(layer.integer_weights()[0], layer.weight_quantizer.integers(layer.weight).to(torch.int8))


def test_int8_layers_are_on_no_array() -> None:
    network = torch.nn.Sequential(QuantLinear(4, 4, Int8Weights()), QuantLinear(4, 4, BinaryWeights()))
    assert len(make_faulty(network, error_model(ber=0.2), "step")) == 1


def test_a_recipe_trains_with_faults_and_gives_the_same_model_again(tmp_path: object) -> None:
    from pathlib import Path

    overrides = ["training.epochs=2", "faults.ber=0.05", "faults.per=chip"]
    models = []
    for name in ("a", "b"):
        folder = Path(str(tmp_path)) / name
        found = train(
            "digits-ternary-mlp", out=folder, overrides=overrides, error_model=lambda f: error_model(ber=f.ber)
        )
        models.append(found.model.read_bytes())
        assert found.accuracy > 0.5
    assert models[0] == models[1]


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["faults.ber=0.6"], "faults.ber: Input should be less than or equal to 0.5"),
        (["faults.per=step"], "faults: give either a target or a bit error rate"),
        (["faults.ber=0.1", "faults.target=x"], "faults: give either a target or a bit error rate"),
        (["faults.bre=0.1"], "faults.bre: unknown key; did you mean ber"),
    ],
)
def test_mistakes_in_the_recipe_are_named(overrides: list[str], message: str) -> None:
    with pytest.raises(TritError, match=message):
        read_recipe("digits-ternary-mlp", overrides)


def test_a_target_that_does_not_err_is_named() -> None:
    with pytest.raises(TritError, match="target nrf52840 is no chip of resistive memories"):
        error_model("nrf52840")
    assert parse_recipe(read_recipe("digits-ternary-mlp").text, "again").faults is None
