"""Options that do not fit what a command was given: they are refused, because they would do nothing."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import click
from click.core import ParameterSource

__all__ = ["refuse_unfit"]


def refuse_unfit(taken: Mapping[str, Collection[str]], kind: str, given: str) -> None:
    """Refuse options of the running command that its user has set, but that are for something else.

    Parameters
    ----------
    taken : mapping of str to collection of str
        For each kind of data or of model, in words for the message: the names of the parameters that it takes.
    kind : str
        Which of them the command was given.
    given : str
        The same as the end of a sentence.
    """
    context = click.get_current_context()
    for parameter in context.command.params:
        name = parameter.name or ""
        if name not in taken[kind] and context.get_parameter_source(name) is not ParameterSource.DEFAULT:
            kinds = [other for other, names in taken.items() if name in names]
            raise click.UsageError(f"{parameter.opts[0]} is for {' and '.join(kinds)}, but {given}.")
