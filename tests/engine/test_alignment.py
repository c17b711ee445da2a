"""Unaligned arrays, such as views of bytes from a file, are copied to aligned memory before C reads them."""

import numpy as np
import pytest

import cbackprop as cb
from cbackprop import layers
from cbackprop.engine.sparse import SparseRows
from cbackprop.losses.target import check_prediction, check_weights
from cbackprop.validation import contiguous


def moved(array):
    """The same array one byte further on."""
    array = np.asarray(array)
    raw = np.zeros(array.nbytes + 1, "u1")
    view = raw[1:].view(array.dtype).reshape(array.shape)
    view[...] = array
    assert not view.flags.aligned
    return view


def test_contiguous():
    for array in (moved(np.ones((3, 2))), np.ones((4, 4))[::2], np.asfortranarray(np.ones((2, 3))), np.float32(3)):
        result = contiguous(array)
        assert result.flags.c_contiguous
        assert result.flags.aligned
        np.testing.assert_array_equal(result, array)
    same = np.ones((3, 2))
    assert contiguous(same) is same


def test_what_c_reads_is_aligned():
    assert check_weights("w", moved(np.ones(4)), (4,)).flags.aligned
    assert check_prediction("y_pred", moved(np.ones((4, 3), "f4")), "float32").flags.aligned
    rows = SparseRows(moved(np.array([0, 1])), moved(np.array([0], "i4")), moved(np.array([1.0], "f4")), 3)
    assert rows.starts.flags.aligned
    assert rows.columns.flags.aligned
    assert rows.values.flags.aligned


@pytest.mark.parametrize("engine", ["compiled", "reference"])
@pytest.mark.parametrize("dtype", ["f4", "f8", "f2", "i4", "i8"])
def test_models_give_the_same(dtype, engine, rng):
    x, y, w = (rng.normal(size=(40, 3)) * 3).astype(dtype), rng.integers(0, 2, 40), rng.random(40)

    def results(place):
        cb.utils.set_random_seed(1)
        model = cb.Sequential([cb.Input((3,)), layers.Dense(4, "tanh"), layers.Dense(2, "softmax")])
        model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"], engine=engine)
        history = model.fit(place(x), place(y), sample_weight=place(w), batch_size=8, epochs=2, verbose=0).history
        model.set_weights([place(weight) for weight in model.get_weights()])
        model.weights[0].assign(place(model.weights[0].numpy()))
        more = model.evaluate(place(x), place(y), sample_weight=place(w), verbose=0)
        one = model.predict(place(x[:1]), verbose=0)
        return (
            history,
            more,
            model.predict(place(x), verbose=0),
            one,
            model(place(x)),
            model.gradients(place(x), place(y)),
        )

    for a, b in zip(results(moved), results(np.asarray), strict=True):
        np.testing.assert_equal(a, b)


def test_single_functions_give_the_same(rng):
    y, p, w = rng.random((6, 3)), rng.random((6, 3)).astype("f4"), rng.random(6)
    for place in (moved, np.asarray):
        assert cb.losses.Huber()(place(y), place(p), sample_weight=place(w)) == cb.losses.Huber()(y, p, sample_weight=w)
        np.testing.assert_array_equal(cb.activations.gelu(place(p)), cb.activations.gelu(p))
        metric = cb.metrics.MeanIoU(3)
        metric.update_state(place(np.array([0, 1, 2])), place(np.array([0, 1, 1])))
        assert metric.result() == pytest.approx(0.5)
        np.testing.assert_array_equal(cb.regularizers.L2(0.1).gradient(place(p)), cb.regularizers.L2(0.1).gradient(p))
        variable, gradient = place(np.ones((3, 2))), place(np.full((3, 2), 0.5))
        optimizer = cb.optimizers.Adam(0.1)
        optimizer.apply([gradient], [variable])
        np.testing.assert_allclose(variable, 0.9, rtol=1e-6)
