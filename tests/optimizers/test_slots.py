"""A rule gets as many slots as it reads: else it would read memory that is not there."""

import itertools

import families
import numpy as np
import pytest

import cbackprop as cb
from cbackprop import layers

OPTIMIZERS = families.stepping_optimizers()


def fit(optimizer):
    model = cb.Sequential([cb.Input((4,)), layers.Dense(3)])
    model.compile(optimizer, "mse")
    model.fit(np.ones((8, 4)), np.ones((8, 3)), verbose=0)


@pytest.mark.parametrize("names", [(), ("one",), ("one", "two", "three", "four")], ids=len)
@pytest.mark.parametrize("attribute", ["slot_names", "memory_names"])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_class_that_says_something_else_is_refused(name, attribute, names):
    kind = OPTIMIZERS[name]
    if len(kind().slot_names) == len(names):
        names = (*names, "more")
    members = {attribute: property(lambda self: names, lambda self, value: None)}
    with pytest.raises(ValueError, match=r"Other must keep \d numbers of each weight"):
        fit(type("Other", (kind,), members)())


def test_an_attribute_that_was_changed_is_refused():
    optimizer = cb.optimizers.Adam(use_ema=True)
    optimizer.slot_names = ()
    with pytest.raises(ValueError, match=r"Adam must keep 3 numbers of each weight \(2 slots of its rule"):
        fit(optimizer)


def test_slots_that_were_dropped_begin_with_zeros():
    x, y = np.ones((8, 4)), np.ones((8, 3))
    weights = []
    for drops in (False, True):
        cb.utils.set_random_seed(1)
        model = cb.Sequential([cb.Input((4,)), layers.Dense(3)])
        model.compile("adam", "mse")
        model.fit(x, y, epochs=3, verbose=0)
        if drops:
            model.optimizer.slots.clear()
            model.restart_engine()
        for slot in itertools.chain.from_iterable(model.optimizer.slots.values()):
            slot[...] = 0
        model.fit(x, y, epochs=2, verbose=0)
        weights.append(model.get_weights())
    for a, b in zip(*weights, strict=True):
        np.testing.assert_array_equal(a, b)
