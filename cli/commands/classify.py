# SPDX-License-Identifier: Apache-2.0
"""trit classify: what a network takes images for."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from trit.options import Json, Task
from trit.tables import Column, show


def classify(
    model: Annotated[Path, typer.Argument(help="An exported model.onnx, a plan model.trit, or a model.pt.")],
    images: Annotated[Path, typer.Argument(help="Your images: .npy, or .npz with an array `images`.")],
    top: Annotated[int, typer.Option("--top", "-k", min=1, help="How many classes an image.")] = 1,
    task: Task = None,
    json: Json = False,
) -> None:
    """Print the classes that have the highest scores for each of your images, the highest first.

    Example: trit classify fashion.onnx mine.npy -k 3
    """
    from trit.files import load
    from trit.inputs import read_images

    session = load(model)
    if task is not None:
        session.task = task
    pictures, _ = read_images(images, session.input_shape)
    rows = [
        {"image": image, "class": found.index, "label": found.label or None, "score": found.score}
        for image, classes in enumerate(session.classify(pictures, top))
        for found in classes
    ]
    show(f"{model.name} on {len(pictures)} images of {images.name}", _COLUMNS, rows, json, model=str(model))


_COLUMNS = [
    Column("image", "image"),
    Column("class", "class"),
    Column("label", "label"),
    Column("score", "score", "{:.4g}"),
]
