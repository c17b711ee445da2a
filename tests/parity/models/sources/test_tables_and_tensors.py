"""Tables and arrays of pandas, polars, pyarrow, torch, and torch's DataLoader: the numbers of NumPy arrays."""

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import torch

import cbackprop as cb
from cbackprop import layers
from cbackprop.foreign_arrays import from_foreign

NAMES = ["a", "b", "c"]
MAKERS = {
    "pandas": lambda x: pd.DataFrame(x, columns=NAMES),
    "pandas nullable": lambda x: pd.DataFrame(x, columns=NAMES).convert_dtypes(),
    "pandas arrow": lambda x: pd.DataFrame(x, columns=NAMES).convert_dtypes(dtype_backend="pyarrow"),
    "polars": lambda x: pl.DataFrame(x, schema=NAMES),
    "pyarrow": lambda x: pa.table({name: x[:, i] for i, name in enumerate(NAMES)}),
    "pyarrow chunks": lambda x: pa.concat_tables(MAKERS["pyarrow"](part) for part in (x[:7], x[7:])),
    "pyarrow batch": lambda x: pa.record_batch({name: x[:, i] for i, name in enumerate(NAMES)}),
    "torch": torch.from_numpy,
}
COLUMNS = {
    "pandas": pd.Series,
    "polars": pl.Series,
    "pyarrow": pa.array,
    "pyarrow chunks": lambda y: pa.chunked_array([y[:7], y[7:]]),
    "torch": torch.from_numpy,
}


def network():
    cb.utils.set_random_seed(1)
    model = cb.Sequential([layers.Dense(4, activation="tanh"), layers.Dense(3, activation="softmax")])
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def results(x, y, weights):
    model = network()
    history = model.fit(x, y, sample_weight=weights, validation_split=0.25, epochs=2, verbose=0).history
    return history, model.get_weights(), model.evaluate(x, y, verbose=0), model.predict(x, verbose=0)


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "int8", "uint16", "bool"])
@pytest.mark.parametrize("table", MAKERS)
def test_tables(table, dtype, rng):
    x = (rng.normal(size=(40, 3)) * 3).astype(dtype)
    y, weights = rng.integers(3, size=40), rng.uniform(size=40)
    column = COLUMNS[table.split(" nullable")[0] if table in COLUMNS else table.split()[0]]
    found, expected = results(MAKERS[table](x), column(y), column(weights)), results(x, y, weights)
    assert found[0] == expected[0]
    assert found[2] == expected[2]
    for a, b in zip([*found[1], found[3]], [*expected[1], expected[3]], strict=True):
        np.testing.assert_array_equal(a, b)


def test_columns_of_several_types_and_labels():
    frame = pd.DataFrame({"a": [1, 2], 7: [0.5, 0.25], "c": [True, False]})
    np.testing.assert_array_equal(from_foreign("x", frame), [[1, 0.5, 1], [2, 0.25, 0]])
    np.testing.assert_array_equal(from_foreign("x", frame.set_index("a")), [[0.5, 1], [0.25, 0]])
    assert from_foreign("x", pd.DataFrame(index=range(3))).shape == (0, 0)


@pytest.mark.parametrize("table", ["pandas", "polars"])
def test_a_dict_of_columns_for_inputs_by_name(table, rng):
    data = rng.normal(size=(20, 3)).astype("float32")
    inputs = {name: cb.Input((1,), name=name) for name in NAMES}
    model = cb.Model(inputs, layers.Dense(2)(layers.Concatenate()(list(inputs.values()))))
    frame = MAKERS[table](data)
    columns = {name: frame[name] for name in NAMES}
    expected = model.predict({name: data[:, i] for i, name in enumerate(NAMES)}, verbose=0)
    np.testing.assert_array_equal(model.predict(columns, verbose=0), expected)


GAPS = {
    "pandas column": lambda y: pd.Series(y[:, 0]),
    "pandas": pd.DataFrame,
    "pandas Int64": lambda y: pd.DataFrame(y).astype("Int64"),
    "pandas boolean": lambda y: pd.Series(y[:, 0]).astype("boolean"),
    "pandas arrow": lambda y: pd.DataFrame(y).astype("int64[pyarrow]"),
    "polars column": lambda y: pl.Series([None if np.isnan(v) else int(v) for v in y[:, 0]]),
    "polars": lambda y: pl.DataFrame({"y": [None if np.isnan(v) else v for v in y[:, 0]]}),
    "polars boolean": lambda y: pl.Series([None if np.isnan(v) else v == 1 for v in y[:, 0]]),
    "polars nan": lambda y: pl.DataFrame({"y": y[:, 0]}),
    "pyarrow": lambda y: pa.table({"y": [None if np.isnan(v) else int(v) for v in y[:, 0]]}),
    "pyarrow boolean": lambda y: pa.array([None if np.isnan(v) else v == 1 for v in y[:, 0]]),
}


@pytest.mark.parametrize("table", GAPS)
@pytest.mark.parametrize(
    ("loss", "units"), [("MeanSquaredError", 1), ("BinaryCrossentropy", 1), ("SparseCategoricalCrossentropy", 2)]
)
def test_missing_targets_of_tables_where_the_loss_ignores_them(table, loss, units, rng):
    x, y = rng.normal(size=(40, 3)), rng.integers(2, size=(40, 1)).astype(float)
    y[::3] = np.nan
    found = []
    for targets in (GAPS[table](y), y):
        cb.utils.set_random_seed(1)
        model = cb.Sequential([layers.Dense(units, "softmax" if units > 1 else "sigmoid")])
        model.compile("sgd", getattr(cb.losses, loss)(missing="ignore"))
        model.fit(x, targets, validation_data=(x, targets), epochs=2, verbose=0)
        batch = model.train_on_batch(x, targets)
        found.append((model.history.history, batch, model.evaluate(x, targets, verbose=0)))
    assert found[0] == found[1]
    assert cb.losses.MeanSquaredError(missing="ignore")(GAPS[table](y), np.zeros((40, 1))) > 0


@pytest.mark.parametrize("table", GAPS)
def test_missing_targets_of_tables_are_refused_by_other_losses(table):
    model = cb.Sequential([layers.Dense(1)])
    model.compile("sgd", "mse")
    with pytest.raises(ValueError, match=r"^y.* has no value in row 1: fill or drop missing values"):
        model.fit(np.zeros((3, 2)), GAPS[table](np.array([[1.0], [np.nan], [0.0]])), verbose=0)


MISTAKES = {
    "pandas text": (pd.DataFrame({"a": [1.0], "city": ["x"]}), TypeError, r"x\['city'\] holds .*, not numbers"),
    "pandas dates": (
        pd.DataFrame({"when": pd.to_datetime(["2020-01-01"])}),
        TypeError,
        r"x\['when'\] holds datetime64",
    ),
    "pandas category": (pd.DataFrame({"k": pd.Categorical([1, 2])}), TypeError, r"x\['k'\] holds category"),
    "pandas nan": (pd.DataFrame({"a": [1.0, 2.0], "b": [1.0, None]}), ValueError, r"^x\['b'\] has no value in row 1"),
    "pandas NA": (pd.DataFrame({"b": [1, None]}, dtype="Int64"), ValueError, r"^x\['b'\] has no value in row 1"),
    "pandas inf": (pd.DataFrame({"a": [np.inf]}), ValueError, r"x must be finite, but got inf at index \(0, 0\)"),
    "pandas categories": (
        pd.Series(["x"], dtype="category"),
        TypeError,
        "^x holds category, not numbers: encode .* numpy.unique",
    ),
    "polars text": (pl.DataFrame({"city": ["x"]}), TypeError, r"x\['city'\] holds String, not numbers"),
    "polars null": (pl.DataFrame({"b": [1, None]}), ValueError, r"^x\['b'\] has no value in row 1"),
    "polars nan": (pl.DataFrame({"b": [1.0, float("nan")]}), ValueError, r"^x\['b'\] has no value in row 1"),
    "polars lazy": (pl.LazyFrame({"b": [1.0]}), TypeError, r"LazyFrame: call its collect\(\) first"),
    "pyarrow text": (pa.table({"city": ["x"]}), TypeError, r"x\['city'\] holds string, not numbers"),
    "pyarrow null": (pa.table({"b": [1.0, None]}), ValueError, r"^x\['b'\] has no value in row 1"),
    "pyarrow list": (pa.array([[1.0], [2.0]]), TypeError, "holds list.* not numbers"),
    "torch gradient": (torch.ones(2, 3, requires_grad=True), TypeError, "cannot be read as an array of the CPU"),
    "torch half": (torch.ones(2, 3, dtype=torch.bfloat16), TypeError, "x"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes(name):
    x, error, message = MISTAKES[name]
    model = cb.Sequential([layers.Dense(1)])
    model.compile("sgd", "mse")
    with pytest.raises(error, match=message):
        model.fit(x, np.zeros(len(x) if hasattr(x, "__len__") else 1))


def test_torch_tensors_are_not_copied():
    tensor = torch.arange(12, dtype=torch.float32).reshape(4, 3)
    assert from_foreign("x", tensor).ctypes.data == tensor.data_ptr()


@pytest.mark.parametrize("workers", [0, 1])
def test_a_data_loader(workers, rng):
    x, y = rng.normal(size=(40, 3)).astype("float32"), rng.integers(3, size=40)
    dataset = torch.utils.data.TensorDataset(torch.from_numpy(x), torch.from_numpy(y))
    loader = torch.utils.data.DataLoader(dataset, batch_size=8, num_workers=workers)
    a = network()
    found = a.fit(loader, epochs=2, verbose=0).history
    b = network()
    expected = b.fit(x, y, epochs=2, batch_size=8, shuffle=False, verbose=0).history
    assert found == expected
    assert a.evaluate(loader, verbose=0) == b.evaluate(x, y, batch_size=8, verbose=0)
    np.testing.assert_allclose(a.predict(loader, verbose=0), b.predict(x, verbose=0), rtol=1e-5)
