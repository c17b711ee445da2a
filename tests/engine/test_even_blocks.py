"""How a batch is divided into blocks: evenly, so that threads that take one each do not wait for each other."""

import numpy as np
import pytest

import cbackprop as cb
from cbackprop import layers
from cbackprop.engine.room import Room


def groups_of(batch, capacity, monkeypatch):
    """The samples of each block of a batch, in groups. Blocks have room for `capacity` samples."""
    monkeypatch.setattr(Room, "samples_of_block", lambda self: capacity)
    model = cb.Sequential([cb.Input((3,)), layers.Dense(1)])
    model.compile("sgd", "mse")
    model.fit(np.ones((batch, 3)), np.ones((batch, 1)), batch_size=batch, verbose=0)
    return model._engine.learner.groups_of_blocks(batch)


@pytest.mark.parametrize("capacity", [5, 8, 20, 24, 48, 72])
@pytest.mark.parametrize("batch", [145, 150, 192, 333, 1001])
def test_blocks_are_even_and_no_larger_than_their_capacity(batch, capacity, monkeypatch):
    rows = [count for group in groups_of(batch, capacity, monkeypatch) for count in group]
    step = 8 if capacity % 8 == 0 else 1
    assert sum(rows) == batch
    assert max(rows) <= capacity
    assert len(rows) == -(-batch // capacity)
    steps = [-(-count // step) for count in rows]
    assert max(steps) - min(steps) <= 1
    assert steps == sorted(steps, reverse=True)


@pytest.mark.parametrize(("blocks", "expected"), [(3, [1] * 3), (16, [1] * 16), (22, [2] * 6 + [1] * 10)])
def test_groups_of_blocks_are_even(blocks, expected, monkeypatch):
    assert [len(group) for group in groups_of(24 * blocks, 24, monkeypatch)] == expected
