# SPDX-License-Identifier: Apache-2.0
"""The source distribution alone gives a small wheel, which runs plans with nothing but numpy beside it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from wheel_support import ROOT, build_sdist, build_wheel, command, environment_with

from trit import load, shipped_images
from trit.commands.zoo import network_bytes
from trit.export.onnx_reader import parse_onnx
from trit.export.plan import to_plan

MOST_BYTES = 2_000_000
EXTRA = "pip install 'trit[cli]' brings it"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    return build_wheel(build_sdist(tmp_path_factory.mktemp("sdist")), folder)


@pytest.fixture(scope="module")
def python(wheel: Path) -> Path:
    """Of a new virtual environment that has the wheel and what its metadata asks for."""
    return environment_with(wheel, "", wheel.parent / "venv")


def test_the_wheel_is_small_and_of_every_python_from_3_11(wheel: Path) -> None:
    assert wheel.stat().st_size <= MOST_BYTES
    assert "-cp311-abi3-" in wheel.name


def test_numpy_is_all_it_needs(python: Path, tmp_path: Path) -> None:
    list_them = "from importlib.metadata import distributions as d; print(*sorted(x.name for x in d()))"
    there = set(command(python, "-c", list_them, cwd=tmp_path).stdout.split())
    assert there - {"pip", "setuptools"} == {"numpy", "trit"}  # Python 3.11's venv brings setuptools
    assert command(python, "-m", "pip", "check", cwd=tmp_path).returncode == 0


def test_plans_run(python: Path, tmp_path: Path) -> None:
    images, labels = shipped_images("fashion-mnist")
    plan = to_plan(parse_onnx(network_bytes("fashion-ternary-cnn"), "fashion"))
    (tmp_path / "fashion.trit").write_bytes(plan)
    program = """if True:
        import numpy, sys, trit
        images, labels = trit.shipped_images("fashion-mnist")
        numpy.save("scores", trit.load("fashion.trit").run(images))
        print(trit.__version__, *sorted({"onnx", "typer", "rich", "pydantic", "torch"} & set(sys.modules)))
    """
    done = command(python, "-c", program, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    scores = np.load(tmp_path / "scores.npy")
    np.testing.assert_array_equal(scores, load(tmp_path / "fashion.trit").run(images))
    assert (scores.argmax(axis=1) == labels).mean() > 0.9


def test_every_kernel_runs(python: Path, tmp_path: Path) -> None:
    done = command(python, ROOT / "tests" / "smoke.py", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "scalar" in done.stdout


@pytest.mark.parametrize("words", ["--version", "doctor", "classify model.onnx x.npy", ""])
def test_the_command_line_says_what_it_needs(python: Path, tmp_path: Path, words: str) -> None:
    done = command(python.parent / "trit", *words.split(), cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"trit: typer is not installed: {EXTRA}\n"


@pytest.mark.parametrize(("file", "package", "extra"), [("model.onnx", "onnx", "cli"), ("model.pt", "torch", "train")])
def test_other_files_say_what_they_need(python: Path, tmp_path: Path, file: str, package: str, extra: str) -> None:
    (tmp_path / file).write_bytes(network_bytes("mnist-binary-mlp"))
    done = command(python, "-c", f"import trit; trit.load({file!r})", cwd=tmp_path)
    assert done.stderr.splitlines()[-1] == (
        f"trit.runtime.errors.MissingExtra: {package} is not installed: pip install 'trit[{extra}]' brings it"
    )
