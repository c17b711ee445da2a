"""fit, evaluate, predict and the single-batch methods."""

import numpy as np
import pytest

import cbackprop as cb
from cbackprop import layers

ENGINES = ["compiled", "reference"]


def small(engine="compiled", loss="mse", metrics=("mae",), optimizer="sgd", units=2):
    model = cb.Sequential([cb.Input((3,)), layers.Dense(4, activation="tanh"), layers.Dense(units)])
    model.compile(optimizer, loss, metrics=list(metrics), engine=engine)
    return model


@pytest.fixture
def data(rng):
    return rng.normal(size=(20, 3)), rng.normal(size=(20, 2))


@pytest.mark.parametrize("engine", ENGINES)
def test_one_step_is_the_seed_by_hand(engine):
    """z = w x + b, a = tanh(z), loss = (a - y)^2, and w - rate dL/dw, written out."""
    cb.config.set_floatx("float64")
    model = cb.Sequential([cb.Input((2,)), layers.Dense(1, activation="tanh")])
    model.compile(cb.optimizers.SGD(0.1), "mse", engine=engine)
    w, b = np.array([[0.3], [-0.2]]), np.array([0.1])
    model.set_weights([w, b])
    x, y = np.array([[1.0, 2.0], [0.5, -1.0]]), np.array([[0.7], [-0.4]])
    a = np.tanh(x @ w + b)
    delta = 2 * (a - y) / 2 * (1 - a**2)
    assert model.train_on_batch(x, y) == pytest.approx(float(((a - y) ** 2).mean()), rel=1e-14)
    np.testing.assert_allclose(model.get_weights()[0], w - 0.1 * x.T @ delta, rtol=1e-14)
    np.testing.assert_allclose(model.get_weights()[1], b - 0.1 * delta.sum(axis=0), rtol=1e-14)


def test_history_and_loss_goes_down(data):
    history = small(optimizer="adam").fit(*data, epochs=30, verbose=0)
    assert list(history.history) == ["loss", "mae"]
    assert history.epoch == list(range(30))
    assert history.history["loss"][-1] < history.history["loss"][0]


@pytest.mark.parametrize("engine", ENGINES)
def test_loss_of_an_epoch_is_the_mean_over_samples(engine, data):
    """A last batch that is smaller counts less; the weights do not move at rate 0."""
    model = small(engine, optimizer=cb.optimizers.SGD(0.0))
    history = model.fit(*data, batch_size=7, verbose=0)
    prediction = model.predict(data[0], verbose=0)
    assert history.history["loss"][0] == pytest.approx(np.mean((prediction - data[1]) ** 2), rel=1e-5)
    assert history.history["mae"][0] == pytest.approx(np.mean(np.abs(prediction - data[1])), rel=1e-5)
    assert model.evaluate(*data, batch_size=3, verbose=0) == pytest.approx(
        [history.history["loss"][0], history.history["mae"][0]], rel=1e-5
    )


def test_same_seed_same_bits(data):
    def run():
        cb.utils.set_random_seed(11)
        model = cb.Sequential([layers.Dense(8, activation="relu"), layers.Dropout(0.5), layers.Dense(2)])
        model.compile("adam", "mse")
        model.fit(*data, epochs=3, verbose=0)
        return model.get_weights()

    for a, b in zip(run(), run(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_shuffle_changes_the_order_and_only_that(data):
    results = []
    for shuffle in (False, False, True):
        cb.utils.set_random_seed(1)
        model = small(optimizer=cb.optimizers.SGD(0.1))
        model.fit(*data, batch_size=4, shuffle=shuffle, verbose=0)
        results.append(model.get_weights()[0])
    np.testing.assert_array_equal(results[0], results[1])
    assert np.abs(results[0] - results[2]).max() > 1e-6


def test_batches_in_order_equal_train_on_batch(data):
    x, y = data
    a, b = small(), small()
    b.set_weights(a.get_weights())
    a.fit(x, y, batch_size=8, shuffle=False, verbose=0)
    for start in range(0, 20, 8):
        b.train_on_batch(x[start : start + 8], y[start : start + 8])
    for left, right in zip(a.get_weights(), b.get_weights(), strict=True):
        np.testing.assert_array_equal(left, right)


def test_validation_split_takes_the_last_samples(data):
    x, y = data
    a, b = small(), small()
    b.set_weights(a.get_weights())
    first = a.fit(x, y, validation_split=0.25, shuffle=False, verbose=0).history
    second = b.fit(x[:15], y[:15], validation_data=(x[15:], y[15:]), shuffle=False, verbose=0).history
    assert list(first) == ["loss", "mae", "val_loss", "val_mae"]
    assert first == second
    np.testing.assert_allclose(first["val_loss"][0], a.evaluate(x[15:], y[15:], verbose=0)[0], rtol=1e-6)


def test_validation_freq_and_steps(data):
    model = small()
    history = model.fit(*data, epochs=4, validation_data=data, validation_freq=2, verbose=0)
    assert len(history.history["val_loss"]) == 2
    history = model.fit(*data, epochs=4, validation_data=data, validation_freq=[1, 4], verbose=0)
    assert len(history.history["val_loss"]) == 2
    part = model.fit(*data, batch_size=5, validation_data=data, validation_steps=2, verbose=0).history["val_loss"][-1]
    assert part == pytest.approx(model.evaluate(data[0][:10], data[1][:10], verbose=0)[0], rel=1e-6)


def test_validation_steps_cut_what_was_split_off(data):
    model = small(optimizer=cb.optimizers.SGD(0.0))
    history = model.fit(*data, batch_size=2, validation_split=0.5, validation_steps=2, verbose=0).history
    assert history["val_loss"][0] == pytest.approx(model.evaluate(data[0][10:14], data[1][10:14], verbose=0)[0])


def test_steps_without_a_batch_size_take_all_samples(data):
    model = small(optimizer=cb.optimizers.SGD(0.0))
    x, y = np.repeat(data[0], 5, axis=0), np.repeat(data[1], 5, axis=0)
    assert model.predict(x, steps=2, verbose=0).shape == (100, 2)
    assert model.evaluate(x, y, steps=1, verbose=0) == pytest.approx(model.evaluate(x, y, verbose=0), rel=1e-6)
    model.fit(x, y, steps_per_epoch=4, verbose=0)
    assert model.optimizer.iterations == 4


def test_batches_are_numbered_through_an_epoch(data):
    seen = []
    watch = cb.callbacks.LambdaCallback(on_train_batch_begin=lambda batch, logs=None: seen.append(batch))
    small().fit(*data, batch_size=8, epochs=2, callbacks=[watch], verbose=0)
    assert seen == [0, 1, 2, 0, 1, 2]


def test_what_a_callback_adds_to_the_logs_is_recorded(data):
    class Rate(cb.callbacks.Callback):
        def on_train_begin(self, logs=None):
            assert logs == {}

        def on_epoch_end(self, epoch, logs=None):
            logs["rate"] = self.model.optimizer.learning_rate

    assert small().fit(*data, callbacks=[Rate()], verbose=0).history["rate"] == [0.01]


@pytest.mark.parametrize("engine", ENGINES)
def test_predictions_in_training_mode_draw_anew(engine):
    model = cb.Sequential([cb.Input((50,)), layers.Dropout(0.5)])
    model.compile("sgd", "mse", engine=engine)
    x = np.ones((2, 50))
    draws = {model(x, training=True).tobytes() for _ in range(20)}
    assert len(draws) == 20
    assert {model(x).tobytes() for _ in range(3)} == {np.ones((2, 50), np.float32).tobytes()}


def test_a_feature_extractor_cut_out_of_a_model(data):
    model = small()
    features = cb.Model(model.input, model.get_layer(index=0).output)
    np.testing.assert_allclose(
        features.predict(data[0], verbose=0), np.tanh(data[0] @ model.get_weights()[0]), rtol=1e-4, atol=1e-6
    )
    assert model.output is model.outputs[0]


@pytest.mark.parametrize("engine", ENGINES)
def test_sample_weight(engine, data):
    x, y = data
    weights = np.linspace(0, 2, 20)
    model = small(engine, optimizer=cb.optimizers.SGD(0.0))
    history = model.fit(x, y, sample_weight=weights, verbose=0).history
    prediction = model.predict(x, verbose=0)
    assert history["loss"][0] == pytest.approx((((prediction - y) ** 2).mean(axis=1) * weights).mean(), rel=1e-5)
    assert history["mae"][0] == pytest.approx(np.abs(prediction - y).mean(), rel=1e-5)
    model.compile(cb.optimizers.SGD(0.0), "mse", weighted_metrics=["mae"], engine=engine)
    history = model.fit(x, y, sample_weight=weights, verbose=0).history
    expected = (np.abs(prediction - y).mean(axis=1) * weights).sum() / weights.sum()
    assert history["mae"][0] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("engine", ENGINES)
def test_several_inputs_and_outputs(engine, rng):
    a, b = cb.Input((3,), name="a"), cb.Input((2,), name="b")
    h = layers.Concatenate()([a, b])
    outputs = {"value": layers.Dense(1, name="v")(h), "kind": layers.Dense(3, activation="softmax", name="k")(h)}
    model = cb.Model({"a": a, "b": b}, outputs)
    model.compile(
        "adam",
        {"value": "mse", "kind": "sparse_categorical_crossentropy"},
        loss_weights={"value": 0.5},
        metrics={"kind": ["accuracy"], "value": "mae"},
        engine=engine,
    )
    x = {"a": rng.normal(size=(12, 3)), "b": rng.normal(size=(12, 2))}
    y = {"value": rng.normal(size=12), "kind": rng.integers(3, size=12)}
    history = model.fit(x, y, epochs=2, verbose=0).history
    assert sorted(history) == ["kind_accuracy", "kind_loss", "loss", "value_loss", "value_mae"]
    results = model.evaluate(x, y, verbose=0, return_dict=True)
    assert results["loss"] == pytest.approx(results["kind_loss"] + 0.5 * results["value_loss"], rel=1e-6)
    assert model.evaluate(x, y, verbose=0) == [results[name] for name in model.metrics_names]
    prediction = model.predict(x, verbose=0)
    assert list(prediction) == ["value", "kind"]
    assert prediction["value"].shape == (12, 1)
    np.testing.assert_allclose(prediction["kind"].sum(axis=1), 1, rtol=1e-6)
    listed = model.predict([x["a"], x["b"]], verbose=0)
    np.testing.assert_array_equal(listed["kind"], prediction["kind"])


def test_an_output_without_loss_does_not_train(rng):
    x = cb.Input((3,))
    first, second = layers.Dense(1, name="first"), layers.Dense(1, name="second")
    model = cb.Model(x, [first(x), second(x)])
    model.compile("sgd", ["mse", None])
    before = second.get_weights()
    data = rng.normal(size=(8, 3))
    model.fit(data, [data[:, :1], data[:, :1]], verbose=0)
    np.testing.assert_array_equal(second.get_weights()[0], before[0])
    assert not np.array_equal(first.get_weights()[1], np.zeros(1))
    loss = model.evaluate(data, [data[:, :1], None], verbose=0)
    assert model.evaluate(data, {"first": data[:, :1]}, verbose=0) == loss
    assert model.evaluate(data, {"first": data[:, :1], "second": data[:, :1]}, verbose=0) == loss
    before = model.get_weights()
    for wrong in ["second"], ["first", "third"], []:
        with pytest.raises(ValueError, match=r"y must have the keys \['first'\], and may have \['second'\], but got"):
            model.fit(data, dict.fromkeys(wrong, data[:, :1]), verbose=0)
    for weights, was in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weights, was)


def test_predict_does_not_depend_on_batch_size(rng):
    model = small()
    x = rng.normal(size=(1000, 3))
    whole = model.predict(x, verbose=0)
    for size in (1, 7, 1000, 5000):
        np.testing.assert_array_equal(model.predict(x, batch_size=size, verbose=0), whole)
    np.testing.assert_array_equal(model(x), whole)
    np.testing.assert_allclose(model.predict_on_batch(x[:5]), whole[:5], rtol=1e-6)
    np.testing.assert_allclose(model.predict(x, batch_size=10, steps=2, verbose=0), whole[:20], rtol=1e-6)


@pytest.mark.parametrize("engine", ["compiled", "reference"])
def test_layers_that_need_a_batch_get_it_in_predictions(engine, rng):
    """As large as it was asked for; `predict_on_batch` and a call make one batch of all samples."""
    sizes = []

    class Watch(layers.Layer):
        def call(self, inputs):
            sizes.append(len(inputs))
            return inputs - inputs.mean(axis=0)

        def backward(self, inputs, outputs, delta):
            return delta - delta.mean(axis=0)

    given = cb.Input((3,))
    models = [cb.Model(given, Watch()(given)), cb.Model(given, layers.BatchNormalization()(given, training=True))]
    formulas = (lambda x: x - x.mean(0), lambda x: (x - x.mean(0)) / np.sqrt(x.var(0) + 1e-3))
    for model, make in zip(models, formulas, strict=True):
        model.compile("sgd", "mse", engine=engine)
        for rows in (70, 20, 5):  # of which the last could take the short way
            x = rng.normal(size=(rows, 3)).astype("float32")
            for size in (3, 32, 100):
                sizes.clear()
                expected = np.concatenate([make(x[i : i + size]) for i in range(0, rows, size)])
                found = model.predict(x, batch_size=size, verbose=0)
                np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
                assert sizes in ([], [len(x[i : i + size]) for i in range(0, rows, size)])
            np.testing.assert_array_equal(model.predict(x, verbose=0), model.predict(x, 32, verbose=0))
            for found in model(x), model.predict_on_batch(x):
                np.testing.assert_allclose(found, make(x), rtol=1e-4, atol=1e-5)


def test_predict_before_compile(rng):
    model = cb.Sequential([layers.Dense(2)])
    assert model.predict(rng.normal(size=(4, 3)), verbose=0).shape == (4, 2)


def test_dropout_only_trains(rng):
    model = cb.Sequential([cb.Input((50,)), layers.Dropout(0.5)])
    x = np.ones((4, 50))
    np.testing.assert_array_equal(model.predict(x, verbose=0), x)
    np.testing.assert_array_equal(model(x), x)
    assert set(np.unique(model(x, training=True))) == {0.0, 2.0}


def test_test_on_batch_changes_nothing(data):
    model = small()
    before = model.get_weights()
    loss, mae = model.test_on_batch(*data)
    assert (loss, mae) == pytest.approx(model.evaluate(*data, verbose=0))
    assert model.test_on_batch(*data, return_dict=True) == pytest.approx({"loss": loss, "mae": mae})
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_learning_rate_can_change_at_any_time(data):
    model = small(optimizer=cb.optimizers.SGD(0.1))
    model.train_on_batch(*data)
    before = model.get_weights()
    model.optimizer.learning_rate = 0.0
    model.train_on_batch(*data)
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert model.optimizer.iterations == 2


def test_trainable_is_read_when_compiled(data):
    model = small()
    hidden = model.layers[0]
    hidden.trainable = False
    before = hidden.get_weights()
    model.fit(*data, verbose=0)
    assert not np.array_equal(hidden.get_weights()[0], before[0])
    model.compile("sgd", "mse")
    before = hidden.get_weights()
    model.fit(*data, verbose=0)
    np.testing.assert_array_equal(hidden.get_weights()[0], before[0])
    assert len(model.trainable_weights) == 2
    model.trainable = False
    assert model.trainable_weights == []


def test_compile_again_keeps_the_weights(data):
    model = small()
    model.fit(*data, verbose=0)
    weights = model.get_weights()
    model.compile("adam", "mae")
    for a, b in zip(weights, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_optimizer_remembers_when_its_model_is_joined_to_another(rng):
    """Sharing a layer moves the weights to a new vector; momenta must follow."""
    x, y = rng.normal(size=(8, 3)), rng.normal(size=(8, 2))

    def run(join):
        cb.utils.set_random_seed(2)
        model = small(optimizer=cb.optimizers.Adam(0.05))
        model.train_on_batch(x, y)
        if join:
            other = cb.Model(model.inputs, layers.Dense(1)(model.layers[0].output))
            other.predict(x, verbose=0)
        for _ in range(3):
            model.train_on_batch(x, y)
        return model.get_weights()

    for a, b in zip(run(False), run(True), strict=True):
        np.testing.assert_array_equal(a, b)


def test_stop_training(data):
    class Stop(cb.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            self.model.stop_training = epoch == 1

    assert len(small().fit(*data, epochs=9, callbacks=[Stop()], verbose=0).epoch) == 2


def test_batch_callbacks_see_every_batch_and_change_nothing(data):
    batches = []
    watch = cb.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: batches.append((batch, logs["loss"])))
    results = []
    for callbacks in (None, [watch]):
        cb.utils.set_random_seed(1)
        model = small()
        model.fit(*data, batch_size=8, epochs=2, callbacks=callbacks, verbose=0)
        results.append(model.get_weights())
    assert [batch for batch, _ in batches] == [0, 1, 2, 0, 1, 2]
    for a, b in zip(*results, strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_callback_that_raises_stops_fit_after_a_whole_step(data):
    def fail(batch, logs):
        if batch == 1:
            raise OSError("disk full")

    model = small()
    with pytest.raises(OSError, match="disk full"):
        model.fit(*data, batch_size=4, callbacks=[cb.callbacks.LambdaCallback(on_train_batch_end=fail)], verbose=0)
    assert model.optimizer.iterations == 2
    model.fit(*data, verbose=0)


def test_initial_epoch(data):
    assert small().fit(*data, epochs=5, initial_epoch=3, verbose=0).epoch == [3, 4]
    assert small().fit(*data, epochs=2, initial_epoch=3, verbose=0).epoch == []


def test_data_of_many_kinds_is_the_same_data(rng):
    x, y = rng.integers(5, size=(10, 3)), rng.integers(2, size=10)
    results = []
    for kind in (
        np.asarray,
        np.float32,
        np.asfortranarray,
        lambda a: a.tolist(),
        lambda a: np.repeat(a, 2, axis=0)[::2],
    ):
        cb.utils.set_random_seed(1)
        model = cb.Sequential([layers.Dense(2, activation="softmax")])
        model.compile("sgd", "sparse_categorical_crossentropy")
        model.fit(kind(x), kind(y), verbose=0)
        results.append(model.get_weights()[0])
    for result in results[1:]:
        np.testing.assert_array_equal(result, results[0])


@pytest.mark.parametrize("engine", ENGINES)
def test_looking_on_from_a_callback_leaves_the_epoch_alone(engine, data):
    """Evaluating, predicting or taking gradients between batches must not mix with the means of the epoch."""
    results = []
    for busy in (False, True):
        cb.utils.set_random_seed(3)
        model = small(engine)

        def look(batch, logs, model=model):
            model.evaluate(data[0] * 100, data[1], verbose=0)
            model.predict(data[0], verbose=0)
            model.gradients(*data)

        callbacks = [cb.callbacks.LambdaCallback(on_train_batch_end=look)] if busy else None
        results.append(model.fit(*data, batch_size=4, epochs=2, callbacks=callbacks, verbose=0).history)
    assert results[0] == results[1]


def test_fit_returns_its_own_history(data):
    model = small()
    inner = cb.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: model.fit(*data, verbose=0))
    assert len(model.fit(*data, epochs=3, callbacks=[inner], verbose=0).epoch) == 3


def test_what_callbacks_train_does_not_count_in_the_epoch(data):
    def run(*extra):
        cb.utils.set_random_seed(0)
        model = small(optimizer=cb.optimizers.SGD(0.0))
        return model, model.fit(*data, epochs=2, batch_size=2, shuffle=False, verbose=0, callbacks=list(extra)).history

    _, alone = run()
    for act in (lambda m: m.fit(data[0][:1], data[1][:1] + 9, verbose=0), lambda m: m.train_on_batch(*data)):
        model = None

        class Meddler(cb.callbacks.Callback):
            def on_train_batch_end(self, batch, logs=None):
                act(self.model)  # noqa: B023

        model, history = run(Meddler())
        assert history == alone
        assert model.optimizer.iterations > 2


@pytest.mark.parametrize("change", [lambda m: m.add(layers.Dense(1)), lambda m: m.pop()])
@pytest.mark.parametrize("hook", ["on_epoch_begin", "on_train_batch_end", "on_test_end", "on_train_end"])
def test_layers_cannot_change_while_fit_runs(hook, change, data):
    model = small()
    meddler = cb.callbacks.Callback()
    setattr(meddler, hook, lambda *_, **__: change(model))
    with pytest.raises(RuntimeError, match=r"fit is running on model .*: its layers cannot change"):
        model.fit(*data, validation_data=data, callbacks=[meddler], verbose=0)
    model.fit(*data, verbose=0)
    change(model)


def test_layers_added_after_compile_train(data):
    model = cb.Sequential([cb.Input((3,)), layers.Dense(4)])
    model.compile("sgd", "mse")
    model.add(layers.Dense(2))
    before = model.layers[1].get_weights()[0]
    model.fit(*data, verbose=0)
    assert not np.array_equal(model.layers[1].get_weights()[0], before)


@pytest.mark.parametrize("line", range(12))
def test_an_interrupt_while_weights_are_bound_leaves_a_model_that_trains(line, data, monkeypatch):
    """Whatever step of the binding is cut short, the next fit binds again."""
    from cbackprop.engine.compiled import CompiledEngine
    from cbackprop.optimizers.state import OptimizerState

    model = small()
    names = ["lay_out", "_bind_parameters", "segments", "view"]
    name, after = names[line % 4], line // 4
    owner = OptimizerState if name == "lay_out" else CompiledEngine
    original, calls = getattr(owner, name), []

    def interrupted(self, *args):
        calls.append(name)
        if len(calls) > after:
            raise KeyboardInterrupt
        return original(self, *args)

    monkeypatch.setattr(owner, name, interrupted)
    try:
        model.fit(*data, verbose=0)
    except KeyboardInterrupt:
        monkeypatch.setattr(owner, name, original)
    before = model.get_weights()[0]
    model.fit(*data, verbose=0)
    assert not np.array_equal(model.get_weights()[0], before)
