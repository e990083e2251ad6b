# SPDX-License-Identifier: Apache-2.0
"""trit: binary and ternary neural networks from PyTorch to the device."""

from trit.files import load
from trit.inputs import shipped_images

__all__ = ["__version__", "load", "shipped_images"]
__version__ = "0.1.0"
