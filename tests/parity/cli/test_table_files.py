"""From a file to predictions without a line of Python: CSV, TSV and Parquet, and tables that scikit-learn brings."""

import io
import subprocess
import sys

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from console import assert_refused, score
from sklearn import datasets, metrics

from cbackprop import tables
from cbackprop.cli import main

COMMAND = [sys.executable, "-P", "-c", "import sys; from cbackprop.cli import main; sys.exit(main())"]


def breast_cancer():
    frame = datasets.load_breast_cancer(as_frame=True).frame
    frame["target"] = frame["target"].map({0: "malignant", 1: "benign"})
    frame.insert(0, "patient_id", 1000 + np.random.default_rng(0).permutation(len(frame)))
    return frame


def wine():
    """With a category, and values missing in it and in a number."""
    frame = datasets.load_wine(as_frame=True).frame
    frame["strength"] = pd.cut(frame.pop("alcohol"), 3, labels=["low", "middle", "high"]).astype(object)
    frame.loc[::7, "strength"] = None
    frame.loc[::5, "hue"] = np.nan
    frame["flavanoids > 2"] = frame["flavanoids"] > 2
    return frame


def diabetes():
    """With a category instead of 1 and 2, days, and missing values."""
    frame = datasets.load_diabetes(as_frame=True, scaled=False).frame
    frame["sex"] = frame["sex"].map({1: "f", 2: "m"})
    frame["day"] = pd.date_range("2020-01-01", periods=len(frame), freq="D").astype("datetime64[us]")
    frame.loc[::9, "bmi"] = np.nan
    frame.loc[::11, "sex"] = None
    return frame


TABLES = {"breast_cancer": breast_cancer, "wine": wine, "diabetes": diabetes}
FLOORS = {"breast_cancer": ("accuracy", 0.95), "wine": ("accuracy", 0.94), "diabetes": ("R2", 0.35)}


def write(frame, path):
    if path.endswith(".parquet"):
        frame.to_parquet(path)
    else:
        frame.to_csv(path, index=False, sep="\t" if path.endswith(".tsv") else ",")


@pytest.mark.parametrize("suffix", ["csv", "tsv", "parquet"])
@pytest.mark.parametrize("name", TABLES)
def test_from_a_table_to_predictions(tmp_path, monkeypatch, capsys, name, suffix):
    monkeypatch.chdir(tmp_path)
    frame = TABLES[name]()
    write(frame, f"data.{suffix}")
    assert main(["train", f"data.{suffix}", "--target", "target", "--save", "m.safetensors"]) == 0
    printed = capsys.readouterr()
    metric, floor = FLOORS[name]
    model, trivial = score(printed.out, metric)
    assert model >= floor > trivial
    assert ("patient_id" in printed.err) == (name == "breast_cancer")

    # Columns in another order, without the target, and one more; read from another format.
    later = frame.drop(columns="target").iloc[:, ::-1].assign(more=1.0)
    write(later, "later.parquet")
    assert main(["predict", "m.safetensors", "later.parquet", "--output", f"p.{suffix}"]) == 0
    assert capsys.readouterr().err == "note: columns that the model does not know are ignored: more\n"
    found = tables.read(f"p.{suffix}", text=["target"] if name != "diabetes" else [])
    assert len(found["target"]) == len(frame)
    truth = frame["target"]
    if name == "diabetes":
        assert metrics.r2_score(truth, found["target"]) > floor
    else:
        assert metrics.accuracy_score(truth.astype(str), found["target"].astype(str)) > floor
        np.testing.assert_allclose(sum(found[f"target={c}"] for c in sorted(set(truth))), 1, rtol=1e-5)
    # In Python, on a frame, the same.
    in_python = tables.load("m.safetensors").predict(later)
    if name == "diabetes":
        np.testing.assert_allclose(in_python, found["target"], rtol=1e-12)
    else:
        assert [str(value) for value in in_python] == found["target"].astype(str).tolist()
    assert main(["evaluate", "m.safetensors", f"data.{suffix}"]) == 0
    assert score(capsys.readouterr().out, metric)[0] > floor


def test_scores_are_those_of_scikit_learn(tmp_path, rng):
    truth = rng.integers(3, size=200)
    probabilities = rng.dirichlet(np.ones(3), 200).round(2)
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    found = tables.classification_scores(truth, probabilities)
    assert found["accuracy"] == metrics.accuracy_score(truth, probabilities.argmax(axis=1))
    assert found["balanced accuracy"] == pytest.approx(
        metrics.balanced_accuracy_score(truth, probabilities.argmax(axis=1))
    )
    assert found["AUC"] == pytest.approx(metrics.roc_auc_score(truth, probabilities, multi_class="ovr"))
    clipped = np.clip(probabilities, 1e-7, 1)
    assert found["log loss"] == pytest.approx(metrics.log_loss(truth, clipped / clipped.sum(axis=1, keepdims=True)))
    binary = tables.classification_scores(truth > 0, probabilities[:, :2])
    assert binary["AUC"] == pytest.approx(metrics.roc_auc_score(truth > 0, probabilities[:, 1]))
    numbers, guesses = rng.normal(size=(2, 50))
    assert tables.regression_scores(numbers, guesses) == pytest.approx(
        {
            "RMSE": metrics.root_mean_squared_error(numbers, guesses),
            "MAE": metrics.mean_absolute_error(numbers, guesses),
            "R2": metrics.r2_score(numbers, guesses),
        }
    )


def test_pipes(tmp_path):
    """CSV in, CSV out, in processes of their own; no colours, no bar, no trace when the reader leaves."""
    write(wine(), str(tmp_path / "wine.csv"))
    text = (tmp_path / "wine.csv").read_text()

    def run(*arguments):
        done = subprocess.run([*COMMAND, *arguments], input=text, capture_output=True, text=True, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        return done

    trained = run("train", "-", "--target", "target", "--epochs", "20", "--save", "m")
    assert trained.stderr == ""
    assert "\x1b" not in trained.stdout
    predicted = run("predict", "m", "-").stdout.splitlines()
    assert predicted[0] == "target,target=0,target=1,target=2"
    assert len(predicted) == 179


def test_embedded_categories(tmp_path, monkeypatch, capsys, rng):
    """A hundred towns, each of which has its own price."""
    monkeypatch.chdir(tmp_path)
    towns = rng.integers(100, size=3000)
    price = rng.normal(size=100)[towns] + 0.1 * rng.normal(size=3000)
    pd.DataFrame({"town": [f"{town:03}" for town in towns], "price": price}).to_csv("data.csv", index=False)
    options = ["--categorical", "town", "--save", "m", "--epochs", "40", "--learning-rate", "0.01"]
    assert main(["train", "data.csv", "--target", "price", *options]) == 0
    assert score(capsys.readouterr().out, "R2")[0] > 0.9
    model = tables.load("m")
    assert model.encoder.embedded[0].values[:2] == ("000", "001")
    # Towns are texts here too, though all of them look like numbers.
    pd.DataFrame({"town": ["000", "099", "0", "nowhere"]}).to_csv("later.csv", index=False)
    assert main(["predict", "m", "later.csv"]) == 0
    found = [float(line) for line in capsys.readouterr().out.splitlines()[1:]]
    assert found[0] == pytest.approx(price[towns == 0].mean(), abs=0.3)
    assert found[1] == pytest.approx(price[towns == 99].mean(), abs=0.3)
    assert found[2] == found[3]


TEXTS = {
    "spaces": (b"a, b ,c\n 1, x,0.5\n2 ,y , 1e3\n", {"a": [1, 2], "b": ["x", "y"], "c": [0.5, 1000]}),
    "missing": (b"a,b\n1,NA\n,?\n3,x\n", {"a": [1, None, 3], "b": [None, None, "x"]}),
    "booleans": (b"a\ntrue\nFALSE\n", {"a": [True, False]}),
    "times": (b"a,b\n2020-01-02,2020-01-02T03:04:05\n,2020-01-02 00:00:00.5\n", None),
    "mixed": (b"a\n1\nx\n", {"a": ["1", "x"]}),
    "quotes": (b'a,b\n"1, or 2","say ""no"""\nx,y\n', {"a": ["1, or 2", "x"], "b": ['say "no"', "y"]}),
    "semicolons": (b"a;b\n1;x\n", {"a": [1], "b": ["x"]}),
    "tabs": (b"a\tb\n1\tx\n", {"a": [1], "b": ["x"]}),
    "bom and carriage returns": (b"\xef\xbb\xbfa,b\r\n1,x\r\n", {"a": [1], "b": ["x"]}),
    "large": (b"a\n1\n123456789012345678901234567890\n", {"a": [1, 1.2345678901234568e29]}),
}


@pytest.mark.parametrize("name", TEXTS)
def test_types_of_text(name):
    content, expected = TEXTS[name]
    found = tables.read(io.BytesIO(content))
    if name == "times":
        assert [column.dtype for column in found.values()] == ["<M8[us]"] * 2
        assert found["b"].astype(str).tolist() == ["2020-01-02T03:04:05.000000", "2020-01-02T00:00:00.500000"]
        return
    for column, values in tables.as_table(expected).items():
        np.testing.assert_array_equal(found[column], values)
        assert found[column].dtype == values.dtype


FRAME = pd.DataFrame(
    {
        "n": [1, 2, 3],
        "f": [0.5, np.nan, 2.5],
        "t": ["a", None, "c"],
        "b": [True, False, True],
        "d": pd.to_datetime(["2020-01-01", None, "2020-01-03"]),
    }
)
FRAMES = {
    "pandas": lambda: FRAME,
    "pandas nullable": lambda: FRAME.convert_dtypes(),
    "pandas arrow": lambda: FRAME.convert_dtypes(dtype_backend="pyarrow"),
    "pandas categories": lambda: FRAME.astype({"t": "category"}),
    "polars": lambda: pl.from_pandas(FRAME),
    "polars categories": lambda: pl.from_pandas(FRAME).with_columns(pl.col("t").cast(pl.Categorical)),
    "pyarrow": lambda: pa.Table.from_pandas(FRAME),
    "columns of pandas": lambda: {name: FRAME[name] for name in FRAME},
    "columns of polars": lambda: dict(zip(FRAME, pl.from_pandas(FRAME).get_columns(), strict=True)),
    "columns of pyarrow": lambda: dict(zip(FRAME, pa.Table.from_pandas(FRAME).columns, strict=True)),
}


@pytest.mark.parametrize("name", FRAMES)
def test_frames_of_any_library_are_the_same_columns(name):
    found, expected = tables.as_table(FRAMES[name]()), tables.as_table(FRAME)
    assert list(found) == list(FRAME)
    for column, values in expected.items():
        assert found[column].dtype == values.dtype
        np.testing.assert_array_equal(found[column], values)


@pytest.mark.parametrize("suffix", ["csv", "tsv", "parquet"])
def test_what_is_written_is_read(tmp_path, suffix):
    path = tmp_path / f"t.{suffix}"
    tables.write(FRAME, path)
    for column, values in tables.as_table(FRAME).items():
        np.testing.assert_array_equal(tables.read(path)[column], values)


MISTAKES = {
    "empty": ("train empty.csv --target a", "'empty.csv' is empty"),
    "header": ("train header.csv --target a", "'header.csv' has no rows below its header in line 1"),
    "ragged": (
        "train ragged.csv --target a",
        "'ragged.csv', line 3: there are 3 fields, but the header in line 1 has 2.",
    ),
    "parquet": ("train bad.parquet --target a", "'bad.parquet' cannot be read as Parquet"),
    "no target": ("train good.csv", "--target is missing: which column to predict? The columns are a, b, c"),
    "unknown target": ("train good.csv --target aa", "The table has no column 'aa'. Did you mean 'a'?"),
    "missing": ("train gone.csv --target a", "No row has a value of 'a'"),
    "text": ("train good.csv --target c --task regression", "Target 'c' must hold numbers for regression"),
    "constant": ("train good.csv --target b", "Target 'b' is 1 everywhere"),
    "optimizer": ("train good.csv --target a --optimizer nothing", "Unknown optimizer 'nothing'"),
    "text for numbers": ("predict m text.csv", "Column 'a' of 'text.csv' must hold numbers, but holds 'x' in line 3."),
    "class": ("evaluate m class.csv", "Target 'c' has class 'z', which was not in the training data: only 'x', 'y'"),
    "folder": ("train . --target a", "--target is for tables, but DATA is a folder, so it must have a folder"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes(tmp_path, monkeypatch, capsys, name):
    monkeypatch.chdir(tmp_path)
    files = {
        "empty.csv": " \n",
        "header.csv": "a,b\n",
        "ragged.csv": "a,b\n1,2\n1,2,3\n",
        "bad.parquet": "PAR1",
        "good.csv": "a,b,c\n" + "1.5,1,x\n2.5,1,y\n" * 10,
        "gone.csv": "a,b\n,1\nNA,2\n",
        "text.csv": "a\n1\nx\n",
        "class.csv": "a,c\n1,x\n2,z\n",
    }
    for file, content in files.items():
        (tmp_path / file).write_text(content)
    tables.build(tables.read("good.csv"), "c").save("m")
    line, message = MISTAKES[name]
    assert_refused([*line.split(), *(["--quiet"] if line.startswith("train") else [])], message, capsys)
