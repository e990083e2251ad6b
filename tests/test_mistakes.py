# SPDX-License-Identifier: Apache-2.0
"""What people type wrongly: one line that says what is wrong, exit status 2, no traceback, and nothing is changed."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="torch is not installed: pip install 'trit[train]'")
pytest.importorskip("unicorn", reason="unicorn is not installed: pip install 'trit[mcu]'")

from tests_support import RECIPE

from trit.commands.zoo import network_bytes

Run = Callable[..., tuple[int, str, str]]
FILES = {
    "text.onnx": b"no protobuf",
    "empty.onnx": b"",
    "text.trit": b"no plan",
    "short.trit": b"TRIT",
    "text.pt": b"no archive",
    "pickle.pt": b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x04true\x85R.",
    "text.json": b"{",
    "text.toml": b"data = ",
    "odd.toml": b"data = 3\n",
    "good.toml": RECIPE.encode(),
    "target.toml": b'title = "x"\nkind = "toaster"\n',
    "text.npy": b"no array",
    "object.npy": b"\x93NUMPY\x01\x00v\x00{'descr': '|O', 'fortran_order': False, 'shape': (1,), }"
    + b" " * 56
    + b"\n"
    + b"cos\nsystem\n",
    "text.wav": b"RIFF",
}
MISTAKES = [
    # no such thing
    ("trian", "No such command 'trian'"),
    ("train digits-ternary-mpl", "digits-ternary-mlp"),
    ("train digits-ternary-mlp --epochs 3", "--epochs"),
    ("train", "Missing argument"),
    ("train a b", "unexpected extra argument"),
    ("inspect", "Missing argument"),
    ("inspect missing.trit", "missing.trit"),
    ("inspect .", "directory"),
    ("zoo fashion-ternary-cmn -o x.onnx", "fashion-ternary-cnn"),
    ("zoo fashion-ternary-cnn -o no/x.onnx", "no/x.onnx"),
    ("zoo --card", "--card needs the name of a network"),
    ("zoo mnist-binary-mlp --card -o x.onnx", "give one of them"),
    ("targets nrf5284", "nrf52840"),
    ("target chek hfo2-130nm", "chek"),
    ("classify", "Missing argument"),
    # a key or value that a recipe has not
    ("train good.toml --set epochs", "KEY=VALUE"),
    ("train good.toml --set training.epoch=3", "training.epoch"),
    ("train good.toml --set training.epochs=0", "training.epochs"),
    ("train good.toml --set training.epochs=-1", "training.epochs"),
    ("train good.toml --set training.epochs=many", "training.epochs"),
    ("train good.toml --set training.learning_rate=nan", "learning_rate"),
    ("train good.toml --set training.batch=0", "training.batch"),
    ("train good.toml --set training.optimizer=adamm", "training.optimizer"),
    ("train good.toml --set quantization.weights=quaternary", "quantization.weights"),
    ("train good.toml --set network.kind=mpl", "network"),
    ("train good.toml --set network.hidden=[0]", "network"),
    ("train good.toml --set data=digit", "data"),
    ("train good.toml --set tasks.kind=permutd", "tasks"),
    ("train good.toml --set tasks.kind=permuted --set tasks.count=0", "tasks"),
    ("train good.toml --set protection.kind=ewc", "protection"),
    ("train good.toml --set equilibrium.beta=1", "equilibrium"),
    ("train good.toml --set training.metaplasticity=[1,2,3]", "metaplasticity"),
    ("train good.toml --resume", "nothing to resume"),
    ("train good.toml --data missing --set data=mnist", "missing"),
    ("train text.toml", "recipe text: not TOML"),
    ("train odd.toml", "odd"),
    ("train missing.toml", "missing.toml"),
    ("train good.toml --out good.toml", "good.toml"),
    ("sweep good.toml", "--grid"),
    ("sweep good.toml --grid width", "width"),
    ("sweep good.toml --grid training.epoch=1,2", "training.epoch"),
    ("sweep good.toml --grid training.epochs=", "training.epochs"),
    ("sweep good.toml --grid training.epochs=1 --seeds 0", "--seeds"),
    ("sweep good.toml --grid training.epochs=1 --target nrf5284", "nrf52840"),
    # files that are something else
    ("export text.pt -o x.onnx", "text.pt"),
    ("export pickle.pt -o x.onnx", "pickle.pt"),
    ("export fashion.onnx -o x.doc", "--format"),
    ("export fashion.onnx", "Missing option"),
    ("export fashion.onnx -o x.trit --lanes 3", "lanes"),
    ("inspect text.onnx", "text.onnx"),
    ("inspect empty.onnx", "empty.onnx"),
    ("inspect text.trit", "text.trit"),
    ("inspect short.trit", "short.trit"),
    ("verify text.onnx", "text.onnx"),
    ("verify short.trit", "short.trit"),
    ("verify fashion.onnx --images 0", "--images"),
    ("verify fashion.onnx --task one", "one"),
    ("verify fashion.onnx --inputs text.npy", "text.npy"),
    ("verify fashion.onnx --inputs object.npy", "object.npy"),
    ("verify fashion.onnx --inputs small.npy", "small.npy"),
    ("verify fashion.onnx --inputs float.npy", "float.npy"),
    ("verify fashion.onnx --inputs missing.npy", "missing.npy"),
    ("confusion fashion.onnx --inputs images.npy", "label"),
    ("classify fashion.onnx text.wav", "text.wav"),
    ("classify fashion.onnx missing.png", "missing.png"),
    ("import text.onnx -o x.onnx", "text.onnx"),
    ("import missing.onnx -o x.onnx", "missing.onnx"),
    ("report text.json", "text.json"),
    ("report missing.json", "missing.json"),
    # targets
    ("profile fashion.onnx --target toaster", "toaster"),
    ("profile fashion.onnx --target target.toml", "kind is 'toaster'; it must be one of host"),
    ("profile fashion.onnx --target text.toml", "target text: not TOML"),
    ("profile fashion.onnx --target ,", "target"),
    ("profile fashion.onnx --accuracy -1", "--accuracy"),
    ("profile fashion.onnx --monte-carlo 0", "--monte-carlo"),
    ("profile fashion.onnx --bar 90", "--monte-carlo"),
    ("profile fashion.onnx --target rram-2t2r-130nm --set operation.suply=1", "operation.suply"),
    ("profile fashion.onnx --target rram-2t2r-130nm --set operation.supply=-1", "supply"),
    ("profile fashion.onnx --target nrf52840 --every 10", "--every"),
    ("profile fashion.onnx --battery 1Ah", "--every"),
    ("deploy fashion.onnx --target nrf5284 -o out", "nrf52840"),
    ("deploy fashion.onnx -o good.toml", "good.toml"),
    ("deploy fashion.onnx -o .", "holds other files"),
    ("target sweep --over supply", "supply"),
    ("target sweep --over supply=1:2", "supply"),
    ("target sweep --over suply=1,2", "suply"),
    ("target sweep --over supply=0.8 --plot x.doc", "x.doc"),
    ("target check missing.toml", "missing.toml"),
    ("target calibrate text.json", "text.json"),
    ("hidden-weights text.pt", "text.pt"),
    ("gradients digits-ternary-mlp", "convergent"),
]


@pytest.mark.parametrize(("line", "expected"), MISTAKES, ids=[line for line, _ in MISTAKES])
def test_a_mistake_is_one_line_and_changes_nothing(run: Run, tmp_path: Path, line: str, expected: str) -> None:
    for name, data in FILES.items():
        (tmp_path / name).write_bytes(data)
    (tmp_path / "fashion.onnx").write_bytes(network_bytes("fashion-ternary-cnn"))
    np.save(tmp_path / "images.npy", np.zeros((2, 1, 28, 28), np.uint8))
    np.save(tmp_path / "small.npy", np.zeros((2, 1, 8, 8), np.uint8))
    np.save(tmp_path / "float.npy", np.full((2, 1, 28, 28), 0.5))
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    status, out, error = run(*shlex.split(line))
    assert status == 2, (out, error)
    assert expected in error and error.count("\n") == 1 and error.startswith("trit: "), error
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
