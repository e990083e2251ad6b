# SPDX-License-Identifier: Apache-2.0
"""The source run as it is, in onnxruntime or, where it has QONNX's operators, in qonnx, beside its import."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np
import numpy.typing as npt

from trit.export.importer.importing import Imported
from trit.export.importer.pixels import Pixels, lone_axis
from trit.export.importer.source import Array, Source
from trit.runtime.errors import MissingExtra, TritError

QONNX_OPERATORS = ("BipolarQuant", "Quant", "IntQuant", "Trunc", "MultiThreshold", "QuantAvgPool2d", "MaxPoolNHWC")
QONNX_DOMAIN = "qonnx.custom_op.general"
BATCH = 500
Runner = Callable[[str, Array], list[Array]]  # the input's name and a batch to the outputs


@dataclass(frozen=True)
class Comparison:
    """How the import does beside its source."""

    images: int
    equal: int  # images with the same class
    largest_difference: float | None  # of scores; None where the source gives probabilities or classes
    runner: str


def compare(imported: Imported, images: npt.NDArray[np.uint8], scores: npt.NDArray[np.float32]) -> Comparison:
    """The source's classes and scores beside the import's scores (N, …) of the same images."""
    runner, outputs = run_source(imported.source, images, imported.pixels)
    given = scores.reshape(len(scores), -1)
    classes = outputs.argmax(1) if outputs.shape == given.shape else outputs[:, 0]
    difference = float(np.abs(outputs - given).max()) if imported.gives_scores else None
    return Comparison(len(images), int((classes == given.argmax(1)).sum()), difference, runner)


def run_source(source: Source, images: npt.NDArray[np.uint8], pixels: Pixels) -> tuple[str, Array]:
    """Who ran it, and the first output (N, …) for uint8 images; classes, where an output is of integers.

    Raises MissingExtra where the package that it needs is not installed, TritError where it cannot run the source.
    """
    inputs = source_inputs(source, images, pixels)
    custom = any(operation.type in QONNX_OPERATORS for operation in source.operations)
    package = "qonnx" if custom else "onnxruntime"
    if find_spec(package) is None:
        raise MissingExtra(package, package)
    run = _qonnx if custom else _onnxruntime
    try:
        found = list(_batches(source, run, inputs))
    except Exception as error:  # their own kinds, of which some are no more than RuntimeError
        raise TritError(f"{package} cannot run the source: {' '.join(str(error).split())[:200]}") from error
    outputs = [np.concatenate([batch[index] for batch in found]) for index in range(len(found[0]))]
    classes = next((values for values in outputs if values.dtype.kind in "iu"), None)
    chosen = outputs[0] if classes is None else classes
    return package, chosen.reshape(len(images), -1)


def source_inputs(source: Source, images: npt.NDArray[np.uint8], pixels: Pixels) -> Array:
    """The images as the source takes them: its values, its axes, its type."""
    images = images.reshape(len(images), *(pixels.shape or images.shape[1:]))
    lines = [pixels.line(channel) for channel in range(images.shape[1])]
    slopes, offsets = (np.array([float(v) for v in column])[:, None, None] for column in zip(*lines, strict=True))
    values = images * slopes + offsets
    if pixels.layout == "nhwc":
        values = values.transpose(0, 2, 3, 1)
    axes = len(source.input_shape) or 4
    if axes == 2:
        values = values.reshape(len(values), -1)
    if axes == 3:
        values = values.squeeze(lone_axis(values.shape))
    return np.asarray(values, source.input_type)


def _onnxruntime(model: Any) -> Runner:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    # What it fuses by itself is not always what the operators mean: QDQ pairs lose a code, or activations become int8.
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return lambda name, batch: session.run(None, {name: batch})


def _qonnx(model: Any) -> Runner:
    from qonnx.core.modelwrapper import ModelWrapper
    from qonnx.core.onnx_exec import execute_onnx
    from qonnx.util.cleanup import cleanup_model

    for node in model.graph.node:
        if node.op_type in QONNX_OPERATORS:
            node.domain = QONNX_DOMAIN
    wrapper = cleanup_model(ModelWrapper(model))  # which gives tensors names of its own
    return lambda _, batch: list(execute_onnx(wrapper, {wrapper.graph.input[0].name: batch}).values())


def _batches(source: Source, prepare: Callable[[Any], Runner], inputs: Array) -> Iterator[list[Array]]:
    """The outputs of some images after another. Files for a fixed batch are tried with a larger one first."""
    written = (source.input_shape or (0,))[0]
    size = min(BATCH, len(inputs))
    try:
        run = prepare(_with_batch(source, size))
        yield run(source.input, inputs[:size])
        done = size
    except Exception:
        if not written:
            raise
        size, done = written, 0
        run = prepare(_with_batch(source, written))
    for start in range(done, len(inputs), size):
        batch = inputs[start : start + size]
        filler = np.zeros((size - len(batch), *batch.shape[1:]), batch.dtype)
        found = run(source.input, np.concatenate([batch, filler]))
        yield [values[: len(batch)] for values in found]


def _with_batch(source: Source, size: int) -> Any:
    """A copy of the model that takes `size` images; of the shapes that follow it says nothing."""
    model = type(source.model)()
    model.CopyFrom(source.model)
    for value in model.graph.input:
        if value.name == source.input and value.type.tensor_type.shape.dim:
            value.type.tensor_type.shape.dim[0].dim_value = size
    for value in model.graph.output:
        value.type.tensor_type.ClearField("shape")
    del model.graph.value_info[:]
    _free_reshapes(model, (source.input_shape or (0,))[0])
    return model


def _free_reshapes(model: Any, written: int) -> None:
    """Let reshapes that are written for one batch size take their input's."""
    from onnx import numpy_helper

    reshapes = {node.input[1]: node for node in model.graph.node if node.op_type == "Reshape" and len(node.input) > 1}
    for tensor in model.graph.initializer:
        sizes = numpy_helper.to_array(tensor) if tensor.name in reshapes else np.zeros(0, np.int64)
        if written and sizes.size > 1 and sizes[0] == written:
            tensor.CopyFrom(numpy_helper.from_array(np.array([0, *sizes[1:]]), tensor.name))
            del reshapes[tensor.name].attribute[:]  # allowzero, which makes of a 0 a size
