# SPDX-License-Identifier: Apache-2.0
"""examples/keywords.c: features and network in C spot what a recording says; refusals are one line."""

from __future__ import annotations

import re
import struct
import subprocess
import wave
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from c_tools import ROOT, build, color_network, need, run
from tests_support import builder

from trit.export.graph import Graph
from trit.export.plan import to_plan
from trit.runtime import Session
from trit.runtime.log_mel import BANDS, DEFINITION, FRAMES, HOP, RATE, WINDOW, log_mel
from trit.targets.description import Microcontroller, load_target
from trit.targets.microcontroller.firmware import write_firmware
from trit.targets.microcontroller.simulator import run_folder

EVERY, SMOOTHED, MARGIN, CONTRAST, PAUSE = 10, 2, 3.0, 40, 55  # as in the example
TONES = {"low": 400, "middle": 1500, "high": 5000}  # words and their Hz


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    need("gcc")
    path = tmp_path_factory.mktemp("keywords") / "keywords"
    build(path, ROOT / "examples/keywords.c")
    return path


@pytest.fixture(scope="module")
def graph() -> Graph:
    """A network that tells the tones apart by the codes of their bands."""
    build = builder(np.random.default_rng(0), (1, FRAMES, BANDS), 90)
    build.dense(len(TONES), "ternary")
    weights = build.nodes[-1].weights
    weights[:] = 0
    for index, hertz in enumerate(TONES.values()):
        band = int(log_mel(tone(hertz, 1)).sum(axis=0).argmax())
        weights[index, 0, :, band] = 1
    build.scores()
    build.nodes[-1].scale[:], build.nodes[-1].bias[:] = 2**-5, 0
    result = build.graph()
    result.labels, result.metadata["front_end"] = list(TONES), DEFINITION
    return result


@pytest.fixture
def plan(graph: Graph, tmp_path: Path) -> Path:
    path = tmp_path / "model.trit"
    path.write_bytes(to_plan(graph))
    return path


def tone(hertz: float, seconds: float) -> np.ndarray:
    return 6000 * np.sin(2 * np.pi * hertz * np.arange(int(RATE * seconds)) / RATE)


def recording() -> np.ndarray:
    """The three tones as words of a tenth of a second, pauses of silence between."""
    pause = np.zeros(int(1.3 * RATE))
    sound = np.concatenate([part for hertz in (5000, 400, 1500, 400) for part in (pause, tone(hertz, 0.1))] + [pause])
    return sound.round().astype(np.int16)


def write_wav(path: Path, samples: np.ndarray, rate: int = RATE, channels: int = 1) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setparams((channels, 2, rate, 0, "NONE", ""))
        file.writeframes(samples.astype("<i2").tobytes())
    return path


def expected(graph: Graph, samples: np.ndarray) -> str:
    """The example's rule, over the features and scores of Python."""
    rows = np.concatenate([np.zeros((FRAMES - 1, BANDS), np.uint8), log_mel(samples)])
    session, lines, scores, quiet_until = Session(to_plan(graph)), "", [], FRAMES
    for frames in range(EVERY, len(rows) - FRAMES + 2, EVERY):
        image = rows[frames - 1 : frames - 1 + FRAMES]
        scores.append(session.run(image[None, None])[0].reshape(-1))
        loud = image.astype(int).sum(axis=1)
        if len(scores) < SMOOTHED or frames < quiet_until or np.ptp(loud) < CONTRAST * BANDS:
            continue
        mean = np.mean(scores[-SMOOTHED:], axis=0)
        second, first = np.sort(mean)[-2:]
        if first - second >= MARGIN:
            seconds = (WINDOW + (frames - 1) * HOP) / RATE
            lines += f"{seconds:6.2f} s  {graph.labels[int(mean.argmax())]}\n"
            quiet_until = frames + PAUSE
    return lines


def test_words_are_spotted(program: Path, plan: Path, graph: Graph, tmp_path: Path) -> None:
    samples = recording()
    found = run(program, plan, write_wav(tmp_path / "sound.wav", samples))
    assert [line.split()[2] for line in found.splitlines()] == ["high", "low", "middle", "low"]
    assert found == expected(graph, samples)


def test_raw_samples_come_from_standard_input(program: Path, plan: Path, graph: Graph) -> None:
    samples = recording()[: 5 * RATE]
    done = subprocess.run([program, plan], input=samples.astype("<i2").tobytes(), capture_output=True)
    assert (done.returncode, done.stdout.decode()) == (0, expected(graph, samples))


def test_silence_says_nothing(program: Path, plan: Path, tmp_path: Path) -> None:
    for samples in (np.zeros(3 * RATE, np.int16), np.random.default_rng(0).normal(0, 300, 3 * RATE), np.zeros(0)):
        assert run(program, plan, write_wav(tmp_path / "sound.wav", samples)) == ""


def test_other_chunks_of_a_wav_are_skipped(program: Path, plan: Path, graph: Graph, tmp_path: Path) -> None:
    content = write_wav(tmp_path / "sound.wav", recording()).read_bytes()
    note = b"LIST" + struct.pack("<I", 5) + b"hello\0"  # filled up to an even size
    (tmp_path / "noted.wav").write_bytes(content[:12] + note + content[12:36] + note + content[36:])
    assert run(program, plan, tmp_path / "noted.wav") == expected(graph, recording())


def programs_in_the_docs() -> list[str]:
    return re.findall(r"^```c\n(.*?)^```$", (ROOT / "docs/keywords.md").read_text(), re.DOTALL | re.MULTILINE)


def test_the_features_in_the_docs(tmp_path: Path) -> None:
    """Fed 100 samples at a time, its image is that of the last frame whose number is a multiple of ten."""
    need("gcc")
    code = programs_in_the_docs()[0]
    feed = """
    int main(void) {
        int16_t samples[100];
        begin();
        while (fread(samples, sizeof samples, 1, stdin) == 1) hear(samples, 100);
        return fwrite(image, sizeof image, 1, stdout) != 1;
    }"""
    (tmp_path / "mine.c").write_text("#include <stdio.h>\n" + code + feed)
    build(tmp_path / "mine", tmp_path / "mine.c")
    samples = recording()[: 5 * RATE]
    done = subprocess.run([tmp_path / "mine"], input=samples.tobytes(), capture_output=True, check=True)
    rows = log_mel(samples)
    last = len(rows) // EVERY * EVERY
    np.testing.assert_array_equal(
        np.frombuffer(done.stdout, np.uint8).reshape(FRAMES, BANDS), rows[last - FRAMES : last]
    )


def test_firmware_goes_from_samples_to_words(graph: Graph, tmp_path: Path) -> None:
    """The docs' program on a simulated Cortex-M4, fed 100 samples at a time."""
    for package in ("ziglang", "unicorn", "elftools"):
        pytest.importorskip(package, reason=f"{package} is not installed: pip install 'trit[mcu]'")
    board = load_target("nrf52840")
    assert isinstance(board, Microcontroller)
    samples = recording()[: int(3.6 * RATE)]
    write_firmware(graph, board, tmp_path, np.zeros((1, 1, FRAMES, BANDS), np.uint8))
    main = f"""
    #include "platform.h"
    static const int16_t samples[] = {{{",".join(map(str, samples))}}};
    void step_begins(void *user, uint32_t step);
    __attribute__((noinline)) void step_begins(void *user, uint32_t step) {{ (void)user; (void)step; __asm__(""); }}
    static void say(const char *word) {{ platform_write(word); platform_write("\\n"); }}
    int main(void) {{
        uint32_t i;
        if (begin_words() != TRIT_OK) return 2;
        step_begins(0, 0);
        for (i = 0; i < sizeof samples / 2; i += 100) hear_words(samples + i, 100, say);
        step_begins(0, 1);
        return 0;
    }}"""
    (tmp_path / "main.c").write_text(programs_in_the_docs()[1] + main)
    (tmp_path / "test_images.c").write_text("")
    run = run_folder(board, tmp_path)
    assert (
        run.execution.text.split()[:2]
        == ["high", "low"]
        == [line.split()[2] for line in expected(graph, samples).splitlines()]
    )
    assert run.firmware.static_ram < 7_700 + run.firmware.ram_parts(Session(to_plan(graph, lanes=1)), 0)["arena"] + 64


REFUSED: dict[str, tuple[Callable[[Path], object], str]] = {
    "no file": (lambda path: None, "cannot be opened"),
    "text": (lambda path: path.write_bytes(b"hello"), "is not a WAV file"),
    "cut": (lambda path: path.write_bytes(b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0"), "has no samples"),
    "rate": (lambda path: write_wav(path, np.zeros(10), rate=8000), "has not 16,000 samples a second"),
    "stereo": (lambda path: write_wav(path, np.zeros(10), channels=2), "is not mono with 16 bits"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_recording_is_refused_in_one_line(program: Path, plan: Path, name: str, tmp_path: Path) -> None:
    make, message = REFUSED[name]
    make(tmp_path / "sound.wav")
    done = subprocess.run([program, plan, tmp_path / "sound.wav"], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"keywords: {tmp_path / 'sound.wav'}: {message}\n"


def test_a_model_of_other_features_is_refused(program: Path, graph: Graph, tmp_path: Path) -> None:
    other = color_network(3)
    other.metadata["front_end"] = DEFINITION
    for name, model in (("size", other), ("features", graph)):
        if name == "features":
            model = Graph(graph.input, graph.output, graph.tensors, graph.nodes, graph.labels, {"front_end": "mfcc"})
        (tmp_path / name).write_bytes(to_plan(model))
        done = subprocess.run([program, tmp_path / name], stdin=subprocess.DEVNULL, capture_output=True, text=True)
        assert done.returncode == 2
        assert (
            done.stderr
            == f"keywords: {tmp_path / name}: the model does not read the features of trit/log_mel.h and name words\n"
        )
