# SPDX-License-Identifier: Apache-2.0
"""The operators as ONNX model-local functions: bodies in standard operators, so that any runtime can run the file.

Tensors between operators are (N, C, H, W): uint8 codes, int8 bits (-1, 0, +1), int32 accumulators, float32 scores.
Bodies compute in float32, which is exact while sums stay below 2^24; the writer checks that.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any

from trit.export.onnx_fused import fused_functions
from trit.export.operators import OPERATORS

DOMAIN = "trit"
VERSION = 1
OPSET = 21
IR_VERSION = 10
EXACT_FLOAT32 = 2**24


def used_functions(names: Iterable[str]) -> list[Any]:
    """FunctionProtos of these names and of those that they call, in the operators' order."""
    known, wanted = functions(), set(names)
    for name in reversed(known):  # a function calls those before it alone
        if name in wanted:
            wanted |= {node.op_type for node in known[name].node if node.domain == DOMAIN}
    return [function for name, function in known.items() if name in wanted]


@cache
def functions() -> dict[str, Any]:
    """Every FunctionProto by its name."""
    from onnx import parser

    header = f'<opset_import: ["" : {OPSET}, "{DOMAIN}" : {VERSION}], domain: "{DOMAIN}">'
    texts = {name: text for operator in OPERATORS for name, text in operator.onnx_functions.items()}
    parsed = {name: parser.parse_function(header + text) for name, text in texts.items()}
    return {**parsed, **fused_functions(parsed)}
