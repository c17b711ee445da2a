"""The small number that keeps logarithms and quotients finite. `cbackprop.config` sets it for the process."""

EPSILON = 1e-7


def set_epsilon(double value):
    """Set the small number."""
    global EPSILON
    EPSILON = value


def get_epsilon() -> float:
    """The small number."""
    return EPSILON
