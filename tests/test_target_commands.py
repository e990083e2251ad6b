# SPDX-License-Identifier: Apache-2.0
"""trit target: what is wrong in a description, operating points side by side, and the best one."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from trit.runtime.errors import TritError
from trit.targets.check import check_target
from trit.targets.description import available, load_target
from trit.targets.rram.chip import Rram
from trit.targets.rram.executor import default_chip
from trit.targets.rram.search import at, sweep, with_best_read_time

Run = Callable[..., tuple[int, str, str]]
CHIP = """
title = "my chip"
kind = "rram"
device = "hfo2-130nm"
cell = "cell-2t2r-130nm"
sense = "pcsa-130nm"
logic = "logic-130nm"
array = { rows = 32, columns = 32 }
operation = { supply = 1.2, clock = 20e6, read_time = 4e-9, temperature = 27, condition = "strong" }
"""
FIGURE = '{ value = 1, unit = "Ω", origin = "assumed", source = "a guess of mine" }'
WRONG = """
[device]
include = "hfo2-130nm"
[device.conditions.mine]
endurance = { value = 0, unit = "cycles", origin = "assumed", source = "none" }
[device.conditions.mine.set]
voltage = { value = 400, unit = "V", origin = "assumed", source = "a typing error" }
current = { value = 1e-4, unit = "A", origin = "assumed", source = "a guess" }
time = { value = 0, unit = "s", origin = "assumed", source = "none" }
[device.conditions.mine.reset]
voltage = { value = 2, unit = "V", origin = "assumed", source = "a guess" }
current = { value = 1e-4, unit = "A", origin = "assumed", source = "a guess" }
time = { value = 1e-6, unit = "s", origin = "assumed", source = "a guess" }
[device.conditions.mine.lrs]
kind = "lognormal"
median = { value = 1e5, unit = "Ω", origin = "assumed", source = "the two exchanged" }
sigma = { value = 0.1, unit = "1", origin = "assumed", source = "a guess" }
[device.conditions.mine.hrs]
kind = "lognormal"
median = { value = 1e4, unit = "Ω", origin = "assumed", source = "the two exchanged" }
sigma = { value = 0.1, unit = "1", origin = "assumed", source = "a guess" }
"""


def written(folder: Path, text: str) -> str:
    (folder / "mine.toml").write_text(text)
    return str(folder / "mine.toml")


@pytest.mark.parametrize("name", available())
def test_shipped_targets_have_no_errors(name: str) -> None:
    assert [finding for finding in check_target(name) if finding.severity == "error"] == []


@pytest.mark.parametrize(
    ("old", "new", "key", "text"),
    [
        ("rows = 32", "rows = 0", "array.rows", "greater than 0"),
        ("rows = 32", "rwos = 32", "array.rwos", "did you mean rows"),
        (
            'condition = "strong"',
            'condition = "strnog"',
            "operation.condition",
            "is none of the device's: strong, weak",
        ),
        ("read_time = 4e-9", "read_time = 60e-9", "operation.read_time", "does not fit into a cycle of 5e-08 s"),
        ("read_time = 4e-9", "read_time = 45e-9", "operation.read_time", "less than a fifth of a cycle"),
        ("supply = 1.2", "supply = 12", "operation.supply", "is no supply"),
        ("columns = 32", "columns = 32, columns_per_amplifier = 5", "array", "does not divide 32"),
        ('title = "my chip"', "", "title", "missing"),
    ],
)
def test_each_violation_is_named_with_its_key(tmp_path: Path, old: str, new: str, key: str, text: str) -> None:
    findings = check_target(written(tmp_path, CHIP.replace(old, new)))
    assert any(finding.key == key and text in finding.text for finding in findings), findings


def test_all_violations_of_a_schema_are_found_at_once(tmp_path: Path) -> None:
    wrong = CHIP.replace('cell = "cell-2t2r-130nm"', f'cell = {{ kind = "2T2R", area = {FIGURE} }}')
    wrong = wrong.replace("rows = 32", "rows = -1").replace("supply = 1.2", 'supply = "much"')
    keys = {finding.key for finding in check_target(written(tmp_path, wrong))}
    assert {"cell.area", "array.rows", "operation.supply"} <= keys


def test_a_device_must_make_sense(tmp_path: Path) -> None:
    text = CHIP.replace('device = "hfo2-130nm"\n', "") + WRONG
    found = {finding.key for finding in check_target(written(tmp_path, text)) if finding.severity == "error"}
    mine = "device.conditions.mine"
    assert {f"{mine}.endurance", f"{mine}.set.voltage", f"{mine}.set.time", f"{mine}.hrs.median"} <= found


def test_an_operating_point_that_cannot_work_is_said_to_be_one(tmp_path: Path) -> None:
    slow = CHIP.replace("read_time = 4e-9", "read_time = 40e-9")
    texts = [finding.text for finding in check_target(written(tmp_path, slow))]
    assert any("longer than HRS/HRS takes" in text for text in texts), texts


def test_parts_of_ones_own_lie_beside_the_description(tmp_path: Path) -> None:
    (tmp_path / "cell.toml").write_text(
        'kind = "2T2R"\narea = { value = 1e-12, unit = "m²", origin = "measured", source = "a layout" }\n'
    )
    chip = load_target(written(tmp_path, CHIP.replace("cell-2t2r-130nm", "cell.toml")))
    assert isinstance(chip, Rram)
    assert chip.cell.area.origin == "measured"
    with pytest.raises(TritError, match="no part 'pcsa-130mn': did you mean pcsa-130nm"):
        load_target(written(tmp_path, CHIP.replace("pcsa-130nm", "pcsa-130mn")))


def test_a_key_can_be_changed_on_the_way() -> None:
    chip = load_target("rram-2t2r-130nm", ["operation.supply=0.9", "array.rows=64"])
    assert isinstance(chip, Rram)
    assert (chip.operation.supply, chip.array.rows) == (0.9, 64)
    with pytest.raises(TritError, match=r"operation\.suply: unknown key; did you mean supply"):
        load_target("rram-2t2r-130nm", ["operation.suply=0.9"])


def test_a_sweep_goes_through_the_grid() -> None:
    points = list(sweep(default_chip(), {"corner": ["tt", "ss"], "read_time": [5e-10, 1e-8]}))
    assert [(p.operation.corner, p.operation.read_time) for p in points] == [
        ("tt", 5e-10), ("tt", 1e-8), ("ss", 5e-10), ("ss", 1e-8),
    ]  # fmt: skip
    assert points[0].rates["lost"] > points[1].rates["lost"]
    assert points[0].rates["lost"] < points[2].rates["lost"]  # slow transistors
    with pytest.raises(TritError, match="suply: unknown key; did you mean supply"):
        list(sweep(default_chip(), {"suply": [1.0]}))


def test_the_best_read_time_errs_least() -> None:
    chip = at(default_chip(), supply=0.9)
    best = with_best_read_time(chip)
    found = {}
    for factor in (0.5, 1.0, 2.0):
        (point,) = sweep(best, {"read_time": [best.operation.read_time * factor]})
        found[factor] = point.rates["lost"] + point.rates["raised"]
    assert found[1.0] <= min(found.values()) * 1.2


def test_commands(tmp_path: Path, run: Run) -> None:
    assert run("target", "check", "rram-2t2r-130nm")[0] == 0
    status, out, _ = run("target", "check", written(tmp_path, CHIP.replace("rows = 32", "rows = 0")), "--json")
    assert (status, json.loads(out)["rows"][0]["key"]) == (1, "array.rows")
    status, out, _ = run("target", "sweep", "--over", "read_time=1e-9:1e-8:2", "--json")
    rows: list[dict[str, Any]] = json.loads(out)["rows"]
    assert [row["read_time"] for row in rows] == [1e-9, 1e-8]
    for over, message in (("read_time", "give KEY=LOW:HIGH:COUNT"), ("supply=1:2", "a range is LOW:HIGH:COUNT")):
        status, _, error = run("target", "sweep", "--over", over)
        assert status == 2
        assert message in error
    status, _, error = run("target", "sweep", "--over", "supply=1,2", "--target", "nrf52840")
    assert (status, "is a microcontroller" in error) == (2, True)


def test_a_sweep_is_drawn(tmp_path: Path, run: Run) -> None:
    pytest.importorskip("matplotlib", reason="needs trit[plot]")
    picture = tmp_path / "sweep.svg"
    status, _, error = run("target", "sweep", "--over", "supply=0.8:1.2:2", "--plot", str(picture))
    assert status == 0, error
    assert picture.read_text().startswith("<?xml")
    status, _, error = run("target", "sweep", "--over", "corner=tt,ss", "--plot", str(picture))
    assert (status, "none of corner is a number" in error) == (2, True)


def test_tuning_takes_less_energy_at_the_accuracy(run: Run) -> None:
    status, _, error = run("zoo", "fashion-ternary-cnn", "-o", "f.onnx")
    assert status == 0, error
    command = ("target", "tune", "f.onnx", "--chips", "2", "--images", "64", "--loss", "3", "--json")
    status, out, error = run(*command)
    assert status == 0, error
    found = json.loads(out)
    (best,) = [row for row in found["rows"] if row["best"]]
    assert best["accuracy"] >= found["accuracy"] - 0.03
    assert all(row["energy"] >= best["energy"] for row in found["rows"] if row["accuracy"] >= found["accuracy"] - 0.03)
