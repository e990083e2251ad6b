# SPDX-License-Identifier: Apache-2.0
"""The log-mel features on simulated microcontrollers: the reference's bits, and how long a hop takes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests_support import random_graph, random_input

from trit.runtime import log_mel as reference
from trit.runtime.errors import Unavailable
from trit.targets.description import Microcontroller, load_target
from trit.targets.microcontroller.cycles import estimate
from trit.targets.microcontroller.firmware import write_firmware
from trit.targets.microcontroller.simulator import run_folder

for package in ("ziglang", "unicorn", "capstone", "elftools"):
    pytest.importorskip(package, reason=f"{package} is not installed: pip install 'trit[mcu]'")

HOPS = 60
MAIN = f"""
#include "platform.h"
#include "trit/log_mel.h"

static trit_log_mel state;
static uint8_t image[TRIT_LOG_MEL_SIZE];

__attribute__((noinline)) void step_begins(void *user, uint32_t step) {{
    __asm__ volatile("" : : "r"(user), "r"(step));
}}

int main(void) {{
    static int16_t samples[TRIT_LOG_MEL_HOP];
    uint32_t hop, i, random = 1;
    trit_log_mel_reset(&state);
    for (hop = 0; hop < {HOPS}; hop++) {{
        for (i = 0; i < TRIT_LOG_MEL_HOP; i++) {{
            random = random * 1664525u + 1013904223u;
            samples[i] = (int16_t)((int32_t)random >> (16 + hop / 4));
        }}
        step_begins(0, 2 * hop);
        for (i = 0; i < TRIT_LOG_MEL_HOP;) i += trit_log_mel_push(&state, samples + i, TRIT_LOG_MEL_HOP - i);
        step_begins(0, 2 * hop + 1);
    }}
    trit_log_mel_copy(&state, image);
    for (i = 0; i < TRIT_LOG_MEL_SIZE; i++) {{
        char text[3] = {{"0123456789abcdef"[image[i] / 16], "0123456789abcdef"[image[i] % 16], 0}};
        platform_write(text);
    }}
    return 0;
}}
"""


def noise() -> np.ndarray:
    """The samples of MAIN: ever quieter."""
    random, samples = 1, []
    for index in range(HOPS * reference.HOP):
        random = (random * 1664525 + 1013904223) % 2**32
        samples.append((random - (random >> 31 << 32)) >> (16 + index // reference.HOP // 4))
    return np.array(samples, np.int16)


@pytest.mark.parametrize("name", ["nrf52840", "rp2040", "rp2350"])
def test_bits_and_cycles(name: str, tmp_path: Path) -> None:
    board = load_target(name)
    assert isinstance(board, Microcontroller)
    graph = random_graph(2)
    write_firmware(graph, board, tmp_path, random_input(graph, 1, np.random.default_rng(0)))
    (tmp_path / "main.c").write_text(MAIN)
    try:
        execution = run_folder(board, tmp_path).execution
    except Unavailable as error:
        pytest.skip(str(error))
    codes = np.frombuffer(bytes.fromhex(execution.text), np.uint8).reshape(reference.FRAMES, reference.BANDS)
    np.testing.assert_array_equal(codes, reference.log_mel(noise())[-reference.FRAMES :])
    hops = [estimate(board.core, blocks) for blocks in execution.steps[0::2]]
    assert len(hops) == HOPS
    # Every hop but the first completes a frame. A tenth of the time that its samples take, at 80 MHz.
    assert min(hop.low for hop in hops[1:]) > 10_000
    if board.core == "cortex-m4":
        assert max(hop.high for hop in hops) < 0.1 * 80e6 * reference.HOP / reference.RATE
