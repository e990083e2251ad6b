# SPDX-License-Identifier: Apache-2.0
"""The C and C++ programs in examples/: right answers, refusals in one line, updates that come damaged."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from c_tools import ROOT, STRICT, build, classify_case, color_network, need, run
from learner_support import layers_to_learn, random_head
from tests_support import builder

from trit.export.graph import Graph
from trit.export.plan import to_plan
from trit.runtime import Session
from trit.runtime.learner import Learner

FULL_SLOT = 1 << 20  # bytes, of examples/update.c


def built(example: str, folder: Path) -> Path:
    command = STRICT["g++" if example.endswith(".cpp") else "gcc"]
    need(command[0])
    program = folder / Path(example).stem
    build(program, ROOT / "examples" / example, command)
    return program


@pytest.fixture(scope="module", params=["classify.c", "classify.cpp"])
def classify(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built(request.param, tmp_path_factory.mktemp(request.param))


def gray_network() -> Graph:
    build = builder(np.random.default_rng(1), (1, 5, 4))
    build.dense(2, "binary")
    build.scores()
    return build.graph()


@pytest.mark.parametrize("graph", [color_network(3), gray_network()], ids=["color", "gray"])
def test_classify(classify: Path, graph: Graph, tmp_path: Path) -> None:
    case = classify_case(graph, tmp_path)
    assert run(classify, case.plan, case.image) == case.output


SIZE = "has not the network's width and height, or not 256 levels"
REFUSALS: dict[str, tuple[str, Callable[[bytes], bytes] | None, str]] = {  # file, its change or removal, message
    "damaged plan": ("plan", lambda b: b[:-1] + b"\xff", "the plan is damaged: its checksum does not match"),
    "no plan": ("plan", None, "cannot be opened"),
    "no image": ("image", None, "cannot be opened"),
    "truncated": ("image", lambda b: b[:-1], "is truncated"),
    "turned": ("image", lambda b: b.replace(b"9 8", b"8 9"), SIZE),
    "16 bits": ("image", lambda b: b.replace(b"\n255\n", b"\n65535\n"), SIZE),
    "gray": ("image", lambda b: b"P5" + b[2:], "is not an image as the network reads: P5 has one channel, P6 three"),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_classify_refuses_in_one_line(classify: Path, name: str, tmp_path: Path) -> None:
    case = classify_case(color_network(3), tmp_path)
    which, change, message = REFUSALS[name]
    file = case.plan if which == "plan" else case.image
    if change is None:
        file.unlink()
    else:
        file.write_bytes(change(file.read_bytes()))
    done = subprocess.run([classify, case.plan, case.image], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"classify: {file}: {message}\n")


@pytest.fixture(scope="module")
def update(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built("update.c", tmp_path_factory.mktemp("update"))


def answer(plan: bytes, slot: int) -> str:
    """What examples/update.c says of a gray image."""
    session = Session(plan)
    scores = session.run(np.full((1, *session.input_shape), 128, np.uint8)).reshape(-1)
    return f"slot {slot} gives {scores.max():.9g} class {scores.argmax()}"


def test_update(update: Path, tmp_path: Path) -> None:
    """Good updates take turns between the slots; after each refusal the plan in use goes on."""
    first, second, other = (to_plan(graph) for graph in (color_network(3), color_network(4), gray_network()))
    flipped = bytearray(second)
    flipped[len(second) // 2] ^= 4
    updates = [
        ("first", first, "in use", answer(first, 0)),
        ("flipped", bytes(flipped), "the plan is damaged: its checksum does not match", answer(first, 0)),
        ("cut", second[:1000], "the plan is truncated or has bytes after its end", answer(first, 0)),
        ("second", second, "in use", answer(second, 1)),
        ("other", other, "the plan has other inputs or outputs", answer(second, 1)),
        ("large", bytes(FULL_SLOT + 1), "nothing arrived, or more than a slot holds", answer(second, 1)),
        ("empty", b"", "nothing arrived, or more than a slot holds", answer(second, 1)),
        ("noise", bytes(FULL_SLOT), "not a trit plan: it does not begin with TRIT", answer(second, 1)),
        ("again", first, "in use", answer(first, 0)),
    ]
    for name, content, _, _ in updates:
        (tmp_path / name).write_bytes(content)
    expected = "".join(f"{name}: {verdict}\n{run_line}\n" for name, _, verdict, run_line in updates)
    assert answer(first, 0) != answer(second, 0)
    assert run(update, *(name for name, *_ in updates), cwd=tmp_path) == expected


def test_update_needs_a_plan_to_begin_with(update: Path, tmp_path: Path) -> None:
    done = subprocess.run([update, "missing"], cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "missing: nothing arrived, or more than a slot holds\n")


def test_learn_says_how_often_it_was_right(tmp_path: Path) -> None:
    """What the library's learner says of the same samples; refusals are one line."""
    program, graph, rng = built("learn.c", tmp_path), layers_to_learn(), np.random.default_rng(2)
    head, images = random_head((64, 32, 10), 1).to_bytes(), rng.integers(0, 256, (250, 3, 1, 1)).astype(np.uint8)
    labels = images[:, 0, 0, 0] // 26
    files = {"model.trit": to_plan(graph), "model.head": head, "bad.head": head[:-4]}
    files["samples"] = b"".join(bytes([label]) + image.tobytes() for image, label in zip(images, labels, strict=True))
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    learner = Learner(head)
    task, lines, right = learner.new_task(), "", 0
    for number, bits in enumerate(learner.features(Session(to_plan(graph)), images), 1):
        right += int(learner.scores(task, bits[None]).argmax() == labels[number - 1])
        learner.learn(task, bits[None], labels[number - 1 : number])
        if number % 100 == 0:
            lines, right = f"{lines}{number} samples: {right} of 100 right\n", 0
    learner.move()
    assert (
        run(program, "model.trit", "model.head", "samples", cwd=tmp_path)
        == f"{lines}{learner.moves} updates of the weights\n"
    )
    done = subprocess.run([program, "model.trit", "bad.head", "samples"], cwd=tmp_path, capture_output=True, text=True)
    message = "learn: bad.head: the head is damaged, of another version, or of other layers than the plan ends in\n"
    assert (done.returncode, done.stdout, done.stderr) == (2, "", message)
