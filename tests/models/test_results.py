"""compute_loss, metrics and settings of a model outside of a run, and their messages."""

import families
import loss_cases
import numpy as np
import pytest

import cbackprop as cb
from cbackprop import callbacks, layers

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(12, 3)), RNG.normal(size=(12, 1))
ENGINES = pytest.mark.parametrize("engine", ["compiled", "reference"])


def small(engine="compiled", **settings):
    model = cb.Sequential([cb.Input((3,)), layers.Dense(4, "tanh", kernel_regularizer="l2"), layers.Dense(1)])
    model.compile("sgd", "mse", engine=engine, **({"metrics": ["mae"], "weighted_metrics": ["mse"]} | settings))
    return model


def two(loss, metrics=None, engine="compiled"):
    x = cb.Input((3,))
    model = cb.Model(x, [layers.Dense(1, name="a")(x), layers.Dense(2, name="b")(x)])
    model.compile("sgd", loss, loss_weights=[0.5, 2.0], metrics=metrics, engine=engine)
    return model


@ENGINES
def test_compute_loss_is_that_of_evaluate(engine):
    model, weights = small(engine), RNG.uniform(0.5, 2, 12)
    expected = model.evaluate(X, Y, sample_weight=weights, return_dict=True, verbose=0)["loss"]
    found = model.compute_loss(X, Y, model.predict(X, verbose=0), weights)
    assert type(found) is float
    assert found == pytest.approx(expected, rel=1e-5)
    assert found > model.compute_loss(y=Y, y_pred=model.predict(X, verbose=0), sample_weight=weights * 0.9)
    several = two(["mse", "mae"], engine=engine)
    y = [Y, RNG.normal(size=(12, 2))]
    expected = several.evaluate(X, y, verbose=0)[0]
    assert several.compute_loss(X, y, several.predict(X, verbose=0)) == pytest.approx(expected, rel=1e-5)
    alone = two({"a": "mse"})
    assert alone.compute_loss(y=[Y, None], y_pred=alone.predict(X, verbose=0)) == pytest.approx(
        alone.evaluate(X, [Y, None], verbose=0), rel=1e-5
    )


@pytest.mark.parametrize("name", families.classes(cb.losses.registry))
def test_compute_loss_of_every_loss(name):
    loss, last = loss_cases.objective_for(name, "linear")
    model = cb.Sequential([cb.Input((3,)), *loss_cases.last_layers(loss, last)])
    model.compile("sgd", loss)
    y = loss_cases.targets_for(loss, (12, *model.output_shape[1:]), RNG)
    expected = model.evaluate(X, y, verbose=0)
    assert model.compute_loss(X, y, model.predict(X, verbose=0)) == pytest.approx(expected, rel=1e-4, abs=1e-5)


@ENGINES
def test_metrics_results(engine):
    model = small(engine)
    assert model.get_metrics_result() == {"loss": 0.0, "mae": 0.0, "mse": 0.0}
    history = model.fit(X, Y, epochs=2, verbose=0).history
    assert model.get_metrics_result() == {name: values[-1] for name, values in history.items()}
    results = model.evaluate(X, Y, return_dict=True, verbose=0)
    assert model.get_metrics_result() == results
    model.reset_metrics()
    assert set(model.get_metrics_result().values()) == {0.0}
    weights = RNG.uniform(0.5, 2, 12)
    found = model.compute_metrics(X, Y, model.predict(X, verbose=0), weights)
    expected = model.evaluate(X, Y, sample_weight=weights, return_dict=True, verbose=0)
    assert {k: v for k, v in found.items() if k != "loss"} == pytest.approx(
        {k: v for k, v in expected.items() if k != "loss"}, rel=1e-5
    )


def test_reset_within_an_epoch():
    """If a callback resets the means, they are the means of the batches after it."""
    seen = []

    def reset(batch, logs):
        if batch == 1:
            model.reset_metrics()

    model = small(metrics=None, weighted_metrics=None)
    model.optimizer.learning_rate = 0.0
    watch = callbacks.LambdaCallback(
        on_train_batch_end=reset, on_epoch_end=lambda epoch, logs: seen.append(logs["loss"])
    )
    model.fit(X, Y, batch_size=3, shuffle=False, callbacks=[watch], verbose=0)
    assert seen[0] == pytest.approx(model.evaluate(X[6:], Y[6:], verbose=0), rel=1e-5)


def test_before_compile_and_without_a_shape():
    model = cb.Sequential([layers.Dense(1)])
    for act in (lambda: model.compute_loss(y=Y, y_pred=Y), lambda: model.get_metrics_result()):
        with pytest.raises(RuntimeError, match="Call compile before"):
            act()
    model.compile("sgd", "mse")
    with pytest.raises(RuntimeError, match="has no shape yet, which compute_loss needs"):
        model.compute_loss(y=Y, y_pred=Y)
    model.reset_metrics()
    with pytest.raises(ValueError, match="y_pred is missing"):
        small().compute_loss(X, Y)


def test_compile_configs():
    model = small()
    config = model.get_compile_config()
    other = cb.Sequential.from_config(model.get_config())
    assert other.get_compile_config() == {}
    other.compile_from_config(config)
    assert other.get_compile_config() == config
    assert (other.metrics_names, other.optimizer.get_config()) == (model.metrics_names, model.optimizer.get_config())
    with pytest.raises((TypeError, ValueError), match="Unknown loss 'nothing'"):
        other.compile_from_config(config | {"loss": "nothing"})
    with pytest.raises((TypeError, ValueError), match="arguments of compile"):
        other.compile_from_config(3)
    assert other.get_compile_config() == config
    assert (model.run_eagerly, model.steps_per_execution, model.jit_compile) == (False, 1, "auto")


def test_logs_of_outputs_without_a_loss():
    """As in Keras: where one output has a loss, the total says it all."""
    y = [Y, RNG.normal(size=(12, 2))]
    for loss, metrics, names in [
        (["mse", None], None, ["loss"]),
        (["mse", None], [["mae"], ["mae"]], ["a_mae", "b_mae", "loss"]),
        (["mse", "mse"], None, ["a_loss", "b_loss", "loss"]),
        ({"b": "mse"}, {"a": ["mae"]}, ["a_mae", "loss"]),
    ]:
        model = two(loss, metrics)
        assert sorted(model.fit(X, y, verbose=0).history) == names
        assert sorted(model.metrics_names) == names
        assert sorted(model.evaluate(X, y, return_dict=True, verbose=0)) == names


def batches(number):
    for _ in range(number):
        yield X, Y


def test_data_that_runs_out_is_called_by_its_name():
    model = small()
    with pytest.warns(
        UserWarning, match="interrupting validation. Make sure that validation_data can .* `validation_st"
    ) as w:
        history = model.fit(X, Y, epochs=2, validation_data=batches(3), validation_steps=2, verbose=0).history
    assert len(history["val_loss"]) == 2
    with pytest.warns(UserWarning, match=r"interrupting evaluation. .* `steps` batches") as v:
        model.evaluate(batches(1), steps=3, verbose=0)
    with pytest.warns(UserWarning, match=r"interrupting prediction. .* `steps` batches") as u:
        model.predict(batches(1), steps=3, verbose=0)
    with pytest.warns(UserWarning, match="interrupting training. .* `steps_per_epoch \\* epochs` batches") as t:
        model.fit(batches(1), epochs=2, steps_per_epoch=3, verbose=0)
    assert {one[0].filename for one in (w, v, u, t)} == {__file__}
    with pytest.raises(ValueError, match="validation_data yields no batches"):
        model.fit(X, Y, validation_data=batches(0), verbose=0)


def wrong_batches():
    yield X, Y
    yield X[:, :2], Y


def test_a_bad_batch_of_the_validation_data_is_called_so():
    with pytest.raises(ValueError, match="x must have shape") as caught:
        small().fit(X, Y, validation_data=wrong_batches(), verbose=0)
    assert any("batch 1 of validation_data" in note for note in caught.value.__notes__)


@pytest.mark.parametrize("act", [lambda m: m.fit(X, Y, epoch=2), lambda m: m.compile(optimiser="sgd")])
def test_a_misspelt_argument_is_the_models(act):
    with pytest.raises(TypeError, match=r"^Model\.(fit|compile)\(\) got an unexpected keyword argument"):
        act(small())


@pytest.mark.parametrize("act", ["fit", "evaluate", "predict"])
def test_steps_without_data(act):
    arguments = {"fit": {"steps_per_epoch": 2}, "evaluate": {"steps": 2}, "predict": {"x": None, "steps": 2}}[act]
    with pytest.raises(ValueError, match="x is missing"):
        getattr(small(), act)(**arguments, verbose=0)


@pytest.mark.parametrize("where", ["on_train_begin", "on_epoch_begin"])
@pytest.mark.parametrize("watched", [False, True])
def test_asked_to_stop_before_the_first_step_fit_takes_one(where, watched):
    def stop(*_):
        model.stop_training = True

    model = small()
    moments = {where: stop} | ({"on_train_batch_end": lambda batch, logs: None} if watched else {})
    history = model.fit(X, Y, batch_size=3, epochs=3, callbacks=[callbacks.LambdaCallback(**moments)], verbose=0)
    assert (history.epoch, model.optimizer.iterations) == ([0], 1)


def test_functions_of_ones_own_in_a_lambda_callback():
    callback = callbacks.LambdaCallback(foo=lambda: 3, bar=4)
    assert (callback.foo(), callback.bar) == (3, 4)
    with pytest.raises(TypeError, match=r"no method 'on_epoch_edn'. Did you mean 'on_epoch_end'"):
        callbacks.LambdaCallback(on_epoch_edn=print)
    with pytest.raises(TypeError, match="on_epoch_end must be callable"):
        callbacks.LambdaCallback(on_epoch_end=3)


class Numbered(cb.utils.PyDataset):
    def __getitem__(self, index):
        return X + index, Y


class Four(Numbered):
    def __len__(self):
        return 4


def test_queues_without_a_size_and_datasets_without_a_length():
    assert len(small().fit(Four(max_queue_size=0), epochs=2, verbose=0).epoch) == 2
    with pytest.raises(ValueError, match="max_queue_size must be at least 0"):
        Four(max_queue_size=-1)
    assert [float(x[0, 0] - X[0, 0]) for x, _ in (b for _, b in zip(range(6), Numbered(), strict=False))][
        -1
    ] == pytest.approx(5)


@ENGINES
def test_two_fits_at_once_have_their_own_logs(engine):
    """In two threads that take turns at every batch."""
    import threading

    def run(results, key, begin):
        meet = threading.Barrier(2) if key is None else barrier
        watch = callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: key is not None and meet.wait(20))
        rows = slice(begin, begin + 6)
        results[begin] = model.fit(X[rows], Y[rows], batch_size=2, epochs=3, callbacks=[watch], verbose=0).history

    model = small(engine)
    model.optimizer.learning_rate = 0.0
    alone, together = {}, {}
    for begin in (0, 6):
        run(alone, None, begin)
    barrier = threading.Barrier(2)
    threads = [threading.Thread(target=run, args=(together, 1, begin)) for begin in (0, 6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for begin in (0, 6):
        assert set(together[begin]) == set(alone[begin])
        for name in alone[begin]:
            assert together[begin][name] == pytest.approx(alone[begin][name], rel=1e-5)


def test_one_array_for_the_only_output_with_a_loss():
    for loss in (["mse", None], {"a": "mse"}):
        model = two(loss)
        assert model.evaluate(X, Y, verbose=0) == model.evaluate(X, [Y, None], verbose=0)
        model.fit(X, Y, verbose=0)
    with pytest.raises(ValueError, match="y must be a list or dict of 2 arrays"):
        two(["mse", "mse"]).fit(X, Y, verbose=0)
