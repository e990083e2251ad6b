# SPDX-License-Identifier: Apache-2.0
"""trit gradients: equilibrium propagation beside backpropagation through time."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from trit import completion
from trit.options import Data, Json
from trit.runtime.errors import TritError
from trit.tables import Column, show


def gradients(
    recipe: Annotated[
        str,
        typer.Argument(
            help="A recipe of a convergent network, or the model.pt it gave.", autocompletion=completion.recipes
        ),
    ],
    images: Annotated[int, typer.Option(min=1, help="How many training images the gradient is of.")] = 20,
    plot: Annotated[Path | None, typer.Option(help="Draw angle and ratio here (.svg, .png, .pdf).")] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a key, e.g. equilibrium.beta=0.01.")
    ] = None,
    data: Data = None,
    json: Json = False,
) -> None:
    """Compare the gradient that equilibrium propagation estimates with that of backpropagation through time.

    After t steps of the nudged phase, for each layer: the angle between its gradient and that of backpropagation
    through t steps at rest, and the ratio of their lengths, in float64. A recipe is compared as its seed begins.

    Example: trit gradients ep-mnist-mlp --plot angles.svg
    """
    import torch

    from trit.train.data import load_train
    from trit.train.equilibrium import ConvergentNetwork
    from trit.train.equilibrium_check import agreements
    from trit.train.equilibrium_learning import Propagation, one_hot

    network, chosen = _network(recipe, set_)
    convergent = network[-1]
    rule = chosen.equilibrium
    if rule is None or not isinstance(convergent, ConvergentNetwork) or rule.feedback == "separate":
        raise TritError(f"{recipe}: is no convergent network whose weights act back transposed")
    pixels, labels = load_train(chosen.data, data, chosen.words)
    batch = network[0](torch.tensor(pixels[:images])).double()
    target = one_hot(torch.tensor(labels[:images]), len(chosen.labels), torch.float64)
    rows: list[dict[str, Any]] = []
    for propagation in (
        Propagation(rule.beta, rule.nudged_steps, "one-sided"),
        Propagation(rule.beta, rule.nudged_steps),
    ):
        for found in agreements(convergent.double().train(), batch, target, propagation):
            rows.append({"estimator": propagation.estimator, **vars(found)})
    if plot is not None:
        from trit.plots import gradient_plot

        gradient_plot(plot, rows)
    title = f"{recipe}, β = {rule.beta}, {len(batch)} images of {chosen.data}"
    show(title, _COLUMNS, rows, json, recipe=recipe, beta=rule.beta, images=len(batch))


def _network(name: str, overrides: list[str] | None) -> tuple[Any, Any]:
    """The trained network of a model.pt and its recipe, or a recipe's as it begins."""
    import torch

    from trit.train.checkpoint import load_model
    from trit.train.networks import build
    from trit.train.recipe import read_recipe

    if Path(name).suffix == ".pt":
        if overrides:
            raise TritError(f"{name}: --set changes recipes, not trained models")
        return load_model(name)
    recipe = read_recipe(name, overrides)
    torch.manual_seed(recipe.seed)
    return build(recipe), recipe


_COLUMNS = [
    Column("estimator", "estimator"),
    Column("step", "steps"),
    Column("layer", "layer"),
    Column("angle", "angle, degrees", "{:.3g}"),
    Column("ratio", "|EP| / |BPTT|", "{:.4g}"),
]
