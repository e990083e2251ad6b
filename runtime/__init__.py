# SPDX-License-Identifier: Apache-2.0
"""The C runtime and its Python session; numpy is all it needs."""

from trit.runtime.errors import MissingExtra, TritError
from trit.runtime.onnxruntime_session import onnx_session
from trit.runtime.session import Session, Step, StepTime

__all__ = ["MissingExtra", "Session", "Step", "StepTime", "TritError", "onnx_session"]
