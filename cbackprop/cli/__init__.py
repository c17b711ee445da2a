"""The console command ``cbackprop``."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import click

import cbackprop as cb
from cbackprop.cli import bench, evaluate, export, gradcheck, playground, predict, step, summary, train
from cbackprop.cli.console import say

__all__ = ["main"]

WRONG, INTERRUPTED, CLOSED = 2, 130, 1


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(cb.__version__, prog_name="cbackprop", message="%(prog)s %(version)s")
def cli() -> None:
    """Train neural networks by compiled backpropagation, and use them on tables and images."""


@cli.command()
def info() -> None:
    """Print version, instruction set, BLAS and threads."""
    cb.config.show()


for module in (train, predict, evaluate, summary, export, gradcheck, bench, step, playground):
    cli.add_command(module.command)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    Parameters
    ----------
    arguments : sequence of str, optional
        By default those of the process.

    Returns
    -------
    int
        The exit code: 0 for success; 1 if a gradient is wrong or the output pipe is closed; 2 for a mistake, after a
        message of one sentence; 130 after an interrupt.
    """
    given = sys.argv[1:] if arguments is None else list(arguments)
    try:
        code = cli.main(given, prog_name="cbackprop", standalone_mode=False)
        sys.stdout.flush()
        return code if isinstance(code, int) else 0
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
    except click.exceptions.Abort:
        complain("interrupted")
        return INTERRUPTED
    except click.ClickException as error:
        complain(error.format_message())
    except BrokenPipeError:
        # The pipe is closed; flushing the rest of the buffer at exit would fail.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return CLOSED
    except SystemExit as stop:  # from click and rich, when a pipe is closed
        return stop.code if isinstance(stop.code, int) else CLOSED
    except OSError as error:
        file = f"{error.filename!r}: " if error.filename else ""
        complain(f"{file}{error.strerror or error}")
    except MemoryError:
        complain("not enough memory for this table or network")
    except (ImportError, RuntimeError, TypeError, ValueError) as error:
        complain(str(error))
    return WRONG


def complain(message: str) -> None:
    """Print an error message of one sentence on one line."""
    say(f"cbackprop: {' '.join(message.split())}", err=True)
