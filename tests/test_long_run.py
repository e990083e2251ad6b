# SPDX-License-Identifier: Apache-2.0
"""Many inferences in one process, and many sessions opened, without growth of memory.

TRIT_INFERENCES sets how many; `make soak` takes a million.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from trit.commands.zoo import network_bytes
from trit.export.onnx_reader import read_onnx
from trit.export.plan import to_plan

if not Path("/proc/self/statm").exists():
    pytest.skip("needs /proc/self/statm, which Linux has, to read a process's memory", allow_module_level=True)

INFERENCES = int(os.environ.get("TRIT_INFERENCES", "20000"))
PAGE = os.sysconf("SC_PAGE_SIZE")
MOST_GROWTH = 256 * 1024  # bytes: allocators move about by some pages; a byte an inference would be four times that

# Prints the pages in memory after a tenth of the turns and after all.
LOOP = """
import json, sys
import numpy as np
from trit.runtime import Session
plan, shape = open(sys.argv[1], "rb").read(), json.loads(sys.argv[2])
turns, pages = int(sys.argv[3]), []
image = np.random.default_rng(0).integers(0, 256, (1, *shape), np.uint8)
{before}
for turn in range(turns):
    if turn in (turns // 10, turns - 1):
        pages.append(int(open("/proc/self/statm").read().split()[1]))
    {each}
print(json.dumps(pages))
"""
WAYS = {
    "run": ("session = Session(plan)", "session.run(image)", 1),
    "opened": ("", "Session(plan).run(image)", 20),
    "timed": ("session = Session(plan)", "session.profile(image, 1)", 20),
}


@pytest.mark.parametrize("way", WAYS)
def test_memory_does_not_grow(tmp_path: Path, way: str) -> None:
    before, each, share = WAYS[way]
    model, plan = tmp_path / "mnist.onnx", tmp_path / "mnist.trit"
    model.write_bytes(network_bytes("mnist-binary-mlp"))
    plan.write_bytes(to_plan(read_onnx(model)))
    words = [sys.executable, "-c", LOOP.format(before=before, each=each), str(plan), "[1, 28, 28]"]
    done = subprocess.run([*words, str(INFERENCES // share)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    early, late = json.loads(done.stdout)
    assert (late - early) * PAGE < MOST_GROWTH
