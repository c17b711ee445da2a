"""Configs, copies and files of L-BFGS and Levenberg-Marquardt."""

import inspect
import json
import pickle

import numpy as np
import pytest
from second_order_models import CLASSES, EACH_CLASS, data, dense

import cbackprop as cb
from cbackprop import optimizers


@EACH_CLASS
def test_config(name):
    cls = CLASSES[name]
    text = inspect.getdoc(cls)
    for argument, parameter in inspect.signature(cls).parameters.items():
        assert f"{argument}" in text
        assert parameter.kind is parameter.POSITIONAL_OR_KEYWORD
    optimizer = cls(0.5, tolerance_change=1e-3, name="mine")
    again = optimizers.deserialize(json.loads(json.dumps(optimizers.serialize(optimizer))))
    assert type(again) is cls
    assert again.get_config() == optimizer.get_config()
    for identifier in (name, name.lower(), cls, cls()):
        assert type(optimizers.get(identifier)) is cls


@EACH_CLASS
def test_copies(name):
    x, y = data()
    model = dense()
    model.compile(CLASSES[name](), loss="mse")
    model.fit(x, y, epochs=4, verbose=0)
    copy = pickle.loads(pickle.dumps(model))
    assert copy.fit(x, y, epochs=4, verbose=0).history == model.fit(x, y, epochs=4, verbose=0).history


@pytest.mark.parametrize("kind", [cb.optimizers.LBFGS, cb.optimizers.LevenbergMarquardt])
def test_files_hold_what_the_search_remembers(kind, tmp_path, rng):
    x, y = rng.normal(size=(30, 3)), rng.normal(size=(30, 1))
    model = cb.Sequential([cb.Input((3,)), cb.layers.Dense(5, "tanh"), cb.layers.Dense(1)])
    model.compile(kind(), "mse")
    model.fit(x, y, epochs=4, verbose=0)
    model.save(tmp_path / "m.safetensors")
    loaded = cb.models.load_model(tmp_path / "m.safetensors")
    other = cb.models.clone_model(model)
    other.compile(kind(), "mse")
    other.load_weights(tmp_path / "m.safetensors")
    rest = [it.fit(x, y, epochs=4, verbose=0).history["loss"] for it in (model, loaded, other)]
    assert rest[0] == rest[1] == rest[2]
    for a, b, c in zip(*(it.get_weights() for it in (model, loaded, other)), strict=True):
        np.testing.assert_array_equal(a, b)
        np.testing.assert_array_equal(a, c)


SEARCH_DAMAGES = {
    "count": (cb.optimizers.LBFGS, lambda s, a: s["steps"].update(count=99)),
    "next": (cb.optimizers.LBFGS, lambda s, a: s["steps"].update(next=-1)),
    "shape": (cb.optimizers.LBFGS, lambda s, a: a.update({"optimizer/search/0": np.zeros((10, 2), "f4")})),
    "variable": (cb.optimizers.LevenbergMarquardt, lambda s, a: s.update(variables=[77])),
    "mu": (cb.optimizers.LevenbergMarquardt, lambda s, a: s.update(mu=-1.0)),
    "scale": (cb.optimizers.LevenbergMarquardt, lambda s, a: s.update(scale={"__array__": "9"})),
}


@pytest.mark.parametrize("name", SEARCH_DAMAGES)
def test_damaged_searches_are_refused(name, tmp_path, rng):
    import json

    from safetensors import safe_open
    from safetensors.numpy import save_file

    kind, damage = SEARCH_DAMAGES[name]
    model = cb.Sequential([cb.Input((3,)), cb.layers.Dense(1)])
    model.compile(kind(), "mse")
    model.fit(rng.normal(size=(9, 3)), rng.normal(size=(9, 1)), epochs=2, verbose=0)
    path = tmp_path / "m"
    model.save(path)
    with safe_open(path, "np") as file:
        arrays, texts = {key: file.get_tensor(key) for key in file.keys()}, file.metadata()  # noqa: SIM118
    state = json.loads(texts["state"])
    damage(state["optimizer"]["search"], arrays)
    save_file(arrays, path, metadata=texts | {"state": json.dumps(state)})
    with pytest.raises(ValueError, match="does not fit the optimizer"):
        cb.models.load_model(path)


@pytest.mark.parametrize(
    ("optimizer", "name", "value", "message"),
    [
        ("LBFGS", "s", np.nan, "s must be finite as float32, but holds nan"),
        ("LBFGS", "y", np.inf, "y must be finite as float32, but holds inf"),
        ("LBFGS", "rho", np.nan, "rho must be finite as float64, but holds nan"),
        ("LBFGS", "rho", -1.0, "rho must be positive for the 3 steps that are remembered"),
        ("LBFGS", "rho", 0.0, "rho must be positive"),
        ("LevenbergMarquardt", "scale", np.nan, "scale must be finite"),
        ("LevenbergMarquardt", "scale", -1.0, "scale must not be negative, but holds -1.0"),
    ],
)
def test_bad_states_of_a_search(tmp_path, optimizer, name, value, message):
    from safetensors import safe_open
    from safetensors.numpy import save_file

    def fitted():
        model = cb.Sequential([cb.Input((3,)), cb.layers.Dense(1)])
        model.compile(getattr(cb.optimizers, optimizer)(max_iterations=3), "mse")
        rng = np.random.default_rng(0)
        model.fit(rng.normal(size=(20, 3)), rng.normal(size=(20, 1)) ** 3, verbose=0)
        return model

    path = tmp_path / "a.safetensors"
    fitted().save_weights(path)
    with safe_open(path, "np") as file:
        arrays, texts = {key: file.get_tensor(key) for key in file.keys()}, file.metadata()  # noqa: SIM118
    places = {"s": "0", "y": "1", "rho": "2", "scale": "0"}
    found = arrays[f"optimizer/search/{places[name]}"].copy()
    found.flat[0] = value
    arrays[f"optimizer/search/{places[name]}"] = found
    save_file(arrays, path, metadata=texts)
    model = fitted()
    before = model.get_weights()
    with pytest.raises(ValueError, match=message):
        model.load_weights(path)
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
