# SPDX-License-Identifier: Apache-2.0
"""Spoken words: a folder of recordings in the format of Speech Commands (Warden 2018), as log-mel images.

A folder a word, directly or below `dataset/`, with wav files of one second: 16 kHz, mono, 16 bit; shorter ones are
filled up with silence. `testing_list.txt` (word/file.wav a line) or `test.csv` (file,class) names the test recordings;
all others are for training.
"""

from __future__ import annotations

import hashlib
import io
import wave
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from trit.runtime.errors import TritError
from trit.runtime.files import read_bytes, write_atomic

RATE = 16_000  # samples per second, and per recording
FRAME, HOP, FFT = 640, 320, 1024  # samples: 40 ms every 20 ms, as Zhang et al. 2017
FRAMES, BANDS = 1 + (RATE - FRAME) // HOP, 40
LOWEST, HIGHEST = 20.0, 8_000.0  # Hz
FLOOR, STEP = -75.0, 0.5  # dB: what code 0 stands for, and what one code more does
LISTS = ("testing_list.txt", "test.csv")

Float = npt.NDArray[np.float64]
Images = npt.NDArray[np.uint8]


def load_words(folder: Path, words: Sequence[str], test: bool, kept: Path) -> tuple[Images, npt.NDArray[np.int64]]:
    """Log-mel images (N, 1, frames, bands) of the words' recordings, ordered by file name, and the words' indices.

    Images are kept in the folder `kept`, under a digest of the recordings' names, sizes and times.
    Raises TritError for a word without recordings, or a file that is no such recording.
    """
    tested = _test_names(folder)
    found = [(path.name, label, path) for label, word in enumerate(words) for path in _recordings(folder, word)]
    # By name, so that a part of the set has all words.
    chosen = sorted(entry for entry in found if (f"{words[entry[1]]}/{entry[0]}" in tested) == test)
    if not chosen:
        raise TritError(f"{folder}: has no recordings of {', '.join(words)} for {'the test' if test else 'training'}")
    labels = np.array([label for _, label, _ in chosen], np.int64)
    return _images([path for _, _, path in chosen], kept), labels


def log_mel(samples: npt.NDArray[np.int16]) -> Images:
    """Codes (frames, bands) of one second: q = round((10·log10(Σ_f mel[b, f]·|X[t, f]|²) - FLOOR) / STEP) in 0..255.

    X[t] is the spectrum of frame t under a Hann window, samples in -1..1; mel[b] is a triangle over frequency, its
    corners evenly spaced on the mel scale 2595·log10(1 + Hz/700).
    """
    frames = np.lib.stride_tricks.sliding_window_view(samples / 32_768, FRAME)[::HOP]
    power = np.abs(np.fft.rfft(frames * np.hanning(FRAME + 1)[:FRAME], FFT)) ** 2
    decibel = 10 * np.log10(power @ _mel_filters().T + 1e-12)
    return np.clip(np.round((decibel - FLOOR) / STEP), 0, 255).astype(np.uint8)


@cache
def _mel_filters() -> Float:
    """(bands, FFT / 2 + 1)."""
    low, high = 2595 * np.log10(1 + np.array([LOWEST, HIGHEST]) / 700)
    corners = 700 * (10 ** (np.linspace(low, high, BANDS + 2) / 2595) - 1)
    frequencies = np.arange(FFT // 2 + 1) * RATE / FFT
    left, middle, right = corners[:-2, None], corners[1:-1, None], corners[2:, None]
    rising, falling = (frequencies - left) / (middle - left), (right - frequencies) / (right - middle)
    return np.maximum(0, np.minimum(rising, falling))


def _test_names(folder: Path) -> set[str]:
    """word/file.wav of every test recording."""
    path = next(folder / name for name in LISTS if (folder / name).is_file())
    names = (line.partition(",")[0].strip() for line in read_bytes(path).decode(errors="replace").splitlines())
    return {"/".join(name.split("/")[-2:]) for name in names}


def _recordings(folder: Path, word: str) -> list[Path]:
    for place in (folder / "dataset" / word, folder / word):
        found = list(place.glob("*.wav"))
        if found:
            return found
    raise TritError(f"{folder}: has no recordings of {word!r}: put its .wav files into {folder / word}")


def _images(paths: Sequence[Path], folder: Path) -> Images:
    facts = [(str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in paths]
    form = (FRAME, HOP, FFT, BANDS, LOWEST, HIGHEST, FLOOR, STEP)
    digest = hashlib.sha256(repr((form, facts)).encode()).hexdigest()
    kept = folder / f"{digest[:16]}.npy"
    if kept.is_file():
        return np.asarray(np.load(kept, allow_pickle=False), np.uint8)
    images = np.stack([log_mel(_read(path)) for path in paths])[:, None]
    stream = io.BytesIO()
    np.save(stream, images)
    kept.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(kept, stream.getvalue())
    return images


def _read(path: Path) -> npt.NDArray[np.int16]:
    try:
        with wave.open(str(path)) as recording:
            form = (recording.getframerate(), recording.getnchannels(), recording.getsampwidth())
            samples = np.frombuffer(recording.readframes(RATE), "<i2")
    except (OSError, EOFError, wave.Error, ValueError) as error:
        raise TritError(f"{path}: not a wav file: {error}") from error
    if form != (RATE, 1, 2):
        raise TritError(f"{path}: {form[0]} Hz, {form[1]} channels, {8 * form[2]} bit; needs {RATE} Hz, mono, 16 bit")
    return np.pad(samples, (0, RATE - len(samples)))
