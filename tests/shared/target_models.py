"""A small model of any loss, and inputs for it."""

import numpy as np
import pytest

import cbackprop as cb
from cbackprop import layers

ENGINES = pytest.mark.parametrize("engine", ["compiled", "reference"])
ROWS = 24


def model_of(loss, engine="compiled", units=3, activation=None, **options):
    cb.utils.set_random_seed(4)
    model = cb.Sequential([cb.Input((4,)), layers.Dense(6, "tanh"), layers.Dense(units, activation)])
    model.compile("sgd", loss, engine=engine, **options)
    return model


def inputs(rows=ROWS):
    return np.random.default_rng(7).normal(size=(rows, 4))
