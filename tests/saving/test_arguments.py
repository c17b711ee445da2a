"""The arguments of saving and loading, and what is raised for files that are not there."""

import os
import stat

import numpy as np
import pytest

import cbackprop as cb
from cbackprop import layers


def stack(*names):
    return cb.Sequential([cb.Input((3,)), *[layers.Dense(3, name=name) for name in names]])


def test_weights_of_layers_of_the_same_name(tmp_path):
    """`skip_mismatch` in a model of more layers."""
    small, large = stack("a", "b"), stack("a", "new", "b")
    small.save_weights(tmp_path / "w")
    before = large.get_layer("new").get_weights()
    with pytest.raises(ValueError, match="holds 4 weights, but the model has 6"):
        large.load_weights(tmp_path / "w")
    with pytest.warns(UserWarning, match=r"are not changed: \['new/kernel', 'new/bias'\]"):
        large.load_weights(tmp_path / "w", skip_mismatch=True)
    for name in "ab":
        np.testing.assert_array_equal(large.get_layer(name).get_weights()[0], small.get_layer(name).get_weights()[0])
    np.testing.assert_array_equal(large.get_layer("new").get_weights()[0], before[0])


@pytest.mark.parametrize("nested", [False, True])
def test_objects_to_skip(tmp_path, nested):
    def make():
        return cb.Sequential([stack("a", "b"), layers.Dense(2, name="c")]) if nested else stack("a", "b", "c")

    model, other = make(), make()
    skipped = [each.layers[0] for each in (model, other)]
    model.save_weights(tmp_path / "w", objects_to_skip=[skipped[0]])
    kept = skipped[1].get_weights()
    with pytest.raises(ValueError, match="weights, but the model has"):
        other.load_weights(tmp_path / "w")
    other.load_weights(tmp_path / "w", objects_to_skip=[skipped[1]])
    np.testing.assert_array_equal(skipped[1].get_weights()[0], kept[0])
    np.testing.assert_array_equal(other.get_weights()[-2], model.get_weights()[-2])
    model.save_weights(tmp_path / "all")
    other.load_weights(tmp_path / "all", objects_to_skip=[skipped[1]])
    np.testing.assert_array_equal(skipped[1].get_weights()[0], kept[0])
    for act in (model.save_weights, model.load_weights):
        with pytest.raises(TypeError, match="objects_to_skip must be a list of layers"):
            act(tmp_path / "w", objects_to_skip=3)


@pytest.mark.parametrize("kind", [FileNotFoundError, ValueError])
@pytest.mark.parametrize("act", [cb.models.load_model, cb.saving.load_extras, stack("a").load_weights])
def test_files_that_are_not_there(tmp_path, kind, act):
    """Python's class and Keras's at once."""
    with pytest.raises(kind, match=r"there is no file at '.*m.keras'.* Expected a file saved by Model.save"):
        act(tmp_path / "m.keras")
    with pytest.raises(kind, match="there is a folder, not a file, at"):
        act(tmp_path)


def test_arguments_of_older_scripts(tmp_path):
    model = stack("a")
    with pytest.warns(UserWarning, match="will be a safetensors file"):
        model.save(tmp_path / "m.h5", include_optimizer=False, save_format="h5")
    assert cb.models.load_model(tmp_path / "m.h5", safe_mode=False).count_params() == 12
    with pytest.raises(ValueError, match="The `save_format` argument is deprecated"):
        model.save(tmp_path / "m", save_format="tf")
    with pytest.raises(ValueError, match=r"The following argument\(s\) are not supported: \['other'\]"):
        model.save(tmp_path / "m", other=1)
    with pytest.raises(ValueError, match="must not end in"):
        model.save(tmp_path / "m.keras", zipped=False)
    with pytest.raises(ValueError, match="by_name is not supported"):
        model.load_weights(tmp_path / "m.h5", by_name=True)
    with pytest.raises(ValueError, match="Invalid keyword arguments: load_weights has no argument 'other'"):
        model.load_weights(tmp_path / "m.h5", other=1)
    with pytest.raises(ValueError, match="when max_shard_size is given"):
        model.save_weights(tmp_path / "w", max_shard_size=1)


def test_a_sequential_without_a_shape(tmp_path):
    model = cb.Sequential([layers.Dense(2), layers.ReLU()])
    with pytest.warns(UserWarning, match="is saved without weights: it has none yet"):
        model.save(tmp_path / "m")
    loaded = cb.models.load_model(tmp_path / "m")
    assert not loaded.built
    assert loaded.predict(np.ones((3, 4)), verbose=0).shape == (3, 2)


def test_permissions_are_those_of_any_file(tmp_path, monkeypatch):
    """The process's mask is not touched: files of other threads would get another one."""
    monkeypatch.setattr(os, "umask", lambda mask: pytest.fail("the mask of the process was changed"))
    (tmp_path / "plain").touch()
    model = stack("a")
    for mode in (None, 0o640, 0o600):
        if mode is not None:
            os.chmod(tmp_path / "m", mode)
        model.save(tmp_path / "m")
        expected = stat.S_IMODE(os.stat(tmp_path / "plain").st_mode) if mode is None else mode
        assert stat.S_IMODE(os.stat(tmp_path / "m").st_mode) == expected
