# SPDX-License-Identifier: Apache-2.0
"""trit deploy: a build directory for a target, built, run and compared."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from trit import completion
from trit.console import stderr
from trit.options import Inputs, Json, Model, OneTask
from trit.tables import SCHEMA, show_json
from trit.targets.quantities import quantity

if TYPE_CHECKING:
    from trit.targets.profile import Profile


def deploy(
    model: Model,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder to write; new, empty or an earlier deployment.")
    ],
    target: Annotated[
        str, typer.Option(help="A target's name, or its .toml file.", autocompletion=completion.targets)
    ] = "host",
    images: Annotated[int, typer.Option(min=1, help="How many test images go into the folder.")] = 4,
    task: OneTask = None,
    inputs: Inputs = None,
    json: Json = False,
) -> None:
    """Write sources that stand alone (make run, without Python), run them on test images and compare the bits.

    Of a network with several tasks all are deployed, and each runs on the test images. Exit status 1 if any image's
    scores differ.

    Example: trit deploy fashion.onnx --target nrf52840 -o firmware
    """
    from trit.files import one_task, read_model
    from trit.inputs import inputs_for
    from trit.targets.deploy import deploy as deploy_to
    from trit.targets.description import Tvm, load_target
    from trit.targets.rram.chip import Rram

    chosen = load_target(target)
    graph = read_model(model)
    tests = inputs_for(graph, images, file=inputs, task=task)
    if task is not None or isinstance(chosen, Rram | Tvm):
        graph = one_task(graph, task, f"a deployment to {chosen.name}")
    with stderr.status(f"building for {chosen.name}"):
        about = {"schema": SCHEMA, "model": str(model), "inputs": tests.origin}
        done = deploy_to(graph, chosen, output, tests.images, about)
    if json:
        report = {"folder": str(output), "images": done.images, "equal": done.equal, "ran_on": done.ran_on}
        show_json(**report, target=chosen.name, inputs=tests.origin, profile=done.profile.as_json())
    else:
        result = f"{done.equal} of {done.images} test images give the expected scores on {done.ran_on}"
        typer.echo(
            "\n".join([f"{output}: {result}", *_figures(done.profile), f"run it yourself: make -C {output} run"])
        )
    raise typer.Exit(0 if done.equal == done.images else 1)


def _figures(profile: Profile) -> list[str]:
    lines = [f"{name} {text}" for name, text in profile.memory().items()] if profile.flash_parts else []
    latency = f"latency {quantity(profile.latency, 's')} ({profile.latency_origin})"
    energy = f"energy {quantity(profile.energy, 'J')} ({profile.energy_origin})"
    return [*lines, f"{latency}, {energy}; layer by layer in profile.json"]
