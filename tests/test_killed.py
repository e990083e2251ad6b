# SPDX-License-Identifier: Apache-2.0
"""kill -9 at random moments: every file is then the earlier one or a new one, whole, and work goes on to the same end.

TRIT_KILLS sets how many moments each command is killed at; `make soak` takes 20.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

for package in ("torch", "accelerate", "sklearn", "joblib"):
    pytest.importorskip(package, reason=f"{package} is not installed: pip install 'trit[train]'")
import torch

from trit.export.onnx_reader import read_onnx
from trit.train import checkpoint

KILLS = int(os.environ.get("TRIT_KILLS", "1"))
TRAIN = "train digits-ternary-mlp --out run --set training.epochs=4 --set network.hidden=[64]"
SWEEP = "sweep digits-ternary-mlp --grid epochs=1,2 --set network.hidden=[32] --out grid --jobs 1"
DEPLOY = "deploy second.onnx -o out --images 1"


def start(folder: Path, command: str) -> subprocess.Popen[bytes]:
    words = [sys.executable, "-m", "trit", *command.split()]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    quiet = subprocess.DEVNULL
    return subprocess.Popen(words, cwd=folder, stdout=quiet, stderr=quiet, env=environment, start_new_session=True)


def complete(folder: Path, command: str) -> float:
    """Run to the end; the seconds it took."""
    begin = time.monotonic()
    assert start(folder, command).wait() == 0
    return time.monotonic() - begin


def kill(folder: Path, command: str, after: float) -> None:
    process = start(folder, command)
    try:
        process.wait(after)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def moments(seconds: float, command: str) -> list[float]:
    generator = random.Random(command)
    return [generator.uniform(0, seconds) for _ in range(KILLS)]


def check(folder: Path) -> None:
    """All files but temporary ones, whose names begin with a dot, can be read to their end."""
    for path in sorted(folder.rglob("*")):
        if path.name.startswith(".") or path.is_dir():
            continue
        match path.suffix:
            case ".pt":
                checkpoint.read(path)
            case ".jsonl":
                assert [json.loads(line) for line in path.read_text().splitlines()]
            case ".json":
                json.loads(path.read_text())
            case ".onnx":
                read_onnx(path)


def weights(model: Path) -> dict[str, torch.Tensor]:
    state: dict[str, torch.Tensor] = checkpoint.read(model)["state"]
    return state


def test_training_goes_on_to_the_same_network(tmp_path: Path) -> None:
    seconds = complete(tmp_path, TRAIN)
    whole = weights(tmp_path / "run" / "model.pt")
    for index, moment in enumerate(moments(seconds, TRAIN)):
        folder = tmp_path / str(index)
        folder.mkdir()
        kill(folder, TRAIN, moment)
        check(folder)
        saved = (folder / "run" / "checkpoint.pt").exists()
        complete(folder, f"{TRAIN} --resume" if saved else TRAIN)
        found = weights(folder / "run" / "model.pt")
        assert all(torch.equal(found[name], weight) for name, weight in whole.items())


def test_an_export_is_the_earlier_file_or_the_new_one(tmp_path: Path) -> None:
    complete(tmp_path, TRAIN)
    complete(tmp_path, "zoo fashion-ternary-cnn -o model.onnx")
    command = "export run/model.pt -o model.onnx"
    earlier = (tmp_path / "model.onnx").read_bytes()
    seconds = complete(tmp_path, command)
    new = (tmp_path / "model.onnx").read_bytes()
    for moment in moments(seconds, command):
        (tmp_path / "model.onnx").write_bytes(earlier)
        kill(tmp_path, command, moment)
        assert (tmp_path / "model.onnx").read_bytes() in (earlier, new)


def test_a_deployment_holds_earlier_files_or_new_ones(tmp_path: Path) -> None:
    for name, network in (("first", "fashion-ternary-cnn"), ("second", "fashion-binary-cnn")):
        complete(tmp_path, f"zoo {network} -o {name}.onnx")
    complete(tmp_path, DEPLOY.replace("second", "first"))
    shutil.copytree(tmp_path / "out", tmp_path / "earlier")
    seconds = complete(tmp_path, DEPLOY)
    earlier, new = contents(tmp_path / "earlier"), contents(tmp_path / "out")
    assert earlier != new
    for moment in moments(seconds, DEPLOY):
        shutil.rmtree(tmp_path / "out")
        shutil.copytree(tmp_path / "earlier", tmp_path / "out")
        kill(tmp_path, DEPLOY, moment)
        check(tmp_path)
        found = contents(tmp_path / "out")
        assert all(data in (earlier.get(name), new.get(name)) for name, data in found.items())
        assert found.keys() >= earlier.keys() & new.keys()


def contents(folder: Path) -> dict[str, bytes]:
    """Of the files that are the same each time: not of what was measured or built."""
    paths = [path for path in folder.rglob("*") if path.is_file() and path.suffix in (".c", ".h", ".toml", ".trit", "")]
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths if "build" not in path.parts}


def test_a_sweep_goes_on_where_it_was(tmp_path: Path) -> None:
    seconds = complete(tmp_path, SWEEP)
    whole = {path.parent.name: weights(path) for path in (tmp_path / "grid").rglob("model.pt")}
    assert len(whole) == 2
    for index, moment in enumerate(moments(seconds, SWEEP)):
        folder = tmp_path / str(index)
        folder.mkdir()
        kill(folder, SWEEP, moment)
        check(folder)
        complete(folder, SWEEP)
        for path in (folder / "grid").rglob("model.pt"):
            assert all(torch.equal(weights(path)[name], weight) for name, weight in whole[path.parent.name].items())


def test_a_profile_writes_nothing(tmp_path: Path) -> None:
    complete(tmp_path, "zoo fashion-ternary-cnn -o model.onnx")
    before = (tmp_path / "model.onnx").read_bytes()
    for moment in moments(2.0, "profile"):
        kill(tmp_path, "profile model.onnx", moment)
        assert [path.name for path in tmp_path.iterdir()] == ["model.onnx"]
        assert (tmp_path / "model.onnx").read_bytes() == before
