# SPDX-License-Identifier: Apache-2.0
"""The sense amplifier: its compact model against the circuit, and what the model says by itself."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("scipy", reason="scipy is not installed: pip install 'trit[calibrate]'")
from trit.runtime.errors import TritError, Unavailable
from trit.targets.rram.calibrate import calibrate, draw_pairs
from trit.targets.rram.check import POINTS, check_rates, check_times
from trit.targets.rram.circuit import Process, generic130, simulate, waveforms
from trit.targets.rram.operating_point import CORNERS, OperatingPoint
from trit.targets.rram.sense import BLOCK, imbalance, load_technology, mismatch_deviation

needs_ngspice = pytest.mark.skipif(shutil.which("ngspice") is None, reason="ngspice is not installed")

TECHNOLOGY = load_technology("generic130")
NOMINAL = OperatingPoint(1.2, 3e-9)
LRS, HRS = 5e3, 100e3


@needs_ngspice
def test_the_circuit_reads_the_three_weights() -> None:
    reads = simulate(generic130(), NOMINAL, np.array([LRS, HRS, HRS]), np.array([HRS, HRS * 1.1, LRS]), energy=True)
    np.testing.assert_array_equal(reads.values, [1, 0, -1])
    assert np.isfinite(reads.fall_times).sum() == 2
    assert (reads.precharged > 0.99).all()
    assert ((reads.energy > 30e-15) & (reads.energy < 300e-15)).all()


@needs_ngspice
def test_mismatch_turns_a_balanced_pair_over() -> None:
    point = replace(NOMINAL, read_time=1e-6)
    reads = simulate(generic130(), point, np.full(2, HRS), np.full(2, HRS), np.array([0.01, 0]), np.array([0, 0.01]))
    np.testing.assert_array_equal(reads.values, [-1, 1])
    signs = TECHNOLOGY.decide(point, np.full(2, HRS), np.full(2, HRS), np.array([0.01, 0]), np.array([0, 0.01])).signs
    np.testing.assert_array_equal(signs, reads.values)


@needs_ngspice
def test_waveforms_end_where_the_read_does() -> None:
    rows = waveforms(generic130(), NOMINAL, LRS, HRS)
    time, output, complement, _, _ = rows
    assert time[0] <= 0 and time[-1] == pytest.approx(NOMINAL.read_time, rel=1e-3)
    assert output[0] == pytest.approx(NOMINAL.vdd, abs=0.02)
    assert output[-1] < 0.05 and complement[-1] > 1.1


@needs_ngspice
def test_decision_times_agree_with_the_circuit() -> None:
    rows = check_times(TECHNOLOGY, generic130())
    assert all(row.agree for row in rows), [row for row in rows if not row.agree]


@needs_ngspice
@pytest.mark.parametrize("vdd", [0.65, 0.8, 1.2])
def test_the_shift_that_balances_a_pair_agrees_with_the_circuit(vdd: float) -> None:
    """Its winner changes between 0.7 and 1.4 times the shift at which the model has both sides alike."""
    point = OperatingPoint(vdd, 100e-6)
    bit_line = np.array([15e3, 60e3, 300e3])
    apart = (0.0, 0.5e-3)  # V on either side, to find the slope
    one, two = (imbalance(TECHNOLOGY.at(point), bit_line, 1.3 * bit_line, shift, -shift) for shift in apart)
    balance = 1e-3 * one / (one - two)
    for share, sign in ((0.7, 1), (1.4, -1)):
        reads = simulate(generic130(), point, bit_line, 1.3 * bit_line, share * balance / 2, -share * balance / 2)
        np.testing.assert_array_equal(reads.values, sign)


@needs_ngspice
def test_error_rates_agree_with_the_circuit() -> None:
    """A sample of what check_rates compares by default."""
    points = [point for point in POINTS if point.vdd == 0.7 or point.corner == "fs"]
    rows = check_rates(TECHNOLOGY, generic130(), points, draws=200, seed=3)
    assert all(row.agree for row in rows), [row for row in rows if not row.agree]


@needs_ngspice
def test_energy_agrees_with_the_circuit() -> None:
    for vdd, read_time in ((0.8, 10e-9), (1.2, 3e-9), (1.8, 20e-9)):
        point = OperatingPoint(vdd, read_time, 70e-15)
        bit_line, complement, _, _ = draw_pairs(np.random.default_rng(7), 8)
        circuit = simulate(generic130(), point, bit_line, complement, energy=True).energy
        model = TECHNOLOGY.energy(point, bit_line, complement)
        assert np.median(abs(model / circuit - 1)) < 0.1, model / circuit


@needs_ngspice
def test_calibration_gives_the_shipped_table_back() -> None:
    """Its first point: draws and starts are fixed, but other builds of ngspice may differ in the last digits."""
    axes = {"vdd": (1.8,), "temperature": (27.0,), "capacitance": (100e-15,)}
    fitted = calibrate(generic130(), "again", corners=("tt",), **axes).coefficients[0, 0, 0, 0]
    shipped = TECHNOLOGY.coefficients[0, -1, 1, 1]
    assert (TECHNOLOGY.vdd[-1], TECHNOLOGY.temperature[1], TECHNOLOGY.capacitance[1]) == (1.8, 27.0, 100e-15)
    assert fitted[:3] == pytest.approx(shipped[:3], rel=0.03)
    assert fitted[13:15] == pytest.approx(shipped[13:15], rel=0.03)


def test_without_ngspice_the_error_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(Unavailable, match=r"ngspice is not installed \(Debian: apt-get install ngspice\)"):
        simulate(generic130(), NOMINAL, np.array([LRS]), np.array([HRS]))


@needs_ngspice
def test_a_library_without_the_models_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty.lib").write_text("* nothing\n.lib tt\n.endl tt\n")
    with pytest.raises(TritError):
        simulate(Process(tmp_path / "empty.lib"), NOMINAL, np.array([LRS]), np.array([HRS]))
    with pytest.raises(TritError, match=r"no\.lib: No such file"):
        simulate(Process(tmp_path / "no.lib"), NOMINAL, np.array([LRS]), np.array([HRS]))


@pytest.mark.parametrize("corner", CORNERS)
@pytest.mark.parametrize("vdd", [0.7, 0.93, 1.2, 1.8])
def test_swapping_the_sides_swaps_the_sign(vdd: float, corner: str) -> None:
    point = OperatingPoint(vdd, 1e-9, corner=corner)
    bit_line, complement, shift, other = draw_pairs(np.random.default_rng(1), 500)
    one = TECHNOLOGY.decide(point, bit_line, complement, shift, other)
    two = TECHNOLOGY.decide(point, complement, bit_line, other, shift)
    np.testing.assert_array_equal(one.signs, -two.signs)
    np.testing.assert_allclose(one.times, two.times, rtol=1e-9)


@pytest.mark.parametrize("corner", CORNERS)
@pytest.mark.parametrize("vdd", [0.72, 1.0, 1.8])
def test_times_grow_with_alikeness_and_resistance(vdd: float, corner: str) -> None:
    """With the resistance only well above threshold: below, two low devices are harder to tell apart.

    Far from a tie the circuit's times fall by no more than 2 %; the model's may stand still, to 0.1 % a step.
    """
    point = OperatingPoint(vdd, 1e-9, corner=corner)
    times = TECHNOLOGY.decide(point, np.full(60, LRS), LRS * np.geomspace(1.01, 100, 60)).times
    assert (np.diff(times) < 1e-3 * times[1:]).all()
    assert (np.diff(times[:30]) < 0).all()
    devices = np.geomspace(2e3, 1e6, 60)
    if vdd >= 1:
        assert (np.diff(TECHNOLOGY.decide(point, devices, 3 * devices).times) > 0).all()


def test_contrast_collapses_towards_threshold() -> None:
    contrasts = [TECHNOLOGY.contrast(OperatingPoint(vdd, 1e-9), LRS, HRS) for vdd in (0.6, 0.7, 0.8, 0.9, 1.2)]
    assert contrasts[0] < 6 < 12 < contrasts[-1]
    assert (np.diff(contrasts) > 0).all()


def test_a_read_is_sampled_at_its_read_time() -> None:
    bit_line, complement = np.array([[LRS, HRS, HRS]]), np.array([[HRS, HRS * 1.1, LRS]])
    np.testing.assert_array_equal(TECHNOLOGY.read(NOMINAL, bit_line, complement), [[1, 0, -1]])
    assert TECHNOLOGY.read(NOMINAL, bit_line, complement).dtype == np.int8
    early, late = replace(NOMINAL, read_time=1e-10), replace(NOMINAL, read_time=1e-6)
    np.testing.assert_array_equal(TECHNOLOGY.read(early, bit_line, complement), [[0, 0, 0]])
    np.testing.assert_array_equal(TECHNOLOGY.read(late, bit_line, complement), [[1, 1, -1]])


def test_blocks_and_shapes_do_not_matter() -> None:
    bit_line, complement, shift, other = draw_pairs(np.random.default_rng(2), 2 * BLOCK + 6)
    whole = TECHNOLOGY.decide(NOMINAL, *(x.reshape(2, -1) for x in (bit_line, complement, shift, other)))
    part = TECHNOLOGY.decide(NOMINAL, bit_line[-5:], complement[-5:], shift[-5:], other[-5:])
    np.testing.assert_array_equal(whole.times.ravel()[-5:], part.times)
    assert TECHNOLOGY.decide(NOMINAL, np.array([LRS]), np.array([HRS])).times.shape == (1,)


def test_energy_grows_with_supply_and_load() -> None:
    pair = np.array([LRS]), np.array([HRS])
    reference = TECHNOLOGY.energy(NOMINAL, *pair)
    assert TECHNOLOGY.energy(replace(NOMINAL, vdd=1.5), *pair) > 1.3 * reference
    assert TECHNOLOGY.energy(replace(NOMINAL, bit_line_capacitance=200e-15), *pair) > 1.3 * reference
    assert TECHNOLOGY.energy(replace(NOMINAL, read_time=1e-7), *pair) > reference


def test_limits_in_words() -> None:
    assert TECHNOLOGY.limits(NOMINAL, LRS, HRS, 0.01) == []
    (short,) = TECHNOLOGY.limits(replace(NOMINAL, read_time=1e-10), LRS, HRS)
    assert "±1 reads as 0" in short
    (long,) = TECHNOLOGY.limits(replace(NOMINAL, read_time=1e-7), LRS, HRS)
    assert "0 reads as ±1" in long
    low = TECHNOLOGY.limits(OperatingPoint(0.6, 30e-9), LRS, HRS, 0.01)
    assert any("raise the supply" in line and "times as long as LRS/HRS" in line for line in low)
    assert any("decides for the wrong line" in line for line in low)


def test_outside_the_table_is_refused() -> None:
    for point, message in (
        (replace(NOMINAL, vdd=0.5), "supply: 0.5 V"),
        (replace(NOMINAL, vdd=2.5), "supply: 2.5 V"),
        (replace(NOMINAL, temperature=125.0), "temperature: 125 °C"),
        (replace(NOMINAL, bit_line_capacitance=1e-12), "bit line: 1000 fF is outside"),
        (OperatingPoint(0.6, 1e-9, 200e-15, -40.0, "fs"), "a precharge of 200 ns does not complete"),
    ):
        with pytest.raises(TritError, match=message):
            TECHNOLOGY.decide(point, np.array([LRS]), np.array([HRS]))
    with pytest.raises(TritError, match="corner 'fast' is none of"):
        replace(NOMINAL, corner="fast")
    with pytest.raises(TritError, match="vdd is 0; it must be above 0"):
        replace(NOMINAL, vdd=0)


def test_a_table_survives_its_file(tmp_path: Path) -> None:
    TECHNOLOGY.save(tmp_path / "own.json")
    again = load_technology(tmp_path / "own.json")
    np.testing.assert_array_equal(again.coefficients, TECHNOLOGY.coefficients)
    assert (again.vdd, again.source, again.width) == (TECHNOLOGY.vdd, TECHNOLOGY.source, TECHNOLOGY.width)
    (tmp_path / "other.json").write_text("{}")
    with pytest.raises(TritError, match="is not a sense amplifier's table"):
        load_technology(tmp_path / "other.json")
    with pytest.raises(TritError, match="none: No such file"):
        load_technology("none")


def test_the_table_belongs_to_the_shipped_cards() -> None:
    import hashlib

    assert TECHNOLOGY.sha256 == hashlib.sha256(generic130().library.read_bytes()).hexdigest()
    assert mismatch_deviation(TECHNOLOGY, 3.5e-9) == pytest.approx(9.7e-3, rel=0.01)
