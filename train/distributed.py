# SPDX-License-Identifier: Apache-2.0
"""Training in several processes that computes what one process computes with the same batch, up to rounding."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, TypeVar

import torch
import torch.distributed
from accelerate import PartialState
from accelerate.utils import broadcast_object_list
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from trit.runtime.errors import TritError

_Value = TypeVar("_Value")


def without_gpu() -> bool:
    """Whether this is one of several processes on CPUs: unless accelerate is told, each of them would train alone."""
    return "LOCAL_RANK" in os.environ and not torch.accelerator.is_available()


def processes() -> PartialState:
    """This process's number, and how many there are."""
    return PartialState(cpu=without_gpu())


def leave() -> None:
    """Leave the group once all have come here; of several processes all but the main one end with it.

    Some of gloo's threads outlive the group, and C++ aborts a process that ends normally while one of them runs.
    """
    several, main = processes().num_processes > 1, is_main()
    processes().wait_for_everyone()
    processes().destroy_process_group()
    if several and not main:
        os._exit(0)


def is_main() -> bool:
    """Whether this process is the one that writes and prints; alone it is."""
    return bool(processes().is_main_process)


def from_main(make: Callable[[], _Value]) -> _Value:
    """What `make` gives in the main process, or the TritError that it raises there, in all of them."""
    if processes().num_processes == 1:
        return make()
    found: list[Any] = [None, ""]
    if is_main():
        try:
            found[0] = make()
        except TritError as error:
            found[1] = str(error)
    broadcast_object_list(found)
    if found[1]:
        raise TritError(found[1])
    value: _Value = found[0]
    return value


@contextmanager
def batch_norm_of_all(network: nn.Module) -> Iterator[None]:
    """Within it, every batch norm that trains takes its mean and variance over the batches of all processes together.

    torch's SyncBatchNorm does this on GPUs alone. Sums of the values and then of their squared deviations are added up
    over the processes, in the backward pass those of their gradients, whatever the share of each. One process keeps
    torch's own.
    """
    norms = [module for module in network.modules() if isinstance(module, _BatchNorm)]
    if processes().num_processes == 1:
        norms = []
    for norm in norms:
        norm.forward = partial(_normalized, norm)  # type: ignore[method-assign]
    try:
        yield
    finally:
        for norm in norms:
            del norm.forward


def _normalized(norm: _BatchNorm, x: Tensor) -> Tensor:
    """(x - mean)/√(variance + eps)·weight + bias over the channels, axis 1; running statistics as torch keeps them."""
    if not norm.training:
        y: Tensor = type(norm).forward(norm, x)
        return y
    values = x if x.dtype == torch.float64 else x.float()
    axes, shape = [0, *range(2, x.ndim)], [1, -1, *(1 for _ in range(2, x.ndim))]
    own = torch.full((1,), x.numel() / x.shape[1], dtype=values.dtype, device=x.device)
    sums = _sum_of_all(torch.cat([values.sum(axes), own]))
    count = sums[-1].detach()
    mean = sums[:-1] / count
    deviations = values - mean.reshape(shape)
    variance = _sum_of_all(deviations.square().sum(axes)) / count
    _keep(norm, mean.detach(), (variance * count / (count - 1)).detach())
    y = deviations * (variance + norm.eps).rsqrt().reshape(shape)
    if norm.affine:
        y = y * norm.weight.reshape(shape) + norm.bias.reshape(shape)
    return y.to(x.dtype)


def _keep(norm: _BatchNorm, mean: Tensor, variance: Tensor) -> None:
    if norm.running_mean is None or norm.running_var is None or norm.num_batches_tracked is None:
        return
    norm.num_batches_tracked.add_(1)
    momentum = 1 / float(norm.num_batches_tracked) if norm.momentum is None else norm.momentum
    norm.running_mean.lerp_(mean.to(norm.running_mean.dtype), momentum)
    norm.running_var.lerp_(variance.to(norm.running_var.dtype), momentum)


class _SumOfAll(torch.autograd.Function):
    """Sum over the processes. Each process's output depends on every one's input, so that gradients are summed too."""

    @staticmethod
    def forward(context: Any, x: Tensor) -> Tensor:
        total = x.clone()
        torch.distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> Tensor:
        total = gradient.clone(memory_format=torch.contiguous_format)
        torch.distributed.all_reduce(total)
        return total


def _sum_of_all(x: Tensor) -> Tensor:
    y: Tensor = _SumOfAll.apply(x)  # type: ignore[no-untyped-call]
    return y
