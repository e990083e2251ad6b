# SPDX-License-Identifier: Apache-2.0
"""Times Larq Compute Engine's binary 3×3 convolution; benchmarks.host starts it with LCE's own Python.

Reads lines "MODE CHANNELS SIZE", MODE default or indirect, and answers with the median of a few runs, in seconds.
"""

import statistics
import sys
import time

import larq
import larq_compute_engine
import numpy as np
import tensorflow
from larq_compute_engine.tflite.python.interpreter import Interpreter

_interpreters = {}


def interpreter(mode, channels, size):
    """A binary convolution, float in and float out, which is what LCE offers between its layers and the others."""
    key = (mode, channels, size)
    if key not in _interpreters:
        quantizers = {"input_quantizer": "ste_sign", "kernel_quantizer": "ste_sign", "kernel_constraint": "weight_clip"}
        layer = larq.layers.QuantConv2D(channels, 3, padding="same", pad_values=1.0, use_bias=False, **quantizers)
        model = tensorflow.keras.Sequential([tensorflow.keras.Input((size, size, channels)), layer])
        converted = larq_compute_engine.convert_keras_model(model)
        _interpreters[key] = Interpreter(converted, num_threads=1, use_indirect_bgemm=mode == "indirect")
    return _interpreters[key]


def main():
    for line in sys.stdin:
        mode, channels, size = line.split()
        engine = interpreter(mode, int(channels), int(size))
        x = np.random.default_rng(0).normal(size=(1, int(size), int(size), int(channels))).astype(np.float32)
        times = []
        for _ in range(3):
            start = time.perf_counter()
            engine.predict(x)
            times.append(time.perf_counter() - start)
        print(statistics.median(times), flush=True)


if __name__ == "__main__":
    main()
