# SPDX-License-Identifier: Apache-2.0
"""The command line as a user types it: what works, and every mistake in one line with exit status 2."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

from trit import __version__, load, shipped_images
from trit.commands.doctor import COMMANDS as COMMANDS_OF_OTHERS
from trit.commands.doctor import PACKAGES
from trit.commands.zoo import network_bytes
from trit.runtime.errors import TritError
from trit.train.data import LABELS
from trit.train.recipe import available

COMMANDS = (
    "train",
    "export",
    "import",
    "verify",
    "inspect",
    "deploy",
    "profile",
    "confusion",
    "classify",
    "gradients",
    "targets",
    "target",
    "zoo",
    "doctor",
)
Run = Callable[..., tuple[int, str, str]]  # the fixture of conftest.py


@pytest.fixture
def fashion(tmp_path: Path) -> Path:
    path = tmp_path / "fashion.onnx"
    path.write_bytes(network_bytes("fashion-ternary-cnn"))
    return path


def assert_one_line(result: tuple[int, str, str], *expected: str) -> None:
    status, _, err = result
    assert status == 2
    assert re.fullmatch(r"trit: [^\n]+\n", err), err
    for words in expected:
        assert words in err


def test_the_version_says_what_is_found(run: Run) -> None:
    status, out, _ = run("--version")
    first, second = out.splitlines()
    assert status == 0 and first == f"trit {__version__}"
    assert "kernels" in second and "portable" in second


def test_help_names_every_command(run: Run) -> None:
    status, out, _ = run("--help")
    assert status == 0
    for command in COMMANDS:
        assert command in out


@pytest.mark.parametrize("command", COMMANDS)
def test_every_help_has_an_example(run: Run, command: str) -> None:
    status, out, _ = run(command, "--help")
    assert status == 0
    assert f"Example: trit {command}" in out


def test_the_help_of_train_names_every_recipe(run: Run) -> None:
    out = re.sub(r"[\s│]+", " ", run("train", "--help")[1])
    assert all(name in out for name in available())


def test_doctor_says_what_is_missing_and_how_to_get_it(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def rows() -> dict[str, dict[str, str]]:
        status, out, _ = run("doctor", "--json")
        assert status == 0
        return {row["name"]: row for row in json.loads(out)["rows"]}

    here = rows()
    assert set(here) == {"C library", "data sets", *PACKAGES, *COMMANDS_OF_OTHERS}
    assert here["C library"]["found"].endswith("scalar")
    assert here["cmake"]["found"] == shutil.which("cmake")
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    gone = rows()
    assert all(gone[name]["found"] is None for name in (*PACKAGES, *COMMANDS_OF_OTHERS))
    assert gone["qemu-aarch64"]["get"] == "apt-get install qemu-user"
    assert gone["ziglang"]["get"] == "pip install 'trit[mcu]'"
    status, out, _ = run("doctor")
    lines = [line for line in out.splitlines() if " is missing, for " in line]
    assert status == 0 and "are missing" in out and len(lines) >= len(PACKAGES) + len(COMMANDS_OF_OTHERS)
    assert "simavr is missing, for simulating AVR boards, and their cycles: apt-get install simavr" in lines
    assert "torch is missing, for trit train, and models as model.pt: pip install 'trit[train]'" in lines


def test_doctor_needs_nothing_that_it_looks_for(tmp_path: Path) -> None:
    hidden = [module for _, module, _ in PACKAGES.values()]
    program = f"import sys; sys.modules |= dict.fromkeys({hidden}); sys.argv = ['trit', 'doctor']"
    command = [sys.executable, "-c", f"{program}; from trit.__main__ import main; main()"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0 and done.stderr == ""
    assert all(f"\n{name} is missing, for " in done.stdout for name in PACKAGES)
    assert "C library" in done.stdout and "C library is missing" not in done.stdout


def test_zoo_lists_and_copies(run: Run, tmp_path: Path) -> None:
    status, out, _ = run("zoo", "--json")
    listed = json.loads(out)["rows"]
    assert status == 0 and len(listed) >= 6
    assert sum(network["bytes"] for network in listed) <= 2_000_000
    assert all(network["accuracy"] > 0.9 for network in listed)
    assert run("zoo", "mnist-binary-mlp", "-o", "m.onnx")[0] == 0
    assert (tmp_path / "m.onnx").read_bytes() == network_bytes("mnist-binary-mlp")


def test_export_makes_a_plan_that_runs(run: Run, fashion: Path, tmp_path: Path) -> None:
    assert run("export", str(fashion), "-o", "fashion.trit")[0] == 0
    images = np.zeros((2, 1, 28, 28), np.uint8)
    np.testing.assert_array_equal(load(tmp_path / "fashion.trit").run(images), load(fashion).run(images))


def test_verify_as_json(run: Run, fashion: Path) -> None:
    status, out, _ = run("verify", str(fashion), "--images", "3", "--only", "c runtime", "--json")
    report = json.loads(out)
    assert status == 0
    assert report["equal"] is True
    assert {row["executor"] for row in report["rows"]} >= {"numpy reference", "c runtime, scalar"}


@pytest.mark.parametrize("ending", ["onnx", "trit"])
def test_inspect(run: Run, fashion: Path, ending: str) -> None:
    run("export", str(fashion), "-o", "fashion.trit")
    status, out, _ = run("inspect", f"fashion.{ending}")
    assert status == 0
    for text in ("conv4", "Conv+Threshold", "ternary 64×14×14", "7,225,344", "19,094,528", "12,544 bytes, 0.0% above"):
        assert text in out
    assert "Ankle boot" in out and "recipe: # Fashion-MNIST on four ternary convolutions." in out
    report = json.loads(run("inspect", f"fashion.{ending}", "--json")[1])
    session = load(fashion)
    assert report["schema"] == 1 and report["variant"] == session.variant
    assert report["plan_bytes"] == Path("fashion.trit").stat().st_size == session.size
    assert report["arena_bytes"] == report["lower_bound"] == session.arena_size == 12544
    assert report["labels"] == session.labels and report["metadata"] == session.metadata
    assert [row["name"] for row in report["rows"]] == [step.name for step in session.steps]
    assert report["rows"][1]["output_offset"] + report["rows"][1]["output_bytes"] <= 12544


def test_inspect_of_what_is_no_plan(run: Run, fashion: Path, tmp_path: Path) -> None:
    assert_one_line(run("inspect", "fashoin.trit"), "fashoin.trit")
    assert_one_line(run("inspect", "."), "directory")
    assert_one_line(run("inspect", str(fashion), "--jsn"), "--jsn")
    run("export", str(fashion), "-o", "fashion.trit")
    content = (tmp_path / "fashion.trit").read_bytes()
    for damaged in (b"", b"TRIT", b"no plan", content[:-4], content[:5000] + b"x" + content[5001:]):
        (tmp_path / "damaged.trit").write_bytes(damaged)
        assert_one_line(run("inspect", "damaged.trit"), "damaged.trit")


def test_typos_are_one_line(run: Run, fashion: Path) -> None:
    assert_one_line(run("trian"), "trian")
    assert_one_line(run("zoo", "--jsom"), "--jsom")
    assert_one_line(run("zoo", "fashion"), "fashion-ternary-cnn")
    assert_one_line(run("train", "digits-ternary-mpl"), "digits-ternary-mlp")
    assert_one_line(run("profile", str(fashion), "--target", "nrf5284"), "nrf52840")
    assert_one_line(run("targets", "hots"), "host")
    assert_one_line(run("train", "digits-ternary-mlp", "--set", "training.epocs=3"), "epocs", "epochs")
    assert_one_line(run("train", "digits-ternary-mlp", "--set", "training.epochs=many"), "epochs")


def test_an_interrupted_command_says_so(run: Run, monkeypatch: pytest.MonkeyPatch, fashion: Path) -> None:
    def interrupt(_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("trit.files.read_model", interrupt)
    assert run("verify", str(fashion)) == (130, "", "trit: interrupted\n")


def test_missing_files_are_one_line(run: Run) -> None:
    assert_one_line(run("export", "nothing.pt", "-o", "x.onnx"), "nothing.pt")
    assert_one_line(run("verify", "nothing.onnx"), "nothing.onnx")


def test_a_data_folder_that_lacks_a_file_is_named(run: Run, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    assert_one_line(run("train", "fashion-ternary-cnn", "--data", "data"), "data", "train-images-idx3-ubyte")


def test_export_makes_libraries(run: Run, fashion: Path, tmp_path: Path) -> None:
    for kind in ("arduino", "zephyr", "esp-idf"):
        status, out, _ = run("export", str(fashion), "--format", kind, "-o", f"out-{kind}")
        assert (status, out) == (0, f"out-{kind}: {kind} library, see README.md\n")
        assert "fashion" in (tmp_path / f"out-{kind}" / "README.md").read_text()
    assert_one_line(run("export", str(fashion), "--format", "ardiuno", "-o", "x"), "ardiuno", "'arduino'")
    assert_one_line(run("export", str(fashion), "--format", "zephyr", "-o", "."), "holds other files")


def test_an_unwritable_output_is_one_line(run: Run, fashion: Path) -> None:
    assert_one_line(run("export", str(fashion), "-o", "missing/x.onnx"), "missing/x.onnx")
    assert_one_line(run("export", str(fashion), "-o", "x.bin"), "x.bin", ".onnx")
    assert_one_line(run("zoo", "mnist-binary-mlp", "-o", "missing/x.onnx"), "missing/x.onnx")


@pytest.mark.parametrize("ending", ["onnx", "trit", "pt"])
def test_foreign_and_damaged_models_are_one_line(run: Run, fashion: Path, ending: str, tmp_path: Path) -> None:
    damaged = tmp_path / f"damaged.{ending}"
    for content in (b"", b"#!/bin/sh\n", bytes(1000), fashion.read_bytes()[:5000]):
        damaged.write_bytes(content)
        assert_one_line(run("export", str(damaged), "-o", "out.onnx"), "damaged")
        assert not (tmp_path / "out.onnx").exists()


def test_a_flipped_bit_is_one_line(run: Run, fashion: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    content = bytearray(fashion.read_bytes())
    content[int(rng.integers(len(content)))] ^= 1 << int(rng.integers(8))
    fashion.write_bytes(content)
    assert_one_line(run("export", str(fashion), "-o", "out.trit"), "fashion.onnx")


def test_your_own_images(run: Run, fashion: Path, tmp_path: Path) -> None:
    images, labels = shipped_images("fashion-mnist")
    np.savez(tmp_path / "mine.npz", images=images[:5], labels=labels[:5])
    np.save(tmp_path / "mine.npy", images[:4, 0].astype(np.float64))
    for options, count in ((("--inputs", "mine.npz"), 5), (("--inputs", "mine.npz", "--images", "2"), 2)):
        status, out, _ = run("verify", str(fashion), "--only", "scalar", "--json", *options)
        report = json.loads(out)
        expected = (load(fashion).run(images[:count]).argmax(axis=1) == labels[:count]).mean()
        assert (status, report["rows"][0]["images"]) == (0, count)
        assert report["rows"][0]["accuracy"] == pytest.approx(expected)
        assert "mine.npz" in report["inputs"]
    status, out, _ = run("profile", str(fashion), "--inputs", "mine.npz", "--accuracy", "5", "--json")
    assert (status, json.loads(out)["profiles"][0]["accuracy"]["images"]) == (0, 5)
    assert run("deploy", str(fashion), "--inputs", "mine.npy", "-o", "out")[0] == 0


def test_how_long_a_battery_lasts(run: Run, fashion: Path) -> None:
    for package in ("ziglang", "unicorn", "capstone", "elftools"):
        pytest.importorskip(package, reason=f"{package} is not installed: pip install 'trit[mcu]'")
    words = ("profile", str(fashion), "--target", "nrf52840", "--every", "10min", "--battery", "225mAh")
    status, out, _ = run(*words)
    assert status == 0 and "every 10 minutes: active 0.0" in out and "a battery of 225 mAh lasts " in out
    report = json.loads(run(*words, "--json")[1])["profiles"][0]
    duty = report["duty"]
    assert (duty["period"], duty["battery"]) == (600, pytest.approx(0.225))
    assert duty["active"] == pytest.approx(report["latency"] / 600)
    assert_one_line(run(*words[:5], "1ms"), "nrf52840: an inference takes", "longer than the 0.001 s")


def test_wrong_periods_and_batteries_are_one_line(run: Run, fashion: Path) -> None:
    for period in ("1", "s", "-1s", "0ms", "1 fortnight", "1e3s", "nan s", ""):
        assert_one_line(run("profile", str(fashion), f"--every={period}"), "--every", "100ms")
    assert_one_line(run("profile", str(fashion), "--every", "1s", "--battery", "3V"), "--battery 3V", "mAh, Ah: 225mAh")
    assert_one_line(run("profile", str(fashion), "--battery", "225mAh"), "--battery needs --every")
    assert_one_line(run("profile", str(fashion), "--every", "1s"), "host: has no sleep current")


def test_classify_your_own_images(run: Run, fashion: Path, tmp_path: Path) -> None:
    images, _ = shipped_images("fashion-mnist")
    np.save(tmp_path / "mine.npy", images[:3])
    session = load(fashion)
    expected = [found for classes in session.classify(images[:3], 2) for found in classes]
    assert run("export", str(fashion), "-o", "fashion.trit")[0] == 0
    for model in ("fashion.onnx", "fashion.trit"):
        status, out, _ = run("classify", model, "mine.npy", "-k", "2", "--json")
        rows = json.loads(out)["rows"]
        assert (status, [row["image"] for row in rows]) == (0, [0, 0, 1, 1, 2, 2])
        assert [(row["class"], row["label"], row["score"]) for row in rows] == [
            (found.index, found.label, found.score) for found in expected
        ]
    status, out, _ = run("classify", "fashion.onnx", "mine.npy")
    assert status == 0 and expected[0].label in out
    assert_one_line(run("classify", "fashion.onnx", "mine.npy", "-k", "11"), "k is 11; it must be from 1 to 10")


def test_confusion_counts_what_is_taken_for_what(run: Run, fashion: Path, tmp_path: Path) -> None:
    images, labels = shipped_images("fashion-mnist")
    classes = load(fashion).run(images).argmax(axis=1)
    np.savez(tmp_path / "shipped.npz", images=images, labels=labels)
    status, out, _ = run("confusion", str(fashion), "--inputs", "shipped.npz", "--json")
    report = json.loads(out)
    assert (status, report["inputs"]) == (0, "256 images of shipped.npz")
    counts = [[int(((labels == is_) & (classes == taken)).sum()) for taken in range(10)] for is_ in range(10)]
    assert [row["counts"] for row in report["rows"]] == counts
    assert [row["label"] for row in report["rows"]] == report["labels"] == LABELS["fashion-mnist"]
    assert [row["right"] for row in report["rows"]] == [row[i] / sum(row) for i, row in enumerate(counts)]
    status, out, _ = run("confusion", str(fashion), "--inputs", "shipped.npz")
    assert status == 0 and f"{(classes == labels).sum()} of 256 right: {(classes == labels).mean():.2%}" in out
    np.savez(tmp_path / "mine.npz", images=images[:5], labels=labels[:5] + 10)
    assert_one_line(run("confusion", str(fashion), "--inputs", "mine.npz"), "labels are not in 0..9")
    np.save(tmp_path / "mine.npy", images[:5])
    assert_one_line(run("confusion", str(fashion), "--inputs", "mine.npy"), "there are no labelled images to count")


WRONG_INPUTS: dict[str, tuple[dict[str, np.ndarray] | np.ndarray | bytes, str]] = {
    "shape": (np.zeros((3, 28, 27), np.uint8), "input has shape (3, 28, 27); the network takes uint8 (1, 28, 28)"),
    "nan": (np.full((1, 28, 28), np.nan), "NaN"),
    "fractions": (np.full((1, 28, 28), 0.5), "fractions"),
    "range": (np.full((1, 28, 28), 256), "256"),
    "text": (np.full((1, 28, 28), "x"), "<U1"),
    "none": (np.zeros((0, 1, 28, 28), np.uint8), "holds no images"),
    "objects": (b"\x93NUMPY\1\0v\0{'descr': '|O', 'fortran_order': False, 'shape': (1,), }", "neither a .npy file"),
    "no array": ({"pixels": np.zeros(3)}, "with an array `images`"),
    "labels": ({"images": np.zeros((2, 28, 28), np.uint8), "labels": np.zeros(3, int)}, "2 images need as many"),
    "foreign": (b"hello", "neither a .npy file"),
    "empty": (b"", "neither a .npy file"),
}


@pytest.mark.parametrize("case", WRONG_INPUTS)
def test_wrong_inputs_are_one_line(run: Run, fashion: Path, tmp_path: Path, case: str) -> None:
    content, message = WRONG_INPUTS[case]
    path = tmp_path / ("in.npz" if isinstance(content, dict) else "in.npy")
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif isinstance(content, dict):
        np.savez(path, **content)
    else:
        np.save(path, content)
    for command in (("verify",), ("profile",), ("deploy", "-o", "out")):
        assert_one_line(run(command[0], str(fashion), *command[1:], "--inputs", path.name), path.name, message)
    assert_one_line(run("classify", str(fashion), path.name), path.name, message)
    assert not (tmp_path / "out").exists()
    assert_one_line(run("verify", str(fashion), "--inputs", "missing.npy"), "missing.npy", "No such file")


def test_a_full_disk_is_one_line(run: Run, fashion: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full")
    assert_one_line(run("export", str(fashion), "--format", "trit", "-o", "/dev/full"), "/dev/full", "No space left")


@pytest.mark.parametrize(("region", "sizes"), [("flash", (65536, 262144)), ("ram", (1048576, 8192))])
def test_a_model_too_large_for_its_target_says_by_how_much(
    run: Run, fashion: Path, tmp_path: Path, region: str, sizes: tuple[int, int]
) -> None:
    pytest.importorskip("ziglang", reason="ziglang is not installed: pip install 'trit[mcu]'")
    board = (files("trit.targets") / "nrf52840.toml").read_text()
    board = board.replace("0x00100000", str(sizes[0])).replace("0x00040000", str(sizes[1]))
    (tmp_path / "small.toml").write_text(board)
    size = dict(zip(("flash", "ram"), sizes, strict=True))[region]
    for command in (("deploy", "-o", "out"), ("profile",)):
        result = run(command[0], str(fashion), *command[1:], "--target", "small.toml")
        assert_one_line(result, "too large for small", f"bytes more than the {size:,} bytes of {region}")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("words", "package", "extra"),
    [
        ("train digits-ternary-mlp", "torch", "train"),
        ("train digits-ternary-mlp", "accelerate", "train"),
        ("export model.pt -o x.onnx", "torch", "train"),
        ("report run", "altair", "report"),
        ("report run", "vl_convert", "report"),
    ],
)
def test_a_missing_package_is_named_with_its_extra(words: str, package: str, extra: str, tmp_path: Path) -> None:
    (tmp_path / "model.pt").touch()
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "history.jsonl").write_text('{"epoch": 1, "loss": 1.0, "seconds": 1.0}')
    program = f"import sys; sys.modules[{package!r}] = None; from trit.main import main; main()"
    command = [sys.executable, "-c", program, *words.split()]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.stderr == f"trit: {package} is not installed: pip install 'trit[{extra}]' brings it\n"
    assert done.returncode == 2


def test_load_refuses_what_it_cannot_run(fashion: Path, tmp_path: Path) -> None:
    session = load(fashion)
    for images in (np.zeros((1, 28, 27)), np.full((1, 28, 28), np.nan), np.full((1, 28, 28), 256), np.array(["x"])):
        with pytest.raises(TritError, match="the network takes"):
            session.run(images)
