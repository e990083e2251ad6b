# SPDX-License-Identifier: Apache-2.0
"""Average current and battery life: by hand, and what is refused."""

from __future__ import annotations

import pytest

from trit.runtime.errors import TritError
from trit.targets.description import Microcontroller, load_target
from trit.targets.duty import duty
from trit.targets.profile import Layer, Profile


@pytest.fixture
def board() -> Microcontroller:
    """2 V; 10 mA while running, 1 µA asleep."""
    target = load_target("nrf52840")
    assert isinstance(target, Microcontroller)
    values = {"supply": 2.0, "current": 10e-3, "sleep_current": 1e-6}
    figures = {key: getattr(target, key).model_copy(update={"value": value}) for key, value in values.items()}
    return target.model_copy(update=figures)


@pytest.fixture
def profile() -> Profile:
    """0.25 s in two layers."""
    layer = Layer("layer", "Conv", "binary 1×1×1", 1, 4, 4, 0, latency=0.125, energy=1e-3)
    return Profile("board", "a board", [layer, layer], "published", "published", 1)


def test_the_average_is_between_running_and_sleeping(profile: Profile, board: Microcontroller) -> None:
    found = duty(profile, board, period=100.0, battery=0.225)
    assert found.active == 0.0025
    assert found.current == pytest.approx(0.0025 * 10e-3 + 0.9975 * 1e-6)
    assert found.power == pytest.approx(2.0 * found.current)
    assert found.life == pytest.approx(0.225 * 3600 / found.current)
    assert duty(profile, board, period=0.25).current == pytest.approx(10e-3)  # never asleep
    assert duty(profile, board, period=1e9).current == pytest.approx(1e-6, rel=1e-2)
    assert duty(profile, board, period=1.0).life is None


def test_it_is_as_strong_as_its_weakest_figure(profile: Profile, board: Microcontroller) -> None:
    assert duty(profile, board, 1.0).origin == "published"
    asleep = board.sleep_current.model_copy(update={"origin": "assumed"})
    assert duty(profile, board.model_copy(update={"sleep_current": asleep}), 1.0).origin == "assumed"


def test_no_board_can_start_before_it_has_ended(profile: Profile, board: Microcontroller) -> None:
    with pytest.raises(TritError, match=r"an inference takes 0.25 s, longer than the 0.2 s from one to the next"):
        duty(profile, board, period=0.2)


@pytest.mark.parametrize("name", ["host", "cortex-a53", "rram-2t2r-130nm"])
def test_only_microcontrollers_sleep(profile: Profile, name: str) -> None:
    with pytest.raises(TritError, match=f"{name}: has no sleep current"):
        duty(profile, load_target(name), 1.0)
