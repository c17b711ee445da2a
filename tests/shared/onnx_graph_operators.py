"""Operators of random ONNX graphs: each function adds one, or a few that belong together, to a graph (`Maker`)."""

import math

import numpy as np
from onnx import TensorProto, numpy_helper

from cbackprop.export import formulas


def gemm(m):
    found = m.value(1)
    if found is None:
        return
    x, (width,) = found
    units = int(m.pick([1, 2, 3, 4]))
    transposed = m.chance(0.5)
    kernel = m.constant(m.rng.normal(size=(units, width) if transposed else (width, units)) / 2)
    options = {"transB": int(transposed)}
    if m.chance(0.05):
        options["transA"] = 1
    if m.chance(0.4):
        options["alpha"] = m.number()
    if m.chance(0.4):
        options["beta"] = m.number()
    bias = [m.constant(np.asarray(m.rng.normal(size=m.pick([(units,), (1, units), (1,), (), (1, 1)]))))]
    m.keep(m.add("Gemm", x, kernel, *(bias if m.chance(0.8) else []), **options), (units,))


def matmul(m):
    x, shape = m.value()
    units = int(m.pick([1, 2, 3, 4]))
    y = m.add("MatMul", x, m.constant(m.rng.normal(size=(shape[-1], units)) / 2))
    shape = (*shape[:-1], units)
    if m.chance(0.7):
        bias = m.constant(m.rng.normal(size=m.pick([(units,), (1, units), (1,), (), (1, 1, units), (1, 1, 1)])))
        y = m.add("Add", *((y, bias) if m.chance(0.5) else (bias, y)))
    m.keep(y, shape)


def matmul_of_values(m):
    found = m.value(2)
    if found is None:
        return
    x, (a, _) = found
    y = m.add("Transpose", x, perm=[0, 2, 1])
    m.keep(m.add("MatMul", x, y), (a, a))


def with_constant(m):
    x, shape = m.value()
    operator = m.pick(["Add", "Sub", "Mul", "Div", "Max", "Min"])
    array = m.broadcast(shape)
    if operator == "Div":
        array = np.where(np.abs(array) < 0.1, 0.7, array)
    pair = [x, m.constant(array)]
    if m.chance(0.3):
        if operator == "Div":
            pair[0] = m.add("Add", m.add("Abs", x), m.constant(np.asarray(1.0)))
        pair.reverse()
    m.keep(m.add(operator, *pair), result_shape(shape, array.shape))


def result_shape(shape, other):
    """The shape of a sample of this shape combined with a constant; ``None`` if that is no sample."""
    try:
        result = np.broadcast_shapes((7, *shape), other)
    except ValueError:
        return None
    return result[1:] if result[0] == 7 and len(result) == len(shape) + 1 else None


def rescaled(m):
    x, shape = m.value()
    scale, offset = m.broadcast(shape), m.broadcast(shape)
    y = m.add("Add", m.add("Mul", x, m.constant(scale)), m.constant(offset))
    first = result_shape(shape, scale.shape)
    m.keep(y, first and result_shape(first, offset.shape))


def of_values(m):
    x, shape = m.value()
    others = [value for value in m.values if len(value[1]) == len(shape) or m.chance(0.1)]
    y, other = m.pick(others) if others else (x, shape)
    try:
        result = np.broadcast_shapes(shape, other) if len(shape) == len(other) else None
    except ValueError:
        return
    operator = m.pick(["Add", "Sub", "Mul", "Div", "Max", "Min", "Sum", "Mean", "Pow"])
    if operator in ("Div", "Pow"):
        z, one = m.add("Abs", y if operator == "Div" else x), m.constant(np.asarray(0.5))
        z = m.add("Add", z, one)
        m.keep(m.add(operator, *((x, z) if operator == "Div" else (z, m.add("Tanh", y)))), result)
        return
    more = [x] if operator in ("Sum", "Mean", "Max", "Min") and m.chance(0.3) else []
    m.keep(m.add(operator, x, y, *more), result)


def powers(m):
    x, shape = m.value()
    exponent = m.pick([2.0, 3.0, 0.5, -1.0, 1.0, 4.0, 0.0, 1.5])
    base = m.add("Add", m.add("Abs", x), m.constant(np.asarray(0.3))) if exponent not in (1, 2, 3, 4) else x
    kind = m.pick([m.dtype, np.dtype("int64"), np.dtype("int32"), np.dtype("float32")])
    array = np.full(m.pick([(), (1,), (1, 1), (1, 1, 1, 1), shape[-1:]]), exponent, kind)
    m.keep(m.add("Pow", base, m.constant(array, keep=True)), result_shape(shape, array.shape))


def sizes_of(m, x, shape, target):
    """The shape `target` of whole samples, computed of the shape of x as exporters do."""
    first = m.add("Gather", m.add("Shape", x), m.constant(np.array(m.pick([0, [0]]), np.int64)), axis=0)
    gathered_scalar = not np.ndim(next(c for c in all_constants(m) if c[0] == m.graph.nodes[-1].input[1])[1])
    if gathered_scalar:
        first = m.add("Unsqueeze", first, m.constant(np.array([0], np.int64)))
    if m.chance(0.3):
        first = m.add("Cast", m.add("Cast", first, to=TensorProto.INT32), to=TensorProto.INT64)
    rest = list(target)
    parts = [first]
    if rest and m.chance(0.3) and rest[-1] == math.prod(shape):
        sizes = [
            m.add("Gather", m.add("Shape", x), m.constant(np.array([axis], np.int64)), axis=0)
            for axis in range(1, len(shape) + 1)
        ]
        product = sizes[0]
        for size in sizes[1:]:
            product = m.add("Mul", product, size)
        parts.append(product)
    elif m.chance(0.2):
        first = m.add("Mul", first, m.constant(np.array([2], np.int64)))
        parts = [m.add("Div", first, m.constant(np.array([m.pick([2, 2, 1])], np.int64)))]
        parts.append(m.constant(np.array(rest, np.int64)))
    else:
        if rest and m.chance(0.3):
            rest[int(m.rng.integers(len(rest)))] = -1
        parts.append(m.constant(np.array(rest, np.int64)))
    return m.add("Concat", *parts, axis=0)


def all_constants(m):
    for tensor in m.graph.constants:
        yield tensor.name, numpy_helper.to_array(tensor)
    for node in m.graph.nodes:
        if node.op_type == "Constant":
            yield node.output[0], numpy_helper.to_array(node.attribute[0].t)


def reshape(m):
    x, shape = m.value()
    size = math.prod(shape)
    options = [(size,), (1, size), (size, 1), shape, shape[::-1]]
    options += [(a, size // a) for a in (2, 3, 4) if size % a == 0]
    target = m.pick(options)
    kind = int(m.rng.integers(6))
    if kind == 0:
        sizes = sizes_of(m, x, shape, target)
    elif kind == 1:
        sizes = m.constant(np.array([-1, *target], np.int64))
    elif kind == 2:
        rest = list(target)
        rest[int(m.rng.integers(len(rest)))] = -1
        sizes = m.constant(np.array([0, *rest], np.int64))
    elif kind == 3 and m.chance(0.3):
        sizes = m.constant(np.array([*target, -1], np.int64))
        target = None
    elif kind == 4 and m.chance(0.3):
        sizes = m.constant(np.array([2, *target], np.int64))
    else:
        sizes = m.constant(np.array([0, *target], np.int64))
    m.keep(m.add("Reshape", x, sizes), target)


def batch_as_number(m):
    x, shape = m.value()
    whole = m.add("Gather", m.add("Shape", x), m.constant(np.array(int(m.pick([0, 1])), np.int64)), axis=0)
    if m.chance(0.3):
        whole = m.add("Add", whole, m.constant(np.array(1, np.int64)))
    m.keep(m.add(m.pick(["Div", "Mul", "Add"]), x, m.add("Cast", whole, to=m.type)), shape)


def flatten(m):
    x, shape = m.value()
    axis = int(m.pick([1, 1, 1, 1, 0, 2, -1]))
    right = axis in (1, -len(shape))
    m.keep(m.add("Flatten", x, axis=axis), (math.prod(shape),) if right else None)


def unsqueeze(m):
    x, shape = m.value()
    if len(shape) > 2:
        return
    rank = len(shape) + 2
    axis = int(m.rng.integers(0 if m.chance(0.1) else 1, rank))
    result = list(shape)
    result.insert(axis - 1, 1)
    given = axis - rank if m.chance(0.4) else axis
    m.keep(m.add("Unsqueeze", x, m.constant(np.array([given], np.int64))), result if axis else None)


def squeeze(m):
    x, shape = m.value()
    ones = [axis for axis, size in enumerate(shape, 1) if size == 1]
    if not ones or m.chance(0.1):
        m.add("Squeeze", x)
        return
    axis = m.pick(ones)
    given = axis - len(shape) - 1 if m.chance(0.4) else axis
    result = [size for other, size in enumerate(shape, 1) if other != axis]
    m.keep(m.add("Squeeze", x, m.constant(np.array([given], np.int64))), result or None)


def transpose(m):
    x, shape = m.value()
    order = [0, *(1 + m.rng.permutation(len(shape)))] if m.chance(0.9) else m.rng.permutation(len(shape) + 1)
    order = [int(axis) for axis in order]
    result = [shape[axis - 1] for axis in order[1:]] if order[0] == 0 else None
    m.keep(m.add("Transpose", x, perm=order), result)


def expand(m):
    x, shape = m.value()
    grown = tuple(int(m.pick([1, 2, 3])) if size == 1 else m.pick([size, 1]) for size in shape)
    target = m.pick([grown, (1, *grown), grown[-1:], (1, 1, *grown), (2, *grown)])
    m.keep(m.add("Expand", x, m.constant(np.array(target, np.int64))), result_shape(shape, target))


def cut(m):
    x, shape = m.value()
    count = int(m.rng.integers(1, len(shape) + 1))
    axes = [int(axis) for axis in 1 + m.rng.permutation(len(shape))[:count]]
    if m.chance(0.07):
        axes[0] = 0
    starts, ends, steps, result = [], [], [], list(shape)
    for axis in axes:
        size = shape[axis - 1] if axis else 2
        step = int(m.pick([1, 1, 1, 2, -1, -2, 3]))
        start = int(m.rng.integers(-size - 1, size + 1))
        end = int(m.pick([*range(-size - 2, size + 3), 2**63 - 1, 2**31 - 1, -(2**63)]))
        starts.append(start)
        ends.append(end)
        steps.append(step)
        if axis:
            result[axis - 1] = len(range(size)[start:end:step])
    given = [axis - len(shape) - 1 if m.chance(0.3) else axis for axis in axes]
    inputs = [m.constant(np.array(array, np.int64)) for array in (starts, ends, given, steps)]
    if all(step == 1 for step in steps) and m.chance(0.5):
        inputs.pop()
    m.keep(m.add("Slice", x, *inputs), result if 0 not in axes and min(result) > 0 else None)


def split(m):
    x, shape = m.value()
    axis = int(m.rng.integers(len(shape)))
    size = shape[axis]
    if size < 2:
        return
    first = int(m.rng.integers(1, size))
    axis_given = axis + 1 if m.chance(0.5) else axis - len(shape)
    parts = (first, size - first)
    if m.opset >= 18 and m.chance(0.3):
        half = math.ceil(size / 2)
        parts = (half, size - half)
        names = m.add("Split", x, outputs=2, axis=axis_given, num_outputs=2)
    else:
        names = m.add("Split", x, m.constant(np.array(parts, np.int64)), outputs=2, axis=axis_given)
    for name, part in zip(names, parts, strict=True):
        m.keep(name, (*shape[:axis], part, *shape[axis + 1 :]))


def concat(m):
    x, shape = m.value()
    axis = int(m.rng.integers(len(shape)))
    fits = [
        value
        for value in m.values
        if len(value[1]) == len(shape) and value[1][:axis] + value[1][axis + 1 :] == shape[:axis] + shape[axis + 1 :]
    ]
    chosen = [(x, shape), *(m.pick(fits) for _ in range(int(m.rng.integers(1, 3))))]
    given = axis + 1 if m.chance(0.5) else axis - len(shape)
    if m.chance(0.05):
        given = 0
    result = (*shape[:axis], sum(value[1][axis] for value in chosen), *shape[axis + 1 :])
    m.keep(m.add("Concat", *(name for name, _ in chosen), axis=given), result if given else None)


def gather(m):
    x, shape = m.value()
    axis = int(m.rng.integers(len(shape)))
    size = shape[axis]
    index = m.rng.integers(-size, size, size=m.pick([(), (1,), (2,), (3,), (2, 2)]))
    if m.chance(0.3):
        index = np.arange(size)[:: int(m.pick([1, -1, 2]))]
    given = axis + 1 if m.chance(0.5) else axis - len(shape)
    if m.chance(0.05):
        given = 0
    result = (*shape[:axis], *np.shape(index), *shape[axis + 1 :])
    m.keep(
        m.add("Gather", x, m.constant(np.asarray(index, np.int64)), axis=given), result if given and result else None
    )


def activation(m):
    x, shape = m.value()
    name = m.pick(
        [
            *(
                "Relu",
                "Sigmoid",
                "Tanh",
                "LeakyRelu",
                "Elu",
                "Selu",
                "Softplus",
                "Softsign",
                "HardSigmoid",
                "HardSwish",
            ),
            *("ThresholdedRelu", "Celu", "Neg", "Abs", "Exp", "Sqrt", "Reciprocal", "Log", "Mish", "Gelu", "Identity"),
            *("Erf", "Sign", "Floor", "Sin", "Shrink", "HardSwish"),
        ]
    )
    options = {}
    if name in ("LeakyRelu", "Elu", "ThresholdedRelu", "Celu") and m.chance(0.7):
        options["alpha"] = abs(m.number()) + 0.1
    if name == "HardSigmoid":
        options = m.pick([{}, {"alpha": 1 / 6}, {"alpha": 0.5}, {"alpha": 0.25, "beta": 0.4}])
    if name == "Gelu":
        options = m.pick([{}, {"approximate": "tanh"}])
    if name == "Shrink":
        options = {"lambd": m.number(), "bias": m.number()} if m.chance(0.5) else {"lambd": 0.4, "bias": 0.4}
    if name == "Exp":
        x = m.add("Min", x, m.constant(np.asarray(2.0)))
    if name in ("Sqrt", "Reciprocal", "Log"):
        x = m.add("Add", m.add("Abs", x), m.constant(np.asarray(0.3)))
    m.keep(m.add(name, x, **options), shape)


def softmax(m):
    x, shape = m.value()
    axis = int(m.pick([-1, -1, *range(-len(shape) - 1, len(shape) + 1)]))
    m.keep(m.add(m.pick(["Softmax", "LogSoftmax"]), x, axis=axis), shape)


def clip(m):
    x, shape = m.value()
    low, high = sorted((m.number(), m.number()))
    kind = int(m.rng.integers(5))
    bounds = [(low, high), (0.0, 6.0), (0.0, abs(high)), (low, None), (None, high)][kind]
    names = [m.constant(np.asarray(bound)) if bound is not None else "" for bound in bounds]
    m.keep(m.add("Clip", x, *(names if names[1] else names[:1])), shape)


def where(m):
    x, shape = m.value()
    y = m.pick([value for value in m.values if value[1] == shape])[0]
    condition = m.add(m.pick(["Greater", "Less", "GreaterOrEqual"]), x, m.constant(np.asarray(m.number())))
    m.keep(m.add("Where", condition, *m.pick([(x, y), (y, x), (x, m.constant(np.asarray(0.0)))])), shape)


def reduction(m):
    x, shape = m.value()
    name = m.pick(["ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL2", "ReduceSumSquare"])
    count = int(m.rng.integers(1, len(shape) + 1))
    axes = [int(axis) for axis in 1 + m.rng.permutation(len(shape))[:count]]
    if m.chance(0.05):
        axes = [0]
    keep = int(m.chance(0.6))
    kept = [1 if axis in axes else size for axis, size in enumerate(shape, 1)]
    dropped = [size for axis, size in enumerate(shape, 1) if axis not in axes]
    given = [axis - len(shape) - 1 if m.chance(0.3) else axis for axis in axes]
    if m.chance(0.05):
        made = m.add(name, x, keepdims=keep)
        axes = [0]
    elif name == "ReduceSum" or m.opset >= 18:
        made = m.add(name, x, m.constant(np.array(given, np.int64)), keepdims=keep)
    else:
        made = m.add(name, x, axes=given, keepdims=keep)
    m.keep(made, None if axes == [0] or not (kept if keep else dropped) else kept if keep else dropped)


def normalization(m):
    x, shape = m.value()
    kind = int(m.rng.integers(4))
    channels = shape[0]
    if kind == 0:
        arrays = [m.rng.normal(size=channels), m.rng.normal(size=channels), m.rng.normal(size=channels)]
        names = [m.constant(array) for array in (*arrays, m.rng.uniform(0.5, 2, channels))]
        m.keep(m.add("BatchNormalization", x, *names, epsilon=float(m.pick([1e-5, 1e-3]))), shape)
    elif kind == 1 and m.opset >= 17:
        axis = int(m.pick([-1, -1, *range(1, len(shape) + 1)]))
        part = shape[axis - 1 :] if axis > 0 else shape[-1:]
        size = m.pick([part, part, part[-1:], (1,) * len(part), (1,)])
        names = [m.constant(m.rng.normal(size=size)), m.constant(m.rng.normal(size=part))]
        m.keep(m.add("LayerNormalization", x, *names[: int(m.pick([1, 2]))], axis=axis), shape)
    elif kind == 2 and math.prod(shape[1:]) > 1:  # of one number ONNX Runtime returns what rounding leaves of 0
        names = [m.constant(m.rng.normal(size=channels)) for _ in range(2)]
        m.keep(m.add("InstanceNormalization", x, *names), shape)
    elif kind == 3 and m.opset >= 21 and len(shape) > 1:
        names = [m.constant(m.rng.normal(size=channels)) for _ in range(2)]
        m.keep(m.add("GroupNormalization", x, *names, num_groups=2 - channels % 2), shape)


def cast(m):
    x, shape = m.value()
    kind = int(m.pick([m.type, m.type, TensorProto.DOUBLE, TensorProto.FLOAT16, TensorProto.INT64]))
    m.keep(m.add("Cast", m.add("Cast", x, to=kind), to=m.type), shape)


def whole_numbers(m):
    if not m.ids:
        return
    x, shape = m.ids[-1]
    kind = int(m.rng.integers(5))
    if kind == 0:
        m.keep(m.add("Cast", x, to=m.type), shape)
    elif kind == 1:
        m.keep(m.add("Gather", m.constant(m.rng.normal(size=(5, 2)), keep=False), x, axis=0), (*shape, 2))
    elif kind == 2:
        three = m.add("Cast", m.constant(np.array(3, np.int64)), to=m.inputs[-1].type.tensor_type.elem_type)
        made = m.add(m.pick(["Div", "Add", "Mul", "Sub"]), x, three)
        m.keep(m.add("Cast", made, to=m.type), shape)
    elif kind == 3:
        shifted = m.add("Reshape", x, m.constant(np.array([0, 1, 3], np.int64)))
        m.keep(m.add("Cast", shifted, to=m.type), (1, 3))
    else:
        two = m.add("Cast", m.constant(np.array(2, np.int64)), to=m.inputs[-1].type.tensor_type.elem_type)
        moved = m.add("Sub", x, two)
        m.keep(m.add("Gather", m.constant(m.rng.normal(size=(5, 2))), moved, axis=0), (*shape, 2))


def masked(m):
    x, shape = m.value()
    values = {"mask_value": m.pick([0.0, 1.0]), "last": np.array([-1])}
    y = m.graph.formula(formulas.LAYERS["masking"][0], m.add("Relu", x), **values)
    m.keep(y, shape)
    m.keep(m.add(m.pick(["Mul", "Max", "Min", "Add"]), y, m.add("Sigmoid", y)), shape)


def rows_of_a_table(m):
    x, shape = m.value()
    index = m.add("Cast", m.add("Mul", x, m.constant(np.asarray(2.0))), to=TensorProto.INT64)
    if m.chance(0.5):
        low, high = (m.constant(np.array(bound, np.int64)) for bound in m.pick([(0, 4), (-3, 3), (0, 3)]))
        index = m.add("Min", m.add("Max", index, low), high)
    m.keep(m.add("Gather", m.constant(m.rng.normal(size=(5, 2))), index, axis=0), (*shape, 2))


def scaled_by_constants(m):
    """A product of constants and values in any order, as people write it."""
    x, shape = m.value()
    for _ in range(int(m.rng.integers(2, 4))):
        array = m.broadcast(shape)
        pair = [x, m.constant(array)]
        if m.chance(0.5):
            pair.reverse()
        x, shape = m.add(m.pick(["Mul", "Add", "Sub", "Max"]), *pair), result_shape(shape, array.shape)
        if shape is None:
            return
    m.keep(x, shape)


def residual(m):
    """Layers around which the values go as well."""
    x, shape = m.value()
    y = x
    for _ in range(int(m.rng.integers(1, 3))):
        width = shape[-1]
        y = m.add("MatMul", y, m.constant(m.rng.normal(size=(width, width)) / 2))
        y = m.add(m.pick(["Relu", "Tanh", "Sigmoid", "Softplus"]), y)
    m.keep(m.add(m.pick(["Add", "Mul", "Sub", "Max"]), *m.pick([(x, y), (y, x), (y, y)])), shape)


def dropout(m):
    x, shape = m.value()
    m.keep(m.add("Dropout", x, *([m.constant(np.asarray(0.3))] if m.chance(0.5) else [])), shape)
