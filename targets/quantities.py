# SPDX-License-Identifier: Apache-2.0
"""Physical quantities as people write them."""

from __future__ import annotations


def duration(seconds: float) -> str:
    """A time in the unit that people use for it: duration(200_000) is "2.31 days"."""
    for unit, size in (("years", 365.25 * 86400), ("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.3g} {unit}"
    return quantity(seconds, "s")


def quantity(value: float | None, unit: str) -> str:
    """A number with an engineering prefix: quantity(0.0000031, "s") is "3.1 µs"."""
    if value is None:
        return ""
    value = float(f"{value:.3g}")  # before a prefix is chosen: 999.7 µs is 1 ms
    for prefix, size in (("G", 1e9), ("M", 1e6), ("k", 1e3), ("", 1.0), ("m", 1e-3), ("µ", 1e-6), ("n", 1e-9)):
        if abs(value) >= size:
            return f"{value / size:.3g} {prefix}{unit}"
    return f"{value / 1e-12:.3g} p{unit}" if value else f"0 {unit}"
