"""Models within models: deep, in circles, and many times over; and names that come twice."""

import copy
import pickle

import numpy as np
import pytest

import cbackprop as cb
from cbackprop import layers
from cbackprop.plan import plan

X = np.ones((4, 3))


def sequential(inner):
    return cb.Sequential([cb.Input((3,)), inner])


def functional(inner):
    x = cb.Input((3,))
    return cb.Model(x, inner(x))


def nested(wrap, depth):
    model = wrap(layers.Dense(3))
    for _ in range(depth):
        model = wrap(model)
    return model


@pytest.mark.parametrize("wrap", [sequential, functional])
def test_the_deepest_models_work_everywhere(wrap, tmp_path):
    model = nested(wrap, 32)
    model.compile("sgd", "mse")
    model.fit(X, X, verbose=0)
    model.summary(print_fn=lambda text: None)
    model.save(tmp_path / "m")
    expected = model.predict(X, verbose=0)
    copies = [copy.deepcopy(model), pickle.loads(pickle.dumps(model)), cb.models.load_model(tmp_path / "m")]
    for again in [*copies, cb.models.clone_model(model)]:
        again.set_weights(model.get_weights())
        np.testing.assert_array_equal(again.predict(X, verbose=0), expected)


@pytest.mark.parametrize("wrap", [sequential, functional])
def test_deeper_ones_are_refused(wrap):
    with pytest.raises(ValueError, match="Models can be nested 32 deep at most"):
        nested(wrap, 33)


def test_no_model_holds_itself():
    a, b, c = (cb.Sequential(name=name) for name in "abc")
    a.add(b)
    b.add(c)
    for inner in (a, b, c):
        with pytest.raises(ValueError, match="Model 'c' cannot be a layer of itself, nor of a model within it"):
            c.add(inner)
    c.add(layers.Dense(2))
    assert a.predict(X, verbose=0).shape == (4, 2)


def test_models_that_unfold_without_end_are_refused(monkeypatch):
    assert plan.MOST_STEPS > 50_000
    monkeypatch.setattr(plan, "MOST_STEPS", 1000)
    x = cb.Input((3,))
    model = cb.Model(x, layers.Dense(3)(x))
    for _ in range(30):
        x = cb.Input((3,))
        model = cb.Model(x, model(model(x)))
    with pytest.raises(ValueError, match="unfolds into more than 1000 calls"):
        model.predict(X, verbose=0)


def test_a_chain_of_a_thousand_layers_is_ready_soon():
    model = cb.Sequential([cb.Input((3,)), *(layers.Dense(3) for _ in range(1000))])
    model.compile("sgd", "mse")
    assert len(model.fit(X, X, verbose=0).epoch) == 1


@pytest.mark.parametrize("name", ["a/b", "a b", "\0", "\n", "é" * 300, "..", "/etc/passwd", "%s{}", "__class__"])
def test_names_of_any_text(name, tmp_path):
    model = cb.Sequential([cb.Input((3,)), layers.Dense(3, name=name)], name=name)
    model.compile("sgd", "mse", metrics=["mae"])
    model.fit(X, X, verbose=0)
    model.summary(print_fn=lambda text: None)
    model.save(tmp_path / "m")
    again = cb.models.load_model(tmp_path / "m")
    assert (again.name, again.layers[0].name) == (name, name)
    np.testing.assert_array_equal(again.predict(X, verbose=0), model.predict(X, verbose=0))


@pytest.mark.parametrize("wrap", [sequential, functional])
def test_names(wrap):
    with pytest.raises(ValueError, match="name must be text that can be written as UTF-8"):
        layers.Dense(3, name="\ud800")
    stack = cb.Sequential([cb.Input((3,)), layers.Dense(3, name="a"), layers.Dense(3, name="b")])
    model = wrap(stack)
    for name in (3, None, "", b"b"):
        with pytest.raises(TypeError, match="name must be a string"):
            stack.layers[0].name = name
    stack.layers[0].name = "b"
    with pytest.raises(ValueError, match="need different names, but 'b' is used more than once"):
        model.get_config()
    stack.layers[0].name = "c"
    assert type(model).from_config(model.get_config()).layers[-1].layers[0].name == "c"
