"""Entries of the registries: classes of a family, and optimizers of a kind."""

from __future__ import annotations

import inspect

import cbackprop as cb


def classes(registry):
    """Names of the classes of a family, without its functions."""
    return [name for name, thing in registry if inspect.isclass(thing)]


def stepping_optimizers():
    """The optimizers that take a step by the gradient of a batch, by name; the others have tests of their own."""
    base = cb.optimizers.FullBatchOptimizer
    return {name: cls for name, cls in cb.optimizers.registry if not issubclass(cls, base)}
