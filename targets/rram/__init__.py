# SPDX-License-Identifier: Apache-2.0
"""The in-memory-compute RRAM chip: device, sense amplifier, arrays, errors, costs."""
