# SPDX-License-Identifier: Apache-2.0
"""Spoken words: folders in the format of Speech Commands, and a network all the way."""

from __future__ import annotations

import json
import os
import wave
from math import pi
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
from trit.runtime.log_mel import DEFINITION, RATE, log_mel
from trit.targets.verify import EXECUTORS
from trit.train import speech
from trit.train.data import load_test, load_train, load_validation
from trit.train.run import train

WORDS = ["low", "high", "noise"]


def write(path: Path, samples: np.ndarray, rate: int = RATE, channels: int = 1) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setparams((channels, 2, rate, 0, "NONE", ""))
        file.writeframes(samples.astype("<i2").tobytes())


def tone(hertz: float, count: int = RATE) -> np.ndarray:
    return (8000 * np.sin(2 * pi * hertz * np.arange(count) / RATE)).astype(np.int16)


@pytest.fixture(autouse=True)
def own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Six speakers' recordings of three words, the fourth for validation, the last two for the test."""
    rng = np.random.default_rng(0)
    for speaker in range(6):
        sounds = (tone(300 + 20 * speaker), tone(3000 + 100 * speaker), rng.integers(-4000, 4000, RATE))
        for word, samples in zip(WORDS, sounds, strict=True):
            write(tmp_path / "data" / "speech" / word / f"{speaker}.wav", samples + rng.integers(-50, 50, RATE))
    for name, speakers in (("testing_list.txt", (4, 5)), ("validation_list.txt", (3,))):
        listed = [f"{word}/{speaker}.wav\n" for word in (*WORDS, "other") for speaker in speakers]
        (tmp_path / "data" / "speech" / name).write_text("".join(listed))
    return tmp_path / "data"


def test_the_lists_split_the_recordings(folder: Path) -> None:
    images, labels = load_train("speech", folder, WORDS)
    assert (images.shape, images.dtype) == ((9, 1, 49, 40), np.uint8)
    assert labels.tolist() == [0, 1, 2] * 3
    validation = load_validation("speech", folder, WORDS)
    assert validation is not None and validation[1].tolist() == [0, 1, 2]
    assert load_test("speech", folder, WORDS)[1].tolist() == [0, 1, 2] * 2
    assert load_test("speech", folder / "speech", ["noise", "low"])[1].tolist() == [0, 1] * 2
    with wave.open(str(folder / "speech" / "noise" / "1.wav")) as file:
        samples = np.frombuffer(file.readframes(RATE), "<i2")
    np.testing.assert_array_equal(images[5, 0], log_mel(samples))
    parts = [load_test("speech", folder, WORDS)[0], validation[0], images]
    assert len(np.unique(np.concatenate(parts), axis=0)) == 18  # every recording is in one part


def test_validation_is_optional(folder: Path) -> None:
    (folder / "speech" / "validation_list.txt").unlink()
    assert load_validation("speech", folder, WORDS) is None
    assert len(load_train("speech", folder, WORDS)[0]) == 12
    assert load_validation("digits") is None


def test_csv_lists_and_a_folder_of_folders(folder: Path) -> None:
    for name in ("testing_list.txt", "validation_list.txt"):
        (folder / "speech" / name).unlink()
    (folder / "speech" / "dataset").mkdir()
    for word in WORDS:
        (folder / "speech" / word).rename(folder / "speech" / "dataset" / word)
    (folder / "speech" / "test.csv").write_text("file,class\ndataset/low/2.wav,low\ndataset/high/3.wav,high\n")
    (folder / "speech" / "val.csv").write_text("file,class\ndataset/noise/2.wav,noise\n")
    assert load_test("speech", folder, WORDS)[1].tolist() == [0, 1]
    validation = load_validation("speech", folder, WORDS)
    assert validation is not None and validation[1].tolist() == [2]
    assert len(load_train("speech", folder, WORDS)[1]) == 15


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
    with pytest.raises(TritError, match="speech: has no recordings of low, high, noise for test"):
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
    done = train("kws-ternary-dscnn", folder, tmp_path / "run", sizes)
    graph = read_model(done.model)
    assert (graph.labels, graph.metadata["front_end"]) == (WORDS, DEFINITION)
    history = [json.loads(line) for line in (tmp_path / "run" / "history.jsonl").read_text().splitlines()]
    assert [sorted(line) for line in history] == [["epoch", "loss", "seconds", "validation_accuracy"]] * 2
    images, labels = load_test("speech", folder, WORDS)
    scores = reference.run(graph, images).reshape(6, -1)
    assert done.accuracy == (scores.argmax(1) == labels).mean()  # of the test, not of the validation recordings
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


@pytest.fixture
def recordings() -> Path:
    """A real data set of ten words, where there is one."""
    place = os.environ.get("TRIT_DATA")
    if not place or not any((Path(place) / "speech" / name).exists() for name in speech.TEST_LISTS):
        pytest.skip("no data set of spoken words in $TRIT_DATA/speech")
    return Path(place)


def test_recordings_of_people(recordings: Path) -> None:
    images, labels = load_test("speech", recordings, ["yes", "no", "up", "down"])
    assert len(images) == len(labels) and set(labels.tolist()) == set(range(4))
    assert images.std() > 20 and (images == 255).mean() < 0.02 and (images == 0).mean() < 0.02


def test_it_learns_words_that_others_speak(recordings: Path, tmp_path: Path) -> None:
    """Six of the recipe's sixty epochs."""
    assert train("kws-ternary-dscnn", recordings, tmp_path / "run", ["training.epochs=6"]).accuracy > 0.8
