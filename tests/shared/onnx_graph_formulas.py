"""Formulas of the reader in random ONNX graphs, complete or with one thing changed."""

import numpy as np
import onnx
from onnx import numpy_helper

from cbackprop.export import formulas

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
