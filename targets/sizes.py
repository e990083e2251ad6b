# SPDX-License-Identifier: Apache-2.0
"""Which layers weigh most: in flash by their parameters, in RAM by the outputs that are there together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from trit.runtime.session import Step

HEAVIEST = 3  # layers that a message names


def alive(steps: Sequence[Step], now: int) -> list[Step]:
    """The steps whose outputs are in the arena while step `now` runs; a sum that lies over its summand once."""
    found = [step for step in steps[:-1] if step.index <= now <= step.last_reader]
    return list({step.output_offset: step for step in found}.values())


def arena_bytes(steps: Sequence[Step], now: int) -> int:
    """Bytes of the arena in use while step `now` runs."""
    return sum(step.output_bytes for step in alive(steps, now))


def heaviest(steps: Sequence[Step], region: Literal["FLASH", "RAM"]) -> str:
    """Which layers to make smaller: those with most parameters for flash, those alive at the arena's peak for RAM."""
    if region == "FLASH":
        largest = sorted(steps, key=lambda step: -step.parameter_bytes)[:HEAVIEST]
        return "most of it are the parameters of " + _listed([(step.name, step.parameter_bytes) for step in largest])
    peak = max(steps, key=lambda step: arena_bytes(steps, step.index))
    outputs = [(step.name, step.output_bytes) for step in alive(steps, peak.index)]
    return f"the arena is fullest in step {peak.name}, with the outputs of {_listed(outputs)}"


def _listed(sizes: Sequence[tuple[str, int]]) -> str:
    return ", ".join(f"{name} ({size:,} bytes)" for name, size in sizes if size)
