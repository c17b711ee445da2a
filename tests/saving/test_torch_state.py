"""Weights given as a dict, as PyTorch names them: what does not fit is refused before a weight changes."""

import io
import pickle
import sys
import zipfile

import numpy as np
import pytest

import cbackprop as cb
from cbackprop import layers

GOOD = {"0.weight": np.ones((3, 4)), "0.bias": np.ones(3), "2.weight": np.ones((3,))}
BAD = {
    "a module too many": ({"3.weight": np.ones(3)}, r"3 modules \(0, 2, 3\), but the model has 2 layers .*\(d, p\)"),
    "a name too many": ({"2.bias": np.ones(3)}, r"'p' \(PReLU\) needs weight, but module '2' of .* has bias and w"),
    "a name too few": ({"0.bias": None}, r"'d' \(Dense\) needs weight and bias, but module '0' .* has weight"),
    "not transposed": ({"0.weight": np.ones((4, 3))}, r"needs weight of shape \(3, 4\), but 0.weight .* has \(4, 3\)"),
    "another shape": ({"2.weight": np.ones(2)}, r"needs weight of shape \(3,\), but 2.weight of state_dict has \(2,\)"),
    "too large": ({"2.weight": np.array([1, 1e300, 1])}, "is float32, which cannot hold .*1e\\+300"),
    "text": ({"0.bias": np.array(["a", "b", "c"])}, r"\['0.bias'\] must be an array of numbers"),
    "no array": ({"0.bias": "abc"}, r"\['0.bias'\] must be an array of numbers"),
    "no name": ({3: np.ones(3)}, "must have names like '0.weight', but got 3"),
}  # fmt: skip


def model():
    return cb.Sequential([cb.Input((4,)), layers.Dense(3, "tanh", name="d"), layers.PReLU(name="p")])


def test_good():
    it = model()
    it.load_weights(GOOD | {"1.num_batches_tracked": 3})
    np.testing.assert_array_equal(np.concatenate([np.ravel(w) for w in it.get_weights()]), np.ones(18))


@pytest.mark.parametrize("name", BAD)
def test_bad(name):
    changes, message = BAD[name]
    state = {key: value for key, value in (GOOD | changes).items() if value is not None}
    it = model()
    before = it.get_weights()
    with pytest.raises((TypeError, ValueError), match=message):
        it.load_weights(state)
    for a, b in zip(it.get_weights(), before, strict=True):
        np.testing.assert_array_equal(a, b)


def test_skipping_what_does_not_fit():
    it = model()
    before = it.get_weights()
    with pytest.warns(UserWarning, match=r"needs weight of shape \(3, 4\), .* are not changed"):
        it.load_weights(GOOD | {"0.weight": np.ones((3, 5))}, skip_mismatch=True)
    for new, old in zip(it.get_weights()[:2], before[:2], strict=True):
        np.testing.assert_array_equal(new, old)
    np.testing.assert_array_equal(it.get_weights()[2], np.ones(3))


def test_a_layer_without_an_equal():
    it = cb.Sequential([cb.Input((3,)), layers.Normalization(name="n")])
    with pytest.raises(ValueError, match=r"'n' \(Normalization\) has no counterpart in PyTorch"):
        it.load_weights({"0.weight": np.ones(3)})


def test_a_pickle_is_not_opened(tmp_path):
    (tmp_path / "m").write_bytes(pickle.dumps(GOOD))
    for load in (model().load_weights, cb.models.load_model):
        with pytest.raises(ValueError, match="is a pickle, which is never opened"):
            load(tmp_path / "m")


def archive():
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as parts:
        parts.writestr("config.json", "{}")
        parts.writestr("model.weights.h5", b"")
    return content.getvalue()


@pytest.mark.parametrize("content", [b"\x89HDF\r\n\x1a\n", archive()], ids=["weights", "archive"])
def test_without_h5py(tmp_path, monkeypatch, content):
    monkeypatch.setitem(sys.modules, "h5py", None)
    (tmp_path / "m").write_bytes(content)
    for load in (model().load_weights, cb.models.load_model):
        with pytest.raises(ImportError, match=r'pip install "cbackprop\[h5\]"'):
            load(tmp_path / "m")


@pytest.mark.parametrize("path", [3, None, b"m", ["m"]])
def test_no_path(path):
    for load in (model().load_weights, cb.models.load_model):
        with pytest.raises(TypeError, match="filepath must be a string or a path"):
            load(path)
