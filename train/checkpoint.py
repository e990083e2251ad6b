# SPDX-License-Identifier: Apache-2.0
"""Files of training: model.pt, the result, and checkpoint.pt, where training goes on from.

Either is eight bytes of name, the SHA-256 of the rest, and a torch.save archive that is loaded with weights_only.
"""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import nn

from trit.runtime.errors import TritError, known_task
from trit.runtime.files import read_bytes, write_atomic
from trit.train.networks import build
from trit.train.recipe import Recipe, recorded_recipe

MAGIC = b"TRITPT1\n"
_HEADER = len(MAGIC) + 32
_FOREIGN = "not a model of trit train: it holds something else"


def write(path: Path, content: dict[str, Any]) -> None:
    """Write `content` (tensors, numbers, text, lists, dictionaries) atomically."""
    stream = io.BytesIO()
    torch.save(content, stream)
    data = stream.getvalue()
    write_atomic(path, MAGIC + hashlib.sha256(data).digest() + data)


def read(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Raises TritError if the file is foreign, truncated or damaged."""
    data = read_bytes(path)
    if not data.startswith(MAGIC):
        raise TritError(f"{path}: not a model of trit train (give the model.pt it wrote)")
    if hashlib.sha256(data[_HEADER:]).digest() != data[len(MAGIC) : _HEADER]:
        raise TritError(f"{path}: damaged or truncated: its checksum does not match")
    try:
        content = torch.load(io.BytesIO(data[_HEADER:]), map_location="cpu", weights_only=True)
    except Exception as error:  # torch's reader raises whatever a made-up file leads it to; it runs no code of it
        raise TritError(f"{path}: {_FOREIGN} ({type(error).__name__})") from error
    if not isinstance(content, dict):
        raise TritError(f"{path}: {_FOREIGN} (a {type(content).__name__})")
    return content


def save_model(
    path: Path,
    network: nn.Module,
    recipe: Recipe,
    accuracy: float,
    norms: dict[str, dict[str, torch.Tensor]] | None = None,
    hidden: dict[str, Any] | None = None,
) -> None:
    """`norms` is the batch norm of each task, where the network has learned several, and `hidden` how its hidden
    weights were distributed after each (trit.train.hidden)."""
    state = {name: value.detach().cpu() for name, value in network.state_dict().items()}
    content = {"recipe": recipe.text, "name": recipe.name, "state": state, "accuracy": accuracy}
    write(path, {**content, "norms": norms or {}, "hidden": hidden or {}})


def load_model(path: str | os.PathLike[str], task: str | None = None) -> tuple[nn.Sequential, Recipe]:
    """The trained network in evaluation mode, and its recipe; with the batch norm of `task`, or of the last one.

    Raises TritError as `read` does, and for a task that the model has no batch norm of.
    """
    content = read(path)
    if not {"recipe", "name", "state"} <= content.keys():
        raise TritError(f"{path}: a checkpoint of unfinished training; finish it with trit train --resume")
    if not all(isinstance(content[key], str) for key in ("recipe", "name")):
        raise TritError(f"{path}: {_FOREIGN}")
    recipe = recorded_recipe(content["recipe"], content["name"])
    _check_shapes(path, recipe, content["state"])
    network = build(recipe)
    network.load_state_dict(content["state"])
    if task is not None:
        norms = content.get("norms", {})
        network.load_state_dict(norms[known_task(task, norms)], strict=False)
    return network.eval(), recipe


def _check_shapes(path: str | os.PathLike[str], recipe: Recipe, state: Any) -> None:
    """Before the recipe's network takes memory: only as much as the file has weights for."""
    with torch.device("meta"):
        expected = {name: value.shape for name, value in build(recipe).state_dict().items()}
    found = {name: getattr(value, "shape", None) for name, value in state.items()} if isinstance(state, dict) else {}
    if found != expected:
        wrong = sorted(str(name) for name in expected.keys() | found.keys() if expected.get(name) != found.get(name))
        raise TritError(f"{path}: its weights are not those of its recipe's network: {', '.join(wrong[:3])}")


def load_tasks(path: str | os.PathLike[str]) -> Iterator[tuple[str, nn.Sequential]]:
    """Each task's name and the network with that task's batch norm: one network, which changes with the next.

    Nothing where there is one batch norm for all. Raises TritError as `read` does.
    """
    network, _ = load_model(path)
    for task, norms in read(path).get("norms", {}).items():
        network.load_state_dict(norms, strict=False)
        yield task, network
