"""Models and weights in files and back: the same bits, also when training goes on."""

import os
import subprocess
import sys

import layer_cases
import loss_cases
import numpy as np
import pytest

import cbackprop as cb
from cbackprop import callbacks, layers

X, Y = np.linspace(-1, 1, 60).reshape(20, 3), np.linspace(0, 1, 20).reshape(20, 1)


def dropping(engine="compiled", optimizer="adam"):
    model = cb.Sequential([cb.Input((3,)), layers.Dense(8, "tanh"), layers.Dropout(0.3), layers.Dense(1)])
    model.compile(optimizer, "mse", metrics=["mae"], engine=engine)
    return model


def same_weights(a, b):
    for left, right in zip(a.get_weights(), b.get_weights(), strict=True):
        np.testing.assert_array_equal(left, right)


@pytest.mark.parametrize("name", ["m.safetensors", "m.h5", "m"])
def test_whole_models(tmp_path, name):
    model = dropping()
    model.fit(X, Y, epochs=2, verbose=0)
    model.save(tmp_path / name)
    same = cb.models.load_model(tmp_path / name)
    assert type(same) is cb.Sequential
    np.testing.assert_array_equal(same.predict(X, verbose=0), model.predict(X, verbose=0))
    assert same.evaluate(X, Y, verbose=0) == model.evaluate(X, Y, verbose=0)
    assert same.optimizer.iterations == model.optimizer.iterations
    assert os.listdir(tmp_path) == [name]


def test_a_graph_in_another_process(tmp_path):
    """Several inputs and outputs, a shared layer and a nested model, in float64."""
    cb.config.set_floatx("float64")
    a, b = cb.Input((3,), name="a"), cb.Input((3,), name="b")
    shared = cb.Sequential([cb.Input((3,)), layers.Dense(4, "relu"), layers.PReLU()])
    both = layers.Concatenate()([shared(a), shared(b)])
    model = cb.Model({"a": a, "b": b}, [layers.Dense(1, name="x")(both), layers.Dense(2, name="y")(both)])
    model.compile(cb.optimizers.SGD(0.1, momentum=0.9), {"x": "mse", "y": "mae"}, metrics={"y": ["mse"]})
    data = {"a": X, "b": X[::-1]}, [Y, np.hstack([Y, Y])]
    model.fit(*data, verbose=0)
    model.save(tmp_path / "m.safetensors")
    np.save(tmp_path / "x.npy", X)
    script = (
        "import sys, numpy as np, cbackprop as cb; folder = sys.argv[1]; x = np.load(folder + '/x.npy');"
        "model = cb.models.load_model(folder + '/m.safetensors');"
        "p = model.predict({'a': x, 'b': x[::-1]}, verbose=0);"
        "np.savez(folder + '/p.npz', *p)"
    )
    subprocess.run([sys.executable, "-P", "-c", script, str(tmp_path)], check=True, timeout=60)
    with np.load(tmp_path / "p.npz") as found:
        for array, expected in zip(found.values(), model.predict(data[0], verbose=0), strict=True):
            np.testing.assert_array_equal(array, expected)


@pytest.mark.parametrize("engine", ["compiled", "reference"])
def test_training_goes_on_to_the_same_bits_after_loading(tmp_path, engine):
    cb.utils.set_random_seed(5)
    model = dropping(engine)
    model.fit(X, Y, batch_size=3, epochs=2, verbose=0)
    model.save(tmp_path / "m.safetensors")
    model.fit(X, Y, batch_size=3, epochs=4, initial_epoch=2, verbose=0)
    cb.utils.set_random_seed(77)
    same = cb.models.load_model(tmp_path / "m.safetensors")
    same.fit(X, Y, batch_size=3, epochs=4, initial_epoch=2, verbose=0)
    same_weights(same, model)


class InterruptError(Exception):
    pass


def interrupt_at(epoch, batch=None):
    at = {}

    def begin(number, logs=None):
        at["epoch"] = number
        if batch is None and number == epoch:
            raise InterruptError

    def end(number, logs=None):
        if at["epoch"] == epoch and number == batch:
            raise InterruptError

    hooks = {"on_epoch_begin": begin} | ({"on_train_batch_end": end} if batch is not None else {})
    return callbacks.LambdaCallback(**hooks)


@pytest.mark.parametrize("steps", [None, 5])
@pytest.mark.parametrize(("frequency", "batch"), [("epoch", None), (2, 3), (1, 6), (4, 0)])
@pytest.mark.parametrize("engine", ["compiled", "reference"])
@pytest.mark.filterwarnings("ignore:Your input ran out")  # every other epoch of five steps has two
def test_an_interruption_changes_no_bit(tmp_path, engine, frequency, batch, steps):
    """A new model's dropout would draw other masks, but the backup restores the state of its random numbers."""
    if steps is not None and batch == 6:
        batch = 4
    arguments = {"batch_size": 3, "epochs": 4, "validation_data": (X, Y), "steps_per_epoch": steps, "verbose": 0}
    cb.utils.set_random_seed(5)
    whole = dropping(engine)
    start = whole.get_weights()
    state = cb.random.state()
    history = whole.fit(X, Y, **arguments).history
    cb.random.set_state(state)
    stream = whole.layers[1].stream

    first = dropping(engine)
    first.layers[1].stream = stream
    first.set_weights(start)
    cb.random.set_state(state)
    backup = tmp_path / "backup"
    broken = [callbacks.BackupAndRestore(backup, frequency), interrupt_at(2, batch)]
    with pytest.raises(InterruptError):
        first.fit(X, Y, **arguments, callbacks=broken)

    cb.utils.set_random_seed(1234)
    second = dropping(engine)
    second.predict(X, verbose=0)
    rest = second.fit(X, Y, **arguments, callbacks=[callbacks.BackupAndRestore(backup, frequency)])
    same_weights(second, whole)
    assert {name: values[-len(rest.epoch) :] for name, values in history.items()} == rest.history
    assert not backup.exists()


def test_a_damaged_backup_and_the_one_before_it(tmp_path):
    model = dropping()
    backup = callbacks.BackupAndRestore(tmp_path, double_checkpoint=True, delete_checkpoint=False)
    model.fit(X, Y, epochs=3, callbacks=[backup], verbose=0)
    assert sorted(os.listdir(tmp_path)) == ["latest.weights.h5", "latest.weights.h5.bkp"]
    (tmp_path / "latest.weights.h5").write_bytes(b"")
    assert dropping().fit(X, Y, epochs=4, callbacks=[backup], verbose=0).epoch == [2, 3]


def test_other_data_begin_the_epoch_anew(tmp_path):
    backup = callbacks.BackupAndRestore(tmp_path, 2)
    with pytest.raises(InterruptError):
        dropping().fit(X, Y, batch_size=3, epochs=3, callbacks=[backup, interrupt_at(1, 3)], verbose=0)
    with pytest.warns(UserWarning, match="epoch 2 starts over") as told:
        assert dropping().fit(X, Y, batch_size=5, epochs=3, callbacks=[backup], verbose=0).epoch == [1, 2]
    assert told[0].filename == __file__


@pytest.mark.parametrize("optimizer", ["sgd", "rmsprop", "adam", "adamw"])
def test_weights_bring_the_state_of_the_optimizer(tmp_path, optimizer):
    a, b = dropping(optimizer=optimizer), dropping(optimizer=optimizer)
    a.fit(X, Y, verbose=0)
    a.optimizer.learning_rate = 0.5
    a.save_weights(tmp_path / "w.safetensors")
    b.fit(X, Y, epochs=3, verbose=0)
    b.load_weights(tmp_path / "w.safetensors")
    assert (b.optimizer.iterations, b.optimizer.learning_rate) == (1, 0.5)
    b.layers[1].stream = a.layers[1].stream
    b.restart_engine()
    for model in (a, b):
        model.fit(X, Y, shuffle=False, verbose=0)
    same_weights(a, b)


def test_weights_of_another_optimizer_and_of_other_shapes(tmp_path):
    a, b = dropping(), dropping(optimizer="sgd")
    a.fit(X, Y, verbose=0)
    a.save_weights(tmp_path / "w")
    with pytest.warns(UserWarning, match="The state of Adam in .* is ignored: the optimizer is SGD"):
        b.load_weights(tmp_path / "w")
    same_weights(a, b)
    wide = cb.Sequential([cb.Input((3,)), layers.Dense(9), layers.Dense(1)])
    before = wide.get_weights()
    with pytest.raises(ValueError, match=r"of shape \(3, 8\), but .* has \(3, 9\)"):
        wide.load_weights(tmp_path / "w")
    np.testing.assert_array_equal(wide.get_weights()[0], before[0])
    with pytest.warns(UserWarning, match="It is not changed"):
        wide.load_weights(tmp_path / "w", skip_mismatch=True)
    np.testing.assert_array_equal(wide.get_weights()[0], before[0])
    with pytest.raises(ValueError, match="holds 4 weights, but the model has 2"):
        cb.Sequential([cb.Input((3,)), layers.Dense(8)]).load_weights(tmp_path / "w")


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_an_old_file_survives_a_failure(tmp_path, monkeypatch, step):
    model = dropping()
    model.save(tmp_path / "m.safetensors")
    before = (tmp_path / "m.safetensors").read_bytes()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, step, full)
    model.fit(X, Y, verbose=0)
    with pytest.raises(OSError, match="No space left"):
        model.save(tmp_path / "m.safetensors")
    assert (tmp_path / "m.safetensors").read_bytes() == before
    assert os.listdir(tmp_path) == ["m.safetensors"]


def test_overwriting_and_places_that_cannot_be(tmp_path):
    model = dropping()
    model.save(tmp_path / "m.safetensors")
    with pytest.raises(FileExistsError, match="overwrite is False"):
        model.save(tmp_path / "m.safetensors", overwrite=False)
    with pytest.raises(IsADirectoryError):
        model.save(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"There is no folder '.*nowhere' to write 'm.safetensors' into"):
        model.save(tmp_path / "nowhere" / "m.safetensors")
    with pytest.raises(FileNotFoundError, match="The name of a file is needed, but got ''"):
        model.save("")
    with pytest.raises(FileNotFoundError):
        cb.models.load_model(tmp_path / "nothing.safetensors")
    with pytest.raises(ValueError, match="has no weights yet"):
        cb.Sequential([layers.Dense(1)]).save_weights(tmp_path / "m.safetensors")
    model.save_weights(tmp_path / "w")
    with pytest.raises(ValueError, match="holds weights without a model"):
        cb.models.load_model(tmp_path / "w")


def test_loading_draws_nothing(tmp_path):
    model = cb.Sequential([cb.Input((3,)), layers.Dense(8)])
    model.save(tmp_path / "m")
    state = cb.random.state()
    assert not cb.models.load_model(tmp_path / "m").compiled
    assert cb.random.state() == state


class Wide(layers.Dense):
    """A layer of a user's own."""

    implementation = "dense.Dense"


def test_a_class_that_cannot_be_told_from_one_of_the_library(tmp_path):
    mine = type("Dense", (Wide,), {"__module__": __name__})
    with pytest.raises(ValueError, match="'Dense' is one, give it a name by @saving"):
        cb.Sequential([cb.Input((3,)), mine(2)]).save(tmp_path / "mine")
    assert not list(tmp_path.iterdir())


def test_custom_objects(tmp_path):
    @cb.saving.register_keras_serializable("tests")
    class Registered(layers.Dense):
        implementation = "dense.Dense"

    model = cb.Sequential([cb.Input((3,)), Registered(2)])
    model.save(tmp_path / "registered")
    assert type(cb.models.load_model(tmp_path / "registered").layers[0]) is Registered
    del cb.saving.get_custom_objects()["tests>Registered"]
    with pytest.raises(ValueError, match="Unknown layer 'Registered'"):
        cb.models.load_model(tmp_path / "registered")
    model = cb.Sequential([cb.Input((3,)), Wide(2)])
    model.save(tmp_path / "stranger")
    with pytest.raises(ValueError, match=r"Unknown layer 'Wide'\. If it is your own.*custom_objects=\{'Wide': "):
        cb.models.load_model(tmp_path / "stranger")
    loaded = cb.models.load_model(tmp_path / "stranger", custom_objects={"Wide": Wide})
    assert type(loaded.layers[0]) is Wide
    assert type(cb.models.clone_model(model).layers[0]) is Wide


def test_a_model_class_of_ones_own(tmp_path):
    class Own(cb.Model):
        pass

    x = cb.Input((3,))
    model = Own(x, layers.Dense(2)(x))
    model.save(tmp_path / "own")
    assert type(cb.models.load_model(tmp_path / "own", custom_objects={"Own": Own})) is Own
    assert type(cb.models.clone_model(model)) is Own
    model.compile("sgd", "mse")
    assert model.check_gradients(np.ones((2, 3)), np.ones((2, 2))).max_relative_error < 1e-6


def test_classes_known_by_a_scope(tmp_path):
    model = cb.Sequential([cb.Input((3,)), Wide(2)])
    with cb.saving.custom_object_scope({"Wide": Wide}):
        cb.Sequential([model]).save(tmp_path / "custom")
    loaded = cb.models.load_model(tmp_path / "custom", custom_objects={"Wide": Wide})
    assert type(loaded.layers[0].layers[0]) is Wide


def squares(y_true, y_pred):
    error = y_pred - y_true
    return (error**2).mean(axis=-1), 2 * error / error.shape[-1]


def distance(y_true, y_pred):
    return abs(y_true - y_pred)


class Squares(cb.losses.Loss):
    def __init__(self, factor=1.0, **kwargs):
        super().__init__(**kwargs)
        self.factor = factor

    def call(self, y_true, y_pred):
        value, gradient = squares(y_true, y_pred)
        return self.factor * value, self.factor * gradient


class Halving(cb.optimizers.schedules.LearningRateSchedule):
    def __call__(self, step):
        return 0.5 ** (1 + step)

    def get_config(self):
        return {}


@pytest.mark.parametrize(
    ("settings", "own"),
    [
        ({"loss": squares}, [squares]),
        ({"loss": Squares(2.0)}, [Squares]),
        ({"loss": "mse", "metrics": [distance, "mae"]}, [distance]),
        ({"loss": [squares], "metrics": {"y": [distance]}}, [squares, distance]),
        ({"loss": "mse", "optimizer": cb.optimizers.SGD(Halving())}, [Halving]),
    ],
)
def test_what_is_ones_own_in_compile(settings, own, tmp_path, recwarn):
    """Nothing is registered: the file has only names, and `custom_objects` has the objects."""
    path, x, y = tmp_path / "m.safetensors", np.ones((4, 3)), np.zeros((4, 2))
    model = cb.Sequential([cb.Input((3,)), layers.Dense(2, name="y")])
    model.compile(**{"optimizer": cb.optimizers.SGD(0.1), **settings})
    model.fit(x, y, verbose=0)
    model.save(path)
    assert not recwarn
    with pytest.warns(
        UserWarning, match=rf"(?s)not compiled.*Unknown .*'{own[0].__name__}'.*custom_objects.*compile the"
    ):
        assert not cb.models.load_model(path).compiled
    assert not cb.models.load_model(path, compile=False).compiled
    again = cb.models.load_model(path, custom_objects={thing.__name__: thing for thing in own})
    for _ in range(2):
        assert again.evaluate(x, y, verbose=0) == model.evaluate(x, y, verbose=0)
        assert again.metrics_names == model.metrics_names
        for one in (model, again):
            one.fit(x, y, verbose=0)


def test_functions_that_no_name_stands_for(tmp_path):
    def mean_squared_error(y_true, y_pred):
        return squares(y_true, y_pred)

    for function in (mean_squared_error, lambda y_true, y_pred: squares(y_true, y_pred)):
        model = cb.Sequential([cb.Input((3,)), layers.Dense(2)])
        model.compile("sgd", function)
        with pytest.warns(UserWarning, match="arguments of compile are not saved"):
            model.save(tmp_path / "m.safetensors")
        assert not cb.models.load_model(tmp_path / "m.safetensors").compiled


@pytest.mark.parametrize(
    ("make", "shapes"),
    layer_cases.EACH,
)
def test_every_layer_in_a_file(make, shapes, tmp_path, rng):
    """The same layers, weights of every shape, and predictions to the last bit."""
    model = layer_cases.around(make, shapes)
    model.set_weights([w + rng.uniform(0.1, 0.4, size=w.shape) for w in model.get_weights()])
    model.save(tmp_path / "m.safetensors")
    again = cb.models.load_model(tmp_path / "m.safetensors")
    assert again.get_config() == model.get_config()
    x, _ = loss_cases.data_for(model, 5, rng)
    np.testing.assert_array_equal(again.predict(x, verbose=0), model.predict(x, verbose=0))
    again.load_weights(tmp_path / "m.safetensors")
