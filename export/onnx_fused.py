# SPDX-License-Identifier: Apache-2.0
"""A convolution or a sum and the Threshold or Rescale behind it as one call, as the C runtime runs them in one step.

The call's function calls the two, so it says nothing new; a kernel for it never stores accumulators.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

ACCUMULATING = ("BinaryConv", "TernaryConv", "Int8Conv", "Add")
STAGES = ("Threshold", "Rescale")
FUSED = {first + stage: (first, stage) for first in ACCUMULATING for stage in STAGES}
# Names of the second node and of the tensor between the two, so that the file gives the graph back whole.
_ACTIVATION, _ACCUMULATORS = "activation", "accumulators"
_ZERO_POINT = "zero_point"  # of the stage's input: accumulators have none


def fused_functions(known: Mapping[str, Any]) -> dict[str, Any]:
    """The FunctionProto of every fused call, made of those of the operators' functions by name."""
    return {name: _compose(name, known[first], known[stage]) for name, (first, stage) in FUSED.items()}


def fuse_calls(model: Any) -> None:
    """Replace, in a ModelProto, each call of ACCUMULATING that only the call of STAGES right behind it reads."""
    readers = Counter(name for node in model.graph.node for name in node.input)
    readers.update(output.name for output in model.graph.output)
    nodes: list[Any] = []
    hidden = set()
    for node in model.graph.node:
        before = nodes[-1] if nodes else None
        follows = before is not None and node.input[:1] == before.output and readers[node.input[0]] == 1
        if before is not None and follows and before.op_type + node.op_type in FUSED:
            hidden.add(node.input[0])
            nodes[-1] = _join(before, node)
        else:
            nodes.append(node)
    kept = [value for value in model.graph.value_info if value.name not in hidden]
    del model.graph.node[:], model.graph.value_info[:]
    model.graph.node.extend(nodes)
    model.graph.value_info.extend(kept)


def split_calls(calls: Any, functions: Mapping[str, Any]) -> Iterator[Any]:
    """The calls with the two that each fused one stands for; `functions` are the operators' FunctionProtos by name."""
    for call in calls:
        if call.op_type in FUSED:
            yield from _split(call, *(functions[name] for name in FUSED[call.op_type]))
        else:
            yield call


def _join(first: Any, stage: Any) -> Any:
    from onnx import helper

    call = helper.make_node(
        first.op_type + stage.op_type,
        [*first.input, *stage.input[1:]],
        stage.output,
        name=first.name,
        domain=first.domain,
        **{_ACTIVATION: stage.name, _ACCUMULATORS: first.output[0]},
    )
    call.attribute.extend(first.attribute)
    call.attribute.extend(attribute for attribute in stage.attribute if attribute.name != _ZERO_POINT)
    return call


def _split(call: Any, first: Any, stage: Any) -> tuple[Any, Any]:
    from onnx import helper

    own = {attribute.name: attribute for attribute in call.attribute}
    names = {key: helper.get_attribute_value(own[key]).decode() for key in (_ACTIVATION, _ACCUMULATORS)}
    between, count = names[_ACCUMULATORS], len(first.input)
    one = helper.make_node(first.name, call.input[:count], [between], name=call.name, domain=call.domain)
    one.attribute.extend(own[name] for name in first.attribute)
    two = helper.make_node(stage.name, [between, *call.input[count:]], call.output, names[_ACTIVATION])
    two.domain = call.domain
    two.attribute.append(helper.make_attribute(_ZERO_POINT, 0))
    two.attribute.extend(own[name] for name in stage.attribute if name != _ZERO_POINT)
    return one, two


def _compose(name: str, first: Any, stage: Any) -> Any:
    from onnx import FunctionProto, helper

    composed = FunctionProto(name=name, domain=first.domain, opset_import=first.opset_import, output=stage.output)
    composed.input.extend([*first.input, *stage.input[1:]])
    passed = [attribute for attribute in stage.attribute if attribute != _ZERO_POINT]
    composed.attribute.extend([*first.attribute, *passed, _ACTIVATION, _ACCUMULATORS])
    inner = helper.make_node(first.name, first.input, first.output, domain=first.domain)
    inner.attribute.extend(_reference(first, attribute) for attribute in first.attribute)
    outer = helper.make_node(stage.name, [*first.output, *stage.input[1:]], stage.output, domain=stage.domain)
    outer.attribute.append(helper.make_attribute(_ZERO_POINT, 0))
    outer.attribute.extend(_reference(stage, attribute) for attribute in passed)
    composed.node.extend([inner, outer])
    return composed


def _reference(function: Any, name: str) -> Any:
    """An attribute that is the calling function's of the same name; one that the body leaves alone is a string."""
    from onnx import AttributeProto

    used = (attribute for node in function.node for attribute in node.attribute if attribute.ref_attr_name == name)
    kind = next((attribute.type for attribute in used), AttributeProto.STRING)
    return AttributeProto(name=name, type=kind, ref_attr_name=name)
