# SPDX-License-Identifier: Apache-2.0
"""The training loop, on Hugging Face accelerate, so that torchrun takes it to more processes."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from accelerate import Accelerator
from torch import Tensor, nn

from trit.runtime.errors import TritError
from trit.train.consolidation import Protection
from trit.train.distillation import Distillation
from trit.train.distributed import batch_norm_of_all, without_gpu
from trit.train.faults import ErrorModel, make_faulty
from trit.train.metaplastic import MetaplasticAdam, MetaplasticSGD, parameter_groups
from trit.train.networks import build
from trit.train.recipe import Recipe

DataSet = tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]
TEST_BATCH = 500


class Trainer:
    """A recipe's network, optimizer and schedule, and one epoch at a time of training on in-memory images.

    Every epoch draws its order and augmentation from its own seed, so that resuming needs no generator state.
    `network` takes the place of the recipe's; `errors` is what the recipe's faults stand for; `protection` has a word
    in each step for the tasks that the network has learned before. Of several processes each takes its share of every
    batch, and all come to the same network. Raises TritError for a batch that has not an image for each.
    """

    def __init__(
        self,
        recipe: Recipe,
        train_set: DataSet,
        network: nn.Module | None = None,
        errors: ErrorModel | None = None,
        protection: Protection | None = None,
    ) -> None:
        torch.manual_seed(recipe.seed)
        self.recipe, training = recipe, recipe.training
        self.bfloat16 = training.precision == "bfloat16" or (training.precision == "auto" and gains_by_bfloat16())
        # accelerate keeps one precision for all of a process; recipes of two precisions may be trained in one.
        self.accelerator = Accelerator(cpu=without_gpu(), mixed_precision="no")
        self.share = slice(self.accelerator.process_index, None, self.accelerator.num_processes)
        if training.batch < self.accelerator.num_processes:
            few = f"{training.batch} images cannot be shared out among {self.accelerator.num_processes} processes"
            raise TritError(f"recipe {recipe.name}: training.batch: {few}")
        self.network = build(recipe) if network is None else network
        self.faults = make_faulty(self.network, errors, recipe.faults.per) if recipe.faults and errors else []
        self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.images, self.labels = _on(self.accelerator, train_set)
        self.steps_per_epoch = len(self.images) // training.batch
        self.protection = protection or Protection()
        self.distillation = Distillation(recipe.teacher, recipe).to(self.accelerator.device) if recipe.teacher else None
        optimizer = self.make_optimizer()
        total = self.steps_per_epoch * training.epochs
        schedule: torch.optim.lr_scheduler.LRScheduler
        if training.schedule == "constant":
            schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1.0)
        elif training.schedule == "cosine":
            schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, total)
        else:
            rates = [group["lr"] for group in optimizer.param_groups]
            schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rates, total, pct_start=0.1)
        # The schedule counts steps itself: accelerate would advance it once a process.
        self.schedule = schedule
        # A filter of one channel has two descriptions of the same order, of which torch warns.
        warnings.filterwarnings("ignore", "Grad strides do not match bucket view strides")
        self.model, self.optimizer = self.accelerator.prepare(self.network, optimizer)

    @property
    def is_main(self) -> bool:
        return bool(self.accelerator.is_main_process)

    def train_epoch(self, epoch: int, on_step: Callable[[], None]) -> float:
        """One pass over the training set; the mean loss."""
        training = self.recipe.training
        generator = torch.Generator().manual_seed(1_000_003 * self.recipe.seed + epoch)
        order = torch.randperm(len(self.images), generator=generator)[: self.steps_per_epoch * training.batch]
        criterion = nn.CrossEntropyLoss(label_smoothing=training.label_smoothing)
        for number, faults in enumerate(self.faults):
            faults.renew(1_000_003 * self.recipe.seed + 1_009 * epoch + number)
        self.model.train()
        losses = torch.zeros((), device=self.accelerator.device)
        with batch_norm_of_all(self.network):
            for chosen in torch.split(order, training.batch):
                images = self._augment(self.images[chosen], generator)
                labels = self.labels[chosen][self.share]
                # Gradients and losses are averaged over the processes, whose shares may differ by an image.
                part = len(labels) * self.accelerator.num_processes / training.batch
                losses += self.step(images[self.share], labels, criterion, part)
                on_step()
        return float(self.accelerator.reduce(losses, "mean") / self.steps_per_epoch)

    def step(self, images: Tensor, labels: Tensor, criterion: nn.Module, part: float = 1.0) -> Tensor:
        """Forward, backward, and one step of optimizer and schedule; `part` times the mean loss of the images."""
        # torch takes one-channel images for channels_first unless their strides say otherwise, and goes on in that
        # order up to the first convolution that has more.
        images = torch.empty_like(images, memory_format=torch.channels_last).copy_(images)
        self.optimizer.zero_grad()
        loss = self.backward(images, labels, criterion, part)
        self.protection.before_step()
        self.optimizer.step()
        self.protection.after_step()
        self.schedule.step()
        return loss.detach()

    def make_optimizer(self) -> torch.optim.Optimizer:
        rate, decay = self.recipe.training.learning_rate, self.recipe.training.weight_decay
        if self.recipe.training.optimizer == "adamw":
            return torch.optim.AdamW(self.network.parameters(), rate, weight_decay=decay)
        groups = parameter_groups(self.network, self.recipe.training.metaplasticity)
        if self.recipe.training.optimizer == "sgd":
            momentum = self.recipe.training.momentum
            return MetaplasticSGD(groups, rate, momentum=momentum, weight_decay=decay)
        return MetaplasticAdam(groups, rate, weight_decay=decay)

    def backward(self, images: Tensor, labels: Tensor, criterion: nn.Module, part: float) -> Tensor:
        """Set the gradients of `part` times the mean loss of the images, and return that."""
        lower_precision = torch.autocast(images.device.type, torch.bfloat16, enabled=self.bfloat16)
        with lower_precision:
            scores = self.model(images)
        loss: Tensor = criterion(scores.float(), labels)
        if self.distillation:
            with lower_precision:
                loss = self.distillation(loss, scores, images)
        loss = part * loss
        self.accelerator.backward(loss)
        return loss

    def accuracy(self, data: DataSet) -> float:
        """Fraction of images classified right, in evaluation mode and float32; each process takes its share."""
        images, labels = _on(self.accelerator, data)
        self.network.eval()
        right = (evaluate(self.network, images[self.share]).argmax(1) == labels[self.share]).sum()
        return int(self.accelerator.reduce(right, "sum")) / len(labels)

    def state(self) -> dict[str, Any]:
        """What `restore` needs to go on after the epochs so far."""
        return {
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        self.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.schedule.load_state_dict(state["schedule"])

    def _augment(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Mirror half of the images; move each by up to `shift` pixels, the edges filled with the zero point; make each
        brighter or darker by up to `brightness`; turn its rows by up to `roll`."""
        training = self.recipe.training
        if training.flip:
            mirrored = torch.rand(len(images), 1, 1, 1, generator=generator).to(images.device) < 0.5
            images = torch.where(mirrored, images.flip(3), images)
        if training.shift:
            images = _shifted(images, training.shift, self.recipe.zero_point, generator)
        if training.roll:
            images = _rolled(images, _draw(training.roll, images, generator))
        if training.brightness:
            change = _draw(training.brightness, images, generator).reshape(-1, 1, 1, 1)
            images = (images + change).clamp(0, 255).to(images.dtype)
        return images


def evaluate(forward: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
    """Scores (N, classes) of uint8 images (N, C, H, W), in batches."""
    with torch.inference_mode():
        return torch.cat([forward(batch) for batch in torch.split(images, TEST_BATCH)])


def _shifted(images: Tensor, most: int, fill: int, generator: torch.Generator) -> Tensor:
    count, _, height, width = images.shape
    padded = nn.functional.pad(images, (most, most, most, most), value=fill)
    down, right = torch.randint(0, 2 * most + 1, (2, count), generator=generator).to(images.device)
    rows = (down[:, None] + torch.arange(height, device=images.device))[:, None, :, None]
    columns = (right[:, None] + torch.arange(width, device=images.device))[:, None, None, :]
    image = torch.arange(count, device=images.device)[:, None, None, None]
    channel = torch.arange(images.shape[1], device=images.device)[None, :, None, None]
    return padded[image, channel, rows, columns]


def _draw(most: int, images: Tensor, generator: torch.Generator) -> Tensor:
    """A number from -most to most for each image."""
    return torch.randint(-most, most + 1, (len(images),), generator=generator).to(images.device)


def _rolled(images: Tensor, rows: Tensor) -> Tensor:
    """Images whose last `rows` rows come first."""
    order = (torch.arange(images.shape[2], device=images.device) - rows[:, None]) % images.shape[2]
    return images.gather(2, order[:, None, :, None].expand(images.shape))


def _on(accelerator: Accelerator, data: DataSet) -> tuple[Tensor, Tensor]:
    images, labels = data
    return torch.tensor(images).to(accelerator.device), torch.tensor(labels).to(accelerator.device)


def gains_by_bfloat16() -> bool:
    """Whether autocast to bfloat16 pays on this machine: a GPU, or a CPU with AMX or AMD's AVX512-BF16.

    Intel's AVX512-BF16 has half of AMD's rate: without AMX a convolution takes 1.4 to 1.9 times as long as in float32
    (measured on an Emerald Rapids).
    """
    cpu = torch.cpu.get_capabilities()
    amd = cpu.get("avx512_bf16", False) and "AMD" in cpu.get("cpu_name", "")
    return bool(torch.cuda.is_available() or cpu.get("amx_bf16", False) or amd)
