# SPDX-License-Identifier: Apache-2.0
"""Resistances of programmed devices: drawn from their distributions, drifted by time, and as one read sees them."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from trit.runtime.errors import TritError
from trit.runtime.files import read_bytes
from trit.targets.rram.chip import Condition, Device, Distribution, Empirical, Lognormal, Retention, Synaptogen

State = Literal["lrs", "hrs"]
Resistances = npt.NDArray[np.float64]  # Ω
BOLTZMANN = 8.617333e-5  # eV/K
ZERO_CELSIUS = 273.15  # K


def draw(condition: Condition, state: State, count: int, rng: np.random.Generator) -> Resistances:
    """`count` resistances of devices programmed into the state under the condition, each of another device.

    Raises TritError where the condition has none for the state, or its file is missing or holds something else.
    """
    distribution: Distribution | None = getattr(condition, state)
    match distribution:
        case Lognormal(median=median, sigma=sigma):
            return np.asarray(median.value * np.exp(sigma.value * rng.standard_normal(count)))
        case Empirical(file=file):
            measured = _measured(file)
            return np.asarray(np.interp(rng.random(count) * (len(measured) - 1), np.arange(len(measured)), measured))
        case Synaptogen(file=file):
            return _draw_synaptogen(file, state, count, rng)
    raise TritError(f"the device's {state} has no distribution")


def aged(
    device: Device, state: State, resistances: Resistances, age: float, temperature: float, rng: np.random.Generator
) -> Resistances:
    """The resistances `age` s after programming at `temperature` °C: ln R + drift·d + spread·d·N(0, 1)."""
    retention = device.retention
    if retention is None or age == 0:
        return resistances
    decades = _decades(retention, age, temperature)
    drift, spread = getattr(retention, f"{state}_drift"), getattr(retention, f"{state}_spread")
    change = decades * (drift.value + spread.value * rng.standard_normal(len(resistances)))
    return np.asarray(resistances * np.exp(change))


def as_read(device: Device, state: State, resistances: Resistances, rng: np.random.Generator) -> Resistances:
    """The resistances as one read meets them, with random telegraph noise."""
    if device.noise is None:
        return resistances
    sigma = getattr(device.noise, state).value
    return np.asarray(resistances * np.exp(sigma * rng.standard_normal(len(resistances))))


def _decades(retention: Retention, age: float, temperature: float) -> float:
    kelvin = temperature + ZERO_CELSIUS, retention.reference.value + ZERO_CELSIUS
    arrhenius = np.exp(retention.activation.value / BOLTZMANN * (1 / kelvin[0] - 1 / kelvin[1]))
    return float(np.log10(1 + age / (retention.onset.value * arrhenius)))


@cache
def _measured(file: str) -> Resistances:
    words = read_bytes(Path(file)).decode(errors="replace").replace(",", " ").split()
    try:
        measured = np.sort(np.array([float(word) for word in words]))
    except ValueError as error:
        raise TritError(f"{file}: {error}; it must hold resistances in Ω, a number a line") from error
    if len(measured) < 2 or not (measured[0] > 0 and np.isfinite(measured[-1])):
        raise TritError(f"{file}: must hold two or more positive resistances in Ω")
    return measured


def _draw_synaptogen(file: str, state: State, count: int, rng: np.random.Generator) -> Resistances:
    """R = μ + σ·Γ(x), HRS as a power of 10, with x normal, and (μ, σ) from a mixture of normals, new for each device.

    Hennen et al., "A high throughput generative vector autoregression model for stochastic synapses", Frontiers in
    Neuroscience 16, 2022.
    """
    model = _synaptogen(file)
    feature = {"hrs": 0, "lrs": 2}[state]
    weights = np.asarray(model["wk"], float)
    size = len(model["μDtD"])
    # (2·features, components), and a lower triangular matrix a component
    centres = np.asarray(model["μDtD"], float)
    spreads = np.moveaxis(np.asarray(model["LDtD"], float).reshape(size, len(weights), size), 1, 0)
    component = rng.choice(len(weights), count, p=weights / weights.sum())
    moments = centres.T[component] + np.einsum("nij,nj->ni", spreads[component], rng.standard_normal((count, size)))
    scaled = np.polyval(np.asarray(model["γ"], float)[feature], rng.standard_normal(count))
    value = moments[:, feature] + moments[:, feature + size // 2] * scaled
    return np.asarray(10.0**value if state == "hrs" else value)


@cache
def _synaptogen(file: str) -> dict[str, list[float]]:
    try:
        model: dict[str, list[float]] = json.loads(read_bytes(Path(file)))
        missing = {"γ", "wk", "μDtD", "LDtD"} - model.keys()
    except (ValueError, AttributeError) as error:
        raise TritError(f"{file}: not the JSON of a Synaptogen model: {error}") from error
    if missing:
        raise TritError(f"{file}: not a Synaptogen model: lacks {', '.join(sorted(missing))}")
    return model
