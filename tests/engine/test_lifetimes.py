"""The places of a batch's buffers: no buffer may share memory with one that a thread may still be using."""

import itertools

import numpy as np
import pytest

import cbackprop as cb
from cbackprop import layers


def normalized(x):
    return layers.Activation("tanh")(layers.BatchNormalization()(layers.Dense(6)(x)))


def models():
    x = cb.Input((5,))
    plain = layers.Dense(3)(layers.Dropout(0.5)(layers.Dense(4, "gelu")(layers.Dropout(0.3)(x))))
    yield "no meetings", cb.Model(x, plain)
    x = cb.Input((5,))
    yield "meetings", cb.Model(x, layers.Dense(2)(normalized(layers.Dropout(0.5)(normalized(x)))))
    x, shared = cb.Input((6,)), layers.Dense(6)
    yield "shared weights", cb.Model(x, shared(layers.BatchNormalization()(shared(x))))


MODELS = dict(models())


def engine_of(model):
    model.compile("adam", "mse")
    width = model.output_shape[-1]
    model.fit(np.zeros((8, *model.input_shape[1:])), np.zeros((8, width)), verbose=0)
    return model._engine


@pytest.mark.parametrize("name", MODELS)
def test_no_thread_takes_what_another_still_uses(name):
    """Between two meetings a thread may be anywhere, from the first step to the last."""
    engine = engine_of(MODELS[name])
    memory, steps = engine.memory, len(engine.backward_steps)
    n = len(engine.plan.widths)
    values, deltas = memory.of_threads[:n], memory.of_threads[n : 2 * n]
    made_forwards = {step.output for step in engine.plan.steps}
    assert all(values[buffer].first == 0 for buffer in made_forwards)
    # Which points a backward step has certainly behind it.
    for i, back in enumerate(engine.backward_steps):
        passed = sum(point < i for point in engine.gradient_work.points)
        life = deltas[engine.plan.steps[back.position].output]
        assert life.first <= 2 * passed <= life.last
    assert all(life is None or life.last <= 2 * len(engine.gradient_work.points) + 1 for life in memory.of_threads)
    assert steps


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("kind", ["of_blocks", "of_one_thread", "of_threads"])
def test_what_lives_at_the_same_time_lies_apart(name, kind):
    """By a vector at least: sums read whole ones, also with the last number of a buffer."""
    memory = engine_of(MODELS[name]).memory
    lifetimes, rows = getattr(memory, kind), 7
    offsets, _ = memory._place(rows, lifetimes)
    placed = [(offset, life) for offset, life in zip(offsets, lifetimes, strict=True) if life is not None]
    for (a, mine), (b, other) in itertools.combinations(placed, 2):
        together = mine.first <= other.last and other.first <= mine.last
        assert not together or a + rows * mine.size + 64 <= b or b + rows * other.size + 64 <= a


def test_deltas_take_each_others_place_where_threads_meet():
    """64 layers with batch normalization between them need little more than their values."""
    x = y = cb.Input((16,))
    for _ in range(16):
        y = normalized(layers.Dense(16)(y))
    memory = engine_of(cb.Model(x, layers.Dense(1)(y))).memory
    n = len(memory.widths)
    values = sum(life.size for life in memory.of_threads[:n] if life is not None)
    for lifetimes in (memory.of_one_thread, memory.of_threads):
        assert memory._place(1000, lifetimes)[1] < 1.2 * 1000 * values


def test_a_large_arena_is_little_more_than_what_is_in_use_at_once():
    """Poolings halve the buffers twice. With equal gaps behind all of them, two halves would not fit where one was."""
    x = y = cb.Input((16, 16, 3))
    for filters in (16, 32):
        for _ in range(2):
            y = layers.Conv2D(filters, 3, padding="same", use_bias=False)(y)
            y = layers.ReLU()(layers.BatchNormalization()(y))
        y = layers.MaxPooling2D()(y)
    memory = engine_of(cb.Model(x, layers.Dense(10)(layers.Flatten()(y)))).memory
    lives, rows = [life for life in memory.of_one_thread if life is not None], 256
    moments = {life.first for life in lives}
    most = max(sum(life.size for life in lives if life.first <= moment <= life.last) for moment in moments)
    assert rows * most < memory._place(rows, memory.of_one_thread)[1] < 1.002 * rows * most
