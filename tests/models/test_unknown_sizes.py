"""Inputs with open sizes: batches of each shape give the same results as a model for that shape."""

import copy
import pickle
import threading
import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import cbackprop as cb
from cbackprop import layers
from cbackprop.plan.sizes import MOST_SIZES

EACH_ENGINE = pytest.mark.parametrize("engine", ["compiled", "reference"])


class Doubled(layers.Layer):
    """A layer in Python that works for each position."""

    def call(self, inputs):
        return 2 * inputs

    def backward(self, inputs, outputs, delta):
        return 2 * delta


class Summed(layers.Layer):
    """One that takes a size away."""

    def call(self, inputs):
        return inputs.sum(axis=1)

    def backward(self, inputs, outputs, delta):
        return np.repeat(delta[:, None], inputs.shape[1], axis=1)


def nested(x):
    inner = cb.Input((None, 4))
    model = cb.Model(inner, layers.Dense(4, activation="relu")(layers.LayerNormalization()(inner)))
    return model(model(x))


def residual(x):
    h = layers.Dense(4, activation="gelu")(x)
    return layers.Concatenate()([layers.Add()([x, h]), layers.Multiply()([h, x + 1.0])])


def shared(x):
    layer = layers.Dense(4, activation="tanh")
    return layer(layer(x))


# Layers between Input((None, 4)), or another input, and Dense(2).
BODIES = {
    "dense": lambda x: layers.Dense(5, activation="relu")(x),
    "glu": lambda x: layers.Dense(6, activation="glu")(x),
    "layer normalization": lambda x: layers.LayerNormalization()(x),
    "batch normalization": lambda x: layers.BatchNormalization()(x),
    "group normalization": lambda x: layers.GroupNormalization(2)(x),
    "masking": lambda x: layers.Dense(3)(layers.Masking()(x)),
    "dropout": lambda x: layers.Dropout(0.3, seed=1)(layers.GaussianNoise(0.1, seed=2)(x)),
    "spatial dropout": lambda x: layers.SpatialDropout1D(0.3, seed=1)(x),
    "prelu": lambda x: layers.PReLU(shared_axes=[1])(x),
    "softmax over positions": lambda x: layers.Softmax(axis=1)(x),
    "residual": residual,
    "shared": shared,
    "nested": nested,
    "permuted": lambda x: layers.Permute((2, 1))(layers.Softmax()(layers.Permute((2, 1))(x))),
    "reshaped": lambda x: layers.Reshape((-1, 4))(layers.Dense(3)(layers.Reshape((-1, 2, 2))(x))[..., 0]),
    "parts": lambda x: layers.Concatenate()([x[:, 1:], x[:, :-1]]),
    "first": lambda x: x[:, 0],
    "products": lambda x: layers.Dot((1, 1))([x, layers.Dense(3)(x)]),
    "python": lambda x: Doubled()(x),
    "summed": lambda x: Summed()(x),
    "activity": lambda x: layers.Dense(4, activity_regularizer="l2")(x),
}
EACH_BODY = pytest.mark.parametrize("body", BODIES)


def model_of(body, length, engine="compiled", loss="mse"):
    cb.utils.set_random_seed(3)
    x = cb.Input((length, 4))
    model = cb.Model(x, layers.Dense(2)(BODIES[body](x)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.compile(cb.optimizers.Adam(0.01), loss, metrics=["mae"], engine=engine)
    return model


def batch_for(model, length, seed=0, rows=6):
    rng = np.random.default_rng(seed + 100 * length)
    x = rng.normal(size=(rows, length, 4)).astype("f")
    x[:, -1, :] *= rng.random((rows, 1)) < 0.5
    return x, rng.normal(size=model.predict(x, verbose=0).shape).astype("f")


@EACH_ENGINE
@EACH_BODY
def test_batches_of_many_lengths(body, engine):
    """Weights after some steps, losses and predictions are those of a model for each length, to the last bit."""
    model = model_of(body, None, engine)
    assert None in model.input_shape[1:]
    twins = {length: model_of(body, length, engine) for length in (4, 6, 10)}
    state = None
    weights = model.get_weights()
    if "dropout" not in body:
        for step in range(9):
            length = (4, 6, 10)[step % 3]
            twin = twins[length]
            twin.set_weights(weights)
            if state is not None:
                twin.optimizer.set_state(state, twin.trainable_variables)
            x, y = batch_for(model, length, step)
            assert model.test_on_batch(x, y) == twin.test_on_batch(x, y)
            assert_array_equal(model.predict(x, verbose=0), twin.predict(x, verbose=0))
            assert model.train_on_batch(x, y) == twin.train_on_batch(x, y)
            state, weights = twin.optimizer.state(twin.trainable_variables), twin.get_weights()
            for a, b in zip(model.get_weights(), weights, strict=True):
                assert_array_equal(a, b)
        assert model.optimizer.iterations == 9
    x, y = batch_for(model, 6)
    loss = model.fit(x, y, epochs=3, verbose=0).history["loss"]
    assert loss[-1] < loss[0] or "dropout" in body
    if body != "dropout" and body != "spatial dropout":
        assert model.check_gradients(x[:2], y[:2]).max_relative_error < 1e-5
    assert_allclose(model(x), model.predict(x, verbose=0), rtol=1e-6)
    assert model(x, training=True).shape == y.shape


@EACH_ENGINE
def test_generators_whose_batches_differ_in_length(engine):
    """An epoch's loss and metrics are means over all of its batches, of any lengths."""
    model, twin = (model_of("dense", None, engine) for _ in range(2))

    def batches():
        for step in range(12):
            yield batch_for(model, 3 + step % 5, step, rows=4 + step % 2)

    history = model.fit(batches(), epochs=1, verbose=0, validation_data=batch_for(model, 20)).history
    losses, errors, rows = [], [], []
    for x, y in batches():
        loss, error = twin.train_on_batch(x, y)
        losses.append(loss), errors.append(error), rows.append((len(x), x.shape[0] * x.shape[1]))
    samples, positions = np.array(rows).T
    assert history["loss"][0] == pytest.approx(np.average(losses, weights=samples), rel=1e-6)
    assert history["mae"][0] == pytest.approx(np.average(errors, weights=positions), rel=1e-6)
    evaluated = twin.evaluate(*batch_for(model, 20), verbose=0)
    assert [history["val_loss"][0], history["val_mae"][0]] == pytest.approx(evaluated)
    for a, b in zip(model.get_weights(), twin.get_weights(), strict=True):
        assert_array_equal(a, b)
    results = model.evaluate(batches(), verbose=0)
    one = [twin.evaluate(*batch, verbose=0) for batch in batches()]
    assert results[0] == pytest.approx(np.average([loss for loss, _ in one], weights=samples), rel=1e-6)


@EACH_ENGINE
def test_metrics_that_are_no_means_go_on_from_length_to_length(engine):
    def make(length):
        cb.utils.set_random_seed(1)
        x = cb.Input((length, 4))
        model = cb.Model(x, layers.Dense(1, activation="sigmoid")(x))
        model.compile("sgd", "binary_crossentropy", metrics=[cb.metrics.AUC(), "accuracy"], engine=engine)
        return model

    model, rng = make(None), np.random.default_rng(0)
    batches = [(rng.normal(size=(5, n, 4)), rng.integers(0, 2, (5, n, 1))) for n in (3, 4, 3, 7)]
    found = model.evaluate(iter(batches), verbose=0, return_dict=True)
    x, y = (np.concatenate([b[k].reshape(-1, 1, b[k].shape[-1]) for b in batches]) for k in (0, 1))
    expected = make(1).evaluate(x, y, verbose=0, return_dict=True)
    assert {k: found[k] for k in ("auc", "accuracy")} == pytest.approx({k: expected[k] for k in ("auc", "accuracy")})


@EACH_ENGINE
def test_embedding_with_masks(engine):
    def make(length):
        cb.utils.set_random_seed(2)
        ids = cb.Input((length,), dtype="int32")
        x = layers.Embedding(7, 3, mask_zero=True)(ids)
        model = cb.Model(ids, layers.Dense(2, activation="softmax")(x))
        model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"], engine=engine)
        return model

    model, rng = make(None), np.random.default_rng(0)
    assert (model.input_shape, model.output_shape) == ((None, None), (None, None, 2))
    for length in (1, 3, 5, 3):
        ids, y = rng.integers(0, 7, (8, length)), rng.integers(0, 2, (8, length))
        twin = make(length)
        twin.set_weights(model.get_weights())
        assert model.evaluate(ids, y, verbose=0) == twin.evaluate(ids, y, verbose=0)
        model.train_on_batch(ids, y)
    with pytest.raises(ValueError, match=r"whole numbers in \[0, 7\)"):
        model.predict([[1, 7, 2]], verbose=0)


@EACH_ENGINE
def test_two_open_axes_and_two_inputs(engine):
    image, row = cb.Input((None, None, 3)), cb.Input((None, 3))
    hidden = layers.Dense(4, activation="relu")(image)
    model = cb.Model([image, row], [layers.Dense(2)(hidden), layers.Dense(1)(row)])
    model.compile("sgd", "mse", engine=engine)
    assert model.output_shape == [(None, None, None, 2), (None, None, 1)]
    for height, width, length in ((2, 3, 4), (5, 1, 4), (2, 3, 7)):
        x = [np.ones((4, height, width, 3)), np.ones((4, length, 3))]
        y = [np.zeros((4, height, width, 2)), np.zeros((4, length, 1))]
        model.fit(x, y, verbose=0)
        assert [a.shape for a in model.predict(x, verbose=0)] == [y[0].shape, y[1].shape]


def test_shapes_of_layers():
    x = cb.Input((None, 4))
    for layer, shape in (
        (layers.Dense(3), (None, None, 3)),
        (layers.Embedding(9, 2), (None, None, 4, 2)),
        (layers.Flatten(), (None, None)),
        (layers.Reshape((-1, 2)), (None, None, 2)),
        (layers.Reshape((2, -1)), (None, 2, None)),
        (layers.Permute((2, 1)), (None, 4, None)),
        (Doubled(), (None, None, 4)),
        (Summed(), (None, 4)),
        (layers.Lambda(lambda v: v[:, :2]), (None, 2, 4)),
    ):
        assert layer(x).shape == shape
    assert layers.Concatenate(axis=1)([x, x]).shape == (None, None, 4)
    assert layers.Concatenate()([x, x]).shape == (None, None, 8)
    assert layers.Add()([x, cb.Input((5, 4))]).shape == (None, 5, 4)
    assert layers.Dot((2, 2))([x, x]).shape == (None, None, None)
    assert layers.RepeatVector(3)(x[:, 0]).shape == (None, 3, 4)


def test_layers_whose_weights_need_the_size():
    x = cb.Input((None, 4))
    message = "depend on a size of its input that is not known: the last dimension.*should be defined"
    for layer, tensor in (
        (layers.Dense(3), layers.Flatten()(x)),
        (layers.Dense(3), cb.Input((None,))),
        (layers.PReLU(), x),
        (layers.LayerNormalization(axis=1), x),
        (layers.BatchNormalization(axis=1), x),
    ):
        with pytest.raises(ValueError, match=message):
            layer(tensor)
        assert not layer.built
        layer.build((None, 3, 4))
    dense = layers.Dense(3)
    dense.build((None, None, 4))
    assert dense.kernel.shape == (4, 3)
    with pytest.raises(ValueError, match="was built for inputs of width 4"):
        dense(cb.Input((None, 5)))


# Layers that need longer inputs than small examples, the shape of their input, and that of their output.
OF_LONG_INPUTS = {
    "kernel": (lambda: layers.Conv1D(3, 30), (None, 2), (None, 3)),
    "dilated kernel": (lambda: layers.Conv1D(3, 2, dilation_rate=4000), (None, 2), (None, 3)),
    "image": (lambda: layers.DepthwiseConv2D((1, 3000)), (5, None, 2), (5, None, 2)),
    "windows": (lambda: layers.MaxPooling1D(6000), (None, 2), (None, 2)),
    "cropping": (lambda: layers.Cropping1D(2000), (None, 2), (None, 2)),
    "much cropping": (lambda: layers.Cropping1D((0, 2**31 - 1)), (None, 2), (None, 2)),
    "volume": (lambda: layers.Cropping3D(((3000, 0), (0, 0), (0, 0))), (None, 3, 2, 1), (None, 3, 2, 1)),
    "time steps": (lambda: layers.TimeDistributed(layers.Cropping1D(2000)), (None, None, 2), (None, None, 2)),
    "nested": (lambda: cb.Sequential([cb.Input((None, 2)), layers.Conv1D(3, 30)]), (None, 2), (None, 3)),
}


@pytest.mark.parametrize("case", OF_LONG_INPUTS)
def test_layers_that_need_long_inputs(case):
    make, given, made = OF_LONG_INPUTS[case]
    model = cb.Sequential([cb.Input(given), make()])
    assert model.output_shape == (None, *made)
    with pytest.raises(ValueError, match=r"nothing|larger inputs|too small|do not fit") as raised:
        model.predict(np.zeros((1, *(3 if size is None else size for size in given))), verbose=0)
    assert "2520" not in str(raised.value)


@EACH_ENGINE
def test_a_long_kernel(engine):
    found = []
    for shape in ((None, 2), (50, 2)):
        cb.utils.set_random_seed(1)
        model = cb.Sequential([cb.Input(shape), layers.Conv1D(3, 30), layers.Cropping1D(8), layers.Dense(1)])
        model.compile("sgd", "mse", engine=engine)
        x = np.random.default_rng(0).normal(size=(4, 50, 2))
        model.fit(x, np.ones((4, 5, 1)), verbose=0)
        found.append(model.predict(x, verbose=0))
    assert_array_equal(*found)


def test_data_that_does_not_fit():
    model = model_of("dense", None)
    with pytest.raises(ValueError, match=r"x must have shape \(None, None, 4\), but got \(2, 3, 5\)"):
        model.predict(np.ones((2, 3, 5)), verbose=0)
    with pytest.raises(ValueError, match=r"x must have shape \(None, None, 4\), but got \(2, 4\)"):
        model.predict(np.ones((2, 4)), verbose=0)
    with pytest.raises(ValueError, match=r"shape of the predictions, \(2, 3, 2\), but got \(2, 4, 2\)"):
        model.fit(np.ones((2, 3, 4)), np.ones((2, 4, 2)), verbose=0)
    x = cb.Input((None, 4))
    parts = cb.Model(x, x[:, 2:5])
    assert parts.predict(np.ones((2, 6, 4)), verbose=0).shape == (2, 3, 4)
    with pytest.raises(
        ValueError, match=r"outputs of shape \(None, 3, 4\) for inputs of shape .*they have \(None, 2, 4\)"
    ):
        parts.predict(np.ones((2, 4, 4)), verbose=0)
    both = cb.Model([x, y := cb.Input((None, 4))], layers.Add()([x, y]))
    with pytest.raises(ValueError, match="needs inputs of the same shape"):
        both.predict([np.ones((2, 3, 4)), np.ones((2, 5, 4))], verbose=0)
    with pytest.raises(ValueError, match="All sizes of the inputs must be known for this"):
        _ = model.plan
    with pytest.raises(ValueError, match=r"outputs of batches differ in shape: \(6, 2\), \(7, 2\)"):
        model.predict((np.ones((2, n, 4)) for n in (6, 7)), verbose=0)


def test_plans_and_engines_are_bounded():
    model = model_of("dense", None)
    for length in range(1, 3 * MOST_SIZES):
        model.train_on_batch(np.ones((2, length, 4)), np.ones((2, length, 2)))
    engine = model._engine
    assert len(engine.engines) == MOST_SIZES == len(model.plans._plans)
    kept = engine.engines.known(((3 * MOST_SIZES - 1, 4),))
    assert kept is engine.current
    model.train_on_batch(np.ones((2, 3 * MOST_SIZES - 1, 4)), np.ones((2, 3 * MOST_SIZES - 1, 2)))
    assert engine.current is kept


@EACH_ENGINE
def test_copies_and_files(engine, tmp_path):
    model = model_of("residual", None, engine)
    x, y = batch_for(model, 5)
    model.fit(x, y, epochs=2, verbose=0)
    model.save(tmp_path / "m")
    copies = [cb.models.load_model(tmp_path / "m"), copy.deepcopy(model), pickle.loads(pickle.dumps(model))]
    x, y = batch_for(model, 8)
    expected = model.train_on_batch(x, y)
    for other in copies:
        assert (other.input_shape, other.output_shape) == ((None, None, 4), (None, None, 2))
        assert other.train_on_batch(x, y) == expected
    for other in (cb.Model.from_config(model.get_config()), cb.models.clone_model(model)):
        other.set_weights(model.get_weights())
        assert_allclose(other.predict(x, verbose=0), model.predict(x, verbose=0), rtol=1e-5, atol=1e-6)


def test_summary_prints_none(capsys):
    model_of("dense", None).summary()
    assert "(None, None, 5)" in capsys.readouterr().out


@EACH_ENGINE
def test_sequential(engine):
    model = cb.Sequential([cb.Input((None, 4)), layers.Dense(3, activation="relu"), layers.Dense(1)])
    other = cb.Sequential([layers.Dense(3, input_shape=(None, 4))])
    model.compile("sgd", "mse", engine=engine)
    assert (model.input_shape, other.output_shape) == ((None, None, 4), (None, None, 3))
    for length in (3, 5):
        model.fit(np.ones((8, length, 4)), np.ones((8, length, 1)), verbose=0)
        assert other.predict(np.ones((2, length, 4)), verbose=0).shape == (2, length, 3)


def test_a_nested_model_takes_sizes_that_are_known():
    inner_input = cb.Input((None, 4))
    inner = cb.Model(inner_input, layers.Dense(3)(inner_input))
    x = cb.Input((5, 4))
    assert inner(x).shape == (None, 5, 3)
    model = cb.Model(x, layers.Dense(2)(layers.Flatten()(inner(x))))
    assert model.predict(np.ones((2, 5, 4)), verbose=0).shape == (2, 2)
    assert inner.compute_output_shape((None, 7, 4)) == (None, 7, 3)
    with pytest.raises(ValueError, match=r"expects input .* of shape \(None, None, 4\)"):
        inner(cb.Input((5, 3)))
    fixed = cb.Model(x, layers.Dense(3)(x))
    with pytest.raises(ValueError, match=r"of shape \(None, 5, 4\).*but got \(None, None, 4\)"):
        fixed(inner_input)


def test_random_layers_draw_anew_for_each_length():
    x = cb.Input((None, 4))
    model = cb.Model(x, layers.Dropout(0.5, seed=3)(x))
    a, b, c = (np.asarray(model(np.ones((1, n, 4)), training=True)) for n in (6, 6, 7))
    assert not np.array_equal(a, b)
    assert not np.array_equal(b[0, :6], c[0, :6])


def test_layers_that_lose_masks_are_told_of_once():
    x = cb.Input((None, 4))
    model = cb.Model(x, layers.Dense(1)(Doubled()(layers.Masking()(x))))
    model.compile("sgd", "mse")
    batches = ((np.ones((2, length, 4)), np.ones((2, length, 1))) for length in (2, 3, 4))
    with pytest.warns(UserWarning, match="does not support masking") as caught:
        model.fit(batches, verbose=0)
    assert len(caught) == 1


# Reshape, where examples of sizes would say nothing


@pytest.mark.parametrize(
    ("shape", "target", "expected"),
    [
        ((2, None), (3, 5), (2, 3, 5)),
        ((None, None), (-1, 16), (None, None, 16)),
        ((None, None), (-1,), (None, None)),
        ((None, None, 5), (3, 5), (None, 3, 5)),
        ((4, 6, None, 3), (-1, 3), (4, None, 3)),
    ],
)
def test_reshape_to_known_sizes(shape, target, expected):
    assert layers.Reshape(target)(cb.Input(batch_shape=shape)).shape == expected
    assert layers.Reshape(target).compute_output_shape((None, *shape[1:])) == (None, *expected[1:])


@EACH_ENGINE
def test_reshaped_data_must_have_enough_elements(engine):
    x = cb.Input((None,))
    model = cb.Model(x, layers.Dense(1)(layers.Reshape((3, 5))(x)))
    model.compile("sgd", "mse", engine=engine)
    assert np.isfinite(model.fit(np.ones((4, 15)), np.zeros((4, 3, 1)), verbose=0).history["loss"][0])
    with pytest.raises(ValueError, match=r"cannot make samples of shape \(3, 5\) .* which have 16 elements"):
        model.predict(np.ones((4, 16)), verbose=0)
    with pytest.raises(ValueError, match="a multiple of 7 elements"):
        layers.Reshape((3, 5))(cb.Input((None, 7)))
    with pytest.raises(ValueError, match="last dimension"):
        layers.Dense(2)(layers.Reshape((16, -1))(cb.Input((None,))))


@EACH_ENGINE
def test_weights_may_follow_a_reshape_to_known_sizes(engine):
    x = cb.Input((None, 2))
    model = cb.Model(x, layers.Dense(1)(layers.Flatten()(layers.Reshape((3, 4))(x))))
    model.compile("sgd", "mse", engine=engine)
    assert model.output_shape == (None, 1)
    assert np.isfinite(model.fit(np.ones((4, 6, 2)), np.zeros((4, 1)), verbose=0).history["loss"][0])


@EACH_ENGINE
def test_batches_are_checked_while_another_one_runs(engine):
    """A thread that checks the next batch waits for no run: the run may wait for what that thread holds."""
    x = cb.Input((None, 4))
    model = cb.Model(x, layers.Dense(1)(x))
    model.compile("sgd", "mse", engine=engine)
    model.train_on_batch(np.zeros((2, 3, 4)), np.zeros((2, 3, 1)))
    main, found = model._engine, []
    check = threading.Thread(target=lambda: found.append(main.plan_of([np.zeros((2, 5, 4))])), daemon=True)
    with main.means_of(object()):
        check.start()
        check.join(10)
        assert found[0].output_shapes == [(5, 1)]
