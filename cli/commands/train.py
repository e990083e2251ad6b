# SPDX-License-Identifier: Apache-2.0
"""trit train: a recipe becomes model.pt."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from trit import completion
from trit.options import Data, Json
from trit.sparks import sparkline
from trit.tables import Column, show, show_json

if TYPE_CHECKING:
    from trit.train.faults import ErrorModel
    from trit.train.recipe import Faults


def train(
    recipe: Annotated[
        str,
        typer.Argument(
            help="digits-ternary-mlp, mnist-binary-mlp, fashion-ternary-cnn, fashion-binary-cnn, "
            "fashion-ternary-8bit-cnn, fashion-ternary-small, cifar10-ternary-small, cifar10-ternary-vgg, "
            "cifar10-binary-resnet, kws-ternary-dscnn, "
            "metaplastic-permuted-mnist, metaplastic-permuted-mnist-10, metaplastic-permuted-mnist-4096, "
            "metaplastic-mnist-fashion, metaplastic-stream-fashion, metaplastic-stream-cifar10, metaplastic-classes, "
            "ep-mnist-mlp, ep-mnist-binary, ep-cifar10-small, ep-cifar10, "
            "or the path of a TOML file.",
            autocompletion=completion.recipes,
        ),
    ],
    data: Data = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for model.pt and history.jsonl; default runs/RECIPE.")
    ] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a key, e.g. training.epochs=3.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the last checkpoint in --out.")] = False,
    json: Json = False,
) -> None:
    """Train a binary or ternary network, on one data set or on tasks one after the other.

    Example: trit train fashion-ternary-cnn --out runs/fashion --set training.epochs=5

    Example: trit train mnist-binary-mlp --set faults.target=rram-2t2r-130nm
    """
    from rich.console import Console

    from trit.train.distributed import leave
    from trit.train.run import keep_freed_memory
    from trit.train.run import train as run

    console = Console(stderr=True)
    folder = out or Path("runs") / Path(recipe).stem
    keep_freed_memory()
    result = run(recipe, data, folder, set_, resume, console, error_model)
    leave()
    if json:
        found = {"model": str(result.model), "accuracy": result.accuracy, "seconds": result.seconds}
        show_json(**found, rows=result.tasks or result.epochs)
        return
    for name, text in _curves(result.epochs):
        typer.echo(f"{name:20} {text}")
    tests = list(result.tasks[-1]["accuracy"]) if result.tasks else []
    if tests:
        columns = [Column("task", "after training with"), *(Column(test, test, "{:.2%}") for test in tests)]
        rows = [{"task": line["task"], **line["accuracy"]} for line in result.tasks]
        show("Accuracy on the tests so far", columns, rows)
    what = f"the mean of {len(tests)} tests" if len(tests) > 1 else "the test set"
    typer.echo(f"{result.accuracy:.2%} on {what} after {result.seconds:.0f} s: {result.model}")


def _curves(epochs: list[dict[str, float]]) -> Iterator[tuple[str, str]]:
    """What each column of the history did over the epochs."""
    for key in epochs[0] if len(epochs) > 2 else ():
        if key not in ("epoch", "seconds"):
            values = [line[key] for line in epochs]
            form = "{:.4f}" if key == "loss" else "{:.2%}"
            yield key.replace("_", " "), f"{sparkline(values)}  {form.format(values[0])} → {form.format(values[-1])}"


def error_model(faults: Faults) -> ErrorModel:
    """The errors of a recipe's [faults], at a target's rates or one bit error rate."""
    from trit.targets.rram.errors import error_model as of_target

    return of_target(faults.target, faults.ber)
