# SPDX-License-Identifier: Apache-2.0
"""Profiles, accuracy and deployments of a network on every kind of target."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
from c_tools import need
from tests_support import SYNAPSES, random_graph, random_input

from trit.export.graph import Graph
from trit.export.plan import to_plan
from trit.runtime import Session
from trit.runtime.errors import TritError
from trit.targets.accuracy import CHIPS, accuracy
from trit.targets.deploy import deploy
from trit.targets.description import Microcontroller, load_target
from trit.targets.figure import weakest
from trit.targets.profile import profile, weight_bits

TARGETS = ("host", "nrf52840", "rram-2t2r-130nm", "cortex-a53")
ORIGINS = ("measured", "simulated", "assumed", "simulated")  # of their accuracies


@pytest.fixture(scope="module")
def graph() -> Graph:
    return random_graph(7, SYNAPSES)


@pytest.fixture(autouse=True)
def needs_a_cross_compiler(request: pytest.FixtureRequest) -> None:
    if "cortex-a53" in request.node.name:
        need("qemu-aarch64")
    if "nrf52840" in request.node.name or "cortex-a53" in request.node.name:
        for package in ("ziglang", "unicorn", "capstone", "elftools"):
            pytest.importorskip(package, reason=f"{package} is not installed: pip install 'trit[mcu]'")


@pytest.mark.parametrize("name", TARGETS)
def test_a_profile_has_every_step_with_its_figures(graph: Graph, name: str) -> None:
    result = profile(graph, load_target(name))
    steps = [step for step in Session(to_plan(graph)).steps if step.operator != "Interleave" or name != TARGETS[2]]
    assert [layer.layer for layer in result.layers] == [step.name for step in steps]
    assert result.latency == pytest.approx(sum(layer.latency for layer in result.layers))
    assert result.latency > 0 < result.energy
    assert result.weight_bits == weight_bits(graph)
    assumed = [note for note in result.notes if note.startswith("assumed: ")]
    assert bool(assumed) == (result.energy_origin == "assumed")


def test_a_microcontrollers_latency_follows_from_its_cycles_nrf52840(graph: Graph) -> None:
    target = load_target("nrf52840")
    assert isinstance(target, Microcontroller)
    result = profile(graph, target)
    for layer in result.layers:
        assert layer.instructions is not None and layer.cycles is not None
        assert 0 < layer.instructions <= layer.cycles[0] <= layer.cycles[1] <= 3 * layer.instructions
        assert layer.latency == pytest.approx(layer.cycles[1] / target.clock.value)
    assert result.energy == pytest.approx(result.latency * target.supply.value * target.current.value)
    assert result.ram is not None and result.ram > Session(to_plan(graph, lanes=1)).arena_size


def test_a_figure_is_as_strong_as_its_weakest_part() -> None:
    assert weakest(["measured", "datasheet"]) == "datasheet"
    assert weakest(["assumed", "simulated"]) == "assumed"
    assert weakest(["measured"]) == "measured"


@pytest.mark.parametrize("name", TARGETS)
def test_accuracy_counts_the_labels(graph: Graph, name: str) -> None:
    images = random_input(graph, 6, np.random.default_rng(0))
    classes = Session(to_plan(graph)).run(images).argmax(axis=1)
    labels = classes.copy()
    labels[:2] = -1
    result = accuracy(graph, load_target(name), images, labels)
    assert result.origin == dict(zip(TARGETS, ORIGINS, strict=True))[name]
    if name == TARGETS[2]:
        assert set(result.rates) == {"sign", "lost", "raised", "flip"}
        assert len(result.draws) == CHIPS
        assert all(draw <= 4 / 6 for draw in result.draws)
    else:
        assert result.draws == [pytest.approx(4 / 6)]


def test_accuracy_needs_a_label_an_image(graph: Graph) -> None:
    with pytest.raises(TritError, match="6 images and 5 labels"):
        accuracy(graph, load_target("host"), random_input(graph, 6, np.random.default_rng(0)), np.zeros(5))


@pytest.mark.parametrize("name", TARGETS)
def test_a_deployment_stands_alone(graph: Graph, name: str, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    done = deploy(graph, load_target(name), folder, random_input(graph, 3, np.random.default_rng(0)))
    assert (done.images, done.equal) == (3, 3)
    assert json.loads((folder / "profile.json").read_text())["profiles"] == [
        json.loads(json.dumps(done.profile.as_json()))
    ]
    run = subprocess.run(
        ["make", "-C", str(folder), "run"], capture_output=True, text=True, env={"PATH": "/usr/local/bin:/usr/bin:/bin"}
    )
    assert "3 of 3 test images give the expected scores" in run.stdout + run.stderr
    assert run.returncode == 0


@pytest.mark.parametrize("name", TARGETS[1:])
def test_a_deployment_has_the_profile_of_its_first_image(graph: Graph, name: str, tmp_path: Path) -> None:
    images, target = random_input(graph, 2, np.random.default_rng(0)), load_target(name)
    deployed = deploy(graph, target, tmp_path / "out", images).profile
    assert deployed.layers == profile(graph, target, images).layers
    assert max(layer.arena_bytes for layer in deployed.layers) <= Session(to_plan(graph)).arena_size
    if name == "nrf52840":
        assert sum(layer.weight_bytes for layer in deployed.layers) == deployed.flash_parts["weights"]
        assert (
            sum(layer.parameter_bytes - layer.weight_bytes for layer in deployed.layers)
            == (deployed.flash_parts["thresholds"])
        )


def test_an_earlier_deployment_is_replaced_and_nothing_else(
    graph: Graph, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = random_input(graph, 2, np.random.default_rng(0))
    host = load_target("host")
    deploy(graph, host, tmp_path / "out", images)
    (tmp_path / "out" / "old.c").touch()
    monkeypatch.setenv("CC", "no-such-compiler")
    with pytest.raises(TritError, match="make run failed"):
        deploy(graph, host, tmp_path / "out", images)
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert (tmp_path / "out" / "old.c").exists()
    monkeypatch.delenv("CC")
    deploy(graph, host, tmp_path / "out", images)
    assert not (tmp_path / "out" / "old.c").exists()
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").touch()
    with pytest.raises(TritError, match="holds other files"):
        deploy(graph, host, tmp_path / "mine", images)
    with pytest.raises(TritError, match="is a file"):
        deploy(graph, host, tmp_path / "mine" / "thesis.tex", images)
    assert (tmp_path / "mine" / "thesis.tex").exists()
