# SPDX-License-Identifier: Apache-2.0
"""Target descriptions: what ships is complete, and mistakes in a user's own are named."""

from __future__ import annotations

from pathlib import Path

import pytest

from trit.runtime.errors import TritError
from trit.targets.description import Microcontroller, available, load_target
from trit.targets.rram.chip import Rram

BOARD = """
title = "a board"
kind = "microcontroller"
core = "cortex-m4"
flash = { origin = 0, size = 65536 }
ram = { origin = 0x20000000, size = 8192 }
clock = { value = 1e6, unit = "Hz", origin = "measured", source = "a counter" }
wait_states = { value = 1, unit = "cycles", origin = "assumed", source = "none" }
supply = { value = 3, unit = "V", origin = "measured", source = "a meter" }
current = { value = 0.001, unit = "A", origin = "measured", source = "a meter" }
sleep_current = { value = 1e-6, unit = "A", origin = "measured", source = "a meter" }
"""


@pytest.mark.parametrize("name", available())
def test_shipped_targets_say_where_every_figure_comes_from(name: str) -> None:
    target = load_target(name)
    figures = dict(target.figures())
    assert target.name == name
    assert figures
    assert all(figure.unit and len(figure.source) > 10 for figure in figures.values())


def test_nested_figures_have_their_path() -> None:
    target = load_target("rram-2t2r-130nm")
    assert isinstance(target, Rram)
    figures = dict(target.figures())
    assert figures["logic.count"] == target.logic.count
    assert figures["device.conditions.strong.set.voltage"] == target.device.conditions["strong"].set.voltage


def test_a_board_is_one_file(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(BOARD)
    target = load_target(str(tmp_path / "mine.toml"))
    assert isinstance(target, Microcontroller)
    assert (target.name, target.flash.size) == ("mine", 65536)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('core = "cortex-m4"', 'core = "z80"', "core: .*unknown core; it must be one of cortex-m0plus, "),
        ("size = 65536", "siez = 65536", "flash.siez: unknown key; did you mean size"),
        ("size = 65536", "size = -1", "flash.size: Input should be greater than 0"),
        ('origin = "assumed"', 'origin = "guessed"', "wait_states.origin: .*'assumed'.*not 'guessed'"),
        ('kind = "microcontroller"', 'kind = "fpga"', "kind is 'fpga'; it must be one of host, linux, "),
        ('title = "a board"', "", "title: missing"),
        ("clock = {", "clock = [", "not TOML"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, old: str, new: str, message: str) -> None:
    (tmp_path / "mine.toml").write_text(BOARD.replace(old, new))
    with pytest.raises(TritError, match=f"target mine: {message}"):
        load_target(str(tmp_path / "mine.toml"))


def test_an_unknown_name_is_answered_with_the_known_ones() -> None:
    with pytest.raises(TritError, match="did you mean nrf52840"):
        load_target("nrf52841")
