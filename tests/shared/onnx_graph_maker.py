"""A random ONNX graph while it is made: its inputs, constants and values."""

import math

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from cbackprop.export.onnx_writer.graph import Graph


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
