# SPDX-License-Identifier: Apache-2.0
"""What quantization costs a training step: the recipe's network beside the same one in plain torch, Brevitas and Larq.

The plain network has torch's own layers and ReLU where the other has quantized layers and activations. All but Larq's
go through the trainer of `trit train`, on the same batch, in turn. Larq is measured where TRIT_LARQ names the Python
that has it, compiled by TensorFlow, on as many threads and in the same precision.
"""

from __future__ import annotations

import copy
import os
from collections.abc import Callable
from importlib.util import find_spec

import torch
from accelerate.state import AcceleratorState
from torch import nn

from benchmarks.peer import Peer
from benchmarks.report import Row, interleaved, milliseconds, ratio, run
from trit.train.data import Images, Labels
from trit.train.layers import BinaryActivation, QuantConv2d, QuantLinear, TernaryActivation
from trit.train.loop import Trainer
from trit.train.networks import build
from trit.train.recipe import Cnn, Recipe, read_recipe
from trit.train.run import keep_freed_memory

LARQ = os.environ.get("TRIT_LARQ")
ROUNDS = 30
BARS = {"float32": "≤ 1.3", "bfloat16": "≤ 1.5"}
Replace = Callable[[nn.Module], nn.Module]


def main() -> None:
    keep_freed_memory()  # as trit train does
    work = {
        f"{recipe}, {precision}": lambda recipe=recipe, precision=precision: step_cost(recipe, precision)
        for recipe in ("fashion-ternary-cnn", "fashion-binary-cnn")
        for precision in BARS
    }
    run("Training step, 100 images", work)


def step_cost(name: str, precision: str) -> list[Row]:
    AcceleratorState._reset_state(reset_partial_state=True)  # a process has one precision otherwise
    recipe = read_recipe(name, [f"training.precision={precision}", f"training.epochs={2 * ROUNDS}"])
    network = build(recipe)
    networks = {"trit": network, "plain torch": replaced(network, plain_layer)}
    if find_spec("brevitas"):
        networks["Brevitas"] = replaced(network, brevitas_layer)
    steps = {peer: step_of(recipe, copy.deepcopy(network)) for peer, network in networks.items()}
    with Peer(LARQ, "larq_step.py") as larq:
        if larq:
            command = f"{torch.get_num_threads()} {precision} {network_of(recipe)}"
            steps["Larq"] = lambda: larq.ask(command)
        times = interleaved(steps, ROUNDS)
    work = f"{name}, {precision}"
    cost = ratio(times, "trit", "plain torch")
    rows = [Row(f"{work}: time", cost, "× plain torch", "plain torch", 1.0, BARS[precision])]
    rows += [
        Row(f"{work}: steps a second", ratio(times, peer, "trit"), f"× {peer}", bar="≥ 1")
        for peer in times
        if peer in ("Brevitas", "Larq")
    ]
    mine = milliseconds(times["trit"])
    rows += [Row(f"{work}: step", mine, "ms", peer, milliseconds(times[peer])) for peer in times if peer != "trit"]
    return rows


def network_of(recipe: Recipe) -> str:
    """What larq_step.py builds: the kind of weights, stages of channels, hidden units, images a batch."""
    assert isinstance(recipe.network, Cnn)
    stages = "/".join(",".join(map(str, stage)) for stage in recipe.network.stages)
    hidden = ",".join(map(str, recipe.network.hidden))
    return f"{recipe.quantization.activations} {stages} {hidden} {recipe.training.batch}"


def step_of(recipe: Recipe, network: nn.Module) -> Callable[[], object]:
    """One training step on a fixed batch of random images."""
    batch = recipe.training.batch
    generator = torch.Generator().manual_seed(0)
    images: Images = torch.randint(0, 256, (batch, *recipe.input_shape), generator=generator, dtype=torch.uint8).numpy()
    labels: Labels = torch.randint(0, 10, (batch,), generator=generator).numpy()
    trainer = Trainer(recipe, (images, labels), network)
    trainer.model.train()
    criterion = nn.CrossEntropyLoss()
    return lambda: trainer.step(trainer.images, trainer.labels, criterion)


def replaced(network: nn.Sequential, layer: Replace) -> nn.Sequential:
    return nn.Sequential(*(layer(module) for module in network))


def plain_layer(module: nn.Module) -> nn.Module:
    match module:
        case QuantConv2d():
            return nn.Conv2d(*_channels(module), module.kernel_size, padding=module.padding, bias=False)
        case QuantLinear():
            return nn.Linear(*_channels(module), bias=False)
        case BinaryActivation() | TernaryActivation():
            return nn.ReLU()
    return copy.deepcopy(module)


def brevitas_layer(module: nn.Module) -> nn.Module:
    """Brevitas' own binary and ternary quantizers, with constant scales, as its BNN examples have them."""
    from brevitas import nn as brevitas
    from brevitas import quant

    weights = {"binary": quant.SignedBinaryWeightPerTensorConst, "ternary": quant.SignedTernaryWeightPerTensorConst}
    match module:
        case QuantConv2d():
            return brevitas.QuantConv2d(
                *_channels(module),
                module.kernel_size,
                padding=module.padding,
                bias=False,
                weight_quant=weights[module.weight_quantizer.kind],
            )
        case QuantLinear():
            kind = module.weight_quantizer.kind
            return brevitas.QuantLinear(*_channels(module), bias=False, weight_quant=weights[kind])
        case BinaryActivation():
            return brevitas.QuantIdentity(act_quant=quant.SignedBinaryActPerTensorConst)
        case TernaryActivation():
            return brevitas.QuantIdentity(act_quant=quant.SignedTernaryActPerTensorConst)
    return copy.deepcopy(module)


def _channels(module: nn.Module) -> tuple[int, int]:
    if isinstance(module, nn.Linear):
        return module.in_features, module.out_features
    assert isinstance(module, nn.Conv2d)
    return module.in_channels, module.out_channels


if __name__ == "__main__":
    main()
