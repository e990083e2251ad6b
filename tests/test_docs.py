# SPDX-License-Identifier: Apache-2.0
"""What the README and the docs show is true: their commands, programs, recipes and links are tried."""

from __future__ import annotations

import doctest
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from c_tools import build, need, run
from docs_tools import PAGES, README, ROOT, blocks, shell
from tests_support import with_random_tasks

from trit import load, shipped_images
from trit.commands.zoo import network_bytes
from trit.export.onnx_reader import parse_onnx
from trit.export.onnx_writer import onnx_bytes
from trit.export.plan import to_plan
from trit.runtime.session import Session
from trit.targets.deploy import deploy
from trit.targets.description import load_target
from trit.train.recipe import parse_recipe


def name_of(page: Path) -> str:
    return page.stem


@pytest.fixture(scope="module")
def fashion() -> bytes:
    return network_bytes("fashion-ternary-cnn")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fashion: bytes) -> Path:
    """A new directory with the files that the examples read."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "fashion.onnx").write_bytes(fashion)
    (tmp_path / "model.onnx").write_bytes(fashion)
    tasks = with_random_tasks(parse_onnx(fashion, "fashion"), ("permuted 1", "permuted 2"))
    (tmp_path / "permuted.onnx").write_bytes(onnx_bytes(tasks))
    (tmp_path / "model.trit").write_bytes(to_plan(parse_onnx(fashion, "fashion")))
    return tmp_path


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text()):
        if not target.startswith("http"):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


@pytest.mark.parametrize("page", [*PAGES, ROOT / ".pre-commit-config.yaml"], ids=name_of)
def test_files_that_are_named_exist(page: Path) -> None:
    pattern = r"\b(?:cli|train|export|runtime|targets|tests|docs|examples|benchmarks)/[\w./-]*\w(?![\w<])"
    for path in re.findall(pattern, page.read_text()):
        assert (ROOT / path).exists() or (ROOT / "runtime" / path).exists(), f"{page.name}: {path}"


@pytest.mark.parametrize("page", [page for page in PAGES if ">>>" in page.read_text()], ids=name_of)
def test_interactive_examples(page: Path) -> None:
    pytest.importorskip("torch", reason="torch is not installed: pip install 'trit[train]'")
    examples = "\n".join(code for code in blocks(page, "python") if ">>>" in code)
    test = doctest.DocTestParser().get_doctest(examples, {}, page.name, str(page), 0)
    done = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(test)
    assert done.attempted > 0
    assert done.failed == 0


@pytest.mark.parametrize(
    ("page", "code"),
    [(p, c) for p in PAGES for c in blocks(p, "python") if ">>>" not in c],
    ids=lambda v: getattr(v, "stem", ""),
)
def test_programs_in_python(page: Path, code: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if "trit.train" in code or "import torch" in code:
        pytest.importorskip("torch", reason="torch is not installed: pip install 'trit[train]'")
    if "tvm" in code:
        pytest.importorskip("tvm", reason="apache-tvm is not installed: pip install 'trit[tvm]'")
        from trit.export.tvm import write_tvm

        write_tvm(parse_onnx((folder / "model.onnx").read_bytes(), "x"), folder / "model.so")
    names: dict[str, Any] = {"images": shipped_images("fashion-mnist")[0]}
    exec(compile(code, str(page), "exec"), names)
    if page == README:
        assert re.match(r"\d+\.\d% of 256 images\n", capsys.readouterr().out)
    if "scores" in names:
        expected = load("fashion.onnx").run(names["images"])
        np.testing.assert_array_equal(names["scores"].reshape(expected.shape), expected)


def test_the_readmes_program_in_c(folder: Path, fashion: bytes) -> None:
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None or shutil.which("make") is None:
        pytest.skip("no C compiler or make")
    images = shipped_images("fashion-mnist")[0][:3]
    deploy(parse_onnx(fashion, "fashion"), load_target("host"), folder / "out", images)
    (code,) = blocks(README, "c")
    assert len(code.splitlines()) <= 12
    print_scores = """
    #include <stdio.h>
    int main(void) {
        for (uint32_t i = 0; i < test.count; i++) {
            float scores[MODEL_OUTPUT_SIZE];
            if (classify(test.images + i * MODEL_INPUT_SIZE, scores) != TRIT_OK) return 1;
            for (uint32_t k = 0; k < MODEL_OUTPUT_SIZE; k++) printf("%.9g ", scores[k]);
        }
        return 0;
    }"""
    (folder / "out" / "mine.c").write_text(code + print_scores)
    sources = ["mine.c", "model.c", "test_images.c", *map(str, (folder / "out/build/src").glob("*.o"))]
    flags = ["-std=c99", "-Wall", "-Wextra", "-Werror", "-O1", "-I.", "-Iinclude", "-o", "mine"]
    subprocess.run([compiler, *flags, *sources], cwd=folder / "out", check=True)
    done = subprocess.run([folder / "out" / "mine"], capture_output=True, text=True, check=True)
    scores = np.array(done.stdout.split(), np.float32).reshape(3, 10)
    np.testing.assert_array_equal(scores, Session("model.trit").run(images))


def test_the_c_apis_program(folder: Path) -> None:
    need("gcc")
    code, _ = blocks(ROOT / "docs" / "c-api.md", "c")
    image = shipped_images("fashion-mnist")[0][0]
    print_scores = """
    int main(void) {
        static uint32_t plan[1 << 20];
        static uint8_t image[28 * 28];
        size_t size = fread(plan, 1, sizeof plan, stdin);
        FILE *file = fopen("image", "rb");
        if (!file || fread(image, 1, sizeof image, file) != sizeof image) return 1;
        float *scores = scores_of(plan, size, image);
        if (!scores) return 2;
        for (int k = 0; k < 10; k++) printf("%.9g ", scores[k]);
        free(scores);
        return fclose(file);
    }"""
    (folder / "mine.c").write_text(code + print_scores)
    (folder / "image").write_bytes(image.tobytes())
    build(folder / "mine", folder / "mine.c")
    plan = (folder / "model.trit").read_bytes()
    done = subprocess.run([folder / "mine"], input=plan, capture_output=True, check=True)
    scores = np.array(done.stdout.split(), np.float32)
    np.testing.assert_array_equal(scores, Session("model.trit").run(image)[0])
    refused = subprocess.run([folder / "mine"], input=plan[:-4], capture_output=True)
    assert (refused.returncode, refused.stderr) == (2, b"the plan is truncated or has bytes after its end\n")


def test_the_c_apis_choice_of_tasks(folder: Path) -> None:
    need("gcc")
    _, code = blocks(ROOT / "docs" / "c-api.md", "c")
    print_scores = """
    #include <stdio.h>
    int main(void) {
        static uint32_t data[1 << 20], arena[1 << 16];
        static uint8_t image[28 * 28];
        static float scores[2 * 10];
        trit_plan plan;
        if (trit_open(&plan, data, fread(data, 1, sizeof data, stdin)) != TRIT_OK) return 1;
        if (scores_of_tasks(&plan, arena, sizeof arena, image, scores) != TRIT_OK) return 2;
        for (int k = 0; k < 20; k++) printf("%.9g ", (double)scores[k]);
        return 0;
    }"""
    (folder / "mine.c").write_text(code + print_scores)
    build(folder / "mine", folder / "mine.c")
    plan = to_plan(parse_onnx((folder / "permuted.onnx").read_bytes(), "permuted"))
    done = subprocess.run([folder / "mine"], input=plan, capture_output=True, check=True)
    session, expected = Session(plan), []
    for name in session.tasks:
        session.task = name
        expected.append(session.run(np.zeros((28, 28), np.uint8)))
    np.testing.assert_array_equal(np.array(done.stdout.split(), np.float32), np.concatenate(expected).ravel())


def test_the_readmes_commands(tmp_path: Path) -> None:
    for package in ("torch", "sklearn", "accelerate", "ziglang", "unicorn", "capstone", "elftools"):
        pytest.importorskip(package, reason=f"{package} is not installed: pip install 'trit[all]'")
    (commands,) = (block for block in blocks(README, "sh") if "trit train" in block)
    lines = [line for line in commands.splitlines() if line.startswith("trit ")]
    assert len(lines) >= 6
    shell("\n".join(lines), tmp_path)
    for made in ("runs/digits-ternary-mlp/model.pt", "digits.onnx", "firmware/firmware.elf"):
        assert (tmp_path / made).exists(), made


def test_make_has_the_targets_that_are_named() -> None:
    need("make")
    for page in (README, ROOT / "CONTRIBUTING.md", ROOT / "docs" / "c-api.md"):
        targets = set(re.findall(r"(?:^|`)make (\w+)", page.read_text(), re.MULTILINE))
        assert targets, page.name
        for target in targets:
            run("make", "-n", target, cwd=ROOT)


def test_the_readmes_table_is_of_the_shipped_network(fashion: bytes) -> None:
    from trit.targets.profile import weight_bits

    bits = weight_bits(parse_onnx(fashion, "fashion"))
    rows = [line for line in README.read_text().splitlines() if f"{bits:,}" in line]
    for target in ("host", "nrf52840", "rram-2t2r-130nm"):
        assert any(target in row for row in rows), target


def test_recipes_and_targets_in_the_docs_are_valid(tmp_path: Path) -> None:
    (recipe,) = blocks(ROOT / "docs" / "training.md", "toml")
    parse_recipe(recipe, "training.md")
    (board,) = blocks(ROOT / "docs" / "targets.md", "toml")
    (tmp_path / "board.toml").write_text(board)
    assert load_target(str(tmp_path / "board.toml")).title == "my board"
