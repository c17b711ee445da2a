"""Where all targets of an output are missing, a loss of 0 looks like success: a warning says so, once."""

import warnings

import numpy as np
import pytest

import cbackprop as cb
from cbackprop import layers, losses
from cbackprop.models.sources import blocks

X = np.random.default_rng(0).normal(size=(24, 3)).astype("float32")
THERE, GONE = X[:, :1].copy(), np.full((24, 1), np.nan, "float32")


def of_two():
    x = cb.Input((3,))
    model = cb.Model(x, {"a": layers.Dense(1, name="a")(x), "b": layers.Dense(2, "softmax", name="b")(x)})
    sparse = losses.SparseCategoricalCrossentropy(missing="ignore")
    model.compile("sgd", {"a": losses.MeanSquaredError(missing="ignore"), "b": sparse})
    return model


def of_one():
    model = cb.Sequential([cb.Input((3,)), layers.Dense(1, name="only")])
    model.compile("sgd", losses.MeanSquaredError(missing="ignore"))
    return model


def batches(y, size=8):
    return [(X[i : i + size], y[i : i + size]) for i in range(0, 24, size)]


class Batches(cb.utils.PyDataset):
    def __len__(self):
        return 3

    def __getitem__(self, index):
        return batches(GONE)[index]


def mapped(folder):
    arrays = []
    for name, array in (("x", X), ("y", GONE)):
        arrays.append(np.memmap(folder / name, "float32", "w+", shape=array.shape))
        arrays[-1][:] = array
    return arrays


KINDS = {
    "arrays": lambda at: of_one().fit(X, GONE, epochs=2, verbose=0),
    "dataset": lambda at: of_one().fit(Batches(), epochs=2, verbose=0),
    "generator": lambda at: of_one().fit((b for _ in range(2) for b in batches(GONE)), epochs=2, steps_per_epoch=3,
                                             verbose=0),
    "files": lambda at: of_one().fit(*mapped(at), epochs=2, verbose=0),
    "files, in steps": lambda at: of_one().fit(*mapped(at), epochs=2, batch_size=8, steps_per_epoch=3, verbose=0),
    "validation": lambda at: of_one().fit(X, THERE, validation_data=(X, GONE), epochs=2, verbose=0),
    "validation by a dataset": lambda at: of_one().fit(X, THERE, validation_data=Batches(), epochs=2, verbose=0),
    "validation by files": lambda at: of_one().fit(X, THERE, validation_data=mapped(at), epochs=2, verbose=0),
    "evaluation": lambda at: of_one().evaluate(X, GONE, verbose=0),
    "evaluation of a dataset": lambda at: of_one().evaluate(Batches(), verbose=0),
    "evaluation of files": lambda at: of_one().evaluate(*mapped(at), verbose=0),
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_of_the_only_output(kind, tmp_path, monkeypatch):
    monkeypatch.setattr(blocks, "PIECE", 128)  # of bytes; all that is larger is read in such pieces
    purpose = kind.split()[0] if kind.startswith(("validation", "evaluation")) else "training"
    message = f"All targets of output 'only' are missing in the data for {purpose}, and missing='ignore' leaves them"
    with pytest.warns(UserWarning, match=message) as told:
        KINDS[kind](tmp_path)
    assert len(told) == 1
    assert told[0].filename == __file__


def test_of_one_of_two_outputs():
    with pytest.warns(UserWarning, match="All targets of output 'b' are missing in the data for training") as told:
        of_two().fit(X, {"a": THERE, "b": GONE}, epochs=2, verbose=0)
    assert len(told) == 1
    with pytest.warns(UserWarning, match="All targets of output 'a', 'b' are missing"):
        of_two().fit(X, {"a": GONE, "b": GONE}, verbose=0)


def test_of_a_part_that_is_split_off():
    y = THERE.copy()
    y[-6:] = np.nan
    with pytest.warns(UserWarning, match="All targets of output 'only' are missing in the data for validation") as told:
        of_one().fit(X, y, validation_split=0.25, verbose=0)
    assert [each.filename for each in told] == [__file__]
    y = np.where(np.isnan(y), 1, np.nan)
    with pytest.warns(UserWarning, match="All targets of output 'only' are missing in the data for training") as told:
        of_one().fit(X, y, validation_split=0.25, verbose=0)
    assert [each.filename for each in told] == [__file__]


def test_batches_without_targets_are_no_mistake(tmp_path, monkeypatch):
    monkeypatch.setattr(blocks, "PIECE", 128)
    y = GONE.copy()
    y[20] = 1
    x_file, y_file = mapped(tmp_path)
    y_file[20] = 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        of_one().fit(X, y, batch_size=8, epochs=2, verbose=0)
        of_one().fit(iter(batches(y)), verbose=0)
        of_one().fit(x_file, y_file, batch_size=8, epochs=2, verbose=0)
        of_one().train_on_batch(X, GONE)
        of_one().test_on_batch(X, GONE)
