# SPDX-License-Identifier: Apache-2.0
"""Log-mel features of 16 kHz samples in integer arithmetic; include/trit/log_mel.h is the same in C, bit for bit.

A frame of WINDOW samples x, HOP samples after the last one, becomes BANDS codes. With ⌊·⌋ rounding down:

1. y[n] = x[n]·hann[n], hann in Q15: below 2^30.
2. X = DFT(y) / 512 by a complex FFT of the even and odd samples. Each stage halves: (a, b) → ⌊a/2⌋ ± ⌊b·w/2⌋, w in
   Q31, each product rounded down by itself; so does the step that takes the two halves apart.
3. power[k] = ⌊(re² + im²) / 2^8⌋, 64 bits.
4. energy[b] = Σ_k mel[b, k]·power[k], mel in Q8: triangles over frequency, of whose neighbours falling and rising
   side add up to 256. Their corners are evenly spaced on the mel scale 2595·log10(1 + Hz/700).
5. code = clamp(⌊(6·log2(energy) + 1/2)⌋ - 93, 0, 255), log2 in Q8 by the top bit and a table of the next six; six codes
   a bit of energy are 0.5 dB each. Energy 0 has code 0.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt

RATE = 16_000  # samples per second
WINDOW, HOP = 512, 320  # samples: 32 ms every 20 ms
BANDS, FRAMES = 40, 49  # of the image that a network sees: one second
LOWEST, HIGHEST = 60, 7_800  # Hz: corners of the first and the last band
CODES_PER_BIT, FLOOR = 6, 93  # code 0 stands for 2^15.5
DEFINITION = (
    f"log-mel rate={RATE} window={WINDOW} hop={HOP} bands={BANDS} lowest={LOWEST} highest={HIGHEST} "
    f"codes-per-bit={CODES_PER_BIT} floor={FLOOR} frames={FRAMES}"
)
HALF, STAGES = WINDOW // 2, 8  # the complex FFT's size and its logarithm

Int64 = npt.NDArray[np.int64]
Float64 = npt.NDArray[np.float64]
Complex = tuple[Int64, Int64]
Images = npt.NDArray[np.uint8]


def log_mel(samples: npt.NDArray[np.int16]) -> Images:
    """Codes (frames, bands) of every whole frame of the samples (N,), N at least WINDOW."""
    frames = np.lib.stride_tricks.sliding_window_view(samples, WINDOW)[::HOP].astype(np.int64)
    spectrum = _fft(frames * hann())
    return _codes(_energies(_power(*spectrum)))


@cache
def sines() -> Int64:
    """sin(2π·k/512) in Q31 for k = 0..128, a quarter of a wave; 1 is 2^31 - 1."""
    exact: Float64 = np.sin(2 * np.pi * np.arange(WINDOW // 4 + 1) / WINDOW) * 2**31
    return exact.round().clip(max=2**31 - 1).astype(np.int64)


@cache
def turns() -> Complex:
    """cos and sin of 2π·k/512 for k = 0..255 in Q31."""
    quarter = sines()
    half = np.concatenate([quarter, quarter[-2:0:-1]])  # 0..255
    cosines = np.concatenate([quarter[:0:-1], -quarter[:-1]])
    return cosines, half


@cache
def hann() -> Int64:
    """(1 - cos(2π·n/512))/2 in Q15 for n = 0..511, of the cosines in Q31."""
    cosines = turns()[0]
    both: Int64 = np.concatenate([cosines, -cosines])
    return (2**31 - both + 2**16) >> 17


@cache
def mel() -> tuple[Int64, Int64]:
    """Per bin 0..255 the rising side's weight in Q8, and the first bin behind each corner (bands + 2).

    A bin between corners i and i + 1 has this weight in band i, and 256 less this in band i - 1.
    """
    low, high = 2595 * np.log10(1 + np.array([LOWEST, HIGHEST]) / 700)
    corners = 700 * (10 ** (np.linspace(low, high, BANDS + 2) / 2595) - 1)
    hertz = np.arange(HALF) * RATE / WINDOW
    first = np.searchsorted(hertz, corners)
    segment = np.clip(np.searchsorted(corners, hertz, side="right") - 1, 0, BANDS)
    rising = (hertz - corners[segment]) / (corners[segment + 1] - corners[segment])
    weights = np.clip(np.rint(256 * rising), 0, 255).astype(np.int64)
    weights[: first[0]] = weights[first[-1] :] = 0
    return weights, first


@cache
def logarithms() -> Int64:
    """log2(1 + (m + 1/2)/64) in Q8 for the six bits m behind the top bit."""
    exact: Float64 = 256 * np.log2(1 + (np.arange(64) + 0.5) / 64)
    return exact.round().astype(np.int64)


def _fft(frames: Int64) -> Complex:
    """DFT / 512 of real frames (N, 512): bins 0..255, bin 0 left out as 0."""
    order = [int(f"{index:08b}"[::-1], 2) for index in range(HALF)]
    real, imaginary = frames[:, 0::2][:, order], frames[:, 1::2][:, order]
    for stage in range(STAGES):
        real, imaginary = _butterflies(real, imaginary, 1 << stage)
    return _separate(real, imaginary)


def _butterflies(real: Int64, imaginary: Int64, half: int) -> Complex:
    """One stage: numbers i and i + half, for the lower i of every 2·half, the second turned by cos - i·sin."""
    cosine, sine = (values[:: HALF // half] for values in turns())
    parts = [values.reshape(len(values), -1, 2, half) for values in (real, imaginary)]
    br, bi = (part[:, :, 1] for part in parts)
    tr, ti = _high(br, cosine) + _high(bi, sine), _high(bi, cosine) - _high(br, sine)
    tr[..., 0], ti[..., 0] = br[..., 0] >> 1, bi[..., 0] >> 1  # by 1, which Q31 lacks
    ar, ai = (part[:, :, 0] >> 1 for part in parts)
    joined = [np.stack([a + t, a - t], 2).reshape(len(a), -1) for a, t in ((ar, tr), (ai, ti))]
    return joined[0], joined[1]


def _separate(real: Int64, imaginary: Int64) -> Complex:
    """The spectrum of the real samples, halved, from that of even samples + i·odd samples."""
    near, far = np.arange(1, HALF // 2 + 1), np.arange(HALF - 1, HALF // 2 - 1, -1)
    ar, ai, br, bi = (v[:, at] >> 1 for at in (near, far) for v in (real, imaginary))
    er, ei, qr, qi = ar + br, ai - bi, ar - br, ai + bi
    cosine, sine = (values[near] for values in turns())
    tr, ti = _high(qi, cosine) - _high(qr, sine), -_high(qi, sine) - _high(qr, cosine)
    result = np.zeros((2, len(real), HALF), np.int64)
    result[:, :, far] = (er >> 1) - tr, (ei >> 1) - ti
    result[:, :, near] = (er >> 1) + tr, (ei >> 1) + ti
    return result[0], result[1]


def _high(value: Int64, factor: Int64) -> Int64:
    return (value * factor) >> 32


def _power(real: Int64, imaginary: Int64) -> Int64:
    return (real * real + imaginary * imaginary) >> 8


def _energies(power: Int64) -> Int64:
    """(N, bands), below 2^58."""
    weights, first = mel()
    rising = power * weights
    falling = 256 * power - rising
    # One sum a segment between corners; the first falls, and the last rises, outside of all bands.
    rises, falls = (np.add.reduceat(values, first, axis=1)[:, :-1] for values in (rising, falling))
    return rises[:, :-1] + falls[:, 1:]


def _codes(energies: Int64) -> Images:
    top = np.frexp(energies.astype(np.float64))[1].astype(np.int64) - 1
    top -= (energies >> np.maximum(top, 0)) == 0  # where the float was rounded up to the next power of two
    mantissa = np.where(top >= 6, energies >> np.maximum(top - 6, 0), energies << np.maximum(6 - top, 0)) & 63
    codes = ((CODES_PER_BIT * (256 * top + logarithms()[mantissa]) + 128) >> 8) - FLOOR
    return np.where(energies > 0, np.clip(codes, 0, 255), 0).astype(np.uint8)
