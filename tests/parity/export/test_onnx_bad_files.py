"""ONNX files changed at random become a model, or a ValueError: never anything else."""

import numpy as np
import onnx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import cbackprop as cb
from cbackprop import export, layers

FUZZ = {"deadline": None, "suppress_health_check": list(HealthCheck)}
OPERATORS = [
    *(
        "Relu",
        "Gemm",
        "MatMul",
        "Add",
        "Sub",
        "Mul",
        "Div",
        "Max",
        "Clip",
        "Reshape",
        "Transpose",
        "Squeeze",
        "Flatten",
    ),
    *("Softmax", "Gather", "Cast", "LayerNormalization", "BatchNormalization", "GroupNormalization", "PRelu"),
    *(
        "Expand",
        "Concat",
        "Shape",
        "Constant",
        "If",
        "Slice",
        "Where",
        "TopK",
        "Unsqueeze",
        "Identity",
        "Dropout",
        "ReduceMax",
    ),
]
NUMBERS = st.sampled_from([-(2**63), -5, -2, -1, 0, 1, 2, 3, 4, 100, 2**31, 2**62])
# Of constants, by ONNX's numbers of types, and numbers to put there.
TYPES = {1: ("float32", st.sampled_from([np.nan, np.inf, -1e30, 0.5])), 7: ("int64", NUMBERS)}


@pytest.fixture(scope="module")
def contents(tmp_path_factory):
    """Files that hold something of everything."""
    x, ids = cb.Input((2, 6)), cb.Input((3,))
    h = layers.Dense(6, "gelu")(layers.Masking()(x))
    h = layers.GroupNormalization(2)(layers.BatchNormalization()(layers.LayerNormalization()(h)))
    h = layers.Flatten()(layers.Permute((2, 1))(layers.PReLU()(layers.RMSNormalization(axis=1)(h))))
    e = layers.Flatten()(layers.Embedding(5, 2)(ids))
    c = layers.CategoryEncoding(4, "count")(ids)
    y = layers.Concatenate()([layers.Dense(4, "sparsemax")(h), e, layers.Rescaling(2.0)(c)])
    model = cb.Model([x, ids], [layers.Dot(1, normalize=True)([y, y]), layers.Dense(2, "silu")(y)])
    path = tmp_path_factory.mktemp("good") / "m.onnx"
    export.onnx(model, path)
    shapes = (
        '<ir_version: 8, opset_import: ["" : 17]> g (float[n, 4] x) => (float[n, 4] y) { s = Shape(x)'
        " z = Constant<value_ints=[0]>() b = Gather(s, z) m = Constant<value_ints=[2, -1]>() t = Concat<axis=0>(b, m)"
        " h = Reshape(x, t) y = Flatten(h) }"
    )
    return [path.read_bytes(), onnx.parser.parse_model(shapes).SerializeToString()]


def assert_harmless(path, content):
    path.write_bytes(content)
    try:
        model = export.from_onnx(path)
        shapes = [[3 if size is None else size for size in tensor.shape[1:]] for tensor in model.inputs]
        if all(np.prod(shape, dtype=object) < 1000 for shape in shapes):
            model.predict([np.zeros((2, *shape)) for shape in shapes], verbose=0)
    except ValueError:
        pass


@settings(max_examples=80, **FUZZ)
@given(data=st.data())
def test_any_bytes_replaced(tmp_path, contents, data):
    content = bytearray(data.draw(st.sampled_from(contents)))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    assert_harmless(tmp_path / "m.onnx", bytes(content[: data.draw(st.sampled_from([len(content), 500]))]))


def test_unknown_operator_without_outputs(tmp_path):
    path = tmp_path / "m.onnx"
    graph = onnx.GraphProto(name="g", node=[onnx.NodeProto(op_type="Nothing", input=["x"])])
    opset = [onnx.helper.make_opsetid("", 17)]
    path.write_bytes(onnx.helper.make_model(graph, opset_imports=opset, ir_version=8).SerializeToString())
    with pytest.raises(ValueError, match="Nothing"):
        export.from_onnx(path)


def change_node(graph, data):
    node = data.draw(st.sampled_from(graph.node))
    names = [name for other in graph.node for name in (*other.input, *other.output)]
    kind = data.draw(st.integers(0, 4))
    if kind == 0:
        node.op_type = data.draw(st.sampled_from(OPERATORS))
    elif kind == 1 and node.input:
        node.input[data.draw(st.integers(0, len(node.input) - 1))] = data.draw(st.sampled_from([*names, "", "nowhere"]))
    elif kind == 2 and node.input:
        node.input.pop()
    elif kind == 3:
        node.input.append(data.draw(st.sampled_from(names)))
    elif node.attribute:
        attribute = data.draw(st.sampled_from(node.attribute))
        attribute.i, attribute.f = data.draw(NUMBERS), data.draw(st.sampled_from([0.0, -1.0, np.nan, np.inf]))
        for index in range(len(attribute.ints)):
            attribute.ints[index] = data.draw(NUMBERS)


def change_constant(graph, data):
    sound = [tensor for tensor in graph.initializer if tensor.data_type in TYPES and tensor.raw_data]
    tensor = data.draw(st.sampled_from(sound or [onnx.TensorProto(data_type=1, raw_data=b"1234")]))
    kind = data.draw(st.integers(0, 3))
    if kind == 0:
        tensor.data_type = data.draw(st.integers(0, 30))
    elif kind == 1 and tensor.dims:
        tensor.dims[data.draw(st.integers(0, len(tensor.dims) - 1))] = data.draw(NUMBERS)
    elif kind == 2:
        dtype, values = TYPES[tensor.data_type]
        numbers = np.frombuffer(tensor.raw_data, dtype).copy()
        numbers[data.draw(st.integers(0, len(numbers) - 1))] = data.draw(values)
        tensor.raw_data = numbers.tobytes()
    else:
        size = len(tensor.raw_data) // np.dtype(TYPES[tensor.data_type][0]).itemsize
        del tensor.dims[:]
        tensor.dims.extend(data.draw(st.sampled_from([(), (0,), (1,), (2, 0), (size,), (1, size), (1, 1, size)])))


def change_input(graph, data):
    shape = data.draw(st.sampled_from([*graph.input, *graph.output])).type.tensor_type
    if data.draw(st.booleans()) and shape.shape.dim:
        data.draw(st.sampled_from(shape.shape.dim)).dim_value = data.draw(NUMBERS)
    else:
        shape.elem_type = data.draw(st.integers(0, 30))


CHANGES = [change_node, change_constant, change_input]


@settings(max_examples=200, **FUZZ)
@given(data=st.data())
def test_any_part_replaced(tmp_path, contents, data):
    proto = onnx.ModelProto.FromString(data.draw(st.sampled_from(contents)))
    for change in data.draw(
        st.lists(st.sampled_from([change_node, change_constant, change_input]), min_size=1, max_size=3)
    ):
        change(proto.graph, data)
    assert_harmless(tmp_path / "m.onnx", proto.SerializeToString())
