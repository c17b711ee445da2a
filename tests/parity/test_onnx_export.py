"""ONNX files give `predict`'s numbers in ONNX Runtime and in ONNX's own evaluator, for every layer and activation."""

import networks
import numpy as np
import onnx
import onnxruntime
import pytest
from onnx.reference import ReferenceEvaluator

import cbackprop as cb
from cbackprop import export, layers
from cbackprop.export.onnx_files import OPSET

LIMITS = {"float32": 1e-5, "float64": 1e-6}
# Layers with no graph of their own, and bases
WITHOUT = {"InputLayer", "Model", "Sequential"}
ACTIVATIONS = [
    *(pytest.param(function, id=name) for name, function in cb.activations.registry),
    *(
        pytest.param(function, id=repr(function))
        for function in [
            cb.activations.relu.bind(0.2, 1.5, 0.3),
            cb.activations.relu.bind(0.2, 1.5, -0.3),
            cb.activations.relu.bind(-0.2),
            cb.activations.relu.bind(0.1, None, -0.5),
            cb.activations.elu.bind(-0.7),
            cb.activations.elu.bind(0.7),
            cb.activations.celu.bind(-0.7),
            cb.activations.celu.bind(0.4),
            cb.activations.gelu.bind(True),
            cb.activations.squareplus.bind(0.5),
            cb.activations.squareplus.bind(0),
            cb.activations.softmax.bind(1),
            cb.activations.log_softmax.bind(1),
            cb.activations.sparsemax.bind(1),
            cb.activations.threshold.bind(0.2, -1.0),
            cb.activations.soft_shrink.bind(0.1),
            cb.activations.hard_shrink.bind(0.1),
        ]
    ),
]
LAYERS = [
    pytest.param(make, shapes, id=f"{name}{i}")
    for name, rows in networks.LAYERS.items()
    for i, (make, shapes) in enumerate(rows)
]


def as_list(value):
    return list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else [value]


def stir(model, rng):
    """Weights that no two of are alike, also where they begin with zeros or ones."""
    model.set_weights([w + rng.uniform(0.1, 0.4, w.shape).astype(w.dtype) for w in model.get_weights()])


def inputs_for(model, rng, samples=7):
    arrays = []
    for tensor, limit in zip(model.inputs, model.plan.id_ranges, strict=True):
        shape = (samples, *tensor.shape[1:])
        whole = limit is not None or tensor.dtype not in ("float32", "float64")
        array = rng.integers(limit or 9, size=shape) if whole else rng.normal(size=shape)
        arrays.append(array.astype(tensor.dtype))
    return arrays


def assert_same(found, expected, dtype):
    for a, b in zip(found, as_list(expected), strict=True):
        assert a.dtype == b.dtype
        assert a.shape == b.shape
        np.testing.assert_allclose(a, b, rtol=LIMITS[dtype], atol=LIMITS[dtype] * max(1, np.abs(b).max()))


def assert_runs(model, path, x, names=None, opset=OPSET):
    """The file passes ONNX's checks, and both runtimes give what the model predicts."""
    export.onnx(model, path, opset=opset)
    proto = onnx.load(path)
    onnx.checker.check_model(proto, full_check=True)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    evaluator = ReferenceEvaluator(proto)
    names = names or model.input_names
    assert [value.name for value in session.get_inputs()] == names
    for size in (len(x[0]), 1):
        feed = {name: array[:size] for name, array in zip(names, x, strict=True)}
        expected = model.predict([array[:size] for array in x], verbose=0)
        for runtime in (session, evaluator):
            assert_same(runtime.run(None, feed), expected, model.dtype)
    return session


def test_every_layer_and_activation_has_a_translation():
    from cbackprop.activations import registry
    from cbackprop.export.formulas import ACTIVATIONS as KNOWN
    from cbackprop.export.onnx_writer import model
    from cbackprop.export.onnx_writer.graph import _translations

    assert {cls for name, cls in layers.registry if name not in WITHOUT} == set(_translations), model
    assert {function.kernel().name for _, function in registry} <= set(KNOWN) | {"linear"}


@pytest.mark.parametrize("dtype", LIMITS)
@pytest.mark.parametrize(("make", "shapes"), LAYERS)
def test_layer(tmp_path, rng, make, shapes, dtype):
    cb.config.set_floatx(dtype)
    layer = make()
    inputs = [cb.Input(shape) for shape in shapes]
    model = cb.Model(inputs, layer(inputs[0] if len(inputs) == 1 else inputs))
    stir(model, rng)
    assert_runs(model, tmp_path / "m.onnx", inputs_for(model, rng))


@pytest.mark.parametrize("dtype", LIMITS)
@pytest.mark.parametrize("function", ACTIVATIONS)
def test_activation(tmp_path, rng, function, dtype):
    x = cb.Input((3, 4), dtype=dtype)
    model = cb.Model(x, layers.Activation(function, dtype=dtype)(x))
    values = rng.normal(size=(6, 3, 4), scale=3).astype(dtype)
    values[0, 0] = 0.0, -3.0, 3.0, 1.0
    assert_runs(model, tmp_path / "m.onnx", [values])


@pytest.mark.parametrize("seed", range(24))
def test_random_model(tmp_path, seed):
    model = networks.random_model(seed, ["float32", "float64"][seed % 4 == 0])
    rng = np.random.default_rng(seed)
    assert_runs(model, tmp_path / "m.onnx", inputs_for(model, rng), opset=[OPSET, None][0])
