# SPDX-License-Identifier: Apache-2.0
"""Spoken words: features by their formula, folders in the format of Speech Commands, and a network all the way."""

from __future__ import annotations

import os
import wave
from math import cos, log10, pi
from pathlib import Path

import numpy as np
import pytest
from tests_support import random_input

pytest.importorskip("torch", reason="torch is not installed: pip install 'trit[train]'")

from trit.export import reference
from trit.export.onnx_writer import onnx_bytes
from trit.export.operators import Conv
from trit.files import read_model
from trit.inputs import inputs_for
from trit.runtime.errors import TritError, Unavailable
from trit.targets.verify import EXECUTORS
from trit.train import speech
from trit.train.data import load_test, load_train
from trit.train.run import train

WORDS = ["low", "high", "noise"]


def write(path: Path, samples: np.ndarray, rate: int = speech.RATE, channels: int = 1) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setparams((channels, 2, rate, 0, "NONE", ""))
        file.writeframes(samples.astype("<i2").tobytes())


def tone(hertz: float, count: int = speech.RATE) -> np.ndarray:
    return (8000 * np.sin(2 * pi * hertz * np.arange(count) / speech.RATE)).astype(np.int16)


@pytest.fixture(autouse=True)
def own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Six speakers' recordings of three words, the last two speakers for the test."""
    rng = np.random.default_rng(0)
    for speaker in range(6):
        sounds = (tone(300 + 20 * speaker), tone(3000 + 100 * speaker), rng.integers(-4000, 4000, speech.RATE))
        for word, samples in zip(WORDS, sounds, strict=True):
            write(tmp_path / "data" / "speech" / word / f"{speaker}.wav", samples + rng.integers(-50, 50, speech.RATE))
    tested = [f"{word}/{speaker}.wav\n" for word in (*WORDS, "other") for speaker in (4, 5)]
    (tmp_path / "data" / "speech" / "testing_list.txt").write_text("".join(tested))
    return tmp_path / "data"


def test_codes_are_what_the_formula_gives() -> None:
    """One frame's codes by sums over samples and frequencies."""
    samples = np.random.default_rng(1).integers(-3000, 3000, speech.RATE).astype(np.int16)
    codes, frame = speech.log_mel(samples), 7
    assert (codes.shape, codes.dtype) == ((49, 40), np.uint8)
    cut = [int(value) / 32768 for value in samples[320 * frame : 320 * frame + 640]]
    windowed = np.array([value * (0.5 - 0.5 * cos(2 * pi * n / 640)) for n, value in enumerate(cut)])
    waves = np.exp(-2j * pi * np.outer(np.arange(513), np.arange(640)) / 1024)
    power = np.abs(waves @ windowed) ** 2
    mel = [2595 * log10(1 + hertz / 700) for hertz in (20, 8000)]
    corners = [700 * (10 ** ((mel[0] + i * (mel[1] - mel[0]) / 41) / 2595) - 1) for i in range(42)]
    for band, (left, middle, right) in enumerate(zip(corners, corners[1:], corners[2:], strict=False)):
        total = 0.0
        for index, value in enumerate(power):
            hertz = index * 16000 / 1024
            total += max(0, min((hertz - left) / (middle - left), (right - hertz) / (right - middle))) * value
        assert codes[frame, band] == round(min(255, max(0, (10 * log10(total + 1e-12) + 75) / 0.5)))


def test_silence_and_tones() -> None:
    assert not speech.log_mel(np.zeros(speech.RATE, np.int16)).any()
    loudest = [
        int(speech.log_mel(tone(hertz)).astype(int).sum(axis=0).argmax()) for hertz in (200, 500, 1000, 3000, 7000)
    ]
    assert loudest == sorted(set(loudest))


def test_the_list_of_test_recordings_splits_them(folder: Path) -> None:
    images, labels = load_train("speech", folder, WORDS)
    assert (images.shape, images.dtype) == ((12, 1, 49, 40), np.uint8)
    assert labels.tolist() == [0, 1, 2] * 4
    assert load_test("speech", folder, WORDS)[1].tolist() == [0, 1, 2] * 2
    assert load_test("speech", folder / "speech", ["noise", "low"])[1].tolist() == [0, 1] * 2
    with wave.open(str(folder / "speech" / "noise" / "1.wav")) as file:
        samples = np.frombuffer(file.readframes(speech.RATE), "<i2")
    np.testing.assert_array_equal(images[5, 0], speech.log_mel(samples))


def test_csv_lists_and_a_folder_of_folders(folder: Path) -> None:
    (folder / "speech" / "testing_list.txt").unlink()
    (folder / "speech" / "dataset").mkdir()
    for word in WORDS:
        (folder / "speech" / word).rename(folder / "speech" / "dataset" / word)
    (folder / "speech" / "test.csv").write_text("file,class\ndataset/low/2.wav,low\ndataset/high/3.wav,high\n")
    assert load_test("speech", folder, WORDS)[1].tolist() == [0, 1]
    assert len(load_train("speech", folder, WORDS)[1]) == 16


def test_features_are_computed_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = load_train("speech", folder, WORDS)[0]
    with monkeypatch.context() as patch:
        patch.setattr(speech, "log_mel", None)
        np.testing.assert_array_equal(load_train("speech", folder, WORDS)[0], first)
    write(folder / "speech" / "low" / "0.wav", tone(5000, 9000))  # shorter: filled up
    changed = load_train("speech", folder, WORDS)[0]
    assert (changed[0] != first[0]).any()
    np.testing.assert_array_equal(changed[1:], first[1:])
    assert not changed[0, 0, 30:].any()


def test_what_is_not_there_is_named(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(TritError, match=r"speech: has no recordings of 'go': put its \.wav files into .*speech/go"):
        load_train("speech", folder, ["low", "go"])
    with pytest.raises(TritError, match=r"speech: has no testing_list.txt or test.csv: put a data set in the format"):
        load_train("speech", tmp_path / "nothing", WORDS)
    (folder / "speech" / "testing_list.txt").write_text("")
    with pytest.raises(TritError, match="speech: has no recordings of low, high, noise for the test"):
        load_test("speech", folder, WORDS)
    path = folder / "speech" / "low" / "0.wav"
    write(path, tone(300), rate=8000)
    with pytest.raises(TritError, match=r"low/0\.wav: 8000 Hz, 1 channels, 16 bit; needs 16000 Hz, mono, 16 bit"):
        load_train("speech", folder, WORDS)
    for content in (b"", b"RIFF", b"RIFF\0\0\0\0WAVEjunk", bytes(100)):
        path.write_bytes(content)
        with pytest.raises(TritError, match=r"low/0\.wav: not a wav file"):
            load_train("speech", folder, WORDS)


def test_it_trains_and_is_equal_in_every_executor(folder: Path, tmp_path: Path) -> None:
    """The shipped recipe, small, on tones: exported, it gives the same bits everywhere."""
    sizes = ["network.width=8", "training.epochs=2", "training.batch=4", 'words=["low", "high", "noise"]']
    done = train("speech-ternary-dscnn", folder, tmp_path / "run", sizes)
    graph = read_model(done.model)
    assert graph.labels == WORDS
    convs = [node for node in graph.nodes if isinstance(node, Conv)]
    assert sum(node.is_depthwise for node in convs) == 4 and len(convs) == 10
    assert graph.tensors[convs[-1].input].kind == "uint8"  # the average of bits
    tests = inputs_for(graph, None, folder)
    assert (len(tests.images), tests.origin) == (6, "6 speech test images")
    images = np.concatenate([tests.images, random_input(graph, 3, np.random.default_rng(0))])
    expected = reference.run(graph, images).reshape(len(images), -1)
    assert len(onnx_bytes(graph)) > 0
    skipped = []
    for name, run in EXECUTORS.items():
        try:
            scores = run(graph, images).reshape(expected.shape)
        except Unavailable as error:
            skipped.append(f"{name}: {error}")
        else:
            np.testing.assert_array_equal(scores.view(np.uint32), expected.view(np.uint32), err_msg=name)
    if skipped:
        pytest.skip("; ".join(skipped))


def test_recordings_of_people() -> None:
    """A real data set of ten words, where there is one."""
    place = os.environ.get("TRIT_DATA")
    if not place or not any((Path(place) / "speech" / name).exists() for name in speech.LISTS):
        pytest.skip("no data set of spoken words in $TRIT_DATA/speech")
    words = ["yes", "no", "up", "down"]
    images, labels = load_test("speech", Path(place), words)
    assert len(images) == len(labels) and set(labels.tolist()) == set(range(4))
    assert images.std() > 20 and (images == 255).mean() < 0.02 and (images == 0).mean() < 0.02
