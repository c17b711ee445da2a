"""A batch is divided into even blocks, so that threads with a block each need not wait for each other."""

import numpy as np
import pytest

import cbackprop as cb
from cbackprop import layers
from cbackprop.compiled.kernels.matrix import TILE_HEIGHT
from cbackprop.engine.room import Room


def groups_of(batch, capacity, monkeypatch):
    """The samples of each block of a batch, in groups. Blocks have room for `capacity` samples."""
    monkeypatch.setattr(Room, "samples_of_block", lambda self: capacity)
    return fitted([cb.Input((3,)), layers.Dense(1)], batch).learner.passes.groups_of_blocks(batch)


def fitted(stack, batch):
    """The engine of a model that was trained on a batch."""
    model = cb.Sequential(stack)
    model.compile("sgd", "mse")
    x, y = np.ones((batch, *model.input_shape[1:])), np.ones((batch, *model.output_shape[1:]))
    model.fit(x, y, batch_size=batch, verbose=0)
    return model._engine


@pytest.mark.parametrize("capacity", [5, 8, 20, 24, 48, 72])
@pytest.mark.parametrize("batch", [145, 150, 192, 333, 1001])
def test_blocks_are_even_and_no_larger_than_their_capacity(batch, capacity, monkeypatch):
    rows = [count for group in groups_of(batch, capacity, monkeypatch) for count in group]
    assert sum(rows) == batch
    assert max(rows) <= capacity
    assert len(rows) in (-(-batch // capacity), -(-batch // capacity) + 1)
    assert len(rows) % 2 == 0
    step = TILE_HEIGHT if capacity % TILE_HEIGHT == 0 and batch >= TILE_HEIGHT * len(rows) else 1
    steps = [-(-count // step) for count in rows]
    assert max(steps) - min(steps) <= 1
    assert steps == sorted(steps, reverse=True)


@pytest.mark.parametrize(("blocks", "expected"), [(4, [1] * 4), (16, [1] * 16), (22, [2] * 6 + [1] * 10)])
def test_groups_of_blocks_are_even(blocks, expected, monkeypatch):
    assert [len(group) for group in groups_of(24 * blocks, 24, monkeypatch)] == expected


def test_a_block_of_a_network_that_uses_its_weights_often_stays_in_the_cache():
    """Dense layers read all weights for each block, so it has 48 samples or more. Recurrent layers need fewer."""
    dense = fitted([cb.Input((2000,)), layers.Dense(2000), layers.Dense(1)], 200)
    recurrent = fitted([cb.Input((100, 8)), layers.LSTM(64), layers.Dense(1)], 200)
    assert dense.room.samples_of_block() >= 48
    assert recurrent.room.samples_of_block() in (TILE_HEIGHT, 2 * TILE_HEIGHT)


@pytest.mark.parametrize(("batch", "in_blocks"), [(32, False), (60, False), (64, True), (130, True)])
def test_small_batches_stay_whole_so_that_many_threads_share_them(batch, in_blocks):
    engine = fitted([cb.Input((50, 8)), layers.LSTM(32), layers.Dense(1)], batch)
    assert bool(engine.room.blocks[0]) == in_blocks
    assert bool(engine.room.whole[0]) != in_blocks


@pytest.mark.parametrize(("capacity", "step"), [(0, 1), (24, 5), (24, 0)])
def test_steps_divide_the_capacity(capacity, step):
    engine = fitted([cb.Input((3,)), layers.Dense(1)], 8)
    with pytest.raises(ValueError, match="block"):
        engine.contexts.place_blocks(engine.memory.blocks(24, 1), capacity, step)


@pytest.mark.parametrize(("batch", "rows"), [(8, 8), (200, 0), (200, -3)])
def test_no_blocks(batch, rows):
    """A batch that was trained as a whole has left no memory for blocks."""
    engine = fitted([cb.Input((50, 8)), layers.LSTM(32), layers.Dense(1)], batch)
    with pytest.raises(ValueError, match="no blocks"):
        engine.learner.passes.groups_of_blocks(rows)
