# SPDX-License-Identifier: Apache-2.0
"""Files are written whole or not at all."""

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from trit.runtime.errors import TritError
from trit.runtime.files import read_bytes, write_atomic


def test_writes_over_an_older_file(tmp_path: Path) -> None:
    target = tmp_path / "model.onnx"
    target.write_bytes(b"old")
    write_atomic(target, b"new")
    assert target.read_bytes() == b"new"
    assert os.listdir(tmp_path) == ["model.onnx"]


def test_honours_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_atomic(tmp_path / "x", b"")
    finally:
        os.umask(before)
    assert (tmp_path / "x").stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("path", ["missing/x", ".", "/proc/x"])
def test_unwritable_places_are_named(path: str, tmp_path: Path) -> None:
    target = tmp_path / path
    with pytest.raises(TritError, match=f"cannot write {target}"):
        write_atomic(target, b"data")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_full_device_is_one_line() -> None:
    with pytest.raises(TritError, match="cannot write /dev/full: No space left on device"):
        write_atomic("/dev/full", b"data")


def test_running_out_of_space_leaves_the_old_file(tmp_path: Path) -> None:
    """A limit on file sizes stands for the full disk, which takes root to make."""
    target = tmp_path / "x"
    target.write_bytes(b"old")
    program = "from trit.runtime.files import write_atomic\nimport sys\nwrite_atomic(sys.argv[1], bytes(100_000))"
    done = subprocess.run(
        [sys.executable, "-c", program, str(target)],
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000)),
    )
    assert "TritError: cannot write" in done.stderr
    assert target.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["x"]


def test_reading_a_missing_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(TritError, match=r"cannot read .*nothing: No such file"):
        read_bytes(tmp_path / "nothing")
