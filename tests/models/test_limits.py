"""config.set_max_epochs and set_max_steps_per_epoch: the limits of all runs, to try a script out."""

import numpy as np
import pytest

import cbackprop as cb
from cbackprop import callbacks, layers

X, Y = np.ones((40, 3)), np.zeros((40, 1))
ENGINES = pytest.mark.parametrize("engine", ["compiled", "reference"])


@pytest.fixture(autouse=True)
def no_limits_left():
    yield
    cb.config.set_max_epochs(None)
    cb.config.set_max_steps_per_epoch(None)


def small(engine="compiled", optimizer="sgd"):
    model = cb.Sequential([cb.Input((3,)), layers.Dense(1)])
    model.compile(optimizer, "mse", engine=engine)
    return model


@ENGINES
def test_fit(engine):
    model = small(engine)
    cb.config.set_max_epochs(2)
    cb.config.set_max_steps_per_epoch(3)
    assert (cb.config.max_epochs(), cb.config.max_steps_per_epoch()) == (2, 3)
    with pytest.warns(UserWarning, match="Limiting") as told:
        history = model.fit(X, Y, batch_size=4, epochs=4, verbose=0)
    assert [str(warning.message) for warning in told] == [
        "Limiting epochs to 2, as config.set_max_epochs says.",
        "Limiting steps_per_epoch to 3, as config.set_max_steps_per_epoch says.",
    ]
    assert {warning.filename for warning in told} == {__file__}
    assert history.epoch == [0, 1]
    assert history.params["epochs"] == 2
    assert history.params["steps"] == 3
    assert model.optimizer.iterations == 6


@ENGINES
def test_evaluate_predict_and_validation(engine):
    model, counts = small(engine), []
    count = callbacks.LambdaCallback(on_train_begin=lambda logs: None)
    count.on_test_batch_end = lambda batch, logs=None: counts.append(batch)
    cb.config.set_max_steps_per_epoch(2)
    with pytest.warns(UserWarning, match="Limiting steps to 2"):
        model.evaluate(X, Y, batch_size=4, callbacks=[count], verbose=0)
    assert counts == [0, 1]
    with pytest.warns(UserWarning, match="Limiting steps to 2"):
        assert len(model.predict(X, batch_size=4, verbose=0)) == 8
    counts.clear()
    with pytest.warns(UserWarning, match="Limiting validation_steps to 2"):
        model.fit(X, Y, batch_size=4, validation_data=(X, Y), callbacks=[count], verbose=0)
    assert counts == [0, 1]
    assert len(model.predict_on_batch(X)) == len(model(X)) == 40


def test_smaller_numbers_stand(recwarn):
    model = small()
    cb.config.set_max_epochs(3)
    cb.config.set_max_steps_per_epoch(5)
    model.fit(X, Y, batch_size=4, epochs=3, steps_per_epoch=5, verbose=0)
    model.fit(X, Y, batch_size=4, epochs=1, steps_per_epoch=2, verbose=0)
    assert model.optimizer.iterations == 17
    assert not recwarn.list


def test_without_a_batch_size_arrays_are_divided_into_as_many():
    model = small()
    cb.config.set_max_steps_per_epoch(3)
    with pytest.warns(UserWarning, match="Limiting"):
        assert len(model.predict(X, verbose=0)) == 40


def test_an_optimizer_of_all_samples_takes_its_one_step():
    model = small(optimizer=cb.optimizers.LBFGS())
    cb.config.set_max_steps_per_epoch(3)
    model.fit(X, Y, verbose=0)
    assert model.optimizer.iterations == 1


@pytest.mark.parametrize("name", ["max_epochs", "max_steps_per_epoch"])
@pytest.mark.parametrize(("value", "error"), [(0, ValueError), (-2, ValueError), (1.5, TypeError), ("all", TypeError)])
def test_mistakes(name, value, error):
    with pytest.raises(error, match=f"{name} must be"):
        getattr(cb.config, f"set_{name}")(value)
    assert getattr(cb.config, name)() is None
