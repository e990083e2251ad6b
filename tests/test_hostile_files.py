# SPDX-License-Identifier: Apache-2.0
"""Files from strangers: none of their code runs, they take no more memory than they have bytes, the end is one line."""

from __future__ import annotations

import hashlib
import io
import pickle
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

torch = pytest.importorskip("torch", reason="torch is not installed: pip install 'trit[train]'")

from tests_support import RECIPE

from trit import inputs
from trit.commands.zoo import network_bytes
from trit.inputs import read_images
from trit.runtime.errors import TritError
from trit.train import checkpoint, data, speech

Run = Callable[..., tuple[int, str, str]]


class Payload:
    """Unpickled, it makes a file."""

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (Path("ran"),)


def sealed(content: bytes) -> bytes:
    """A model.pt whose checksum is right."""
    return checkpoint.MAGIC + hashlib.sha256(content).digest() + content


def saved(content: Any) -> bytes:
    stream = io.BytesIO()
    torch.save(content, stream)
    return sealed(stream.getvalue())


def model(hidden: int, **state: Any) -> bytes:
    return saved({"recipe": RECIPE.replace("[8]", f"[{hidden}]"), "name": "x", "state": state})


MODELS = {
    "a pickle": (sealed(pickle.dumps(Payload())), "holds something else"),
    "a pickle in an archive": (saved({"recipe": Payload(), "name": "x", "state": {}}), "holds something else"),
    "junk": (sealed(b"junk"), "holds something else"),
    "nothing": (sealed(b""), "holds something else"),
    "a list": (saved([1]), "holds something else"),
    "a number as recipe": (saved({"recipe": 3, "name": "x", "state": {}}), "holds something else"),
    "a text as state": (saved({"recipe": RECIPE, "name": "x", "state": "y"}), "dense1.weight"),
    "no recipe": (saved({"recipe": "data = 3", "name": "x", "state": {}}), "data"),
    "other weights": (model(8, a=torch.ones(1)), "its weights are not those of its recipe's network: a, dense1.weight"),
    "a network of terabytes": (model(1_000_000_000, a=torch.ones(1)), "its weights are not those"),
}


@pytest.mark.parametrize(("content", "message"), MODELS.values(), ids=MODELS)
def test_a_model_that_is_none_is_one_line(run: Run, tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "model.pt").write_bytes(content)
    status, _, error = run("export", "model.pt", "-o", "x.onnx")
    assert status == 2 and message in error and error.count("\n") == 1, error
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.pt"]  # nothing ran


def array_header(shape: tuple[int, ...]) -> bytes:
    text = f"{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text.encode()


def test_an_array_takes_no_more_than_its_file_has(run: Run, tmp_path: Path) -> None:
    (tmp_path / "fashion.onnx").write_bytes(network_bytes("fashion-ternary-cnn"))
    (tmp_path / "bomb.npy").write_bytes(array_header((10**12, 1, 28, 28)))
    status, _, error = run("profile", "fashion.onnx", "--inputs", "bomb.npy")
    assert status == 2 and "bomb.npy" in error and error.count("\n") == 1


def test_an_archive_does_not_unpack_to_more_than_memory(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inputs, "MOST_BYTES", 1 << 20)
    (tmp_path / "fashion.onnx").write_bytes(network_bytes("fashion-ternary-cnn"))
    with zipfile.ZipFile(tmp_path / "bomb.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("images.npy", array_header((4000, 1, 28, 28)) + bytes(4000 * 784))
    status, _, error = run("profile", "fashion.onnx", "--inputs", "bomb.npz")
    assert status == 2 and "bomb.npz: unpacks to 3,136,128 bytes" in error and error.count("\n") == 1


@given(
    st.binary(max_size=200), st.sampled_from([b"", b"\x93NUMPY\x01\x00", b"PK\x03\x04", array_header((2, 1, 28, 28))])
)
def test_any_bytes_are_images_or_one_error(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, start: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.npy"
    path.write_bytes(start + content)
    with pytest.raises(TritError, match=r"any\.npy"):
        read_images(path, (1, 28, 28))


@given(st.lists(st.integers(0, 2**32 - 1), min_size=3, max_size=3), st.binary(max_size=64))
def test_any_sizes_of_an_idx_file_are_checked(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[int], content: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "any-idx3-ubyte"
    path.write_bytes(bytes((0, 0, 8, 3)) + struct.pack(">3I", *sizes) + content)
    try:
        assert data._idx(path, 3).shape == tuple(sizes)
    except TritError as error:
        assert "truncated" in str(error)


HEADER = b"RIFF" + struct.pack("<I4s4sIHHIIHH", 2**32 - 1, b"WAVE", b"fmt ", 16, 1, 1, 16000, 32000, 2, 16)


@given(
    st.binary(max_size=12),
    st.lists(st.tuples(st.integers(0, len(HEADER) - 1), st.integers(0, 255)), max_size=4),
    st.sampled_from([0, 4, 12, len(HEADER)]),
    st.integers(0, 2**32 - 1),
)
def test_any_recording_is_sound_or_one_error(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, damage: list[tuple[int, int]], kept: int, size: int
) -> None:
    header = bytearray(HEADER)
    for place, value in damage:
        header[place] = value
    path = tmp_path_factory.getbasetemp() / "any.wav"
    path.write_bytes(header[:kept] + b"data" + struct.pack("<I", size) + content)
    try:
        assert speech._read(path).shape == (16000,)
    except TritError as error:
        assert str(path) in str(error) and "\n" not in str(error)


def test_sizes_whose_product_overflows_are_checked(tmp_path: Path) -> None:
    path = tmp_path / "idx"
    path.write_bytes(bytes((0, 0, 8, 3)) + struct.pack(">3I", 1 << 31, 1 << 31, 1 << 2))  # 2^64, 0 in 64 bits
    with pytest.raises(TritError, match="truncated"):
        data._idx(path, 3)


def test_a_downloaded_file_unpacks_to_bounded_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import gzip

    monkeypatch.setattr(data, "MOST_BYTES", 1000)
    (tmp_path / "x.gz").write_bytes(gzip.compress(bytes(5000)))
    with pytest.raises(ValueError, match="more than 1,000 bytes"):
        list(data._unpacked(tmp_path / "x.gz"))


def test_weights_outside_of_the_model_come_from_its_folder_alone(run: Run, tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    secret = tmp_path / "secret"
    secret.write_bytes(np.ones(4, np.float32).tobytes())
    folder = tmp_path / "model"
    folder.mkdir()
    for place in ("../secret", str(secret), "link"):
        (folder / "link").unlink(missing_ok=True)
        (folder / "link").symlink_to(secret)
        weight = onnx.TensorProto(name="w", data_type=onnx.TensorProto.FLOAT, dims=[4, 1])
        weight.data_location = onnx.TensorProto.EXTERNAL
        weight.external_data.add(key="location", value=place)
        x, y = (onnx.helper.make_tensor_value_info(name, 1, shape) for name, shape in (("x", [1, 4]), ("y", [1, 1])))
        node = onnx.helper.make_node("MatMul", ["x", "w"], ["y"])
        made = onnx.helper.make_model(onnx.helper.make_graph([node], "g", [x], [y], [weight]))
        (folder / "model.onnx").write_bytes(made.SerializeToString())
        status, _, error = run("import", "model/model.onnx", "-o", "out.onnx")
        assert status == 2 and error.count("\n") == 1 and "cannot be read" in error, (place, error)
