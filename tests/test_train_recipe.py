# SPDX-License-Identifier: Apache-2.0
"""Recipes: what ships is right, and mistakes are named with what is allowed."""

from __future__ import annotations

import tomllib
from importlib.resources import files
from pathlib import Path

import pytest

from trit.commands.zoo import network_bytes, networks
from trit.export.onnx_reader import parse_onnx
from trit.runtime.errors import TritError
from trit.train.recipe import available, parse_recipe, read_recipe, recorded_recipe

SHIPPED = [
    "cifar10-binary-resnet",
    "cifar10-ternary-small",
    "cifar10-ternary-vgg",
    "digits-ternary-mlp",
    "fashion-binary-cnn",
    "fashion-ternary-8bit-cnn",
    "fashion-ternary-cnn",
    "fashion-ternary-small",
    "kws-ternary-dscnn",
    "metaplastic-classes",
    "metaplastic-mnist-fashion",
    "metaplastic-permuted-mnist",
    "metaplastic-permuted-mnist-10",
    "metaplastic-permuted-mnist-4096",
    "metaplastic-stream-cifar10",
    "metaplastic-stream-fashion",
    "mnist-binary-mlp",
]


CONVERGENT = ["ep-cifar10", "ep-cifar10-small", "ep-mnist-binary", "ep-mnist-mlp"]


def test_the_shipped_recipes() -> None:
    assert available() == sorted([*SHIPPED, *CONVERGENT])


@pytest.mark.parametrize("name", CONVERGENT)
def test_a_convergent_recipe_builds_its_network(name: str) -> None:
    torch = pytest.importorskip("torch", reason="torch is not installed: pip install 'trit[train]'")
    from trit.train.networks import build

    recipe = read_recipe(name, ["equilibrium.free_steps=2"])
    scores = build(recipe)(torch.zeros(2, *recipe.input_shape, dtype=torch.uint8))
    assert scores.shape == (2, 10)


@pytest.mark.parametrize(
    ("name", "overrides", "message"),
    [
        ("ep-mnist-mlp", ["quantization.weights=binary"], "quantization.weights: int8, float32, or binary with"),
        ("ep-mnist-mlp", ["quantization.weights=ternary"], "quantization.weights: int8, float32, or binary with"),
        ("ep-mnist-mlp", ["quantization.activations=relu"], "quantization.activations: 8-bit .* or binary"),
        ("ep-mnist-mlp", ["equilibrium.learning_rates=[0.1]"], "learning_rates: give one number for each of the 2 "),
        ("ep-mnist-mlp", ["quantization.activations=binary"], "activations: 8-bit with int8 weights and with conv"),
        ("ep-mnist-mlp", ["network.channels=[8]"], "network: padding: 0 numbers for 1 convolutions"),
        ("ep-cifar10-small", ["network.padding=[1, 3, 1]"], "network: padding: 3 is not below the kernel, 3"),
        ("ep-mnist-mlp", ["quantization.first=int8"], "all layers of a convergent network have the same weights"),
        ("ep-mnist-mlp", ["training.label_smoothing=0.1"], "equilibrium: goes without teacher, faults"),
        ("ep-mnist-binary", ["equilibrium.magnitudes=[0.1, 0.1]"], "magnitudes: 0.1 is not a power of two"),
        ("ep-mnist-binary", ["pixel_scale=0.01"], "pixel_scale: 1/256 .* 0.00390625"),
        ("digits-ternary-mlp", ["equilibrium.beta=0.1"], "equilibrium: is of networks of the kind convergent"),
        ("digits-ternary-mlp", ["quantization.weights=int8"], "quantization.weights: int8 is of convergent networks"),
    ],
)
def test_mistakes_in_convergent_recipes_are_named(name: str, overrides: list[str], message: str) -> None:
    with pytest.raises(TritError, match=message):
        read_recipe(name, overrides)


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_recipe_builds_a_network_of_its_kinds(name: str) -> None:
    torch = pytest.importorskip("torch", reason="torch is not installed: pip install 'trit[train]'")
    from trit.train.layers import QuantConv2d, QuantLinear
    from trit.train.networks import build

    recipe = read_recipe(name)
    network = build(recipe).eval()
    assert network(torch.zeros(2, *recipe.input_shape, dtype=torch.uint8)).shape == (2, 10)
    layers = [module for module in network.modules() if isinstance(module, QuantConv2d | QuantLinear)]
    kind = "binary" if recipe.quantization.weights == "binary" else "ternary"
    kinds = [layer.weight_quantizer.kind for layer in layers]
    assert kinds == [recipe.quantization.first or kind, *[kind] * (len(layers) - 2), recipe.quantization.last or kind]


@pytest.mark.parametrize(
    ("name", "first", "last"),
    [
        *((name, "int8", "int8") for name in SHIPPED),
        ("kws-ternary-dscnn", "binary", "ternary-mean"),
        ("fashion-ternary-small", "ternary", "binary"),
    ],
)
def test_the_first_and_last_layer_may_have_weights_of_their_own(name: str, first: str, last: str) -> None:
    pytest.importorskip("torch", reason="torch is not installed: pip install 'trit[train]'")
    from trit.export.lower import lower
    from trit.export.operators import Conv
    from trit.train.networks import build

    recipe = read_recipe(name, [f"quantization.first={first}", f"quantization.last={last}"])
    graph = lower(build(recipe).eval(), recipe.input_shape)
    kinds = [node.weight_kind for node in graph.nodes if isinstance(node, Conv)]
    assert [kinds[0], kinds[-1]] == [first, last.removesuffix("-mean")] and "int8" not in kinds[1:-1]


@pytest.mark.parametrize("name", ["kws-ternary-dscnn", "cifar10-binary-resnet"])
def test_a_float32_twin_trains_but_is_not_exported(name: str) -> None:
    torch = pytest.importorskip("torch", reason="torch is not installed: pip install 'trit[train]'")
    from trit.export.lower import lower
    from trit.train.layers import QuantConv2d, QuantLinear
    from trit.train.networks import build

    recipe = read_recipe(name, ["quantization.weights=float32", "quantization.activations=relu"])
    network = build(recipe)
    layers = [module for module in network.modules() if isinstance(module, QuantConv2d | QuantLinear)]
    scores = network(torch.randint(0, 256, (4, *recipe.input_shape), dtype=torch.uint8))
    scores.square().sum().backward()
    for layer in layers:
        assert layer.weight_quantizer(layer.weight) is layer.weight
        assert layer.weight.grad is not None and layer.weight.grad.any()
    with pytest.raises(TritError, match=r"layer conv1 has float32 weights, which nothing runs: train it with quantize"):
        lower(network.eval(), recipe.input_shape)


def test_words_are_the_classes_of_speech_alone() -> None:
    recipe = read_recipe("kws-ternary-dscnn", ['words=["on", "off", "go"]'])
    assert recipe.labels == ["on", "off", "go"]
    with pytest.raises(TritError, match="words: speech needs the words to tell apart"):
        read_recipe("kws-ternary-dscnn", ['words=["on", "on"]'])
    with pytest.raises(TritError, match="words: speech needs the words to tell apart"):
        read_recipe("digits-ternary-mlp", ["data=speech"])
    with pytest.raises(TritError, match="words: only speech has words"):
        read_recipe("digits-ternary-mlp", ['words=["on", "off"]'])


@pytest.mark.parametrize("width", [8, 32])
def test_the_vgg_has_the_published_shape(width: int) -> None:
    pytest.importorskip("torch", reason="torch is not installed: pip install 'trit[train]'")
    from trit.train.networks import build

    network = build(read_recipe("cifar10-ternary-vgg", [f"network.width={width}"]))
    convolutions = [
        m.weight.shape for name, m in network.named_modules() if name.startswith("conv") and "." not in name
    ]
    f = width
    assert [(o, i) for o, i, _, _ in convolutions] == [
        (f, 3),
        (f, f),
        (2 * f, f),
        (2 * f, 2 * f),
        (4 * f, 2 * f),
        (4 * f, 4 * f),
    ]
    assert network.dense1.weight.shape == (512, 4 * f * 4 * 4)
    assert network.dense2.weight.shape == (10, 512)


def test_the_residual_network_has_a_shortcut_around_every_convolution() -> None:
    pytest.importorskip("torch", reason="torch is not installed: pip install 'trit[train]'")
    from trit.export.lower import lower
    from trit.export.operators import Add, Conv, Rescale, Threshold
    from trit.train.networks import build

    recipe = read_recipe("cifar10-binary-resnet", ["network.stages=[[8, 2], [16, 1]]"])
    graph = lower(build(recipe).eval(), recipe.input_shape)
    convolutions = [node.weights.shape for node in graph.nodes if isinstance(node, Conv)]
    blocks = [(8, 8, 3, 3), (8, 8, 3, 3), (16, 8, 1, 1), (16, 16, 3, 3)]
    assert convolutions == [(8, 3, 3, 3), *blocks, (10, 16, 1, 1)]
    sums = [node for node in graph.nodes if isinstance(node, Add)]
    assert len(sums) == 3 == sum(isinstance(node, Threshold) for node in graph.nodes)
    for node in sums:
        assert [graph.tensors[name].kind for name in node.inputs] == ["uint8", "uint8"]
        assert [type(reader) for reader in graph.readers(node.output)] == [Rescale]


@pytest.mark.parametrize("card", networks(), ids=lambda card: card["name"])
def test_the_zoos_networks_were_made_by_the_shipped_recipes(card: dict[str, object]) -> None:
    name = str(card["name"])
    graph = parse_onnx(network_bytes(name), name)
    shipped = (files("trit.train") / "recipes" / f"{name}.toml").read_text()
    assert tomllib.loads(graph.metadata["recipe"]) == tomllib.loads(shipped)
    assert card["command"] == f"trit train {name}"


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("training.epocs=3", "training.epocs: unknown key; did you mean epochs"),
        ("training.epochs=0", "training.epochs: Input should be greater than 0, not 0"),
        ("training.epochs=many", "training.epochs: Input should be a valid integer.*not 'many'"),
        ("quantization.weights=quaternary", "quantization.weights: .*'binary', 'ternary'.*not 'quaternary'"),
        ("data=imagenet", "data: .*'digits'.*'cifar10'.*not 'imagenet'"),
        ("network.kind=rnn", "network: .*'mlp', 'cnn', 'vgg', 'ds-cnn', 'residual', 'convergent'"),
        ("network.width=3", "network.width: unknown key"),
        ("network.hidden=[]", "network.hidden: "),
        ("network.hidden=[0]", "network.hidden.0: Input should be greater than 0"),
        ("data.more=1", "has no table data"),
        ("epochs", "give KEY=VALUE"),
    ],
)
def test_mistakes_are_named(override: str, message: str) -> None:
    with pytest.raises(TritError, match=message) as mistake:
        read_recipe("digits-ternary-mlp", [override])
    assert "\n" not in str(mistake.value)


def test_overrides_are_kept_with_the_recipe() -> None:
    recipe = read_recipe("digits-ternary-mlp", ["training.epochs=3", "quantization.weights=binary"])
    assert (recipe.training.epochs, recipe.quantization.weights) == (3, "binary")
    assert recipe.text.endswith("# --set training.epochs=3\n# --set quantization.weights=binary")


@pytest.mark.parametrize("overrides", [[], ["training.epochs=3"], ["training.epochs=3", "seed=4"]])
@pytest.mark.parametrize("ending", ["", "\n", "\n\n"])
def test_comments_that_look_like_overrides_stay_comments(overrides: list[str], ending: str) -> None:
    text = (files("trit.train") / "recipes" / "digits-ternary-mlp.toml").read_text()
    text = f"# --set data=mnist --set seed=9\n{text}# --set seed=8{ending}"
    recipe = parse_recipe(text, "mine", overrides)
    recorded = recorded_recipe(recipe.text, "mine")
    assert recorded == recipe and recorded.text == recipe.text and recipe.data == "digits"


@pytest.mark.parametrize("name", [*SHIPPED, *CONVERGENT])
def test_a_shipped_recipe_is_read_from_its_model(name: str) -> None:
    recipe = read_recipe(name, ["seed=3"])
    assert recorded_recipe(recipe.text, name) == recipe


def test_a_recipe_of_ones_own(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text((files("trit.train") / "recipes" / "digits-ternary-mlp.toml").read_text())
    assert read_recipe(str(path)).name == "mine"
    with pytest.raises(TritError, match=r"cannot read recipe .*other\.toml"):
        read_recipe(str(tmp_path / "other.toml"))
    with pytest.raises(TritError, match="recipe mine: not TOML"):
        parse_recipe("[", "mine")
    with pytest.raises(TritError, match="did you mean digits-ternary-mlp"):
        read_recipe("digits-ternary-mpl")
