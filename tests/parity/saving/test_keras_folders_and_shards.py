"""Models as folders, and weights divided among files: written here and read by Keras, and the other way round."""

import json
import os

import h5py
import keras
import numpy as np
import pytest

import cbackprop as cb

X = np.random.default_rng(0).normal(size=(5, 4)).astype("float32")
GB = 1024**3


def model_of(k):
    x = k.Input((4,))
    h = k.layers.BatchNormalization()(k.layers.Dense(16, activation="relu")(x))
    model = k.Model(x, k.layers.Dense(2)(k.layers.Dense(16)(h)))
    model.compile("adam", "mse")
    model.fit(X, np.ones((5, 2)), epochs=2, verbose=0)
    return model


def assert_same(a, b):
    np.testing.assert_allclose(a.predict(X, verbose=0), b.predict(X, verbose=0), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("writer", "reader"), [(cb, keras), (keras, cb), (cb, cb)])
def test_folders(tmp_path, writer, reader):
    model = model_of(writer)
    model.save(tmp_path / "m", zipped=False)
    assert {"config.json", "metadata.json", "model.weights.h5"} <= set(os.listdir(tmp_path / "m"))
    other = reader.models.load_model(tmp_path / "m")
    assert_same(model, other)
    assert int(other.optimizer.iterations) == 2
    assert os.listdir(tmp_path) == ["m"]
    weights = model_of(cb)
    weights.load_weights(tmp_path / "m")
    assert_same(weights, model)


def test_folders_are_replaced_as_a_whole(tmp_path):
    model = model_of(cb)
    model.save(tmp_path / "m", zipped=False)
    model.set_weights([0 * w for w in model.get_weights()])
    with pytest.raises(FileExistsError, match="overwrite is False"):
        model.save(tmp_path / "m", zipped=False, overwrite=False)
    model.save(tmp_path / "m", zipped=False)
    assert_same(cb.models.load_model(tmp_path / "m"), model)
    assert os.listdir(tmp_path) == ["m"]
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("x")
    (tmp_path / "file").write_text("x")
    for name in ("mine", "file"):
        with pytest.raises(FileExistsError, match="not the folder of a saved model"):
            model.save(tmp_path / name, zipped=False)
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "x"
    with pytest.raises(FileNotFoundError, match="no folder"):
        model.save(tmp_path / "nowhere" / "m", zipped=False)


@pytest.mark.parametrize("part", ["config.json", "metadata.json", "model.weights.h5"])
@pytest.mark.parametrize("damage", ["missing", "nonsense", "list"])
def test_damaged_folders(tmp_path, part, damage):
    model_of(cb).save(tmp_path / "m", zipped=False)
    place = tmp_path / "m" / part
    if damage == "missing":
        place.unlink()
    else:
        place.write_text("nonsense" if damage == "nonsense" else "[1]")
    with pytest.raises((ValueError, OSError)):
        cb.models.load_model(tmp_path / "m")


@pytest.mark.parametrize(("writer", "reader"), [(cb, keras), (keras, cb), (cb, cb)])
@pytest.mark.parametrize("size", [1, 2100 / GB, 1500 / GB])
def test_shards(tmp_path, writer, reader, size):
    model, other = model_of(writer), model_of(reader)
    model.save_weights(tmp_path / "a.weights.json", max_shard_size=size)
    if size < 1:
        assert len(os.listdir(tmp_path)) > 3
    other.load_weights(tmp_path / "a.weights.json")
    assert_same(model, other)


def test_shards_hold_no_more_than_they_may(tmp_path):
    model = model_of(cb)
    model.save_weights(tmp_path / "a.weights.json", max_shard_size=1500 / GB)
    index = json.loads((tmp_path / "a.weights.json").read_text())
    total = 0
    for name in {n for value in index["weight_map"].values() for n in ([value] if isinstance(value, str) else value)}:
        sizes = []
        with h5py.File(tmp_path / name) as file:
            file.visititems(lambda _, thing, sizes=sizes: sizes.append(getattr(thing, "nbytes", 0)))
        assert sum(sizes) <= 1500
        total += sum(sizes)
    assert index["metadata"]["total_size"] == total
    with pytest.raises(ValueError, match="alone takes 1024 bytes"):
        model.save_weights(tmp_path / "b.weights.json", max_shard_size=1000 / GB)
    assert not (tmp_path / "b.weights.json").exists()


@pytest.mark.parametrize(
    ("index", "message"),
    [
        ({"weight_map": {"/vars": "../x.weights.h5"}}, "refers to '../x.weights.h5', which is not a file"),
        ({"weight_map": {"/vars": 3}}, "which is not a file in the same"),
        ({"weight_map": {"/vars": ""}}, "which is not a file in the same"),
        ({"weight_map": {"/vars": "gone.weights.h5"}}, "there is no .*gone.weights.h5"),
        ({"weight_map": [1]}, "no 'weight_map'"),
        ({}, "no 'weight_map'"),
    ],
)
def test_bad_indexes(tmp_path, index, message):
    (tmp_path / "a.weights.json").write_text(json.dumps(index))
    model = model_of(cb)
    with pytest.raises(ValueError, match=message):
        model.load_weights(tmp_path / "a.weights.json")
