# SPDX-License-Identifier: Apache-2.0
"""Running an exported network in stock onnxruntime."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from trit.runtime.errors import MissingExtra

BATCH = 256


def run_onnxruntime(model: bytes, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Scores (N, classes) of uint8 images (N, C, H, W), in batches. Raises MissingExtra without onnxruntime."""
    try:
        import onnxruntime
    except ImportError:
        raise MissingExtra("onnxruntime", "onnxruntime") from None
    session: Any = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    batches = [session.run(None, {name: images[at : at + BATCH]})[0] for at in range(0, len(images), BATCH)]
    return np.concatenate(batches)
