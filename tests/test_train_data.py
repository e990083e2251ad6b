# SPDX-License-Identifier: Apache-2.0
"""Data sets: their standard files, where they are looked for, and what is said when they are not whole."""

from __future__ import annotations

import gzip
import hashlib
import io
import struct
import tarfile
import threading
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from trit.runtime.errors import TritError
from trit.train import data as module
from trit.train.data import SOURCES, load_test, load_train

IDX_FILES = list(SOURCES["mnist"].files)
CIFAR_FILES = list(SOURCES["cifar10"].files)


def idx(array: np.ndarray) -> bytes:
    return bytes((0, 0, 8, array.ndim)) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def mnist_files() -> dict[str, bytes]:
    rng = np.random.default_rng(0)
    sizes = [(20, 28, 28), (20,), (7, 28, 28), (7,)]
    return {name: idx(rng.integers(0, 10, size, dtype=np.uint8)) for name, size in zip(IDX_FILES, sizes, strict=True)}


def cifar_files() -> dict[str, bytes]:
    rng = np.random.default_rng(0)
    return {name: rng.integers(0, 10, (3, 3073), dtype=np.uint8).tobytes() for name in CIFAR_FILES}


def put(folder: Path, contents: dict[str, bytes]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    return folder


@pytest.fixture(autouse=True)
def empty_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("TRIT_DATA", raising=False)


@pytest.mark.parametrize("inner", ["", "mnist"])
def test_idx_files_in_the_folder_or_its_subfolder(tmp_path: Path, inner: str) -> None:
    files = mnist_files()
    put(tmp_path / "data" / inner, files)
    images, labels = load_train("mnist", tmp_path / "data")
    assert (images.shape, images.dtype, labels.shape, labels.dtype) == ((20, 1, 28, 28), np.uint8, (20,), np.int64)
    assert images.tobytes() == files[IDX_FILES[0]][16:]
    assert labels.astype(np.uint8).tobytes() == files[IDX_FILES[1]][8:]
    assert len(load_test("mnist", tmp_path / "data")[0]) == 7


def test_cifar_records(tmp_path: Path) -> None:
    files = cifar_files()
    put(tmp_path / "cifar10" / "cifar-10-batches-bin", files)
    images, labels = load_train("cifar10", tmp_path)
    assert (images.shape, labels.shape) == ((15, 3, 32, 32), (15,))
    second = np.frombuffer(files["data_batch_1.bin"], np.uint8)[3073:6146]
    assert labels[1] == second[0]
    assert images[1].tobytes() == second[1:].tobytes()
    assert len(load_test("cifar10", tmp_path)[0]) == 3


def test_digits_are_split_without_overlap() -> None:
    pytest.importorskip("sklearn", reason="scikit-learn is not installed: pip install 'trit[train]'")
    (train, train_labels), (test, test_labels) = load_train("digits"), load_test("digits")
    assert (train.shape, test.shape) == ((1438, 1, 8, 8), (359, 1, 8, 8))
    assert train.max() == 255
    assert set(train_labels) == set(test_labels) == set(range(10))


def test_places_are_tried_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path / "cache" / "trit" / "data" / "mnist", mnist_files())
    assert len(load_test("mnist")[0]) == 7
    put(tmp_path / "mine" / "mnist", mnist_files() | {IDX_FILES[2]: idx(np.zeros((7, 28, 28), np.uint8))})
    monkeypatch.setenv("TRIT_DATA", str(tmp_path / "mine"))
    assert not load_test("mnist")[0].any()


@pytest.mark.parametrize("missing", IDX_FILES)
def test_a_missing_file_is_named(tmp_path: Path, missing: str) -> None:
    folder = put(tmp_path / "mnist", mnist_files())
    (folder / missing).unlink()
    with pytest.raises(TritError, match=f"{folder}: lacks {missing}$"):
        load_train("mnist", tmp_path)


def test_an_empty_folder_names_what_it_should_hold(tmp_path: Path) -> None:
    with pytest.raises(TritError, match=f"{tmp_path}/mnist: has none of train-images-idx3-ubyte"):
        load_train("mnist", tmp_path)
    with pytest.raises(TritError, match="no data set 'minst'"):
        load_train("minst", tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not an IDX file"),
        (idx(np.zeros((20, 28, 28), np.uint8))[:-1], "truncated: 15,679 bytes of data instead of 15,680"),
        (idx(np.zeros((20, 28, 28), np.uint8))[:10], "not an IDX file"),
        (idx(np.zeros((20,), np.uint8)), "not an IDX file of bytes in 3 dimensions"),
        (idx(np.zeros((19, 28, 28), np.uint8)), "has 19 images"),
    ],
)
def test_damaged_idx_files(tmp_path: Path, content: bytes, message: str) -> None:
    put(tmp_path / "mnist", mnist_files() | {IDX_FILES[0]: content})
    with pytest.raises(TritError, match=message):
        load_train("mnist", tmp_path)


@pytest.mark.parametrize("content", [b"", bytes(3072)])
def test_damaged_cifar_files(tmp_path: Path, content: bytes) -> None:
    put(tmp_path, cifar_files() | {"test_batch.bin": content})
    with pytest.raises(TritError, match=r"test_batch\.bin: .* bytes are not records"):
        load_test("cifar10", tmp_path)


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def home(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A folder served on the loopback address, as a data set's home is on the net."""
    folder = tmp_path / "served"
    folder.mkdir()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield folder, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def sums(files: dict[str, bytes]) -> dict[str, str]:
    return {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}


def test_missing_files_are_downloaded_once(
    home: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("pooch", reason="pooch is not installed: pip install 'trit[train]'")
    folder, address = home
    files = mnist_files()
    put(folder, {f"{name}.gz": gzip.compress(content) for name, content in files.items()})
    monkeypatch.setitem(SOURCES, "mnist", replace(SOURCES["mnist"], home=address, files=sums(files)))
    assert len(load_train("mnist")[0]) == 20
    kept = tmp_path / "cache" / "trit" / "data" / "mnist"
    assert sorted(path.name for path in kept.iterdir()) == sorted(IDX_FILES)
    for path in folder.iterdir():
        path.unlink()
    assert len(load_test("mnist")[0]) == 7


def test_an_archive_is_unpacked(home: tuple[Path, str], monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pooch", reason="pooch is not installed: pip install 'trit[train]'")
    folder, address = home
    files = cifar_files()
    with tarfile.open(folder / "cifar-10-binary.tar.gz", "w:gz") as archive:
        for name, content in [*files.items(), ("readme.html", b"<html>")]:
            member = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    monkeypatch.setitem(SOURCES, "cifar10", replace(SOURCES["cifar10"], home=address, files=sums(files)))
    assert len(load_train("cifar10")[0]) == 15


def test_a_download_with_a_wrong_checksum_is_refused(
    home: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("pooch", reason="pooch is not installed: pip install 'trit[train]'")
    folder, address = home
    put(folder, {f"{name}.gz": gzip.compress(content) for name, content in mnist_files().items()})
    monkeypatch.setitem(SOURCES, "mnist", replace(SOURCES["mnist"], home=address))
    with pytest.raises(TritError, match=r"wrong checksum.*put train-images-idx3-ubyte.* into"):
        load_train("mnist")
    assert not (tmp_path / "cache" / "trit" / "data" / "mnist" / IDX_FILES[0]).exists()


def test_without_a_net_the_place_to_put_files_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pooch", reason="pooch is not installed: pip install 'trit[train]'")
    monkeypatch.setattr(module, "SECONDS_TO_ANSWER", 1)
    monkeypatch.setitem(SOURCES, "mnist", replace(SOURCES["mnist"], home="http://127.0.0.1:9"))
    kept = tmp_path / "cache" / "trit" / "data" / "mnist"
    with pytest.raises(TritError, match=f"cannot download from http://127.0.0.1:9 .*: put .* into {kept}"):
        load_train("mnist")
