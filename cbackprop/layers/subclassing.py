"""Prepares classes that are derived from `Layer`."""

from __future__ import annotations

from typing import Any

from cbackprop.layers.building import checked_build
from cbackprop.layers.recorded_arguments import recording

__all__ = ["prepare_subclass"]


def prepare_subclass(cls: Any) -> None:
    """Wrap methods of a new class of layers, and set the class attributes that follow from its methods."""
    is_users = not cls.__module__.startswith("cbackprop.")
    defined = cls.__dict__
    cls.holds_layers = cls.holds_layers or is_users
    if "__init__" in defined and is_users:
        cls.__init__ = recording(defined["__init__"])
    if "build" in defined and not cls.is_model:
        cls.build = checked_build(defined["build"])
    if "compute_mask" in defined and "supports_masking" not in defined:
        cls.supports_masking = True
    if "call" in defined and not cls.is_model:
        cls.is_python, cls.implementation, cls.couples_samples = True, "python_layer.PythonLayer", "always"
        cls.reads_output, cls.is_view = True, False
        if "n_inputs" not in defined:
            cls.n_inputs = None
