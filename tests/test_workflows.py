# SPDX-License-Identifier: Apache-2.0
"""The GitHub workflows are valid, and the one for other repositories does what it says: its steps are run here."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from trit import shipped_images
from trit.commands.zoo import network_bytes

yaml = pytest.importorskip("yaml", reason="PyYAML is not installed: pip install pyyaml")
ROOT = Path(__file__).parents[1]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
Run = Callable[..., tuple[int, str, str]]  # the fixture of conftest.py


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_fits_githubs_schema(path: Path) -> None:
    checker = shutil.which("check-jsonschema", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    if checker is None:
        pytest.skip("check-jsonschema is not installed: pip install check-jsonschema")
    command = [checker, "--builtin-schema", "vendor.github-workflows", str(path)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def check_model(folder: Path, **inputs: str) -> tuple[str, subprocess.CompletedProcess[str]]:
    """Runs the job's steps in bash as GitHub does, but for the installation: the step that failed, or ""."""
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "check-model.yml").read_text())
    given = workflow[True]["workflow_call"]["inputs"]  # YAML 1.1 reads the key `on` as true
    values = {name: str(entry["default"]) for name, entry in given.items()} | inputs
    (job,) = workflow["jobs"].values()
    variables = {}
    for name, text in job["env"].items():
        (key,) = re.fullmatch(r"\$\{\{ inputs\.([\w-]+) \}\}", text).groups()
        variables[name] = values[key]
    tools = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = {**os.environ, **variables, "PATH": tools, "GITHUB_ENV": str(folder / "env")}
    for step in job["steps"]:
        if "run" not in step or step["name"] in ("Install", "Train"):
            continue
        command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]]
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
        if done.returncode:
            return step["name"], done
    return "", done


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    (tmp_path / "mine.onnx").write_bytes(network_bytes("mnist-binary-mlp"))
    images, labels = shipped_images("fashion-mnist")
    np.savez(tmp_path / "test.npz", images=images[:64], labels=labels[:64])
    return tmp_path


def test_a_model_within_its_limits_passes(repository: Path) -> None:
    pytest.importorskip("altair", reason="altair is not installed: pip install 'trit[report]'")
    limits = "flash=300000 ram=4096 latency=10s"
    failed, done = check_model(repository, model="mine.onnx", limits=limits)
    assert failed == "", done.stderr
    made = {path.name for path in (repository / "trit-check").iterdir()}
    assert made == {"model.onnx", "model.trit", "profile.json", "report.html"}


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ("flash=1000", r"host: flash [\d,]+ bytes, the limit is 1,000\n"),
        ("accuracy=99.5 ram=1000000", r"host: accuracy [\d.]+%, the limit is 99\.50%\n"),
        ("latency=1us", r"host: latency [\d.]+ µs, the limit is 1 µs\n"),
    ],
)
def test_a_broken_limit_fails(repository: Path, limits: str, message: str) -> None:
    """A network for digits, which cannot tell the clothes that it is given here."""
    test = {"test-data": "test.npz", "images": "64"}
    failed, done = check_model(repository, model="mine.onnx", limits=limits, **test)
    assert (failed, done.returncode) == ("Profile", 1)
    assert re.fullmatch(message, done.stderr), done.stderr


@pytest.mark.parametrize(
    "words", ["flash=1k", "flash=0", "latency=5", "accuracy=101", "speed=1", "flash", "accuracy=90"]
)
def test_a_wrong_limit_is_one_line(run: Run, repository: Path, words: str) -> None:
    status, out, err = run("profile", "mine.onnx", "--limit", words)
    assert (status, out) == (2, "")
    assert re.fullmatch(r"trit: --limit [^\n]+\n", err), err
