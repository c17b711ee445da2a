"""Models: networks that can be trained, evaluated and asked."""

from cbackprop.models.model import Model
from cbackprop.models.sequential import Sequential

__all__ = ["Model", "Sequential"]
