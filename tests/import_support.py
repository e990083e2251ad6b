# SPDX-License-Identifier: Apache-2.0
"""ONNX graphs as other tools write them, built node by node, and their imports beside what they compute themselves."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from trit.export import reference
from trit.export.importer.importing import Imported, import_source
from trit.export.importer.original import run_source
from trit.export.importer.pixels import Pixels
from trit.export.importer.source import source_of


class Draft:
    """A graph in the making; `rng` draws its weights."""

    def __init__(self, *shape: int | str, opset: int = 17, seed: int = 0, kind: int = TensorProto.FLOAT) -> None:
        self.rng = np.random.default_rng(seed)
        self.opset = opset
        self.input = helper.make_tensor_value_info("x", kind, ["N", *shape])
        self.nodes: list[Any] = []
        self.initializers: list[Any] = []
        self.domains: set[str] = set()

    def constant(self, values: Any) -> str:
        name = f"c{len(self.initializers)}"
        self.initializers.append(numpy_helper.from_array(np.asarray(values), name))
        return name

    def op(self, kind: str, *inputs: Any, outputs: int = 1, domain: str = "", **attributes: Any) -> Any:
        """A node of names and arrays; its output's name, or their names."""
        names = [value if isinstance(value, str) else self.constant(value) for value in inputs]
        index = len(self.nodes)
        made = [f"t{index}_{i}" for i in range(outputs)]
        self.nodes.append(helper.make_node(kind, names, made, name=f"{kind}_{index}", domain=domain, **attributes))
        self.domains.add(domain)
        return made[0] if outputs == 1 else made

    def signs(self, *shape: int) -> np.ndarray:
        return self.rng.choice([-1.0, 1.0], shape).astype(np.float32)

    def ternary(self, *shape: int) -> np.ndarray:
        return self.rng.choice([-1.0, 0.0, 1.0], shape).astype(np.float32)

    def batch_norm(self, x: str, channels: int, spread: float = 4.0) -> str:
        rng = self.rng
        parameters = (
            rng.normal(0, 1, channels),
            rng.normal(0, 1, channels),
            rng.normal(0, spread, channels),
            rng.uniform(0.5, spread**2, channels),
        )
        return str(self.op("BatchNormalization", x, *(p.astype(np.float32) for p in parameters), epsilon=1e-4))

    def model(self, *outputs: str, kind: int = TensorProto.FLOAT) -> Any:
        """The model, as exporters write it: without shapes, without the domains that it uses."""
        infos = [helper.make_tensor_value_info(name, kind, None) for name in outputs]
        graph = helper.make_graph(self.nodes, "others", [self.input], infos, self.initializers)
        opsets = [helper.make_opsetid("", self.opset)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=8)


def imported(model: Any, pixels: Pixels | None = None) -> Imported:
    return import_source(source_of(onnx.load_model_from_string(model.SerializeToString())), pixels)


def assert_same(
    model: Any,
    pixels: Pixels | None = None,
    count: int = 40,
    tolerance: float = 2e-5,
    classes: bool = True,
    varied: bool = True,
) -> Imported:
    """The import's scores and, as ties may be, `classes` against the source's own on random images.

    `varied`: the scores must not be the same for all images.
    """
    found = imported(model, pixels)
    shape = found.graph.tensors[found.graph.input].shape
    images = np.random.default_rng(1).integers(0, 256, (count, *shape), dtype=np.uint8)
    _, expected = run_source(found.source, images, found.pixels)
    scores = reference.run(found.graph, images).reshape(count, -1)
    if expected.dtype.kind in "iu":
        np.testing.assert_array_equal(scores.argmax(axis=1), expected[:, 0])
        return found
    assert not varied or np.ptp(expected, axis=0).max() > 0, "the source gives every image the same scores"
    np.testing.assert_allclose(scores, expected, rtol=tolerance, atol=tolerance * np.abs(expected).max())
    if classes:
        np.testing.assert_array_equal(scores.argmax(axis=1), expected.argmax(axis=1))
    return found
