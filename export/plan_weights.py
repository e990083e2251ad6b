# SPDX-License-Identifier: Apache-2.0
"""How a convolution's weights lie in the plan."""

from __future__ import annotations

import numpy as np

from trit.export.graph import Conv, Kind
from trit.runtime.bits import Words, pack_planes


def is_depthwise(node: Conv) -> bool:
    """One channel in, one channel out, in order."""
    return node.groups > 1 and node.weights.shape[0] == node.groups and node.weights.shape[1] == 1


def conv_weights(node: Conv, source: Kind, lanes: int) -> Words:
    """Words of the weights for input of kind `source`, with `lanes` output channels interleaved.

    bits in:   [⌈O/lanes⌉][kh][kw][plane][⌈I/groups/32⌉][lanes]
    uint8 in:  [⌈O/lanes⌉][plane][⌈kh·kw·I/groups/32⌉][lanes], all taps of a channel as one string (kh, kw, I/groups)
    depthwise: [kh][kw][plane][⌈C/32⌉], packed along the channels as activations are
    """
    if is_depthwise(node):
        return pack_planes(node.weights[:, 0].transpose(1, 2, 0), node.weight_kind)
    rows = node.weights.transpose(0, 2, 3, 1)
    if source == "uint8":
        rows = rows.reshape(rows.shape[0], 1, 1, -1)
    planes = pack_planes(rows, node.weight_kind)  # (O, kh, kw, plane, words)
    fillers = -planes.shape[0] % lanes
    planes = np.concatenate([planes, np.zeros((fillers, *planes.shape[1:]), planes.dtype)])
    blocks = planes.reshape(-1, lanes, *planes.shape[1:])
    return np.ascontiguousarray(np.moveaxis(blocks, 1, -1))
