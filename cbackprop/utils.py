"""Seeds, and names."""

from cbackprop.layers.layer import clear_names as clear_session
from cbackprop.random import set_random_seed

__all__ = ["clear_session", "set_random_seed"]
