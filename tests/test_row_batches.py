"""Data sets of numbered samples yield the same batches, whenever and by however many threads these are made."""

import time

import numpy as np
import pytest

import cbackprop as cb
from cbackprop import layers
from cbackprop.row_batches import RowBatches


class Numbers(RowBatches):
    """Batches of the numbers of their samples, made in irregular time."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.asked = []

    def rows(self, rows):
        numbers = np.arange(self._count)[rows]
        time.sleep(0.001 * (np.sum(numbers) % 3))
        x = np.asarray(numbers, np.float32)[..., None] / 20
        return x, 2 * x


class Seen(cb.layers.Layer):
    """A layer that keeps what it has seen in training."""

    def __init__(self):
        super().__init__()
        self.rows = []

    def call(self, inputs, training=False):
        if training and len(inputs):
            self.rows.extend(np.round(inputs[:, 0] * 20).astype(int).tolist())
        return inputs

    def backward(self, inputs, outputs, delta):
        return delta


def trained_on(dataset, **arguments):
    seen = Seen()
    model = cb.Sequential([cb.Input((1,)), seen, layers.Dense(1)])
    model.compile("sgd", "mse")
    seen.rows.clear()
    model.fit(dataset, verbose=0, **arguments)
    return seen.rows


@pytest.mark.parametrize("arguments", [{"epochs": 3}, {"epochs": 2, "steps_per_epoch": 2}])
def test_the_number_of_threads_changes_nothing(arguments):
    runs = [trained_on(Numbers(19, 4, 5, workers=workers), **arguments) for workers in (1, 2, 8, 2)]
    assert runs[0] == runs[1] == runs[2] == runs[3]


def test_each_pass_has_every_sample_once():
    seen = trained_on(Numbers(20, 4, 7), epochs=3)
    passes = [seen[begin : begin + 20] for begin in (0, 20, 40)]
    assert [sorted(each) for each in passes] == [list(range(20))] * 3
    assert passes[0] != passes[1] != passes[2]


def test_a_pass_goes_on_over_epochs_of_fewer_steps():
    assert sorted(trained_on(Numbers(16, 4, 7), epochs=2, steps_per_epoch=2)) == [*range(16)]


def test_fit_does_not_shuffle_batches_in_order():
    assert trained_on(Numbers(10, 3, None), epochs=2) == [*range(10)] * 2


def test_the_first_pass_may_be_in_order():
    seen = trained_on(Numbers(10, 3, 1, first=False), epochs=2)
    assert seen[:10] == [*range(10)]
    assert sorted(seen[10:]) == [*range(10)]
    assert seen[10:] != [*range(10)]


def test_indices_iteration_and_length():
    made = Numbers(10, 4, None)
    assert len(made) == 3
    assert [len(x) for x, _ in made] == [4, 4, 2]
    assert len(made[-1][0]) == 2
    for index in (3, -4):
        with pytest.raises(IndexError, match="there are 3 batches"):
            made[index]
    assert [len(x) for x, _ in made.take(2)] == [4, 4]
    single = Numbers(10, None, 3)
    assert len(single) == 10
    assert single[2][0].shape == (1,)
    mixed = Numbers(10, 10, 3)
    first, second = (next(iter(mixed))[0][:, 0].tolist() for _ in range(2))
    assert first != second
    mixed.on_epoch_end()
    assert mixed[0][0][:, 0].tolist() != second
    assert Numbers(10, 10, 3)[0][0][:, 0].tolist() == first


def test_a_subclass_must_say_what_its_rows_are():
    with pytest.raises(NotImplementedError, match="RowBatches must define rows"):
        RowBatches(3, 1, None)[0]
