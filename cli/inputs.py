# SPDX-License-Identifier: Apache-2.0
"""Images to run a network on: its data set's test images where they are at hand, else random ones."""

from __future__ import annotations

import io
import zlib
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from zipfile import BadZipFile, ZipFile, is_zipfile

import numpy as np
import numpy.typing as npt

from trit.export.graph import Graph, Shape
from trit.runtime.errors import TritError, known_task
from trit.runtime.images import as_images

MOST_BYTES = 1 << 30  # of the arrays of a .npz file
SHIPPED = {"fashion-mnist": "fashion-mnist-test-256.npz"}  # in zoo/: the data set's first 256 test images


@dataclass(frozen=True)
class Inputs:
    images: npt.NDArray[np.uint8]  # (N, C, H, W)
    labels: npt.NDArray[np.int64] | None
    origin: str  # for the user: what these images are

    def labelled(self, model: Path | None) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
        """Images and labels. Raises TritError, naming the model, where there are no labels."""
        if self.labels is None:
            raise TritError(f"{model}: there are no labelled images for its accuracy: name their folder with --data")
        return self.images, self.labels


def inputs_for(
    graph: Graph, count: int | None, data: Path | None = None, file: Path | None = None, task: str | None = None
) -> Inputs:
    """Up to `count` images (None: all there are) that fit the graph's input.

    They come from `file`, if one is given. Else the test set named in the model's metadata is used if it is in `data`,
    $TRIT_DATA or the cache, or ships with trit; it is not downloaded. Otherwise the images are random bytes from a
    fixed seed, without labels. Of a network with tasks they are those of `task`, or of its first. Raises TritError for
    a file that does not fit, for an unknown task, and where the user named a folder that lacks the test set.
    """
    shape = graph.tensors[graph.input].shape
    found = _of_file(file, shape) if file is not None else _of_data_set(graph, data, task)
    if found is None:
        rng = np.random.default_rng(0)
        count = 64 if count is None else count
        return Inputs(rng.integers(0, 256, (count, *shape), dtype=np.uint8), None, f"{count} random images")
    images, labels, origin = found
    if shape[1:] == (1, 1) and images[0].size == shape[0]:  # a network that takes pixels as channels
        images = images.reshape(len(images), *shape)
    count = len(images) if count is None else min(count, len(images))
    return Inputs(images[:count], None if labels is None else labels[:count], f"{count} {origin}")


def shipped_images(name: str) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """The labelled test images of the data set that ship with trit: uint8 (N, C, H, W), and labels int64 (N,).

    There are 256 of "fashion-mnist". Raises TritError for another name.
    """
    if name not in SHIPPED:
        raise TritError(f"no images of {name!r} ship with trit; there are those of {', '.join(SHIPPED)}")
    with np.load(io.BytesIO((files("trit") / "zoo" / SHIPPED[name]).read_bytes())) as archive:
        return archive["images"], archive["labels"].astype(np.int64)


def read_images(path: Path, shape: Shape) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64] | None]:
    """Images (N, C, H, W) of a .npy file, or the arrays `images` and, if there, `labels` of a .npz file.

    Raises TritError for a file that holds none, or whose images do not fit `shape`.
    """
    try:
        _check_size(path)
        loaded = np.load(path, mmap_mode="r", allow_pickle=False)  # mapped, a header cannot ask for more than there is
        arrays = loaded if isinstance(loaded, np.lib.npyio.NpzFile) else {"images": loaded}
        images, labels = as_images(arrays["images"], shape), arrays.get("labels")
    except OSError as error:
        raise TritError(f"cannot read {path}: {error.strerror or error}") from error
    except TritError as error:
        raise TritError(f"{path}: {error}") from error
    except (ValueError, KeyError, EOFError, BadZipFile, zlib.error) as error:
        raise TritError(f"{path}: neither a .npy file of images nor a .npz file with an array `images`") from error
    if len(images) == 0:
        raise TritError(f"{path}: holds no images")
    if labels is not None and (labels.shape != (len(images),) or labels.dtype.kind not in "iu"):
        raise TritError(f"{path}: labels are {labels.dtype} {labels.shape}; {len(images)} images need as many integers")
    return images, labels if labels is None else labels.astype(np.int64)


def _check_size(path: Path) -> None:
    """Of what a .npz file unpacks to."""
    if is_zipfile(path):
        with ZipFile(path) as archive:
            size = sum(entry.file_size for entry in archive.infolist())
        if size > MOST_BYTES:
            raise TritError(f"unpacks to {size:,} bytes; give at most {MOST_BYTES:,}, or a .npy file")


_Found = tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64] | None, str]
_Labelled = tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64], str]


def _of_file(path: Path, shape: Shape) -> _Found:
    return *read_images(path, shape), f"images of {path.name}"


def _of_data_set(graph: Graph, data: Path | None, task: str | None) -> _Found | None:
    if task is not None:
        known_task(task, graph.tasks)
    elif graph.tasks:
        task = next(iter(graph.tasks))
    if task is None or "recipe" not in graph.metadata:
        name = graph.metadata.get("data", "")
        return _test_set(name, graph, data) or _shipped(name)
    from trit.train.recipe import recorded_recipe
    from trit.train.tasks import data_of, of_task

    recipe = recorded_recipe(graph.metadata["recipe"], graph.metadata.get("name", ""))
    name = data_of(recipe, task)
    found = _test_set(name, graph, data) or _shipped(name)
    return None if found is None else (*of_task(recipe, task, found[:2]), f"{found[2]}, task {task}")


def _test_set(name: str, graph: Graph, data: Path | None) -> _Labelled | None:
    if not name:
        return None
    try:
        from trit.train.data import load_test
    except ImportError:  # without trit[train] the shipped or random images have to do
        return None
    try:
        images, labels = load_test(name, data, graph.labels, download=False)
    except TritError:
        if data is not None:
            raise
        return None
    return images, labels, f"{name} test images"


def _shipped(name: str) -> _Labelled | None:
    if name not in SHIPPED:
        return None
    images, labels = shipped_images(name)
    return images, labels, f"{name} test images that ship with trit"
