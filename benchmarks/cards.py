# SPDX-License-Identifier: Apache-2.0
"""The zoo's cards: what each network gives on its test set, on three boards and on an RRAM chip.

python -m benchmarks.cards [NAME...]     writes cli/zoo/NAME.json

Accuracy is that of the exported network in the C runtime, measured; cycles are those of the boards' models for its
firmware, which is simulated. The data sets, the keywords' recordings too, are where `trit train` looks for them.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from datetime import date
from pathlib import Path
from typing import Any

from benchmarks.report import version
from trit.commands.zoo import network_bytes, networks

ROOT = Path(__file__).parents[1]
BOARDS = ("stm32l4r5", "stm32u585", "esp32-c3")
CHIP = "rram-2t2r-130nm"


def main() -> None:
    names = [network["name"] for network in networks()]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help="default: all")
    arguments = parser.parse_args()
    made_by = version()
    for name in arguments.names or names:
        content = card(name, made_by)
        lines = (f" {json.dumps(key)}: {json.dumps(value, ensure_ascii=False)}" for key, value in content.items())
        (ROOT / "cli" / "zoo" / f"{name}.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")
        print(f"{name}: {content['right']} of {content['images']}", flush=True)


def card(name: str, made_by: str) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / f"{name}.onnx"
        model.write_bytes(network_bytes(name))
        tested = trit("confusion", str(model))
        boards = trit("profile", str(model), "--target", ",".join(BOARDS))["profiles"]
        chip = trit("profile", str(model), "--target", CHIP)
    counts = [row["counts"] for row in tested["rows"]]
    return {
        "date": str(date.today()),
        "version": made_by,
        "images": sum(map(sum, counts)),
        "right": sum(row[index] for index, row in enumerate(counts)),
        "labels": tested["labels"],
        "counts": counts,  # a row an image's class, a column what it was taken for
        "weight_bits": boards[0]["weight_bits"],
        "macs": sum(layer["macs"] for layer in boards[0]["layers"]),
        "boards": [board(profile) for profile in boards],
        "chip": {"target": CHIP, **cost(chip)},
    }


def board(profile: dict[str, Any]) -> dict[str, Any]:
    layers = profile["layers"]
    return {
        "target": profile["target"],
        "title": profile["title"],
        "instructions": sum(layer["instructions"] for layer in layers),  # simulated
        "cycles": [round(sum(layer["cycles"][end] for layer in layers)) for end in (0, 1)],  # fewest and most
        "origin": profile["latency_origin"],
        "seconds": profile["latency"],
        "flash": profile["flash"],  # bytes
        "ram": profile["ram"],
    }


def cost(answer: dict[str, Any]) -> dict[str, Any]:
    """Joules and seconds an image, or why the chip does not hold the network."""
    if "error" in answer:
        return {"refused": answer["error"]}
    (profile,) = answer["profiles"]
    return {key: profile[key] for key in ("energy", "latency", "energy_origin", "latency_origin")}


def trit(*words: str) -> dict[str, Any]:
    """What the command says as JSON, or its error."""
    done = subprocess.run([sys.executable, "-m", "trit", *words, "--json"], capture_output=True, text=True)
    if done.returncode == 2:
        return {"error": done.stderr.strip().removeprefix("trit: ")}
    done.check_returncode()
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


if __name__ == "__main__":
    main()
