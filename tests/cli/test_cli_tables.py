"""Tables on the command line that NumPy alone can read; others are in tests/parity."""

import os
import re

import numpy as np
import pytest
from console import assert_refused, score

import cbackprop as cb
from cbackprop import tables
from cbackprop.cli import main


@pytest.fixture
def plane(tmp_path, rng, monkeypatch):
    """Three inputs, two targets, an identifier, and a column that says nothing; in NPZ files."""
    monkeypatch.chdir(tmp_path)
    x = rng.normal(size=(300, 3)).astype(np.float32)
    y = np.column_stack([100 * x[:, 0] - 50 * x[:, 1] + 1000, x[:, 2]])
    kind = np.where(x[:, 0] > x[:, 1], "up", "down")
    np.savez("arrays.npz", x=x, y=y[:, 0])
    np.savez("names.npz", inputs=x.reshape(300, 3, 1), both=y)
    np.savez("columns.npz", a=x[:, 0], b=x[:, 1], kind=kind, serial_id=rng.permutation(300), flat=np.ones(300))
    np.savez("later.npz", b=x[:5, 1], a=x[:5, 0], other=np.zeros(5))
    return x, y, kind


def test_from_arrays_to_predictions(plane, capsys):
    assert main(["train", "arrays.npz", "--save", "m.safetensors", "--epochs", "60", "--learning-rate", "0.01"]) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    assert re.search(r"^240 rows of 3 columns; 4,481 weights trained for \d+ epochs in \d+\.\d\d s", printed.out)
    assert "y: 60 rows held out" in printed.out
    assert score(printed.out, "R2")[0] > 0.98
    assert abs(score(printed.out, "R2")[1]) < 0.1
    error, trivial = score(printed.out, "RMSE")
    assert error < 15 < 80 < trivial

    assert main(["predict", "m.safetensors", "arrays.npz", "--output", "p.npz"]) == 0
    with np.load("p.npz") as found:
        assert found.files == ["y"]
        assert np.sqrt(np.mean((found["y"] - plane[1][:, 0]) ** 2)) < 15
    assert main(["evaluate", "m.safetensors", "arrays.npz"]) == 0
    assert score(capsys.readouterr().out, "RMSE")[0] < 15
    assert main(["gradcheck", "m.safetensors", "arrays.npz", "--rows", "2"]) == 0


def test_columns_by_name(plane, capsys):
    assert main(["train", "columns.npz", "--target", "kind", "--save", "m.safetensors", "--layers", "16"]) == 0
    printed = capsys.readouterr()
    assert printed.err.splitlines() == [
        "note: a column left out, because it counts the rows: serial_id",
        "note: a column left out, because it is constant: flat",
    ]
    assert score(printed.out, "accuracy")[0] > 0.93
    assert score(printed.out, "AUC") == (pytest.approx(1, abs=0.02), 0.5)

    assert main(["predict", "m.safetensors", "later.npz", "--keep", "b"]) == 0
    printed = capsys.readouterr()
    assert printed.err == "note: columns that the model does not know are ignored: other\n"
    header, *rows = (line.split(",") for line in printed.out.splitlines())
    assert header == ["b", "kind", "kind=down", "kind=up"]
    assert [float(row[0]) for row in rows] == pytest.approx(plane[0][:5, 1].tolist())
    model = tables.load("m.safetensors")
    assert [row[1] for row in rows] == model.predict(tables.read("later.npz")).tolist()

    assert main(["summary", "m.safetensors"]) == 0
    printed = capsys.readouterr().out
    assert "left out: serial_id, which counts the rows" in printed
    assert printed.endswith("predicts: kind, one of down, up\n")
    assert re.search(r"^ a +number +1 *$", printed, re.MULTILINE)


def test_several_targets_and_arrays_of_other_names(plane, capsys):
    assert (
        main(["train", "names.npz", "--x", "inputs", "--y", "both", "--save", "m.safetensors", "--layers", "none"]) == 0
    )
    printed = capsys.readouterr().out
    assert "both0: 60 rows held out" in printed
    assert "both1: 60 rows held out" in printed
    assert main(["predict", "m.safetensors", "names.npz"]) == 0
    assert capsys.readouterr().out.startswith("both0,both1\n")


def test_all_options(plane, capsys):
    options = (
        "--layers 8,4 --activation tanh --dropout 0.1 --optimizer sgd --learning-rate 0.05 --batch-size 16 --epochs 7 "
        "--patience 0 --seed 3 --threads 2 --floatx float64 --validation 0 --task classification --drop flat,b --quiet "
        "--categorical serial_id --embed-above 10 --embedding 3 --save m.safetensors"
    )
    assert main(["train", "columns.npz", "--target", "kind", *options.split(), "--tensorboard", "logs"]) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    assert "trained for 7 epochs" in printed.out
    assert "kind: 300 rows trained on" in printed.out
    model = tables.load("m.safetensors")
    assert [column.name for column in model.encoder.columns] == ["a", "serial_id"]
    assert model.model.get_layer("embedding").embeddings.shape == (301, 3)
    assert [layer.units for layer in model.model.layers if hasattr(layer, "units")] == [8, 4, 2]
    assert model.model.get_layer("hidden_1").activation is cb.activations.tanh
    assert model.model.get_layer("dropout_2").rate == 0.1
    assert model.model.dtype == "float64"
    assert isinstance(model.model.optimizer, cb.optimizers.SGD)
    assert float(model.model.optimizer.learning_rate) == 0.05
    assert model.model.optimizer.iterations == 7 * 19
    assert cb.config.floatx() == "float32"
    assert main(["gradcheck", "m.safetensors"]) == 0
    assert os.listdir("logs") == ["train"]


def test_the_same_seed_gives_the_same_model(plane, capsys):
    for name, seed in (("a", "1"), ("b", "1"), ("c", "2")):
        assert main(["train", "arrays.npz", "--epochs", "2", "--seed", seed, "--save", name]) == 0
    a, b, c = (tables.load(name).predict(tables.read("arrays.npz")).tolist() for name in "abc")
    assert a == b != c


def test_training_stops_early_and_keeps_the_best_weights(plane, capsys):
    options = ["train", "arrays.npz", "--patience", "3", "--learning-rate", "0.02"]
    assert main([*options, "--epochs", "500", "--save", "a"]) == 0
    trained, best = map(int, re.search(r"for (\d+) epochs .* epoch (\d+) are kept", capsys.readouterr().out).groups())
    assert trained == best + 3 < 500
    assert main([*options, "--epochs", str(best), "--save", "b"]) == 0
    a, b = (tables.load(name).model.get_weights() for name in "ab")
    for left, right in zip(a, b, strict=True):
        np.testing.assert_array_equal(left, right)


def test_rows_without_a_target_are_left_out(tmp_path, capsys, rng):
    data = str(tmp_path / "d.npz")
    y = np.where(np.arange(100) % 4 == 0, np.nan, rng.normal(size=100))
    np.savez(data, x=rng.normal(size=(100, 2)), y=y)
    assert main(["train", data, "--epochs", "1", "--save", str(tmp_path / "m")]) == 0
    printed = capsys.readouterr()
    assert printed.err == "note: left out because a target is missing: 25 of 100 rows\n"
    assert "60 rows of 2 columns; 4,417 weights trained for 1 epoch in " in printed.out
    assert main(["evaluate", str(tmp_path / "m"), data]) == 0
    assert "y: 75 rows" in capsys.readouterr().out
    np.savez(data, x=np.ones((100, 2)), y=np.full(100, np.nan))
    assert main(["train", data]) == 2
    assert capsys.readouterr().err == "cbackprop: No row has a value of 'y'.\n"


MISTAKES = {
    "target": ("train columns.npz --target kid", "The table has no column 'kid'. Did you mean 'kind'?"),
    "one of two": ("train columns.npz --target kind,kid", "The table has no column 'kid'"),
    "drop": ("train columns.npz --target kind --drop C", "The table has no column 'C'"),
    "text": ("train columns.npz --target kind --task regression", "must hold numbers for regression, but holds texts"),
    "constant": ("train columns.npz --target flat", "Target 'flat' is 1.0 everywhere: there is nothing to learn"),
    "too many": ("train arrays.npz --task classification", "different numbers in 300 rows: too many for classes"),
    "nothing left": ("train arrays.npz --drop x0,x1,x2", "The table has no column to learn from: all are dropped"),
    "split": (
        "train arrays.npz --validation 0.001",
        "cbackprop: --validation must leave rows on both sides, but got 0.001 of 300",
    ),
    "column": ("predict m.safetensors arrays.npz", "The table has no column 'a'"),
    "keep": ("predict m.safetensors later.npz --keep c", "The table has no column 'c'"),
    "keep target": ("predict m.safetensors columns.npz --keep kind", "--keep cannot copy 'kind'"),
    "array": (
        "predict m.safetensors later.npz --x a",
        "--x is for models of arrays, but 'm.safetensors' is one of tables",
    ),
    "output": (
        "predict m.safetensors later.npz --output p.xls",
        "must end in .csv, .tsv, .parquet, .npz, but got 'p.xls'",
    ),
    "output folder": ("predict m.safetensors later.npz --output no/p.csv", "'no/p.csv': No such file or directory"),
    "no truth": ("evaluate m.safetensors later.npz", "The table has no column 'kind'"),
    "lengths": ("train uneven.npz", "All columns must have the same number of rows, but got {'x0': 3"),
    "no rows": ("train empty.npz", "The table has no rows"),
    "complex": ("train complex.npz", "Column 'x0' must hold numbers, texts, booleans or times"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes(plane, capsys, name):
    np.savez("uneven.npz", x=np.zeros((3, 2)), y=np.zeros(4))
    np.savez("empty.npz", x=np.zeros((0, 2)), y=np.zeros(0))
    np.savez("complex.npz", x=np.zeros((3, 2), complex), y=np.zeros(3))
    tables.build(tables.read("columns.npz"), "kind", encoder=tables.TableEncoder(drop=["flat"])).save("m.safetensors")
    line, message = MISTAKES[name]
    assert_refused([*line.split(), *(["--quiet"] if line.startswith("train") else [])], message, capsys)


def test_the_table_that_was_trained_on(plane, capsys):
    """It is noticed, also in another order and format; --held-out scores its other rows."""
    x, _, kind = plane
    assert main(["train", "columns.npz", "--target", "kind", "--save", "m", "--epochs", "5", "--seed", "3"]) == 0
    held_out = capsys.readouterr().out.partition("kind: ")[2]
    assert main(["evaluate", "m", "columns.npz"]) == 0
    printed = capsys.readouterr()
    assert "kind: 300 rows" in printed.out
    assert printed.err.startswith("note: this is the table that the model was trained on, so the scores are better")
    assert "--held-out scores the rows that were held out" in printed.err
    tables.write({"kind": kind, "b": x[:, 1], "a": x[:, 0]}, "again.csv")
    for name in ("columns.npz", "again.csv"):
        assert main(["evaluate", "m", name, "--held-out"]) == 0
        printed = capsys.readouterr()
        assert printed.out == f"kind: {held_out}"
        assert printed.err == ""
    tables.write({"kind": kind[:-1], "b": x[:-1, 1], "a": x[:-1, 0]}, "other.csv")
    assert main(["evaluate", "m", "other.csv"]) == 0
    assert capsys.readouterr().err == ""
    assert_refused(
        ["evaluate", "m", "other.csv", "--held-out"], "This is not the table that the model was trained", capsys
    )
    assert main(["train", "columns.npz", "--target", "kind", "--save", "m", "--epochs", "1", "--validation", "0"]) == 0
    capsys.readouterr()
    assert_refused(["evaluate", "m", "columns.npz", "--held-out"], "No rows were held out: the model was trai", capsys)
    tables.build(tables.read("columns.npz"), "kind").save("m")
    assert_refused(["evaluate", "m", "columns.npz", "--held-out"], "'m' does not know which rows were held out", capsys)


def test_all_missing_columns_are_named(plane, capsys):
    main(["train", "columns.npz", "--target", "kind", "--save", "m", "--epochs", "1"])
    capsys.readouterr()
    np.savez("none.npz", other=np.zeros(5))
    assert_refused(["predict", "m", "none.npz"], "The table has no column 'a' or 'b'.", capsys)
    np.savez("one.npz", A=np.zeros(5), b=np.zeros(5))
    assert_refused(["predict", "m", "one.npz"], "The table has no column 'a'. Did you mean 'A'?", capsys)


def test_all_columns_are_named_where_the_target_is_missing(plane, capsys):
    tables.write({f"c{index}": np.zeros(3) for index in range(40)}, "many.csv")
    names = ", ".join(f"c{index}" for index in range(40))
    assert_refused(
        ["train", "many.csv"], f"--target is missing: which column to predict? The columns are {names}.", capsys
    )


def test_long_names_and_many_columns(plane, capsys):
    rng = np.random.default_rng(0)
    columns = {f"x{index}": rng.normal(size=50) for index in range(100)}
    long = "very " * 40 + "long"
    np.savez("d.npz", **columns, **{long: rng.normal(size=50), "y": rng.normal(size=50)})
    assert main(["train", "d.npz", "--target", "y", "--epochs", "1"]) == 0
    assert f"\nnumbers: x0 to x99, {long}\npredicted numbers: y\n" in capsys.readouterr().out


def test_a_column_that_would_be_written_twice(plane, capsys):
    np.savez("d.npz", a=plane[0][:, 0], kind=plane[2], **{"kind=up": np.ones(300)})
    main(["train", "d.npz", "--target", "kind", "--drop", "kind=up", "--save", "m", "--epochs", "1"])
    capsys.readouterr()
    assert_refused(["predict", "m", "d.npz", "--keep", "kind=up"], "that is the name of a prediction", capsys)
