"""Files that Keras 3 wrote: the same predictions here, and one sentence about whatever cannot be read."""

import contextlib
import io
import json
import zipfile

import h5py
import keras
import numpy as np
import pytest
from keras_models import (
    CASES,
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


def save(model, folder):
    """As ``.keras``, and the weights alone, which are the same file within it."""
    model.save(folder / "m.keras")
    with zipfile.ZipFile(folder / "m.keras") as archive:
        (folder / "m.weights.h5").write_bytes(archive.read("model.weights.h5"))


@pytest.mark.parametrize(("name", "make", "shapes"), CASES)
def test_every_layer(tmp_path, rng, name, make, shapes):
    twin = keras_twin(make())
    ids = make().id_range is not None
    inputs = one_or_list([keras.Input(shape, dtype="int32" if ids else "float32") for shape in shapes])
    theirs = keras.Model(inputs, called(twin, inputs))
    randomize(theirs, rng)
    x = one_or_list(numbers(make(), shapes, rng))
    save(theirs, tmp_path)
    loaded = cb.models.load_model(tmp_path / "m.keras")
    assert names_of(loaded) == names_of(theirs)
    assert_same_predictions(loaded, theirs, x)
    for file in ("m.keras", "m.weights.h5"):
        copy = cb.models.clone_model(loaded)
        if copy.count_params():
            copy.set_weights([w + 1 for w in copy.get_weights()])
        copy.load_weights(tmp_path / file)
        assert_same_predictions(copy, theirs, x)


@pytest.mark.parametrize(("name", "make", "shapes"), CASES)
def test_the_config_of_every_layer(rng, name, make, shapes):
    """Straight from `get_config`, without a file."""
    twin = keras_twin(make())
    ids = make().id_range is not None
    inputs = [keras.Input(shape, dtype="int32" if ids else "float32") for shape in shapes]
    models = [keras.Model(one_or_list(inputs), called(twin, one_or_list(inputs)))]
    if len(inputs) == 1 and isinstance(twin, keras.layers.Layer):
        models.append(keras.Sequential([inputs[0], twin]))
    x = one_or_list(numbers(make(), shapes, rng))
    for theirs in models:
        randomize(theirs, rng)
        cls = cb.Sequential if isinstance(theirs, keras.Sequential) else cb.Model
        ours = cls.from_config(theirs.get_config())
        ours.set_weights([w for w in theirs.get_weights() if w.dtype != np.uint32])  # seeds are no weights here
        assert_same_predictions(ours, theirs, x)


@pytest.mark.parametrize("seed", range(16))
def test_random_graphs(tmp_path, rng, seed):
    """Shared layers, nested models, several inputs and outputs, compiled and trained."""
    theirs, losses = random_graph(keras, seed)
    randomize(theirs, rng)
    theirs.compile(keras.optimizers.Adam(keras.optimizers.schedules.ExponentialDecay(0.01, 10, 0.9)), losses)
    save(theirs, tmp_path)
    ours = cb.models.load_model(tmp_path / "m.keras")
    x = one_or_list(numbers(cb.layers.Add(), [tensor.shape[1:] for tensor in theirs.inputs], rng))
    assert_same_predictions(ours, theirs, x)
    assert ours.optimizer.get_config()["learning_rate"]["config"]["decay_steps"] == 10
    described, _ = random_graph(cb, seed)
    for same in (described, cb.Model.from_config(theirs.get_config())):
        same.load_weights(tmp_path / "m.weights.h5")
        assert_same_predictions(same, theirs, x)


def stack(library, *units, last="Dense"):
    """A plain stack of Dense, without an Input."""
    model = library.Sequential([*[library.layers.Dense(n, "tanh") for n in units], getattr(library.layers, last)(2)])
    model.build((None, 4))
    return model


@pytest.mark.parametrize("crossing", [False, True])
def test_structures_of_inputs_and_outputs(tmp_path, rng, crossing):
    theirs, ours = structured(keras, crossing), structured(cb, crossing)
    randomize(theirs, rng)
    save(theirs, tmp_path)
    ours.load_weights(tmp_path / "m.keras")
    models = [ours, cb.models.load_model(tmp_path / "m.keras")]
    assert models[1].count_params() == ours.count_params()  # what both have is one layer
    data = {name: rng.normal(size=(6, 3)).astype("float32") for name in "xy"}
    expected = theirs(data)
    for model in models:
        found = model.predict(data, verbose=0)
        assert sorted(found) == ["first", "second"]
        for name, array in found.items():
            np.testing.assert_allclose(array, expected[name].detach().numpy(), rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", OPERATORS)
def test_operators(tmp_path, rng, name):
    theirs, ours = operated(keras, OPERATORS[name]), operated(cb, OPERATORS[name])
    randomize(theirs, rng)
    save(theirs, tmp_path)
    ours.load_weights(tmp_path / "m.weights.h5")
    x = [rng.normal(size=(6, 5, 3)).astype("float32") for _ in range(2)]
    for model in (ours, cb.models.load_model(tmp_path / "m.keras")):
        assert_same_predictions(model, theirs, x)


NO_LAYER = {
    "number to a power": (lambda x, y: 2**x, "operation 'power.*' is Power of 2, a tensor, for which"),
    "number by a tensor": (lambda x, y: 2 / x, "operation 'true_divide.*' is TrueDivide of 2, a tensor, for which"),
    "array": (lambda x, y: x * np.ones(3, "float32"), "operation 'multiply.*' is Multiply of a tensor, "),
    "ranks": (lambda x, y: x + y[:, 0], "operation 'add.*' combines tensors of different ranks"),
    "new axis": (lambda x, y: x[None, None, None], "key must take the whole batch"),
    "unknown": (lambda x, y: keras.ops.sin(x), r"unknown here: Sin \(an operation on tensors\)"),
}


@pytest.mark.parametrize("name", NO_LAYER)
def test_operators_that_are_no_layers(tmp_path, name):
    function, message = NO_LAYER[name]
    x, y = keras.Input((3, 3)), keras.Input((3, 3))
    save(keras.Model([x, y], function(x, y)), tmp_path)
    with pytest.raises(ValueError, match=message):
        cb.models.load_model(tmp_path / "m.keras")


def test_seeds_of_dropout_are_no_weights(tmp_path, rng):
    """TensorFlow and JAX write the state of their random numbers, PyTorch does not."""
    theirs = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3), keras.layers.Dropout(0.5)])
    save(theirs, tmp_path)
    with h5py.File(tmp_path / "m.weights.h5", "a") as file:
        file["layers/dropout/seed_generator/vars/0"] = np.array([1, 2], "uint32")
    ours = cb.Sequential([cb.Input((4,)), cb.layers.Dense(3), cb.layers.Dropout(0.5)])
    ours.load_weights(tmp_path / "m.weights.h5")
    assert_same_predictions(ours, theirs, rng.normal(size=(6, 4)).astype("float32"))


def test_compiled_as_keras_says(tmp_path):
    theirs = stack(keras, 3)
    loss = keras.losses.MeanSquaredError(reduction="sum")
    theirs.compile(keras.optimizers.SGD(0.1, momentum=0.9, clipnorm=1.0), loss, metrics=["mae", keras.metrics.AUC()])
    save(theirs, tmp_path)
    ours = cb.models.load_model(tmp_path / "m.keras")
    assert (ours.optimizer.momentum, ours.optimizer.clipnorm) == (0.9, 1.0)
    assert ours.compile_settings()["loss"].reduction == "sum"
    assert len(ours.compile_settings()["metrics"]) == 2
    assert not cb.models.load_model(tmp_path / "m.keras", compile=False).compiled
    x, y = np.linspace(-1, 1, 20).reshape(5, 4), np.linspace(0, 1, 10).reshape(5, 2)
    for model in (ours, theirs):
        model.fit(x, y, shuffle=False, epochs=3, verbose=0)
    for a, b in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ["SGD", "Adam", "RMSprop", "Nadam", "Adafactor", "Muon", "Lion"])
@pytest.mark.filterwarnings("error:What .* remembers")
def test_an_optimizer_that_has_taken_no_step_remembers_nothing(tmp_path, name):
    theirs = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    theirs.compile(getattr(keras.optimizers, name)(0.125), "mse")
    theirs.save(tmp_path / "m.keras")
    ours = cb.models.load_model(tmp_path / "m.keras")
    assert type(ours.optimizer).__name__ == name
    assert ours.optimizer.iterations == 0
    assert ours.optimizer.learning_rate == 0.125
    theirs.optimizer.build(theirs.trainable_variables)
    theirs.save(tmp_path / "m.keras")
    assert cb.models.load_model(tmp_path / "m.keras").optimizer.iterations == 0


def test_a_loss_that_only_keras_knows_is_left_out_with_a_warning(tmp_path):
    theirs = stack(keras)
    theirs.compile("sgd", lambda y, p: (y - p) ** 2)
    save(theirs, tmp_path)
    with pytest.warns(UserWarning, match="the arguments in the file cannot be used"):
        assert not cb.models.load_model(tmp_path / "m.keras").compiled


# Mistakes: what is done to a folder with a good file, and what is said about it.


def edit_archive(folder, change):
    """Write the archive anew after `change` of its parts."""
    with zipfile.ZipFile(folder / "m.keras") as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    change(parts)
    with zipfile.ZipFile(folder / "m.keras", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)


def edit_config(folder, change):
    def edit(parts):
        config = json.loads(parts["config.json"])
        change(config)
        parts["config.json"] = json.dumps(config).encode()

    edit_archive(folder, edit)


def edit_weights(folder, change):
    def edit(parts):
        content = io.BytesIO(parts["model.weights.h5"])
        with h5py.File(content, "a") as file:
            change(file)
        parts["model.weights.h5"] = content.getvalue()

    edit_archive(folder, edit)


def elsewhere(file):
    del file["layers/dense/vars/0"]
    file["layers/dense/vars/0"] = h5py.ExternalLink("/etc/passwd", "/x")


def outside(file):
    del file["layers/dense/vars/0"]
    file.create_dataset("layers/dense/vars/0", (4, 3), "f4", external=[("/etc/passwd", 0, 48)])


def virtual(file):
    del file["layers/dense/vars/0"]
    layout = h5py.VirtualLayout((4, 3), "f4")
    layout[:] = h5py.VirtualSource("/tmp/other.h5", "x", (4, 3))
    file.create_virtual_dataset("layers/dense/vars/0", layout)


def replaced(name, value):
    def change(file):
        del file[name]
        if value is not None:
            file[name] = value

    return change


def first_layer(config):
    return config["config"]["layers"][1]


def layer_config(**values):
    return lambda folder: edit_config(folder, lambda config: first_layer(config)["config"].update(values))


def cut(folder):
    content = (folder / "m.keras").read_bytes()
    (folder / "m.keras").write_bytes(content[: len(content) // 2])


def huge(parts):
    parts["model.weights.h5"] = bytes(11_000_000)


BAD = {
    "cut": (cut, "is truncated or damaged"),
    "no config": (lambda f: edit_archive(f, lambda parts: parts.pop("config.json")), "has no 'config.json'"),
    "no weights": (lambda f: edit_archive(f, lambda parts: parts.pop("model.weights.h5")), "no 'model.weights.h5'"),
    "no json": (lambda f: edit_archive(f, lambda parts: parts.update({"config.json": b"{"})), "is not JSON"),
    "a list": (lambda f: edit_archive(f, lambda parts: parts.update({"config.json": b"[]"})), "is not a dict"),
    "bomb": (lambda f: edit_archive(f, huge), "would unpack to many times its size"),
    "no hdf5": (lambda f: edit_archive(f, lambda parts: parts.update({"model.weights.h5": b"no"})), "or damaged"),
    "torch": (lambda f: edit_archive(f, lambda parts: parts.update({"x/data.pkl": b""})), "a pickle"),
    "unknown": (lambda f: edit_config(f, lambda c: first_layer(c).update(class_name="Conv2D")), "here: Conv2D"),
    "argument": (layer_config(lora_rank=4), "Dense has lora_rank=4, an argument that is unknown here"),
    "bad argument": (layer_config(units=-1), "units must be at least 1"),
    "half floats": (layer_config(dtype={"class_name": "DTypePolicy", "config": {"name": "float16"}}), "float16"),
    "larger": (layer_config(units=10**9), "is larger than all that the file holds"),
    "link": (lambda f: edit_weights(f, elsewhere), r"\(4, 3\) and \(3,\), but .* holds a weight of shape \(3,\)"),
    "external": (lambda f: edit_weights(f, outside), "refers to another file"),
    "virtual": (lambda f: edit_weights(f, virtual), "refers to another file"),
    "shape": (
        lambda f: edit_weights(f, replaced("layers/dense/vars/0", np.ones((4, 9), "f4"))),
        r"Layer 'dense' \(Dense\) needs weights of shape \(4, 3\) and \(3,\), but .* \(4, 9\) and \(3,\)",
    ),
    "texts": (lambda f: edit_weights(f, replaced("layers/dense/vars/1", [b"a", b"b", b"c"])), "instead of numbers"),
    "too large": (
        lambda f: edit_weights(f, replaced("layers/dense/vars/1", np.full(3, 1e300))), "which cannot hold"
    ),
    "missing": (lambda f: edit_weights(f, replaced("layers/dense_1", None)), "holds no weights at 'layers/dense_1'"),
    "more": (
        lambda f: edit_weights(f, lambda file: file.create_dataset("layers/lstm/vars/0", (3,))),
        "holds weights at 'layers/lstm/vars/0', but the model has no layer for them",
    ),
    "no layers": (
        lambda f: edit_weights(f, lambda file: file.move("layers", "strata")), "but not one with weights of Keras 3"
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_bad_files(tmp_path, name):
    change, message = BAD[name]
    k = keras.layers
    theirs = keras.Sequential([keras.Input((4,)), k.Dense(3, "tanh", name="dense"), k.Dense(2, name="last")])
    save(theirs, tmp_path)
    change(tmp_path)
    with pytest.raises(ValueError, match=message):
        cb.models.load_model(tmp_path / "m.keras")


def test_any_bytes_changed(tmp_path):
    """Refused as it should be, or read."""
    theirs, ours = stack(keras, 3), stack(cb, 3)
    save(theirs, tmp_path)
    rng = np.random.default_rng(0)
    for name in ["m.keras", "m.weights.h5"] * 50:
        content = bytearray((tmp_path / name).read_bytes())
        for _ in range(rng.integers(1, 6)):
            content[rng.integers(len(content))] = rng.integers(256)
        (tmp_path / "bad").write_bytes(content[: rng.integers(len(content)) if rng.integers(3) == 0 else None])
        for load in (ours.load_weights, cb.models.load_model):
            with contextlib.suppress(ValueError):
                load(tmp_path / "bad")


def test_other_files(tmp_path):
    theirs, ours = stack(keras, 3), stack(cb, 3)
    before = ours.get_weights()
    save(stack(keras, 3, 3), tmp_path)
    with pytest.raises(ValueError, match="holds weights without a model"):
        cb.models.load_model(tmp_path / "m.weights.h5")
    with pytest.raises(ValueError, match=r"needs weights of shape \(3, 2\) and \(2,\), but .* \(3, 3\) and \(3,\)"):
        ours.load_weights(tmp_path / "m.weights.h5")
    with pytest.warns(UserWarning, match=r"are not (changed|used)") as warned:
        ours.load_weights(tmp_path / "m.weights.h5", skip_mismatch=True)
    assert len(warned) == 2
    np.testing.assert_array_equal(ours.get_weights()[2], before[2])
    assert not np.array_equal(ours.get_weights()[0], before[0])
    theirs.save(tmp_path / "old.h5")
    for load in (cb.models.load_model, ours.load_weights):
        with pytest.raises(ValueError, match="in Keras's older HDF5 format"):
            load(tmp_path / "old.h5")


def test_code_is_refused(tmp_path):
    theirs = keras.Sequential([keras.Input((4,)), keras.layers.Lambda(lambda x: x * 2, name="twice")])
    save(theirs, tmp_path)
    with pytest.raises(ValueError, match="its Lambda 'twice' holds code, which is never run"):
        cb.models.load_model(tmp_path / "m.keras", safe_mode=False)


class Scale(keras.layers.Layer):
    """A class of a user's own, in Keras."""

    def call(self, x):
        return 3 * x


def test_classes_of_ones_own(tmp_path):
    theirs = keras.Sequential([keras.Input((4,)), Scale()])
    save(theirs, tmp_path)
    with pytest.raises(ValueError, match=r"unknown here: .*Scale"):
        cb.models.load_model(tmp_path / "m.keras")

    class Mine(cb.layers.Layer):
        def call(self, inputs, training=False):
            return 3 * inputs

    ours = cb.models.load_model(tmp_path / "m.keras", custom_objects={"Scale": Mine})
    np.testing.assert_array_equal(ours.predict(np.ones((1, 4)), verbose=0), np.full((1, 4), 3))
