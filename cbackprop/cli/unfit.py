"""Refuse options that have no effect for the kind of data or model that a command was given."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import click
from click.core import ParameterSource

__all__ = ["refuse_unfit"]


def refuse_unfit(taken: Mapping[str, Collection[str]], kind: str, given: str) -> None:
    """Refuse options of the running command that the user has set but that are for another kind of data or model.

    Parameters
    ----------
    taken : mapping of str to collection of str
        The names of the parameters for each kind of data or model. Kinds are named as in messages.
    kind : str
        The kind that the command was given.
    given : str
        The same, as the end of a sentence.
    """
    context = click.get_current_context()
    for parameter in context.command.params:
        name = parameter.name or ""
        if name not in taken[kind] and context.get_parameter_source(name) is not ParameterSource.DEFAULT:
            kinds = [other for other, names in taken.items() if name in names]
            raise click.UsageError(f"{parameter.opts[0]} is for {' and '.join(kinds)}, but {given}.")
