"""Graphs of RNN, LSTM and GRU: predictions follow the definition of ONNX; what no layer computes is refused."""

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

import cbackprop as cb

GATES = {"RNN": 1, "LSTM": 4, "GRU": 3}
LAYERS = {"RNN": "SimpleRNN", "LSTM": "LSTM", "GRU": "GRU"}
DEFAULTS = {"RNN": ["Tanh"], "LSTM": ["Sigmoid", "Tanh", "Tanh"], "GRU": ["Sigmoid", "Tanh"]}
BATCH, STEPS, FEATURES, UNITS = 3, 5, 2, 4


def info(name, *sizes, kind=TensorProto.FLOAT):
    return helper.make_tensor_value_info(name, kind, sizes)


def arrays_of(rng, operator, ways, bias):
    """Random weights."""
    width = GATES[operator] * UNITS
    arrays = {
        "W": rng.normal(size=(ways, width, FEATURES)) / 2,
        "R": rng.normal(size=(ways, width, UNITS)) / 2,
    }
    return arrays | ({"B": rng.normal(size=(ways, 2 * width))} if bias else {})


def file_of(
    path, operator, *, seed=0, ways=1, bias=True, states=None, wanted=(1, 1, 1), layout=0, more=(), steps=STEPS,
    lengths=False, **attributes
):  # fmt: skip
    """Write a graph of one operator: random weights, states as inputs ("data"), as constants ("same") or none."""
    rng = np.random.default_rng(seed)
    arrays = arrays_of(rng, operator, ways, bias)
    inputs = [info("X", *(("n", steps) if layout else (steps, "n")), FEATURES)]
    inputs += [info("lengths", "n", kind=TensorProto.INT32)] if lengths else []
    names = ["X", "W", "R", "B" if bias else "", "lengths" if lengths else ""]
    for state in ["h", "c"][: 1 + (operator == "LSTM")] if states else []:
        names.append(state)
        if states == "data":
            inputs.append(info(state, *(("n", ways) if layout else (ways, "n")), UNITS))
        else:
            arrays[state] = np.repeat(rng.normal(size=(1, ways, UNITS)), BATCH, 0)
            arrays[state] = arrays[state] if layout else arrays[state].swapaxes(0, 1)
    for place, array in more:
        names += [""] * (place + 1 - len(names))
        names[place] = f"more_{place}"
        arrays[names[place]] = array
    possible = {"Y": 4, "Yh": 3, "Yc": 3} if operator == "LSTM" else {"Y": 4, "Yh": 3}
    outputs = [name if kept else "" for name, kept in zip(possible, wanted, strict=False)]
    direction = attributes.pop("direction", "bidirectional" if ways == 2 else "forward")
    node = helper.make_node(
        operator, names, outputs, name="it", hidden_size=UNITS, direction=direction, layout=layout, **attributes
    )
    graph = helper.make_graph(
        [node],
        "g",
        inputs,
        [info(name, *[None] * possible[name]) for name in outputs if name],
        [numpy_helper.from_array(a if a.dtype == "int32" else a.astype("float32"), name) for name, a in arrays.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)])
    model.ir_version = 10
    onnx.save(model, path)
    return model


def data_for(model, seed=1):
    """Arrays for the inputs."""
    rng = np.random.default_rng(seed)
    return {
        value.name: rng.normal(size=[dim.dim_value or BATCH for dim in value.type.tensor_type.shape.dim]).astype(
            "float32"
        )
        for value in model.graph.input
    }


def read_and_compare(path, layout=0):
    """The model that is read predicts the same; in it the batch is first."""
    model = onnx.load(path)
    data = data_for(model)
    if layout:  # ONNX Runtime has it not
        results = ReferenceEvaluator(model).run(None, data)
    else:
        results = onnxruntime.InferenceSession(path).run(None, data)
    found = cb.export.from_onnx(path)
    mine = found.predict([a if layout else a.swapaxes(0, 1) for a in data.values()], verbose=0)
    for value, ours, theirs in zip(
        model.graph.output, mine if isinstance(mine, list) else [mine], results, strict=True
    ):
        place = 0 if layout else 2 if value.name == "Y" else 1
        np.testing.assert_allclose(ours, np.moveaxis(theirs, place, 0), rtol=1e-5, atol=1e-5)
    return found


def layers_of(model):
    return [type(layer).__name__ for layer in model.layers]


@pytest.mark.parametrize("direction", ["forward", "reverse", "bidirectional"])
@pytest.mark.parametrize("operator", GATES)
def test_every_direction(tmp_path, operator, direction):
    path = str(tmp_path / "m.onnx")
    ways = 2 if direction == "bidirectional" else 1
    for seed, (bias, states) in enumerate([(True, None), (False, "data"), (True, "same")]):
        more = {"linear_before_reset": seed % 2} if operator == "GRU" else {}
        file_of(path, operator, seed=seed, ways=ways, bias=bias, states=states, direction=direction, **more)
        model = read_and_compare(path)
        assert ("Bidirectional" if ways == 2 else LAYERS[operator]) in layers_of(model)


@pytest.mark.parametrize("wanted", [(1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 0), (1, 0, 1), (0, 1, 1)])
def test_some_outputs(tmp_path, wanted):
    path = str(tmp_path / "m.onnx")
    for operator in GATES:
        for ways in (1, 2):
            if operator == "LSTM" or any(wanted[:2]):
                file_of(path, operator, ways=ways, wanted=wanted)
                model = read_and_compare(path)
    assert len(model.trainable_weights) == 6


def test_other_functions(tmp_path):
    """Each function of ONNX, with its numbers as they are by default and others."""
    path = str(tmp_path / "m.onnx")
    numbers = {
        "LeakyRelu": [0.2],
        "ThresholdedRelu": [0.3],
        "Elu": [0.7],
        "Affine": [0.4, 0.1],
        "HardSigmoid": [0.3, 0.4],
    }
    numbers["ScaledTanh"] = [1.0, 0.6]
    for name in ["Relu", "Tanh", "Sigmoid", "Softsign", "Softplus", *numbers]:
        # Without numbers, ONNX Runtime takes others than ONNX for these.
        plain = [] if name in ("ThresholdedRelu", "Affine", "ScaledTanh") else [[]]
        for given in [*plain, *([numbers[name]] if name in numbers else [])]:
            more = {f"activation_{which}": [value] for which, value in zip(("alpha", "beta"), given, strict=False)}
            for operator, default in DEFAULTS.items():
                for place, inner in enumerate(default):
                    other = [*default[:place], name, *default[place + 1 :]]
                    if operator == "LSTM" and inner == "Tanh":
                        if name in ("Affine", "HardSigmoid", "ScaledTanh"):
                            continue
                        other = ["Sigmoid", name, name]
                        more = {key: value * 2 for key, value in more.items()}
                    file_of(path, operator, bias=operator != "RNN", activations=other, **more)
                    read_and_compare(path)


def test_numbers_belong_to_the_functions_that_have_any(tmp_path):
    path = str(tmp_path / "m.onnx")
    file_of(
        path, "GRU", ways=2, activations=["HardSigmoid", "Tanh", "Sigmoid", "LeakyRelu"], linear_before_reset=1,
        activation_alpha=[0.3, 0.1], activation_beta=[0.4],
    )  # fmt: skip
    layer = next(layer for layer in read_and_compare(path).layers if isinstance(layer, cb.layers.Bidirectional))
    assert layer.backward_layer.activation.kernel() == cb.activations.leaky_relu.bind(0.1).kernel()


@pytest.mark.parametrize("operator", ["RNN", "LSTM"])
def test_sequences_by_sample(tmp_path, operator):
    """With layout 1 the batch is first in the file."""
    path = str(tmp_path / "m.onnx")
    file_of(path, operator, layout=1, states="data")
    read_and_compare(path, layout=1)
    file_of(path, operator, layout=1, states="same", wanted=(1, 0, 0))
    read_and_compare(path, layout=1)


def test_lengths_and_peepholes_that_change_nothing(tmp_path):
    path = str(tmp_path / "m.onnx")
    more = [(4, np.full(BATCH, STEPS, "int32")), (7, np.zeros((1, 3 * UNITS)))]
    file_of(path, "LSTM", more=more)
    read_and_compare(path)


@pytest.mark.parametrize("direction", ["forward", "reverse", "bidirectional"])
@pytest.mark.parametrize("operator", GATES)
def test_lengths_that_are_data(tmp_path, operator, direction):
    """All of a sequence, a part and nothing; a known number of steps and any; states to begin with and none."""
    path, rng = str(tmp_path / "m.onnx"), np.random.default_rng(0)
    ways, lengths = 2 if direction == "bidirectional" else 1, np.array([5, 2, 0, 1, 3, 4], "int32")
    cases = [(None, STEPS, (1, 1, 1)), ("data", "t", (1, 1, 1)), ("data", STEPS, (0, 1, 0)), (None, "t", (1, 0, 0))]
    for states, steps, wanted in cases:
        model = file_of(
            path, operator, ways=ways, states=states, wanted=wanted, steps=steps, lengths=True, direction=direction
        )
        shapes = {"X": (5, 6, FEATURES), "h": (ways, 6, UNITS), "c": (ways, 6, UNITS)}
        data = {v.name: rng.normal(size=shapes.get(v.name, 6)).astype("float32") for v in model.graph.input}
        data["lengths"] = lengths
        results = onnxruntime.InferenceSession(path).run(None, data)
        again = cb.export.from_onnx(path)
        assert again.inputs[0].shape[1] == (None if steps == "t" else steps)
        mine = again.predict([a if a.ndim == 1 else a.swapaxes(0, 1) for a in data.values()], verbose=0)
        outputs = zip(model.graph.output, mine if isinstance(mine, list) else [mine], results, strict=True)
        for value, ours, theirs in outputs:
            moved = np.moveaxis(theirs, 2 if value.name == "Y" else 1, 0)
            np.testing.assert_allclose(ours, moved, rtol=1e-5, atol=1e-5, err_msg=f"{value.name} {states} {steps}")


REFUSED = {
    "clip": ("LSTM", {"clip": 3.0}, "clip=3"),
    "coupled": ("LSTM", {"input_forget": 1}, "input_forget=1"),
    "peepholes": ("LSTM", {"more": [(7, np.ones((1, 3 * UNITS)))]}, "peepholes, its input P"),
    "lengths": ("GRU", {"more": [(4, np.array([5, 4, 3], "int32"))]}, "sequence_lens, its constant 'more_4'"),
    "functions": ("LSTM", {"activations": ["Sigmoid", "Tanh", "Relu"]}, "candidate and of its cell state differ"),
    "function": ("RNN", {"activations": ["ScaledTanh"], "activation_alpha": [2.0]}, "its function 'ScaledTanh'"),
    "no numbers": ("RNN", {"activations": ["Affine"]}, "its function 'Affine' has no alpha or beta"),
    "unknown function": ("RNN", {"activations": ["Sin"]}, "no layer has its function 'Sin'"),
    "too few": ("GRU", {"activations": ["Tanh"]}, "1 activations, not 2"),
    "other states": ("RNN", {"more": [(5, np.arange(12.0).reshape(1, 3, 4))]}, "the same states for each sample"),
    "weights": ("RNN", {"more": [(1, np.ones((1, 3, 2)))]}, r"its input W has shape \(1, 3, 2\), not \(1, 4, 2\)"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_no_layer_computes(tmp_path, name):
    operator, options, message = REFUSED[name]
    file_of(tmp_path / "m.onnx", operator, **options)
    with pytest.raises(ValueError, match=f"{operator} 'it': .*{message}"):
        cb.export.from_onnx(tmp_path / "m.onnx")


def test_a_graph_that_was_read_goes_on_training(tmp_path):
    path = str(tmp_path / "m.onnx")
    file_of(path, "LSTM", wanted=(0, 1, 0))
    model = cb.export.from_onnx(path)
    x, rng = np.zeros((64, STEPS, FEATURES), "float32"), np.random.default_rng(0)
    x[:] = rng.normal(size=x.shape)
    model.compile(cb.optimizers.Adam(0.05), "mse")
    loss = model.fit(x, np.tile(x.mean(1, keepdims=True), 2), epochs=20, verbose=0).history["loss"]
    assert loss[-1] < 0.5 * loss[0]
