"""Training that diverges: the History comes back, one warning says when, and such weights can be kept and given on."""

import copy
import math
import pickle
import re
import warnings

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import cbackprop as cb
from cbackprop import callbacks, layers, losses, metrics

X, Y = np.linspace(-1, 1, 30).reshape(10, 3), np.linspace(0, 1, 10).reshape(10, 1)
BOTH = pytest.mark.parametrize(
    ("engine", "dtype"), [(e, d) for e in ("compiled", "reference") for d in ("float32", "float64")]
)


def small(rate=1e30, engine="compiled", dtype="float32", optimizer=None):
    model = cb.Sequential(
        [cb.Input((3,), dtype=dtype), layers.Dense(4, "relu", dtype=dtype), layers.Dense(1, dtype=dtype)]
    )
    model.compile(optimizer or cb.optimizers.SGD(rate), "mse", metrics=["mae"], engine=engine)
    return model


def diverged(*args, **kwargs):
    model = small(*args, **kwargs)
    with pytest.warns(RuntimeWarning, match="diverged"):
        model.fit(X, Y, batch_size=2, epochs=9, verbose=0)
    assert not all(np.isfinite(w).all() for w in model.get_weights())
    return model


def same(a, b):
    for one, other in zip(a.get_weights(), b.get_weights(), strict=True):
        assert_array_equal(one, other)


@BOTH
def test_the_history_comes_back_with_one_warning(engine, dtype):
    model = small(1e200 if dtype == "float64" else 1e30, engine, dtype)
    stop = callbacks.EarlyStopping("loss", patience=2, restore_best_weights=True)
    with pytest.warns(
        RuntimeWarning, match=r"loss became (nan|inf) in epoch \d.* The learning rate .* clipnorm"
    ) as found:
        history = model.fit(X, Y, batch_size=2, epochs=9, callbacks=[stop], verbose=0)
    assert len(found) == 1
    assert found[0].filename == __file__
    assert len(history.history["loss"]) == len(history.epoch) >= 1
    with pytest.warns(RuntimeWarning) as again:  # once a fit, not once a process
        model.fit(X, Y, epochs=3, verbose=0)
    assert len(again) == 1
    assert "The weights held NaN or infinity before" in str(again[0].message)


def test_the_step_is_named_where_batches_are_watched():
    watch = callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: None)
    with pytest.warns(RuntimeWarning, match=r"loss became (nan|inf) in epoch 1, step \d\.") as found:
        small().fit(X, Y, batch_size=2, epochs=3, callbacks=[watch], verbose=0)
    assert len(found) == 1
    assert found[0].filename == __file__


def test_weights_that_the_last_step_spoils():
    with pytest.warns(RuntimeWarning, match="weights became NaN or infinite in epoch 1"):
        history = small(1e38, optimizer=cb.optimizers.SGD(3e38)).fit(X * 1e3, Y, batch_size=10, verbose=0)
    assert math.isfinite(history.history["loss"][0])


def table_of_words():
    model = cb.Sequential(
        [cb.Input((2,)), layers.Embedding(200, 5), layers.Flatten(), layers.Dense(1, trainable=False)]
    )
    model.compile(cb.optimizers.SGD(1e38), cb.losses.MeanSquaredError(reduction="sum"))
    return model


@pytest.mark.parametrize("engine", ["compiled", "reference"])
def test_rows_of_a_table_that_the_last_step_spoils(engine):
    model = table_of_words()
    model.compile(cb.optimizers.SGD(1e38), cb.losses.MeanSquaredError(reduction="sum"), engine=engine)
    with pytest.warns(RuntimeWarning, match="diverged: weights became NaN or infinite in epoch 1"):
        model.fit([[3, 4]], [[100.0]], verbose=0)


def test_a_large_table_is_not_looked_through(monkeypatch):
    """It would take longer than the steps of a short run."""
    sizes = []
    monkeypatch.setattr("cbackprop.engine.engine.FEW_NUMBERS", 0)
    for module in ("cbackprop.engine.engine", "cbackprop.models.divergence"):
        monkeypatch.setattr(f"{module}.is_finite", lambda array: sizes.append(array.size) or True)
    model = table_of_words()
    model.compile("sgd", "mse")
    model.layers[-1].trainable = True
    model.compile("sgd", "mse")
    model.fit([[3, 4], [5, 6]], [[1.0], [2.0]], batch_size=1, verbose=0)
    assert sorted(sizes) == [1, 10, 10]  # at the end; before, the values of initializers are known to be finite
    sizes.clear()
    model.fit([[3, 4], [5, 6]], [[1.0], [2.0]], batch_size=1, verbose=0)
    assert sorted(sizes) == [1, 1, 10, 10, 10]


def test_a_validation_loss_alone():
    with pytest.warns(RuntimeWarning, match="val_loss became inf in epoch 1"):
        small(0.0).fit(X, Y, validation_data=(X * 1e25, Y), verbose=0)


def test_no_warning_without_reason():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        small(0.01).fit(X, Y, validation_data=(X, Y), verbose=0)


@BOTH
def test_such_weights_travel(engine, dtype, tmp_path):
    model = diverged(
        1e200 if dtype == "float64" else 1e30, engine, dtype, cb.optimizers.Adam(1e200 if dtype == "float64" else 1e38)
    )
    model.set_weights(model.get_weights())
    other = small(1, engine, dtype, cb.optimizers.Adam())
    other.set_weights(model.get_weights())
    same(model, other)
    clone = cb.models.clone_model(model)
    clone.set_weights(model.get_weights())
    same(model, clone)
    same(model, copy.deepcopy(model))
    same(model, pickle.loads(pickle.dumps(model)))
    model.save(tmp_path / "m.safetensors")
    loaded = cb.models.load_model(tmp_path / "m.safetensors")
    same(model, loaded)
    for key, value in model.optimizer.state(model.variables).items():
        assert_array_equal(value, loaded.optimizer.state(loaded.variables)[key])
    model.save_weights(tmp_path / "w.safetensors")
    other = small(1, engine, dtype, cb.optimizers.Adam())
    other.load_weights(tmp_path / "w.safetensors")
    same(model, other)
    assert np.isnan(model.predict(X, verbose=0)).any()
    assert not math.isfinite(model.evaluate(X, Y, verbose=0)[0])


def test_state_dicts_may_hold_nan():
    model = cb.Sequential([cb.Input((2,)), layers.Dense(1)])
    model.load_weights({"0.weight": [[np.nan, np.inf]], "0.bias": [0.0]})
    assert_array_equal(model.get_weights()[0], [[np.nan], [np.inf]])


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_initializers_may_not(bad):
    with pytest.raises(ValueError, match=r"NaN or infinity|not finite|must be finite"):
        cb.Sequential(
            [cb.Input((2,)), layers.Dense(1, kernel_initializer=lambda shape, dtype=None: np.full(shape, bad))]
        )


def test_a_number_too_large_for_float32_is_refused():
    variable = small().weights[0]
    before = variable.numpy()
    with pytest.raises(ValueError, match=r"is float32, which cannot hold .*1e\+300"):
        variable.assign(np.full(variable.shape, 1e300))
    assert_array_equal(variable.numpy(), before)


def test_checkpoints_and_backups_of_such_weights(tmp_path):
    model = small()
    save = callbacks.ModelCheckpoint(tmp_path / "{epoch}.safetensors")
    backup = callbacks.BackupAndRestore(tmp_path / "backup", delete_checkpoint=False)
    with pytest.warns(RuntimeWarning, match="diverged"):
        model.fit(X, Y, batch_size=2, epochs=4, callbacks=[save, backup], verbose=0)
    same(cb.models.load_model(tmp_path / "4.safetensors"), model)
    resumed = small()
    with pytest.warns(RuntimeWarning, match="The weights held NaN"):
        resumed.fit(X, Y, batch_size=2, epochs=5, callbacks=[backup], verbose=0)


def script(values):
    """A callback that puts scripted values into the logs, ahead of others in the list."""
    return callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: logs.update(val_loss=values[epoch]))


def test_a_number_is_better_than_nan(tmp_path):
    values = [np.nan, np.nan, 2.0, 1.0]
    model = small(0.01)
    stop = callbacks.EarlyStopping(patience=3, restore_best_weights=True)
    save = callbacks.ModelCheckpoint(tmp_path / "{epoch}", save_best_only=True)
    reduce = callbacks.ReduceLROnPlateau(patience=3)
    model.fit(X, Y, epochs=4, callbacks=[script(values), stop, save, reduce], verbose=0)
    assert (stop.best, stop.best_epoch, save.best, reduce.best) == (1.0, 3, 1.0, 1.0)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["3", "4"]
    assert model.optimizer.learning_rate == 0.01


@pytest.mark.parametrize("mode", ["min", "max"])
@pytest.mark.parametrize("kind", [callbacks.EarlyStopping, callbacks.ReduceLROnPlateau])
def test_comparisons_with_nan(kind, mode):
    callback = kind("loss", mode=mode)
    assert callback.is_improvement(0.5, math.nan)
    assert not callback.is_improvement(math.nan, 0.5)
    assert not callback.is_improvement(math.nan, None)
    assert not callback.is_improvement(math.nan, math.nan)


def test_numbers_of_a_divergence_are_short(capsys):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        small(1e5).fit(X, Y, batch_size=2, epochs=3, verbose=2)
        small(1e5).evaluate(X * 1e10, Y, verbose=2)
    out = capsys.readouterr().out
    assert re.search(r"loss: \d\.\d\de\+\d\d", out)
    assert not re.search(r"\d{9}", out)


def test_small_numbers_keep_their_digits(capsys):
    small(0.0).evaluate(X, small(0.0).predict(X, verbose=0), verbose=2)
    model = small(0.0)
    model.evaluate(X, model.predict(X, verbose=0) + 1e-3, verbose=2)
    assert re.search(r"loss: 1\.0e-06 - mae: (0\.0010|1\.0e-03|9\.9+e-04)", capsys.readouterr().out)


def test_tensorboard_of_such_weights(tmp_path):
    board = callbacks.TensorBoard(tmp_path, histogram_freq=1)
    with pytest.warns(RuntimeWarning, match="diverged"):
        assert len(small().fit(X, Y, batch_size=2, epochs=3, callbacks=[board], verbose=0).epoch) == 3


def judged(kind, cls, engine, dtype, bias):
    """The value of a loss or metric for predictions with these numbers added; ``None`` if it takes other data."""
    for y in (np.eye(2)[np.arange(10) % 2], np.arange(10) % 2, Y):
        model = cb.Sequential([cb.Input((3,), dtype=dtype), layers.Dense(2, dtype=dtype)])
        try:
            given = {"loss": cls()} if kind == "loss" else {"loss": "mse", "metrics": [cls()]}
            model.compile("sgd", engine=engine, **given)
            model.set_weights([np.ones((3, 2)), np.array(bias)])
            result = model.evaluate(X, y, verbose=0)
        except (TypeError, ValueError):
            continue
        return np.asarray(result if kind == "loss" else result[1])
    return None


PLACES = pytest.mark.parametrize("places", [(1, 1), (1, 0), (0, 1)])


@BOTH
@PLACES
def test_losses_of_nan_are_nan(engine, dtype, places):
    bias = np.where(places, np.nan, 0.0)
    found = {
        cls.__name__: judged("loss", cls, engine, dtype, bias) for _, cls in losses.registry if isinstance(cls, type)
    }
    seen = {name: value for name, value in found.items() if value is not None}
    assert len(seen) >= 23
    assert {name for name, value in seen.items() if np.isfinite(value)} == set()


@PLACES
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_metrics_of_such_predictions_are_those_of_the_twin(value, dtype, places):
    bias, compared = [value if place else 0.0 for place in places], 0
    for _, cls in metrics.registry:
        one, other = (judged("metric", cls, engine, dtype, bias) for engine in ("compiled", "reference"))
        if one is not None:
            compared += 1
            np.testing.assert_allclose(one, other, rtol=1e-5, err_msg=cls.__name__)
    assert compared > 30


class Squares(cb.regularizers.Regularizer):
    """A penalty of the user's own."""

    def __call__(self, x):
        return float((x**2).sum())

    def gradient(self, x):
        return 2 * x


def own_loss(y_true, y_pred):
    error = y_pred - y_true
    return (error**2).mean(axis=-1), 2 * error / error.shape[-1]


OWN = {
    "loss": {},
    "regularizer": {"kernel_regularizer": Squares()},
    "orthogonal": {"kernel_regularizer": cb.regularizers.OrthogonalRegularizer()},
    "activity": {"activity_regularizer": Squares()},
    "constraint": {"kernel_constraint": lambda w: w * 1.0},
    "norm": {"kernel_constraint": "max_norm"},
}


@pytest.mark.parametrize("engine", ["compiled", "reference"])
@pytest.mark.parametrize("name", OWN)
def test_what_is_ones_own_may_be_nan_when_weights_are(name, engine):
    model = cb.Sequential([cb.Input((3,)), layers.Dense(4, **OWN[name]), layers.Dense(1)])
    model.compile(cb.optimizers.SGD(1e30), own_loss if name == "loss" else "mse", engine=engine)
    with pytest.warns(RuntimeWarning, match="diverged") as found:
        assert len(model.fit(X, Y, batch_size=5, epochs=4, verbose=0).epoch) == 4
    assert len([one for one in found if "diverged" in str(one.message)]) == 1


def test_what_is_ones_own_must_be_finite_otherwise():
    model = cb.Sequential([cb.Input((3,)), layers.Dense(1)])
    model.compile("sgd", lambda y_true, y_pred: (np.full(len(y_pred), np.nan), y_pred * 0))
    with pytest.raises(ValueError, match=r"value of the loss .* is NaN or infinite"):
        model.fit(X, Y, verbose=0)
