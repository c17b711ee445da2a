"""Keras's functions in `utils`: padding, windows, bars, splits, graphs as text, and fresh names."""

import io
import re
import tracemalloc
from contextlib import redirect_stdout

import numpy as np
import pytest

import cbackprop as cb
from cbackprop import layers, utils


def test_padding():
    rows = [[1], [2, 3], [4, 5, 6], []]
    assert utils.pad_sequences(rows).tolist() == [[0, 0, 1], [0, 2, 3], [4, 5, 6], [0, 0, 0]]
    assert utils.pad_sequences(rows, padding="post", value=9).tolist()[0] == [1, 9, 9]
    assert utils.pad_sequences(rows, maxlen=2).tolist() == [[0, 1], [2, 3], [5, 6], [0, 0]]
    assert utils.pad_sequences(rows, maxlen=2, truncating="post").tolist()[2] == [4, 5]
    assert utils.pad_sequences(rows, maxlen=0).shape == (4, 0)
    assert utils.pad_sequences([], maxlen=3).shape == (0, 3)
    assert utils.pad_sequences(rows).dtype == "int32"
    assert utils.pad_sequences([[0.5], [1]], dtype="float32").tolist() == [[0.5], [1.0]]
    vectors = utils.pad_sequences([np.ones((1, 2)), np.ones((3, 2))])
    assert vectors.shape == (2, 3, 2)
    assert vectors[0].tolist() == [[0, 0], [0, 0], [1, 1]]
    texts = utils.pad_sequences([["a"], ["b", "cd"]], dtype=object, value="-")
    assert texts.tolist() == [["-", "a"], ["b", "cd"]]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((5,), "sequences must be a list of sequences"),
        (([1, 2],), "its element 0 is 1"),
        (([[1]], None, "int32", "middle"), "padding must be 'pre' or 'post', but got 'middle'"),
        (([[1]], None, "int32", "pre", "middle"), "truncating must be"),
        (([[1]], None, "int32", "pre", "pre", "x"), "texts need dtype=object"),
        (([np.ones((1, 2)), np.ones((1, 3))],), "parts of one shape"),
        (([[1]], -1), "maxlen must be"),
    ],
)
def test_mistakes_of_padding(arguments, message):
    with pytest.raises(ValueError, match=message):
        utils.pad_sequences(*arguments)


@pytest.mark.parametrize(("stride", "rate", "length"), [(1, 1, 9), (3, 1, 4), (1, 3, 4), (2, 2, 1), (5, 4, 10)])
@pytest.mark.parametrize("limits", [(None, None), (10, 90), (0, 60)])
@pytest.mark.parametrize("shape", [(), (3,)])
def test_windows(stride, rate, length, limits, shape):
    data = np.arange(100 * int(np.prod(shape))).reshape(100, *shape)
    targets = 2 * np.arange(100)
    made = utils.timeseries_dataset_from_array(
        data, targets, length, stride, rate, batch_size=7, start_index=limits[0], end_index=limits[1]
    )
    begin, end = limits[0] or 0, limits[1] or 100
    begins = range(begin, end - (length - 1) * rate, stride)
    expected = [data[first : first + (length - 1) * rate + 1 : rate] for first in begins]
    batches = list(made)
    assert len(made) == len(batches) == -(-len(expected) // 7)
    np.testing.assert_array_equal(np.concatenate([x for x, _ in batches]), expected)
    np.testing.assert_array_equal(np.concatenate([y for _, y in batches]), [targets[first] for first in begins])


def test_windows_take_no_memory():
    data = np.zeros((100_000, 4), "float32")
    tracemalloc.start()
    made = utils.timeseries_dataset_from_array(data, data[200:, 0], sequence_length=200, batch_size=8)
    assert np.shares_memory(made.windows, data)
    made[5]
    assert tracemalloc.get_traced_memory()[1] < 200_000
    tracemalloc.stop()


def test_training_on_windows_takes_the_memory_of_batches():
    """All windows would be 80 MB, of a series of 0.4."""
    series = np.zeros((100_000, 1), "float32")
    made = utils.timeseries_dataset_from_array(series, series[200:, 0], sequence_length=200, batch_size=8, shuffle=True)
    model = cb.Sequential([cb.Input((200, 1)), layers.GlobalAveragePooling1D(), layers.Dense(1)])
    model.compile("sgd", "mse")
    model.train_on_batch(*made[0])
    tracemalloc.start()
    model.fit(made, steps_per_epoch=20, verbose=0)
    assert tracemalloc.get_traced_memory()[1] < 4_000_000
    tracemalloc.stop()


def test_windows_in_any_order_keep_their_targets():
    data = np.arange(50)
    made = utils.timeseries_dataset_from_array(data, data * 2, 5, batch_size=4, shuffle=True, seed=3)
    first, second = ([int(x) for batch, _ in made for x in batch[:, 0]] for _ in range(2))
    assert sorted(first) == sorted(second) == list(range(46))
    assert first != second
    again = utils.timeseries_dataset_from_array(data, data * 2, 5, batch_size=4, shuffle=True, seed=3)
    assert [int(x) for batch, _ in again for x in batch[:, 0]] == first
    assert all((2 * x[:, 0] == y).all() for x, y in made)
    single = next(iter(utils.timeseries_dataset_from_array(data, None, 5, batch_size=None)))
    assert single.tolist() == [0, 1, 2, 3, 4]
    (x, _), *rest = made.take(1)
    assert x.shape == (4, 5)
    assert not rest


def test_a_model_is_trained_on_windows():
    series = np.sin(np.arange(300) / 5).astype("float32")
    made = utils.timeseries_dataset_from_array(series[:-1], series[10:], 10, batch_size=16, shuffle=True, seed=1)
    model = cb.Sequential([cb.Input((10,)), layers.Dense(1)])
    model.compile(cb.optimizers.Adam(0.02), "mse")
    losses = model.fit(made, epochs=8, verbose=0).history["loss"]
    assert losses[-1] < losses[0] / 10
    assert model.predict(made, verbose=0).shape == (290, 1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"sequence_length": 0}, "sequence_length must be"),
        ({"start_index": -1}, "start_index must be"),
        ({"start_index": 11}, "start_index must be below the number of steps of data, 10"),
        ({"end_index": -1}, "end_index must be"),
        ({"end_index": 11}, "end_index must be below"),
        ({"start_index": 5, "end_index": 4}, "end_index must be above start_index, 5"),
        ({"sampling_rate": 0}, "sampling_rate must be"),
        ({"sampling_rate": 10}, "sampling_rate must be below"),
        ({"sequence_stride": 0}, "sequence_stride must be"),
        ({"sequence_length": 11}, "data must hold a window of 11 steps"),
        ({"batch_size": 0}, "batch_size must be"),
        ({"format": "other"}, "format should be 'tf' or 'grain'"),
    ],
)
def test_mistakes_of_windows(arguments, message):
    with pytest.raises(ValueError, match=message):
        utils.timeseries_dataset_from_array(np.arange(10), None, **({"sequence_length": 3} | arguments))


def shown(**arguments):
    text = io.StringIO()
    with redirect_stdout(text):
        bar = utils.Progbar(interval=0, **arguments)
        for step in (1, 2, 3):
            bar.update(step, [("loss", 3.0 - step), ("lr", np.array([0.5, 0.5]))])
    return text.getvalue()


def test_progress_bar():
    text = shown(target=3)
    assert "1/3" in text
    assert "3/3" in text
    assert text.endswith("\n")
    assert "loss: 1.5000" in text  # the mean of the first two
    assert "loss: 1.0000" in shown(target=4, stateful_metrics=["loss"])
    assert "loss: 1.0000" in shown(target=4, stateless_metrics=["lr"])
    assert re.fullmatch(r"3/3 - \d+ s \d+ µs/step - loss: 0.0000 - lr: 0.5000\n", shown(target=3, verbose=2))
    assert shown(target=3, verbose=0) == ""
    assert "2/Unknown" in shown(target=None)
    bar = utils.Progbar(5, verbose=0)
    bar.add(2)
    bar.add(3, [("loss", 1.0)])
    with pytest.raises(ValueError, match="Only one of stateful_metrics and stateless_metrics"):
        utils.Progbar(1, stateful_metrics=[], stateless_metrics=[])


def test_one_hot_labels_of_many_classes_take_no_more_than_their_rows():
    rows = utils.to_categorical([[0, 2_000_000]])
    assert rows.shape == (1, 2, 2_000_001)
    assert rows.sum() == rows[0, 0, 0] + rows[0, 1, -1] == 2
    assert utils.to_categorical([], 0).shape == (0, 0)


def test_split():
    x, y = np.arange(20).reshape(10, 2), np.arange(10)
    (a, b), (c, d) = utils.split_dataset((x, y), left_size=0.7)
    assert (len(a), len(b), len(c), len(d)) == (7, 7, 3, 3)
    assert np.shares_memory(a, x)
    left, right = utils.split_dataset({"x": x, "y": y}, right_size=4, shuffle=True, seed=1)
    assert sorted([*left["y"], *right["y"]]) == list(range(10))
    np.testing.assert_array_equal(left["x"][:, 0], 2 * left["y"])
    for arguments in ({}, {"left_size": 10}, {"left_size": 1.5}, {"left_size": 6, "right_size": 6}):
        with pytest.raises(ValueError, match="_size"):
            utils.split_dataset(x, **arguments)
    with pytest.raises(ValueError, match="as many samples"):
        utils.split_dataset((x, y[:5]), 0.5)


def test_packing():
    assert utils.pack_x_y_sample_weight("x") == "x"
    assert utils.pack_x_y_sample_weight(["x"]) == (["x"],)
    assert utils.pack_x_y_sample_weight("x", "y", "w") == ("x", "y", "w")
    assert utils.unpack_x_y_sample_weight("x") == ("x", None, None)
    assert utils.unpack_x_y_sample_weight(("x", "y", "w")) == ("x", "y", "w")
    with pytest.raises(ValueError, match="but got 4 parts"):
        utils.unpack_x_y_sample_weight((1, 2, 3, 4))


def test_tensors_and_types():
    a, b = cb.Input((3,)), cb.Input((3,))
    assert utils.is_keras_tensor(a)
    assert not utils.is_keras_tensor(np.ones(3))
    found = utils.get_source_inputs(layers.Dense(2)(a) + layers.Dense(2)(b))
    assert [tensor is wanted for tensor, wanted in zip(found, (a, b), strict=True)] == [True, True]
    names = {np.int8: "int8", "float64": "float64", np.dtype("u2"): "uint16", None: "float32", bool: "bool"}
    assert {utils.standardize_dtype(kind): name for kind, name in names.items()}.keys() == set(names.values())
    for kind, name in names.items():
        assert utils.standardize_dtype(kind) == name
    with pytest.raises(ValueError, match="Invalid dtype"):
        utils.standardize_dtype("float31")


def test_graph_as_text(tmp_path):
    x = cb.Input((3,), name="x")
    inner = cb.Sequential([cb.Input((3,), name="i"), layers.Dense(3, "relu", name='d"1')], name="inner")
    model = cb.Model(x, layers.Add(name="sum")([inner(x), x]), name="whole")
    text = utils.model_to_dot(model, True, True, show_layer_activations=True, show_trainable=True).to_string()
    assert text.count("->") == 3
    assert 'label="inner (Sequential)\\n(None, 3) → (None, 3)\\nfloat32\\ntrainable"' in text
    nested = utils.model_to_dot(model, expand_nested=True, show_layer_activations=True, rankdir="LR")
    assert 'label="d\\"1 (Dense)\\nactivation: relu"' in str(nested)
    assert "rankdir=LR" in str(nested)
    assert str(utils.model_to_dot(model, subgraph=True, show_layer_names=False)).startswith('subgraph "cluster_whole"')
    nested.write(tmp_path / "graph.dot")
    assert (tmp_path / "graph.dot").read_text() == nested.to_string()
    with pytest.raises(TypeError, match="model must be a model, but got int"):
        utils.model_to_dot(3)
    with pytest.raises(ValueError, match="rankdir"):
        utils.model_to_dot(model, rankdir="up")


@pytest.mark.parametrize("free_memory", [True, False])
def test_clear_session(free_memory):
    assert [layers.Dense(1).name for _ in range(2)] == ["dense", "dense_1"]
    utils.clear_session(free_memory=free_memory)
    assert layers.Dense(1).name == "dense"
    with pytest.raises(TypeError, match="free_memory must be"):
        utils.clear_session("no")
