# SPDX-License-Identifier: Apache-2.0
"""The main job from end to end: a network is trained, exported, verified, deployed and profiled on three targets.

`make demo` runs it: first on scikit-learn's digits, then with the fashion-ternary-cnn that ships with trit.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

from rich.console import Console

from trit.files import read_model
from trit.inputs import Inputs, inputs_for
from trit.main import app
from trit.tables import Column, show
from trit.targets.accuracy import accuracy
from trit.targets.description import Target, load_target
from trit.targets.profile import profile
from trit.targets.quantities import quantity

FOLDER = Path("runs/demo")
TARGETS = ("host", "nrf52840", "rram-2t2r-130nm")
stderr = Console(stderr=True)


def main() -> None:
    start = time.perf_counter()
    FOLDER.mkdir(parents=True, exist_ok=True)
    trit("train", "digits-ternary-mlp", "--out", str(FOLDER))
    demonstrate("digits", "export", str(FOLDER / "model.pt"))
    demonstrate("fashion", "zoo", "fashion-ternary-cnn")
    print(f"\nall of it in {time.perf_counter() - start:.0f} s; what was built is in {FOLDER}/")


def demonstrate(name: str, *source: str) -> None:
    """From the model that the command `source` gives to the table of targets."""
    model = FOLDER / f"{name}.onnx"
    trit(*source, "-o", str(model))
    trit("verify", str(model), "--images", "16")
    for target in TARGETS:
        trit("deploy", str(model), "--target", target, "-o", str(FOLDER / f"{name}-{target}"))
    graph = read_model(model)
    inputs = inputs_for(graph, 256 if name == "fashion" else None)
    rows = []
    for target in TARGETS:
        with stderr.status(f"{name} on {target}"):
            rows.append(row(graph, load_target(target), inputs))
    show(f"{graph.metadata['name']} on {inputs.origin}", COLUMNS, rows)


def row(graph: Any, target: Target, inputs: Inputs) -> dict[str, Any]:
    """One target's line: accuracy on all the images, costs of one."""
    costs = profile(graph, target, inputs.images)
    return {
        "target": target.name,
        "accuracy": str(accuracy(graph, target, inputs.images, inputs.labels)),
        "bits": costs.weight_bits,
        "latency": f"{quantity(costs.latency, 's')} ({costs.latency_origin})",
        "energy": f"{quantity(costs.energy, 'J')} ({costs.energy_origin})",
        "flash": costs.flash,
        "ram": costs.ram,
    }


def trit(*words: str) -> None:
    """Run a command of trit as a user would, and stop the demo if it fails."""
    print(f"\n$ trit {' '.join(words)}", flush=True)
    if app(list(words), standalone_mode=False):
        sys.exit(f"demo: trit {words[0]} failed")


COLUMNS = [
    Column("target", "target"),
    Column("accuracy", "accuracy"),
    Column("bits", "weight bits", "{:,}"),
    Column("latency", "latency"),
    Column("energy", "energy"),
    Column("flash", "flash, bytes", "{:,}"),
    Column("ram", "RAM, bytes", "{:,}"),
]

if __name__ == "__main__":
    main()
