"""Files that scikit-learn's converter writes by default are read up to the probabilities, and know the labels."""

import warnings

import numpy as np
import onnx
import pytest
import skl2onnx
from onnx import TensorProto, helper
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, RobustScaler, StandardScaler
from sklearn.svm import LinearSVC

import cbackprop as cb

X = np.random.default_rng(0).normal(size=(60, 4)).astype("float32")
TEXTS = np.array(["no", "perhaps", "yes"])[X[:, :3].argmax(1)]
NUMBERS = np.where(X[:, 0] > 0, 7, 3)
SHORT = {"hidden_layer_sizes": (5, 3), "max_iter": 20, "random_state": 0}
CLASSIFIERS = {
    "texts": (lambda: LogisticRegression(), TEXTS),
    "two texts": (lambda: LogisticRegression(), np.where(NUMBERS == 7, "high", "low")),
    "numbers": (lambda: LogisticRegression(), NUMBERS),
    "pipeline": (lambda: make_pipeline(StandardScaler(), LogisticRegression()), TEXTS),
    "network": (lambda: MLPClassifier(**SHORT), TEXTS),
    "network of two": (lambda: MLPClassifier(**SHORT, activation="tanh"), NUMBERS),
    "pipeline of a network": (lambda: make_pipeline(MinMaxScaler(), MLPClassifier(**SHORT, alpha=0.1)), TEXTS),
    "several labels": (lambda: MLPClassifier(**SHORT), (X[:, :3] > 0).astype(int)),
}  # fmt: skip
REGRESSIONS = {
    "network": lambda: MLPRegressor(**SHORT),
    "pipeline": lambda: make_pipeline(StandardScaler(), MLPRegressor(**SHORT, activation="identity")),
    "linear": LinearRegression,
    "several targets": lambda: make_pipeline(RobustScaler(), Ridge()),
}


def written(path, estimator, targets, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        estimator.fit(X, targets)
    path.write_bytes(skl2onnx.to_onnx(estimator, X[:1], **options).SerializeToString())
    return estimator


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_a_classifier(tmp_path, name):
    make, targets = CLASSIFIERS[name]
    path = tmp_path / "m.onnx"
    estimator = written(path, make(), targets)
    model = cb.export.from_onnx(path)
    assert model.output_names == ["output_probability"]
    assert model.class_names == estimator.classes_.tolist()
    expected = estimator.predict_proba(X)
    np.testing.assert_allclose(model.predict(X, verbose=0), expected, rtol=1e-4, atol=1e-6)
    if targets.ndim == 1:
        found = np.array(model.class_names)[model.predict(X, verbose=0).argmax(1)]
        assert (found == estimator.predict(X)).all()
    model.save(tmp_path / "m.cbackprop")
    assert cb.models.load_model(tmp_path / "m.cbackprop").class_names == model.class_names
    model.compile("adam", "mse")
    assert np.isfinite(model.fit(X, expected, verbose=0).history["loss"]).all()


@pytest.mark.parametrize("zipmap", [False, "columns"])
def test_other_forms_of_the_probabilities(tmp_path, zipmap):
    path = tmp_path / "m.onnx"
    for make, targets in (CLASSIFIERS["texts"], CLASSIFIERS["network"]):
        estimator = make()
        written(path, estimator, targets, options={id(estimator): {"zipmap": zipmap}})
        model = cb.export.from_onnx(path)
        found = model.predict(X, verbose=0)
        found = np.stack(found, 1) if zipmap else found
        np.testing.assert_allclose(found, estimator.predict_proba(X), rtol=1e-4, atol=1e-6)
        assert model.class_names == ["no", "perhaps", "yes"]


def test_scores_of_a_support_vector_classifier(tmp_path):
    estimator = written(tmp_path / "m.onnx", LinearSVC(random_state=0), TEXTS)
    model = cb.export.from_onnx(tmp_path / "m.onnx")
    np.testing.assert_allclose(model.predict(X, verbose=0), estimator.decision_function(X), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", REGRESSIONS)
def test_a_regression(tmp_path, name):
    targets = X[:, :2] if name == "several targets" else X[:, 0] * X[:, 1]
    estimator = written(tmp_path / "m.onnx", REGRESSIONS[name](), targets)
    model = cb.export.from_onnx(tmp_path / "m.onnx")
    expected = estimator.predict(X).reshape(len(X), -1)
    np.testing.assert_allclose(model.predict(X, verbose=0), expected, rtol=1e-4, atol=1e-5)
    assert model.class_names is None


def test_labels_are_refused_by_name(tmp_path):
    path = tmp_path / "m.onnx"
    written(path, MLPClassifier(**SHORT), TEXTS)
    with pytest.raises(ValueError, match=r"no layer computes ArgMax 'ArgMax', ai\.onnx\.ml::ArrayFeatureExtractor"):
        cb.export.from_onnx(path, outputs=["output_label"])
    written(path, LogisticRegression(), TEXTS)
    with pytest.raises(ValueError, match=r"no layer computes ai\.onnx\.ml::LinearClassifier 'LinearClassifier'"):
        cb.export.from_onnx(path, outputs=["output_label"])


def linear(path, operator="LinearClassifier", **attributes):
    """A file of one operator with coefficients for inputs of 2 numbers."""
    outputs = ["label", "y"] if operator == "LinearClassifier" else ["y"]
    node = helper.make_node(operator, ["x"], outputs, name="it", domain="ai.onnx.ml", **attributes)
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 2]) for name in "xy"]
    graph = helper.make_graph([node], "g", ends[:1], ends[1:])
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 1)]
    onnx.save(helper.make_model(graph, opset_imports=opsets), path)


@pytest.mark.parametrize(
    "changed",
    [
        {"coefficients": [1.0, 2.0], "intercepts": [0.0]},
        {"coefficients": [1.0, 2.0, 3.0]},
        {"coefficients": [1.0, 2.0, 3.0, 4.0], "intercepts": [0.0]},
        {"coefficients": [1.0, 2.0, 3.0, 4.0], "post_transform": "PROBIT"},
        {"coefficients": [1.0, 2.0, 3.0, 4.0], "post_transform": "SOFTMAX_ZERO"},
    ],
)
def test_other_linear_classifiers_are_refused(tmp_path, changed):
    linear(tmp_path / "m.onnx", classlabels_strings=["a", "b"], **changed)
    with pytest.raises(ValueError, match=r"ai\.onnx\.ml::LinearClassifier 'it'"):
        cb.export.from_onnx(tmp_path / "m.onnx")


def test_an_older_operator_set_whose_operators_are_the_same(tmp_path):
    """That of a logistic regression of two classes, as it is written by default."""
    path = tmp_path / "m.onnx"
    written(path, LogisticRegression(), NUMBERS, target_opset={"": 9, "ai.onnx.ml": 1})
    assert next(one.version for one in onnx.load(path).opset_import if not one.domain) == 9
    assert cb.export.from_onnx(path).class_names == [3, 7]
    proto = onnx.load(path)
    proto.graph.node.append(helper.make_node("Softmax", ["probabilities"], ["more"]))
    onnx.save(proto, path)
    with pytest.raises(ValueError, match="operator set 9, but"):
        cb.export.from_onnx(path)
