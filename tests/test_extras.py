# SPDX-License-Identifier: Apache-2.0
"""Every extra installs alone and with all others: nothing clashes, its commands work, the others' say what they miss.

An environment for each extra and Python takes minutes and gigabytes: `make soak` sets TRIT_SOAK=1. Extras that bring
torch are tried on the Python that runs the tests alone, which has the CPU build.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from wheel_support import build_sdist, build_wheel, command, environment_with

if os.environ.get("TRIT_SOAK") != "1":
    pytest.skip("many environments: make soak, or TRIT_SOAK=1", allow_module_level=True)


def runs(python: str) -> bool:
    """A version manager's stand-in is in the path and may yet run nothing."""
    return shutil.which(python) is not None and subprocess.run([python, "-c", ""], capture_output=True).returncode == 0


THIS = f"python{sys.version_info.major}.{sys.version_info.minor}"
OTHERS = ("python3.11", "python3.12", "python3.13", "python3.14")
PYTHONS = [THIS, *(name for name in OTHERS if name != THIS and runs(name))]
RRAM = "profile fashion.onnx --target rram-2t2r-130nm"
USES = {  # of each extra: a command that needs it, and words of its output
    "cli": ("inspect fashion.onnx", "conv1"),
    "train": ("train digits-ternary-mlp --set training.epochs=1 --out run", "run/model.pt"),
    "onnxruntime": ("import plain.onnx -o imported.onnx --check 3", "onnxruntime"),
    "qonnx": ("import q.onnx -o imported.onnx --check 3", "3 of 3 images"),
    "tvm": ("export fashion.onnx --format tvm -o fashion.so", "fashion.so"),
    "mcu": ("profile fashion.onnx --target nrf52840", "nrf52840"),
    "plot": ("target sweep --over supply=0.6:1.2:2 --plot sweep.svg", "supply"),
    "report": ("report fashion.onnx -o report.html", "report.html"),
    "calibrate": ("target calibrate missing.lib", "missing.lib"),
    "cluster": (f"{RRAM} --monte-carlo 2 --cluster tcp://127.0.0.1:1", "cannot reach a Dask scheduler"),
}
FAILS = {"calibrate", "cluster"}  # whose commands here end in a mistake, behind the import of what they need


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_wheel(build_sdist(tmp_path_factory.mktemp("sdist")), tmp_path_factory.mktemp("wheel"))


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("extra", [*USES, "all", "all,qonnx"])
def test_an_extra(wheel: Path, extra: str, python: str, tmp_path: Path) -> None:
    if ("train" in extra or "all" in extra) and python != THIS:
        pytest.skip("torch for other Pythons is a download of gigabytes")
    interpreter = environment_with(wheel, f"[{extra}]", tmp_path / "venv", sys.executable if python == THIS else python)
    check = command(interpreter, "-m", "pip", "check", cwd=tmp_path)
    assert check.returncode == 0, check.stdout
    trit = interpreter.parent / "trit"
    for words in (
        "zoo fashion-ternary-cnn -o fashion.onnx",
        "export fashion.onnx --format onnx-plain -o plain.onnx",
        "export fashion.onnx --format qonnx -o q.onnx",
        "doctor",
        "--version",
    ):
        done = command(trit, *words.split(), cwd=tmp_path)
        assert done.returncode == 0, done.stderr
    installed = {"cli", *extra.split(",")} | (set(USES) - {"qonnx"} if "all" in extra else set())
    for name, (words, expected) in USES.items():
        done = command(trit, *words.split(), cwd=tmp_path)
        missing = r"trit: [\w-]+ is not installed: pip install 'trit\[" + name + r"\]' brings it\n"
        if name not in installed and re.fullmatch(missing, done.stderr):
            assert done.returncode == 2
            continue
        # It is installed, or came along with another extra.
        assert expected in done.stdout + done.stderr, (name, done.stdout + done.stderr)
        assert done.returncode == (2 if name in FAILS else 0), (name, done.stderr)
    shutil.rmtree(tmp_path / "venv")
