"""EinsumDense against Keras: arguments, shapes, outputs, configs, initial values, training and files."""

import inspect
import json

import numpy as np
import pytest
from einsum_cases import CASES, random_case

import cbackprop as cb

keras = pytest.importorskip("keras")

ALL = [case for case in (*CASES, *(random_case(seed) for seed in range(60, 90))) if case[3]]
# Arguments for which there is nothing here: quantization and low-rank adaptation.
LEFT_OUT = {"lora_rank", "lora_alpha", "gptq_unpacked_column_size", "quantization_config"}


def both(case, **arguments):
    """A layer of each library with the same weights, and an input."""
    equation, sizes, bias_axes, shape = case
    rng = np.random.default_rng(3)
    x = rng.normal(size=(6, *shape)).astype(np.float32)
    ours, theirs = (
        k.layers.EinsumDense(equation, sizes, bias_axes=bias_axes, bias_initializer="random_normal", **arguments)
        for k in (cb, keras)
    )
    theirs.build(x.shape)
    ours(x)
    assert [weight.shape for weight in ours.get_weights()] == [weight.shape for weight in theirs.get_weights()]
    ours.set_weights(theirs.get_weights())
    return ours, theirs, x


def complete(case):
    """The case with all sizes in output_shape: Keras takes none from the input that kernel or bias have."""
    equation, sizes, bias_axes, shape = case
    return (
        equation,
        cb.layers.EinsumDense(equation, sizes).contraction((None, *shape)).output_shape[1:],
        bias_axes,
        shape,
    )


def without_elided(case):
    """The same, without the axes that stand for an ellipsis."""
    equation, sizes, bias_axes, shape = complete(case)
    named = case[1] if isinstance(case[1], tuple) else (case[1],)
    elided = len(sizes) - len(named)
    return equation, sizes[elided:] if equation.startswith(".") else sizes[: len(named)], bias_axes, shape


@pytest.mark.parametrize("case", ALL)
def test_outputs_and_shapes(case):
    ours, theirs, x = both(without_elided(case), activation="tanh")
    expected = theirs(x).detach().cpu().numpy()
    np.testing.assert_allclose(ours(x), expected, rtol=2e-5, atol=2e-6)
    assert ours.compute_output_shape(x.shape) == expected.shape


@pytest.mark.parametrize("case", ALL[::3])
def test_training(case):
    _, _, x = both(without_elided(case))
    models = []
    for k in (cb, keras):
        equation, sizes, bias_axes, shape = without_elided(case)
        inner = k.layers.EinsumDense(equation, sizes, "tanh", bias_axes, kernel_regularizer="l2")
        model = k.Sequential([k.Input(shape), inner, k.layers.Flatten(), k.layers.Dense(1)])
        model.compile(k.optimizers.Adam(0.01), "mse")
        models.append(model)
    models[0].set_weights(models[1].get_weights())
    y = x.reshape(len(x), -1).sum(axis=1, keepdims=True)
    histories = [model.fit(x, y, batch_size=4, epochs=3, shuffle=False, verbose=0).history["loss"] for model in models]
    np.testing.assert_allclose(*histories, rtol=1e-4)
    for ours, theirs in zip(models[0].get_weights(), models[1].get_weights(), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=2e-5)


def test_arguments_and_defaults():
    ours, theirs = (
        [
            (p.name, p.default)
            for p in inspect.signature(k.layers.EinsumDense.__init__).parameters.values()
            if p.kind is p.POSITIONAL_OR_KEYWORD and p.name not in LEFT_OUT
        ]
        for k in (cb, keras)
    )
    assert ours == theirs


def test_configs_are_exchangeable():
    def plain(layer):
        config = json.loads(json.dumps(layer.get_config()))
        return {n: v for n, v in config.items() if n not in {"name", "dtype", *LEFT_OUT} and "initial" not in n}

    ours, theirs, _ = both(("abc,cde->abde", (None, 2, 3), "de", (4, 3)), activation="relu")
    assert plain(ours) == {
        name: value for name, value in plain(theirs).items() if value is not None or name in plain(ours)
    }
    assert plain(type(ours).from_config(plain(theirs) | {"name": "x"})) == plain(ours)
    assert plain(type(theirs).from_config(plain(ours))) == plain(theirs)


@pytest.mark.parametrize("name", ["glorot_uniform", "he_normal", "lecun_uniform"])
def test_initial_values_have_the_same_spread(name):
    spreads = []
    for k in (cb, keras):
        layer = k.layers.EinsumDense("abcd,cde->abe", (None, 200), kernel_initializer=name)
        layer.build((None, 3, 10, 20))
        spreads.append(np.asarray(layer.get_weights()[0]).std())
    np.testing.assert_allclose(*spreads, rtol=0.02)


@pytest.mark.parametrize("writer", ["ours", "theirs"])
def test_files_of_keras(writer, tmp_path):
    models = [
        k.Sequential(
            [
                k.Input((4, 3)),
                k.layers.EinsumDense("abc,cde->abde", (None, 2, 5), "relu", "de"),
                k.layers.EinsumDense("...xy,xyz->...z", 3, bias_axes="z"),
            ]
        )
        for k in (cb, keras)
    ]
    x = np.random.default_rng(0).normal(size=(5, 4, 3)).astype(np.float32)
    path = str(tmp_path / "m.keras")
    models[writer == "theirs"].save(path)
    again = (keras if writer == "ours" else cb).models.load_model(path)
    expected = models[writer == "theirs"].predict(x, verbose=0)
    np.testing.assert_allclose(again.predict(x, verbose=0), expected, rtol=1e-5, atol=1e-6)
