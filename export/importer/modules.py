# SPDX-License-Identifier: Apache-2.0
"""PyTorch modules of others, Brevitas' too, as integer graphs without re-training: by way of ONNX in memory."""

from __future__ import annotations

import io
import logging
import warnings
from contextlib import redirect_stderr, redirect_stdout
from typing import Any

import onnx
import torch
from torch import nn

from trit.export.importer.importing import Imported, import_source
from trit.export.importer.pixels import Pixels
from trit.export.importer.source import source_of
from trit.runtime.errors import TritError


def from_torch(
    module: nn.Module, input_shape: tuple[int, ...], pixels: Pixels | None = None, round_weights: bool = False
) -> Imported:
    """The integer graph of a module in evaluation mode that takes (N, *input_shape), its weights ternary as they are.

    A module with layers of Brevitas is exported as QONNX by Brevitas itself, any other by torch.onnx. Raises GraphError
    as `import_onnx` does, TritError where the module cannot be exported.
    """
    was_training = module.training
    example = torch.zeros(1, *input_shape)
    by_brevitas = any(type(layer).__module__.startswith("brevitas.") for layer in module.modules())
    try:
        model = (_qonnx if by_brevitas else _onnx)(module.eval(), example)
    except ImportError as error:
        raise TritError(f"{error}: Brevitas' export needs it: pip install onnx onnxoptimizer onnxscript") from error
    except Exception as error:  # whatever the module's code or the exporter comes up with
        reason = " ".join(str(error).split())[:200]
        raise TritError(f"{type(module).__name__} cannot be exported to ONNX: {reason}") from error
    finally:
        module.train(was_training)
    return import_source(source_of(model), pixels, round_weights)


def _onnx(module: nn.Module, example: torch.Tensor) -> Any:
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        export: Any = torch.onnx.export  # which takes files, whatever its annotations say
        export(module, (example,), file, dynamo=False, do_constant_folding=False)
    return onnx.load_model_from_string(file.getvalue())


def _qonnx(module: nn.Module, example: torch.Tensor) -> Any:
    from brevitas.export import export_qonnx

    logging.disable(logging.WARNING)  # of torch.onnx, on what it does not find
    try:
        with warnings.catch_warnings(), redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            try:
                return export_qonnx(module, args=example)
            except Exception:  # the newer exporter of torch cannot follow sums of Brevitas' tensors
                return export_qonnx(module, args=example, dynamo=False)
    finally:
        logging.disable(logging.NOTSET)
