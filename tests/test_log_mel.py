# SPDX-License-Identifier: Apache-2.0
"""Log-mel features: the definition against its formula in real numbers, and C against the definition, bit for bit."""

from __future__ import annotations

import os
import re
import wave
from pathlib import Path

import numpy as np
import pytest
from c_tools import INCLUDE, RUNTIME

from trit.runtime import log_mel as features
from trit.runtime.library import library
from trit.runtime.log_mel import BANDS, FLOOR, FRAMES, HOP, RATE, WINDOW, log_mel

HEADER = (INCLUDE / "trit" / "log_mel.h").read_text()
SOURCE = (RUNTIME / "src" / "log_mel.c").read_text()


def in_c(samples: np.ndarray, chunk: int = HOP) -> tuple[np.ndarray, np.ndarray]:
    """Codes (frames, bands) of all frames, and of the last ones the image, by the C library, chunk by chunk."""
    samples = np.ascontiguousarray(samples, np.int16)
    codes = np.zeros((len(samples) // HOP + 1, BANDS), np.uint8)
    image = np.full((FRAMES, BANDS), 0xA5, np.uint8)
    pointers = samples.ctypes.data, len(samples), chunk, codes.ctypes.data, image.ctypes.data
    return codes[: library().trit_host_log_mel(*pointers)], image


def noise(seed: int, amplitude: float, count: int = RATE) -> np.ndarray:
    values = np.random.default_rng(seed).normal(0, amplitude, count)
    return values.round().clip(-32768, 32767).astype(np.int16)


def tone(hertz: float, amplitude: float, count: int = RATE) -> np.ndarray:
    return (amplitude * np.sin(2 * np.pi * hertz * np.arange(count) / RATE)).round().astype(np.int16)


def square(period: int, count: int = RATE) -> np.ndarray:
    return np.where(np.arange(count) % period < period // 2, 32767, -32768).astype(np.int16)


SOUNDS = {
    "silence": np.zeros(RATE, np.int16),
    "minimum": np.full(RATE, -32768, np.int16),
    "maximum": np.full(RATE, 32767, np.int16),
    **{f"square of {period}": square(period) for period in (2, 4, 16, 64, 512)},
    **{f"tone of {hertz} Hz": tone(hertz, 32767) for hertz in (31.25, 440, 1000, 4000, 7999)},
    "faint tone": tone(1000, 2),
    **{f"noise of {amplitude}": noise(int(amplitude), amplitude) for amplitude in (0.3, 1, 30, 1000, 30000, 1e6)},
    "click": np.eye(1, RATE, 5000, dtype=np.int16)[0] * 32767,
}


@pytest.mark.parametrize("name", SOUNDS)
def test_c_gives_the_same_bits(name: str) -> None:
    expected = log_mel(SOUNDS[name])
    assert (expected.shape, expected.dtype) == ((FRAMES, BANDS), np.uint8)
    codes, image = in_c(SOUNDS[name])
    np.testing.assert_array_equal(codes, expected)
    np.testing.assert_array_equal(image, expected)


@pytest.mark.parametrize("seed", range(20))
def test_c_gives_the_same_bits_for_random_sounds(seed: int) -> None:
    """Noise whose loudness changes by 2^15 on the way, under random tones."""
    rng = np.random.default_rng(seed)
    count = int(rng.integers(WINDOW, 3 * RATE))
    loud = 2 ** np.interp(np.arange(count), np.linspace(0, count, 9), rng.uniform(0, 15, 9))
    mixed = noise(seed, 1, count) * loud + tone(rng.uniform(20, 8000), rng.uniform(0, 20000), count)
    samples = mixed.clip(-32768, 32767).astype(np.int16)
    np.testing.assert_array_equal(in_c(samples, int(rng.integers(1, 2000)))[0], log_mel(samples))


def recordings() -> list[Path]:
    place = os.environ.get("TRIT_DATA")
    return sorted((Path(place) / "speech").rglob("*.wav"))[::60] if place else []


def test_c_gives_the_same_bits_for_speech() -> None:
    found = recordings()
    if not found:
        pytest.skip("no data set of spoken words in $TRIT_DATA/speech")
    for path in found:
        with wave.open(str(path)) as file:
            samples = np.frombuffer(file.readframes(RATE), "<i2")
        np.testing.assert_array_equal(in_c(samples)[0], log_mel(samples), err_msg=str(path))


@pytest.mark.parametrize("chunk", [1, 2, 159, 319, 320, 321, 511, 512, 513, 100_000])
def test_chunks_of_any_size_give_the_same(chunk: int) -> None:
    samples = noise(3, 500, 2 * RATE + 77)
    codes, image = in_c(samples, chunk)
    expected = log_mel(samples)
    np.testing.assert_array_equal(codes, expected)
    np.testing.assert_array_equal(image, expected[-FRAMES:])


@pytest.mark.parametrize("count", [0, 1, WINDOW - 1, WINDOW, WINDOW + HOP - 1, WINDOW + HOP])
def test_a_stream_begins_with_silence(count: int) -> None:
    """Frames come when their last sample is there; before them lie rows of 0."""
    samples = noise(4, 500, count)
    frames = max(0, 1 + (count - WINDOW) // HOP)
    codes, image = in_c(samples, 100)
    assert len(codes) == frames
    assert not image[: FRAMES - frames].any()
    np.testing.assert_array_equal(image[FRAMES - frames :], log_mel(samples) if frames else codes)


def test_codes_follow_the_formula_in_real_numbers() -> None:
    """6·log2(energy) - 93 of a float FFT and exact triangles: the code is within 1.5, and right on the average."""
    samples = np.concatenate([noise(1, 1), noise(2, 100), noise(3, 30000), tone(700, 20000) + noise(4, 3)])
    frames = np.lib.stride_tricks.sliding_window_view(samples, WINDOW)[::HOP]
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(WINDOW) / WINDOW)
    power = np.abs(np.fft.rfft(frames * hann * 2**15) / WINDOW) ** 2
    corners = np.linspace(*(2595 * np.log10(1 + np.array([60, 7800]) / 700)), BANDS + 2)
    corners = 700 * (10 ** (corners / 2595) - 1)
    hertz = np.arange(WINDOW // 2 + 1) * RATE / WINDOW
    triangles = [
        np.minimum((hertz - left) / (top - left), (right - hertz) / (right - top)).clip(0)
        for left, top, right in zip(corners, corners[1:], corners[2:], strict=False)
    ]
    exact = (6 * np.log2(power @ np.array(triangles).T) - FLOOR).clip(0, 255)
    difference = log_mel(samples) - exact
    assert np.abs(difference).max() < 1.5
    assert np.abs(difference.mean()) < 0.05 and difference.std() < 0.4


def test_silence_loudness_and_pitch() -> None:
    assert not log_mel(np.zeros(RATE, np.int16)).any()
    quiet, loud = (log_mel(noise(0, 1) * np.int16(factor)).astype(int) for factor in (32, 512))
    assert np.abs(loud - quiet - 6 * 8).max() <= 1  # 2^4 times the amplitude, 2^8 the energy
    loudest = [int(log_mel(tone(hertz, 8000)).sum(axis=0).argmax()) for hertz in (200, 500, 1000, 3000, 7000)]
    assert loudest == sorted(set(loudest))


def test_a_constant_offset_is_not_heard() -> None:
    """As of a microphone without a capacitor: it falls into bins below the lowest band."""
    samples = noise(5, 300)
    assert np.abs(log_mel(samples + np.int16(4000)).astype(int) - log_mel(samples)).max() <= 1


def numbers(text: str, name: str) -> list[int]:
    (found,) = re.findall(rf"\b{name}\[\d+\] = \{{(.*?)\}};", text, re.DOTALL)
    return [int(number) for number in found.replace("\n", " ").strip(" ,").split(",")]


def test_c_has_the_definitions_tables_and_numbers() -> None:
    weights, first = features.mel()
    tables = {"sines": features.sines(), "rising": weights, "corners": first, "logarithms": features.logarithms()}
    for name, values in tables.items():
        assert numbers(SOURCE, name) == values.tolist(), name
    sizes = {"sines": 4, "rising": 1, "corners": 1, "logarithms": 1}
    assert f"{sum(len(values) * sizes[name] for name, values in tables.items())} bytes in all" in SOURCE
    for name in ("RATE", "WINDOW", "HOP", "BANDS", "FRAMES"):
        assert re.findall(rf"#define TRIT_LOG_MEL_{name} (\d+)u", HEADER) == [str(getattr(features, name))]
    assert "".join(re.findall(r'^    "(.*?)"', HEADER, re.MULTILINE)) == features.DEFINITION
