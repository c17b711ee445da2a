"""The small number that keeps logarithms and quotients finite: one for the process, set by `cbackprop.config`."""

EPSILON = 1e-7


def set_epsilon(double value):
    """Take another one from now on."""
    global EPSILON
    EPSILON = value


def get_epsilon() -> float:
    """The one in use."""
    return EPSILON
