# SPDX-License-Identifier: Apache-2.0
"""What is wrong or doubtful in a target description: its keys, units, and physical sense, each named with its key."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from trit.export.schema import violations
from trit.runtime.errors import TritError
from trit.targets.description import load_target, read_target
from trit.targets.rram.chip import Condition, Lognormal, Pcsa, Readout, Rram
from trit.targets.rram.errors import medians, read_errors, warnings

LEAST_RATIO = 3  # of HRS to LRS
PRECHARGE_SHARE = 0.8  # of a cycle that the discharge may take
HIGHEST_SUPPLY = 10.0  # V


@dataclass(frozen=True)
class Finding:
    """An error makes the description unusable; a warning says what will not work as one hopes."""

    severity: Literal["error", "warning"]
    key: str
    text: str


def check_target(name: str) -> list[Finding]:
    """Findings in the description of that name or path, errors first; none where all is well.

    Raises TritError for a file that cannot be read, is no TOML, or does not say its kind.
    """
    schema, table, _ = read_target(name)
    wrong = violations(schema, table)
    if wrong:
        return [Finding("error", *_split(line)) for line in wrong]
    target = load_target(name)
    found = list(_of_chip(target)) if isinstance(target, Rram) else []
    return sorted(found, key=lambda finding: finding.severity)


def _split(line: str) -> tuple[str, str]:
    key, _, text = line.partition(": ")
    return (key, text) if text else ("", key)


def _of_chip(target: Rram) -> Iterator[Finding]:
    for name, condition in target.device.conditions.items():
        yield from _of_condition(f"device.conditions.{name}", condition)
    yield from _of_operation(target)
    try:
        if target.errors is None and isinstance(target.sense, Pcsa):
            yield from _of_medians(target)
            rates = read_errors(target).rates()
            for key in ("lost", "raised", "flip"):
                if rates.get(key, 0) > 0.25:
                    yield Finding("warning", "operation", f"{key}: {rates[key]:.0%} of the reads err")
            for text in warnings(target):
                yield Finding("warning", "operation", text)
    except TritError as error:
        yield Finding("error", "operation", str(error))


def _of_condition(key: str, condition: Condition) -> Iterator[Finding]:
    for name, pulse in (("set", condition.set), ("reset", condition.reset)):
        if not 0 < pulse.voltage.value <= HIGHEST_SUPPLY:
            yield Finding("error", f"{key}.{name}.voltage", f"{pulse.voltage.value:g} V programs no device on a chip")
        if pulse.duration == 0:
            yield Finding("error", f"{key}.{name}.time", "a pulse of 0 s changes nothing")
    if condition.endurance.value < 1:
        yield Finding("error", f"{key}.endurance", "a device must bear one programming at least")
    if isinstance(condition.lrs, Lognormal) and isinstance(condition.hrs, Lognormal):
        low, high = condition.lrs, condition.hrs
        if not low.median.value > 0:
            yield Finding("error", f"{key}.lrs.median", "a resistance is above 0 Ω")
        elif high.median.value <= low.median.value:
            text = f"{high.median.value:g} Ω is not above the LRS median, {low.median.value:g} Ω"
            yield Finding("error", f"{key}.hrs.median", text)


def _of_medians(target: Rram) -> Iterator[Finding]:
    low, high = medians(target)
    key = f"device.conditions.{target.operation.condition}"
    if target.cell.reference is not None and not low < target.cell.reference.value < high:
        text = (
            f"{target.cell.reference.value:g} Ω is not between the medians of LRS, {low:.3g} Ω, and HRS, {high:.3g} Ω"
        )
        yield Finding("error", "cell.reference", text)
    if high < LEAST_RATIO * low:
        yield Finding(
            "warning", f"{key}.hrs", f"its median, {high:.3g} Ω, is less than {LEAST_RATIO} times that of LRS"
        )


def _of_operation(target: Rram) -> Iterator[Finding]:
    operation, cycle = target.operation, 1 / target.operation.clock
    if operation.read_time >= cycle:
        text = f"{operation.read_time:g} s does not fit into a cycle of {cycle:.3g} s"
        yield Finding("error", "operation.read_time", text)
    elif operation.read_time > PRECHARGE_SHARE * cycle:
        text = f"{operation.read_time:g} s leaves less than a fifth of a cycle of {cycle:.3g} s for precharge and latch"
        yield Finding("warning", "operation.read_time", text)
    if not isinstance(target.sense, Pcsa) and target.sense.time.value > cycle:
        text = f"{target.sense.time.value:g} s does not fit into a cycle of {cycle:.3g} s"
        yield Finding("error", "sense.time", text)
    if operation.supply > HIGHEST_SUPPLY:
        yield Finding("error", "operation.supply", f"{operation.supply:g} V is no supply of a chip")
    if isinstance(target.sense, Readout) and target.errors is not None and target.operation.age:
        yield Finding("warning", "operation.age", "has no effect: the [errors] are as measured")
