# SPDX-License-Identifier: Apache-2.0
"""How values become bits; include/trit/bits.h is the same in C.

binary: values -1, +1; one plane `sign`, the bit is 1 for -1. ternary: values -1, 0, +1; planes `nonzero` and
`sign`, sign a subset of nonzero. Value i of the last axis is bit i % 32 of word i // 32; padding bits are 0.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

WORD_BITS = 32

Words = npt.NDArray[np.uint32]
Values = npt.NDArray[Any]


def words(values: int) -> int:
    """Words that hold `values` bits."""
    return -(-values // WORD_BITS)


def pack_bits(bits: npt.NDArray[np.bool_]) -> Words:
    """Boolean (..., C) to little-endian words (..., words(C))."""
    packed = np.packbits(bits, axis=-1, bitorder="little")
    padding = words(bits.shape[-1]) * 4 - packed.shape[-1]
    packed = np.pad(packed, [(0, 0)] * (packed.ndim - 1) + [(0, padding)])
    return np.ascontiguousarray(packed).view("<u4")


def unpack_bits(packed: Words, count: int) -> npt.NDArray[np.bool_]:
    """Words (..., words(count)) to boolean (..., count)."""
    as_bytes = np.ascontiguousarray(packed, dtype="<u4").view(np.uint8)
    return np.unpackbits(as_bytes, axis=-1, count=count, bitorder="little").astype(np.bool_)


def pack_signs(values: Values) -> Words:
    """Binary values (..., C) to sign words (..., words(C))."""
    return pack_bits(values < 0)


def pack_planes(values: Values, kind: str) -> Words:
    """Values (..., C) of `kind` to planes (..., P, words(C)): sign alone for binary, nonzero and sign for ternary."""
    planes = [pack_signs(values)] if kind == "binary" else [pack_bits(values != 0), pack_signs(values)]
    return np.stack(planes, axis=-2)


def pack_bytes(values: Values) -> Words:
    """int8 values (..., C) to words (..., ⌈C / 4⌉): value i is byte i % 4 of word i // 4, padding is 0."""
    padding = -values.shape[-1] % 4
    padded = np.pad(values.astype(np.int8), [(0, 0)] * (values.ndim - 1) + [(0, padding)])
    return np.ascontiguousarray(padded).view("<u4")


def unpack_planes(planes: Words, kind: str, count: int) -> npt.NDArray[np.int8]:
    """The reverse of `pack_planes`: planes (..., P, words(count)) to values (..., count)."""
    sign = unpack_bits(planes[..., -1, :], count).astype(np.int8)
    nonzero = unpack_bits(planes[..., 0, :], count).astype(np.int8) if kind == "ternary" else np.int8(1)
    return np.asarray(nonzero - 2 * sign, dtype=np.int8)
