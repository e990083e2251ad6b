# SPDX-License-Identifier: Apache-2.0
"""What callers may pass as images, made into one uint8 batch."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from trit.runtime.errors import TritError


def as_images(x: npt.ArrayLike, shape: tuple[int, int, int]) -> npt.NDArray[np.uint8]:
    """A contiguous uint8 batch (N, C, H, W) of one image or of many.

    Axes of size 1 may be left out: (H, W) where C is 1, (C,) where H and W are 1, each with or without N in front. A
    network whose channels are pixels also takes grey and colour images, (1, H, W) or (3, H, W), as they lie in memory.
    Values of any dtype are taken if they are integers 0..255. Raises TritError for anything else.
    """
    try:
        images = np.asarray(x)
    except ValueError as error:
        raise TritError(f"input is not an array: {error}") from error
    return np.ascontiguousarray(_as_uint8(_as_batch(images, shape)))


def _as_batch(images: npt.NDArray[np.generic], shape: tuple[int, int, int]) -> npt.NDArray[np.generic]:
    for short in _short_forms(shape):
        if images.shape == short:
            return images.reshape(1, *shape)
        if images.ndim == len(short) + 1 and images.shape[1:] == short:
            return images.reshape(len(images), *shape)
    is_picture = images.ndim in (3, 4) and images.shape[-3] in (1, 3)
    if is_picture and shape == (int(np.prod(images.shape[-3:])), 1, 1):
        return images.reshape(-1, *shape)
    expected = " or ".join(f"{short} or (N, {', '.join(map(str, short))})" for short in _short_forms(shape))
    raise TritError(f"input has shape {images.shape}; the network takes uint8 {expected}")


def _short_forms(shape: tuple[int, int, int]) -> list[tuple[int, ...]]:
    channels, height, width = shape
    forms: list[tuple[int, ...]] = [shape]
    if channels == 1 and (height, width) != (1, 1):
        forms.append((height, width))
    if height == width == 1:
        forms.append((channels,))
    return forms


def _as_uint8(images: npt.NDArray[np.generic]) -> npt.NDArray[np.uint8]:
    if images.dtype == np.uint8:
        return images.astype(np.uint8, copy=False)
    if images.dtype.kind not in "iufb":
        raise TritError(f"input is {images.dtype}; the network takes uint8 (integers 0..255)")
    if images.size and images.dtype.kind == "f":
        if not np.isfinite(images).all():
            raise TritError(f"input is {images.dtype} with NaN or infinity; the network takes integers 0..255")
        if (images != np.trunc(images.astype(np.float64))).any():
            raise TritError(f"input is {images.dtype} with fractions; the network takes integers 0..255, not 0..1")
    if images.size and (images.min() < 0 or images.max() > 255):
        raise TritError(f"input reaches from {images.min()} to {images.max()}; the network takes integers 0..255")
    return images.astype(np.uint8)
