# SPDX-License-Identifier: Apache-2.0
"""Exported networks in onnxruntime: with trit's packed kernels, or as any onnxruntime runs them."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import numpy.typing as npt

from trit.runtime.errors import MissingExtra, TritError, known_task
from trit.runtime.files import read_bytes
from trit.runtime.library import LIBRARY

BATCH = 256
TASKS = "trit_tasks"  # the metadata that names the tasks
# For RegisterCustomOpsLibrary in other languages.
ONNX_KERNELS = LIBRARY


def onnx_session(
    model: str | os.PathLike[str] | bytes, *, kernels: bool = True, options: Any = None, task: str | None = None
) -> Any:
    """An onnxruntime.InferenceSession on the processor, for a path or a file's bytes.

    With `kernels` trit's operators run packed, by the C runtime; without, onnxruntime inlines the bodies of their
    functions. The scores are the same bits. `options` is an onnxruntime.SessionOptions to take over; the kernels are
    registered in it.

    Of a network with tasks the session runs `task` alone. Without one stock onnxruntime has an input `task`, the task's
    index; the kernels, which take their thresholds when they are made, run the first. Raises MissingExtra without
    onnxruntime, TritError where it refuses the model or there is no such task.
    """
    try:
        import onnxruntime
    except ImportError:
        raise MissingExtra("onnxruntime", "onnxruntime") from None
    options = options or onnxruntime.SessionOptions()
    name, source = ("model", model) if isinstance(model, bytes) else (str(model), str(model))
    if kernels or task is not None:
        source = _of_task(source, task)
    try:
        if kernels:
            options.register_custom_ops_library(str(ONNX_KERNELS))
        return onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime raises types of its own, which share no other base
        raise TritError(f"{name}: onnxruntime refuses it: {str(error).splitlines()[0]}") from error


def _of_task(source: str | bytes, task: str | None) -> str | bytes:
    """The model with the task's index as a constant, which onnxruntime folds into what depends on it."""
    model = source if isinstance(source, bytes) else read_bytes(source)
    if task is None and TASKS.encode() not in model:
        return source
    from onnx import load_model_from_string, numpy_helper

    loaded = load_model_from_string(model)
    metadata = {entry.key: entry.value for entry in loaded.metadata_props}
    names = metadata[TASKS].split("\n") if TASKS in metadata else []
    index = names.index(known_task(task, names)) if task is not None else 0
    (fixed,) = (initializer for initializer in loaded.graph.initializer if initializer.name == "task")
    fixed.CopyFrom(numpy_helper.from_array(np.array(index, np.int64), "task"))
    loaded.graph.input.remove(next(entry for entry in loaded.graph.input if entry.name == "task"))
    data: bytes = loaded.SerializeToString()
    return data


def run_onnxruntime(
    model: str | os.PathLike[str] | bytes,
    images: npt.NDArray[np.uint8],
    *,
    kernels: bool = False,
    task: str | None = None,
) -> npt.NDArray[np.float32]:
    """Scores (N, classes) of uint8 images (N, C, H, W), in batches. Raises what `onnx_session` raises."""
    session = onnx_session(model, kernels=kernels, task=task)
    name = session.get_inputs()[0].name
    batches = [session.run(None, {name: images[at : at + BATCH]})[0] for at in range(0, len(images), BATCH)]
    return np.concatenate(batches)
