# SPDX-License-Identifier: Apache-2.0
"""Exported networks in onnxruntime: with trit's packed kernels, or as any onnxruntime runs them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from trit.runtime.errors import MissingExtra, TritError

BATCH = 256
# For RegisterCustomOpsLibrary in other languages.
ONNX_KERNELS = Path(__file__).parent / "libtrit_onnxruntime.so"


def onnx_session(model: str | os.PathLike[str] | bytes, *, kernels: bool = True, options: Any = None) -> Any:
    """An onnxruntime.InferenceSession on the processor, for a path or a file's bytes.

    With `kernels` trit's operators run packed, by the C runtime; without, onnxruntime inlines the bodies of their
    functions. The scores are the same bits. `options` is an onnxruntime.SessionOptions to take over; the kernels are
    registered in it. Raises MissingExtra without onnxruntime, TritError where it refuses the model.
    """
    try:
        import onnxruntime
    except ImportError:
        raise MissingExtra("onnxruntime", "onnxruntime") from None
    options = options or onnxruntime.SessionOptions()
    name, source = ("model", model) if isinstance(model, bytes) else (str(model), str(model))
    try:
        if kernels:
            options.register_custom_ops_library(str(ONNX_KERNELS))
        return onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime raises types of its own, which share no other base
        raise TritError(f"{name}: onnxruntime refuses it: {str(error).splitlines()[0]}") from error


def run_onnxruntime(
    model: str | os.PathLike[str] | bytes, images: npt.NDArray[np.uint8], *, kernels: bool = False
) -> npt.NDArray[np.float32]:
    """Scores (N, classes) of uint8 images (N, C, H, W), in batches. Raises what `onnx_session` raises."""
    session = onnx_session(model, kernels=kernels)
    name = session.get_inputs()[0].name
    batches = [session.run(None, {name: images[at : at + BATCH]})[0] for at in range(0, len(images), BATCH)]
    return np.concatenate(batches)
