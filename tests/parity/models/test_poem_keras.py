"""A model of characters, of the poems in the gallery, learns as Keras's does from the same weights."""

import ast
from pathlib import Path

import keras
import numpy as np

import cbackprop as cb

PAGE = Path(__file__).parents[3] / "docs" / "gallery" / "plot_poem.py"
STEPS = 30


def poems():
    """The text of the page."""
    for node in ast.parse(PAGE.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "POEMS":
            return ast.literal_eval(node.value)
    raise AssertionError(f"{PAGE} has no POEMS.")


def test_the_loss_falls_as_that_of_keras():
    text = poems()
    letters = sorted(set(text))
    numbers = np.array([letters.index(letter) for letter in text])
    windows = np.lib.stride_tricks.sliding_window_view(numbers, STEPS + 1)[::7]
    x, y = np.ascontiguousarray(windows[:, :-1]), np.ascontiguousarray(windows[:, 1:])
    models = []
    for k in (cb, keras):
        model = k.Sequential(
            [
                k.Input((STEPS,), dtype="int32"),
                k.layers.Embedding(len(letters), 8),
                k.layers.GRU(24, return_sequences=True),
                k.layers.Dense(len(letters), activation="softmax"),
            ]
        )
        model.compile(k.optimizers.Adam(0.01), "sparse_categorical_crossentropy", metrics=["accuracy"])
        models.append(model)
    models[0].set_weights(models[1].get_weights())
    histories = [model.fit(x, y, batch_size=16, epochs=3, shuffle=False, verbose=0).history for model in models]
    np.testing.assert_allclose(histories[0]["loss"], histories[1]["loss"], rtol=2e-4)
    np.testing.assert_allclose(histories[0]["accuracy"], histories[1]["accuracy"], atol=2e-3)
    assert histories[0]["loss"][-1] < 0.85 * histories[0]["loss"][0]
