"""Networks for tables: what they learn, in files and back, and every mistake."""

import json

import numpy as np
import pytest

import cbackprop as cb
from cbackprop import saving, tables

CITIES = ["Rome", "Oslo", "Lima", None]


@pytest.fixture
def table(rng):
    """The city decides how rain makes umbrellas; a fifth of the rain is missing."""
    rows = 400
    city = rng.integers(4, size=rows)
    rain = rng.uniform(0, 10, rows)
    sold = rain * np.array([1.0, 2.0, -1.0, 0.0])[city] + 3
    gone = rng.uniform(size=rows) < 0.2
    return {
        "city": [CITIES[index] for index in city],
        "rain": np.where(gone, np.nan, rain),
        "warm": city == 2,
        "sold": sold,
        "kind": np.where(sold > 3, "more", "less"),
        "shop": np.arange(rows),
    }


def trained(table, target, **options):
    train, held_out = tables.split(table, 0.25)
    model = tables.build(train, target, optimizer=cb.optimizers.Adam(0.01), **options)
    history = model.fit(train, held_out, epochs=40, verbose=0)
    assert len(history.history["val_loss"]) == 40
    return model, held_out


@pytest.mark.parametrize("embed_above", [32, 1])
def test_a_number_and_a_class_together(tmp_path, table, embed_above):
    encoder = tables.TableEncoder(embed_above=embed_above, drop=["shop"])
    model, held_out = trained(table, ["sold", "kind"], encoder=encoder)
    scores, trivial = model.evaluate(held_out), model.baseline(held_out)
    assert scores["sold"]["R2"] > 0.8
    assert abs(trivial["sold"]["R2"]) < 0.1
    assert scores["kind"]["accuracy"] > 0.9 > trivial["kind"]["accuracy"]
    assert trivial["kind"]["AUC"] == 0.5
    found = model.predict(held_out)
    assert {*found["kind"]} <= {"more", "less"}
    assert scores["kind"]["accuracy"] == (found["kind"] == held_out["kind"]).mean()
    assert scores["sold"]["MAE"] == pytest.approx(np.abs(found["sold"] - held_out["sold"]).mean())
    probabilities = model.predict_proba(held_out)["kind"]
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)
    results = model.results(held_out)
    assert list(results) == ["sold", "kind", "kind=less", "kind=more"]
    np.testing.assert_array_equal(results["kind=more"], probabilities[:, 1])

    model.save(tmp_path / "m.safetensors")
    same = cb.tables.load(tmp_path / "m.safetensors")
    assert same.evaluate(held_out) == scores
    assert same.baseline(held_out) == trivial
    backwards = {name: held_out[name] for name in reversed(held_out)} | {"more": held_out["sold"]}
    np.testing.assert_array_equal(same.predict(backwards)["sold"], found["sold"])
    assert tables.knows_tables(tmp_path / "m.safetensors")
    # The network alone is an ordinary model.
    assert cb.models.load_model(tmp_path / "m.safetensors").count_params() == model.model.count_params()


def test_one_target_gives_one_array(table):
    model, held_out = trained(table, "kind", units=[8], dropout=0.1, activation="tanh")
    assert model.predict(held_out).shape == (100,)
    assert model.predict_proba(held_out).shape == (100, 2)
    assert model.evaluate(held_out)["accuracy"] > 0.8
    assert model.encoder.dropped == {"shop": "counts the rows"}
    unknown = {"city": ["Paris"], "rain": [None], "warm": [None], "sold": [3]}
    assert model.predict(unknown)[0] in ("more", "less")


def test_float64(table):
    cb.config.set_floatx("float64")
    model = tables.build(table, "sold")
    assert model.inputs(table).dtype == np.float64
    assert model.model.dtype == "float64"


def test_numbers_of_another_unit_are_learned_as_well(table):
    """The target is standardised inside: its unit does not matter."""
    scores = []
    for factor in (1, 1e6):
        cb.utils.set_random_seed(0)
        model, held_out = trained(table | {"sold": table["sold"] * factor}, "sold")
        scores.append(model.evaluate(held_out))
    assert scores[1]["R2"] == pytest.approx(scores[0]["R2"], abs=0.02)
    assert scores[1]["MAE"] == pytest.approx(scores[0]["MAE"] * 1e6, rel=0.2)


MISTAKES = {
    "target": (lambda t: tables.build(t, "solid"), ValueError, r"no column 'solid'. Did you mean 'sold'"),
    "no target": (lambda t: tables.build(t, []), ValueError, "target must be one or more different columns"),
    "number": (lambda t: tables.build(t, 3), TypeError, "target must be a column's name or a list of names, but got 3"),
    "unit": (lambda t: tables.build(t, "sold", units=64), TypeError, "units must be a list of widths, but got 64"),
    "encoder": (lambda t: tables.build(t, "sold", encoder=3), TypeError, "encoder must be a TableEncoder, but got int"),
    "model": (lambda t: tables.TableModel(3, None, []), TypeError, "model must be a Model, but got int"),
    "parts": (lambda t: tables.TableModel(cb.Sequential(), None, []), TypeError, "encoder must be a TableEncoder"),
    "source": (lambda t: tables.read(3), TypeError, "source must be a path or a binary file, but got int"),
    "text": (
        lambda t: tables.read("a.csv", text="ab"),
        TypeError,
        "text must be several names, but got the",
    ),
    "twice": (lambda t: tables.build(t, ["sold", "sold"]), ValueError, "different columns"),
    "nothing else": (lambda t: tables.build({"sold": t["sold"]}, "sold"), ValueError, "it has only sold"),
    "units": (lambda t: tables.build(t, "sold", units=[0]), ValueError, "units must be at least 1"),
    "dropout": (lambda t: tables.build(t, "sold", dropout=1), ValueError, "dropout must be at least 0 and below 1"),
    "embedding": (lambda t: tables.build(t, "sold", embedding=0), ValueError, "embedding must be at least 1"),
    "task": (lambda t: tables.build(t, "kind", task="regression"), ValueError, "must hold numbers for regression"),
    "row": (lambda t: tables.build(t, "kind").fit(t | {"kind": [None] * 400}), ValueError, "no value in row 0"),
    "column": (lambda t: tables.build(t, "kind").predict({"rain": [1]}), ValueError, "no column 'city'"),
    "evaluate": (lambda t: tables.build(t, "warm").evaluate({"city": ["Rome"]}), ValueError, "The table has no column"),
    "numbers": (
        lambda t: tables.build(t, "sold").predict_proba(t),
        ValueError,
        "sold has no classes",
    ),
    "widths": (
        lambda t: tables.TableModel(tables.build(t, "sold").model, tables.TableEncoder().fit({"a": [1, 2]}), []),
        ValueError,
        "The model must have inputs of the widths {'numbers': 1}, but has {'numbers'",
    ),
    "outputs": (
        lambda t: tables.TableModel((m := tables.build(t, "sold")).model, m.encoder, []),
        ValueError,
        "outputs of the shapes",
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes(table, name):
    make, error, message = MISTAKES[name]
    with pytest.raises(error, match=message):
        make(table)


EDITS = {
    "no json": lambda text: text[:-1],
    "deep": lambda text: "[" * 100_000,
    "list": lambda text: "[]",
    "no encoder": lambda text: json.dumps({"targets": []}),
    "no targets": lambda text: json.dumps(json.loads(text) | {"targets": []}),
    "not fitted": lambda text: text.replace('"columns": [', '"columns": null, "x": ['),
    "another width": lambda text: text.replace('"missing": true', '"missing": false'),
    "infinite": lambda text: text.replace('"mean": ', '"mean": 1e999, "x": '),
    "not a number": lambda text: text.replace('"scale": ', '"scale": NaN, "x": '),
    "kind": lambda text: text.replace('"kind": "number"', '"kind": "os.system"'),
}


@pytest.mark.parametrize("name", EDITS)
def test_files_that_say_something_else_are_refused(tmp_path, table, name):
    model = tables.build(table, "kind")
    model.save(tmp_path / "m")
    text = saving.load_extras(tmp_path / "m")["tables"]
    assert EDITS[name](text) != text
    saving.save_model(model.model, tmp_path / "m", extras={"tables": EDITS[name](text)})
    with pytest.raises(ValueError, match="its encoders for tables cannot be read"):
        tables.load(tmp_path / "m")


def test_a_model_that_knows_no_tables(tmp_path):
    cb.Sequential([cb.Input((2,)), cb.layers.Dense(1)]).save(tmp_path / "m")
    with pytest.raises(ValueError, match="without encoders for tables: it takes arrays"):
        tables.load(tmp_path / "m")


@pytest.mark.parametrize("hard", ["hidden_1", "numbers", "", "table", "dropout_2", "a/b", "städte"])
def test_logs_name_the_targets(hard, tmp_path):
    table = {"a": np.linspace(0, 1, 20), "price": np.linspace(1, 2, 20), hard: ["x", "y"] * 10}
    model = tables.build(table, ["price", hard], units=[4, 4], dropout=0.1)
    history = model.fit(table, epochs=1, verbose=0, validation=table).history
    name = hard if hard in ("a/b", "städte") else "output_2"
    keys = {"loss", "price_loss", "price_r2_score", f"{name}_loss", f"{name}_accuracy"}
    assert set(history) == keys | {f"val_{key}" for key in keys}
    model.save(tmp_path / "model.safetensors")
    loaded = tables.load(tmp_path / "model.safetensors")
    assert loaded.target_names == ["price", hard]
    np.testing.assert_array_equal(loaded.predict(table)["price"], model.predict(table)["price"])


def test_predictions_of_rows_as_dicts():
    table = {"a": np.linspace(0, 1, 20), "kind": ["x", "y"] * 10, "price": np.linspace(1, 2, 20)}
    rows = [{"a": a, "kind": kind} for a, kind in zip(table["a"], table["kind"], strict=True)]
    model = tables.build(table, "price", units=[4])
    model.fit(table, epochs=2, verbose=0)
    np.testing.assert_array_equal(model.predict(rows), model.predict(table))
    np.testing.assert_array_equal(model.predict(rows[:1]), model.predict(table)[:1])
    with pytest.raises(ValueError, match="kind"):
        model.predict([{"a": 1.0}])
