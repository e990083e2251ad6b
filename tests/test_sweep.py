# SPDX-License-Identifier: Apache-2.0
"""trit sweep: which runs a grid means, that each is trained once, here and on a cluster, and what the table says."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import pytest

for package in ("torch", "accelerate", "sklearn", "joblib"):
    pytest.importorskip(package, reason=f"{package} is not installed: pip install 'trit[train]'")

from trit.runtime.errors import TritError
from trit.train.grid import runs_of
from trit.train.loop import Trainer
from trit.train.recipe import read_recipe
from trit.train.run import train
from trit.train.sweep import pareto, sweep, train_one

Run = Callable[..., tuple[int, str, str]]


def test_a_grid_is_the_product_of_its_values_with_the_seeds(tmp_path: Path) -> None:
    grid = ["learning_rate=0.01,1e-3", "hidden=[16],[16, 8]"]
    recipe, runs = runs_of("digits-ternary-mlp", grid, 3, ["training.epochs=2", "seed=5"], tmp_path)
    assert (recipe.training.epochs, len(runs), len({run.folder for run in runs})) == (2, 12, 12)
    assert [run.seed for run in runs[:4]] == [5, 6, 7, 5]
    assert runs[3].point == {"learning_rate": 0.01, "hidden": [16, 8]}
    changes = ["training.learning_rate=0.01", "network.hidden=[16, 8]", "seed=5"]
    assert runs[3].overrides == ["training.epochs=2", "seed=5", *changes]
    assert runs[3].folder.name.startswith("learning_rate=0.01,hidden=[16,8],seed=5-")


def test_another_recipe_has_other_folders(tmp_path: Path) -> None:
    one, other = (
        runs_of("digits-ternary-mlp", ["epochs=1"], 1, overrides, tmp_path)[1][0].folder
        for overrides in ([], ["network.hidden=[32]"])
    )
    assert one.name.rpartition("-")[0] == other.name.rpartition("-")[0] and one != other


@pytest.mark.parametrize(
    ("recipe", "key", "full"),
    [
        ("cifar10-ternary-vgg", "width", "network.width"),
        ("digits-ternary-mlp", "network.hidden", "network.hidden"),
        ("digits-ternary-mlp", "ber", "faults.ber"),  # of a table that the recipe does not have
        ("digits-ternary-mlp", "strength", "protection.strength"),  # of two kinds of it
        ("digits-ternary-mlp", "zero_point", "zero_point"),
    ],
)
def test_a_short_key_is_the_only_one_of_that_name(recipe: str, key: str, full: str, tmp_path: Path) -> None:
    values = {"hidden": "[16]", "ber": "0.1", "strength": "2", "width": "16", "zero_point": "3"}[key.rpartition(".")[2]]
    sets = ["tasks.kind=permuted", "tasks.count=2", "protection.kind=ewc"] if key == "strength" else []
    ((override, _),) = [run.overrides[-2:] for run in runs_of(recipe, [f"{key}={values}"], 1, sets, tmp_path)[1]]
    assert override.startswith(f"{full}=")


@pytest.mark.parametrize(
    ("grid", "message"),
    [
        (["width=16,32"], "--grid width: recipe digits-ternary-mlp has no such key; .*network.hidden"),
        (["epoch=1,2"], "--grid epoch: .* did you mean epochs"),
        (["kind=mlp,cnn"], "--grid kind: .* has several: give one of network.kind, tasks.kind, protection.kind"),
        (["epochs"], "--grid epochs: give KEY=VALUE,VALUE"),
        (["epochs="], "--grid epochs=: give KEY=VALUE,VALUE"),
        (["epochs=1,1"], "--grid epochs=1,1: a value is given twice"),
        (["epochs=1", "training.epochs=2"], "--grid training.epochs: is given twice"),
        (["seed=1,2"], "--grid seed: give --seeds"),
        (["epochs=1,many"], "training.epochs: .*many"),
        (["training.epoch=1"], "training.epoch: unknown key; did you mean epochs"),
    ],
)
def test_a_wrong_grid_is_one_line(grid: list[str], message: str, tmp_path: Path) -> None:
    with pytest.raises(TritError, match=message):
        runs_of("digits-ternary-mlp", grid, 1, [], tmp_path)


def test_the_front_is_what_nothing_beats() -> None:
    points = [(1, 0.5), (2, 0.7), (2, 0.6), (3, 0.7), (4, 0.9), (4, 0.9)]
    assert pareto(points) == [True, True, False, False, True, True]
    assert pareto([]) == []


def test_the_table_the_file_and_the_picture(run: Run, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="matplotlib is not installed: pip install 'trit[plot]'")
    # One value of metaplasticity a layer: too few for three layers, which is found when the run begins.
    sets = ["training.epochs=2", "training.optimizer=adam", "training.metaplasticity=[1.0,1.0]"]
    grid = ["--grid", "hidden=[16],[48],[16,16]", "--seeds", "2"]
    words = ["sweep", "digits-ternary-mlp", *grid, *(f"--set={each}" for each in sets), "--target", "rram-2t2r-130nm"]
    status, out, err = run(*words, "--jobs", "2", "--json", "--plot", "pareto.svg")
    assert status == 1
    small, large, failed = json.loads(out)["rows"]
    assert err.count("2 values for 3 layers") == 2
    assert failed["accuracy"] is None and failed["trained"] == 0
    assert failed["failed"][1].startswith("seed 1: training.metaplasticity: 2 values for 3 layers")
    assert 0.5 < small["accuracy"] < 1 and small["spread"] >= 0
    assert (small["weight_bits"], large["weight_bits"]) == (2 * 16 * 74, 2 * 48 * 74)
    assert small["energy"] < large["energy"]
    assert small["pareto"] == ["weight_bits", "latency", "energy"]
    assert "pareto.svg" not in out and "[48]" in (tmp_path / "pareto.svg").read_text()
    with (tmp_path / "runs/digits-ternary-mlp-sweep/results.csv").open() as stream:
        lines = list(csv.DictReader(stream))
    assert [line["hidden"] for line in lines] == ["[16]", "[16]", "[48]", "[48]", "[16, 16]", "[16, 16]"]
    mean = sum(float(line["accuracy"]) for line in lines[:2]) / 2
    assert mean == pytest.approx(small["accuracy"]) and lines[0]["weight_bits"] == str(small["weight_bits"])
    assert (Path(lines[0]["folder"]) / "model.pt").exists() and not lines[4]["accuracy"] and lines[4]["error"]


def test_a_run_is_trained_once_and_as_trit_train_does(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["sweep", "digits-ternary-mlp", "--grid", "hidden=[16],[64]", "--jobs", "1", "--set", "training.epochs=2"]
    assert run(*words)[0] == 0
    alone = train("digits-ternary-mlp", out=tmp_path / "alone", overrides=["training.epochs=2", "network.hidden=[64]"])
    monkeypatch.setattr("trit.train.sweep.train", None)  # whatever is trained now fails
    status, out, _ = run(*words, "--json")
    assert status == 0 and json.loads(out)["rows"][1]["accuracy"] == alone.accuracy
    status, out, _ = run(*words, "--grid", "learning_rate=0.01,0.02", "--json")
    assert status == 1 and "NoneType" in json.loads(out)["rows"][0]["failed"][0]


def test_an_interrupted_run_goes_on_from_its_checkpoint(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["sweep", "digits-ternary-mlp", "--grid", "hidden=[16],[64]", "--jobs", "1", "--set", "training.epochs=3"]
    real, trained = Trainer.train_epoch, []

    def interrupted(self: Trainer, epoch: int, on_step: Callable[[], None]) -> float:
        trained.append(epoch)
        if len(trained) == 6:  # the last epoch of the second run
            raise KeyboardInterrupt
        return real(self, epoch, on_step)

    monkeypatch.setattr(Trainer, "train_epoch", interrupted)
    status, out, err = run(*words)
    assert (status, out) == (130, "") and "the same command goes on" in err
    assert len(list(tmp_path.glob("runs/*/*/model.pt"))) == 1
    with (tmp_path / "runs/digits-ternary-mlp-sweep/results.csv").open() as stream:
        assert len(list(csv.DictReader(stream))) == 1
    assert run(*words)[0] == 0
    assert trained == [0, 1, 2, 0, 1, 2, 2]


def test_a_damaged_result_is_a_failed_run(run: Run, tmp_path: Path) -> None:
    words = ["sweep", "digits-ternary-mlp", "--grid", "hidden=[16]", "--jobs", "1", "--set", "training.epochs=1"]
    assert run(*words)[0] == 0
    (model,) = tmp_path.glob("runs/*/*/model.pt")
    model.write_bytes(model.read_bytes()[:-1])
    status, out, _ = run(*words)
    assert status == 1 and "damaged or truncated" in " ".join(out.split())


def test_a_dask_cluster_trains_the_same_networks(tmp_path: Path) -> None:
    distributed = pytest.importorskip("distributed", reason="dask is not installed: pip install 'trit[cluster]'")
    grid, text = ["hidden=[16],[48]"], read_recipe("digits-ternary-mlp").text
    found = {}
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=2, dashboard_address=None, host="127.0.0.1"
    ) as cluster:
        for name, options in {"here": {"jobs": 1}, "there": {"cluster": cluster.scheduler_address}}.items():
            _, runs = runs_of("digits-ternary-mlp", grid, 2, ["training.epochs=1"], tmp_path / name)
            outcomes = sweep("digits-ternary-mlp", text, runs, tmp_path / name, **options)
            found[name] = {outcome.run.name: (outcome.accuracy, outcome.error) for outcome in outcomes}
    assert found["here"] == found["there"] and len(found["here"]) == 4


def test_a_cluster_that_is_not_there_is_one_line(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("distributed", reason="dask is not installed: pip install 'trit[cluster]'")
    monkeypatch.setattr("trit.runtime.cluster.CONNECT_SECONDS", 1)
    words = ["sweep", "digits-ternary-mlp", "--grid", "epochs=1", "--cluster", "tcp://127.0.0.1:1"]
    status, _, err = run(*words)
    assert status == 2 and "trit: cannot reach a Dask scheduler at tcp://127.0.0.1:1" in err


def test_a_worker_that_does_not_see_the_folder_says_so(tmp_path: Path) -> None:
    _, (run, *_) = runs_of("digits-ternary-mlp", ["epochs=1"], 1, [], tmp_path)
    outcome = train_one(run, tmp_path / "elsewhere" / "digits-ternary-mlp.toml", None, None)
    assert outcome.error is not None and "elsewhere is not there on this worker: put the sweep's" in outcome.error
