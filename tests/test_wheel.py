# SPDX-License-Identifier: Apache-2.0
"""The source distribution alone gives a small wheel, which runs plans with nothing but numpy beside it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import numpy as np
import pytest

from trit import load, shipped_images
from trit.commands.zoo import network_bytes
from trit.export.onnx_reader import parse_onnx
from trit.export.plan import to_plan

ROOT = Path(__file__).parents[1]
MOST_BYTES = 2_000_000
EPOCH = "1700000000"  # SOURCE_DATE_EPOCH, so that archives do not hold the time
EXTRA = "pip install 'trit[cli]' brings it"


def command(*words: str | Path, cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    clean = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "VIRTUAL_ENV")}
    environment = {**clean, "SOURCE_DATE_EPOCH": EPOCH, **variables}
    return subprocess.run([*words], cwd=cwd, env=environment, capture_output=True, text=True)


def pip(*words: str | Path, cwd: Path, python: str | Path = sys.executable) -> None:
    done = command(python, "-m", "pip", "--quiet", "--disable-pip-version-check", *words, cwd=cwd)
    if "No matching distribution found" in done.stderr:
        pytest.skip(f"no package index here: {done.stderr.strip().splitlines()[-1]}")
    assert done.returncode == 0, done.stderr


def copy_of_the_tree(folder: Path) -> Path:
    """What git has or would take, so that nothing built earlier comes along."""
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("needs git and the repository, for the list of its files")
    list_files = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(list_files, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, names.split("\0")):
        if (ROOT / name).exists():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, folder / name)
    return folder


def build_sdist(folder: Path) -> Path:
    pytest.importorskip("build", reason="build is not installed: pip install build")
    tree = copy_of_the_tree(folder / "tree")
    done = command(sys.executable, "-m", "build", "--sdist", "--outdir", folder, tree, cwd=folder)
    if "No matching distribution found" in done.stdout + done.stderr:
        pytest.skip("no package index here")
    assert done.returncode == 0, done.stdout + done.stderr
    shutil.rmtree(tree)
    (sdist,) = folder.glob("trit-*.tar.gz")
    return sdist


def build_wheel(sdist: Path, folder: Path) -> Path:
    pip("wheel", "--no-deps", "--wheel-dir", folder, sdist, cwd=folder)
    (wheel,) = folder.glob("trit-*.whl")
    return wheel


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    return build_wheel(build_sdist(tmp_path_factory.mktemp("sdist")), folder)


@pytest.fixture(scope="module")
def python(wheel: Path) -> Path:
    """Of a new virtual environment that has the wheel and what its metadata asks for."""
    place = wheel.parent / "venv"
    venv.create(place, with_pip=True, symlinks=True)
    interpreter = place / "bin" / "python"
    pip("install", wheel, cwd=wheel.parent, python=interpreter)
    return interpreter


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
