# SPDX-License-Identifier: Apache-2.0
"""Data sets from their standard files: IDX (MNIST, Fashion-MNIST), CIFAR-10 binary, spoken words, digits.

Looked for in the folder given, $TRIT_DATA, or the user's cache; else downloaded from the sets' usual homes with
checksums. Images are uint8 (N, C, H, W), labels int64 (N,).
"""

from __future__ import annotations

import gzip
import hashlib
import os
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import IO, Literal

import numpy as np
import numpy.typing as npt

from trit.runtime.errors import MissingExtra, TritError
from trit.runtime.files import read_bytes, write_atomic
from trit.train import speech

DataName = Literal["digits", "mnist", "fashion-mnist", "cifar10", "speech"]
Images = npt.NDArray[np.uint8]
Labels = npt.NDArray[np.int64]
SECONDS_TO_ANSWER = 5
MOST_BYTES = 1 << 30  # of a downloaded file, unpacked


@dataclass(frozen=True)
class Source:
    """Where a data set's files are: folder, files with the SHA-256 of their raw content, home, what it serves."""

    folder: str
    files: dict[str, str]
    home: str
    archive: str | None = None  # one archive with all files; None: a .gz a file


_IDX = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
SOURCES = {
    "mnist": Source(
        "mnist",
        dict(
            zip(
                _IDX,
                (
                    "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
                    "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
                    "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
                    "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
                ),
                strict=True,
            )
        ),
        "https://ossci-datasets.s3.amazonaws.com/mnist",
    ),
    "fashion-mnist": Source(
        "fashion-mnist",
        dict(
            zip(
                _IDX,
                (
                    "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
                    "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
                    "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
                    "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
                ),
                strict=True,
            )
        ),
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com",
    ),
    "cifar10": Source(
        "cifar10/cifar-10-batches-bin",
        {
            "data_batch_1.bin": "cee916563c9f80d84e3cc88e17fdc0941787f1244f00a67874d45b261883ada5",
            "data_batch_2.bin": "a591ca11fa1708a91ee40f54b3da4784ccd871ecf2137de63f51ada8b3fa57ed",
            "data_batch_3.bin": "bbe8596564c0f86427f876058170b84dac6670ddf06d79402899d93ceea26f67",
            "data_batch_4.bin": "014e562d6e23c72197cc727519169a60359f5eccd8945ad5a09d710285ff4e48",
            "data_batch_5.bin": "755304fc0b379caeae8c14f0dac912fbc7d6cd469eb67a1029a08a39453a9add",
            "test_batch.bin": "8e2eb146ae340b09e24670f29cabc6326dba54da8789dab6768acf480273f65b",
        },
        "https://www.cs.toronto.edu/~kriz",
        "cifar-10-binary.tar.gz",
    ),
}

LABELS = {
    "digits": [str(digit) for digit in range(10)],
    "mnist": [str(digit) for digit in range(10)],
    "fashion-mnist": "T-shirt/top,Trouser,Pullover,Dress,Coat,Sandal,Shirt,Sneaker,Bag,Ankle boot".split(","),  # noqa: SIM905
    "cifar10": ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"],
}


def load_train(name: str, data: Path | None = None, words: Sequence[str] = ()) -> tuple[Images, Labels]:
    """The training images and labels; `words` are the classes of speech.

    Raises TritError if they are nowhere to be had, naming a file and a place.
    """
    return _load(name, data, words, test=False, download=True)


def load_test(
    name: str, data: Path | None = None, words: Sequence[str] = (), download: bool = True
) -> tuple[Images, Labels]:
    """The test images and labels; raises TritError as `load_train`."""
    return _load(name, data, words, test=True, download=download)


def load_validation(name: str, data: Path | None = None, words: Sequence[str] = ()) -> tuple[Images, Labels] | None:
    """What training is watched with, of a data set that has such a part beside the test; raises as `load_train`."""
    if name != "speech" or not speech.has_validation(_speech_folder(data)):
        return None
    return _speech(data, words, "validation")


def _load(name: str, data: Path | None, words: Sequence[str], test: bool, download: bool) -> tuple[Images, Labels]:
    if name == "digits":
        return _digits(test)
    if name == "speech":
        return _speech(data, words, "test" if test else "training")
    if name not in SOURCES:
        raise TritError(f"no data set {name!r}: there are digits, speech, {', '.join(SOURCES)}")
    source = SOURCES[name]
    folder = _folder_of(source, data, download)
    if name == "cifar10":
        return _cifar10(folder, [file for file in source.files if file.startswith("test") == test])
    images, labels = _IDX[2:] if test else _IDX[:2]
    pixels = _idx(folder / images, 3)
    values = _idx(folder / labels, 1)
    if len(pixels) != len(values):
        raise TritError(f"{folder}: {images} has {len(pixels)} images, {labels} {len(values)} labels")
    return pixels[:, None], values.astype(np.int64)


def _folder_of(source: Source, data: Path | None, download: bool) -> Path:
    """The first place that has every file, downloading into the cache as a last resort."""
    places = data_folders(data)
    for place in places:
        for folder in (place / source.folder, place):
            missing = [name for name in source.files if not (folder / name).is_file()]
            if not missing:
                return folder
            if len(missing) < len(source.files):
                raise TritError(f"{folder}: lacks {', '.join(missing)}")
    wanted = places[0] / source.folder
    if data is not None or not download:
        raise TritError(f"{wanted}: has none of {', '.join(source.files)}")
    _download(source, wanted)
    return wanted


def _speech(data: Path | None, words: Sequence[str], part: speech.Part) -> tuple[Images, Labels]:
    return speech.load_words(_speech_folder(data), words, part, _cache() / "speech-features")


def _speech_folder(data: Path | None) -> Path:
    """The first place with a list of test recordings."""
    places = data_folders(data)
    for place in places:
        for folder in (place / "speech", place):
            if any((folder / name).is_file() for name in speech.TEST_LISTS):
                return folder
    lists = " or ".join(speech.TEST_LISTS)
    raise TritError(f"{places[0] / 'speech'}: has no {lists}: put a data set in the format of Speech Commands there")


def data_folders(data: Path | None) -> list[Path]:
    """Where data sets are looked for, in this order."""
    return [data] if data is not None else [Path(p) for p in (os.environ.get("TRIT_DATA"),) if p] + [_cache()]


def _cache() -> Path:
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "trit" / "data"


def _download(source: Source, folder: Path) -> None:
    """Bring every file into `folder`, checked. Raises TritError that says where to put them by hand."""
    try:
        import pooch
    except ImportError:
        raise MissingExtra("pooch", "train") from None
    served = [source.archive] if source.archive else [f"{name}.gz" for name in source.files]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        downloader = pooch.HTTPDownloader(timeout=SECONDS_TO_ANSWER)
        pooch.get_logger().disabled = True
        fetched = [
            Path(pooch.retrieve(f"{source.home}/{name}", None, name, folder, downloader=downloader)) for name in served
        ]
        for path in fetched:
            for name, content in _unpacked(path):
                _store(source, folder, name, content)
            path.unlink()
    except (OSError, EOFError, tarfile.TarError, ValueError) as error:
        wanted = ", ".join(source.files)
        raise TritError(f"cannot download from {source.home} ({_short(error)}): put {wanted} into {folder}") from error


def _unpacked(path: Path) -> Iterator[tuple[str, bytes]]:
    if path.name.endswith(".tar.gz"):
        with tarfile.open(path) as archive:
            for member in archive:
                stream = archive.extractfile(member)
                if stream is not None:
                    yield Path(member.name).name, _bounded(stream)
    else:
        with gzip.open(path) as unpacked:
            yield path.stem, _bounded(unpacked)


def _bounded(stream: IO[bytes] | gzip.GzipFile) -> bytes:
    content = stream.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise ValueError(f"a file of more than {MOST_BYTES:,} bytes")
    return content


def _store(source: Source, folder: Path, name: str, content: bytes) -> None:
    if name in source.files:
        if hashlib.sha256(content).hexdigest() != source.files[name]:
            raise ValueError(f"{name} has a wrong checksum")
        write_atomic(folder / name, content)


def _short(error: Exception) -> str:
    return str(error).splitlines()[0][:100] if str(error) else type(error).__name__


def _idx(path: Path, dimensions: int) -> Images:
    """An IDX file of unsigned bytes (LeCun et al.): magic 0, 0, 8, dimensions, then big-endian sizes, then data."""
    content = read_bytes(path)
    header = 4 + 4 * dimensions
    if content[:4] != bytes((0, 0, 8, dimensions)) or len(content) < header:
        raise TritError(f"{path}: not an IDX file of bytes in {dimensions} dimensions")
    shape = tuple(int(size) for size in np.frombuffer(content[4:header], ">u4"))
    if len(content) - header != prod(shape):
        raise TritError(f"{path}: truncated: {len(content) - header:,} bytes of data instead of {prod(shape):,}")
    return np.frombuffer(content, np.uint8, offset=header).reshape(shape)


def _cifar10(folder: Path, names: list[str]) -> tuple[Images, Labels]:
    """CIFAR-10's binary form (Krizhevsky 2009): records of a label byte and 3×32×32 pixels."""
    parts = []
    for name in names:
        content = read_bytes(folder / name)
        if len(content) == 0 or len(content) % 3073:
            raise TritError(f"{folder / name}: {len(content):,} bytes are not records of 3,073")
        parts.append(np.frombuffer(content, np.uint8).reshape(-1, 3073))
    records = np.concatenate(parts)
    return records[:, 1:].reshape(-1, 3, 32, 32), records[:, 0].astype(np.int64)


def _digits(test: bool) -> tuple[Images, Labels]:
    """scikit-learn's 1,797 8×8 digits (Alpaydin & Kaynak 1998), 0..16 spread to 0..255; every fifth is a test image."""
    try:
        from sklearn.datasets import load_digits
    except ImportError:
        raise MissingExtra("scikit-learn", "train") from None
    digits = load_digits()
    images = (digits.images * 255 / 16).round().astype(np.uint8)[:, None]
    chosen = (np.arange(len(images)) % 5 == 4) == test
    return images[chosen], digits.target[chosen].astype(np.int64)
