"""Generators and datasets against Keras, from the same weights: losses, weights, warnings."""

import warnings

import keras
import numpy as np
import pytest

import cbackprop as cb

SIZE, BATCH = 40, 8


@pytest.fixture
def data(rng):
    return rng.normal(size=(SIZE, 3)).astype("float32"), rng.normal(size=(SIZE, 2)).astype("float32")


def models():
    built = []
    for library in (keras, cb):
        model = library.Sequential([library.Input((3,)), library.layers.Dense(4, "tanh"), library.layers.Dense(2)])
        model.compile(library.optimizers.SGD(0.1), "mse", metrics=["mae"])
        built.append(model)
    built[1].set_weights(built[0].get_weights())
    return built


def batches(data, repeat):
    for _ in range(repeat):
        for i in range(0, SIZE, BATCH):
            yield tuple(array[i : i + BATCH] for array in data)


def dataset(library, data):
    class Batches(library.utils.PyDataset):
        def __len__(self):
            return SIZE // BATCH

        def __getitem__(self, index):
            return tuple(array[index * BATCH : (index + 1) * BATCH] for array in data)

    return Batches()


CASES = {
    "generator": (lambda library, data: batches(data, 9), {"steps_per_epoch": 5, "epochs": 3}),
    "generator, parts": (lambda library, data: batches(data, 9), {"steps_per_epoch": 3, "epochs": 3}),
    "generator ends": (lambda library, data: batches(data, 1), {"steps_per_epoch": 8}),
    "dataset": (dataset, {"shuffle": False, "epochs": 2}),
    "dataset, parts": (dataset, {"shuffle": False, "steps_per_epoch": 3, "epochs": 3}),
    "dataset ends": (dataset, {"shuffle": False, "steps_per_epoch": 7, "epochs": 2}),
}


@pytest.mark.parametrize("name", CASES)
def test_fit(name, data):
    make, kwargs = CASES[name]
    theirs, ours = models()
    told = []
    histories = []
    for library, model in ((keras, theirs), (cb, ours)):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            histories.append(model.fit(make(library, data), verbose=0, **kwargs).history)
        told.append(any("ran out of data" in str(warning.message) for warning in caught))
    assert told[0] == told[1]
    for key, values in histories[0].items():
        np.testing.assert_allclose(histories[1][key], values, rtol=1e-4)
    for a, b in zip(theirs.get_weights(), ours.get_weights(), strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-4, atol=1e-6)


def test_evaluate_predict_and_validation(data):
    theirs, ours = models()
    for model, library in ((theirs, keras), (ours, cb)):
        model.results = (
            model.evaluate(dataset(library, data), verbose=0),
            model.evaluate(batches(data, 2), steps=7, verbose=0),
            model.predict(dataset(library, data), verbose=0),
            model.fit(*data, validation_data=dataset(library, data), shuffle=False, verbose=0).history["val_loss"],
        )
    for a, b in zip(theirs.results, ours.results, strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("given", [{"y": 1}, {"sample_weight": 1}])
def test_targets_beside_a_dataset_are_refused(given, data):
    for model, library in zip(models(), (keras, cb), strict=True):
        with pytest.raises(ValueError, match=r"PyDataset|Batches"):
            model.fit(dataset(library, data), verbose=0, **given)
