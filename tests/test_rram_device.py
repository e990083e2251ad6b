# SPDX-License-Identifier: Apache-2.0
"""Resistances of programmed devices: their distributions, whatever they are described by, drift and noise."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from trit.runtime.errors import TritError
from trit.targets.rram.chip import Condition, Device
from trit.targets.rram.device import aged, as_read, draw
from trit.targets.rram.executor import default_chip

COUNT = 200_000


def device() -> Device:
    return default_chip().device


def condition_with(lrs: dict[str, object]) -> Condition:
    table = device().conditions["strong"].model_dump()
    return Condition.model_validate({**table, "lrs": lrs})


def test_a_lognormal_has_its_median_and_spread() -> None:
    strong = device().conditions["strong"]
    hrs = np.log(draw(strong, "hrs", COUNT, np.random.default_rng(0)))
    assert np.exp(np.median(hrs)) == pytest.approx(strong.hrs.median.value, rel=0.01)  # type: ignore[union-attr]
    assert hrs.std() == pytest.approx(strong.hrs.sigma.value, rel=0.01)  # type: ignore[union-attr]


def test_measured_resistances_are_drawn_between_their_neighbours(tmp_path: Path) -> None:
    (tmp_path / "lrs.csv").write_text("4000\n5000, 6000\n9000\n")
    condition = condition_with(_file("empirical", tmp_path / "lrs.csv"))
    drawn = draw(condition, "lrs", COUNT, np.random.default_rng(0))
    assert drawn.min() >= 4000
    assert drawn.max() <= 9000
    # a third of them between each two neighbours
    np.testing.assert_allclose(np.histogram(drawn, [4000, 5000, 6000, 9000])[0] / COUNT, 1 / 3, atol=0.01)


@pytest.mark.parametrize(
    ("text", "message"), [("4000\nfour\n", "four"), ("5000\n", "two or more"), ("0\n1\n", "positive"), (None, "cannot")]
)
def test_a_bad_file_of_resistances_is_named(tmp_path: Path, text: str | None, message: str) -> None:
    path = tmp_path / "lrs.csv"
    if text is not None:
        path.write_text(text)
    with pytest.raises(TritError, match=message) as caught:
        draw(condition_with(_file("empirical", path)), "lrs", 10, np.random.default_rng(0))
    assert "lrs.csv" in str(caught.value)


def test_a_synaptogen_model_without_spread_gives_its_polynomials(tmp_path: Path) -> None:
    """One component, devices all alike, and a cycle-to-cycle spread of 2 Γ(x) with Γ(x) = x for the LRS."""
    model = {
        "wk": [1.0],
        "μDtD": [[5.0], [0.0], [4500.0], [0.0], [0.0], [0.0], [200.0], [0.0]],
        "LDtD": [[0.0] * 8 for _ in range(8)],
        "γ": [[0.0, 0.0], [0.0, 0.0], [1.0, 0.0], [0.0, 0.0]],
    }
    path = tmp_path / "model.json"
    path.write_text(json.dumps(model))
    table = device().conditions["strong"].model_dump()
    condition = Condition.model_validate({**table, "lrs": _file("synaptogen", path), "hrs": _file("synaptogen", path)})
    lrs = draw(condition, "lrs", COUNT, np.random.default_rng(0))
    assert (lrs.mean(), lrs.std()) == (pytest.approx(4500, rel=0.01), pytest.approx(200, rel=0.01))
    np.testing.assert_allclose(draw(condition, "hrs", 10, np.random.default_rng(0)), 1e5)


def test_a_file_that_is_no_synaptogen_model_is_named(tmp_path: Path) -> None:
    path = tmp_path / "model.json"
    path.write_text('{"wk": [1]}')
    with pytest.raises(TritError, match=r"model\.json: not a Synaptogen model: lacks LDtD"):
        draw(condition_with(_file("synaptogen", path)), "lrs", 10, np.random.default_rng(0))


def test_time_moves_and_widens_a_distribution_faster_when_hot() -> None:
    fresh = np.full(COUNT, 1e5)
    moved = {
        temperature: np.log(aged(device(), "hrs", fresh, 1e6, temperature, np.random.default_rng(0)) / 1e5)
        for temperature in (25.0, 85.0)
    }
    retention = device().retention
    assert retention is not None
    decades = np.log10(1 + 1e6)
    assert moved[25.0].mean() == pytest.approx(retention.hrs_drift.value * decades, rel=0.02)
    assert moved[25.0].std() == pytest.approx(retention.hrs_spread.value * decades, rel=0.02)
    assert moved[85.0].mean() < moved[25.0].mean() < 0
    np.testing.assert_array_equal(aged(device(), "hrs", fresh, 0.0, 85.0, np.random.default_rng(0)), fresh)


def test_reads_of_a_device_differ_by_its_noise() -> None:
    noise = device().noise
    assert noise is not None
    rng = np.random.default_rng(0)
    reads = [np.log(as_read(device(), "hrs", np.full(COUNT, 1e5), rng)) for _ in range(2)]
    assert reads[0].std() == pytest.approx(noise.hrs.value, rel=0.02)
    assert abs(np.corrcoef(*reads)[0, 1]) < 0.01


def _file(kind: str, path: Path) -> dict[str, object]:
    return {"kind": kind, "file": str(path), "origin": "measured", "source": "a tester"}
