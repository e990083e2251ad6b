# SPDX-License-Identifier: Apache-2.0
"""Firmware for a Cortex-M4 under the simulator: bits, instruction counts, memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from tests_support import builder, random_graph, random_input

from trit.export import reference
from trit.export.graph import Graph
from trit.export.plan import to_plan
from trit.runtime import Session
from trit.runtime.errors import Unavailable
from trit.targets.description import Memory, Microcontroller, load_target
from trit.targets.microcontroller import Firmware, build_firmware, temporary_firmware, write_firmware
from trit.targets.simulator import _Machine, run_simulated, simulate

for package in ("ziglang", "unicorn", "capstone", "elftools"):
    pytest.importorskip(package, reason=f"{package} is not installed: pip install 'trit[mcu]'")


@pytest.fixture(scope="module")
def board() -> Microcontroller:
    target = load_target("cortex-m4")
    assert isinstance(target, Microcontroller)
    return target


@pytest.fixture(scope="module")
def graph() -> Graph:
    return random_graph(2)


@pytest.fixture(scope="module")
def firmware(graph: Graph, board: Microcontroller) -> Iterator[Firmware]:
    with temporary_firmware(graph, board) as built:
        yield built


@pytest.mark.parametrize("seed", range(5))
def test_random_networks_give_the_reference_bits(seed: int) -> None:
    graph = random_graph(seed)
    images = random_input(graph, 3, np.random.default_rng(seed))
    scores = run_simulated(graph, images)
    np.testing.assert_array_equal(scores.view(np.uint32), reference.run(graph, images).view(np.uint32))


def test_counts_are_exact_and_repeat(firmware: Firmware, graph: Graph, board: Microcontroller) -> None:
    image = random_input(graph, 1, np.random.default_rng(0))
    first, second = (simulate(firmware.elf, board, graph, image) for _ in range(2))
    assert first.step_instructions == second.step_instructions
    assert len(first.step_instructions) == len(Session(to_plan(graph)).steps)
    assert min(first.step_instructions) > 0


def test_block_counts_equal_single_steps(firmware: Firmware, graph: Graph, board: Microcontroller) -> None:
    """The counts by blocks against a hook on every instruction, address by address.

    The hook does not see the instructions of an IT block whose condition fails; they are issued, and counted.
    """
    from unicorn import UC_HOOK_CODE

    image, outputs = random_input(graph, 1, np.random.default_rng(0)), graph.tensors[graph.output].shape[0]
    machine = _Machine(firmware.elf, board)
    machine.give(image, outputs)
    machine.count_instructions()
    machine.run()
    by_block: Counter[int] = Counter()
    conditional: set[int] = set()
    for (start, size), times in machine._blocks.items():
        left = 0
        for address, _, mnemonic, _ in machine._decoder.disasm_lite(bytes(machine._core.mem_read(start, size)), start):
            by_block[address] += times
            if left:
                conditional.add(address)
                left -= 1
            if mnemonic.startswith("it"):
                left = len(mnemonic) - 1

    machine = _Machine(firmware.elf, board)
    machine.give(image, outputs)
    single: Counter[int] = Counter()
    machine._core.hook_add(UC_HOOK_CODE, lambda _core, address, _size, _user: single.update((address,)))
    machine.run()
    assert single.total() > 100_000
    assert {address for address in by_block if by_block[address] != single[address]} <= conditional


def test_memory_is_what_the_program_takes(firmware: Firmware, graph: Graph) -> None:
    plan = to_plan(graph, lanes=1)
    assert len(plan) < firmware.flash < len(plan) + 40_000
    arena = Session(plan).arena_size
    assert arena <= firmware.static_ram <= arena + 256


def test_the_stack_is_below_what_the_runtime_states(firmware: Firmware, graph: Graph, board: Microcontroller) -> None:
    run = simulate(firmware.elf, board, graph, random_input(graph, 2, np.random.default_rng(1)))
    assert 64 < run.stack < 2048 + 512


def test_the_program_tells_of_a_wrong_score(graph: Graph, board: Microcontroller, tmp_path: Path) -> None:
    write_firmware(graph, board, tmp_path, random_input(graph, 2, np.random.default_rng(0)))
    source = tmp_path / "test_images.c"
    head, expected = source.read_text().split("expected[")
    digit = expected.index("0x") + 9
    flipped = expected[:digit] + ("0" if expected[digit] != "0" else "1") + expected[digit + 1 :]
    source.write_text(f"{head}expected[{flipped}")
    run = simulate(build_firmware(board, tmp_path).elf, board, graph)
    assert (run.exit_status, run.text) == (1, "1 of 2 test images give the expected scores\n")


@pytest.mark.parametrize(("region", "name"), [("flash", "flash"), ("ram", "ram")])
def test_too_large_says_by_how_much(board: Microcontroller, tmp_path: Path, region: str, name: str) -> None:
    build = builder(np.random.default_rng(0), (3, 16, 16), 0)
    build.conv(64, "ternary")
    build.threshold("ternary")
    build.dense(10, "ternary")
    build.scores()
    small = board.model_copy(update={region: Memory(origin=getattr(board, region).origin, size=4096)})
    write_firmware(build.graph(), small, tmp_path, np.zeros((1, 3, 16, 16), np.uint8))
    with pytest.raises(
        Unavailable, match=rf"too large for .*[\d,]+ bytes more than the 4,096 bytes of {name} there are"
    ):
        build_firmware(small, tmp_path)
