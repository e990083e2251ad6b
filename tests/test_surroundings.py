# SPDX-License-Identifier: Apache-2.0
"""Terminals, homes, disks and paths that are not as usual: commands work, or say in one line what is wrong."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

TRIT = f"'{sys.executable}' -m trit"
FULL = pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("place")
    done = shell(folder, "trit zoo fashion-ternary-cnn -o fashion.onnx")
    assert done.returncode == 0, done.stderr
    return folder


def shell(folder: Path, line: str) -> subprocess.CompletedProcess[str]:
    """`trit` in the line is this Python's."""
    script = f'trit() {{ {TRIT} "$@"; }}\n{line}'
    return subprocess.run(["bash", "-c", script], cwd=folder, capture_output=True, text=True, stdin=subprocess.DEVNULL)


@pytest.mark.parametrize(
    "line",
    [
        "TERM=dumb LC_ALL=C trit targets",
        "LC_ALL=C TERM=dumb trit inspect fashion.onnx",
        "COLUMNS=20 trit profile fashion.onnx",
        "HOME=/nonexistent/home trit profile fashion.onnx --accuracy 3",
        "HOME=/nonexistent/home trit zoo",
        "env -u HOME bash -c '\"$0\" -m trit doctor' " + f"'{sys.executable}'",
        "set -o pipefail; trit targets | head -1",
        "set -o pipefail; trit profile fashion.onnx --json | head -1",
        "trit profile fashion.onnx | true",
        "mkdir 'a b é' && trit export fashion.onnx -o 'a b é/m ü.trit' && trit inspect 'a b é/m ü.trit'",
        "trit deploy fashion.onnx -o 'out é x' --images 1 && make -s -C 'out é x' run",
        "trit export fashion.onnx -o same.trit & trit export fashion.onnx -o same.trit; wait; trit inspect same.trit",
        "for n in 1 2; do trit deploy fashion.onnx -o same --images 1 & done; wait; test -f same/Makefile",
    ],
)
def test_it_works_all_the_same(place: Path, line: str) -> None:
    done = shell(place, line)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr and "Exception" not in done.stderr


@pytest.mark.parametrize(
    ("line", "message"),
    [
        pytest.param("trit export fashion.onnx --format trit -o /dev/full", "No space left on device", marks=FULL),
        pytest.param("trit targets --json > /dev/full", "No space left on device", marks=FULL),
        ("ulimit -f 1; trit export fashion.onnx -o big.trit", "cannot write big.trit: File too large"),
        ("ulimit -f 1; trit deploy fashion.onnx -o big", "File too large"),
        ("trit export fashion.onnx -o /proc/m.trit", "cannot write /proc/m.trit"),
        ("trit deploy fashion.onnx -o /proc/out", "cannot write into /proc/out"),
        ("trit zoo fashion-ternary-cnn -o missing/m.onnx", "cannot write missing/m.onnx"),
    ],
)
def test_it_says_what_is_wrong(place: Path, line: str, message: str) -> None:
    before = sorted(place.iterdir())
    done = shell(place, line)
    assert done.returncode == 2
    assert message in done.stderr and done.stderr.startswith("trit: ") and done.stderr.count("\n") == 1
    assert sorted(place.iterdir()) == before  # nothing half made is left
