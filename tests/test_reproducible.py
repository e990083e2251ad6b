# SPDX-License-Identifier: Apache-2.0
"""The same recipe and seed give the same bytes of every file, and the same tree the same wheel: `make soak`."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from wheel_support import build_sdist, build_wheel

if os.environ.get("TRIT_SOAK") != "1":
    pytest.skip("trains and builds twice: make soak, or TRIT_SOAK=1", allow_module_level=True)

RECIPE = """data = "digits"
[quantization]
weights = "ternary"
activations = "binary"
[network]
kind = "mlp"
hidden = [48]
[training]
epochs = 2
"""
COMMANDS = "import sys\nfrom trit.main import main\n" + "\n".join(
    f"sys.argv = {['trit', *line.split()]}\ntry: main()\nexcept SystemExit as stop: assert not stop.code"
    for line in (
        "train mine.toml --out {out}",
        "export {out}/model.pt -o {out}/model.onnx",
        "export {out}/model.pt -o {out}/model.trit",
        "export {out}/model.onnx --format onnx-plain -o {out}/plain.onnx",
        "export {out}/model.onnx --format qonnx -o {out}/q.onnx",
    )
)
FILES = ("model.pt", "model.onnx", "model.trit", "plain.onnx", "q.onnx")


def made_in(folder: Path, out: str, hash_seed: str, zone: str) -> dict[str, bytes]:
    folder.mkdir(parents=True)
    (folder / "mine.toml").write_text(RECIPE)
    variables = {**os.environ, "PYTHONHASHSEED": hash_seed, "TZ": zone, "OMP_NUM_THREADS": "1"}
    program = COMMANDS.replace("{out}", out)
    done = subprocess.run([sys.executable, "-c", program], cwd=folder, env=variables, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return {name: (folder / out / name).read_bytes() for name in FILES}


def test_a_recipe_gives_the_same_bytes_in_another_place_at_another_time(tmp_path: Path) -> None:
    for package in ("torch", "sklearn", "accelerate"):
        pytest.importorskip(package, reason=f"{package} is not installed: pip install 'trit[train]'")
    first = made_in(tmp_path / "here", "run", "1", "UTC")
    second = made_in(tmp_path / "another folder" / "deeper", "out", "2", "Asia/Tokyo")
    for name in FILES:
        assert first[name] == second[name], name
    for name, data in first.items():
        for leak in (b"/tmp", str(tmp_path).encode(), str(Path.home()).encode() + b"/"):
            assert leak not in data, f"{name} names a folder"


def test_a_tree_gives_the_same_wheel_in_another_place(tmp_path: Path) -> None:
    made = []
    for name in ("here", "another"):
        (tmp_path / name / "out").mkdir(parents=True)
        sdist = build_sdist(tmp_path / name)
        made.append((files_of(sdist), build_wheel(sdist, tmp_path / name / "out").read_bytes()))
    assert made[0][0] == made[1][0], "source distributions differ"
    assert made[0][1] == made[1][1], "wheels differ"


def files_of(sdist: Path) -> dict[str, bytes]:
    """The archive's own bytes hold the time it was made."""
    with tarfile.open(sdist) as archive:
        members = {member.name: archive.extractfile(member) for member in archive if member.isfile()}
        return {name: stream.read() for name, stream in members.items() if stream}
