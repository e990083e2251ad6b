# SPDX-License-Identifier: Apache-2.0
"""The picture of the arena: every block at its address and in its steps."""

from __future__ import annotations

import pytest
from tests_support import residual_graph

from trit.export.plan import to_plan
from trit.memory_map import ROWS, memory_map
from trit.runtime import Session


@pytest.mark.parametrize("seed", range(5))
def test_each_cell_shows_what_lies_there(seed: int) -> None:
    session = Session(to_plan(residual_graph(seed)))
    margin = len(f"{session.arena_size:,} │")
    lines = memory_map(session.steps, session.arena_size, margin + len(session.steps)).plain.splitlines()
    for line, row in zip(lines, reversed(range(ROWS)), strict=False):
        low, high = session.arena_size * row / ROWS, session.arena_size * (row + 1) / ROWS
        assert line[:margin].strip() == f"{round(low):,} │"
        for now, character in enumerate(line[margin:].ljust(len(session.steps))):
            there = {
                str(step.index)[-1]
                for step in session.steps[:-1]
                if step.index <= now <= step.last_reader
                and step.output_offset < high
                and low < step.output_offset + step.output_bytes
            }
            assert character in there if there else character == " "
