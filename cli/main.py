# SPDX-License-Identifier: Apache-2.0
"""The `trit` command: gathers the subcommands and turns what a user got wrong into one line and status 2."""

from __future__ import annotations

import sys
from typing import Annotated

import typer
from typer.exceptions import TyperException

from trit import __version__
from trit.commands import (
    classify,
    confusion,
    deploy,
    doctor,
    export,
    gradients,
    hidden_weights,
    import_network,
    inspect,
    profile,
    report,
    sweep,
    target,
    targets,
    train,
    verify,
    zoo,
)
from trit.runtime.errors import TritError, missing_extra

INTERRUPTED = 130  # as typer ends a command, and as shells count a SIGINT

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Binary and ternary neural networks from PyTorch to the device.\n\n"
    "Example: trit train digits-ternary-mlp && trit export runs/digits-ternary-mlp/model.pt -o digits.onnx "
    "&& trit profile digits.onnx --target host,nrf52840",
)
for command in (
    train,
    sweep,
    export,
    verify,
    inspect,
    deploy,
    profile,
    confusion,
    classify,
    report,
    hidden_weights,
    gradients,
    targets,
    zoo,
    doctor,
):
    app.command()(getattr(command, command.__name__.rpartition(".")[2]))
app.command("import")(import_network.import_network)  # a word that no function can be called by
app.add_typer(target.target, name="target")


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"trit {__version__}\n{doctor.summary()}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool,
        typer.Option("--version", help="Print the version and what is found.", callback=_version, is_eager=True),
    ] = False,
) -> None:
    pass


def main() -> None:
    """Run the command line: exit 0 done, 1 a check failed, 2 a mistake in one line, 130 interrupted."""
    try:
        status = app(prog_name="trit", standalone_mode=False)
    except TritError as error:
        status = _complain(str(error))
    except TyperException as error:
        message = error.format_message()
        # The exception that shows the help (no arguments given) has said all there is to say.
        status = _complain(f"{message} (trit --help lists what there is)") if message else 2
    except BrokenPipeError:
        # The reader (head, less) has gone; Python must not complain when it flushes standard output.
        sys.stdout = None
        status = 0
    except ModuleNotFoundError as error:
        status = _complain(str(missing_extra(error)))
    except OSError as error:
        status = _complain(f"{error.filename}: {error.strerror}" if error.filename else str(error))
    except KeyboardInterrupt:
        status = INTERRUPTED
    if status == INTERRUPTED:
        sys.stderr.write("trit: interrupted\n")
    sys.exit(status)


def _complain(message: str) -> int:
    sys.stderr.write(f"trit: {' '.join(message.split())}\n")
    return 2
