# SPDX-License-Identifier: Apache-2.0
"""Small charts made of characters, for tables and lines on the terminal."""

from __future__ import annotations

from collections.abc import Sequence

UPWARDS = "▁▂▃▄▅▆▇█"
SIDEWAYS = " ▏▎▍▌▋▊▉"  # eighths of a cell


def bar(share: float, width: int = 8) -> str:
    """A bar of up to `width` characters for a share from 0 to 1, to an eighth of a character."""
    eighths = round(8 * width * min(max(share, 0.0), 1.0))
    return ("█" * (eighths // 8) + SIDEWAYS[eighths % 8]).rstrip()


def sparkline(values: Sequence[float], width: int = 40) -> str:
    """A character a value, the lowest to the highest of them; of more than `width` values so many, evenly spaced."""
    count = min(width, len(values))
    chosen = [values[index * (len(values) - 1) // max(1, count - 1)] for index in range(count)]
    low, high = min(chosen), max(chosen)
    steps = len(UPWARDS) - 1
    return "".join(UPWARDS[round(steps * (value - low) / (high - low)) if high > low else 0] for value in chosen)
