# SPDX-License-Identifier: Apache-2.0
"""Training with quantization: quantizers, layers, recipes, data sets, and the loop. Needs trit[train]."""
