"""A model of a list of one output returns that one, as in Keras."""

import numpy as np
import pytest

import cbackprop as cb

X = np.random.default_rng(0).normal(size=(40, 3)).astype("float32")


@pytest.mark.parametrize("engine", ["compiled", "reference"])
def test_list_of_one_output(engine):
    x = cb.Input((3,))
    y = cb.layers.Dense(2)(x)
    alone, listed = cb.Model(x, y), cb.Model([x], [y])
    for model in (alone, listed):
        model.compile("sgd", "mse", engine=engine)
    for given in (X, X[:2], X.astype("float64")):
        expected = alone.predict(given, verbose=0)
        for found in (
            listed.predict(given, verbose=0),
            listed.predict_on_batch(given),
            listed(given),
            listed([given]),
            listed(given, training=True),
            listed.predict([given], batch_size=7, verbose=0),
        ):
            assert isinstance(found, np.ndarray)
            np.testing.assert_array_equal(found, expected)
    assert listed.output_shape == (None, 2)
    history = listed.fit(X, np.zeros((40, 2)), epochs=2, verbose=0)
    assert set(history.history) == {"loss"}
    assert isinstance(listed(cb.Input((3,))), list)


def test_other_structures_stay():
    x = cb.Input((3,))
    y, z = cb.layers.Dense(2)(x), cb.layers.Dense(1)(x)
    assert list(cb.Model(x, {"a": y}).predict(X, verbose=0)) == ["a"]
    assert len(cb.Model(x, [y, z]).predict(X, verbose=0)) == 2
