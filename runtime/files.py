# SPDX-License-Identifier: Apache-2.0
"""Reading and writing files so that a failure leaves what was there before."""

import contextlib
import os
import tempfile
from pathlib import Path

from trit.runtime.errors import TritError


def write_atomic(path: str | os.PathLike[str], data: bytes, executable: bool = False) -> None:
    """Write `data` to a temporary file beside `path`, then rename it over `path`.

    Raises TritError if the folder is missing or not writable, or the disk is full; `path` is then as it was.
    """
    target = Path(path)
    temporary = ""
    try:
        if target.exists() and not target.is_file():
            # A device such as /dev/stdout is written to, not replaced.
            target.write_bytes(data)
            return
        handle, temporary = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        os.chmod(temporary, (0o777 if executable else 0o666) & ~_umask())
        os.replace(temporary, target)
    except OSError as error:
        if temporary:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
        raise TritError(f"cannot write {target}: {error.strerror or error}") from error


def read_bytes(path: str | os.PathLike[str]) -> bytes:
    """The whole file. Raises TritError if it cannot be read."""
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise TritError(f"cannot read {path}: {error.strerror or error}") from error


def _umask() -> int:
    # The only portable way to read the umask is to set it.
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
