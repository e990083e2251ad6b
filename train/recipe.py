# SPDX-License-Identifier: Apache-2.0
"""Recipes: what to train on what and how, as TOML checked by a schema."""

from __future__ import annotations

from importlib.resources import files
from importlib.resources.abc import Traversable
from itertools import takewhile
from math import frexp
from typing import Annotated, Literal

from pydantic import Field, PrivateAttr, ValidationInfo, field_validator, model_validator

from trit.export.schema import Table, apply_override, check, parse_toml, read_toml, shipped
from trit.runtime.log_mel import BANDS, FRAMES
from trit.train.data import LABELS, DataName
from trit.train.recipe_tasks import (
    Classes,
    ElasticWeights,
    Joint,
    Permuted,
    Replay,
    Sequence,
    Stream,
    SynapticIntelligence,
)

TERNARY_THRESHOLD = 0.05  # of weights = "ternary", as in trit.train.quantizers.TernaryWeights
PackedWeights = Literal["binary", "ternary", "ternary-mean", "int8"]
Positive = Annotated[int, Field(gt=0)]


class Quantization(Table):
    """How every layer of the network is quantized."""

    weights: Literal["binary", "ternary", "ternary-mean", "int8", "float32"]  # int8: of convergent networks alone
    first: PackedWeights | None = None  # of the first layer, where they are others; not beside float32
    last: PackedWeights | None = None  # of the last layer, likewise
    activations: Literal["binary", "ternary", "8-bit", "relu"]  # relu: float32
    scaled: bool = False  # weights times the mean |w| of their output channel
    threshold: float = Field(0.5, gt=0)  # of ternary activations
    window: float = Field(1.5, gt=0)  # of ternary activations: the pseudo-gradient passes within ±window
    activation_scale: float = Field(1 / 32, gt=0)  # of 8-bit activations and residual streams: a code's value
    start: float | None = Field(None, gt=0)  # hidden weights start uniformly within ±start; left out: N(0, 0.03)

    @model_validator(mode="after")
    def _starts_beyond_the_threshold(self) -> Quantization:
        if self.weights == "ternary" and self.start is not None and self.start <= TERNARY_THRESHOLD:
            raise ValueError(
                f"start: {self.start} leaves all ternary weights at zero: take more than the threshold 0.05"
            )
        return self


class Mlp(Table):
    """Dense layers with batch norm: input → hidden… → classes."""

    kind: Literal["mlp"]
    hidden: list[Positive] = Field(min_length=1)


class Cnn(Table):
    """3×3 convolutions with batch norm: a list of channels a stage, a 2×2 max pool after each, then dense layers."""

    kind: Literal["cnn"]
    stages: list[Annotated[list[Positive], Field(min_length=1)]] = Field(min_length=1)
    hidden: list[Positive] = Field(default_factory=list)


class Vgg(Table):
    """The VGG of Laborieux et al., TCAS-I 2021: stages (f, f), (2f, 2f), (4f, 4f), then 512 hidden; f = width."""

    kind: Literal["vgg"]
    width: int = Field(128, gt=0)


class DsCnn(Table):
    """Depthwise-separable convolutions after Zhang et al. 2017, "Hello Edge".

    A convolution over frames and bands, blocks of a depthwise 3×3 and a pointwise convolution, a global average and a
    dense layer.
    """

    kind: Literal["ds-cnn"]
    width: int = Field(64, gt=0)  # channels
    kernel: tuple[Positive, Positive]  # of the first convolution: frames, bands
    stride: tuple[Positive, Positive]
    strides: list[Positive] = Field(min_length=1)  # of each block's depthwise convolution


class Residual(Table):
    """Residual network after Bi-Real Net (Liu et al., ECCV 2018) and QuickNet (Bannink et al., MLSys 2021).

    A 3×3 stem, stages of 3×3 convolutions with a shortcut around each on an 8-bit stream, a 2×2 max pool and a 1×1
    convolution between stages, global average, one dense layer.
    """

    kind: Literal["residual"]
    stages: list[tuple[Positive, Positive]] = Field(min_length=1)  # channels and convolutions


class Convergent(Table):
    """Layers that act on one another until they rest: convolutions with 2×2 max pools, dense layers, the classes."""

    kind: Literal["convergent"]
    channels: list[Positive] = Field(default_factory=list)  # of the convolutions
    kernel: int = Field(3, gt=0)
    padding: list[Annotated[int, Field(ge=0)]] = Field(default_factory=list)  # of each convolution
    hidden: list[Positive] = Field(default_factory=list)  # dense layers before the last

    @model_validator(mode="after")
    def _pads_each_convolution(self) -> Convergent:
        if len(self.padding) != len(self.channels):
            raise ValueError(f"padding: {len(self.padding)} numbers for {len(self.channels)} convolutions")
        if self.channels and max(self.padding) >= self.kernel:
            raise ValueError(f"padding: {max(self.padding)} is not below the kernel, {self.kernel}")
        return self


class Equilibrium(Table):
    """Equilibrium propagation: how a convergent network comes to rest, and how it learns from being nudged."""

    free_steps: int = Field(30, gt=0)
    nudged_steps: int = Field(10, gt=0)
    beta: float = Field(gt=0)  # the strength of the nudge
    estimator: Literal["one-sided", "random-sign", "symmetric"] = "symmetric"
    readout: Literal["squared-error", "cross-entropy"] = "squared-error"
    feedback: Literal["transposed", "separate"] = "transposed"  # weights downwards: W transposed, or of their own
    learning_rates: list[Annotated[float, Field(gt=0)]] = Field(default_factory=list)  # one a layer; else training's
    magnitudes: list[Annotated[float, Field(gt=0)]] = Field(default_factory=list)  # α of binary weights, one a layer
    flip_rate: float = Field(0.0, ge=0, le=1)  # γ of binary weights
    flip_threshold: float = Field(3e-3, gt=0)  # τ

    @field_validator("magnitudes")
    @classmethod
    def _are_powers_of_two(cls, magnitudes: list[float]) -> list[float]:
        for value in magnitudes:
            if frexp(value)[0] != 0.5:
                raise ValueError(f"{value} is not a power of two, so that sums of layers would not be exact")
        return magnitudes


class Training(Table):
    """The optimizer, its learning rate, one-cycle (Smith & Topin 2018), cosine or constant, and the images'
    augmentation."""

    epochs: int = Field(gt=0)  # of each task, where there are several
    batch: int = Field(100, gt=0)
    optimizer: Literal["adamw", "adam", "sgd"] = "adamw"  # adamw: decoupled weight decay; adam, sgd: in the gradient
    metaplasticity: Annotated[float, Field(ge=0)] | list[Annotated[float, Field(ge=0)]] = 0.0  # m, or one a layer
    momentum: float = Field(0.0, ge=0, lt=1)  # of sgd
    schedule: Literal["one-cycle", "cosine", "constant"] = "one-cycle"
    learning_rate: float = Field(1e-3, gt=0)
    weight_decay: float = Field(0.0, ge=0)
    label_smoothing: float = Field(0.0, ge=0, lt=1)
    flip: bool = False  # mirror half of the images
    shift: int = Field(0, ge=0)  # move by up to this many pixels each way
    roll: int = Field(0, ge=0)  # of speech: turn by up to this many frames each way, the end before the beginning
    brightness: int = Field(0, ge=0)  # add up to this to all pixels, or take it away: of speech, its loudness
    precision: Literal["auto", "float32", "bfloat16"] = "auto"  # auto: bfloat16 autocast where the machine gains by it

    @model_validator(mode="after")
    def _has_what_its_optimizer_takes(self) -> Training:
        if self.optimizer == "adamw" and self.metaplasticity:
            raise ValueError("metaplasticity needs the optimizer adam or sgd, not adamw")
        if self.optimizer != "sgd" and self.momentum:
            raise ValueError(f"momentum is of the optimizer sgd, not {self.optimizer}")
        return self


class Teacher(Table):
    """A trained network whose scores are targets beside the labels (trit.train.distillation)."""

    model: str  # the model.pt of its training
    share: float = Field(0.5, gt=0, le=1)  # of the loss
    temperature: float = Field(4.0, gt=0)  # scores are divided by it


class Faults(Table):
    """Weights that read wrong while training: at an RRAM target's rates, or at one bit error rate.

    per step: drawn anew in each forward pass; per chip: for an epoch.
    """

    target: str | None = None
    ber: float | None = Field(None, ge=0, le=0.5)
    per: Literal["step", "chip"] = "step"

    @model_validator(mode="after")
    def _has_one_source(self) -> Faults:
        if (self.target is None) == (self.ber is None):
            raise ValueError("give either a target or a bit error rate, ber")
        return self


class Recipe(Table):
    """A whole recipe."""

    _name: str = PrivateAttr("")
    _text: str = PrivateAttr("")
    seed: int = 0
    data: DataName
    words: list[str] = Field(default=[], validate_default=True)  # of speech: its classes
    zero_point: int = Field(0, ge=0, le=255)  # of the pixels
    pixel_scale: float = Field(1 / 64, gt=0)
    quantization: Quantization
    network: Annotated[Mlp | Cnn | Vgg | DsCnn | Residual | Convergent, Field(discriminator="kind")]
    training: Training
    equilibrium: Equilibrium | None = None
    teacher: Teacher | None = None
    faults: Faults | None = None
    tasks: Annotated[Permuted | Sequence | Stream | Classes, Field(discriminator="kind")] | None = None
    protection: Annotated[
        ElasticWeights | SynapticIntelligence | Replay | Joint | None, Field(discriminator="kind")
    ] = None

    @model_validator(mode="after")
    def _has_tasks_that_fit(self) -> Recipe:
        match self.tasks:
            case Sequence(then=then):
                for name in then:
                    if SHAPES[name] != SHAPES[self.data] or name == "speech" or len(LABELS[name]) != len(self.labels):
                        raise ValueError(f"tasks.then: {name} has not the shape and number of classes of {self.data}")
            case Classes(groups=groups):
                chosen = sorted(number for group in groups for number in group)
                if chosen != list(range(len(self.labels))):
                    raise ValueError(f"tasks.groups: each of the classes 0 to {len(self.labels) - 1} belongs in one")
        if self.teacher and self.tasks:
            raise ValueError("teacher: is of one data set; it goes without [tasks]")
        if self.protection and not self.tasks:
            raise ValueError("protection: is of former tasks; give [tasks]")
        if isinstance(self.protection, Replay | Joint) and self.tasks and self.tasks.batch_norm == "per task":
            raise ValueError(
                f'protection: {self.protection.kind} mixes tasks in a batch; set tasks.batch_norm="shared"'
            )
        return self

    @model_validator(mode="after")
    def _is_convergent_or_not(self) -> Recipe:
        if not isinstance(self.network, Convergent):
            if self.equilibrium:
                raise ValueError("equilibrium: is of networks of the kind convergent")
            if self.quantization.weights == "int8":
                raise ValueError("quantization.weights: int8 is of convergent networks; others have first and last")
            return self
        if self.equilibrium is None:
            raise ValueError("equilibrium: missing; a convergent network learns by equilibrium propagation")
        if self.quantization.first or self.quantization.last:
            raise ValueError("quantization.first, last: all layers of a convergent network have the same weights")
        layers = len(self.network.channels) + len(self.network.hidden) + 1
        for key in ("learning_rates", "magnitudes"):
            if len(getattr(self.equilibrium, key)) not in (0, layers):
                raise ValueError(f"equilibrium.{key}: give one number for each of the {layers} layers")
        weights, activations = self.quantization.weights, self.quantization.activations
        binary = weights == "binary"
        given = [bool(self.equilibrium.magnitudes), bool(self.equilibrium.flip_rate)]
        if weights not in ("float32", "int8", "binary") or given != [binary, binary]:
            raise ValueError("quantization.weights: int8, float32, or binary with equilibrium.magnitudes and flip_rate")
        if activations not in ("8-bit", "binary"):
            raise ValueError("quantization.activations: 8-bit (hard sigmoid) or binary (step) in convergent networks")
        if activations == "binary" and (weights == "int8" or (binary and self.network.channels)):
            raise ValueError("quantization.activations: 8-bit with int8 weights and with convolutions")
        if binary and activations == "8-bit" and self.pixel_scale != 1 / 256:
            raise ValueError("pixel_scale: 1/256 as 8-bit states have, 0.00390625, with binary weights")
        if binary and self.equilibrium.feedback == "separate":
            raise ValueError("equilibrium.feedback: separate weights cannot be binary")
        training = self.training
        if self.teacher or self.faults or self.tasks or training.metaplasticity or training.label_smoothing:
            raise ValueError(
                "equilibrium: goes without teacher, faults, tasks, training.metaplasticity and training.label_smoothing"
            )
        return self

    @field_validator("words")
    @classmethod
    def _only_for_speech(cls, words: list[str], info: ValidationInfo) -> list[str]:
        if info.data.get("data") == "speech" and len(set(words)) != max(len(words), 2):
            raise ValueError("speech needs the words to tell apart, two or more")
        if info.data.get("data") != "speech" and words:
            raise ValueError("only speech has words")
        return words

    @property
    def labels(self) -> list[str]:
        """The names of the classes."""
        return self.words or LABELS[self.data]

    @property
    def name(self) -> str:
        """The file's name."""
        return self._name

    @property
    def text(self) -> str:
        """The TOML it was read from, with what --set changed."""
        return self._text

    @property
    def input_shape(self) -> tuple[int, int, int]:
        return SHAPES[self.data]


SHAPES: dict[str, tuple[int, int, int]] = {
    "digits": (1, 8, 8),
    "mnist": (1, 28, 28),
    "fashion-mnist": (1, 28, 28),
    "cifar10": (3, 32, 32),
    "speech": (1, FRAMES, BANDS),
}


_OVERRIDE = "# --set "


def available() -> list[str]:
    """Names of the shipped recipes."""
    return shipped(_folder())


def read_recipe(name: str, overrides: list[str] | None = None) -> Recipe:
    """The shipped recipe of that name, or the TOML file at that path, with KEY=VALUE overrides applied.

    Raises TritError for an unknown name, unreadable TOML, an unknown key or a bad value; the message names it.
    """
    text, label = read_toml(name, _folder(), "recipe")
    return parse_recipe(text, label, overrides)


def parse_recipe(text: str, label: str, overrides: list[str] | None = None) -> Recipe:
    """A recipe from TOML text; `label` names it in errors and becomes its name."""
    table = parse_toml(text, f"recipe {label}")
    text = text if text.endswith("\n") else text + "\n"  # so that a comment at its end is not taken for an override
    for override in overrides or []:
        key, value = apply_override(table, override, f"recipe {label}")
        text += f"\n{_OVERRIDE}{key}={value}"
    recipe = check(Recipe, table, f"recipe {label}")
    recipe._name, recipe._text = label, text
    return recipe


def recorded_recipe(text: str, label: str) -> Recipe:
    """The recipe whose `text` a model keeps: the overrides noted at its end are applied."""
    lines = text.split("\n")
    # Comments further up may look the same.
    noted = list(takewhile(lambda line: line.startswith(_OVERRIDE), reversed(lines)))
    overrides = [line.removeprefix(_OVERRIDE) for line in reversed(noted)]
    return parse_recipe("\n".join(lines[: len(lines) - len(noted)]), label, overrides)


def _folder() -> Traversable:
    return files("trit.train") / "recipes"
