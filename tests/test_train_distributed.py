# SPDX-License-Identifier: Apache-2.0
"""Two processes under torchrun train what one trains with the same batches, and one of them writes and prints."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

for package in ("torch", "accelerate", "sklearn"):
    pytest.importorskip(package, reason=f"{package} is not installed: pip install 'trit[train]'")
import torch
from distributed_twin import CASES, learned, trained

from trit.export.plan import to_plan
from trit.files import read_model
from trit.runtime import Session
from trit.runtime.errors import TritError
from trit.train import checkpoint
from trit.train.data import load_test
from trit.train.loop import Trainer
from trit.train.run import train

if not (torch.distributed.is_available() and torch.distributed.is_gloo_available()):
    pytest.skip("this build of torch has no gloo", allow_module_level=True)

TWIN = Path(__file__).with_name("distributed_twin.py")


def torchrun(*words: str) -> subprocess.CompletedProcess[str]:
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    return subprocess.run([*launch, *words], capture_output=True, text=True, timeout=300)


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """What two processes came to."""
    folder = tmp_path_factory.mktemp("two")
    done = torchrun(str(TWIN), str(folder))
    assert done.returncode == 0, done.stderr
    loaded: dict[str, dict[str, Any]] = torch.load(folder / "found.pt", weights_only=False)
    return loaded


@pytest.mark.parametrize("case", CASES)
def test_two_processes_come_to_the_network_of_one(case: str, found: dict[str, dict[str, Any]]) -> None:
    # In float64, so that rounding does not decide about a sign. The loss's gradient is float32 nevertheless: division
    # by a share that is a power of two is exact, by others it rounds.
    tolerance = 1e-6 if case == "uneven" else 1e-10
    one, two = trained(CASES[case]), found[case]
    assert two["processes"] == 2
    assert two["losses"] == pytest.approx(one["losses"], rel=1e-5)
    assert one["losses"][1] < one["losses"][0]
    for name, value in one["state"].items():
        torch.testing.assert_close(two["state"][name], value, rtol=tolerance, atol=tolerance, msg=name)
        if value.ndim > 1:
            assert torch.equal(two["state"][name].sign(), value.sign()), name
    assert two["accuracy"] == one["accuracy"]


def test_tasks_one_after_the_other_in_two_processes(found: dict[str, dict[str, Any]], tmp_path: Path) -> None:
    one, two = learned(tmp_path), found["tasks"]["history"]
    assert [line["task"] for line in one] == [line["task"] for line in two]
    for of_one, of_two in zip(one, two, strict=True):  # float32
        assert of_two["loss"] == pytest.approx(of_one["loss"], rel=0.02)
        assert of_two["accuracy"] == pytest.approx(of_one["accuracy"], abs=0.03)


def test_a_command_goes_on_in_two_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    overrides = ["training.epochs=3", "network.hidden=[64]", "training.precision=float32"]
    whole = train("digits-ternary-mlp", out=tmp_path / "whole", overrides=overrides)
    real = Trainer.train_epoch

    def interrupted(self: Trainer, epoch: int, on_step: Callable[[], None]) -> float:
        if epoch == 2:
            raise KeyboardInterrupt
        return real(self, epoch, on_step)

    monkeypatch.setattr(Trainer, "train_epoch", interrupted)
    with pytest.raises(KeyboardInterrupt):
        train("digits-ternary-mlp", out=tmp_path / "two", overrides=overrides)
    sets = [f"--set={override}" for override in overrides]
    done = torchrun("-m", "trit", "train", "digits-ternary-mlp", "--out", str(tmp_path / "two"), *sets, "--resume")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("on the test set") == 1 and done.stderr.count("epoch 3/3") == 1
    history = [json.loads(line) for line in (tmp_path / "two" / "history.jsonl").read_text().splitlines()]
    assert [line["epoch"] for line in history] == [1, 2, 3]
    one, two = (checkpoint.read(tmp_path / name / "model.pt")["state"] for name in ("whole", "two"))
    for name in one:  # float32: 1e-4 apart after the 28 steps, where no sign was decided by rounding
        torch.testing.assert_close(two[name], one[name], rtol=0.01, atol=0.01, msg=name)
    images, labels = load_test("digits")
    scores = Session(to_plan(read_model(tmp_path / "two" / "model.pt"))).run(images)
    exported = (scores.reshape(len(images), -1).argmax(1) == labels).mean()
    assert exported == pytest.approx(whole.accuracy, abs=0.01)


def test_a_batch_smaller_than_the_processes_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("accelerate.Accelerator.num_processes", 100)
    with pytest.raises(TritError, match=r"training\.batch: 33 images cannot be shared out among 100 processes"):
        trained(CASES["uneven"])
