# SPDX-License-Identifier: Apache-2.0
"""Runs model.so on the test images with TVM alone and compares the scores with the expected ones, bit for bit."""

import sys
from pathlib import Path

import numpy as np
import tvm
from tvm import relax

folder = Path(__file__).parent
machine = relax.VirtualMachine(tvm.runtime.load_module(str(folder / "model.so")), tvm.cpu())
shape = machine["input_shape"]().numpy()
images = np.fromfile(folder / "images.bin", np.uint8).reshape(-1, *shape)
expected = np.fromfile(folder / "scores.bin", "<u4").reshape(len(images), -1)
found = [machine["main"](tvm.runtime.tensor(image)).numpy().view("<u4").reshape(-1) for image in images]
right = int((np.array(found) == expected).all(axis=1).sum())
print(f"{right} of {len(images)} test images give the expected scores")
sys.exit(right != len(images))
