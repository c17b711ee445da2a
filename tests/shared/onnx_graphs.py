"""Random ONNX graphs, as exporters and people make them, read by `from_onnx` and run by ONNX Runtime.

    python tests/shared/onnx_graphs.py 20000 [FIRST_SEED]

prints how many graphs of so many seeds ONNX Runtime runs, how many of them are read, and each that gives other numbers
or another error than ValueError.
"""

from __future__ import annotations

import collections
import math
import os
import sys
import tempfile
import warnings

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

import cbackprop as cb
from cbackprop.export import formulas
from cbackprop.export.onnx_writer.graph import Graph

BATCHES = (1, 2, 5)
# Relative to the largest number; formulas and operators add up in other orders.
LIMITS = {"float32": 2e-4, "float64": 2e-7}
# The effect of such a change of the inputs on a result counts as rounding: 100 times as much is no fault.
NOISE = 1e-6
# A last digit of each value on the way, and how many times what that does to a result is no fault.
# 1 + tanh(-5) has lost five digits of tanh, which a change of the inputs does not show.
LAST_DIGIT = {"float32": 2.0**-23, "float64": 2.0**-52}
ROUNDINGS = 4
# Numbers so large have lost their digits on the way.
LARGEST = {"float32": 1e5, "float64": 1e12}


class Maker:
    """One random graph: `values` are (name, shape of a sample) of floats, `ids` of whole numbers."""

    def __init__(self, seed):
        self.rng = np.random.default_rng(seed)
        self.dtype = np.dtype(self.pick(["float32", "float32", "float64"]))
        self.type = helper.np_dtype_to_tensor_dtype(self.dtype)
        self.opset = int(self.pick([13, 14, 17, 18, 20, 21]))
        self.batch = self.pick(["n", "n", "n", "n", None, 2])
        self.graph = Graph(onnx, self.dtype.name, [])
        self.values, self.ids, self.inputs = [], [], []
        for _ in range(int(self.rng.integers(1, 3))):
            shape = tuple(int(size) for size in self.pick([(4,), (6,), (1,), (2, 3), (3, 4), (2, 3, 4), (4, 1)]))
            self.values.append((self.enter(self.type, shape), shape))
        if self.chance(0.2):
            self.ids.append((self.enter(int(self.pick([TensorProto.INT64, TensorProto.INT32])), (3,)), (3,)))

    def pick(self, options):
        return options[int(self.rng.integers(len(options)))]

    def chance(self, probability):
        return self.rng.random() < probability

    def enter(self, kind, shape):
        name = f"in{len(self.inputs)}"
        self.inputs.append(helper.make_tensor_value_info(name, kind, [self.batch, *shape]))
        self.graph.unique(name)
        return name

    def number(self):
        return float(np.round(self.rng.normal(), 2))

    def constant(self, array, keep=False):
        """A constant, as an initializer, a node, or computed from others."""
        array = np.asarray(array)
        if array.dtype.kind == "f" and not keep:
            array = array.astype(self.dtype)
        name = self.graph.unique("const")
        if self.chance(0.2):
            proto = numpy_helper.from_array(array, name)
            self.graph.nodes.append(helper.make_node("Constant", [], [name], value=proto))
        else:
            self.graph.constants.append(numpy_helper.from_array(array, name))
        if array.dtype.kind == "f" and self.chance(0.12):
            name = self.computed(name)
        return name

    def computed(self, name):
        """A constant that takes operators to know."""
        kind = int(self.rng.integers(6))
        if kind == 0:
            whole = self.add("Cast", name, to=int(self.pick([TensorProto.INT64, TensorProto.INT32])))
            return self.add("Cast", whole, to=self.type)
        if kind == 1:
            three, two = (self.constant(np.array(n, np.int64)) for n in (self.pick([3, -7, 5]), self.pick([2, -2, 3])))
            if self.chance(0.5):
                three, two = (self.add("Cast", value, to=self.type) for value in (three, two))
                return self.add("Mul", name, self.add("Div", three, two))
            return self.add("Mul", name, self.add("Cast", self.add("Div", three, two), to=self.type))
        if kind == 2:
            return self.add("Add", name, self.add("Sqrt", self.constant(np.asarray(2.0))))
        if kind == 3:
            half = self.add("Cast", name, to=TensorProto.FLOAT16)
            return self.add("Cast", half, to=self.type)
        if kind == 4:
            return self.add("Pow", self.add("Abs", name), self.constant(np.array(2, np.int64)))
        return self.add("Neg", self.add("Identity", name))

    def add(self, operator, *inputs, outputs=1, **attributes):
        made = self.graph.add(operator, *inputs, outputs=outputs, **attributes)
        return made if outputs == 1 else list(self.graph.nodes[-1].output)

    def value(self, rank=None):
        """One of the values, newer ones more often."""
        fitting = [value for value in self.values if rank is None or len(value[1]) == rank]
        if not fitting:
            return None
        return fitting[-1] if self.chance(0.6) else self.pick(fitting)

    def keep(self, name, shape):
        if shape is not None and name and 0 < math.prod(shape) <= 64 and len(shape) <= 4:
            self.values.append((name, tuple(shape)))

    def broadcast(self, shape):
        """A constant that can be combined with samples of this shape, of any rank."""
        kind = int(self.rng.integers(9))
        if kind == 0:
            size = ()
        elif kind == 1:
            size = (1,)
        elif kind == 2:
            size = shape[-1:]
        elif kind == 3:
            size = tuple(length if self.chance(0.5) else 1 for length in shape)
        elif kind == 4:
            size = (1, *shape)
        elif kind == 5 and self.chance(0.3):
            size = (1, 1, *shape)
        elif kind == 6 and self.chance(0.3):
            size = (1,) * int(self.rng.integers(1, len(shape) + 4))
        elif kind == 7 and self.chance(0.3):
            size = (2, *shape)
        elif kind == 8 and self.chance(0.3):
            size = (*shape[:-1], int(self.pick([2, 3])))
        else:
            size = shape
        return np.asarray(np.round(self.rng.normal(size=size), 2)) + self.pick([0.0, 0.0, 1.0])


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


# Formulas of layers over images, and some others, need attributes or whole numbers of their own.
SPATIAL = ("rows[", "after", "before", "Resize(", "Pad(", "Pool(", "Transpose(", "equation", "filling", "rows)")
# Formulas of these layers take several values of their own shapes.
OF_SEVERAL_VALUES = (
    *("attention", "attention_weights", "attention_or_0", "attention_without_nan", "additive_attention", "masked_mean"),
)

TEXTS = [
    *(text for _, text in formulas.ACTIVATIONS.values()),
    *formulas.DOUBLES.values(),
    *(text for _, text in formulas.OTHER_SPELLINGS if "filling" not in text),
    *(
        text
        for layer, texts in formulas.LAYERS.items()
        for text in texts
        if layer not in OF_SEVERAL_VALUES and not any(name in text for name in SPATIAL)
    ),
]


def formula(m):
    """One of the formulas that the reader knows; what it leaves open is right, or nearly so."""
    text = m.pick(TEXTS)
    x, shape = m.value()
    axis = int(m.pick([-1, 1, len(shape)]))
    place = axis - 1 if axis > 0 else len(shape) + axis
    length = shape[place]
    threshold = m.pick([0.3, 1.0, 0.0, -0.4])
    values = {
        "axis": axis,
        "axes": np.array([axis]),
        "along": np.array(axis),
        "length": np.array([length]),
        "count": np.arange(1.0, length + 1).reshape(-1, *[1] * (len(shape) - place - 1)),
        "start": np.array([0]),
        "middle": np.array([m.pick([length // 2, length // 2, 1])]),
        "end": np.array([m.pick([length, length, 2 * (length // 2), 2, 2**63 - 1])]),
        "threshold": threshold,
        "low": m.pick([-threshold, -threshold, 0.1]),
        "default_value": m.number(),
        "negative_slope": m.number(),
        "max_value": abs(m.number()) + 0.5,
        "alpha": abs(m.number()) + 0.2,
        "b": 0.5,
        "beta": m.pick([2.0, 0.5, -1.0]),
        "epsilon": m.pick([1e-5, 1e-3, 0.1]),
        "limit": m.pick([1e6, 1e7, 5.0]),
        "scale": m.rng.normal(size=m.pick([(1,), (), shape[-1:], (1, *shape), shape])),
        "offset": m.rng.normal(size=m.pick([(1,), (), shape[-1:], (1, *shape), shape])),
        "slope": m.rng.normal(size=m.pick([(1,), shape[-1:], (1, *shape), shape])),
        "perm": [0, 2, 1],
        "kernel": m.rng.normal(size=(shape[-1], 3)),
        "bias": m.rng.normal(size=m.pick([(3,), (1, 3), (1,), (), (1, 1, 3)])),
        "last": np.array([m.pick([-1, -1, 1])]),
        "points": formulas.mean_rule()[0],
        "weights": formulas.mean_rule()[1],
        "mask_value": 0.0,
        "classes": np.arange(4.0),
        "limits": np.sort(m.rng.normal(size=3)),
        "table": m.rng.normal(size=(4, 2)),
        "groups": np.array([m.pick([0, -1]), m.pick([1, 2, 3]), m.pick([-1, 2, 4])]),
        "ones": np.ones(m.pick([1, 2, 3])),
        "zeros": np.zeros(m.pick([1, 2, 3])),
        "shape": np.array(m.pick([[0, *shape], [1, 3, 1]])),
        "number": m.number(),
    }
    if "Where(w, " in text:
        shown = m.add("Not", m.add("Equal", m.add("Relu", x), m.constant(np.asarray(0.0))))
        columns = [m.constant(np.array(end)) for end in ([0], [1], [-1])]
        values["w"] = m.add("Slice", shown, *columns) if m.chance(0.5) else shown
    if "ReduceL2" in text:
        values |= {"shape": np.array([1, *shape])}
    elif "Expand(" in text:
        values |= {"shape": np.array([1, 3, 1]), "axes": np.array([1])}
    if text == "Log(Sigmoid(x))":
        x = m.add("Tanh", x)  # as it stands, it loses all digits of large numbers
    if "Gather(" in text:
        values["last"] = 3.0
        x = m.add("Abs", x)
    before = len(m.graph.nodes)
    made = m.graph.formula(text, x, x, **values)
    result = {
        "Expand(Unsqueeze": (3, *shape),
        "Slice(": None,
        "MatMul(x, kernel": (*shape[:-1], 3),
        "Gather(": (*shape, 2),
    }
    if "perm=perm" in text and len(shape) != 2:
        return
    kept = next((size for part, size in result.items() if part in text), shape)
    if "perm=perm" in text:
        kept = (shape[0], shape[0])
    if "keepdims=0" in text or "Unsqueeze" in text:
        kept = None
    if "Slice(" in text and length % 2 == 0:
        kept = (*shape[:place], length // 2, *shape[place + 1 :])
    m.keep(made, kept)
    if m.chance(0.45):
        change(m, before)


def change(m, first):
    """Change one thing of the nodes from this one on: a number, the order of inputs, an attribute, an operator."""
    node = m.pick(m.graph.nodes[first:])
    kind = int(m.rng.integers(6))
    if kind == 0 and len(node.input) > 1:
        a, b = node.input[:2]
        node.input[0], node.input[1] = b, a
    elif kind == 1:
        names = {name for other in m.graph.nodes[first:] for name in other.input}
        tensors = [tensor for tensor in m.graph.constants if tensor.name in names]
        if tensors:
            tensor = m.pick(tensors)
            array = numpy_helper.to_array(tensor)
            if array.dtype.kind == "f":
                array = array * m.pick([1.001, 1 + 1e-5, 2.0, -1.0]) + m.pick([0.0, 0.0, 0.1])
            else:
                array = array + m.pick([1, -1])
            name = m.constant(array.astype(numpy_helper.to_array(tensor).dtype), keep=True)
            for other in m.graph.nodes[first:]:
                for place, used in enumerate(other.input):
                    if used == tensor.name and name not in other.output:
                        other.input[place] = name
            # the constant stands in front of what reads it
            later = [other for other in m.graph.nodes if name in other.output]
            for other in later:
                m.graph.nodes.remove(other)
                m.graph.nodes.insert(first, other)
    elif kind == 2 and node.attribute:
        attribute = m.pick(list(node.attribute))
        if attribute.type == onnx.AttributeProto.INT:
            attribute.i = int(m.pick([attribute.i + 1, -1, 1, 1 - attribute.i]))
        elif attribute.type == onnx.AttributeProto.FLOAT:
            attribute.f = attribute.f * m.pick([1.001, 2.0, -1.0])
    elif kind == 3:
        swap = {"Max": "Min", "Min": "Max", "Add": "Sub", "Sub": "Add", "Mul": "Div", "Greater": "Less"}
        swap |= {"Less": "Greater", "Tanh": "Sigmoid", "Sigmoid": "Tanh", "ReduceMean": "ReduceSum"}
        swap |= {"ReduceMax": "ReduceMin", "LessOrEqual": "Less", "Or": "And", "Sign": "Tanh", "Exp": "Relu"}
        node.op_type = swap.get(node.op_type, node.op_type)
    elif kind == 4:
        m.shared.append(node.output[0])  # somebody else reads it too
    elif len(node.input) > 0:
        inner = [name for other in m.graph.nodes[first:] for name in other.output if other is not node]
        place = int(m.rng.integers(len(node.input)))
        earlier = [name for name in inner if name < node.output[0]]
        node.input[place] = m.pick(earlier or [m.values[0][0]])


KINDS = [
    *[gemm, matmul, with_constant, of_values, activation, formula] * 3,
    *[rescaled, reshape, cut, softmax, normalization, formula, formula] * 2,
    *[powers, batch_as_number, flatten, unsqueeze, squeeze, transpose, expand, split, concat, gather, clip, where],
    *[reduction, cast, whole_numbers, dropout, matmul_of_values, masked, rows_of_a_table, scaled_by_constants],
    residual,
]


def graph_of(seed):
    """The model, of which ONNX Runtime may still say that it is none."""
    m = Maker(seed)
    m.shared = []
    for _ in range(int(m.rng.integers(1, 7))):
        m.pick(KINDS)(m)
    names = [name for name, _ in m.values if name not in {value.name for value in m.inputs}]
    if not names:
        return None
    outputs = [names[-1]]
    if m.chance(0.25):
        outputs.append(m.pick(names))
    outputs += m.shared[:1]
    outputs = list(dict.fromkeys(outputs))
    used = behind(m.graph.nodes, outputs)
    nodes = [node for node in m.graph.nodes if used.intersection(node.output)]
    inputs = [value for value in m.inputs if value.name in used]
    constants = [tensor for tensor in m.graph.constants if tensor.name in used]
    if not inputs or not nodes:
        return None
    ends = [onnx.ValueInfoProto(name=name) for name in outputs]
    graph = helper.make_graph(nodes, "g", inputs, ends, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", m.opset)], ir_version=10)
    return with_types(model)


def with_types(model):
    """The model with the types of its outputs; ``None`` if it is none."""
    known = onnx.ModelProto.FromString(model.SerializeToString())
    for node in known.graph.node:
        if node.op_type == "GroupNormalization":  # of which ONNX infers nothing
            node.CopyFrom(helper.make_node("Identity", node.input[:1], node.output))
    try:
        found = onnx.shape_inference.infer_shapes(known, strict_mode=True, data_prop=True)
    except Exception:
        return None
    for mine, theirs in zip(model.graph.output, found.graph.output, strict=True):
        if not theirs.type.tensor_type.elem_type or not theirs.type.tensor_type.HasField("shape"):
            return None
        mine.CopyFrom(theirs)
    try:
        onnx.checker.check_model(model)
    except Exception:
        return None
    return model


def behind(nodes, outputs):
    """Names of all values that these depend on."""
    used = set(outputs)
    for node in reversed(nodes):
        if used.intersection(node.output):
            used.update(node.input)
    return used


def data_for(model, samples, seed):
    rng = np.random.default_rng(seed)
    arrays = {}
    for value in model.graph.input:
        dims = [dim.dim_value for dim in value.type.tensor_type.shape.dim]
        shape = (dims[0] or samples, *dims[1:])
        dtype = helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type)
        array = rng.integers(0, 5, shape) if dtype.kind == "i" else rng.normal(size=shape) * rng.choice([1.0, 3.0])
        arrays[value.name] = array.astype(dtype)
    return arrays


def quiet():
    """ONNX Runtime on one thread, which computes what the graph says, and says nothing."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    return options


def run(model, samples):
    """The results of ONNX Runtime for batches of these sizes; ``None`` if it does not run the model."""
    try:
        session = onnxruntime.InferenceSession(model.SerializeToString(), quiet(), providers=["CPUExecutionProvider"])
        results = []
        for size in samples:
            data = data_for(model, size, size)
            nearly = {name: array if array.dtype.kind == "i" else array * (1 + NOISE) for name, array in data.items()}
            nearly = {name: array.astype(data[name].dtype) for name, array in nearly.items()}
            results.append((data, session.run(None, data), session.run(None, nearly)))
    except Exception:
        return None
    return results


def outcome(seed, folder):
    """("invalid" | "refused" | "same" | "other numbers" | "raw error", what there is to say)."""
    model = graph_of(seed)
    fixed = model is not None and model.graph.input[0].type.tensor_type.shape.dim[0].dim_value
    expected = None if model is None else run(model, [fixed] if fixed else BATCHES)
    if expected is None:
        return "invalid", ""
    path = os.path.join(folder, "m.onnx")
    onnx.save(model, path)
    try:
        ours = cb.export.from_onnx(path)
    except ValueError as error:
        named = [f"{node.op_type} '" in str(error) for node in model.graph.node]
        return ("refused" if any(named) or "would leave out masked" in str(error) else "unclear refusal"), str(error)
    except Exception as error:
        return "raw error", f"{type(error).__name__}: {error}"
    for data, results, nearly in expected:
        arrays = [data[name] for name in ours.input_names]
        try:
            found = ours.predict(arrays if len(arrays) > 1 else arrays[0], verbose=0)
        except ValueError as error:  # which ONNX would have cut down to whole numbers
            return ("refused" if "must hold whole numbers" in str(error) else "raw error"), f"predict: {error}"
        single = any(node.op_type in ("LayerNormalization", "GroupNormalization") for node in model.graph.node)
        dtype = "float32" if single else ours.dtype  # in which ONNX Runtime takes the statistics of any type
        found = found if isinstance(found, list) else [found]
        if any(node.op_type in ("Softmax", "LogSoftmax") for node in model.graph.node):
            results = with_nan(found, results)
        difference = compared(found, results, nearly, dtype)
        if difference and not is_rounding(model, data, found, results, dtype):
            return "other numbers", difference
    return "same", ""


def with_nan(found, expected):
    """The expected values, with NaN if one in the same array may be the cause: ONNX Runtime's softmax ignores it."""
    return [
        np.where(np.isnan(ours), np.nan, theirs) if ours.shape == theirs.shape and np.isnan(theirs).any() else theirs
        for ours, theirs in zip(found, expected, strict=True)
    ]


def compared(found, expected, nearly, dtype):
    """The difference, or nothing."""
    for ours, theirs, beside in zip(found, expected, nearly, strict=True):
        if ours.shape != theirs.shape:
            return f"shape {ours.shape} instead of {theirs.shape}"
        precise = dtype if theirs.dtype != np.float32 else "float32"
        with np.errstate(all="ignore"):
            usual = np.isfinite(theirs) & (np.abs(theirs) < LARGEST[precise])
            scale = max(1.0, float(np.abs(theirs[usual]).max(initial=0)))
            off = np.abs(ours[usual] - theirs[usual])
            steep = 100 * np.abs(beside[usual] - theirs[usual])
        off = np.where(off < (steep if precise == "float32" else 1e-6 * steep), 0, off)
        if not np.isfinite(off).all() or off.max(initial=0) > LIMITS[precise] * scale:
            return f"off by {off.max(initial=0)} of {scale}"
    return ""


def is_rounding(model, data, found, expected, dtype):
    """Whether results differ by no more than last digits of the values on the way make of them."""
    results = [result for seed in range(8) if (result := run_rounded(model, data, seed)) is not None]
    for place, (ours, theirs) in enumerate(zip(found, expected, strict=True)):
        if ours.shape != theirs.shape or not results:
            return False
        precise = dtype if theirs.dtype != np.float32 else "float32"
        with np.errstate(all="ignore"):
            usual = np.isfinite(theirs) & (np.abs(theirs) < LARGEST[precise])
            scale = max(1.0, float(np.abs(theirs[usual]).max(initial=0)))
            moved = np.fmax.reduce([np.abs(result[place] - theirs)[usual] for result in results])
            off = np.abs(ours - theirs)[usual]
        if not (off <= ROUNDINGS * moved + LIMITS[precise] * scale).all():
            return False
    return True


def run_rounded(model, data, seed):
    """The results of ONNX Runtime if each value on the way is off by a last digit, up or down."""
    rng = np.random.default_rng(seed)
    known = onnx.shape_inference.infer_shapes(model, data_prop=True)
    types = {value.name: value.type.tensor_type.elem_type for value in (*known.graph.value_info, *known.graph.output)}
    rounded = onnx.ModelProto.FromString(model.SerializeToString())
    nodes = list(rounded.graph.node)
    del rounded.graph.node[:]
    for node in nodes:
        rounded.graph.node.append(node)
        kind = types.get(node.output[0])
        if kind not in (TensorProto.FLOAT, TensorProto.DOUBLE):
            continue
        dtype = helper.tensor_dtype_to_np_dtype(kind)
        name, digit = node.output[0], rng.choice([-1, 1]) * LAST_DIGIT[dtype.name]
        factor = numpy_helper.from_array(np.asarray(1 + digit, dtype), f"{name} off")
        rounded.graph.initializer.append(factor)
        rounded.graph.node[-1].output[0] = f"{name} exact"
        rounded.graph.node.append(helper.make_node("Mul", [f"{name} exact", factor.name], [name]))
    try:
        session = onnxruntime.InferenceSession(rounded.SerializeToString(), quiet(), providers=["CPUExecutionProvider"])
        return session.run(None, data)
    except Exception:
        return None


def survey(seeds):
    """How many graphs had which outcome, and those that should not have been."""
    counts, bad = collections.Counter(), []
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for seed in seeds:
            kind, what = outcome(seed, folder)
            counts[kind] += 1
            if kind not in ("invalid", "refused", "same"):
                bad.append((seed, kind, what))
    return counts, bad


if __name__ == "__main__":
    number, begin = int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0
    totals, faults = survey(range(begin, begin + number))
    for fault in faults:
        print(*fault)
    ran = sum(totals.values()) - totals["invalid"]
    print(dict(totals), f"run by ONNX Runtime: {ran}, read: {totals['same']}, faults: {len(faults)}")
    sys.exit(bool(faults))
