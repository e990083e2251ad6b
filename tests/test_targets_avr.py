# SPDX-License-Identifier: Apache-2.0
"""Firmware for AVRs under simavr: bits, cycles, what does not fit, warnings."""

from __future__ import annotations

import subprocess
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
from c_tools import need
from tests_support import builder, random_graph, random_input

from trit.export import reference
from trit.export.graph import Graph
from trit.export.onnx_reader import parse_onnx
from trit.runtime.errors import Unavailable
from trit.targets.deploy import deploy
from trit.targets.description import Microcontroller, load_target
from trit.targets.microcontroller import simulate_avr
from trit.targets.microcontroller.cores import CORES
from trit.targets.microcontroller.cycles import estimate
from trit.targets.microcontroller.execution import instructions
from trit.targets.microcontroller.firmware import build_firmware, temporary_firmware, write_firmware
from trit.targets.microcontroller.simulator import run_folder, run_simulated
from trit.targets.profile import profile

pytest.importorskip("elftools", reason="elftools is not installed: pip install 'trit[mcu]'")

BOARDS = ("atmega328p", "atmega2560")
WARNINGS = ("-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-Waddr-space-convert", "-Werror")
NOT_ON_AVR = ("host.c", "log_mel.c", "keywords.c", "learner.c", "head.c")
LOOP = """
#include <stdint.h>
#include "model.h"
test_images test;
void step_begins(void *user, uint32_t step);
__attribute__((noinline)) void step_begins(void *user, uint32_t step) { (void)user, (void)step; __asm__ volatile(""); }
int main(void) {
    step_begins(0, 0);
    __asm__ volatile("ldi r24, 100\\n1: dec r24\\nbrne 1b\\nlds r25, 0x300\\n" : : : "r24", "r25");
    step_begins(0, 1);
    return 0;
}
"""


def board(name: str) -> Microcontroller:
    target = load_target(name)
    assert isinstance(target, Microcontroller)
    return target


@pytest.fixture(scope="module", autouse=True)
def needs_compiler_and_simulator(tmp_path_factory: pytest.TempPathFactory) -> None:
    need("avr-gcc", "make", "cc")
    try:
        simulate_avr._build(tmp_path_factory.mktemp("simavr"))
    except Unavailable as error:
        pytest.skip(str(error))


def small_graph(activation: str, weights: str, zero_point: int = 0) -> Graph:
    """Convolutions with all borders cut, one of them of more words than an AVR holds in registers; a dense layer."""
    build = builder(np.random.default_rng(7), (1, 5, 4), zero_point)
    build.conv(34, weights, (3, 3))
    build.threshold(activation)
    build.conv(33, weights, (3, 2), padding=(1, 1, 1, 0), stride=(2, 1))
    build.threshold(activation)
    build.dense(10, weights)
    build.scores()
    return build.graph()


@pytest.mark.parametrize("zero_point", [0, 73])
@pytest.mark.parametrize("weights", ["binary", "ternary"])
@pytest.mark.parametrize("activation", ["binary", "ternary"])
@pytest.mark.parametrize("name", BOARDS)
def test_networks_give_the_reference_bits(name: str, activation: str, weights: str, zero_point: int) -> None:
    graph = small_graph(activation, weights, zero_point)
    images = random_input(graph, 3, np.random.default_rng(1))
    scores = run_simulated(graph, images, board(name))
    np.testing.assert_array_equal(scores.view(np.uint32), reference.run(graph, images).view(np.uint32))


@pytest.mark.parametrize("seed", [0, 1])
def test_random_networks_give_the_reference_bits(seed: int) -> None:
    graph = random_graph(seed)
    images = random_input(graph, 2, np.random.default_rng(seed))
    scores = run_simulated(graph, images, board("atmega2560"))
    np.testing.assert_array_equal(scores.view(np.uint32), reference.run(graph, images).view(np.uint32))


def test_a_plan_of_almost_all_the_flash_gives_the_reference_bits() -> None:
    """Weights beyond 64 and 128 KiB."""
    graph = zoo("mnist-binary-mlp")
    images = random_input(graph, 1, np.random.default_rng(0))
    scores = run_simulated(graph, images, board("atmega2560"))
    np.testing.assert_array_equal(scores.view(np.uint32), reference.run(graph, images).view(np.uint32))


def zoo(name: str) -> Graph:
    return parse_onnx((files("trit") / "zoo" / f"{name}.onnx").read_bytes(), name)


@pytest.mark.parametrize("name", BOARDS)
def test_cycles_are_those_of_the_instructions(name: str, tmp_path: Path) -> None:
    target = board(name)
    write_firmware(small_graph("binary", "binary"), target, tmp_path, np.zeros((1, 1, 5, 4), np.uint8))
    (tmp_path / "main.c").write_text(LOOP)
    (tmp_path / "test_images.c").write_text("")
    (step,) = run_folder(target, tmp_path).execution.steps
    (loop,) = [block for block in step if block.runs == 100 and block.cycles == 100]  # dec
    (jump,) = [block for block in step if block.address == loop.address + 2]
    (load,) = [block for block in step if block.address == loop.address + 4]
    assert (jump.runs, jump.cycles) == (100, 99 * 2 + 1)
    assert (len(load.code), load.cycles) == (4, 2)
    cycles = sum(block.cycles for block in step)
    assert estimate(target.core, step) == (cycles, cycles)
    assert instructions("avr", step) == sum(block.runs for block in step)


def test_a_profile_has_the_simulators_cycles() -> None:
    result = profile(small_graph("ternary", "ternary"), board("atmega328p"))
    for layer in result.layers:
        assert layer.cycles is not None and layer.instructions is not None
        assert 0 < layer.instructions < layer.cycles[0] == layer.cycles[1]
        assert layer.latency == pytest.approx(layer.cycles[0] / 16e6)
    assert result.ram is not None and result.ram <= 2048


@pytest.mark.parametrize(
    ("name", "model", "memory"),
    [
        ("atmega2560", "fashion-binary-cnn", "8,192 bytes of ram"),
        ("atmega2560", "fashion-ternary-cnn", "8,192 bytes of ram"),
        ("atmega328p", "mnist-binary-mlp", "32,768 bytes of flash"),
    ],
)
def test_what_does_not_fit_is_refused(name: str, model: str, memory: str, tmp_path: Path) -> None:
    graph, target = zoo(model), board(name)
    with pytest.raises(Unavailable, match=rf"too large for {name}: it takes [\d,]+ bytes more than the {memory}"):
        deploy(graph, target, tmp_path / "out", np.zeros((1, 1, 28, 28), np.uint8))


def test_a_stack_that_meets_the_variables_is_refused(tmp_path: Path) -> None:
    """The linker leaves room for a stack; a run that takes more is refused, too."""
    target = board("atmega328p")
    write_firmware(small_graph("binary", "binary"), target, tmp_path, np.zeros((1, 1, 5, 4), np.uint8))
    firmware = build_firmware(target, tmp_path)
    little = target.ram.model_copy(update={"size": firmware.static_ram + 400})
    with pytest.raises(Unavailable, match=r"with its stack it takes [\d,]+ bytes more than the [\d,]+ bytes of ram"):
        run_folder(target.model_copy(update={"ram": little}), tmp_path)


@pytest.mark.parametrize("name", BOARDS)
def test_a_deployment_stands_alone(name: str, tmp_path: Path) -> None:
    need("simavr")
    graph = small_graph("ternary", "ternary")
    done = deploy(graph, board(name), tmp_path / "out", random_input(graph, 3, np.random.default_rng(0)))
    assert (done.images, done.equal) == (3, 3)
    for goal in ("run", "run-host"):
        run = subprocess.run(["make", "-C", str(tmp_path / "out"), goal], capture_output=True, text=True)
        assert "3 of 3 test images give the expected scores" in run.stdout + run.stderr


def test_a_missing_simulator_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(simulate_avr, "LIBRARY", "-lno-such-library")
    graph = small_graph("binary", "binary")
    with pytest.raises(Unavailable, match="apt-get install simavr libsimavr-dev libelf-dev gcc-avr avr-libc"):
        run_simulated(graph, np.zeros((1, 1, 5, 4), np.uint8), board("atmega328p"))


@pytest.mark.parametrize("name", BOARDS)
def test_sources_compile_without_a_warning(name: str, tmp_path: Path) -> None:
    """The whole library, and a plan's firmware with what the plan uses."""
    with temporary_firmware(small_graph("ternary", "ternary"), board(name)) as folder:
        sources = [path for path in sorted((folder / "src").glob("*.c")) if path.name not in NOT_ON_AVR]
        flags = [*CORES[name].gcc_flags.split(), "-std=gnu99", "-Os", *WARNINGS, f"-I{folder}/include", f"-I{folder}"]
        for extra in ([], ['-DTRIT_CONFIG="config.h"'], ["-DF_CPU=16000000UL"]):
            own = ["main.c", "test_images.c", "platform_board.c"] if "F_CPU" in "".join(extra) else sources
            for source in own:
                command = ["avr-gcc", *flags, *extra, "-c", "-o", str(tmp_path / "x.o"), str(folder / source)]
                done = subprocess.run(command, capture_output=True, text=True)
                assert done.returncode == 0, done.stderr
