# SPDX-License-Identifier: Apache-2.0
"""What a user can get wrong: each is one line that says what, where, and what would be right."""

from collections.abc import Collection


class TritError(ValueError):
    """A mistake the command line reports as one line with exit status 2."""


class Unavailable(TritError):
    """Nothing is wrong, but it cannot be done here: a package, a processor's feature or memory is missing."""


class MissingExtra(Unavailable):
    """A package that an optional part needs is not installed."""

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(f"{package} is not installed: pip install 'trit[{extra}]' brings it")


# Those that whole parts of trit are written with; what a single function needs it asks for itself.
_EXTRAS = {"typer": "cli", "rich": "cli", "pydantic": "cli", "onnx": "cli", "torch": "train", "accelerate": "train"}


def missing_extra(error: ModuleNotFoundError) -> MissingExtra:
    """What brings the package that could not be imported. Raises the error itself where it is of no extra."""
    package = (error.name or "").partition(".")[0]
    if package not in _EXTRAS:
        raise error
    return MissingExtra(package, _EXTRAS[package])


def known_task(name: str, tasks: Collection[str]) -> str:
    """The name of one of the tasks. Raises TritError, which lists them, for any other."""
    if name in tasks:
        return name
    there = f"there are {', '.join(tasks)}" if tasks else "the network was not trained for several"
    raise TritError(f"no task {name!r}: {there}")
