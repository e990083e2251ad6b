# SPDX-License-Identifier: Apache-2.0
"""What a model may cost on a target at most, and how accurate it must be, as scripts ask for it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from trit.options import TIMES, read_quantity
from trit.runtime.errors import TritError
from trit.targets.quantities import quantity

if TYPE_CHECKING:
    from trit.targets.accuracy import Accuracy
    from trit.targets.profile import Profile

KEYS = "flash=BYTES, ram=BYTES, latency=TIME or accuracy=PERCENT"


def read_limits(texts: Sequence[str], has_accuracy: bool) -> dict[str, float]:
    """Limits by name: bytes, seconds, and a share of 1. Raises TritError for anything else."""
    limits = {}
    for text in texts:
        key, _, value = text.partition("=")
        if key == "latency":
            limits[key] = read_quantity(value, TIMES, "--limit latency", "10ms") or 0.0
        elif key in ("flash", "ram") and re.fullmatch(r"[1-9]\d*", value):
            limits[key] = float(value)
        elif key == "accuracy" and re.fullmatch(r"\d+\.?\d*", value) and float(value) <= 100:
            limits[key] = float(value) / 100
        else:
            raise TritError(f"--limit {text}: give {KEYS}")
    if "accuracy" in limits and not has_accuracy:
        raise TritError("--limit accuracy needs --accuracy: on how many test images")
    return limits


def broken_limits(limits: dict[str, float], profile: Profile, accuracy: Accuracy | None) -> list[str]:
    """A line for each limit that the target breaks; what it does not have, as an RRAM chip no flash, breaks none."""
    lines = []
    for key, size in (("flash", profile.flash), ("ram", profile.ram)):
        if key in limits and size is not None and size > limits[key]:
            lines.append(f"{profile.target}: {key} {size:,} bytes, the limit is {limits[key]:,.0f}")
    if profile.latency > limits.get("latency", profile.latency):
        taken, most = quantity(profile.latency, "s"), quantity(limits["latency"], "s")
        lines.append(f"{profile.target}: latency {taken}, the limit is {most}")
    if accuracy is not None and accuracy.mean < limits.get("accuracy", 0.0):
        lines.append(f"{profile.target}: accuracy {accuracy.mean:.2%}, the limit is {limits['accuracy']:.2%}")
    return lines
