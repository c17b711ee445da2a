"""Models as estimators of scikit-learn: its own checks, as Keras runs them, and use."""

import pickle

import numpy as np
import pytest
import sklearn
from sklearn.base import clone
from sklearn.datasets import load_diabetes, load_iris, make_classification
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler, scale
from sklearn.utils.estimator_checks import parametrize_with_checks

import cbackprop as cb
from cbackprop.wrappers import SKLearnClassifier, SKLearnRegressor, SKLearnTransformer

IRIS = load_iris(return_X_y=True)
DIABETES = scale(load_diabetes().data), scale(load_diabetes().target)


class Make:
    """A function that makes a model; by a name without an address, for what runs tests in several processes."""

    def __call__(self, X, y, loss="mse", activation=None, units=(10,), rate=0.001):
        def dense(*arguments):
            return cb.layers.Dense(*arguments, kernel_initializer=cb.initializers.GlorotUniform(seed=len(layers)))

        layers = [cb.Input((X.shape[1],))]
        for n in units:
            layers.append(dense(n, "relu"))
        layers.append(dense(y.shape[1] if y.ndim > 1 else 1, activation))
        model = cb.Sequential(layers)
        model.compile(cb.optimizers.Adam(rate), loss)
        return model

    def __repr__(self):
        return "make"


make = Make()


# Checks that do not hold for every model, as Keras says of its own wrappers. These models do not draw random
# numbers, so that the checks of repeated fits hold.
NOT_PASSED = {
    "SKLearnClassifier": {
        "check_classifiers_one_label_sample_weights": "samples of weight 0 are not left out",
        "check_classifiers_classes": "of small data, not all classes are predicted",
        "check_classifiers_train": "decision_function may be probabilities or logits",
    },
}


@parametrize_with_checks(
    [
        SKLearnClassifier(
            make,
            model_kwargs={"loss": "categorical_crossentropy", "activation": "softmax", "units": [20, 20, 20]},
            fit_kwargs={"epochs": 5, "verbose": 0, "shuffle": False},
        ),
        SKLearnRegressor(make, fit_kwargs={"verbose": 0, "shuffle": False}),
        SKLearnTransformer(make, fit_kwargs={"verbose": 0, "shuffle": False}),
    ],
    expected_failed_checks=lambda estimator: NOT_PASSED.get(type(estimator).__name__, {}),
)
def test_checks_of_scikit_learn(estimator, check):
    check(estimator)


SOFTMAX = {"loss": "categorical_crossentropy", "activation": "softmax", "rate": 0.02}


def classifier(**settings):
    return SKLearnClassifier(make, model_kwargs=SOFTMAX, fit_kwargs={"epochs": 40, "verbose": 0}, **settings)


def test_classifier():
    X, y = IRIS
    names = np.array(["a", "b", "c"])[y]
    cb.utils.set_random_seed(0)
    found = classifier().fit(X, names)
    assert found.classes_.tolist() == ["a", "b", "c"]
    assert found.score(X, names) > 0.9
    assert found.predict(X[:4]).shape == (4,)
    outputs = found.decision_function(X)
    assert outputs.shape == (150, 3)
    np.testing.assert_array_equal(found.predict(X), found.classes_[outputs.argmax(1)])
    assert found.epoch_ == 40 == len(found.history_.history["loss"])


@pytest.mark.parametrize("activation", ["softmax", None])
def test_decision_function_and_predict_agree(activation):
    X, y = make_classification(10, 10, n_informative=4, random_state=42)
    loss = cb.losses.BinaryCrossentropy(from_logits=activation is None)
    found = SKLearnClassifier(make, model_kwargs={"loss": loss, "activation": activation})
    found.fit(X, y, verbose=0)
    np.testing.assert_array_equal(found.decision_function(X).argmax(-1), found.predict(X))


def test_regressor_of_several_outputs():
    X, y = DIABETES
    regressor = SKLearnRegressor(make, model_kwargs={"rate": 0.01}, fit_kwargs={"epochs": 20, "verbose": 0})
    assert regressor.fit(X, y).predict(X).shape == (442,)
    assert regressor.score(X, y) > 0.3
    both = np.column_stack([y, -y])
    assert regressor.fit(X, both).predict(X).shape == (442, 2)
    assert regressor.score(X, both) > 0.3


def test_transformer_in_a_pipeline():
    X, y = IRIS
    model = cb.Sequential([cb.Input((4,)), cb.layers.Dense(3)])
    model.compile("adam", cb.losses.SparseCategoricalCrossentropy(from_logits=True))
    transformer = SKLearnTransformer(model, fit_kwargs={"epochs": 1, "verbose": 0})
    pipeline = make_pipeline(StandardScaler(), transformer).fit(X, y)
    assert pipeline.transform(X).shape == (150, 3)
    np.testing.assert_array_equal(
        pipeline.transform(X), pipeline[1].model_.predict(pipeline[0].transform(X), verbose=0)
    )


def test_cross_validation_and_grid_search():
    X, y = IRIS
    cb.utils.set_random_seed(0)
    assert cross_val_score(classifier(), X, y, cv=3).mean() > 0.85
    search = GridSearchCV(classifier(), {"model_kwargs": [SOFTMAX | {"units": (4,)}, SOFTMAX | {"units": (16,)}]}, cv=2)
    assert search.fit(X, y).best_score_ > 0.85


def compiled_model():
    model = cb.Sequential([cb.Input((10,)), cb.layers.Dense(4, "tanh"), cb.layers.Dense(1)])
    model.compile(cb.optimizers.Adam(0.02), "mse", metrics=["mae"])
    return model


def test_a_model_is_trained_as_a_copy_with_new_weights():
    model = compiled_model()
    before = model.get_weights()
    regressor = SKLearnRegressor(model, fit_kwargs={"epochs": 2, "verbose": 0}).fit(*DIABETES)
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert regressor.model_ is not model
    assert model.optimizer.iterations == 0
    assert set(regressor.history_.history) == {"loss", "mae"}
    assert regressor.model_.optimizer.learning_rate == pytest.approx(0.02)
    first = regressor.model_
    assert regressor.fit(*DIABETES).model_ is not first
    assert clone(regressor).model is not model
    assert not hasattr(clone(regressor), "model_")
    assert clone(regressor).fit_kwargs == {"epochs": 2, "verbose": 0}


@pytest.mark.parametrize("given", [compiled_model, lambda: make])
def test_warm_start(given):
    regressor = SKLearnRegressor(given(), warm_start=True, fit_kwargs={"epochs": 5, "verbose": 0}).fit(*DIABETES)
    model, loss = regressor.model_, regressor.history_.history["loss"][-1]
    if isinstance(regressor.model, cb.Model):
        assert model is regressor.model
    assert regressor.fit(*DIABETES).model_ is model
    assert regressor.history_.history["loss"][0] < loss


def test_arguments_of_fit():
    settings = {"epochs": 3, "verbose": 0}
    regressor = SKLearnRegressor(make, fit_kwargs=settings).fit(*DIABETES, epochs=1, batch_size=64)
    assert len(regressor.history_.history["loss"]) == 1 == regressor.epoch_
    assert settings == {"epochs": 3, "verbose": 0}
    regressor.fit(*DIABETES, sample_weight=np.zeros(442))
    assert regressor.history_.history["loss"] == [0, 0, 0]
    assert SKLearnRegressor(make).epoch_ == 0


def test_pickle():
    regressor = SKLearnRegressor(make, fit_kwargs={"verbose": 0}).fit(*DIABETES)
    copied = pickle.loads(pickle.dumps(regressor))
    np.testing.assert_array_equal(copied.predict(DIABETES[0]), regressor.predict(DIABETES[0]))


def test_metadata_routing():
    regressor = SKLearnRegressor(make, fit_kwargs={"verbose": 0})
    with pytest.raises(RuntimeError, match="enable_metadata_routing=True"):
        regressor.set_fit_request(sample_weight=True)
    with sklearn.config_context(enable_metadata_routing=True):
        assert regressor.set_fit_request(sample_weight=True) is regressor
        routed = make_pipeline(StandardScaler().set_fit_request(sample_weight=False), regressor)
        routed.fit(*DIABETES, sample_weight=np.zeros(442))
        assert routed[1].history_.history["loss"] == [0]


def test_mistakes():
    X, y = DIABETES
    bare = cb.Sequential([cb.Input((10,)), cb.layers.Dense(1)])
    for model in (bare, lambda X, y: bare):
        with pytest.raises(RuntimeError, match="needs to be compiled, and have a loss and an optimizer"):
            SKLearnRegressor(model).fit(X, y)
    with pytest.raises(NotFittedError):
        SKLearnRegressor(make).predict(X)
    with pytest.raises(ValueError, match="only one class is present"):
        classifier().fit(X, np.zeros(442, int))
    with pytest.raises(ValueError, match="Only binary and multiclass target types are supported"):
        classifier().fit(X, y)
    with pytest.raises(ValueError, match="10 features"):
        SKLearnRegressor(make, fit_kwargs={"verbose": 0}).fit(X, y).predict(X[:, :3])


@pytest.mark.parametrize("shape", [(), (cb.Input((4,)),)])
@pytest.mark.parametrize(
    ("units", "activation", "loss", "message"),
    [
        (3, "softmax", "sparse_categorical_crossentropy", "its loss 'sparse_categorical_crossentropy' expects class"),
        (1, "sigmoid", "binary_crossentropy", "its output has 1 number per sample"),
        (2, "softmax", cb.losses.CategoricalCrossentropy(), "its output has 2 numbers per sample"),
    ],
)
def test_models_that_do_not_go_with_one_hot_rows(shape, units, activation, loss, message):
    model = cb.Sequential([*shape, cb.layers.Dense(units, activation)])
    model.compile("adam", loss)
    if not shape and "output" in message:
        model.build((None, 4))
    with pytest.raises(
        ValueError, match=f"SKLearnClassifier gives the model one-hot rows of 3 classes, but {message}"
    ) as told:
        SKLearnClassifier(model).fit(*IRIS)
    assert "give its last layer 3 units and a softmax, and compile it with 'categorical_cross" in str(told.value)


def test_import_says_what_is_needed():
    import subprocess
    import sys

    script = (
        "import sys; sys.modules['sklearn'] = None\ntry:\n import cbackprop.wrappers\nexcept ImportError as e: print(e)"
    )
    done = subprocess.run([sys.executable, "-P", "-c", script], capture_output=True, text=True)
    assert done.stdout == 'cbackprop.wrappers needs scikit-learn: pip install "cbackprop[sklearn]".\n', done.stderr
