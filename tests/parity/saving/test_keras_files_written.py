"""Files for Keras: `.keras` and `.weights.h5`, which Keras opens, with the same predictions, and this library, too."""

import inspect
import json
import os
import stat
import sys
import zipfile

import h5py
import keras
import layer_cases
import numpy as np
import pytest
from keras_models import (
    CASES,
    LIMIT,
    OPERATORS,
    assert_same_predictions,
    called,
    keras_twin,
    names_of,
    numbers,
    one_or_list,
    operated,
    randomize,
    structured,
)
from keras_random_models import random_graph

import cbackprop as cb
from cbackprop.families import families
from cbackprop.saving.keras.description import LACKING, WITHOUT

X, Y = np.linspace(-1, 1, 60, dtype="float32").reshape(20, 3), np.linspace(0, 1, 20, dtype="float32").reshape(20, 1)
# Layers that Keras cannot make.
NO_WORD_FOR = [
    (lambda: cb.layers.Dense(2, kernel_regularizer=cb.regularizers.DividedL2()), "it lacks regularizers.DividedL2"),
    (
        lambda: cb.layers.Dense(2, activation=cb.activations.leaky_relu.bind(negative_slope=0.3)),
        "it lacks activations.leaky_relu with arguments",
    ),
]


def model_of(make, shapes):
    ids = make().id_range is not None
    inputs = one_or_list([cb.Input(shape, dtype="int32" if ids else "float32") for shape in shapes])
    return cb.Model(inputs, called(make(), inputs))


@pytest.mark.parametrize(("name", "make", "shapes"), CASES)
def test_every_layer(tmp_path, rng, name, make, shapes, recwarn):
    layer = make()
    ours = model_of(make, shapes)
    randomize(ours, rng)
    ours.save(tmp_path / "m.keras")
    ours.save_weights(tmp_path / "m.weights.h5")
    assert not [str(w.message) for w in recwarn if "cbackprop" in str(w.filename)]
    x = one_or_list(numbers(layer, shapes, rng))
    theirs = keras.models.load_model(tmp_path / "m.keras")
    assert names_of(theirs) == names_of(ours)
    assert_same_predictions(ours, theirs, x)
    described = model_of(make, shapes)
    twin = keras_twin(make())
    ids = layer.id_range is not None
    inputs = one_or_list([keras.Input(shape, dtype="int32" if ids else "float32") for shape in shapes])
    with_weights = keras.Model(inputs, called(twin, inputs))
    with_weights.load_weights(tmp_path / "m.weights.h5")
    assert_same_predictions(ours, with_weights, x)
    described.load_weights(tmp_path / "m.weights.h5")
    for again in (described, cb.models.load_model(tmp_path / "m.keras")):
        np.testing.assert_array_equal(again.predict(x, verbose=0), ours.predict(x, verbose=0))


@pytest.mark.parametrize("seed", range(16))
def test_random_graphs(tmp_path, rng, seed):
    """Shared layers, nested models, several inputs and outputs, compiled."""
    ours, losses = random_graph(cb, seed)
    randomize(ours, rng)
    ours.compile(cb.optimizers.Adam(cb.optimizers.schedules.ExponentialDecay(0.01, 10, 0.9)), losses)
    ours.save(tmp_path / "m.keras")
    theirs = keras.models.load_model(tmp_path / "m.keras")
    x = one_or_list(numbers(cb.layers.Add(), [tensor.shape[1:] for tensor in ours.inputs], rng))
    assert_same_predictions(ours, theirs, x)
    assert theirs.optimizer.get_config()["learning_rate"]["config"]["decay_steps"] == 10
    again = cb.models.load_model(tmp_path / "m.keras")
    assert again.get_config() == ours.get_config()
    for one, other in zip(again.get_weights(), ours.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("crossing", [False])
def test_structures_of_inputs_and_outputs(tmp_path, rng, crossing):
    ours = structured(cb, crossing)
    randomize(ours, rng)
    ours.save(tmp_path / "m.keras")
    theirs = keras.models.load_model(tmp_path / "m.keras")
    data = {name: rng.normal(size=(6, 3)).astype("float32") for name in "xy"}
    found, expected = ours.predict(data, verbose=0), theirs(data)
    assert sorted(found) == sorted(expected)
    for name, array in found.items():
        np.testing.assert_allclose(array, expected[name].detach().numpy(), rtol=0, atol=LIMIT)
    again = cb.models.load_model(tmp_path / "m.keras").predict(data, verbose=0)
    for name, array in found.items():
        np.testing.assert_array_equal(again[name], array)


@pytest.mark.parametrize("name", OPERATORS)
def test_operators(tmp_path, rng, name, recwarn):
    ours = operated(cb, OPERATORS[name])
    randomize(ours, rng)
    ours.save(tmp_path / "m.keras")
    assert not [str(w.message) for w in recwarn if "Keras" in str(w.message)]
    x = [rng.normal(size=(6, 5, 3)).astype("float32") for _ in range(2)]
    assert_same_predictions(ours, keras.models.load_model(tmp_path / "m.keras"), x)
    again = cb.models.load_model(tmp_path / "m.keras")
    assert again.get_config() == ours.get_config()
    for one, other in zip(again.predict(x, verbose=0), ours.predict(x, verbose=0), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("key", [slice(None), ..., (slice(None), slice(None, None, -2)), (..., None)])
def test_parts_that_keras_does_not_write_so(tmp_path, rng, key):
    """Keras on PyTorch opens those with a negative step, but cannot compute them."""
    x = cb.Input((5, 3))
    ours = cb.Model(x, x[key])
    ours.save(tmp_path / "m.keras")
    again, theirs = cb.models.load_model(tmp_path / "m.keras"), keras.models.load_model(tmp_path / "m.keras")
    data = rng.normal(size=(6, 5, 3)).astype("float32")
    np.testing.assert_array_equal(again.predict(data, verbose=0), data[key])
    assert theirs.output_shape == again.output_shape
    if key != (slice(None), slice(None, None, -2)):
        assert_same_predictions(again, theirs, data)


def test_operators_outside_of_a_graph(tmp_path):
    ours = cb.Sequential([cb.Input((3,)), cb.layers.Power(2), cb.layers.Dense(2)])
    with pytest.warns(UserWarning, match=r"it lacks layers\.Power outside of a functional model"):
        ours.save(tmp_path / "m.keras")
    again = cb.models.load_model(tmp_path / "m.keras")
    np.testing.assert_array_equal(again.predict(X, verbose=0), ours.predict(X, verbose=0))


def test_a_nested_model_as_an_output(tmp_path, rng):
    x = cb.Input((3,))
    inner = layer_cases.nested()
    ours = cb.Model(x, [inner(x), cb.Sequential([cb.layers.Dense(2), cb.layers.ReLU()])(x)])
    ours.save(tmp_path / "m.keras")
    theirs = keras.models.load_model(tmp_path / "m.keras")
    assert_same_predictions(ours, theirs, rng.normal(size=(6, 3)).astype("float32"))
    theirs.save(tmp_path / "n.keras")
    again = cb.models.load_model(tmp_path / "n.keras")
    for one, other in zip(again.predict(X, verbose=0), ours.predict(X, verbose=0), strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=LIMIT)


def stack(library, optimizer=None, **settings):
    """The same weights in both, compiled."""
    k = library.layers
    model = library.Sequential(
        [library.Input((3,)), k.Dense(4, "tanh"), k.BatchNormalization(), k.Dropout(0.0), k.Dense(1)]
    )
    rng = np.random.default_rng(0)
    model.set_weights([rng.uniform(0.1, 1, w.shape).astype("float32") for w in model.get_weights()])
    if optimizer is not None:
        model.compile(optimizer(library), "mse", metrics=["mae"], **settings)
    return model


def train(model, epochs=1, **arguments):
    model.fit(X, Y, batch_size=10, epochs=epochs, shuffle=False, verbose=0, **arguments)


OPTIMIZERS = {
    "sgd": lambda k: k.optimizers.SGD(0.05),
    "momentum": lambda k: k.optimizers.SGD(0.05, momentum=0.9, nesterov=True),
    "adam": lambda k: k.optimizers.Adam(0.01),
    "amsgrad": lambda k: k.optimizers.Adam(0.01, amsgrad=True),
    "adamw": lambda k: k.optimizers.AdamW(0.01),
    "adamax": lambda k: k.optimizers.Adamax(0.01),
    "nadam": lambda k: k.optimizers.Nadam(0.01),
    "adadelta": lambda k: k.optimizers.Adadelta(1.0),
    "adagrad": lambda k: k.optimizers.Adagrad(0.05),
    "rmsprop": lambda k: k.optimizers.RMSprop(0.01),
    "centered": lambda k: k.optimizers.RMSprop(0.01, momentum=0.5, centered=True),
    "ftrl": lambda k: k.optimizers.Ftrl(0.05),
    "lion": lambda k: k.optimizers.Lion(0.01),
    "lamb": lambda k: k.optimizers.Lamb(0.01),
    "schedule": lambda k: k.optimizers.Adam(k.optimizers.schedules.ExponentialDecay(0.01, 2, 0.5)),
    "average": lambda k: k.optimizers.Adam(0.01, use_ema=True),
    "accumulated": lambda k: k.optimizers.Adam(0.01, gradient_accumulation_steps=3),
    "clipped": lambda k: k.optimizers.Adam(0.01, clipnorm=0.1, weight_decay=0.01),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("back", [False, True])
def test_training_goes_on_in_the_other_library(tmp_path, name, back):
    """Both go on from the file as the one that wrote it does."""
    writer, reader = (keras, cb) if back else (cb, keras)
    model = stack(writer, OPTIMIZERS[name])
    train(model, 2)
    model.save(tmp_path / "m.keras")
    loaded = reader.models.load_model(tmp_path / "m.keras")
    assert int(loaded.optimizer.iterations) == int(model.optimizer.iterations)
    for each in (model, loaded):
        train(each, 2)
    for one, other in zip(loaded.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["adam", "schedule", "accumulated"])
def test_training_goes_on_to_the_same_bits_here(tmp_path, name):
    model = stack(cb, OPTIMIZERS[name])
    train(model, 2)
    model.save(tmp_path / "m.keras")
    again = cb.models.load_model(tmp_path / "m.keras")
    for each in (model, again):
        train(each, 4, initial_epoch=2)
    for one, other in zip(again.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("name", ["m.keras", "m.weights.h5"])
def test_what_only_this_library_has_comes_back(tmp_path, name):
    """The memory of an optimizer that Keras does not have."""
    model = cb.Sequential([cb.Input((3,)), cb.layers.Dense(4, "tanh"), cb.layers.Dense(1)])
    model.compile(cb.optimizers.Rprop(), "mse")
    model.fit(X, Y, epochs=3, verbose=0)
    if name == "m.keras":
        with pytest.warns(UserWarning, match=r"uncompiled, because it lacks optimizers"):
            model.save(tmp_path / name)
        again = cb.models.load_model(tmp_path / name)
        assert not keras.models.load_model(tmp_path / name).compiled
    else:
        model.save_weights(tmp_path / name)
        again = cb.models.clone_model(model)
        again.compile(cb.optimizers.Rprop(), "mse")
        again.load_weights(tmp_path / name)
    assert again.optimizer.iterations == model.optimizer.iterations == 3
    for each in (model, again):
        each.fit(X, Y, epochs=2, verbose=0)
    np.testing.assert_array_equal(again.get_weights()[0], model.get_weights()[0])


def test_compiled_as_here(tmp_path):
    ours = stack(cb)
    loss = cb.losses.Huber(0.5, reduction="sum")
    metrics = ["mae", cb.metrics.AUC(num_thresholds=7), cb.metrics.MeanSquaredError(name="m")]
    ours.compile(cb.optimizers.SGD(0.1, clipnorm=1.0), loss, metrics=metrics, weighted_metrics=["mse"])
    ours.save(tmp_path / "m.keras")
    theirs = keras.models.load_model(tmp_path / "m.keras")
    x, y = X, (Y > 0.5).astype("float32")
    sizes = np.linspace(1, 2, len(x), dtype="float32")
    for model in (ours, theirs, cb.models.load_model(tmp_path / "m.keras")):
        assert type(model.optimizer).__name__ == "SGD"
    found = ours.evaluate(x, y, sample_weight=sizes, verbose=0, batch_size=20)
    expected = theirs.evaluate(x, y, sample_weight=sizes, verbose=0, batch_size=20)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


@pytest.mark.parametrize(("make", "message"), NO_WORD_FOR)
def test_layers_that_keras_does_not_have(tmp_path, make, message):
    """This library reads them all the same."""
    model = cb.Sequential([cb.Input((3,)), make()])
    with pytest.warns(UserWarning, match=rf"Keras cannot load .*{message}.*'\.safetensors'"):
        model.save(tmp_path / "m.keras")
    again = cb.models.load_model(tmp_path / "m.keras")
    np.testing.assert_array_equal(again.predict(X, verbose=0), model.predict(X, verbose=0))
    assert again.get_config() == model.get_config()


def test_losses_that_keras_does_not_have(tmp_path):
    model = cb.Sequential([cb.Input((3,)), cb.layers.Dense(2)])
    missing = cb.losses.MeanSquaredError(missing="ignore")
    for loss in ("gaussian_negative_log_likelihood", cb.losses.Quantile(0.3), missing):
        model.compile("adam", loss)
        with pytest.warns(UserWarning, match="because it lacks losses"):
            model.save(tmp_path / "m.keras")
        assert cb.models.load_model(tmp_path / "m.keras").compiled
        assert not keras.models.load_model(tmp_path / "m.keras").compiled


@pytest.mark.parametrize("family", ["regularizers", "constraints", "initializers", "losses", "metrics", "optimizers"])
def test_the_list_of_what_keras_does_not_have(family):
    theirs = getattr(keras, family)
    lacking = {name for name, thing in families[family] if not hasattr(theirs, thing.__name__)}
    assert lacking == LACKING.get(family, set())


def arguments_of(cls):
    """Names of all arguments of a class of Keras, those of its bases included; deprecated ones are not among them."""
    found = {"rms_scaling"}
    for base in cls.__mro__:
        if "__init__" in vars(base):
            parameters = list(inspect.signature(base.__init__).parameters.values())
            found |= {parameter.name for parameter in parameters}
            if not any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
                break
    return found


@pytest.mark.parametrize(
    "family", ["regularizers", "constraints", "initializers", "losses", "metrics", "optimizers", "layers"]
)
def test_the_list_of_arguments_that_keras_does_not_have(family):
    unwritten = {"input_shape", "inputs", "outputs"}
    for name, cls in families[family]:
        theirs = getattr(getattr(keras, family), name, None)
        if theirs is None or not hasattr(cls, "argument_names"):
            continue
        own = set(cls.argument_names()) - arguments_of(theirs) - unwritten
        assert own == {argument for key, argument in WITHOUT if key in (name, family)} & set(cls.argument_names()), name


@cb.saving.register_keras_serializable("parity")
def halved(inputs):
    return inputs / 2


def test_functions_by_registered_name(tmp_path):
    model = cb.Sequential([cb.Input((3,)), cb.layers.Lambda(halved)])
    model.save(tmp_path / "m.keras")
    again = cb.models.load_model(tmp_path / "m.keras")
    np.testing.assert_array_equal(again.predict(X, verbose=0), X / 2)
    with keras.saving.custom_object_scope({"parity>halved": halved}):
        theirs = keras.models.load_model(tmp_path / "m.keras")
    np.testing.assert_array_equal(theirs(X).detach().numpy(), X / 2)


class Tied(cb.layers.Layer):
    def __init__(self, source, **kwargs):
        super().__init__(**kwargs)
        self.source = source

    def call(self, inputs):
        return inputs @ self.source.kernel.numpy().T

    def backward(self, inputs, outputs, delta):
        kernel = self.source.kernel.numpy()
        return delta @ kernel, [delta.T @ inputs, np.zeros(kernel.shape[1])]


def test_layers_given_to_constructors(tmp_path):
    x = cb.Input((3,))
    encoder = cb.layers.Dense(2, name="encoder")
    model = cb.Model(x, Tied(encoder, name="decoder")(encoder(x)))
    model.save(tmp_path / "m.keras")
    again = cb.models.load_model(tmp_path / "m.keras", custom_objects={"Tied": Tied})
    assert again.get_layer("decoder").source is again.get_layer("encoder")
    np.testing.assert_array_equal(again.predict(X, verbose=0), model.predict(X, verbose=0))


def test_a_sequential_without_a_shape(tmp_path):
    model = cb.Sequential([cb.layers.Dense(2), cb.layers.ReLU()])
    with pytest.warns(UserWarning, match="is saved without weights"):
        model.save(tmp_path / "m.keras")
    assert not keras.models.load_model(tmp_path / "m.keras").built
    assert not cb.models.load_model(tmp_path / "m.keras").built


def test_what_stands_in_the_archive(tmp_path):
    stack(cb, OPTIMIZERS["adam"]).save(tmp_path / "m.keras")
    with zipfile.ZipFile(tmp_path / "m.keras") as archive:
        assert sorted(archive.namelist()) == ["config.json", "metadata.json", "model.weights.h5"]
        assert json.loads(archive.read("metadata.json"))["keras_version"].startswith("3.")
    editor = keras.saving.KerasFileEditor(str(tmp_path / "m.keras"))
    assert "dense" in editor.weights_dict["layers"]


def test_extras(tmp_path):
    cb.saving.save_model(stack(cb), tmp_path / "m.keras", extras={"note": "of Tuesday"})
    assert cb.saving.load_extras(tmp_path / "m.keras") == {"note": "of Tuesday"}
    keras.models.load_model(tmp_path / "m.keras")
    stack(keras).save(tmp_path / "n.keras")
    assert cb.saving.load_extras(tmp_path / "n.keras") == {}


@pytest.mark.parametrize("act", [cb.Model.save, cb.Model.save_weights])
def test_without_h5py(tmp_path, monkeypatch, act):
    monkeypatch.setitem(sys.modules, "h5py", None)
    name = "m.keras" if act is cb.Model.save else "m.weights.h5"
    with pytest.raises(ImportError, match=r'pip install "cbackprop\[h5\]"'):
        act(stack(cb), tmp_path / name)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_an_old_file_survives_a_failure(tmp_path, monkeypatch, step):
    model = stack(cb)
    for act, name in ((model.save, "m.keras"), (model.save_weights, "m.weights.h5")):
        path = tmp_path / name
        act(path)
        before = path.read_bytes()

        def full(*_):
            raise OSError(28, "No space left on device")

        with monkeypatch.context() as patched:
            patched.setattr(os, step, full)
            with pytest.raises(OSError, match="No space left"):
                act(path)
        assert path.read_bytes() == before
    assert sorted(os.listdir(tmp_path)) == ["m.keras", "m.weights.h5"]


def test_permissions_are_those_of_any_file(tmp_path, monkeypatch):
    """The process's mask is looked at by nobody: another thread's files would get it."""
    monkeypatch.setattr(os, "umask", lambda mask: pytest.fail("the mask of the process was changed"))
    model = stack(cb)
    (tmp_path / "plain").touch()
    for name in ("m.keras", "m.safetensors"):
        model.save(tmp_path / name)
        assert stat.S_IMODE(os.stat(tmp_path / name).st_mode) == stat.S_IMODE(os.stat(tmp_path / "plain").st_mode)
        os.chmod(tmp_path / name, 0o640)
        model.save(tmp_path / name)
        assert stat.S_IMODE(os.stat(tmp_path / name).st_mode) == 0o640


def edit_notes(path, change):
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    metadata = json.loads(parts["metadata.json"])
    change(metadata["cbackprop"])
    parts["metadata.json"] = json.dumps(metadata).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)


BAD_NOTES = {
    "newer": (lambda n: n.update(format=999), "made by a newer version"),
    "no format": (lambda n: n.update(format="x"), "is damaged: the state of training in it"),
    "no state": (lambda n: n.update(state=[]), "is damaged: the state of training in it"),
    "no arrays": (lambda n: n.update(arrays=3), "is damaged: the state of training in it"),
    "missing array": (lambda n: n["arrays"].update({"optimizer/0/m": "nowhere"}), "does not fit the optimizer"),
    "other array": (lambda n: n["arrays"].update({"optimizer/0/m": "optimizer/vars/0"}), "instead of float32"),
    "extras": (lambda n: n.update(extras=[1]), None),
    "training": (lambda n: n.update(training="{"), "the model cannot be compiled with the arguments in it"),
    "streams": (lambda n: n["state"].update(streams=[1, 2, 3]), "layers with random numbers"),
}


@pytest.mark.parametrize("name", BAD_NOTES)
def test_damaged_notes(tmp_path, name):
    change, message = BAD_NOTES[name]
    model = stack(cb, OPTIMIZERS["adam"])
    train(model)
    model.save(tmp_path / "m.keras")
    edit_notes(tmp_path / "m.keras", change)
    if message is None:
        with pytest.raises(ValueError, match="its extras are not texts"):
            cb.saving.load_extras(tmp_path / "m.keras")
    else:
        with pytest.raises(ValueError, match=message):
            cb.models.load_model(tmp_path / "m.keras")


def test_any_bytes_changed(tmp_path):
    """Refused as it should be, or read."""
    model = stack(cb, OPTIMIZERS["adam"])
    train(model)
    model.save(tmp_path / "m.keras")
    model.save_weights(tmp_path / "m.weights.h5")
    rng = np.random.default_rng(0)
    for name in ["m.keras", "m.weights.h5"] * 60:
        content = bytearray((tmp_path / name).read_bytes())
        for _ in range(rng.integers(1, 6)):
            content[rng.integers(len(content))] = rng.integers(256)
        (tmp_path / "bad").write_bytes(content[: rng.integers(len(content)) if rng.integers(3) == 0 else None])
        for load in (model.load_weights, cb.models.load_model, cb.saving.load_extras):
            try:
                load(tmp_path / "bad")
            except ValueError as error:
                assert str(error)  # noqa: PT017 - any of them will do


def test_objects_to_skip(tmp_path):
    model = stack(cb)
    model.save_weights(tmp_path / "m.weights.h5", objects_to_skip=[model.layers[0]])
    with h5py.File(tmp_path / "m.weights.h5") as file:
        assert "layers/dense" not in file
        assert "layers/dense_1" in file
    other = stack(cb)
    other.set_weights([np.zeros_like(w) for w in other.get_weights()])
    with pytest.raises(ValueError, match="holds no weights at 'layers/dense'"):
        other.load_weights(tmp_path / "m.weights.h5")
    other.load_weights(tmp_path / "m.weights.h5", objects_to_skip=[other.layers[0]])
    assert not other.layers[0].get_weights()[0].any()
    np.testing.assert_array_equal(other.get_weights()[-1], model.get_weights()[-1])
    theirs = stack(keras)
    theirs.load_weights(tmp_path / "m.weights.h5", objects_to_skip=[theirs.layers[0]])
    np.testing.assert_array_equal(theirs.get_weights()[-1], model.get_weights()[-1])
