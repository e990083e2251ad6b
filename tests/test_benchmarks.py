# SPDX-License-Identifier: Apache-2.0
"""Benchmarks: rows, bars and exit status; what they measure is not timed here."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(autouse=True)
def at_the_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT))


@pytest.mark.parametrize(
    ("value", "bar", "status"),
    [(1.2, "≤ 1.3", 0), (1.3, "≤ 1.3", 0), (1.31, "≤ 1.3", 1), (4.0, "≥ 4", 0), (3.9, "≥ 4", 1)],
)
def test_a_row_beyond_its_bar_fails_the_run(
    value: float, bar: str, status: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from benchmarks.report import Row, run

    monkeypatch.setattr("sys.argv", ["x", "--json", "--only", "one"])
    parts = {"part one": lambda: [Row("work", value, "×", "peer", 1.0, bar)], "part two": lambda: [][0]}
    with pytest.raises(SystemExit) as stop:
        run("Title", parts)
    report = json.loads(capsys.readouterr().out)
    assert stop.value.code == status
    assert (report["schema"], len(report["machine"]) > 0) == (1, True)
    row = {
        "work": "work",
        "value": value,
        "unit": "×",
        "peer": "peer",
        "peer_value": 1.0,
        "bar": bar,
        "holds": not status,
    }
    assert report["rows"] == [row]


def test_a_part_that_does_not_exist_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from benchmarks.report import run

    monkeypatch.setattr("sys.argv", ["x", "--only", "three"])
    with pytest.raises(SystemExit) as stop:
        run("Title", {"part one": list})
    assert stop.value.code == 2
    assert "there are part one" in capsys.readouterr().err


def test_every_step_runs_in_every_round() -> None:
    from benchmarks.report import interleaved, ratio

    order: list[str] = []
    times = interleaved({"a": lambda: order.append("a"), "b": lambda: order.append("b")}, rounds=3, warm_up=1)
    assert order == ["a", "b"] * 4
    assert {name: len(seconds) for name, seconds in times.items()} == {"a": 3, "b": 3}
    assert ratio({"a": [2.0, 9.0, 4.0], "b": [1.0, 1.0, 2.0]}, "a", "b") == 2.0


def test_the_plain_twin_of_a_network_has_its_shape() -> None:
    torch = pytest.importorskip("torch", reason="torch is not installed: pip install 'trit[train]'")
    from benchmarks.training import plain_layer, replaced

    from trit.train.networks import build
    from trit.train.recipe import read_recipe

    recipe = read_recipe("fashion-ternary-cnn")
    network = build(recipe)
    plain = replaced(network, plain_layer)
    assert not any(type(module).__module__.startswith("trit.") for module in list(plain)[1:])
    assert plain(torch.zeros(2, *recipe.input_shape)).shape == (2, 10)
    sizes = [[p.shape for p in n.parameters()] for n in (network, plain)]
    assert sizes[0] == sizes[1]


def test_firmware_is_as_small_and_quick_as_stated() -> None:
    """Bytes and instructions, which a compiler's version fixes."""
    for package in ("unicorn", "capstone", "elftools", "ziglang"):
        pytest.importorskip(package, reason=f"{package} is not installed: pip install 'trit[mcu]'")
    from benchmarks.mcu import CMSIS_NN, DENSE, flash, packed

    from trit.targets.description import Microcontroller, load_target

    assert [row.work for row in flash() if not row.holds] == []
    for name, times in (("rp2040", 10), ("nrf52840", 5)):
        board = load_target(name)
        assert isinstance(board, Microcontroller)
        assert times * packed(board, DENSE, "binary")[0] <= CMSIS_NN[board.core][0]
