# SPDX-License-Identifier: Apache-2.0
"""How often a synapse reads another weight than it stores: from devices and sense amplifier, or as measured.

A matrix [stored][read] over the weights -1, 0, +1 has rows that sum to 1. Errors come in two parts. *Programmed* errors
are those of a chip: a device that came out weak, beside an amplifier whose mismatch is against it, reads wrong every
time. Amplifiers fall into equally likely classes by their mismatch, and each class has a matrix, so that the synapses
of one amplifier err together. *Read* errors come and go with the noise of each read.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from trit.export.graph import WeightKind
from trit.runtime.errors import TritError
from trit.targets.description import load_target
from trit.targets.figure import Origin, figures_in, weakest
from trit.targets.rram.chip import Errors, Pcsa, Rram
from trit.targets.rram.device import Resistances, State, aged, as_read, draw
from trit.targets.rram.operating_point import OperatingPoint
from trit.targets.rram.sense import Technology, load_technology

Matrices = npt.NDArray[np.float64]  # (..., stored 3, read 3) over -1, 0, +1
STATES: tuple[State, State] = ("lrs", "hrs")
WEIGHTS = (-1, 0, 1)
CLASSES = 32  # of sense amplifiers by their mismatch
DRAWS = 16_384  # synapses of each stored weight beside each class of amplifier


@dataclass(frozen=True)
class ReadErrors:
    """Matrices of programmed errors (classes, 3, 3) and of read errors (3, 3), of ternary and of binary weights."""

    programmed: dict[WeightKind, Matrices]
    read: dict[WeightKind, Matrices]
    origin: Origin
    draws: int | None = None  # behind every row of a programmed matrix, over all classes; none: rates as measured

    def total(self, kind: WeightKind) -> Matrices:
        """Probabilities (3, 3) over all amplifiers; a read error strikes what is programmed right."""
        programmed = self.programmed[kind].mean(axis=0)
        return np.asarray(programmed + np.diag(programmed)[:, None] * (self.read[kind] - np.eye(3)))

    def rates(self) -> dict[str, float]:
        """Mean probabilities by their names in a description: sign, lost, raised (ternary), and flip (binary)."""
        rates = {}
        if "ternary" in self.programmed:
            matrix = self.total("ternary")
            rates["sign"] = (matrix[0, 2] + matrix[2, 0]) / 2
            rates["lost"] = (matrix[0, 1] + matrix[2, 1]) / 2
            rates["raised"] = matrix[1, 0] + matrix[1, 2]
        matrix = self.total("binary")
        rates["flip"] = (matrix[0, 2] + matrix[2, 0]) / 2
        return {name: float(rate) for name, rate in rates.items()}


def error_model(target: str | None = None, ber: float | None = None) -> Callable[[WeightKind, float], Matrices]:
    """Probabilities [stored][read] for a kind of weights and a layer's fraction of zeros: what [faults] trains with.

    Those of the target of that name or path at its operating point, or of the published model at one bit error rate.
    Raises TritError for an unknown target, or one that is no RRAM chip.
    """
    if ber is not None:
        return lambda kind, zeros: published_errors(ber, zeros).total(kind)
    if target is None:
        raise TritError("errors to train with are a target's, or of a bit error rate: give one of them")
    chip = load_target(target)
    if not isinstance(chip, Rram):
        raise TritError(f"target {chip.name} is no chip of resistive memories, whose reads err: it is a {chip.kind}")
    errors = read_errors(chip)
    return lambda kind, zeros: errors.total(kind)


def read_errors(target: Rram, draws: int = DRAWS, seed: int = 0) -> ReadErrors:
    """What the description's [errors] give, or else its device and sense amplifier at its operating point."""
    if target.errors is not None:
        return measured_errors(target.errors)
    if not isinstance(target.sense, Pcsa):
        raise TritError(f"{target.name}: sense.kind {target.sense.kind!r} has no model of errors: give [errors]")
    return modelled_errors(target, target.sense, draws, seed)


def measured_errors(errors: Errors) -> ReadErrors:
    """All of them programmed, alike for all amplifiers."""
    origin = weakest(figure.origin for _, figure in figures_in(errors))
    rates = {name: figure.value for name, figure in errors}
    return given_errors(**rates, origin=origin)


def given_errors(
    sign: float = 0.0, lost: float = 0.0, raised: float = 0.0, flip: float = 0.0, origin: Origin = "assumed"
) -> ReadErrors:
    """Programmed errors at these probabilities. Raises TritError for what is no probability."""
    for name, rate in {"sign": sign, "lost": lost, "raised": raised, "flip": flip, "sign + lost": sign + lost}.items():
        if not 0 <= rate <= 1:
            raise TritError(f"error rate {name} is {rate:g}; a probability is between 0 and 1")
    kept = 1 - sign - lost
    ternary = [[kept, lost, sign], [raised / 2, 1 - raised, raised / 2], [sign, lost, kept]]
    binary = [[1 - flip, 0, flip], [0, 1, 0], [flip, 0, 1 - flip]]
    programmed: dict[WeightKind, Matrices] = {"ternary": np.array([ternary]), "binary": np.array([binary])}
    return ReadErrors(programmed, {"ternary": np.eye(3), "binary": np.eye(3)}, origin)


def published_errors(ber: float, zeros: float) -> ReadErrors:
    """The one-parameter model of the published training code (Quantized_VGG, model_utils.py).

    Binary: a weight flips with probability `ber`. Ternary, with p0 = `zeros` the layer's fraction of zeros and
    q = 2·ber / (1 + p0): 0 → ±1 with probability q, ±1 → 0 with q / 2, never ±1 → ∓1; the mean error rate of the
    layer is q·(p0 + (1 - p0) / 2) = ber. Raises TritError where q would exceed 1.
    """
    raised = 2 * ber / (1 + zeros)
    if not 0 <= raised <= 1:
        raise TritError(f"bit error rate {ber}: with {zeros:.1%} zeros the model holds from 0 to {(1 + zeros) / 2:.3f}")
    return given_errors(lost=raised / 2, raised=raised, flip=ber)


def warnings(target: Rram) -> list[str]:
    """What in words speaks against the operating point, as far as the circuit knows; nothing where all is well."""
    if not isinstance(target.sense, Pcsa):
        return []
    technology, point = load_technology(target.sense.technology), operating_point(target, target.sense)
    return technology.limits(point, *medians(target), target.sense.mismatch.value)


def medians(target: Rram) -> tuple[float, float]:
    """Median resistances of freshly programmed devices in LRS and in HRS, in Ω."""
    low, high = (draw(target.condition, state, DRAWS, np.random.default_rng(0)) for state in STATES)
    return float(np.median(low)), float(np.median(high))


def operating_point(target: Rram, sense: Pcsa) -> OperatingPoint:
    """The description's, with the capacitance of a whole bit line."""
    operation = target.operation
    capacitance = sense.capacitance.value + target.array.rows * sense.cell_capacitance.value
    return OperatingPoint(operation.supply, operation.read_time, capacitance, operation.temperature, operation.corner)


def modelled_errors(target: Rram, sense: Pcsa, draws: int = DRAWS, seed: int = 0) -> ReadErrors:
    """Draws CLASSES amplifiers and, beside each, `draws` synapses of each weight, and reads every one twice.

    What both reads get wrong alike counts as programmed, what one of them does as read error.
    """
    rng = np.random.default_rng(seed)
    technology, point = load_technology(sense.technology), operating_point(target, sense)
    # Pairs of opposite mismatch: the mean amplifier is a balanced one.
    half = sense.mismatch.value * rng.standard_normal((CLASSES // 2, 2))
    shifts = np.repeat(np.concatenate([half, -half]), draws, axis=0).T
    kinds: list[WeightKind] = ["ternary", "binary"] if target.cell.stores_ternary else ["binary"]
    programmed: dict[WeightKind, Matrices] = {kind: np.tile(np.eye(3), (CLASSES, 1, 1)) for kind in kinds}
    noise: dict[WeightKind, Matrices] = {kind: np.eye(3) for kind in kinds}
    for stored in WEIGHTS if target.cell.stores_ternary else (-1, 1):
        pair = _program(target, stored, shifts.shape[1], rng)
        rows = rng.integers(1, target.array.rows + 1, shifts.shape[1])
        wire = np.asarray(sense.cell_resistance.value * rows)
        reads = [_read(target, technology, point, pair, wire, shifts, rng) for _ in range(2)]
        for kind in kinds:
            if kind == "ternary" or stored != 0:
                first, second = (read[kind].reshape(CLASSES, draws) for read in reads)
                _count(programmed[kind], noise[kind], stored, first, second)
    figures = (*figures_in(target.device), *figures_in(sense))
    origin = weakest(["simulated", *(figure.origin for _, figure in figures)])
    return ReadErrors(programmed, noise, origin, CLASSES * draws)


Pair = tuple[tuple[State, Resistances], tuple[State, Resistances] | None]


def _program(target: Rram, stored: int, count: int, rng: np.random.Generator) -> Pair:
    """Devices on the bit line and its complement that store the weight; none on the complement of a 1T1R cell."""
    weight = stored * target.cell.polarity

    def device(low: bool) -> tuple[State, Resistances]:
        state: State = "lrs" if low else "hrs"
        fresh = draw(target.condition, state, count, rng)
        operation = target.operation
        return state, aged(target.device, state, fresh, operation.age, operation.temperature, rng)

    return device(weight > 0), device(weight < 0) if target.cell.devices == 2 else None


def _read(
    target: Rram,
    technology: Technology,
    point: OperatingPoint,
    pair: Pair,
    wire: Resistances,
    shifts: Matrices,
    rng: np.random.Generator,
) -> dict[str, npt.NDArray[np.int8]]:
    """One read of every synapse: as a ternary weight, at the sampling time, and as a binary one, by which line wins."""
    bit_line = as_read(target.device, *pair[0], rng) + wire
    if pair[1] is None:
        assert target.cell.reference is not None
        complement = np.full_like(bit_line, target.cell.reference.value)
    else:
        complement = as_read(target.device, *pair[1], rng) + wire
    time, winner = technology.decide(point, bit_line, complement, *shifts)
    weight = (winner * target.cell.polarity).astype(np.int8)
    return {"binary": weight, "ternary": np.where(time <= point.read_time, weight, np.int8(0))}


def _count(
    programmed: Matrices, noise: Matrices, stored: int, first: npt.NDArray[np.int8], second: npt.NDArray[np.int8]
) -> None:
    """Fill the row of the stored weight from two reads (classes, draws) of the same synapses."""
    row = stored + 1
    for wrong in WEIGHTS:
        if wrong == stored:
            continue
        lasting = ((first == wrong) & (second == wrong)).mean(axis=1)
        passing = ((first == wrong).mean() + (second == wrong).mean()) / 2 - lasting.mean()
        programmed[:, row, wrong + 1], noise[row, wrong + 1] = lasting, passing
    programmed[:, row, row] -= programmed[:, row].sum(axis=1) - 1
    right = programmed[:, row, row].mean()
    noise[row] = np.where(np.arange(3) == row, 0, noise[row] / right if right else 0)
    noise[row, row] = 1 - noise[row].sum()
