# SPDX-License-Identifier: Apache-2.0
"""The zoo's cards are of the networks that ship, and the page shows what they say."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from trit.commands.zoo import accuracy, card_of, network_bytes, networks
from trit.export.onnx_reader import read_onnx
from trit.export.plan import to_plan
from trit.runtime import Session
from trit.targets.profile import weight_bits

Run = Callable[..., tuple[int, str, str]]
PAGE = (Path(__file__).parents[1] / "docs" / "zoo.md").read_text()


@pytest.mark.parametrize("name", [network["name"] for network in networks()])
def test_a_card_is_of_the_network_that_ships(run: Run, tmp_path: Path, name: str) -> None:
    status, out, _ = run("zoo", name, "--card", "--json")
    found = json.loads(out)
    card = found["card"]
    assert status == 0 and len(card["boards"]) == 3 and sum(map(sum, card["counts"])) == card["images"]
    (tmp_path / "m.onnx").write_bytes(network_bytes(name))
    graph = read_onnx(tmp_path / "m.onnx")
    assert card["weight_bits"] == weight_bits(graph) and card["labels"] == graph.labels
    assert card["macs"] == sum(step.macs for step in Session(to_plan(graph)).steps)
    if name.startswith("digits"):  # whose test set is there without a download
        assert run("confusion", "m.onnx", "--json")[1].count("counts") == 10
        assert json.loads(run("confusion", "m.onnx", "--json")[1])["rows"][3]["counts"] == card["counts"][3]
    status, out, _ = run("zoo", name, "--card")
    assert status == 0 and found["data"].split()[0] in out and "stm32l4r5" in out and "is / taken for" in out


@pytest.mark.parametrize("network", networks(), ids=lambda network: network["name"])
def test_the_page_says_what_the_card_says(network: dict[str, object]) -> None:
    name = str(network["name"])
    card = card_of(name)
    chip = card["chip"]
    (row,) = (
        line for line in PAGE.splitlines() if line.startswith(f"| `{name}` | {accuracy(card):.2%}".replace("%", " %"))
    )
    for text in (f"{card['weight_bits']:,}", f"{card['macs']:,}", f"{len(network_bytes(name)):,}"):
        assert f"| {text} |" in row
    assert ("no: " if "refused" in chip else f"{chip['energy'] * 1e9:,.1f} nJ") in row
    (row,) = (
        line for line in PAGE.splitlines() if line.startswith(f"| `{name}` | {card['boards'][0]['instructions']:,} ")
    )
    for board in card["boards"]:
        low, high = (round(cycles, -3) for cycles in board["cycles"])
        assert f"{low:,} to {high:,}" in row
