# SPDX-License-Identifier: Apache-2.0
"""The wheel's library compiles for every system that wheels are made for, and has there what Python calls.

zig brings the headers and libraries of all of them. What 64-bit Arm computes tests/test_targets_linux.py runs under
qemu; a program for Windows runs here where Wine is. Minutes of compiling: `make soak` sets TRIT_SOAK=1.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from c_tools import INCLUDE, SOURCES, WARNINGS, need

from trit.commands.zoo import network_bytes
from trit.export.onnx_reader import parse_onnx
from trit.export.plan import to_plan
from trit.runtime import Session
from trit.runtime.library import _FUNCTIONS

if os.environ.get("TRIT_SOAK") != "1":
    pytest.skip("minutes of compiling: make soak, or TRIT_SOAK=1", allow_module_level=True)
pytest.importorskip("ziglang", reason="ziglang is not installed: pip install 'trit[mcu]'")

RUNTIME = Path(__file__).parents[1] / "runtime"
PYTHONS = [*(RUNTIME / "src").glob("host*.c"), *(RUNTIME / "onnxruntime").glob("*.c")]
EXPORTS = {*_FUNCTIONS, "RegisterCustomOps"}
SYSTEMS = {  # zig's names, and how names of functions are listed
    "x86_64-linux-gnu.2.17": ("nm", "-D", "--defined-only"),
    "x86_64-linux-musl": ("nm", "-D", "--defined-only"),
    "aarch64-linux-gnu.2.17": ("nm", "-D", "--defined-only"),
    "aarch64-linux-musl": ("nm", "-D", "--defined-only"),
    "x86_64-windows-gnu": ("objdump", "-p"),
    "x86_64-macos": ("strings",),
    "aarch64-macos": ("strings",),
}
PROGRAM = """
#include <stdio.h>
#include "trit/trit.h"
static uint32_t plan_file[1 << 20], arena[1 << 16];
static uint8_t image[1 << 12];
int main(int count, char **words) {
    trit_plan plan;
    float scores[16];
    FILE *file = count == 2 ? fopen(words[1], "rb") : NULL;
    if (!file || trit_open(&plan, plan_file, fread(plan_file, 1, sizeof plan_file, file)) != TRIT_OK) return 1;
    if (trit_run(&plan, arena, sizeof arena, image, scores) != TRIT_OK) return 2;
    for (size_t k = 0; k < trit_output_size(&plan); k++) printf("%.9g ", (double)scores[k]);
    return 0;
}
"""


def zig(*words: str | Path) -> None:
    command = [sys.executable, "-m", "ziglang", "cc", "-std=c99", "-O2", "-ffp-contract=off", f"-I{INCLUDE}"]
    done = subprocess.run([*command, *WARNINGS, *words], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("system", SYSTEMS)
def test_a_system(system: str, tmp_path: Path) -> None:
    lister = SYSTEMS[system]
    need(lister[0])
    library = tmp_path / "libtritrt.so"
    zig("-target", system, "-shared", "-fPIC", "-o", library, *SOURCES, *PYTHONS)
    listed = subprocess.run([*lister, library], capture_output=True, text=True, check=True).stdout
    assert set(re.findall(r"\b_?((?:trit_|Register)\w+)", listed)) >= EXPORTS


def test_a_program_for_windows(tmp_path: Path) -> None:
    wine = shutil.which("wine64", path=f"{os.environ['PATH']}:/usr/lib/wine")  # where Debian has it
    if wine is None:
        pytest.skip("wine64 is not installed: apt-get install wine64")
    plan = to_plan(parse_onnx(network_bytes("fashion-ternary-cnn"), "fashion"))
    (tmp_path / "model.trit").write_bytes(plan)
    (tmp_path / "main.c").write_text(PROGRAM)
    zig("-target", "x86_64-windows-gnu", "-o", tmp_path / "main.exe", tmp_path / "main.c", *SOURCES)
    variables = {**os.environ, "WINEPREFIX": str(tmp_path / "wine"), "WINEDEBUG": "-all"}
    done = subprocess.run([wine, "main.exe", "model.trit"], cwd=tmp_path, env=variables, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    expected = Session(plan).run(np.zeros((28, 28), np.uint8))[0]
    np.testing.assert_array_equal(np.array(done.stdout.split(), np.float32), expected)
