# SPDX-License-Identifier: Apache-2.0
"""Tasks that a network learns one after the other, made of the data sets."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from trit.runtime.errors import TritError
from trit.train.data import load_test, load_train
from trit.train.recipe import Recipe
from trit.train.recipe_tasks import Classes, Permuted, Sequence, Stream

if TYPE_CHECKING:
    from trit.train.loop import DataSet


@dataclass(frozen=True)
class Task:
    """Images and labels to learn, and to test what was learned; tasks with one test set share its name."""

    name: str
    train_set: DataSet
    test_set: DataSet
    test_name: str


def make_tasks(recipe: Recipe, data: Path | None = None) -> list[Task]:
    """The recipe's tasks in their order. Raises TritError as `load_train`, or for more parts than there are images."""
    train_set, test_set = (load(recipe.data, data, recipe.words) for load in (load_train, load_test))
    match recipe.tasks:
        case Permuted(count=count):
            return permuted(train_set, test_set, count, recipe.seed)
        case Sequence(then=then):
            others = [Task(name, load_train(name, data), load_test(name, data), name) for name in then]
            return [Task(recipe.data, train_set, test_set, recipe.data), *others]
        case Stream(parts=parts):
            return stream(train_set, test_set, parts, recipe)
        case Classes(groups=groups):
            return [_of_classes(train_set, test_set, group) for group in groups]
    raise TritError(f"recipe {recipe.name}: has no [tasks]")


def data_of(recipe: Recipe, task: str) -> str:
    """The data set that the images of one of the recipe's tasks come from."""
    return task if isinstance(recipe.tasks, Sequence) else recipe.data


def of_task(recipe: Recipe, task: str, data: DataSet) -> DataSet:
    """What one of the recipe's tasks makes of its data set's images: other orders of pixels, or some classes alone."""
    match recipe.tasks:
        case Permuted(count=count):
            number = [_permuted_name(number) for number in range(count)].index(task)
            return _reordered(data, _order(data, recipe.seed, number))
        case Classes(groups=groups):
            (chosen,) = (group for group in groups if _classes_name(group) == task)
            return _chosen(data, chosen)
    return data


def permuted(train_set: DataSet, test_set: DataSet, count: int, seed: int) -> list[Task]:
    """The same images `count` times, task i's pixels in the order that a generator of (seed, i) draws."""
    tasks = []
    for number in range(count):
        order, name = _order(train_set, seed, number), _permuted_name(number)
        tasks.append(Task(name, _reordered(train_set, order), _reordered(test_set, order), name))
    return tasks


def stream(train_set: DataSet, test_set: DataSet, parts: int, recipe: Recipe) -> list[Task]:
    """The training images in random order, cut into parts of equal size up to one; the test set is the same for all."""
    images, labels = train_set
    if parts * recipe.training.batch > len(images):
        least = f"{len(images):,} images in {parts} parts are less than a batch of {recipe.training.batch} each"
        raise TritError(f"recipe {recipe.name}: tasks.parts: {least}")
    order = np.random.default_rng(recipe.seed).permutation(len(images))
    return [
        Task(f"part {number + 1}", (images[chosen], labels[chosen]), test_set, recipe.data)
        for number, chosen in enumerate(np.array_split(order, parts))
    ]


def joined(tasks: list[Task]) -> DataSet:
    """The training sets of all tasks as one."""
    return _concatenated([task.train_set for task in tasks])


def with_replay(train_set: DataSet, kept: list[DataSet]) -> DataSet:
    """The training set, and after it the kept images of former tasks again and again until they are as many."""
    if not kept:
        return train_set
    images, labels = _concatenated(kept)
    again = np.arange(len(train_set[0])) % len(images)
    return _concatenated([train_set, (images[again], labels[again])])


def keep(train_set: DataSet, count: int, seed: int) -> DataSet:
    """`count` of the images, or all where there are fewer."""
    images, labels = train_set
    chosen = np.random.default_rng(seed).permutation(len(images))[:count]
    return images[chosen], labels[chosen]


Order = npt.NDArray[np.int64]


def _order(data: DataSet, seed: int, number: int) -> Order:
    return np.random.default_rng((seed, number)).permutation(data[0][0].size)


def _permuted_name(number: int) -> str:
    return f"permuted {number + 1}"


def _classes_name(group: list[int]) -> str:
    return f"classes {', '.join(map(str, group))}"


def _reordered(data: DataSet, order: Order) -> DataSet:
    images, labels = data
    return images.reshape(len(images), -1)[:, order].reshape(images.shape), labels


def _of_classes(train_set: DataSet, test_set: DataSet, group: list[int]) -> Task:
    name = _classes_name(group)
    return Task(name, _chosen(train_set, group), _chosen(test_set, group), name)


def _chosen(data: DataSet, group: list[int]) -> DataSet:
    images, labels = data
    belongs = np.isin(labels, group)
    return images[belongs], labels[belongs]


def _concatenated(sets: list[DataSet]) -> DataSet:
    return np.concatenate([images for images, _ in sets]), np.concatenate([labels for _, labels in sets])
