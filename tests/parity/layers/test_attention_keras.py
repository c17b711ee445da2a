"""Attention layers against Keras: outputs, weights of keys, and gradients by inputs and weights, masks included."""

import keras
import numpy as np
import pytest
import torch
from keras.src import backend, ops

import cbackprop as cb
from cbackprop.reference import random

# In float64: sums of some hundred terms in another order.
LIMIT = 1e-12
ROWS = 3


@pytest.fixture(autouse=True)
def float64(monkeypatch, keras_in_float64):
    """Both in float64: with PyTorch, Keras's products round to float32, so that PyTorch's own take their place."""
    monkeypatch.setattr(ops, "matmul", lambda a, b: torch.matmul(*map(keras.ops.convert_to_tensor, (a, b))))
    monkeypatch.setattr(ops, "einsum", lambda text, *args: torch.einsum(text, *map(keras.ops.convert_to_tensor, args)))
    monkeypatch.setattr(ops, "dot_product_attention", attention_in_float64)
    cb.config.set_floatx("float64")


def attention_in_float64(query, key, value, bias, mask, scale, is_causal, flash_attention):
    """Attention as Keras documents it, for tensors (batch, positions, heads, features)."""
    scores = scale * torch.einsum("btnh,bsnh->bnts", query, key)
    seen = torch.ones_like(scores, dtype=torch.bool) if mask is None else mask.expand(scores.shape)
    if is_causal:
        seen = seen & torch.ones(scores.shape[-2:], dtype=torch.bool).tril()
    weights = torch.softmax(torch.where(seen, scores, -0.7 * torch.finfo(scores.dtype).max), -1)
    return torch.einsum("bnts,bsnh->btnh", weights, value)


def pick(rng, choices):
    return choices[rng.integers(len(choices))]


def sizes(rng):
    """Queries and keys: mostly few, sometimes more than a block."""
    return [int(rng.integers(1, 9)) if rng.random() < 0.8 else int(rng.integers(60, 80)) for _ in range(2)]


def some_case(rng):
    """A layer's class, its arguments, shapes of query, value and key, and further arguments of the call."""
    name = pick(rng, ["Attention", "AdditiveAttention", "MultiHeadAttention", "GroupQueryAttention"])
    queries, keys = sizes(rng)
    d, v = int(rng.integers(1, 6)), int(rng.integers(1, 6))
    call = {flag: bool(rng.integers(2)) for flag in ("use_causal_mask", "return_attention_scores")}
    if name in ("Attention", "AdditiveAttention"):
        options = {"use_scale": bool(rng.integers(2))}
        if name == "Attention":
            options["score_mode"] = pick(rng, ["dot", "concat"])
        shapes = [(queries, d), (keys, v), (keys, d)] if rng.integers(2) else [(queries, d), (keys, d)]
        if rng.random() < 0.4:
            call["mask"] = rng.random((ROWS, keys)) < 0.6
            call["mask"][:, 0] = True
        return name, options, shapes, call
    options = {flag: bool(rng.integers(2)) for flag in ("use_bias", "use_gate")}
    options["sliding_window"] = pick(rng, [None, None, int(max(queries - keys + 1, 1) + rng.integers(4))])
    if name == "GroupQueryAttention":
        groups = int(rng.integers(1, 4))
        options |= {"head_dim": v, "num_key_value_heads": groups, "num_query_heads": groups * int(rng.integers(1, 4))}
        shapes = [(queries, d), (keys, d), (keys, int(rng.integers(1, 6)))]
    else:
        options |= {"num_heads": int(rng.integers(1, 4)), "key_dim": v, "value_dim": pick(rng, [None, 2, 5])}
        options["output_shape"] = pick(rng, [None, 3, (2, 3)])
        shapes = [(queries, d), (keys, int(rng.integers(1, 6))), (keys, int(rng.integers(1, 6)))]
        if rng.random() < 0.3:
            axes, first, second = pick(
                rng,
                [
                    (None, (2, 3), (3, 2)),
                    ((1,), (4, 3), (2, 3)),
                    (2, (2, 4), (2, 3)),
                    ((2, 1), (2, 3), (4, 2)),
                    ((1, 3), (2, 3, 4), (3, 3, 2)),
                ],
            )
            options |= {"attention_axes": axes, "sliding_window": None}
            call["use_causal_mask"] = False  # Keras's counts along the first axis only
            shapes = [(*positions, shape[-1]) for positions, shape in zip((first, second, second), shapes, strict=True)]
    shapes = shapes[: 2 if rng.random() < 0.4 else 3]
    if len(shapes[0]) == 2 and rng.random() < 0.4:
        call["value_mask"] = rng.random((ROWS, keys)) < 0.6
        call["value_mask"][:, 0] = True
    if rng.random() < 0.4:
        call["attention_mask"] = some_attention_mask(rng, options, shapes, "value_mask" not in call)
    return name, options, shapes, call


def some_attention_mask(rng, options, shapes, alone):
    """A mask for each pair of positions, perhaps the same along some axes, which hides no query.

    If it is `alone` perhaps one for each head: Keras takes heads for samples where it joins that with other masks.
    """
    rank = len(shapes[0]) + 1
    axes = options.get("attention_axes")
    axes = range(1, rank - 1) if axes is None else (axes,) if isinstance(axes, int) else axes
    queries, keys = ([shape[axis - 1] for axis in axes] for shape in shapes[:2])
    heads = options.get("num_heads", options.get("num_query_heads"))
    before = pick(rng, [(), (heads,), (1,)]) if rank == 3 and alone else ()
    where = [*(1 if rng.random() < 0.2 else size for size in queries), *keys]
    mask = rng.random((ROWS, *before, *where)) < 0.6
    flat = mask.reshape(-1, *keys)
    flat[(slice(None), *[0] * len(keys))] = True
    return mask


def in_keras(name, options, call, arrays, rng):
    """Keras's layer with random weights, the inputs, and what it returns."""
    theirs = getattr(keras.layers, name)(**options)
    given = [torch.tensor(array, requires_grad=True) for array in arrays]
    more = {key: torch.tensor(value) if isinstance(value, np.ndarray) else value for key, value in call.items()}
    if "mask" in more:
        more["mask"] = [None, more["mask"], None][: len(given)]

    def run():
        if name in ("Attention", "AdditiveAttention"):
            return theirs(given, **more)
        return theirs(*given, **more)

    run()
    for weight in theirs.weights:
        weight.assign(rng.normal(size=weight.shape))
    returned = run()
    return theirs, given, list(returned) if isinstance(returned, (list, tuple)) else [returned]


def ours(name, options, call, shapes):
    """A model of the layer, which takes masks as inputs behind the others; and the layer."""
    tensors = [cb.Input(shape) for shape in shapes]
    masks = {key: cb.Input(value.shape[1:]) for key, value in call.items() if isinstance(value, np.ndarray)}
    more = call | masks
    layer = getattr(cb.layers, name)(**options)
    if "mask" in more:
        more["mask"] = [None, more["mask"], None][: len(tensors)]
    alone = name in ("Attention", "AdditiveAttention")
    outputs = layer(tensors, **more) if alone else layer(*tensors, **more)
    model = cb.Model([*tensors, *masks.values()], list(outputs) if isinstance(outputs, (list, tuple)) else outputs)
    return model, layer, [call[key].astype("float64") for key in masks]


def as_list(found):
    return found if isinstance(found, list) else [found]


@pytest.mark.parametrize("seed", range(40))
def test_outputs_and_gradients(seed):
    rng = np.random.default_rng(seed)
    for _ in range(5):
        name, options, shapes, call = some_case(rng)
        arrays = [rng.normal(size=(ROWS, *shape)) for shape in shapes]
        theirs, given, returned = in_keras(name, options, call, arrays, rng)
        deltas = [rng.normal(size=tuple(y.shape)) for y in returned]
        sum((y * torch.tensor(delta)).sum() for y, delta in zip(returned, deltas, strict=True)).backward()
        model, layer, masks = ours(name, options, call, shapes)
        layer.set_weights([weight.numpy() for weight in theirs.weights])
        assert [w.path.rpartition(name)[2].split("/")[1:] for w in layer.weights] == [
            w.path.split("/")[1:] for w in theirs.weights
        ]
        expected = [*returned, *(array.grad for array in given), *(w.value.grad for w in theirs.weights)]
        for engine in ("compiled", "reference"):
            model.compile("sgd", ["mse"] * len(returned), engine=engine)
            found = as_list(model.predict([*arrays, *masks], verbose=0))
            one = deltas[0] if len(deltas) == 1 else deltas
            found += as_list(model.backward([*arrays, *masks], one, wrt="inputs"))[: len(given)]
            found += model.backward([*arrays, *masks], one)
            for a, b in zip(found, expected, strict=True):
                b = np.zeros(a.shape) if b is None else b.detach().numpy()
                assert a.shape == b.shape
                assert np.abs(a - b).max() / max(1, np.abs(b).max()) < LIMIT, (name, options, shapes, call, engine)


@pytest.mark.parametrize("scores", [False, True])
@pytest.mark.parametrize("axes", [None, 1])
@pytest.mark.parametrize("engine", ["compiled", "reference"])
def test_a_query_that_sees_no_key(scores, axes, engine, rng):
    """It gets the mean of all values; or 0, where Keras computes the scores itself."""
    shapes = [(4, 5)] * 2 if axes is None else [(4, 2, 5)] * 2
    options = {"num_heads": 2, "key_dim": 3, "attention_axes": axes}
    mask = rng.random((ROWS, 4, 4)) < 0.5
    mask[0], mask[1, 2] = False, False
    call = {"attention_mask": mask, "return_attention_scores": scores}
    arrays = [rng.normal(size=(ROWS, *shape)) for shape in shapes]
    theirs, _, returned = in_keras("MultiHeadAttention", options, call, arrays, rng)
    model, layer, masks = ours("MultiHeadAttention", options, call, shapes)
    layer.set_weights([weight.numpy() for weight in theirs.weights])
    model.compile("sgd", ["mse"] * len(returned), engine=engine)
    for a, b in zip(as_list(model.predict([*arrays, *masks], verbose=0)), returned, strict=True):
        np.testing.assert_allclose(a, b.detach().numpy(), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", ["Attention", "MultiHeadAttention"])
def test_masks_that_come_with_the_inputs(name, rng):
    """From Masking through the layer to the loss; hidden queries give 0, or see no key."""
    x, y = rng.normal(size=(ROWS, 5, 4)), rng.normal(size=(ROWS, 5, 4))
    x[0, 3:], x[1, 0], x[2, 2] = 0, 0, 0

    def made(library):
        inputs = library.Input((5, 4))
        masked = library.layers.Masking()(inputs)
        layer = getattr(library.layers, name)(*([] if name == "Attention" else [2, 3]))
        output = layer([masked, masked]) if name == "Attention" else layer(masked, masked)
        model = library.Model(inputs, output)
        model.compile(library.optimizers.SGD(0.1), "mse")
        return model

    theirs, mine = made(keras), made(cb)
    mine.set_weights(theirs.get_weights())
    np.testing.assert_allclose(mine.predict(x, verbose=0), theirs.predict(x, verbose=0), rtol=1e-12, atol=1e-12)
    for _ in range(2):
        np.testing.assert_allclose(mine.train_on_batch(x, y), theirs.train_on_batch(x, y), rtol=1e-6)
    for a, b in zip(mine.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-7, atol=1e-12)
    hidden = backend.get_keras_mask(theirs(torch.tensor(x)))
    np.testing.assert_array_equal(mine(x)._keras_mask, hidden.numpy())


@pytest.mark.parametrize("name", ["Attention", "MultiHeadAttention"])
@pytest.mark.parametrize("scores", [False, True])
def test_dropout(name, scores, rng, monkeypatch):
    """The weights that the twin drops are dropped in Keras as well: the gradients must be the same."""
    call = {"return_attention_scores": scores, "use_causal_mask": True}
    options = {"dropout": 0.4} | ({} if name == "Attention" else {"num_heads": 2, "key_dim": 3})
    shapes = [(4, 5), (6, 5)]
    arrays = [rng.normal(size=(ROWS, *shape)) for shape in shapes]
    drawn, draw = [], random.mask

    def recorded(n, probability, *place):
        drawn.append(np.where(draw(n, probability, *place), 1 / probability, 0))
        return drawn[-1] > 0

    model, layer, _ = ours(name, options, call, shapes)
    layer.set_weights([rng.normal(size=weight.shape) for weight in layer.weights])
    deltas = [rng.normal(size=(ROWS, *tensor.shape[1:])) for tensor in model.outputs]
    one = deltas if scores else deltas[0]
    found = {}
    for engine in ("reference", "compiled"):
        with monkeypatch.context() as patch:
            patch.setattr(random, "mask", recorded)
            model.compile("sgd", ["mse"] * len(deltas), engine=engine)
            found[engine] = as_list(model.backward(arrays, one, wrt="inputs", training=True))
    factors = drawn[0].reshape(ROWS, *(() if name == "Attention" else (2,)), 4, 6)
    monkeypatch.setattr(backend.random, "dropout", lambda x, *args, **kwargs: x * torch.tensor(factors))
    theirs = getattr(keras.layers, name)(**options)
    given = [torch.tensor(array, requires_grad=True) for array in arrays]

    def run():
        return theirs(given, training=True, **call) if name == "Attention" else theirs(*given, training=True, **call)

    run()
    theirs.set_weights(layer.get_weights())
    returned = run()
    returned = list(returned) if scores else [returned]
    sum((y * torch.tensor(delta)).sum() for y, delta in zip(returned, deltas, strict=True)).backward()
    for each in found.values():
        for a, b in zip(each, given, strict=True):
            np.testing.assert_allclose(a, b.grad.numpy(), rtol=1e-11, atol=1e-12)


def test_compute_mask(rng):
    arrays = [rng.normal(size=(2, 3, 4)), rng.normal(size=(2, 5, 4))]
    masks = [[[True, False, True], [False, False, True]], None]
    for name in ("Attention", "AdditiveAttention"):
        for mask in (masks, [None, None], None):
            theirs = getattr(keras.layers, name)().compute_mask(arrays, mask=mask)
            ours = getattr(cb.layers, name)().compute_mask(arrays, mask=mask)
            assert (ours is None) == (theirs is None)
            if ours is not None:
                np.testing.assert_array_equal(ours, keras.ops.convert_to_numpy(theirs))
        for k in (cb, keras):
            layer = getattr(k.layers, name)()
            with pytest.raises(ValueError, match="list"):
                layer.compute_mask(arrays[0], mask=masks)
            with pytest.raises(ValueError, match="must be a list"):
                layer.compute_mask(arrays, mask=np.ones((2, 3), bool))


@pytest.mark.parametrize("causal", [0, 1])
def test_settings_of_calls_may_be_numbers(causal, rng):
    x = rng.normal(size=(2, 3, 4))
    ours, theirs = cb.layers.MultiHeadAttention(2, 3), keras.layers.MultiHeadAttention(2, 3)
    theirs.build(x.shape, x.shape)
    ours.build([x.shape, x.shape, x.shape])
    ours.set_weights(theirs.get_weights())
    found = ours(x, x, use_causal_mask=causal, return_attention_scores=causal, training=0)
    expected = theirs(x, x, use_causal_mask=causal, return_attention_scores=causal, training=0)
    assert isinstance(found, (list, tuple)) == bool(causal)
    for a, b in zip(found, expected, strict=True) if causal else [(found, expected)]:
        np.testing.assert_allclose(a, keras.ops.convert_to_numpy(b), rtol=1e-4, atol=1e-5)
    with pytest.raises(TypeError, match="use_causal_mask must be True or False"):
        ours(x, x, use_causal_mask=2)


def test_shapes_that_are_numbers():
    for k in (cb, keras):
        with pytest.raises(ValueError, match=r"\(2, 2, 7\)"):
            k.layers.GroupQueryAttention(2, 4, 4).compute_output_shape((2, 4, 8), (2, 2, 7), 2)
