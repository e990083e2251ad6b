# SPDX-License-Identifier: Apache-2.0
"""trit deploy: a build directory for a target, built, run and compared."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from trit.console import stderr
from trit.options import Inputs, Json, Model
from trit.tables import show_json


def deploy(
    model: Model,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder to write; new, empty or an earlier deployment.")
    ],
    target: Annotated[str, typer.Option(help="A target's name, or its .toml file.")] = "host",
    images: Annotated[int, typer.Option(min=1, help="How many test images go into the folder.")] = 4,
    inputs: Inputs = None,
    json: Json = False,
) -> None:
    """Write sources that stand alone (make run, without Python), run them on test images and compare the bits.

    Exit status 1 if any image's scores differ. Example: trit deploy fashion.onnx --target nrf52840 -o firmware
    """
    from trit.files import read_model
    from trit.inputs import inputs_for
    from trit.targets.deploy import deploy as deploy_to
    from trit.targets.description import load_target

    chosen = load_target(target)
    graph = read_model(model)
    tests = inputs_for(graph, images, file=inputs)
    with stderr.status(f"building for {chosen.name}"):
        done = deploy_to(graph, chosen, output, tests.images)
    if json:
        show_json(**asdict(done) | {"folder": str(done.folder)}, target=chosen.name, inputs=tests.origin)
    else:
        memory = [f"{name} {size:,} bytes" for name, size in (("flash", done.flash), ("RAM", done.ram)) if size]
        result = f"{done.equal} of {done.images} test images give the expected scores on {done.ran_on}"
        typer.echo("\n".join([f"{output}: {', '.join([result, *memory])}", f"run it yourself: make -C {output} run"]))
    raise typer.Exit(0 if done.equal == done.images else 1)
