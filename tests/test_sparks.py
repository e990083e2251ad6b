# SPDX-License-Identifier: Apache-2.0
"""Charts made of characters."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trit.sparks import UPWARDS, bar, sparkline


@pytest.mark.parametrize(
    ("share", "drawn"),
    [(0, ""), (1, "████████"), (0.5, "████"), (1 / 64, "▏"), (0.27, "██▏"), (2, "████████"), (-1, "")],
)
def test_a_bar_has_eighths(share: float, drawn: str) -> None:
    assert bar(share) == drawn


def test_a_line_goes_from_the_lowest_to_the_highest() -> None:
    assert sparkline([0, 1, 2, 3, 4, 5, 6, 7]) == UPWARDS
    assert sparkline([3, 3]) == "▁▁" and sparkline([0.1]) == "▁"


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=200))
def test_long_lines_begin_and_end_as_the_values_do(values: list[float]) -> None:
    drawn = sparkline(values)
    assert len(drawn) == min(40, len(values))
    low, high = min(values), max(values)
    if values[0] == low:
        assert drawn[0] == "▁"
    if len(values) > 1 and values[-1] == high and len(values) <= 40 and high > low:
        assert drawn[-1] == "█"
