"""Names of files: the meanings of suffixes, and names that are refused."""

import numpy as np
import pytest

import cbackprop as cb


@pytest.fixture
def model():
    return cb.Sequential([cb.Input((3,)), cb.layers.Dense(2)])


@pytest.mark.parametrize("suffix", [".png", ".onnx", ".pt", ".pkl", ".npz", ".PNG", ".json", ".txt"])
def test_suffixes_of_other_kinds(model, tmp_path, suffix):
    for save in (model.save, model.save_weights):
        with pytest.raises(ValueError, match=r"Invalid filepath extension for saving: .*another kind of file"):
            save(tmp_path / f"m{suffix}")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["m.h5", "m.hdf5"])
def test_older_files_of_keras_are_told_of(model, tmp_path, name):
    for save in (model.save, model.save_weights):
        with pytest.warns(
            UserWarning, match="will be a safetensors file.* older HDF5 format is not written here"
        ) as told:
            save(tmp_path / name)
        assert told[0].filename == __file__
    model.save(tmp_path / "m.safetensors")
    model.load_weights(tmp_path / name)


WHOLE = r"must end in '\.weights\.h5' .* or in '\.safetensors', but got .*'\.keras' is for whole models, by Model\.save"


@pytest.mark.parametrize("name", ["m.keras", "m.KERAS", "{epoch:02d}.keras"])
def test_weights_alone_are_no_file_of_a_whole_model(model, tmp_path, name):
    with pytest.raises(ValueError, match=WHOLE):
        model.save_weights(tmp_path / name)
    with pytest.raises(ValueError, match=WHOLE):
        cb.callbacks.ModelCheckpoint(tmp_path / name, save_weights_only=True)
    cb.callbacks.ModelCheckpoint(tmp_path / name)
    for right in ("m.weights.h5", "m.safetensors"):
        cb.callbacks.ModelCheckpoint(tmp_path / right, save_weights_only=True)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["m", "m.safetensors", "m.v2", "m-0.53", "m.weights", "m.ckpt", "m.best"])
def test_all_other_names_are_safetensors(model, tmp_path, name):
    model.save(tmp_path / name)
    again = cb.models.load_model(tmp_path / name)
    np.testing.assert_array_equal(again.get_weights()[0], model.get_weights()[0])
    model.save_weights(tmp_path / name)
    again.load_weights(tmp_path / name)


def test_shards_have_their_suffix(model, tmp_path):
    with pytest.raises(ValueError, match=r"must end in '\.weights\.json' when max_shard_size is given"):
        model.save_weights(tmp_path / "a.weights.h5", max_shard_size=1)
    with pytest.raises(ValueError, match="max_shard_size must be"):
        model.save_weights(tmp_path / "a.weights.json", max_shard_size=0)
    with pytest.raises(ValueError, match="another kind of file"):
        model.save_weights(tmp_path / "a.weights.json")


def test_folders_have_no_suffix_of_files(model, tmp_path):
    with pytest.raises(ValueError, match=r"must not end in '\.keras'"):
        model.save(tmp_path / "m.keras", zipped=False)
    assert list(tmp_path.iterdir()) == []
