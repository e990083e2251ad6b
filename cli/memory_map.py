# SPDX-License-Identifier: Apache-2.0
"""The arena as a picture for the terminal: what lies where (upwards) in which step (to the right)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.text import Text

if TYPE_CHECKING:
    from trit.runtime.session import Step

ROWS = 12
WIDEST_COLUMN = 6
COLOURS = ("dodger_blue3", "dark_green", "purple4", "dark_orange3", "dark_cyan", "deep_pink4")


def memory_map(steps: Sequence[Step], arena_size: int, width: int) -> Text:
    """Blocks of the digits in which the step that writes them ends, each with its step's number where it begins.

    A row stands for arena_size / ROWS bytes and shows what takes most of them, a column for a step, or, where `width`
    characters are too few, for that of several steps which needs most.
    """
    margin = len(f"{arena_size:,} │")
    columns = _columns(steps, max(1, width - margin))
    column_width = max(1, min(WIDEST_COLUMN, (width - margin) // len(columns)))
    lines, begun = Text(), set[int]()
    for row in reversed(range(ROWS)):
        low, high = arena_size * row / ROWS, arena_size * (row + 1) / ROWS
        lines.append(f"{round(low):>{margin - 2},} │")
        for column in columns:
            owner = _owner(steps, column, low, high)
            lines.append_text(_cell(owner, column_width, begun))
        lines.append("\n")
    lines.append(" " * (margin - 1) + "└" + "─" * column_width * len(columns) + "\n")
    lines.append(" " * margin + "".join(f"{str(column)[-column_width:]:<{column_width}}" for column in columns))
    return lines


def _columns(steps: Sequence[Step], most: int) -> list[int]:
    """Steps to show, at most `most`: of neighbours the one with most bytes alive."""
    together = -(-len(steps) // most)
    groups = [range(first, min(first + together, len(steps))) for first in range(0, len(steps), together)]
    return [max(group, key=lambda now: sum(step.output_bytes for step in _alive(steps, now))) for group in groups]


def _alive(steps: Sequence[Step], now: int) -> list[Step]:
    return [step for step in steps[:-1] if step.index <= now <= step.last_reader]


def _owner(steps: Sequence[Step], now: int, low: float, high: float) -> int | None:
    """The step whose output takes most of [low, high)."""
    shares = [
        (min(high, step.output_offset + step.output_bytes) - max(low, step.output_offset), step.index)
        for step in _alive(steps, now)
    ]
    share, owner = max(shares, default=(0, 0))
    return owner if share > 0 else None


def _cell(owner: int | None, width: int, begun: set[int]) -> Text:
    """Digits in the colour of their background, but for the number in a block's first cell."""
    if owner is None:
        return Text(" " * width)
    colour, number = COLOURS[owner % len(COLOURS)], str(owner)
    shown = "" if owner in begun else number[-width:]
    begun.add(owner)
    fill = number[-1] * (width - len(shown))
    return Text.assemble((shown, f"bold white on {colour}"), (fill, f"{colour} on {colour}"))
