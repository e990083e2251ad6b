# SPDX-License-Identifier: Apache-2.0
"""How often synapses read wrong: given rates, and those of devices beside sense amplifiers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from trit.runtime.errors import TritError
from trit.targets.description import load_target
from trit.targets.figure import Figure
from trit.targets.rram.chip import Cell, Device, Noise, Pcsa, Rram
from trit.targets.rram.errors import (
    CLASSES,
    given_errors,
    measured_errors,
    operating_point,
    published_errors,
    read_errors,
)
from trit.targets.rram.executor import default_chip
from trit.targets.rram.search import at
from trit.targets.rram.sense import load_technology

DRAWS = 2048


def rates_of(target: Rram) -> dict[str, float]:
    return read_errors(target, DRAWS).rates()


def test_given_rates_come_back() -> None:
    rates = {"sign": 0.02, "lost": 0.05, "raised": 0.1, "flip": 0.03}
    errors = given_errors(**rates)
    assert errors.rates() == pytest.approx(rates)
    for matrices in (*errors.programmed.values(), *errors.read.values()):
        np.testing.assert_allclose(matrices.sum(axis=-1), 1)


def test_measured_rates_take_the_place_of_device_and_amplifier() -> None:
    target = load_target("magneto-ionic")
    assert isinstance(target, Rram)
    assert target.errors is not None
    assert read_errors(target).rates() == pytest.approx({name: figure.value for name, figure in target.errors})
    assert measured_errors(target.errors).origin == "assumed"


@pytest.mark.parametrize("rates", [{"sign": -0.1}, {"flip": 1.5}, {"sign": 0.6, "lost": 0.6}])
def test_impossible_rates_are_refused(rates: dict[str, float]) -> None:
    with pytest.raises(TritError, match="error rate"):
        given_errors(**rates)


@pytest.mark.parametrize("zeros", [0.0, 0.3, 0.9])
def test_the_published_one_parameter_model_keeps_its_mean_rate(zeros: float) -> None:
    rates = published_errors(0.1, zeros).rates()
    assert zeros * rates["raised"] + (1 - zeros) * rates["lost"] == pytest.approx(0.1)
    assert (rates["sign"], rates["flip"]) == (0, pytest.approx(0.1))
    with pytest.raises(TritError, match=r"bit error rate 0\.99: with"):
        published_errors(0.99, zeros)


def test_rates_are_those_of_the_devices_that_are_too_fast_or_too_slow() -> None:
    """Without mismatch and noise: the fraction of pairs that the compact model decides in time, or not."""
    chip = _with(at(default_chip(), read_time=5e-9), mismatch=0.0, device=_quiet())
    sense = chip.sense
    assert isinstance(sense, Pcsa)
    technology, point = load_technology(sense.technology), operating_point(chip, sense)
    rng = np.random.default_rng(9)
    strong = chip.device.conditions["strong"]
    hrs = [strong.hrs.median.value * np.exp(strong.hrs.sigma.value * rng.standard_normal(400_000)) for _ in range(2)]  # type: ignore[union-attr]
    times, _ = technology.decide(point, *hrs)
    found = rates_of(chip)
    assert found["raised"] == pytest.approx(float((times <= point.read_time).mean()), rel=0.1, abs=2e-4)
    assert found["sign"] < 1e-4


def test_a_longer_read_loses_less_and_raises_more() -> None:
    short, long = (rates_of(at(default_chip(), read_time=time)) for time in (5e-10, 30e-9))
    assert short["lost"] > long["lost"]
    assert short["raised"] < long["raised"]


def test_mismatch_makes_amplifiers_differ() -> None:
    chip = at(default_chip(), supply=0.8, read_time=10e-9)
    matrices = read_errors(_with(chip, mismatch=0.03), DRAWS).programmed["ternary"]
    alike = read_errors(_with(chip, mismatch=0.0), DRAWS).programmed["ternary"]
    assert matrices.shape == (CLASSES, 3, 3)
    raised, level = matrices[:, 1, 0] + matrices[:, 1, 2], alike[:, 1, 0] + alike[:, 1, 2]
    assert raised.std() > 2 * level.std()


def test_noise_makes_reads_err_that_programming_did_not() -> None:
    figure = Figure(value=0.0, unit="1", origin="assumed", source="none at all")
    loud = figure.model_copy(update={"value": 0.3})
    found = {}
    for name, level in (("none", figure), ("loud", loud)):
        device = default_chip().device.model_copy(update={"noise": Noise(lrs=level, hrs=level)})
        errors = read_errors(_with(default_chip(), device=device), DRAWS)
        found[name] = 1 - np.diag(errors.read["ternary"])
    assert found["none"].max() == 0
    assert found["loud"][1] > 1e-3


def test_weak_programming_and_age_cost_reads() -> None:
    chip = default_chip()
    assert rates_of(at(chip, condition="weak"))["raised"] > rates_of(chip)["raised"]
    old = rates_of(at(chip, age=3e8, temperature=85.0))
    assert old["raised"] > rates_of(at(chip, temperature=85.0))["raised"]


def test_one_device_and_a_reference_err_more_than_two_devices() -> None:
    chip = at(default_chip(), condition="weak", read_time=1e-6)
    area = chip.cell.area
    reference = Figure(value=40e3, unit="Ω", origin="assumed", source="between the states")
    single = _with(chip, cell=Cell(kind="1T1R", reference=reference, area=area))
    found = read_errors(single, DRAWS)
    assert list(found.programmed) == ["binary"]
    assert found.rates()["flip"] > 5 * rates_of(chip)["flip"]


@pytest.mark.parametrize("polarity", [1, -1])
def test_polarity_does_not_matter_for_balanced_amplifiers(polarity: int) -> None:
    chip = default_chip()
    turned = _with(chip, cell=chip.cell.model_copy(update={"polarity": polarity}))
    assert rates_of(turned)["raised"] == pytest.approx(rates_of(chip)["raised"], rel=0.1)


def _quiet() -> Device:
    return default_chip().device.model_copy(update={"noise": None})


def _with(chip: Rram, mismatch: float | None = None, device: Device | None = None, cell: Cell | None = None) -> Rram:
    changes: dict[str, Any] = {"device": device or chip.device, "cell": cell or chip.cell}
    if mismatch is not None:
        assert isinstance(chip.sense, Pcsa)
        figure = chip.sense.mismatch.model_copy(update={"value": mismatch})
        changes["sense"] = chip.sense.model_copy(update={"mismatch": figure})
    return chip.model_copy(update=changes)
