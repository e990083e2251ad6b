# SPDX-License-Identifier: Apache-2.0
"""What test_train_distributed.py trains in one process, and as a program of torchrun in several."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import torch

from trit.train.data import load_train
from trit.train.distributed import is_main, leave
from trit.train.loop import Trainer
from trit.train.networks import build
from trit.train.recipe import parse_recipe
from trit.train.run import train

RECIPE = """
data = "digits"
[quantization]
weights = "binary"
activations = "ternary"
[network]
kind = "cnn"
stages = [[8]]
hidden = [16]
[training]
epochs = 2
batch = 64
shift = 1
optimizer = "adam"
metaplasticity = 5.0
learning_rate = 0.01
precision = "float32"
"""
CASES = {  # two processes share 33 images as 17 and 16
    "even": [],
    "uneven": ["training.batch=33"],
    "sgd": ["training.optimizer=sgd", "training.momentum=0.9", "quantization.weights=ternary"],
}
TASKS = [
    "data=digits",
    "tasks.count=2",
    "network.hidden=[64]",
    "training.epochs=3",
    "training.batch=50",
    "training.learning_rate=0.01",
    "training.metaplasticity=10",
    "training.precision=float32",
    "protection.kind=ewc",
    "protection.samples=200",
]


def trained(overrides: list[str]) -> dict[str, Any]:
    """Losses of two epochs in float64, and the network's state after them."""
    recipe = parse_recipe(RECIPE, "twin", overrides)
    torch.manual_seed(recipe.seed)
    network = build(recipe).double()
    network[0].register_forward_pre_hook(lambda _, inputs: inputs[0].double())
    trainer = Trainer(recipe, load_train("digits"), network)
    losses = [trainer.train_epoch(epoch, lambda: None) for epoch in range(recipe.training.epochs)]
    accuracy = trainer.accuracy(load_train("digits"))
    return {
        "losses": losses,
        "state": network.state_dict(),
        "accuracy": accuracy,
        "processes": trainer.accelerator.num_processes,
    }


def learned(folder: Path) -> list[dict[str, Any]]:
    """The history of two tasks with elastic weight consolidation, float32."""
    return train("metaplastic-permuted-mnist", out=folder, overrides=TASKS).tasks


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    found = {name: trained(overrides) for name, overrides in CASES.items()}
    found["tasks"] = {"history": learned(folder / "tasks")}
    if is_main():
        torch.save(found, folder / "found.pt")
    leave()
