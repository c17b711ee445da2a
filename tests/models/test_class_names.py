"""The labels of classes that a model carries."""

import numpy as np
import pytest

import cbackprop as cb
from cbackprop import layers


def made(kind):
    model = cb.Sequential([cb.Input((2,)), layers.Dense(2, "softmax")])
    return model if kind == "sequential" else cb.Model(model.inputs, model.outputs)


@pytest.mark.parametrize("kind", ["sequential", "functional"])
@pytest.mark.parametrize("names", [["no", "yes"], ("no", "yes"), np.array(["no", "yes"]), [3, 7], np.array([3, 7])])
@pytest.mark.parametrize("suffix", [".safetensors", pytest.param(".keras", marks=pytest.mark.h5py)])
def test_they_are_saved(tmp_path, kind, names, suffix):
    model, path = made(kind), tmp_path / f"m{suffix}"
    model.class_names = names
    assert model.class_names == list(names)
    model.save(path)
    for copy in (cb.models.load_model(path), cb.models.clone_model(model)):
        assert copy.class_names == list(names)
    model.class_names = None
    model.save(path)
    assert cb.models.load_model(path).class_names is None


@pytest.mark.parametrize("names", [3, "no", [1.5, 2.0], [object()], {"a": 1}, [True, False], np.ones((2, 2))])
def test_what_is_no_list_of_labels(names):
    model = made("functional")
    model.class_names = ["no", "yes"]
    with pytest.raises(TypeError, match="class_names must be a list of strings or of integers"):
        model.class_names = names
    assert model.class_names == ["no", "yes"]
