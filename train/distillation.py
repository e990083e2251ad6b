# SPDX-License-Identifier: Apache-2.0
"""Knowledge distillation: a larger trained network's scores as targets beside the labels."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import kl_div, log_softmax

from trit.runtime.errors import TritError
from trit.train.checkpoint import load_model
from trit.train.recipe import Recipe, Teacher


class Distillation(nn.Module):
    """Mixes what a teacher says of the images into a loss (Hinton et al. 2015, arXiv:1503.02531, section 2).

        (1 - share)·loss + share·T²·KL(softmax(teacher's scores / T) ‖ softmax(scores / T)), the mean over the images

    The teacher is a model.pt of `trit train`, in evaluation mode; it sees the images as they were augmented. Raises
    TritError where it cannot be read, or is of other images or classes than the recipe.
    """

    def __init__(self, teacher: Teacher, recipe: Recipe) -> None:
        super().__init__()
        self.network, taught = load_model(teacher.model)
        if (taught.input_shape, taught.labels) != (recipe.input_shape, recipe.labels):
            different = f"{teacher.model} was trained on {taught.data}, whose images or classes are others"
            raise TritError(f"recipe {recipe.name}: teacher.model: {different}")
        self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.share, self.temperature = teacher.share, teacher.temperature

    def forward(self, loss: Tensor, scores: Tensor, images: Tensor) -> Tensor:
        with torch.no_grad():
            targets = self.network(images)
        wanted, found = (log_softmax(each.float() / self.temperature, 1) for each in (targets, scores))
        apart = kl_div(found, wanted, reduction="batchmean", log_target=True)
        return (1 - self.share) * loss + self.share * self.temperature**2 * apart
