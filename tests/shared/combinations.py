"""All combinations of arguments."""

import itertools


def every(**choices):
    """A dict of keyword arguments for each combination of their choices."""
    return [dict(zip(choices, values, strict=True)) for values in itertools.product(*choices.values())]
