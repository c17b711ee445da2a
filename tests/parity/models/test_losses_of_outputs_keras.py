"""Totals of losses in the structure of outputs, or in a part of it, against Keras: in training and evaluating."""

import keras
import numpy as np
import pytest

import cbackprop as cb

RNG = np.random.default_rng(0)
X = RNG.normal(size=(8, 3)).astype("float32")
Y1, Y2 = (RNG.random((8, 1)).astype("float32") for _ in range(2))
STRUCTURES = {
    "list": lambda a, b: [a, b],
    "tuple": lambda a, b: (a, b),
    "dict": lambda a, b: {"a": a, "b": b},
    "deep": lambda a, b: {"p": (a, b), "q": {"r": a, "s": b}},
}
CASES = [
    ("list", "mse", None),
    ("list", ["mse", "mae"], [1.0, 3.0]),
    ("list", ("mse", "mae"), None),
    ("list", ["mse", ["mse", "mae"]], None),
    ("list", ["mse", ["mse", "mae"]], [1.0, [2.0, 3.0]]),
    ("list", [["mse", "binary_crossentropy"], ["mae", "mse"]], None),
    ("list", ("mse", ["mse", "mae"]), None),
    ("list", {"y1": "mse", "y2": ["mae", "mse"]}, None),
    ("tuple", ["mse", ("mse", "mae")], [2.0, (1.0, 3.0)]),
    ("tuple", [("mse", "mae")], None),
    ("dict", {"a": "mse"}, None),
    ("dict", {"a": ["mse", "mae"], "b": "mae"}, {"a": [1.0, 2.0], "b": 3.0}),
    ("dict", [{"a": "mse", "b": "mae"}, {"b": "mse"}], None),
    ("deep", "mse", None),
    ("deep", {"p": "mse"}, None),
    ("deep", {"p": "cosine_similarity"}, None),
    ("deep", {"p": ("mse", "mae")}, None),
    ("deep", {"p": ["mse", (None, "mae")], "q": [{"r": "mae"}]}, None),
    ("deep", {"q": {"r": ["mse", "mae"]}}, None),
]


def model_of(library, structure):
    x = library.Input((3,), name="x")
    y1, y2 = (library.layers.Dense(1, name=name, activation="sigmoid")(x) for name in ("y1", "y2"))
    return library.Model(x, STRUCTURES[structure](y1, y2))


@pytest.mark.parametrize(("structure", "loss", "loss_weights"), CASES)
@pytest.mark.parametrize("weighted", [False, True])
def test_totals(structure, loss, loss_weights, weighted):
    start, found = None, []
    sample_weight = np.linspace(0.1, 2, 8, dtype="float32") if weighted else None
    for library in (keras, cb):
        model = model_of(library, structure)
        start = model.get_weights() if start is None else start
        model.set_weights(start)
        model.compile(library.optimizers.SGD(0.1), loss, loss_weights)
        y = STRUCTURES[structure](Y1, Y2)
        settings = {"batch_size": 4, "verbose": 0, "sample_weight": sample_weight}
        history = model.fit(X, y, epochs=3, shuffle=False, **settings).history
        evaluated = model.evaluate(X, y, return_dict=True, **settings)
        found.append([*history["loss"], evaluated["loss"], *map(np.array, model.get_weights())])
    for ours, theirs in zip(found[1], found[0], strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=2e-5, atol=1e-6)


def test_what_logs_are_called():
    """An output's loss of several is, in Keras, the last of them; here it is their weighted sum."""
    for structure, loss, _ in CASES:
        if loss in ("mse", ["mse", "mae"], ("mse", "mae"), [("mse", "mae")], {"p": ("mse", "mae")}):
            logs = []
            for library in (keras, cb):
                model = model_of(library, structure)
                model.compile("sgd", loss)
                logs.append(set(model.fit(X, STRUCTURES[structure](Y1, Y2), verbose=0).history))
            assert logs[0] == logs[1]
