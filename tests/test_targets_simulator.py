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
from trit.export.operators import Conv
from trit.export.plan import to_plan
from trit.runtime import Session
from trit.runtime.errors import Unavailable
from trit.targets.description import Microcontroller, available, load_target
from trit.targets.microcontroller import simulate_unicorn
from trit.targets.microcontroller.cores import CORES, Region
from trit.targets.microcontroller.elf import Elf
from trit.targets.microcontroller.execution import instructions, split
from trit.targets.microcontroller.firmware import build_firmware, temporary_firmware, write_firmware
from trit.targets.microcontroller.simulator import Run, Simulator, run_folder, run_image, run_simulated
from trit.targets.toolchain import Toolchain

for package in ("ziglang", "unicorn", "capstone", "elftools"):
    pytest.importorskip(package, reason=f"{package} is not installed: pip install 'trit[mcu]'")

BOARDS = [
    target
    for target in map(load_target, available())
    if isinstance(target, Microcontroller) and CORES[target.core].family != "avr"  # test_targets_avr.py
]


@pytest.fixture(scope="module")
def board() -> Microcontroller:
    target = load_target("nrf52840")
    assert isinstance(target, Microcontroller)
    return target


@pytest.fixture(scope="module")
def graph() -> Graph:
    return random_graph(2)


@pytest.fixture(scope="module")
def elf(graph: Graph, board: Microcontroller) -> Iterator[Path]:
    with temporary_firmware(graph, board) as folder:
        yield build_firmware(board, folder).elf


@pytest.fixture(scope="module")
def run(graph: Graph, board: Microcontroller) -> Run:
    return run_image(graph, board, random_input(graph, 1, np.random.default_rng(0)))


@pytest.mark.parametrize("seed", range(5))
def test_random_networks_give_the_reference_bits(seed: int) -> None:
    graph = random_graph(seed)
    images = random_input(graph, 3, np.random.default_rng(seed))
    scores = run_simulated(graph, images)
    np.testing.assert_array_equal(scores.view(np.uint32), reference.run(graph, images).view(np.uint32))


@pytest.mark.parametrize(("toolchain", "simulator"), [("zig", None), ("gcc", "qemu")])
@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.name)
def test_every_board_gives_the_reference_bits(
    board: Microcontroller, toolchain: Toolchain, simulator: Simulator | None, graph: Graph
) -> None:
    images = random_input(graph, 2, np.random.default_rng(0))
    try:
        scores = run_simulated(graph, images, board, toolchain, simulator)
    except Unavailable as error:
        pytest.skip(str(error))
    np.testing.assert_array_equal(scores.view(np.uint32), reference.run(graph, images).view(np.uint32))


def test_counts_are_exact_and_repeat(run: Run, graph: Graph, board: Microcontroller) -> None:
    again = run_image(graph, board, random_input(graph, 1, np.random.default_rng(0)))
    first, second = ([sorted(blocks) for blocks in r.execution.steps] for r in (run, again))
    assert first == second
    assert len(first) == len(Session(to_plan(graph)).steps)
    assert min(instructions("cortex-m", blocks) for blocks in first) > 0


def test_both_simulators_count_the_same(run: Run, graph: Graph, board: Microcontroller) -> None:
    from trit.targets.microcontroller import simulate_qemu

    missing = simulate_qemu.why_not(CORES[board.core])
    if missing:
        pytest.skip(missing)
    with temporary_firmware(graph, board, random_input(graph, 1, np.random.default_rng(0))) as folder:
        executions = [
            simulate_qemu.run(CORES[board.core], build_firmware(board, folder, program="simulator").elf),
            run.execution,
        ]
    counts = [[instructions("cortex-m", blocks) for blocks in execution.steps] for execution in executions]
    assert counts[0] == counts[1]
    taken = [[sum(block.taken for block in blocks) for blocks in execution.steps] for execution in executions]
    assert taken[0] == taken[1]


def test_block_counts_equal_single_steps(elf: Path, graph: Graph, board: Microcontroller) -> None:
    """The counts by blocks against a hook on every instruction, address by address.

    The hook does not see the instructions of an IT block whose condition fails; they are issued, and counted.
    """
    from unicorn import UC_HOOK_CODE

    image, outputs = random_input(graph, 1, np.random.default_rng(0)), graph.tensors[graph.output].shape[0]
    program = Elf(elf)
    begins = program.address("step_begins") & ~1
    machines = [simulate_unicorn._Machine(CORES[board.core], program, (board.flash, board.ram)) for _ in range(2)]
    for machine in machines:
        machine.give(image, outputs)
    machines[0].follow_blocks()
    single: Counter[int] = Counter()
    marks, steps = 0, len(Session(to_plan(graph)).steps)

    def on_instruction(_core: object, address: int, _size: int, _user: object) -> None:
        nonlocal marks
        marks += address == begins
        if 0 < marks <= steps:
            single[address] += 1

    machines[1]._core.hook_add(UC_HOOK_CODE, on_instruction)
    for machine in machines:
        machine.run()
    by_block: Counter[int] = Counter()
    conditional: set[int] = set()
    for block in (block for blocks in machines[0].steps() for block in blocks):
        at, left = block.address, 0
        for code in split("cortex-m", block.code):
            by_block[at] += block.runs
            if left:
                conditional.add(at)
                left -= 1
            if len(code) == 2 and code[1] == 0xBF and code[0] & 15:  # IT: as many more as lie below its lowest set bit
                left = 4 - ((code[0] & -code[0]).bit_length() - 1)
            at += len(code)
    assert single.total() > 100_000
    assert {address for address in by_block if by_block[address] != single[address]} <= conditional


def test_memory_is_what_the_program_takes(run: Run, graph: Graph) -> None:
    plan = to_plan(graph, lanes=1)
    assert len(plan) < run.firmware.flash < len(plan) + 40_000
    arena = Session(plan).arena_size
    assert arena <= run.firmware.static_ram <= arena + 256


@pytest.mark.parametrize("toolchain", ["zig", "gcc"])
def test_the_parts_of_memory(board: Microcontroller, graph: Graph, toolchain: Toolchain) -> None:
    try:
        run = run_image(graph, board, random_input(graph, 1, np.random.default_rng(0)), toolchain)
    except Unavailable as error:
        pytest.skip(str(error))
    session, convs = Session(to_plan(graph, lanes=1)), [node for node in graph.nodes if isinstance(node, Conv)]
    flash, ram = run.firmware.flash_parts(session), run.firmware.ram_parts(session, run.execution.stack)
    assert sum(flash.values()) == run.firmware.flash
    assert flash["weights"] >= sum(conv.weights.size for conv in convs) / 8  # a bit each at the least, and padding
    assert sum(flash[key] for key in ("weights", "thresholds", "tables and texts")) == session.size
    assert 2_000 < flash["runtime"] < 40_000
    assert 500 < flash["other code"] < 5_000  # main.c, the start-up and the compiler's own
    assert flash["initial values"] == 16  # of `test`, whose images may change
    assert sum(ram.values()) == run.firmware.static_ram + run.execution.stack
    assert (ram["arena"], ram["stack"]) == (session.arena_size, run.execution.stack)


def test_the_stack_is_below_what_the_runtime_states(run: Run) -> None:
    assert 64 < run.execution.stack < 2048 + 512


def test_the_program_tells_of_a_wrong_score(graph: Graph, board: Microcontroller, tmp_path: Path) -> None:
    write_firmware(graph, board, tmp_path, random_input(graph, 2, np.random.default_rng(0)))
    source = tmp_path / "test_images.c"
    head, expected = source.read_text().split("expected[")
    digit = expected.index("0x") + 9
    flipped = expected[:digit] + ("0" if expected[digit] != "0" else "1") + expected[digit + 1 :]
    source.write_text(f"{head}expected[{flipped}")
    execution = run_folder(board, tmp_path).execution
    assert execution.exit_status == 1
    assert execution.text.startswith("1 of 2 test images give the expected scores\n")


HEAVY = {
    "flash": r"most of it are the parameters of conv2 \(41,000 bytes\), conv0 \(1,288 bytes\)",
    "ram": r"the arena is fullest in step conv0, with the outputs of input \(768 bytes\), conv0 \(4,096 bytes\)",
}


@pytest.mark.parametrize("region", HEAVY)
def test_too_large_says_by_how_much_and_why(board: Microcontroller, tmp_path: Path, region: str) -> None:
    build = builder(np.random.default_rng(0), (3, 16, 16), 0)
    build.conv(64, "ternary")
    build.threshold("ternary")
    build.dense(10, "ternary")
    build.scores()
    small = board.model_copy(update={region: Region(origin=getattr(board, region).origin, size=4096)})
    write_firmware(build.graph(), small, tmp_path, np.zeros((1, 3, 16, 16), np.uint8))
    message = rf"too large for .*[\d,]+ bytes more than the 4,096 bytes of {region} there are; {HEAVY[region]}"
    with pytest.raises(Unavailable, match=message):
        build_firmware(small, tmp_path)
