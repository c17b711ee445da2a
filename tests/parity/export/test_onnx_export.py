"""ONNX files give `predict`'s numbers in ONNX Runtime and in ONNX's own evaluator, for every layer and activation."""

import inspect

import keras
import layer_cases
import masked_models
import numpy as np
import onnx
import onnxruntime
import pytest
import random_models
from onnx.reference import ReferenceEvaluator
from onnx_checks import ACTIVATIONS, LIMITS, activation_model, assert_same, inputs_for, model_of

import cbackprop as cb
from cbackprop import export, layers
from cbackprop.export.formulas import ACTIVATIONS as FORMULAS
from cbackprop.export.onnx_limits import OPSET
from cbackprop.export.onnx_writer import model as writer
from cbackprop.export.onnx_writer.graph import translation_of

NEWEST = onnx.defs.onnx_opset_version()
# Whose calls unfold, and that of which there is nothing but a name.
WITHOUT = {"InputLayer", "Model", "Sequential"}
# Operators that ONNX Runtime does not have for float64, though ONNX does.
ONLY_FLOAT32 = {"Conv", "ConvTranspose"}


def assert_runs(model, path, x, names=None, opset=OPSET):
    """The file passes ONNX's checks, and both runtimes give what the model predicts."""
    export.onnx(model, path, opset)
    proto = onnx.load(path)
    onnx.checker.check_model(proto, full_check=True)
    nodes = [*proto.graph.node]
    nodes += [node for one in nodes for attribute in one.attribute for node in attribute.g.node]
    operators = {node.op_type for node in nodes}
    # Of recurrent layers, ONNX's own evaluator takes only default functions; of Scan only axis 0.
    functions = any(attribute.name == "activations" for node in nodes for attribute in node.attribute)
    runtimes = [] if functions or "Scan" in operators else [ReferenceEvaluator(proto)]
    if model.dtype == "float32" or ONLY_FLOAT32.isdisjoint(operators):
        runtimes.append(onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"]))
    names = names or model.input_names
    assert [value.name for value in proto.graph.input] == names
    for size in (len(x[0]), 1):
        feed = {name: array[:size] for name, array in zip(names, x, strict=True)}
        expected = model.predict(list(feed.values()) if model.input_names == names else feed, verbose=0)
        for runtime in runtimes:
            assert_same(runtime.run(None, feed), expected, model.dtype)
    return [value.name for value in proto.graph.output]


def test_every_layer_and_activation_has_a_translation():
    for name, cls in layers.registry:
        if name not in WITHOUT:
            assert callable(translation_of(cls.__new__(cls))), name
    for name, function in cb.activations.registry:
        assert function.kernel().name in {*FORMULAS, "linear"}, name


@pytest.mark.parametrize("dtype", LIMITS)
@pytest.mark.parametrize(("make", "shapes"), layer_cases.EACH)
def test_layer(tmp_path, make, shapes, dtype):
    model = model_of(make, shapes, dtype)
    assert_runs(model, tmp_path / "m.onnx", inputs_for(model))


OF_IMAGES = [case for case in layer_cases.EACH if all(2 <= len(shape) <= 4 for shape in case.values[1])]


@pytest.mark.parametrize(("make", "shapes"), OF_IMAGES)
def test_layer_between_convolutions(tmp_path, make, shapes):
    """ONNX Runtime moves the Transposes of convolutions across it."""
    inputs = [cb.Input(shape) for shape in shapes]
    convolved = [pointwise(x) for x in inputs]
    y = layer_cases.called(make(), convolved)
    for output in y if isinstance(y, (list, tuple)) else [y]:
        last = pointwise(output) if 3 <= output.ndim <= 5 and output.dtype == "float32" else output
        model = cb.Model(inputs, layers.Flatten()(last))
        assert_runs(model, tmp_path / "m.onnx", inputs_for(model))


def pointwise(x):
    """A convolution that changes no size but the channels'."""
    convolution = {3: layers.Conv1D, 4: layers.Conv2D, 5: layers.Conv3D}[x.ndim]
    return convolution(x.shape[-1], 1)(x)


@pytest.mark.parametrize("interpolation", ["nearest", "bilinear", "bicubic"])
def test_sizes_of_images(tmp_path, interpolation):
    """Whole ratios and others, larger and smaller; of two elements at the same distance the same is taken."""
    for size, target in [
        (1, 5),
        (2, 7),
        (3, 2),
        (3, 7),
        (4, 6),
        (5, 9),
        (6, 4),
        (7, 3),
        (9, 13),
        (10, 4),
        (13, 5),
        (13, 17),
    ]:
        model = cb.Sequential([cb.Input((size, 3, 2)), layers.Resizing(target, 4, interpolation=interpolation)])
        assert_runs(model, tmp_path / "m.onnx", inputs_for(model))


@pytest.mark.parametrize("dtype", LIMITS)
@pytest.mark.parametrize("function", ACTIVATIONS)
def test_activation(tmp_path, function, dtype):
    model = activation_model(function, dtype)
    assert_runs(model, tmp_path / "m.onnx", inputs_for(model, scale=3))


@pytest.mark.parametrize("seed", range(36))
def test_random_model(tmp_path, seed):
    model = random_models.random_model(seed, "float64" if seed % 4 == 0 else "float32")
    assert_runs(model, tmp_path / "m.onnx", inputs_for(model), opset=OPSET if seed % 2 else NEWEST)


def test_names_of_several_inputs_and_outputs(tmp_path):
    a, b = cb.Input((3,), name="a"), cb.Input((2,), name="b", dtype="int32")
    joined = layers.Concatenate()([a, layers.Identity()(b)])
    model = cb.Model([a, b], [layers.Dense(2, name="p")(joined), layers.Dense(1, "tanh", name="q")(joined)])
    assert assert_runs(model, tmp_path / "m.onnx", inputs_for(model)) == ["p", "q"]


def test_numbers_of_bins_are_whole_where_they_are_outputs(tmp_path):
    x = cb.Input((3,), name="x")
    bins = layers.Discretization([-0.5, 0.1], name="bins")(x)
    rows = layers.Embedding(3, 2, name="rows")(bins)
    model = cb.Model(x, [bins, layers.Identity(name="float")(bins), rows])
    path = tmp_path / "m.onnx"
    assert_runs(model, path, inputs_for(model))
    again = export.from_onnx(path).predict(np.ones((2, 3)), verbose=0)
    assert [array.dtype for array in again] == ["int64", "float32", "float32"]
    twice = cb.Model(x, [bins, bins])
    assert_runs(twice, path, inputs_for(twice))


def test_names_of_dicts(tmp_path):
    a, b = cb.Input((3,)), cb.Input((3,))
    y = layers.Add()([a, b])
    model = cb.Model({"left": a, "right": b}, {"sum": y, "right": layers.Dense(2)(y)})
    path = tmp_path / "m.onnx"
    assert assert_runs(model, path, inputs_for(model), ["left", "right"]) == ["right_1", "sum"]


def test_outputs_that_are_inputs_or_twice_the_same(tmp_path):
    x = cb.Input((3,), name="x")
    y = layers.Dense(2, name="y")(x)
    model = cb.Model(x, [x, y, y, layers.Activation("relu", name="z")(y)])
    names = assert_runs(model, tmp_path / "m.onnx", inputs_for(model))
    assert names == ["x_1", "y", "y_2", "z"]


def test_a_subclass_with_the_same_computation_is_written(tmp_path):
    model = of(type("Narrow", (layers.Dense,), {})(2))
    assert_runs(model, tmp_path / "m.onnx", inputs_for(model))


def test_a_registered_layer_is_not_written_as_its_base(tmp_path, monkeypatch):
    cls = type("Registered", (layers.Dense,), {})
    monkeypatch.setitem(layers.registry._entries, "Registered", cls)
    monkeypatch.setattr(layers.registry, "_names", None)
    with pytest.raises(ValueError, match="has a computation of its own"):
        export.onnx(of(cls(2)), tmp_path / "m.onnx")


def test_samples_are_broadcast_to_each_other(tmp_path):
    a, b, c = cb.Input((2, 3)), cb.Input((3,)), cb.Input((2, 1))
    for merge in (layers.Add, layers.Multiply, layers.Average, layers.Maximum):
        model = cb.Model([a, b, c], merge()([a, b, c]))
        assert_runs(model, tmp_path / "m.onnx", inputs_for(model, samples=3))


def test_shared_weights_are_stored_once(tmp_path):
    x, layer = cb.Input((4,)), layers.Dense(4, activation="tanh")
    inner = cb.Sequential([layers.Dense(4)])
    model = cb.Model(x, layers.Add()([inner(layer(layer(x))), inner(x)]))
    path = tmp_path / "m.onnx"
    assert_runs(model, path, inputs_for(model))
    proto = onnx.load(path)
    shapes = [tuple(tensor.dims) for tensor in proto.graph.initializer]
    assert sorted(shapes) == [(4,), (4,), (4, 4), (4, 4)]
    assert (proto.producer_name, proto.producer_version) == ("cbackprop", cb.__version__)


def test_noise_leaves_nothing(tmp_path):
    x = cb.Input((4,))
    model = cb.Model(x, layers.Dense(2, name="y")(layers.Dropout(0.5)(layers.GaussianNoise(1.0)(x))))
    export.onnx(model, tmp_path / "m.onnx")
    assert [node.op_type for node in onnx.load(tmp_path / "m.onnx").graph.node] == ["Gemm"]


@pytest.mark.parametrize(
    ("size", "operators"), [((2, 4), ["Slice"]), ((3, 4), []), ((2, 3), ["Transpose", "MatMul", "MatMul", "Transpose"])]
)
def test_crop_of_the_middle(tmp_path, size, operators):
    """RandomCrop in a prediction: nothing, a slice, or products with weights. RandomFlip does nothing."""
    x = cb.Input((3, 4, 2))
    model = cb.Model(x, layers.RandomFlip()(layers.RandomCrop(*size)(x)))
    path = tmp_path / "m.onnx"
    assert_runs(model, path, inputs_for(model))
    found = [node.op_type for node in onnx.load(path).graph.node]
    assert [operator for operator in found if operator != "Identity"] == operators


def test_rows_out_of_a_table_are_limited_to_it(tmp_path):
    x = cb.Input((2,))
    model = cb.Model(x, layers.Embedding(4, 3)(layers.Rescaling(1.0)(x)))
    assert_runs(model, tmp_path / "m.onnx", [np.array([[-1.5, 7.0], [2.9, 0.4]], "float32")])


# Mistakes


class Twice(layers.Layer):
    def call(self, inputs):
        return 2 * inputs


class Own(layers.Dense):
    implementation = "elsewhere:dense.Own"


def unbuilt():
    return cb.Sequential([layers.Dense(2)])


def of(layer, training=None):
    x = cb.Input((3,))
    return cb.Model(x, layer(x, training=training))


def pictures(layer, training=None):
    x = cb.Input((3, 4, 2))
    return cb.Model(x, layer(x, training=training))


MISTAKES = {
    "no model": (lambda: layers.Dense(2), TypeError, "model must be a model, but got"),
    "no shape": (unbuilt, ValueError, "has no shape yet"),
    "python": (lambda: of(Twice(name="twice")), ValueError, r"Layer 'twice' \(Twice\) cannot .* is written in Python"),
    "lambda": (lambda: of(layers.Lambda(np.square, name="sq")), ValueError, "Layer 'sq' .* is written in Python"),
    "nested": (lambda: of(cb.Sequential([Twice(name="deep")])), ValueError, "Layer 'deep'"),
    "package": (lambda: of(Own(2, name="own")), ValueError, "'own' .* has a computation of its own"),
    "dropout": (lambda: of(layers.Dropout(0.5, name="d"), True), ValueError, "'d' is called with training=True"),
    "crop": (lambda: pictures(layers.RandomCrop(2, 2, name="c"), True), ValueError, "'c' is called with training=True"),
    "batch": (lambda: of(layers.BatchNormalization(name="b"), True), ValueError, "'b' is called with training=True"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_what_cannot_be_written(tmp_path, name):
    make, error, message = MISTAKES[name]
    path = tmp_path / "m.onnx"
    path.write_text("old")
    with pytest.raises(error, match=message):
        export.onnx(make(), path)
    assert path.read_text() == "old"
    assert len(list(tmp_path.iterdir())) == 1


def test_a_frozen_batch_normalization_in_training_is_written(tmp_path):
    model = of(layers.BatchNormalization(trainable=False), True)
    assert_runs(model, tmp_path / "m.onnx", inputs_for(model))


def test_sizes_that_come_with_the_data(tmp_path):
    model = cb.Sequential([cb.Input((None, 4)), layers.Dense(2)])
    assert_runs(model, tmp_path / "m.onnx", [np.ones((2, 5, 4), "float32")])
    flat = cb.Sequential([cb.Input((None, 4)), layers.ZeroPadding1D(1, name="pad")])
    with pytest.raises(ValueError, match=r"Layer 'pad' \(ZeroPadding1D\) can only be written .* sizes of \(None, 4\)"):
        cb.export.onnx(flat, tmp_path / "x.onnx")


@pytest.mark.parametrize("opset", [OPSET - 1, NEWEST + 1])
def test_opset_out_of_range(tmp_path, opset):
    with pytest.raises(ValueError, match="opset must be"):
        export.onnx(of(layers.Dense(1)), tmp_path / "m.onnx", opset)


def test_wrong_types(tmp_path):
    model = of(layers.Dense(1))
    with pytest.raises(TypeError, match="opset must be an integer"):
        export.onnx(model, tmp_path / "m.onnx", "21")
    with pytest.raises(TypeError, match="path must be a string or a path, but got 3"):
        export.onnx(model, 3)
    with pytest.raises(IsADirectoryError):
        export.onnx(model, tmp_path)
    with pytest.raises(FileNotFoundError):
        export.onnx(model, tmp_path / "nowhere" / "m.onnx")


def test_weights_beyond_what_a_file_can_hold(tmp_path, monkeypatch):
    monkeypatch.setattr(writer.onnx_limits, "LARGEST_FILE", 100)
    with pytest.raises(ValueError, match="an ONNX file holds at most 2 GB"):
        export.onnx(of(layers.Dense(30)), tmp_path / "m.onnx")


@pytest.mark.parametrize(
    "name", ["steps", "ids", "normalized", "Add", "Concatenate half", "Multiply", "Maximum", "Multiply half"]
)
def test_masks(tmp_path, name):
    model = masked_models.MASKED[name]()
    assert_runs(model, tmp_path / "m.onnx", inputs_for(model))


def test_the_spelling_of_keras(tmp_path, capsys):
    theirs, ours = (
        [(name, parameter.default) for name, parameter in inspect.signature(cls.export).parameters.items()]
        for cls in (keras.Model, cb.Model)
    )
    assert ours[:-1] == theirs[:-1]  # what follows are options of a format, which Keras does not name
    model = cb.Sequential([cb.Input((2,)), layers.Dense(1)])
    export.onnx(model, tmp_path / "a.onnx", 22)
    assert model.export(tmp_path / "b.onnx", "onnx", opset_version=22) is None
    assert (tmp_path / "a.onnx").read_bytes() == (tmp_path / "b.onnx").read_bytes()
    assert capsys.readouterr().out == f"Saved artifact at '{tmp_path / 'b.onnx'}'.\n"
    model.export(str(tmp_path / "b.onnx"), format="onnx", verbose=False)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("mode", ["concat", "sum", "mul"])
@pytest.mark.parametrize("layout", ["channels_last", "channels_first"])
def test_both_directions_of_a_convolutional_lstm(tmp_path, layout, mode):
    x = cb.Input((3, 4, 4, 4))
    inner = layers.ConvLSTM2D(2, 2, data_format=layout, return_sequences=mode != "sum")
    model = cb.Model(x, layers.Bidirectional(inner, mode)(x))
    assert_runs(model, tmp_path / "m.onnx", inputs_for(model))
