# SPDX-License-Identifier: Apache-2.0
"""trit: binary and ternary neural networks from PyTorch to the device."""

__version__ = "0.1.0"
