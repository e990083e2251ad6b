# SPDX-License-Identifier: Apache-2.0
"""Spoken words: a folder of recordings in the format of Speech Commands (Warden 2018), as log-mel images.

A folder a word, directly or below `dataset/`, with wav files of one second: 16 kHz, mono, 16 bit; shorter ones are
filled up with silence. `testing_list.txt` (word/file.wav a line) or `test.csv` (file,class) names the test recordings,
`validation_list.txt` or `val.csv`, where there is one, those that training is watched with; all others train.
"""

from __future__ import annotations

import hashlib
import io
import wave
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from trit.runtime.errors import TritError
from trit.runtime.files import read_bytes, write_atomic
from trit.runtime.log_mel import DEFINITION, RATE, log_mel

Part = Literal["training", "validation", "test"]
TEST_LISTS = ("testing_list.txt", "test.csv")
VALIDATION_LISTS = ("validation_list.txt", "val.csv")

Images = npt.NDArray[np.uint8]


def load_words(folder: Path, words: Sequence[str], part: Part, kept: Path) -> tuple[Images, npt.NDArray[np.int64]]:
    """Log-mel images (N, 1, frames, bands) of the words' recordings, ordered by file name, and the words' indices.

    Images are kept in the folder `kept`, under a digest of the recordings' names, sizes and times.
    Raises TritError for a word without recordings, or a file that is no such recording.
    """
    parts: dict[str, Part] = dict.fromkeys(_listed(folder, VALIDATION_LISTS), "validation")
    parts |= dict.fromkeys(_listed(folder, TEST_LISTS), "test")
    found = [(path.name, label, path) for label, word in enumerate(words) for path in _recordings(folder, word)]
    # By name, so that a part of the set has all words.
    chosen = sorted(entry for entry in found if parts.get(f"{words[entry[1]]}/{entry[0]}", "training") == part)
    if not chosen:
        raise TritError(f"{folder}: has no recordings of {', '.join(words)} for {part}")
    labels = np.array([label for _, label, _ in chosen], np.int64)
    return _images([path for _, _, path in chosen], kept), labels


def has_validation(folder: Path) -> bool:
    """Whether the folder has a list of validation recordings."""
    return any((folder / name).is_file() for name in VALIDATION_LISTS)


def _listed(folder: Path, lists: Sequence[str]) -> set[str]:
    """word/file.wav of every recording in the first of the lists that there is."""
    path = next((folder / name for name in lists if (folder / name).is_file()), None)
    text = "" if path is None else read_bytes(path).decode(errors="replace")
    names = (line.partition(",")[0].strip() for line in text.splitlines())
    return {"/".join(name.split("/")[-2:]) for name in names}


def _recordings(folder: Path, word: str) -> list[Path]:
    for place in (folder / "dataset" / word, folder / word):
        found = list(place.glob("*.wav"))
        if found:
            return found
    raise TritError(f"{folder}: has no recordings of {word!r}: put its .wav files into {folder / word}")


def _images(paths: Sequence[Path], folder: Path) -> Images:
    facts = [(str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in paths]
    digest = hashlib.sha256(repr((DEFINITION, facts)).encode()).hexdigest()
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
            # What another form asks for can be terabytes.
            samples = np.frombuffer(recording.readframes(RATE) if form == (RATE, 1, 2) else b"", "<i2")
    except (OSError, EOFError, wave.Error, ValueError) as error:
        raise TritError(f"{path}: not a wav file: {error}") from error
    if form != (RATE, 1, 2):
        raise TritError(f"{path}: {form[0]} Hz, {form[1]} channels, {8 * form[2]} bit; needs {RATE} Hz, mono, 16 bit")
    return np.pad(samples, (0, RATE - len(samples)))
