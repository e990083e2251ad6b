# SPDX-License-Identifier: Apache-2.0
"""The integer graph as C that needs nothing: TVM's functions of its layers, and a driver that places their tensors."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import tvm
from tvm import relax, tirx

from trit.export.arena import Lifetime, place
from trit.export.graph import Graph
from trit.export.tvm.legalize import legalize
from trit.export.tvm.machine import COUNT
from trit.export.tvm.raw import Memory, Raw, c_source, c_type, lower, prototype
from trit.export.tvm.relax_writer import to_relax
from trit.export.tvm.schedule import schedule
from trit.export.tvm.values import Array

ALIGNMENT = 4  # bytes, of what the arena holds
PREFIX = "model_"
WORDS_A_LINE = 12


@dataclass(frozen=True)
class Step:
    """One call of a layer's function. Operands are names of tensors, or constants by their number."""

    function: str
    operands: list[str | int]
    output: str


@dataclass
class Calls:
    """The steps in order, their functions, and what they read and write."""

    raws: dict[str, Raw]
    steps: list[Step] = field(default_factory=list)
    constants: list[Array] = field(default_factory=list)
    tensors: dict[str, Memory] = field(default_factory=dict)
    input: str = ""
    output: str = ""


@dataclass(frozen=True)
class CSources:
    """Texts of the files, the size of the arena, which the caller gives, and that of weights and other constants."""

    files: dict[str, str]
    arena_words: int
    constant_bytes: int


def to_c(graph: Graph) -> CSources:
    """model.h, model.c (the driver), src/layers.h, src/layers.c (TVM's functions) and src/weights.c."""
    target = tvm.target.Target({"kind": "c"})
    calls = calls_of(graph, target)
    sources = around(graph, calls)
    return replace(sources, files={**sources.files, "src/layers.c": _layers(c_source(calls.raws, target))})


def around(graph: Graph, calls: Calls) -> CSources:
    """All but the layers' functions themselves, which may be C or an object file of another target."""
    arena, offsets, workspaces = _placement(calls)
    words = -(-arena // 4) or 1
    files = {
        "model.h": _header(graph, words),
        "model.c": _driver(calls, offsets, workspaces),
        "src/layers.h": _layers_header(calls),
        "src/weights.c": _weights(calls.constants),
    }
    return CSources(files, words, sum(values.nbytes for values in calls.constants))


def calls_of(graph: Graph, target: Any) -> Calls:
    """The graph's layers as calls of functions of pointers, for the target."""
    module = relax.transform.LegalizeOps()(legalize(to_relax(graph), target))
    module = schedule(module, target)
    functions = {PREFIX + n.name_hint: f for n, f in module.functions_items() if isinstance(f, tirx.PrimFunc)}
    main = module["main"]
    calls = Calls(lower(functions, target), input=main.params[0].name)
    names: dict[Any, str] = {main.params[0]: calls.input}
    for block in main.body.blocks:
        for binding in block.bindings:
            if isinstance(binding.value, relax.Var):
                names[binding.var] = names[binding.value]
                continue
            names[binding.var] = _append(calls, binding.value, names)
    calls.output = names[main.body.body]
    return calls


def _append(calls: Calls, call: Any, names: dict[Any, str]) -> str:
    """Adds the call_tir as a step; the name of its output."""
    function, arguments = PREFIX + call.args[0].name_hint, call.args[1].fields
    raw = calls.raws[function]
    operands: list[str | int] = []
    for argument, memory in zip(arguments, raw.parameters, strict=False):
        if isinstance(argument, relax.Var):
            operands.append(names[argument])
            calls.tensors.setdefault(names[argument], memory)
        else:
            operands.append(len(calls.constants))
            calls.constants.append(argument.value.numpy())
    output = f"t{len(calls.steps)}"
    calls.tensors[output] = raw.parameters[-1]
    calls.steps.append(Step(function, operands, output))
    return output


def _placement(calls: Calls) -> tuple[int, dict[str, int], list[list[int]]]:
    """Bytes of the arena, and in it the offsets of the tensors and of each step's workspaces.

    The input and the scores are the caller's; float32 tensors, products of scores, are variables of the driver.
    """
    names, lifetimes = [], []
    for index, step in enumerate(calls.steps):
        memory = calls.tensors[step.output]
        if memory.dtype == "float32":
            continue
        last = max([i for i, reader in enumerate(calls.steps) if step.output in reader.operands], default=index)
        names.append(step.output)
        lifetimes.append(Lifetime(memory.size, index, last))
    held = [len(calls.raws[step.function].workspaces) for step in calls.steps]
    for index, step in enumerate(calls.steps):
        lifetimes += [Lifetime(memory.size, index, index) for memory in calls.raws[step.function].workspaces]
    offsets, size = place(lifetimes, ALIGNMENT)
    rest, workspaces = offsets[len(names) :], []
    for count in held:
        workspaces.append(rest[:count])
        rest = rest[count:]
    return size, dict(zip(names, offsets[: len(names)], strict=True)), workspaces


def _header(graph: Graph, words: int) -> str:
    source, output = graph.tensors[graph.input].shape, graph.tensors[graph.output].shape
    return f"""\
/* Generated by trit: the model as functions that TVM made, and images to test it with. */
#ifndef MODEL_H
#define MODEL_H

#include <stddef.h>
#include <stdint.h>

#define MODEL_INPUT_SIZE {int(np.prod(source))}u   /* bytes: {source} */
#define MODEL_OUTPUT_SIZE {int(np.prod(output))}u /* floats */
#define MODEL_ARENA_WORDS {words}u

/* Scores of one image. Nothing is kept from one call to the next, and nothing else is written. */
void model_run(uint32_t arena[MODEL_ARENA_WORDS], const uint8_t image[MODEL_INPUT_SIZE],
               float scores[MODEL_OUTPUT_SIZE]);

/* The same; hook(user, i) is called before each step i, and after the last. */
void model_run_hooked(uint32_t *arena, const uint8_t *image, float *scores, void (*hook)(void *user, uint32_t step),
                      void *user);

typedef struct test_images {{
    const uint8_t *images;    /* count * MODEL_INPUT_SIZE */
    const uint32_t *expected; /* bits of count * MODEL_OUTPUT_SIZE floats, or null */
    uint32_t *scores;         /* where to store them, or null: without either they are printed */
    uint32_t count;
}} test_images;
extern test_images test; /* not constant: a simulator or debugger may point it elsewhere */

#endif
"""


def _driver(calls: Calls, offsets: dict[str, int], workspaces: list[list[int]]) -> str:
    lines, variables = [], []
    for index, (step, places) in enumerate(zip(calls.steps, workspaces, strict=True)):
        raw = calls.raws[step.function]
        arguments = []
        for operand, memory in zip([*step.operands, step.output], raw.parameters, strict=True):
            if isinstance(operand, int):
                arguments.append(f"{PREFIX}c{operand}")
            elif operand == calls.input:
                arguments.append("image")
            elif operand == calls.output:
                arguments.append("scores")
            elif memory.dtype == "float32":
                arguments.append(operand)
            else:
                arguments.append(_pointer(memory, offsets[operand]))
        if calls.tensors[step.output].dtype == "float32" and step.output != calls.output:
            variables.append(f"    float {step.output}[{calls.tensors[step.output].count}];\n")
        arguments += [_pointer(memory, at) for memory, at in zip(raw.workspaces, places, strict=True)]
        lines.append(f"    if (hook) hook(user, {index}u);\n    {step.function}({', '.join(arguments)});\n")
    return f"""\
/* Generated by trit: the layers in order, and where their tensors lie in the arena. */
#include "model.h"
#include "src/layers.h"

void model_run_hooked(uint32_t *arena, const uint8_t *image, float *scores, void (*hook)(void *user, uint32_t step),
                      void *user) {{
{"".join(variables)}{"".join(lines)}    if (hook) hook(user, {len(calls.steps)}u);
}}

void model_run(uint32_t arena[MODEL_ARENA_WORDS], const uint8_t image[MODEL_INPUT_SIZE],
               float scores[MODEL_OUTPUT_SIZE]) {{
    model_run_hooked(arena, image, scores, NULL, NULL);
}}
"""


def _pointer(memory: Memory, offset: int) -> str:
    at = f"arena + {offset // 4}" if offset else "arena"
    return at if memory.dtype == "uint32" else f"({c_type(memory)} *)({at})"


def _layers_header(calls: Calls) -> str:
    constants = [f"extern const {_array(i, values)};\n" for i, values in enumerate(calls.constants)]
    functions = [f"{prototype(name, raw)};\n" for name, raw in calls.raws.items()]
    return f"""\
/* Generated by trit: what the driver calls. */
#ifndef LAYERS_H
#define LAYERS_H

#include <stdint.h>

{"".join(constants)}
{"".join(functions)}
#endif
"""


def _layers(functions: str) -> str:
    return f"""\
/* Generated by TVM from trit's operators: one function a form of layer. */
#include "layers.h"
{_COUNT_BITS if COUNT in functions else ""}
{functions}"""


_COUNT_BITS = f"""
/* Bits that are set, in pairs, in fours, in bytes, and in all. */
static inline int32_t {COUNT}(uint32_t x) {{
    x -= x >> 1 & 0x55555555u;
    x = (x & 0x33333333u) + (x >> 2 & 0x33333333u);
    x = (x + (x >> 4)) & 0x0f0f0f0fu;
    return (int32_t)(x * 0x01010101u >> 24);
}}
"""


def _weights(constants: list[Array]) -> str:
    arrays = []
    for index, values in enumerate(constants):
        texts = [_literal(value) for value in values.reshape(-1)]
        rows = [", ".join(texts[at : at + WORDS_A_LINE]) for at in range(0, len(texts), WORDS_A_LINE)]
        lines = "".join(f"    {row},\n" for row in rows)
        arrays.append(f"\nconst {_array(index, values)} = {{\n{lines}}};\n")
    return f'/* Generated by trit: weights, thresholds and other parameters. */\n#include "layers.h"\n{"".join(arrays)}'


def _array(index: int, values: Array) -> str:
    return f"{c_type(Memory('', str(values.dtype), values.size))} {PREFIX}c{index}[{values.size}]"


def _literal(value: Any) -> str:
    """As C reads it: the least int32 and int64 are no literals, and a float is exact in hexadecimal."""
    if isinstance(value, np.floating):
        return f"{float(value).hex()}f"
    if isinstance(value, np.uint32):
        return f"0x{value:08x}u"
    number = int(value)
    if isinstance(value, np.int64):
        return f"INT64_C({number})" if number > -(2**63) else "INT64_MIN"
    return str(number) if number > -(2**31) else "INT32_MIN"
