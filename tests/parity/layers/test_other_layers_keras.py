"""Layers that prepare data, noise, embeddings and Python layers against Keras: arguments, outputs, training."""

import inspect

import numpy as np
import pytest

import cbackprop as cb

keras = pytest.importorskip("keras")

# Arguments that Keras has for things that there are none of here.
LEFT_OUT = {
    "Embedding": {
        "embeddings_regularizer", "embeddings_constraint", "weights", "lora_rank", "lora_alpha", "quantization_config",
    },
}  # fmt: skip
NAMES = ["AlphaDropout", "CategoryEncoding", "Embedding", "GaussianDropout", "GaussianNoise", "Lambda", "Masking"]
NAMES += ["Discretization", "Normalization", "Rescaling", "SpatialDropout1D", "SpatialDropout2D", "SpatialDropout3D"]


def arguments(cls, left_out):
    """Names and defaults, in order, without those that every layer has."""
    if cls.__name__ == "SpatialDropout1D" and "__init__" not in cls.__dict__:
        cls = cls.__mro__[1]
    return [
        (p.name, p.default)
        for p in inspect.signature(cls.__init__).parameters.values()
        if p.kind is not p.VAR_KEYWORD and p.name not in {"self", "name", "dtype"} | left_out
    ]


@pytest.mark.parametrize("name", NAMES)
def test_arguments(name):
    ours, theirs = (arguments(getattr(package.layers, name), LEFT_OUT.get(name, set())) for package in (cb, keras))
    assert ours[: len(theirs)] == theirs
    assert [argument for argument, _ in ours[len(theirs) :]] == (["backward"] if name == "Lambda" else [])


RNG = np.random.default_rng(0)
CASES = [
    (lambda k: k.layers.Rescaling(0.3, offset=-1.0), (4, 3)),
    (lambda k: k.layers.Rescaling([0.3, 2.0, 1.0], offset=[1.0, 2.0, 3.0]), (4, 3)),
    (lambda k: k.layers.Normalization(mean=[1.0, 2.0, 3.0], variance=[0.5, 2.0, 0.0]), (4, 3)),
    (lambda k: k.layers.Normalization(axis=None, mean=1.0, variance=2.0, invert=True), (4, 3)),
    (lambda k: k.layers.Normalization(axis=1, mean=[1.0, 2.0], variance=[3.0, 4.0]), (4, 2, 3)),
    (lambda k: k.layers.Normalization(axis=(1, 2), mean=[1.0, 2.0, 5.0], variance=[3.0, 4.0, 1.0]), (4, 2, 3)),
    (lambda k: k.layers.Masking(1.0), (4, 2, 3)),
    (lambda k: k.layers.GaussianNoise(0.5), (4, 3)),
    (lambda k: k.layers.AlphaDropout(0.5), (4, 3)),
    (lambda k: k.layers.Lambda(lambda x: x * 2, arguments={}), (4, 3)),
]


@pytest.mark.parametrize(("make", "shape"), CASES)
def test_outputs(make, shape):
    x = RNG.normal(size=shape).astype(np.float32)
    x[0] = 1
    np.testing.assert_allclose(make(cb)(x), np.asarray(make(keras)(x).cpu()), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("axis", "shape"), [(-1, (20, 3)), (None, (20, 3)), ((1, 2), (20, 2, 3)), (1, (20, 2, 3))])
def test_adapt(axis, shape):
    x = RNG.normal(3, 2, size=shape).astype(np.float32)
    ours, theirs = cb.layers.Normalization(axis=axis), keras.layers.Normalization(axis=axis)
    ours.adapt(x)
    theirs.adapt(x)
    for a, b in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        assert a.shape == b.shape
    for a, b in zip(ours.get_weights()[:2], theirs.get_weights()[:2], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5)
    np.testing.assert_allclose(ours(x), np.asarray(theirs(x).cpu()), rtol=1e-4, atol=1e-5)
    ours.set_weights(theirs.get_weights())


@pytest.mark.parametrize("mode", ["one_hot", "multi_hot", "count"])
@pytest.mark.parametrize("shape", [(5, 1), (5, 3)])
def test_category_encoding(mode, shape):
    x = RNG.integers(4, size=shape)
    ours, theirs = (k.layers.CategoryEncoding(4, output_mode=mode) for k in (cb, keras))
    np.testing.assert_array_equal(ours(x), np.asarray(theirs(x).cpu()))


@pytest.mark.parametrize(
    ("mode", "shape"),
    [
        *((mode, shape) for mode in ("int", "one_hot") for shape in ((50,), (50, 1), (50, 3), (50, 2, 3))),
        # Of other ranks, Keras counts along the first axis of a sample, or along the batch.
        *((mode, shape) for mode in ("multi_hot", "count") for shape in ((50, 1), (50, 3))),
    ],
)
def test_discretization(mode, shape):
    x = RNG.normal(size=shape).round(1).astype(np.float32)
    ours, theirs = (k.layers.Discretization([-0.5, 0.1, 0.3], output_mode=mode) for k in (cb, keras))
    expected = np.asarray(theirs(x).cpu())
    np.testing.assert_array_equal(ours(x), expected)
    assert ours.compute_output_shape((None, *shape[1:])) == theirs.compute_output_shape((None, *shape[1:]))
    different = ("name", "dtype")
    config = {name: value for name, value in theirs.get_config().items() if name not in different}
    assert {name: ours.get_config()[name] for name in config} == config


@pytest.mark.parametrize("epsilon", [0.01, 0.003, 0.2])
@pytest.mark.parametrize("bins", [1, 2, 7, 10])
@pytest.mark.parametrize("sizes", [(3,), (100,), (700,), (1000, 50, 333), (1,) * 12])
def test_boundaries_that_are_found(sizes, bins, epsilon):
    """Keras's `adapt` needs TensorFlow; these are the parts of it."""
    batches = [RNG.normal(size=(size, 2)) for size in sizes]
    ours, theirs = (k.layers.Discretization(num_bins=bins, epsilon=epsilon) for k in (cb, keras))
    ours.adapt(iter(batches))
    theirs.reset_state()
    for batch in batches:
        theirs.update_state(batch)
    theirs.finalize_state()
    np.testing.assert_allclose(ours.bin_boundaries, theirs.bin_boundaries[: bins - 1], rtol=1e-6)
    again = cb.layers.Discretization.from_config(
        {name: value for name, value in theirs.get_config().items() if name not in ("name", "dtype")}
    )
    np.testing.assert_allclose(again.bin_boundaries, ours.bin_boundaries, rtol=1e-6)


@pytest.mark.parametrize("optimizer", ["SGD", "Adam", "RMSprop"])
def test_training_an_embedding(optimizer):
    ids, y = RNG.integers(20, size=(64, 3)), RNG.normal(size=(64, 1)).astype(np.float32)
    models = []
    for k in (cb, keras):
        x = k.Input((3,), dtype="int32")
        h = k.layers.Flatten()(k.layers.Embedding(20, 4)(x))
        model = k.Model(x, k.layers.Dense(1)(h))
        model.compile(getattr(k.optimizers, optimizer)(0.05), "mse")
        models.append(model)
    ours, theirs = models
    ours.set_weights(theirs.get_weights())
    for model in models:
        model.fit(ids, y, batch_size=8, epochs=2, shuffle=False, verbose=0)
    for a, b in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-4, atol=2e-5)


def test_count_weights_in_a_model():
    rng = np.random.default_rng(0)
    x, w = rng.integers(0, 4, (5, 3)), rng.normal(size=(5, 3)).astype("float32")

    def make(k):
        inputs = [k.Input((3,), dtype="int32", name="x"), k.Input((3,), name="w")]
        return k.Model(inputs, k.layers.CategoryEncoding(4, "count")(inputs[0], count_weights=inputs[1]))

    ours, theirs = make(cb), make(keras)
    np.testing.assert_allclose(ours.predict([x, w], verbose=0), theirs.predict([x, w], verbose=0), rtol=1e-6)
