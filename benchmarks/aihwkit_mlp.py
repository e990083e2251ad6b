# SPDX-License-Identifier: Apache-2.0
"""Times aihwkit's default inference tile on an MLP 784-512-10; benchmarks.rram starts it with aihwkit's own Python.

Reads lines "MODE IMAGES", MODE run or chip, and answers with seconds on one thread: of running that many images in
batches of 100, or of that after programming the weights anew.
"""

import sys
import time

import torch
from aihwkit.nn import AnalogLinear, AnalogSequential
from aihwkit.simulator.configs import InferenceRPUConfig

BATCH = 100


def main():
    torch.set_num_threads(1)
    config = InferenceRPUConfig()
    layers = (AnalogLinear(784, 512, rpu_config=config), torch.nn.Tanh(), AnalogLinear(512, 10, rpu_config=config))
    network = AnalogSequential(*layers).eval()
    images = torch.rand(BATCH, 784)
    network.program_analog_weights()
    for line in sys.stdin:
        mode, count = line.split()
        start = time.perf_counter()
        with torch.no_grad():
            if mode == "chip":
                network.drift_analog_weights(1.0)
                network.program_analog_weights()
            for _ in range(int(count) // BATCH):
                network(images)
        print(time.perf_counter() - start, flush=True)


if __name__ == "__main__":
    main()
