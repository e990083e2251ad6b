# SPDX-License-Identifier: Apache-2.0
"""Learning from a teacher: the loss, what is refused as one, and a network that learns from a teacher alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: pip install 'trit[train]'")

from tests_support import RECIPE

from trit.runtime.errors import TritError
from trit.train.checkpoint import load_model
from trit.train.distillation import Distillation
from trit.train.recipe import Teacher, parse_recipe
from trit.train.run import train

pytestmark = pytest.mark.usefixtures("one_thread")
Run = Callable[..., tuple[int, str, str]]
FLOAT = ["quantization.weights=float32", "quantization.activations=relu", "network.hidden=[64]", "training.epochs=8"]


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A float32 network for the digits."""
    folder = tmp_path_factory.mktemp("teacher")
    (folder / "recipe.toml").write_text(RECIPE)
    result = train(str(folder / "recipe.toml"), out=folder, overrides=FLOAT)
    assert result.accuracy > 0.9
    return result.model


def images(count: int) -> torch.Tensor:
    return torch.randint(0, 17, (count, 1, 8, 8), generator=torch.Generator().manual_seed(0)).to(torch.uint8)


@pytest.mark.parametrize(("share", "temperature"), [(0.25, 1.0), (0.5, 4.0), (1.0, 3.0)])
def test_the_loss_is_the_formula(teacher: Path, share: float, temperature: float) -> None:
    chosen = Teacher(model=str(teacher), share=share, temperature=temperature)
    distillation = Distillation(chosen, parse_recipe(RECIPE, "r"))
    scores = torch.randn(7, 10, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        told = load_model(teacher)[0](images(7))
    p, q = (torch.softmax(each.double() / temperature, 1) for each in (told, scores))
    apart = (p * (p / q).log()).sum(1).mean()
    expected = (1 - share) * 2.5 + share * temperature**2 * apart
    assert float(distillation(torch.tensor(2.5), scores, images(7))) == pytest.approx(float(expected), rel=1e-5)


def test_a_network_that_says_the_same_learns_nothing_from_it(teacher: Path) -> None:
    distillation = Distillation(Teacher(model=str(teacher), share=1.0), parse_recipe(RECIPE, "r"))
    scores = load_model(teacher)[0](images(9)).detach().requires_grad_()
    distillation(torch.tensor(0.0), scores, images(9)).backward()
    torch.testing.assert_close(scores.grad, torch.zeros(9, 10), atol=1e-6, rtol=0)


def test_a_network_learns_from_a_teacher_alone(teacher: Path, tmp_path: Path) -> None:
    """With share 1 no label has a word; the recipe that the model keeps names the teacher, and needs it no more."""
    (tmp_path / "mine.toml").write_text(RECIPE)
    overrides = [f'teacher.model="{teacher}"', "teacher.share=1", "network.hidden=[64]", "training.epochs=8"]
    result = train(str(tmp_path / "mine.toml"), out=tmp_path / "run", overrides=overrides)
    assert result.accuracy > 0.8
    moved = teacher.rename(teacher.with_name("moved.pt"))
    try:
        assert load_model(result.model)[1].teacher is not None
    finally:
        moved.rename(teacher)


def test_a_teacher_of_other_images_is_refused(teacher: Path) -> None:
    other = parse_recipe(RECIPE.replace("digits", "mnist"), "r")
    with pytest.raises(TritError, match=r"teacher\.model: .* trained on digits, whose images or classes are others"):
        Distillation(Teacher(model=str(teacher)), other)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ("--set teacher.model=missing.pt", "cannot read missing.pt"),
        ("--set teacher.model=mine.toml", "mine.toml: not a model of trit train"),
        ("--set teacher.share=0.5", "teacher.model: missing"),
        ("--set teacher.model=t.pt --set teacher.share=2", "teacher.share"),
        ("--set teacher.model=t.pt --set tasks.kind=permuted --set tasks.count=2", "goes without [tasks]"),
    ],
)
def test_a_mistake_is_one_line(run: Run, tmp_path: Path, settings: str, message: str) -> None:
    (tmp_path / "mine.toml").write_text(RECIPE)
    status, _, error = run("train", "mine.toml", *settings.split())
    assert status == 2 and message in error and error.count("\n") == 1, error
