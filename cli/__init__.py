# SPDX-License-Identifier: Apache-2.0
"""trit: binary and ternary neural networks from PyTorch to the device."""

from trit.files import load

__all__ = ["__version__", "load"]
__version__ = "0.1.0"
