# SPDX-License-Identifier: Apache-2.0
"""Times Larq's training step on a recipe's network; benchmarks.training starts it with Larq's own Python.

Reads lines "THREADS PRECISION KIND STAGES HIDDEN BATCH", PRECISION float32 or bfloat16, KIND binary or ternary, and
answers with the seconds of one step of Adam on a batch of random 28×28 images; the first line of a network builds it.
"""

import sys
import time
from functools import cache

import larq
import numpy as np
import tensorflow as tf
from tensorflow.keras import layers, losses, mixed_precision, models, optimizers


@cache
def trainer(threads, precision, kind, stages, hidden, batch):
    tf.config.threading.set_intra_op_parallelism_threads(int(threads))
    tf.config.threading.set_inter_op_parallelism_threads(int(threads))
    mixed_precision.set_global_policy({"float32": "float32", "bfloat16": "mixed_bfloat16"}[precision])
    weights = {"binary": "ste_sign", "ternary": larq.quantizers.SteTern(ternary_weight_networks=True)}[kind]
    activations = {"binary": "ste_sign", "ternary": larq.quantizers.SteTern()}[kind]
    network = models.Sequential([layers.Input((28, 28, 1))])

    def quantized(layer, outputs, *size, **options):
        first = len(network.layers) == 0
        options.update(kernel_quantizer=weights, input_quantizer=None if first else activations, use_bias=False)
        network.add(layer(outputs, *size, **options))

    for stage in stages.split("/"):
        channels = [int(count) for count in stage.split(",")]
        for index, outputs in enumerate(channels):
            quantized(larq.layers.QuantConv2D, outputs, 3, padding="same")
            if index == len(channels) - 1:
                network.add(layers.MaxPooling2D(2))
            network.add(layers.BatchNormalization())
    network.add(layers.Flatten())
    for outputs in [*(int(count) for count in hidden.split(",")), 10]:
        quantized(larq.layers.QuantDense, outputs)
        network.add(layers.BatchNormalization())
    network.compile(optimizers.Adam(0.005), losses.SparseCategoricalCrossentropy(from_logits=True))
    rng = np.random.default_rng(0)
    images = tf.constant(rng.standard_normal((int(batch), 28, 28, 1)), tf.float32)
    labels = tf.constant(rng.integers(0, 10, int(batch)))
    batches = iter(tf.data.Dataset.from_tensors((images, labels)).repeat())
    step = network.make_train_function()
    return lambda: step(batches)


def main():
    for line in sys.stdin:
        step = trainer(*line.split())
        start = time.perf_counter()
        float(step()["loss"])
        print(time.perf_counter() - start, flush=True)


if __name__ == "__main__":
    main()
