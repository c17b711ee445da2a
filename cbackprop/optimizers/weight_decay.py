"""Which variables have no weight decay."""

from __future__ import annotations

from collections.abc import Iterable

from cbackprop.variable import Variable

__all__ = ["DecayExclusions"]


class DecayExclusions:
    """Variables without weight decay, as `Optimizer.exclude_from_weight_decay` was told.

    Parameters
    ----------
    variables : iterable of Variable, optional
    names : iterable of str, optional
        Every variable whose name contains one of these has no weight decay.

    Raises
    ------
    TypeError
        If `variables` holds anything but variables, or `names` anything but strings.
    """

    def __init__(self, variables: Iterable[Variable] | None = None, names: Iterable[str] | None = None) -> None:
        self.variables = set(map(_checked, variables or ()))
        self.names = tuple(names or ())
        if isinstance(names, str) or not all(isinstance(name, str) for name in self.names):
            raise TypeError(f"var_names must be a list of strings, but got {names!r}.")

    def __contains__(self, variable: Variable) -> bool:
        return variable in self.variables or any(name in variable.name for name in self.names)


def _checked(value: object) -> Variable:
    if not isinstance(value, Variable):
        raise TypeError(f"var_list must hold variables, but got {type(value).__name__}.")
    return value
