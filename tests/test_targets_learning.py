# SPDX-License-Identifier: Apache-2.0
"""Learning on simulated boards: their memory is the library's, byte for byte."""

from __future__ import annotations

import numpy as np
import pytest
from learner_support import layers_to_learn, random_head

from trit.export.plan import to_plan
from trit.runtime import Session
from trit.runtime.errors import TritError, Unavailable
from trit.runtime.learner import Learner
from trit.targets.description import Microcontroller, load_target
from trit.targets.learning import learn_on

pytest.importorskip("elftools", reason="elftools is not installed: pip install 'trit[mcu]'")
pytest.importorskip("unicorn", reason="unicorn is not installed: pip install 'trit[mcu]'")
pytest.importorskip("ziglang", reason="ziglang is not installed: pip install 'trit[mcu]'")


def board(name: str) -> Microcontroller:
    target = load_target(name)
    assert isinstance(target, Microcontroller)
    return target


def pixels(count: int) -> tuple[np.ndarray, np.ndarray]:
    images = np.random.default_rng(2).integers(0, 256, (count, 3, 1, 1)).astype(np.uint8)
    return images, images[:, 0, 0, 0] // 26


@pytest.mark.parametrize("name", ["nrf52840", "rp2040"])
def test_a_board_learns_the_same_bits(name: str) -> None:
    graph, head = layers_to_learn(), random_head((64, 32, 10), 1).to_bytes()
    images, labels = pixels(70)
    run = learn_on(graph, head, images, labels, board(name), count=name == "nrf52840")
    learner = Learner(head)
    task = learner.new_task()
    learner.learn(task, learner.features(Session(to_plan(graph)), images), labels)
    assert learner.moves == 2
    np.testing.assert_array_equal(run.memory, learner.memory)
    np.testing.assert_array_equal(run.task, task)
    assert run.static_ram >= learner.memory_size + learner.task_size
    assert 0 < run.stack < 4096
    if name == "nrf52840":
        assert len(run.features) == len(run.learning) == len(images)
        moved = [cost.instructions for cost in run.learning if cost.instructions > 2 * run.learning[0].instructions]
        assert len(moved) == learner.moves


def test_what_a_board_cannot_do_is_refused() -> None:
    images, labels = pixels(2)
    other = random_head((32, 32, 10), 1).to_bytes()
    with pytest.raises(TritError, match="of other layers than the plan ends in"):
        learn_on(layers_to_learn(), other, images, labels, board("nrf52840"))
    head = random_head((64, 32, 10), 1).to_bytes()
    with pytest.raises(Unavailable, match="unicorn, which does not know the cortex-m55"):
        learn_on(layers_to_learn(), head, images, labels, board("mps3-an547"))
