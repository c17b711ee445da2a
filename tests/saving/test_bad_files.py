"""Files that are no models: one sentence that says so, and never a crash or a flood of memory."""

import json
import tracemalloc

import numpy as np
import plain_values
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.numpy import load, save

import cbackprop as cb
from cbackprop import layers

X, Y = np.linspace(-1, 1, 60).reshape(20, 3), np.linspace(0, 1, 20).reshape(20, 1)


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    path = tmp_path_factory.mktemp("good") / "m.safetensors"
    model = cb.Sequential([cb.Input((3,)), layers.Dense(8, "tanh"), layers.Dropout(0.3), layers.Dense(1)])
    model.compile("adam", "mse", metrics=["mae"])
    model.fit(X, Y, batch_size=4, verbose=0)
    model.save(path)
    with safe_open(path, "np") as file:
        texts = file.metadata()
    return path.read_bytes(), load(path.read_bytes()), texts


def refused(path, content, message=""):
    path.write_bytes(content)
    with pytest.raises(ValueError, match=message):
        cb.models.load_model(path)


BROKEN = {
    "empty": (lambda whole: b"", "is not a model saved by cbackprop"),
    "text": (lambda whole: b"import os; os.remove('/')", "is not a model saved by cbackprop"),
    "header": (lambda whole: whole[:100], "is truncated"),
    "data": (lambda whole: whole[:-10], "is truncated or damaged"),
    "longer": (lambda whole: whole + b"more", "is truncated or damaged"),
    "giant header": (lambda whole: b"\xff" * 7 + b"\x7f{}", "is not a model saved by cbackprop"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_files(tmp_path, good, name):
    change, message = BROKEN[name]
    refused(tmp_path / "m", change(good[0]), message)


def edited(part, change):
    def edit(arrays, texts):
        value = json.loads(texts[part])
        change(value)
        texts[part] = json.dumps(value)

    return edit


EDITS = {
    "foreign": (lambda a, t: t.pop("format"), "is not a model saved by cbackprop"),
    "newer": (lambda a, t: t.update(format="cbackprop 999"), "was made by a newer version"),
    "no json": (lambda a, t: t.update(model="{"), "its model is not JSON"),
    "deep json": (lambda a, t: t.update(model="[" * 100_000), "its model is not JSON"),
    "unknown": (edited("model", lambda m: m.update(class_name="Nothing")), "Unknown layer 'Nothing'"),
    "no model": (edited("model", lambda m: m.update(class_name="Dense", config={"units": 3})), "describes a Dense"),
    "large": (
        edited("model", lambda m: m["config"]["layers"][1]["config"].update(units=10**10)),
        "is larger than all that the file holds",
    ),
    "array": (
        edited("model", lambda m: m["config"].update(name={"class_name": "__array__", "config": {}})),
        "describes a model that cannot be made",
    ),
    "another shape": (lambda a, t: a.update({weight(a, 0): np.zeros((3, 9), "f4")}), "has \\(3, 8\\)"),
    "another dtype": (lambda a, t: a.update({weight(a, 0): np.zeros((3, 8), "i8")}), "I64 instead of float32"),
    "missing": (lambda a, t: a.pop(weight(a, 3)), "is larger than all that the file holds"),
    "twice": (lambda a, t: a.update({"weights/0/x": np.zeros(1, "f4")}), "it holds weight 0 twice"),
    "slot": (lambda a, t: a.pop("optimizer/0/" + slot(a)), "lacks '0/"),
    "slot shape": (lambda a, t: a.update({"optimizer/0/" + slot(a): np.zeros(2, "f4")}), "0/.* shape"),
    "slot name": (lambda a, t: a.update({"optimizer/0/x": np.zeros(2, "f4")}), "has an unknown entry '0/x'"),
    "iterations": (edited("state", lambda s: s["optimizer"].update(batches=-1)), "batches must be at least 0"),
    "streams": (edited("state", lambda s: s.update(streams=[2**32])), "layers with random numbers"),
    "random state": (edited("state", lambda s: s["place"]["generator"].update(has_uint32=7)), "one of NumPy's PCG64"),
    "epoch": (edited("state", lambda s: s["place"].update(epoch="x")), "epoch must be an integer"),
    "loss": (edited("training", lambda s: s.update(loss="nothing")), "Unknown loss 'nothing'"),
}


def weight(arrays, index):
    return next(name for name in arrays if name.startswith(f"weights/{index}/"))


def slot(arrays):
    return min(name.rpartition("/")[2] for name in arrays if name.startswith("optimizer/0/"))


@pytest.mark.parametrize("name", EDITS)
def test_contents(tmp_path, good, name):
    edit, message = EDITS[name]
    arrays, texts = dict(good[1]), dict(good[2])
    edit(arrays, texts)
    tracemalloc.start()
    refused(tmp_path / "m", save(arrays, metadata=texts), message)
    assert tracemalloc.get_traced_memory()[1] < 50e6
    tracemalloc.stop()


def either_way(path, content):
    """Refused as it should be, or a model that works."""
    path.write_bytes(content)
    try:
        model = cb.models.load_model(path)
    except ValueError:
        return
    model.predict(np.zeros((1, *model.input_shape[1:])), verbose=0)


FUZZ = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@FUZZ
@given(data=st.data())
def test_any_bytes_changed(tmp_path, good, data):
    content = bytearray(good[0])
    header = 8 + int.from_bytes(content[:8], "little")
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, header + 20))] = data.draw(st.integers(0, 255))
    either_way(tmp_path / "m", bytes(content))


@FUZZ
@given(cut=st.integers(0, 10_000), rest=st.binary(max_size=30))
def test_any_end(tmp_path, good, cut, rest):
    content = good[0]
    either_way(tmp_path / "m", content[: cut % len(content)] + rest)


PLAIN = plain_values.ANY | st.lists(st.none())


@FUZZ
@given(data=st.data())
def test_any_value_replaced(tmp_path, good, data):
    texts = dict(good[2])
    part = data.draw(st.sampled_from(["model", "training", "state"]))
    value = json.loads(texts[part])
    path = data.draw(st.sampled_from([path for path in plain_values.paths(value) if path]))
    inner = value
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = data.draw(PLAIN | st.just({}))
    texts[part] = json.dumps(value)
    path = tmp_path / "m"
    path.write_bytes(save(good[1], metadata=texts))
    try:
        model = cb.models.load_model(path)
        model.fit(
            np.zeros((3, *model.input_shape[1:])), np.zeros((3, *model.output_shape[1:])), initial_epoch=1, verbose=0
        )
    except (ValueError, RuntimeError):
        pass
