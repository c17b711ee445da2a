"""Files that were compiled with something of a user's own that is unknown when they are read."""

import numpy as np
import pytest

import cbackprop as cb

X = np.random.default_rng(0).normal(size=(20, 4)).astype("float32")


def halves(y_true, y_pred):
    return ((y_pred - y_true) ** 2).mean(-1) / 2, (y_pred - y_true) / y_pred.shape[-1]


class Slow(cb.optimizers.SGD):
    pass


def distance(y_true, y_pred):
    return np.abs(y_pred - y_true).mean(-1)


COMPILED = {
    "halves": {"optimizer": "adam", "loss": halves},
    "Slow": {"optimizer": Slow(0.1), "loss": "mse"},
    "distance": {"optimizer": "adam", "loss": "mse", "metrics": [distance]},
}
OWN = {"halves": halves, "Slow": Slow, "distance": distance}


@pytest.fixture
def saved(request, tmp_path):
    model = cb.Sequential([cb.Input((4,)), cb.layers.Dropout(0.5), cb.layers.Dense(1)])
    model.compile(**COMPILED[request.param])
    model.fit(X, X[:, :1], epochs=2, verbose=0)
    model.save(tmp_path / "m.keras")
    model.save(tmp_path / "m.safetensors")
    return request.param, model, tmp_path


@pytest.mark.h5py
@pytest.mark.filterwarnings("ignore:Keras will load")
@pytest.mark.parametrize("saved", COMPILED, indirect=True)
@pytest.mark.parametrize("file", ["m.keras", "m.safetensors"])
def test_a_file_comes_without_them(saved, file):
    name, model, folder = saved
    message = (
        f"is not compiled, because the arguments in the file cannot be used: .*{name}.*custom_objects.* compile the"
    )
    with pytest.warns(UserWarning, match=message) as told:
        loaded = cb.models.load_model(folder / file)
    assert [each.filename for each in told] == [__file__]
    assert not loaded.compiled
    np.testing.assert_array_equal(loaded.predict(X, verbose=0), model.predict(X, verbose=0))
    loaded.compile("adam", "mse")
    loaded.fit(X, X[:, :1], verbose=0)


@pytest.mark.h5py
@pytest.mark.filterwarnings("ignore:Keras will load")
@pytest.mark.parametrize("saved", COMPILED, indirect=True)
def test_both_files_come_with_them_when_they_are_known(saved):
    _, model, folder = saved
    for file in ("m.keras", "m.safetensors"):
        loaded = cb.models.load_model(folder / file, custom_objects=OWN)
        assert loaded.optimizer.iterations == model.optimizer.iterations


@pytest.mark.h5py
@pytest.mark.filterwarnings("ignore:Keras will load")
@pytest.mark.parametrize("saved", COMPILED, indirect=True)
def test_nothing_is_said_without_compiling(saved, recwarn):
    for file in ("m.keras", "m.safetensors"):
        recwarn.clear()
        assert not cb.models.load_model(saved[2] / file, compile=False).compiled
        assert not recwarn
