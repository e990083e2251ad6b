# SPDX-License-Identifier: Apache-2.0
"""Average current and battery life of a board that runs a network once a period and sleeps the rest of it."""

from __future__ import annotations

from dataclasses import dataclass

from trit.runtime.errors import TritError
from trit.targets.description import Microcontroller, Target
from trit.targets.figure import Origin, weakest
from trit.targets.profile import Profile

HOUR = 3600  # s


@dataclass(frozen=True)
class Duty:
    """Of the core and its memories alone; waking up and the battery's self-discharge are left out."""

    period: float  # s
    active: float  # fraction of the period in which the core runs
    current: float  # A, average: active · run current + (1 - active) · sleep current
    power: float  # W, average: supply · current
    origin: Origin
    battery: float | None  # Ah
    life: float | None  # s: battery / current


def duty(profile: Profile, target: Target, period: float, battery: float | None = None) -> Duty:
    """What the profiled network takes on average, run once every `period` seconds; battery in Ah.

    Raises TritError if the target has no sleep current, or an inference takes longer than the period.
    """
    board = can_sleep(target)
    active = profile.latency / period
    if active > 1:
        took = f"an inference takes {profile.latency:.3g} s"
        raise TritError(f"{board.name}: {took}, longer than the {period:g} s from one to the next")
    current = active * board.current.value + (1 - active) * board.sleep_current.value
    life = battery * HOUR / current if battery else None
    origins = (figure.origin for figure in (board.supply, board.current, board.sleep_current))
    origin = weakest([profile.latency_origin, *origins])
    return Duty(period, active, current, board.supply.value * current, origin, battery, life)


def can_sleep(target: Target) -> Microcontroller:
    """The target, if it is one whose description says what it takes between inferences. Raises TritError if not."""
    if not isinstance(target, Microcontroller):
        raise TritError(f"{target.name}: has no sleep current, which only microcontrollers have; leave out --every")
    return target
