# SPDX-License-Identifier: Apache-2.0
"""The bit convention of bits.py and of bits.h is the same."""

from __future__ import annotations

import ctypes

import numpy as np
import pytest
from tests_support import WORD_BOUNDARIES

from trit.runtime import bits
from trit.runtime.library import library

COUNTS = (*WORD_BOUNDARIES, 2, 96, 1000)


def c_planes(values: np.ndarray, kind: str) -> np.ndarray:
    nonzero, sign = np.full((2, bits.words(len(values))), 0xDEADBEEF, np.uint32)
    pointer = nonzero.ctypes.data if kind == "ternary" else None
    library().trit_host_pack(values.ctypes.data, len(values), pointer, sign.ctypes.data)
    return np.stack([nonzero, sign] if kind == "ternary" else [sign])


def draw(rng: np.random.Generator, kind: str, count: int) -> np.ndarray:
    return rng.choice([-1, 1] if kind == "binary" else [-1, 0, 1], count).astype(np.int8)


@pytest.mark.parametrize("kind", ["binary", "ternary"])
@pytest.mark.parametrize("count", COUNTS)
def test_packing(kind: str, count: int) -> None:
    values = draw(np.random.default_rng(count), kind, count)
    planes = bits.pack_planes(values, kind)
    assert planes.dtype == np.uint32 and planes.shape == (1 if kind == "binary" else 2, bits.words(count))
    assert np.array_equal(planes, c_planes(values, kind))
    assert np.array_equal(bits.unpack_planes(planes, kind, count), values)
    padding = np.unpackbits(planes.view(np.uint8), axis=-1, bitorder="little")[:, count:]
    assert not padding.any()
    assert not (planes[-1] & ~planes[0]).any()  # sign within nonzero


@pytest.mark.parametrize("left", ["binary", "ternary"])
@pytest.mark.parametrize("right", ["binary", "ternary"])
@pytest.mark.parametrize("count", COUNTS)
def test_dot(left: str, right: str, count: int) -> None:
    rng = np.random.default_rng(count)
    a, b = draw(rng, left, count), draw(rng, right, count)
    arguments: list[ctypes.c_void_p] = []
    kept = [bits.pack_planes(a, left), bits.pack_planes(b, right)]
    for planes, kind in zip(kept, (left, right), strict=True):
        nonzero = planes[0].ctypes.data if kind == "ternary" else None
        arguments += [ctypes.c_void_p(nonzero), ctypes.c_void_p(planes[-1].ctypes.data)]
    assert library().trit_host_dot(*arguments, count) == int(a.astype(int) @ b.astype(int))


def test_axes_in_front_are_kept() -> None:
    values = draw(np.random.default_rng(0), "ternary", 3 * 2 * 40).reshape(3, 2, 40)
    planes = bits.pack_planes(values, "ternary")
    assert planes.shape == (3, 2, 2, 2)
    assert np.array_equal(bits.unpack_planes(planes, "ternary", 40), values)
    assert bits.pack_bits(np.array([True, False, True])).tolist() == [5]
