# SPDX-License-Identifier: Apache-2.0
"""A recipe's [tasks], what is learned after what, and its [protection] of what was learned before."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from trit.export.schema import Table
from trit.train.data import DataName

BatchNorm = Literal["per task", "shared"]


class Permuted(Table):
    """The data set `count` times, each time with its pixels in another order that the seed draws."""

    kind: Literal["permuted"]
    count: int = Field(gt=1)
    batch_norm: BatchNorm = "per task"


class Sequence(Table):
    """The data set, then others of its shape and number of classes."""

    kind: Literal["sequence"]
    then: list[DataName] = Field(min_length=1)
    batch_norm: BatchNorm = "per task"


class Stream(Table):
    """The data set's training images in `parts` that the seed draws; each is trained with once, the test is one."""

    kind: Literal["stream"]
    parts: int = Field(gt=1)
    batch_norm: Literal["shared"] = "shared"  # of one test, nobody says which part it belongs to


class Classes(Table):
    """Some of the data set's classes after the others: a task a group, by their numbers."""

    kind: Literal["classes"]
    groups: list[Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1)]] = Field(min_length=2)
    batch_norm: BatchNorm = "shared"


class ElasticWeights(Table):
    """Elastic weight consolidation (Kirkpatrick et al., PNAS 2017) of the quantized weights."""

    kind: Literal["ewc"]
    strength: float = Field(5000.0, gt=0)  # λ
    samples: int = Field(5000, gt=0)  # of a task's training images for the Fisher information


class SynapticIntelligence(Table):
    """Synaptic intelligence (Zenke et al., ICML 2017) of the hidden weights."""

    kind: Literal["si"]
    strength: float = Field(0.1, gt=0)  # c
    damping: float = Field(0.001, gt=0)  # ξ


class Replay(Table):
    """Images kept of each former task and mixed into the training, as many a pass as the new task has."""

    kind: Literal["replay"]
    images: int = Field(200, gt=0)  # of each task


class Joint(Table):
    """All tasks at once: what learning them one after the other is measured against."""

    kind: Literal["joint"]
