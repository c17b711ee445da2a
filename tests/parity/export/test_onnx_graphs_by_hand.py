"""ONNX graphs that are written by hand, edited or damaged: what is read of them, and what is refused."""

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper
from onnx.reference import ReferenceEvaluator
from onnx_checks import assert_same, inputs_for

import cbackprop as cb
from cbackprop import export, layers


def read(tmp_path, text, **constants):
    """The model of a graph in ONNX's own notation, compared with ONNX's own evaluator."""
    proto = onnx.parser.parse_model(text)
    proto.graph.initializer.extend(numpy_helper.from_array(array, name) for name, array in constants.items())
    path = tmp_path / "m.onnx"
    onnx.save(proto, path)
    model = export.from_onnx(path)
    x = inputs_for(model)
    names = [value.name for value in proto.graph.input]
    expected = ReferenceEvaluator(proto).run(None, dict(zip(names, x, strict=True)))
    assert_same(model.predict(x, verbose=0), expected, "float32")
    return [type(layer).__name__ for layer in model.layers if layer.n_inputs != 0]


def graph(body, sample="4", out="n, m", opset=17):
    return f'<ir_version: 8, opset_import: ["" : {opset}]> g (float[n, {sample}] x) => (float[{out}] y) {{ {body} }}'


RNG = np.random.default_rng(0)


W, B, ROW = (RNG.normal(size=shape).astype("float32") for shape in ((4, 3), (3,), (1, 3)))


ONES = np.ones(4, "float32")
HAND_MADE = {
    "Gemm": ("y = Gemm<transB=1, alpha=0.5, beta=2.0>(x, w, b)", {"w": W.T.copy(), "b": ROW}, ["Dense"]),
    "Gemm without bias": ("y = Gemm(x, w)", {"w": W}, ["Dense"]),
    "Gemm with a scalar": ("y = Gemm(x, w, b)", {"w": W, "b": B[:1]}, ["Dense"]),
    "MLP": (
        "h = MatMul(x, w) i = Add(b, h) j = Relu(i) k = MatMul(j, v) l = Add(k, c) y = Softmax(l)",
        {"w": W, "b": ROW, "v": W.T.copy(), "c": ONES},
        ["Dense", "Activation", "Dense", "Activation"],
    ),
    "constants, moved": (
        "s = Constant<value_ints=[4, 3]>() r = Reshape(w, s) h = MatMul(x, r) y = Identity(h)",
        {"w": W.ravel()},
        ["Dense"],
    ),
    "scaler": ("h = Sub(x, b) y = Div(h, w)", {"b": ONES, "w": 2 * ONES}, ["Rescaling", "Rescaling"]),
    "turned around": ("h = Sub(b, x) y = Mul(w, h)", {"b": ONES, "w": 2 * ONES}, ["Rescaling", "Rescaling"]),
    "squares": ("c = Constant<value_float=2.0>() y = Pow(x, c)", {}, ["Power"]),
    "quotient": ("h = Exp(x) y = Div(x, h)", {}, ["Activation", "TrueDivide"]),
    "inverse": ("h = Exp(x) y = Div(b, h)", {"b": ONES}, ["Activation", "Power", "Rescaling"]),
    "root": ("h = Exp(x) i = Sqrt(h) y = Reciprocal(i)", {}, ["Activation", "Power", "Power"]),
    "absolute": ("y = Abs(x)", {}, ["Absolute"]),
    "negative": ("y = Neg(x)", {}, ["Rescaling"]),
    "bounds": ("y = Clip(x, a, b)", {"a": B[0] - 2, "b": B[0] + 1}, ["Rescaling", "Maximum", "Rescaling", "Minimum"]),
    "bounds from 0": ("y = Clip(x, a, b)", {"a": np.float32(0), "b": np.float32(1)}, ["Activation"]),
    "one bound": ("y = Clip(x, a)", {"a": B[0]}, ["Rescaling", "Maximum"]),
    "the other": ("y = Clip(x, , a)", {"a": B[0]}, ["Rescaling", "Minimum"]),
    "no bound": ("y = Clip(x)", {}, ["Identity"]),
    "greatest": ("y = Max(x, a)", {"a": B[0]}, ["Rescaling", "Maximum"]),
    "relu as maximum": ("y = Max(z, x)", {"z": np.float32(0)}, ["Activation"]),
    "relu as bound": ("y = Clip(x, z, )", {"z": np.float32(0)}, ["Activation"]),
    "threshold": ("y = ThresholdedRelu<alpha=0.5>(x)", {}, ["Activation"]),
    "mean": ("h = Relu(x) y = Mean(x, h, x)", {}, ["Activation", "Average"]),
    "sum": ("h = Relu(x) y = Sum(x, h, x)", {}, ["Activation", "Add"]),
    "silu": ("s = Sigmoid(x) y = Mul(s, x)", {}, ["Activation"]),
    "silu, and its factor": ("s = Sigmoid(x) t = Mul(s, x) y = Add(s, t)", {}, ["Activation", "Activation", "Add"]),
    "log softmax": ("s = Softmax<axis=1>(x) y = Log(s)", {}, ["Activation"]),
    "dropout": ("y = Dropout(x)", {}, ["Dropout"]),
    "axes": ("h = Unsqueeze(x, a) i = Transpose<perm=[0, 2, 1]>(h) y = Squeeze(i, b)",
             {"a": np.array([1]), "b": np.array([-1])}, ["Reshape", "Permute", "Reshape"]),
    "flatten": ("h = Reshape(x, s) y = Flatten(h)", {"s": np.array([-1, 2, 2])}, ["Reshape", "Flatten"]),
    "shape": (
        "s = Shape(x) z = Constant<value_ints=[0]>() n = Gather(s, z) m = Constant<value_ints=[2, -1]>()"
        "t = Concat<axis=0>(n, m) h = Reshape(x, t) y = Flatten(h)", {}, ["Reshape", "Flatten"],
    ),
    "layer normalization": (
        "m = ReduceMean<axes=[-1]>(x) d = Sub(x, m) q = Mul(d, d) v = ReduceMean<axes=[-1]>(q) w = Add(v, e)"
        "s = Sqrt(w) u = Div(d, s) t = Mul(u, g) y = Add(t, b)",
        {"e": np.float32(1e-5), "g": 2 * ONES, "b": ONES}, ["LayerNormalization"],
    ),
    # Graphs that PyTorch's newer exporter (dynamo=True) and others write for one activation or layer
    "softplus of PyTorch": (
        "s = Softplus(x) g = Greater(x, t) y = Where(g, x, s)", {"t": np.float32(20)}, ["Activation"],
    ),
    "steeper softplus": (
        "z = Mul(x, b) s = Softplus(z) d = Div(s, b) g = Greater(z, t) y = Where(g, x, d)",
        {"b": np.float32(2), "t": np.float32(20)}, ["Rescaling", "Activation", "Rescaling"],
    ),
    "casts to the same type": (
        "a = Cast<to=1>(x) h = MatMul(a, w) i = Cast<to=1>(h) c = Cast<to=1>(b) j = Add(i, c) k = Identity(j)"
        "s = Sigmoid(k) l = Cast<to=1>(j) m = Mul(l, s) y = Cast<to=1>(m)",
        {"w": W, "b": B}, ["Dense", "Activation"],
    ),
    "the only element": ("h = MatMul(x, w) i = Gather<axis=1>(h, z) y = Unsqueeze(i, a)",
                         {"w": W[:, :1], "z": np.array(0), "a": np.array([1])}, ["Dense"]),
    "slopes": ("y = PRelu(x, a)", {"a": B[:1]}, ["PReLU"]),
}  # fmt: skip


@pytest.mark.parametrize("name", HAND_MADE)
def test_written_by_hand(tmp_path, name):
    body, constants, expected = HAND_MADE[name]
    assert read(tmp_path, graph(body), **constants) == expected


def test_matrices_of_two_values(tmp_path):
    text = graph("h = Transpose<perm=[0, 2, 1]>(x) y = MatMul(x, h)", "2, 3", "n, 2, 2")
    assert read(tmp_path, text) == ["Permute", "Dot"]


def test_groups(tmp_path):
    body = "y = GroupNormalization<num_groups=2, epsilon=0.01>(x, s, s)"
    text = graph(body, "4, 3", "n, 4, 3", 21)
    assert read(tmp_path, text, s=np.linspace(1, 2, 4).astype("float32")) == ["GroupNormalization"]


def test_table_of_whole_numbers(tmp_path):
    text = '<ir_version: 8, opset_import: ["" : 17]> g (int64[n, 2] x) => (float[n, 2, 3] y) { y = Gather(w, x) }'
    proto = onnx.parser.parse_model(text)
    proto.graph.initializer.append(numpy_helper.from_array(W, "w"))
    onnx.save(proto, tmp_path / "m.onnx")
    model = export.from_onnx(tmp_path / "m.onnx")
    np.testing.assert_array_equal(model.predict(np.array([[3, 0]]), verbose=0), W[None, [3, 0]])
    with pytest.raises(ValueError, match=r"whole numbers in \[0, 4\)"):
        model.predict(np.array([[4, 0]]))


def test_groups_of_a_shape_that_is_read(tmp_path):
    body = (
        "r = Reshape(x, g) i = InstanceNormalization<epsilon=0.01>(r, o, z) q = Shape<start=0>(x) u = Reshape(i, q)"
        "m = Mul(u, s) y = Add(m, s)"
    )
    constants = {"g": np.array([0, 2, -1]), "o": np.ones(2, "f4"), "z": np.zeros(2, "f4"), "s": ONES * 2}
    assert read(tmp_path, graph(body, out="n, 4"), **constants) == ["GroupNormalization"]


def test_scaler_of_scikit_learn(tmp_path):
    text = (
        '<ir_version: 8, opset_import: ["" : 17, "ai.onnx.ml" : 3]> g (float[n, 4] x) => (float[n, 3] y) '
        "{ s = ai.onnx.ml.Scaler<offset=[1.0, 2.0, 3.0, 4.0], scale=[0.5, 1.0, 2.0, 4.0]>(x) y = MatMul(s, w) }"
    )
    assert read(tmp_path, text, w=W) == ["Rescaling", "Dense"]


def test_weights_in_a_file_beside_it(tmp_path):
    model = cb.Sequential([cb.Input((40,)), layers.Dense(40, name="y")])
    export.onnx(model, tmp_path / "m.onnx")
    proto = onnx.load(tmp_path / "m.onnx")
    onnx.save(proto, tmp_path / "large.onnx", save_as_external_data=True, location="large.data", size_threshold=10)
    x = inputs_for(model)
    assert_same(export.from_onnx(tmp_path / "large.onnx").predict(x, verbose=0), model.predict(x, verbose=0), "float32")
    (tmp_path / "large.data").unlink()
    with pytest.raises(ValueError, match=r"large.data"):
        export.from_onnx(tmp_path / "large.onnx")


def test_some_outputs_of_a_classifier(tmp_path):
    text = (
        '<ir_version: 8, opset_import: ["" : 17, "ai.onnx.ml" : 3]> '
        "g (float[n, 4] x) => (int64[n] label, float[n, m] probabilities) "
        "{ h = MatMul(x, w) z = Add(h, b) label = ArgMax<axis=1, keepdims=0>(z) probabilities = Softmax<axis=1>(z) }"
    )
    proto = onnx.parser.parse_model(text)
    proto.graph.initializer.extend([numpy_helper.from_array(W, "w"), numpy_helper.from_array(B, "b")])
    path = tmp_path / "m.onnx"
    onnx.save(proto, path)
    choice = r"no layer computes ArgMax 'label'\. The outputs are 'label', 'probabilities': the argument `outputs` can"
    with pytest.raises(ValueError, match=choice):
        export.from_onnx(path)
    model = export.from_onnx(path, outputs=["probabilities", "z"])
    assert model.output_names == ["probabilities", "z"]
    x = inputs_for(model)
    expected = [*ReferenceEvaluator(proto).run(["probabilities"], {"x": x[0]}), x[0] @ W + B]
    assert_same(model.predict(x, verbose=0), expected, "float32")
    with pytest.raises(ValueError, match=r"no value 'probability' .* Did you mean 'probabilities'"):
        export.from_onnx(path, ["probability"])
    for wrong in ("z", [], [3]):
        with pytest.raises(TypeError, match="outputs must be a list of names"):
            export.from_onnx(path, wrong)


REFUSED = {
    "all operators": ("h = Sin(x) i = Relu(h) y = Cos(i)", {}, r"no layer computes Cos 'y', Sin 'h'\."),
    "constant operators": ("h = Sin(b) y = Add(x, h)", {"b": ONES}, r"no layer computes Sin 'h'\."),
    "second output": ("h, y = TopK(x, k)", {"k": np.array([2])}, r"no layer computes TopK 'h'\."),
    "matrix on the left": ("y = MatMul(w, x)", {"w": W.T.copy()}, "MatMul 'y': its left operand is a constant"),
    "matrix that does not fit": ("y = MatMul(x, w)", {"w": W.T.copy()}, r"shape \(3, 4\) does not fit"),
    "samples transposed": ("y = Transpose(x)", {}, "Transpose 'y': the batch is axis 1 of its output 'y'"),
    "samples joined": ("y = Concat<axis=0>(x, x)", {}, "axis 0 is not an axis of the samples"),
    "samples flattened": ("y = Flatten<axis=0>(x)", {}, "Flatten 'y': .* no axis of their own"),
    "samples reshaped": ("y = Reshape(x, s)", {"s": np.array([2, -1])}, "does not keep the batch"),
    "samples squeezed": ("y = Squeeze(x)", {}, "could be the batch's"),
    "samples normalized": ("y = Softmax<axis=0>(x)", {}, "axis 0 is not an axis of the samples"),
    "constant that grows": ("y = Add(x, b)", {"b": np.ones((2, 4), "float32")}, "does not fit values"),
    "training": ("y = Dropout(x, r, t)", {"r": np.float32(0.5), "t": np.bool_(True)}, "training mode"),
    "samples cut": ("y = Reshape(x, s)", {"s": np.array([-1, 2])}, "Reshape 'y': .* no axis of their own"),
    "columns": ("i = Cast<to=7>(x) y = Gather<axis=1>(w, i)", {"w": W}, "Cast 'i': it casts fractional numbers"),
    "an element that is not there": ("y = Gather<axis=1>(x, z)", {"z": np.array(7)}, "elements that do not exist"),
    "softplus that ends early": (
        "s = Softplus(x) g = Greater(x, t) y = Where(g, x, s)", {"t": np.float32(2)}, r"computes .*Where 'y'\.",
    ),
    "powers": ("y = Pow(x, e)", {"e": ONES}, "only a single one is supported"),
    "infinite constant": ("y = Add(x, b)", {"b": ONES * np.inf}, "must be finite"),
    "no value": ("y = Relu(b)", {"b": ONES}, "does not depend on the inputs"),
    "bias": ("y = Gemm(x, w, b)", {"w": W, "b": ONES[:2]}, "a bias of shape"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_read(tmp_path, name):
    body, constants, message = REFUSED[name]
    proto = onnx.parser.parse_model(graph(body))
    proto.graph.initializer.extend(numpy_helper.from_array(array, name) for name, array in constants.items())
    onnx.save(proto, tmp_path / "m.onnx")
    with pytest.raises(ValueError, match=r"m.onnx' cannot be read as a model: ") as found:
        export.from_onnx(tmp_path / "m.onnx")
    assert found.match(message)


LARGE = {
    "samples": (
        "u = Unsqueeze(x, a) y = Expand(u, s)",
        "1000000",
        {"a": np.array([1]), "s": np.array([1, 10000, 1])},
        r"\(10000, 1000000\) are too large",
    ),
    "weight": ("y = LayerNormalization(x, g)", "2000000", {"g": ONES[:1]}, r"a weight of shape \(1,\) does not fit"),
    "table of constants": (
        "h = Add(a, b) y = Add(x, h)",
        "4",
        {"a": np.ones((9999, 1)), "b": np.ones(4)},
        "would be much larger",
    ),
}


@pytest.mark.parametrize("name", LARGE)
def test_what_would_take_more_memory_than_the_file(tmp_path, name):
    body, sample, constants, message = LARGE[name]
    proto = onnx.parser.parse_model(graph(body, sample, "n, a, b" if name == "samples" else "n, m"))
    proto.graph.initializer.extend(numpy_helper.from_array(array, name) for name, array in constants.items())
    onnx.save(proto, tmp_path / "m.onnx")
    with pytest.raises(ValueError, match=message):
        export.from_onnx(tmp_path / "m.onnx")


def test_sizes_of_batches_are_not_reckoned_with(tmp_path):
    text = graph("s = Shape(x) t = Add(s, o) y = Reshape(x, t)").replace("[n, 4] x", "[1, 4] x")
    proto = onnx.parser.parse_model(text)
    proto.graph.initializer.append(numpy_helper.from_array(np.array([1, 0]), "o"))
    onnx.save(proto, tmp_path / "m.onnx")
    with pytest.raises(ValueError, match=r"Reshape 'y': the shape \[2, 4\] does not keep the batch"):
        export.from_onnx(tmp_path / "m.onnx")


def test_operators_of_others_are_all_named(tmp_path):
    text = (
        '<ir_version: 8, opset_import: ["" : 17, "ai.onnx.ml" : 3]> g (float[n, 4] x) => (float[n, 4] y) '
        "{ h = ai.onnx.ml.Binarizer(x) i = Sin(h) j = Sinn(i) y = Relu(j) }"
    )
    onnx.save(onnx.parser.parse_model(text), tmp_path / "m.onnx")
    with pytest.raises(ValueError, match=r"no layer computes Sin 'i', Sinn 'j', ai\.onnx\.ml::Binarizer 'h'\."):
        export.from_onnx(tmp_path / "m.onnx")


def test_damaged_or_foreign_files(tmp_path):
    path = tmp_path / "m.onnx"
    export.onnx(cb.Sequential([cb.Input((3,)), layers.Dense(2)]), path)
    whole = path.read_bytes()
    for content in (b"", b"no model at all", whole[:-20], whole[:50]):
        path.write_bytes(content)
        with pytest.raises(ValueError, match="cannot be read as a model: "):
            export.from_onnx(path)
    with pytest.raises(FileNotFoundError):
        export.from_onnx(tmp_path / "nowhere.onnx")
    with pytest.raises(TypeError, match="path must be a string or a path"):
        export.from_onnx(None)


def edited(change):
    proto = helper.make_model(
        helper.make_graph(
            [helper.make_node("Relu", ["x"], ["y"])],
            "g",
            [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, ["n", 3])],
            [helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, ["n", 3])],
        ),
        opset_imports=[helper.make_opsetid("", 17)],
    )
    proto.ir_version = 8
    change(proto)
    return proto


EDITS = {
    "old": (lambda p: setattr(p.opset_import[0], "version", 8), "operator set 8, but 13 to"),
    "new": (lambda p: setattr(p.opset_import[0], "version", 1000), "operator set 1000"),
    "no batch": (lambda p: p.graph.input[0].type.tensor_type.shape.ClearField("dim"), "no axis for a batch"),
    "text": (lambda p: setattr(p.graph.input[0].type.tensor_type, "elem_type", 8), "input 'x' holds object"),
    "function": (lambda p: p.functions.add(name="f", domain="d"), "functions"),
    "cycle": (lambda p: p.graph.node.insert(0, helper.make_node("Relu", ["y"], ["z"])), "damaged"),
    "no output": (lambda p: p.graph.ClearField("output"), "no outputs"),
    "size of a constant": (
        lambda p: p.graph.initializer.add(name="c", data_type=1, dims=[10**9, 10**9], raw_data=b"0000"),
        "damaged",
    ),
    "complex": (lambda p: p.graph.initializer.add(name="c", data_type=14, raw_data=bytes(8)), "holds complex64"),
    "file elsewhere": (
        lambda p: p.graph.initializer.append(
            onnx.TensorProto(
                name="c", data_type=1, dims=[4], data_location=1,
                external_data=[{"key": "location", "value": "../../../../../etc/passwd"}],
            )
        ),
        "damaged",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", EDITS)
def test_edited_graphs(tmp_path, name):
    change, message = EDITS[name]
    (tmp_path / "m.onnx").write_bytes(edited(change).SerializeToString())
    with pytest.raises(ValueError, match="cannot be read as a model: ") as found:
        export.from_onnx(tmp_path / "m.onnx")
    assert found.match(message)


def test_an_input_that_is_an_output(tmp_path):
    proto = edited(lambda p: p.graph.output.insert(0, p.graph.input[0]))
    (tmp_path / "m.onnx").write_bytes(proto.SerializeToString())
    model = export.from_onnx(tmp_path / "m.onnx")
    np.testing.assert_array_equal(model.predict(np.ones((2, 3)), verbose=0)[0], np.ones((2, 3)))
