"""Attention in files of Keras's: what layers are called with, masks and nested models, written here and there."""

import keras
import numpy as np
import pytest
from keras.src.utils.naming import to_snake_case

import cbackprop as cb
from cbackprop.layers.names import snake_case

TRIL = np.tril(np.ones((5, 5), bool))


def self_attention(k, **call):
    x = k.Input((5, 4))
    return k.Model(x, k.layers.MultiHeadAttention(2, 3)(x, x, **call))


def with_scores(k, make, as_list=False, **call):
    x = k.Input((5, 4))
    outputs = make(k)([x, x], **call) if as_list else make(k)(x, x, **call)
    return k.Model(x, list(outputs))


def three_inputs(k, make, as_list=False):
    q, v, key = k.Input((5, 4)), k.Input((3, 4)), k.Input((3, 4))
    outputs = make(k)([q, v, key]) if as_list else make(k)(q, v, key=key)
    return k.Model([q, v, key], outputs)


def mask_tensor(k):
    x, mask = k.Input((5, 4)), k.Input((5, 5))
    return k.Model([x, mask], k.layers.MultiHeadAttention(2, 3)(x, x, attention_mask=mask))


def several_axes(k):
    x = k.Input((2, 3, 4))
    layer = k.layers.MultiHeadAttention(2, 3, attention_axes=(1, 2), output_shape=5, use_bias=False)
    return k.Model(x, layer(x, x))


def masks_of_inputs(k, make, as_list=False):
    x, v = k.Input((5, 4)), k.Input((3, 4))
    masked = [k.layers.Masking()(x), k.layers.Masking()(v)]
    outputs = make(k)(masked) if as_list else make(k)(*masked)
    return k.Model([x, v], k.layers.Dense(2)(outputs))


def nested(k):
    """A block that is called twice, within another model."""
    inner = k.Input((5, 4))
    attended = k.layers.MultiHeadAttention(2, 3, use_gate=True)(inner, inner, use_causal_mask=True)
    block = k.Model(inner, k.layers.LayerNormalization()(k.layers.Add()([inner, attended])))
    x = k.Input((5, 4))
    return k.Model(x, k.layers.Dense(2)(block(block(x))))


def one_layer_in_two_calls(k):
    x, layer = k.Input((5, 4)), k.layers.GroupQueryAttention(2, 4, 2)
    return k.Model(x, layer(layer(x, x, use_causal_mask=True), x))


def layer(name, *args, **kwargs):
    return lambda k: getattr(k.layers, name)(*args, **kwargs)


HEADS, GROUPS = layer("MultiHeadAttention", 2, 3, value_dim=2), layer("GroupQueryAttention", 2, 4, 2)
MODELS = {
    "causal": lambda k: self_attention(k, use_causal_mask=True),
    "array": lambda k: self_attention(k, attention_mask=TRIL[None]),
    "mask tensor": mask_tensor,
    "scores": lambda k: with_scores(k, HEADS, return_attention_scores=True),
    "causal scores": lambda k: with_scores(k, GROUPS, return_attention_scores=True, use_causal_mask=True),
    "scores of a list": lambda k: with_scores(
        k, layer("Attention", True), True, return_attention_scores=True, use_causal_mask=True
    ),
    "three": lambda k: three_inputs(k, HEADS),
    "three of groups": lambda k: three_inputs(k, GROUPS),
    "three of a list": lambda k: three_inputs(k, layer("AdditiveAttention"), True),
    "concat": lambda k: three_inputs(k, layer("Attention", True, score_mode="concat"), True),
    "axes": several_axes,
    "window": lambda k: three_inputs(k, layer("MultiHeadAttention", 2, 3, sliding_window=2)),
    "masks": lambda k: masks_of_inputs(k, HEADS),
    "masks of groups": lambda k: masks_of_inputs(k, GROUPS),
    "masks of a list": lambda k: masks_of_inputs(k, layer("Attention"), True),
    "nested": nested,
    "twice": one_layer_in_two_calls,
}
KINDS = ["m.keras", "m.weights.h5"]


def randomized(model, rng):
    for weight in model.weights:
        weight.assign(rng.normal(size=weight.shape))
    return model


def arrays_for(model, rng):
    """Samples; of some, all is 0 at some positions, but not at the first. A causal mask for an input of masks."""
    arrays = [rng.normal(size=(3, *x.shape[1:])).astype("f") for x in model.inputs]
    for array in arrays:
        hidden = rng.random(array.shape[:-1]) < 0.4
        hidden[:, 0] = False
        array[hidden] = 0
    if len(arrays) > 1 and arrays[-1].shape[1:] == TRIL.shape:
        arrays[-1] = np.tile(TRIL, (3, 1, 1)).astype("f")
    return arrays if len(arrays) > 1 else arrays[0]


def assert_same(ours, theirs, rng):
    arrays = arrays_for(ours, rng)
    found, expected = ours.predict(arrays, verbose=0), theirs.predict(arrays, verbose=0)
    for a, b in zip(found, expected, strict=True) if isinstance(found, list) else [(found, expected)]:
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


def move(written, k, make, path):
    """A model of library `k` with what stands in a file of the other's model."""
    if path.suffix == ".keras":
        written.save(path)
        return k.models.load_model(path)
    written.save_weights(path)
    model = make(k)
    model.load_weights(path)
    return model


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", MODELS)
def test_written_by_keras(tmp_path, rng, name, kind):
    theirs = randomized(MODELS[name](keras), rng)
    assert_same(move(theirs, cb, MODELS[name], tmp_path / kind), theirs, rng)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", MODELS)
@pytest.mark.filterwarnings("error:What .* remembers")
def test_written_here(tmp_path, rng, name, kind):
    ours = randomized(MODELS[name](cb), rng)
    assert_same(ours, move(ours, keras, MODELS[name], tmp_path / kind), rng)


@pytest.mark.parametrize("name", MODELS)
def test_configs_of_keras(rng, name):
    theirs = randomized(MODELS[name](keras), rng)
    ours = cb.Model.from_config(theirs.get_config())
    ours.set_weights(theirs.get_weights())
    assert_same(ours, theirs, rng)


def test_names_of_layers_and_paths_are_those_of_keras():
    for name in sorted(set(cb.layers.__all__) & set(dir(keras.layers))):
        theirs = getattr(keras.layers, name)
        if isinstance(theirs, type) and name == getattr(cb.layers, name).__name__:
            assert snake_case(name) == to_snake_case(theirs.__name__)


@pytest.mark.parametrize("make", [HEADS, GROUPS])
@pytest.mark.parametrize("others", [[(None, 3, 4)], [(None, 3, 4), (None, 3, 6)]])
def test_build_configs_go_either_way(make, others):
    for written, read in ((cb, keras), (keras, cb)):
        built, copy = make(written), make(read)
        built.build((None, 5, 4), *others)
        copy.build_from_config(built.get_build_config())
        assert [tuple(w.shape) for w in copy.get_weights()] == [tuple(w.shape) for w in built.get_weights()]


@pytest.mark.parametrize("name", ["nested", "masks", "mask tensor"])
def test_training_goes_on_in_keras(tmp_path, rng, name):
    """Two steps of Adam, one in each library, are two steps in either."""
    models = [randomized(MODELS[name](k), np.random.default_rng(1)) for k in (cb, keras)]
    arrays = arrays_for(models[0], rng)
    targets = rng.normal(size=(3, *models[0].outputs[0].shape[1:])).astype("f")
    for model, k in zip(models, (cb, keras), strict=True):
        model.compile(k.optimizers.Adam(0.01), "mse")
        model.train_on_batch(arrays, targets)
    models[0].save(tmp_path / "m.keras")
    models.append(keras.models.load_model(tmp_path / "m.keras"))
    models[1].save(tmp_path / "n.keras")
    models.append(cb.models.load_model(tmp_path / "n.keras"))
    losses = [float(np.ravel(model.train_on_batch(arrays, targets))[0]) for model in models]
    np.testing.assert_allclose(losses, losses[0], rtol=1e-4)
