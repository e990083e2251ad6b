# SPDX-License-Identifier: Apache-2.0
"""The TVM backend: the same bits as the reference on every kind of vector, and a library that loads again."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from c_tools import ROOT
from tests_support import builder, random_graph, random_input

from trit.export import reference
from trit.export.graph import Graph, Tensor
from trit.export.operators import Conv, Threshold
from trit.runtime.errors import TritError

tvm = pytest.importorskip("tvm", reason="apache-tvm is not installed")

import tvm_ffi
from tvm import relax

from trit.export.tvm import build, legalize, load_tvm, operators, to_relax, write_tvm
from trit.export.tvm.conv_weights import bit_weights
from trit.export.tvm.machine import host_target, llvm_target


def assert_equal_bits(graph: Graph, target: object = None, seed: int = 0) -> None:
    images = random_input(graph, 3, np.random.default_rng(seed))
    scores = build(graph, target).run(images)
    assert scores.dtype == np.float32
    np.testing.assert_array_equal(scores.view(np.uint32), reference.run(graph, images).view(np.uint32))


@pytest.mark.parametrize("seed", range(12))
def test_random_networks_give_the_reference_bits(seed: int) -> None:
    assert_equal_bits(random_graph(seed), seed=seed)


@pytest.mark.parametrize("mcpu", ["x86-64", "haswell"])
def test_shorter_vectors_give_the_same_bits(mcpu: str) -> None:
    if not tvm.target.codegen.llvm_is_valid_cpu(mcpu, tvm.target.codegen.llvm_get_system_triple()):
        pytest.skip(f"no {mcpu} here: this is no x86")
    if mcpu == "haswell" and not tvm.target.codegen.target_has_features("avx2", host_target()):
        pytest.skip("this machine has no AVX2")
    for seed in (3, 7):
        assert_equal_bits(random_graph(seed), llvm_target(mcpu), seed)


def test_tiles_of_every_form_give_the_reference_bits() -> None:
    """Whole words of channels, neighbouring positions, padding, a Rescale behind a sum: what random networks lack."""
    build_ = builder(np.random.default_rng(5), (3, 8, 8), zero_point=3)
    build_.conv(64, "ternary")
    build_.threshold("ternary")
    build_.conv(96, "binary")
    build_.threshold("binary")
    build_.conv(64, "ternary", stride=(2, 2))
    build_.rescale()
    build_.conv(64, "binary", groups=64)
    build_.threshold("ternary")
    build_.conv(64, "ternary", groups=2)
    build_.threshold("binary")
    build_.dense(512, "ternary")
    build_.threshold("binary")
    build_.dense(10, "ternary")
    build_.scores()
    assert_equal_bits(build_.graph())


def test_a_library_loads_again(tmp_path: Path) -> None:
    graph = random_graph(3)
    images = random_input(graph, 2, np.random.default_rng(3))
    write_tvm(graph, tmp_path / "model.so")
    np.testing.assert_array_equal(load_tvm(tmp_path / "model.so").run(images), reference.run(graph, images))


def test_the_program_in_cpp_runs_a_library(tmp_path: Path) -> None:
    if shutil.which("g++") is None:
        pytest.skip("no g++")
    package, ffi = (Path(module.__file__).parent for module in (tvm, tvm_ffi))
    folders = [package / "lib", ffi / "lib"]
    flags = ["-std=c++17", "-Wall", "-Wextra", "-Werror", "-isystem", ffi / "include"]
    libraries = [*(f"-L{folder}" for folder in folders), *(f"-Wl,-rpath,{folder}" for folder in folders)]
    link = [*libraries, "-Wl,--no-as-needed", "-ltvm_runtime", "-ltvm_ffi"]
    program = tmp_path / "tvm"
    subprocess.run(["g++", *flags, "-o", program, ROOT / "examples/tvm.cpp", *link], check=True)
    graph = random_graph(3)
    image = random_input(graph, 3, np.random.default_rng(3))[2:]
    write_tvm(graph, tmp_path / "model.so")
    (tmp_path / "image").write_bytes(image.tobytes())
    done = subprocess.run([program, tmp_path / "model.so", tmp_path / "image"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    np.testing.assert_array_equal(np.array(done.stdout.split(), np.float32), reference.run(graph, image).reshape(-1))
    done = subprocess.run([program, tmp_path / "model.so", program], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.endswith(f"holds not {image.size} bytes\n")


def test_a_damaged_library_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "model.so"
    path.write_bytes(b"not a library")
    with pytest.raises(TritError, match=r"model\.so: not a network built by TVM"):
        load_tvm(path)


def test_input_of_another_shape_is_refused() -> None:
    graph = random_graph(1)
    with pytest.raises(TritError, match="input has shape"):
        build(graph).run(np.zeros((1, 1, 1, 1), np.uint8))


def test_an_unknown_processor_is_one_line() -> None:
    with pytest.raises(TritError, match="LLVM knows no processor cortex-a5x of aarch64-linux-gnu: did you mean"):
        llvm_target("cortex-a5x", "aarch64-linux-gnu")
    with pytest.raises(TritError, match="LLVM does not know the triple nowhere"):
        llvm_target("", "nowhere")


def test_grouped_weights_stand_at_their_inputs_bits() -> None:
    """Groups of 24 channels: the second begins at bit 24 of the first word that it reads, and ends in the next."""
    weights = np.ones((2, 24, 1, 1), np.int8)
    node = Conv("grouped", "x", "y", weights, "binary", groups=2)
    words = bit_weights(node, Tensor("x", "binary", (48, 1, 1)), 2, 1, masked=True)
    np.testing.assert_array_equal(words[:, 0, 0, 0, :, 0], [[0x00FFFFFF, 0], [0xFF000000, 0x0000FFFF]])


def test_ones_own_relax_module_may_call_the_operators() -> None:
    """Relax's own operators around trit's: legalize leaves them to TVM."""
    rng = np.random.default_rng(0)
    image = Tensor("image", "uint8", (4, 5, 5))
    acc, bits = Tensor("acc", "int32", (33, 5, 5)), Tensor("bits", "binary", (33, 5, 5))
    weights = rng.choice([-1, 0, 1], (33, 4, 3, 3)).astype(np.int8)
    conv = Conv("conv", "image", "acc", weights, "ternary", padding=(1, 1, 1, 1))
    limits = rng.integers(-500, 500, 33).astype(np.int32)
    threshold = Threshold("sign", "acc", "bits", limits, limits, rng.random(33) < 0.5)
    block = relax.BlockBuilder()
    x = relax.Var("x", operators.type_of(image))
    with block.function("main", [x]):
        with block.dataflow():
            flipped = block.emit(relax.op.flip(x, 1))
            sums = block.emit(operators.call(conv, [image], acc, [flipped]))
            result = block.emit_output(block.emit(operators.call(threshold, [acc], bits, [sums])))
        block.emit_func_output(result)
    target = host_target()
    module = legalize(block.get(), target)
    names = [name.name_hint for name, _ in module.functions_items()]
    assert sorted(names) == ["conv_threshold", "main"]
    machine = relax.VirtualMachine(relax.build(module, target), tvm.cpu())
    codes = rng.integers(0, 256, (5, 5, 4), dtype=np.uint8)
    found = machine["main"](tvm.runtime.tensor(codes)).numpy()
    values = codes[:, ::-1].transpose(2, 0, 1)[None].astype(np.int32)
    expected = threshold.evaluate(conv.evaluate(values))[0].transpose(1, 2, 0)
    unpacked = np.unpackbits(found[0].view(np.uint8), axis=-1, bitorder="little")[..., :33]
    np.testing.assert_array_equal(1 - 2 * unpacked.astype(np.int32), expected)


def test_a_malformed_call_is_one_line() -> None:
    graph = random_graph(1)
    module = to_relax(graph)
    call = module["main"].body.blocks[0].bindings[1].value
    with pytest.raises(TritError, match=r"trit\.\w+: not a call of this operator"):
        operators.read(relax.Call(call.op, call.args[:1], call.attrs))
    with pytest.raises(TritError, match="no target"):
        legalize(module)
