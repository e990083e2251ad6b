# SPDX-License-Identifier: Apache-2.0
"""python tests/smoke.py: random networks on every kernel variant of an installed trit, which needs numpy alone.

Wheels are tested with it wherever they are built. What differs is a message and exit status 1.
"""

import sys

import numpy as np
from tests_support import random_graph, random_input

from trit.export.plan import to_plan
from trit.export.reference import run
from trit.runtime import Session, TritError
from trit.runtime.library import VARIANTS

NETWORKS = 40


def main() -> None:
    ran: dict[str, int] = {}
    for seed in range(NETWORKS):
        graph = random_graph(seed)
        images = random_input(graph, 4, np.random.default_rng(seed))
        plan, expected = to_plan(graph), run(graph, images)
        for variant in VARIANTS:
            try:
                session = Session(plan, variant)
            except TritError:
                continue
            scores = session.run(images)
            if not np.array_equal(scores, expected.reshape(scores.shape)):
                sys.exit(f"network {seed}: the variant {variant} gives other scores than the reference")
            ran[variant] = ran.get(variant, 0) + 1
    if not ran or set(ran.values()) != {NETWORKS}:
        sys.exit(f"not every network ran: {ran}")
    print(f"{NETWORKS} networks on {', '.join(ran)}")


main()
