"""Formulas of ONNX operators. Activations and layers are written by them, and found by them in files.

A formula is a text such as ``"Mul(x, Sigmoid(x))"``. Capitalized calls are operators; their keyword arguments are
attributes. ``x``, ``y`` and ``v`` are values that depend on the inputs, ``w`` is a mask that depends on them, numbers
are constants, ``float``, ``int64`` and the like are types. All other names are variables of the formula: ``name`` for a
number or an attribute, ``name[...]`` for a constant tensor. A part that occurs several times can be named:
``"d = Sub(x, mean); Mul(d, d)"``.
"""

from __future__ import annotations

import ast
import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "ACTIVATIONS",
    "DOUBLES",
    "LAYERS",
    "MASKS",
    "OTHER_SPELLINGS",
    "SEVERAL_AXES",
    "TENSORS",
    "TYPES",
    "Formula",
    "mean_rule",
    "operator_of",
    "parse",
]

TENSORS = ("x", "y", "v")
# Variables that stand for masks.
MASKS = ("w",)
# Names of types in formulas, and the types of ONNX that match them; "float" is written as the graph's float type.
TYPES = {
    "float": ("FLOAT", "DOUBLE", "FLOAT16"),
    "int64": ("INT64", "INT32"),
    "bool": ("BOOL",),
}


@dataclass(frozen=True)
class Formula:
    """A parsed formula: its named parts and its result."""

    definitions: dict[str, ast.expr]
    result: ast.Call

    @property
    def operator(self) -> str:
        """The operator that is applied last."""
        return operator_of(self.result)

    @property
    def size(self) -> tuple[int, int]:
        """The number of operators and numbers. If two formulas match, the larger one is preferred."""
        nodes = [node for tree in (self.result, *self.definitions.values()) for node in ast.walk(tree)]
        return sum(isinstance(node, ast.Call) for node in nodes), sum(isinstance(node, ast.Constant) for node in nodes)


@functools.cache
def parse(text: str) -> Formula:
    """Parse the text of a formula."""
    *assignments, last = ast.parse(text).body
    definitions = {}
    for statement in assignments:
        assert isinstance(statement, ast.Assign)
        (target,) = statement.targets
        assert isinstance(target, ast.Name)
        definitions[target.id] = statement.value
    assert isinstance(last, ast.Expr)
    assert isinstance(last.value, ast.Call)
    return Formula(definitions, last.value)


def operator_of(call: ast.Call) -> str:
    """The name of the operator of a call."""
    assert isinstance(call.func, ast.Name)
    return call.func.id


# For each kernel of an activation: the names of its numbers, and its formula. Kernels along an axis also use `axis`.
ACTIVATIONS: dict[str, tuple[tuple[str, ...], str]] = {
    "exponential": ((), "Exp(x)"),
    "softmax": (("axis",), "Softmax(x, axis=axis)"),
    "log_softmax": (("axis",), "LogSoftmax(x, axis=axis)"),
    # "inside" marks the largest numbers of a row, in descending order, that remain positive in the result.
    "sparsemax": (
        ("axis",),
        "z = Sub(x, ReduceMax(x, axes[...]));"
        "falling = TopK(z, length[...], axis=axis);"
        "inside = Greater(Add(Mul(falling, count[...]), 1), CumSum(falling, along));"
        "total = ReduceSum(Where(inside, falling, 0), axes[...]);"
        "Relu(Sub(z, Div(Sub(total, 1), ReduceSum(Cast(inside, to=float), axes[...]))))",
    ),
    "relu": ((), "Relu(x)"),
    "relu6": ((), "Clip(x, 0, 6)"),
    "leaky_relu": (("negative_slope",), "LeakyRelu(x, alpha=negative_slope)"),
    "general_relu": (
        ("negative_slope", "threshold"),
        "Where(Greater(x, threshold), x, Mul(Sub(x, threshold), negative_slope))",
    ),
    "bounded_relu": (
        ("negative_slope", "max_value", "threshold"),
        "Where(Greater(x, threshold), Clip(x, 0, max_value), Mul(Sub(x, threshold), negative_slope))",
    ),
    "elu": (("alpha",), "Elu(x, alpha=alpha)"),
    "general_elu": (("alpha",), "Where(Greater(x, 0), x, Mul(Sub(Exp(Min(x, 0)), 1), alpha))"),
    "celu": (("alpha",), "Celu(x, alpha=alpha)"),
    "selu": ((), "Selu(x)"),
    "softplus": ((), "Softplus(x)"),
    "squareplus": (("b",), "Add(Max(x, 0), Div(b, Mul(Add(Sqrt(Add(Mul(x, x), b)), Abs(x)), 2)))"),
    "sparse_plus": ((), "Add(Pow(Clip(Mul(Add(x, 1), 0.5), 0, 1), 2), Relu(Sub(x, 1)))"),
    "threshold": (("threshold", "default_value"), "Where(Greater(x, threshold), x, default_value)"),
    "sigmoid": ((), "Sigmoid(x)"),
    "hard_sigmoid": ((), "Clip(Div(Add(x, 3), 6), 0, 1)"),
    "sparse_sigmoid": ((), "Clip(Mul(Add(x, 1), 0.5), 0, 1)"),
    "log_sigmoid": ((), "Neg(Softplus(Neg(x)))"),
    "tanh": ((), "Tanh(x)"),
    "hard_tanh": ((), "Clip(x, -1, 1)"),
    "softsign": ((), "Softsign(x)"),
    "silu": ((), "Mul(x, Sigmoid(x))"),
    "hard_silu": ((), "HardSwish(x)"),
    "gelu": ((), "Gelu(x)"),
    "approximate_gelu": ((), "Gelu(x, approximate='tanh')"),
    "glu": (
        ("axis",),
        "Mul(Slice(x, start[...], middle[...], axes[...]), Sigmoid(Slice(x, middle[...], end[...], axes[...])))",
    ),
    "mish": ((), "Mish(x)"),
    "soft_shrink": (("threshold",), "Mul(Sign(x), Relu(Sub(Abs(x), threshold)))"),
    "hard_shrink": (("threshold",), "Where(Greater(Abs(x), threshold), x, 0)"),
    "tanh_shrink": ((), "Sub(x, Tanh(x))"),
}

# For kernels along several axes. ONNX operators take one axis, so the axes are merged and restored afterwards.
SEVERAL_AXES: dict[str, str] = {
    "softmax": "Reshape(Softmax(Reshape(x, merged[...]), axis=axis), shape[...])",
    "log_softmax": "Reshape(LogSoftmax(Reshape(x, merged[...]), axis=axis), shape[...])",
}

_SOFTPLUS = "Add(Max(x, 0), Log(Add(Exp(Neg(Abs(x))), 1)))"
_EXPM1 = "Sub(Exp(Min(x, 0)), 1)"
# For float64. These formulas avoid attributes, which are float32, and operators that ONNX Runtime has only for float32.
DOUBLES: dict[str, str] = {
    "leaky_relu": "Where(Greater(x, 0), x, Mul(x, negative_slope))",
    "elu": f"Where(Greater(x, 0), x, Mul({_EXPM1}, alpha))",
    "celu": "Where(Greater(x, 0), x, Mul(Sub(Exp(Div(Min(x, 0), alpha)), 1), alpha))",
    "selu": f"Mul(Where(Greater(x, 0), x, Mul({_EXPM1}, 1.6732632423543772848)), 1.0507009873554804934)",
    "softplus": _SOFTPLUS,
    "log_sigmoid": "Sub(Min(x, 0), Log(Add(Exp(Neg(Abs(x))), 1)))",
    "softsign": "Div(x, Add(Abs(x), 1))",
    "hard_silu": "Mul(x, Clip(Div(Add(x, 3), 6), 0, 1))",
    # erf(z) = 2 z / sqrt(pi) * (the mean of exp(-(z t)^2) over 0 < t < 1), by the rule of `mean_rule`
    "gelu": (
        "z = Clip(Mul(x, 0.70710678118654752), -6, 6);"
        "zt = Mul(Unsqueeze(z, last[...]), points[...]);"
        "Mul(Mul(x, Add(Mul(z, MatMul(Exp(Neg(Mul(zt, zt))), weights[...])), 1)), 0.5)"
    ),
    "approximate_gelu": (
        "Mul(Mul(x, Add(Tanh(Mul(Add(x, Mul(Mul(Mul(x, x), x), 0.044715)), 0.79788456080286536)), 1)), 0.5)"
    ),
    "mish": f"Mul(x, Tanh({_SOFTPLUS}))",
}


def mean_rule() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Gauss-Legendre points in (0, 1) and weights, with which the formula of "gelu" computes erf to 2e-15."""
    points, weights = np.polynomial.legendre.leggauss(24)
    return (points + 1) / 2, weights / math.sqrt(math.pi)


_GELU_TANH = "Add(Tanh(Mul(Add(x, Mul(CUBE, 0.044715)), 0.79788456080286536)), 1)"
# Formulas by which other programs write the same activations.
OTHER_SPELLINGS: list[tuple[str, str]] = [
    ("relu", "Max(x, 0)"),
    ("relu", "Clip(x, 0)"),
    ("threshold", "ThresholdedRelu(x, alpha=threshold)"),
    ("threshold", "Where(LessOrEqual(x, threshold), default_value, x)"),
    ("sigmoid", "Div(1, Add(Exp(Neg(x)), 1))"),
    ("hard_sigmoid", "HardSigmoid(x, alpha=0.16666666666666667, beta=0.5)"),
    ("hard_sigmoid", "Div(Clip(Add(x, 3), 0, 6), 6)"),
    ("sparse_sigmoid", "HardSigmoid(x, alpha=0.5, beta=0.5)"),
    # Keras's formulas, in PyTorch's spelling
    ("sparse_sigmoid", "Where(LessOrEqual(x, -1), 0, Where(GreaterOrEqual(x, 1), 1, Mul(Add(x, 1), 0.5)))"),
    *(
        ("sparse_plus", f"Where(LessOrEqual(x, -1), {zeros}, Where(Less(x, 1), Mul(Pow(Add(x, 1), 2), 0.25), x))")
        for zeros in ("0", "ConstantOfShape(Shape(x), value=filling)")
    ),
    ("log_sigmoid", "Log(Sigmoid(x))"),
    ("log_softmax", "Log(Softmax(x, axis=axis))"),
    ("softplus", "Log(Add(Exp(x), 1))"),
    # PyTorch's softplus is the identity above 20; the difference is below the rounding of float32
    ("softplus", "Where(Greater(x, 20), x, Softplus(x))"),
    ("softsign", "Div(x, Add(Abs(x), 1))"),
    ("silu", "Swish(x)"),
    ("hard_silu", "Mul(x, HardSigmoid(x, alpha=0.16666666666666667, beta=0.5))"),
    ("hard_silu", "Div(Mul(x, Clip(Add(x, 3), 0, 6)), 6)"),
    ("hard_silu", "Mul(x, Div(Clip(Add(x, 3), 0, 6), 6))"),
    ("mish", "Mul(x, Tanh(Softplus(x)))"),
    ("soft_shrink", "Shrink(x, lambd=threshold, bias=threshold)"),
    (
        "soft_shrink",
        "Add(Where(Greater(x, threshold), Sub(x, threshold), 0), Where(Less(x, low), Add(x, threshold), 0))",
    ),
    ("soft_shrink", "Where(Greater(Abs(x), threshold), Sub(x, Mul(Sign(x), threshold)), Mul(x, 0))"),
    ("hard_shrink", "Shrink(x, lambd=threshold)"),
    ("hard_shrink", "Where(LessOrEqual(Abs(x), threshold), 0, x)"),
    ("hard_shrink", "Where(Or(Greater(x, threshold), Less(x, low)), x, 0)"),
    ("hard_shrink", "Where(Or(Cast(Greater(x, threshold), to=bool), Cast(Less(x, low), to=bool)), x, 0)"),
    *(
        ("gelu", text.replace("ERF", erf))
        for erf in ("Add(Erf(Div(x, 1.4142135623730951)), 1)", "Add(Erf(Mul(x, 0.70710678118654752)), 1)")
        for text in ("Mul(Mul(x, ERF), 0.5)", "Mul(Mul(x, 0.5), ERF)", "Mul(x, Mul(ERF, 0.5))")
    ),
    *(
        ("approximate_gelu", text.replace("TANH", _GELU_TANH.replace("CUBE", cube)))
        for cube in ("Mul(Mul(x, x), x)", "Pow(x, 3)")
        for text in ("Mul(Mul(x, TANH), 0.5)", "Mul(Mul(x, 0.5), TANH)", "Mul(x, Mul(TANH, 0.5))")
    ),
]

_UNIT = "Mul({0}, Min(Div(1, Sqrt(ReduceSumSquare({0}, axes[...]))), limit))"
_INDICATORS = "Cast(Equal(Floor(Unsqueeze(x, last[...])), classes[...]), to=float)"
_CENTERED = "c = Sub(x, ReduceMean(x, axes[...]));"
_POOLING = "Transpose({0}(Transpose(x, perm=before), kernel_shape=kernel, strides=strides, pads=pads), perm=after)"
# Attention scores of queries x and transposed keys y. Below: the ways to hide some of them.
_SCORES = (
    "Mul(MatMul(x, y), factor)",
    "MatMul(x, y)",
    "Div(MatMul(x, y), divisor)",
    "MatMul(Mul(x, root), Mul(y, root))",
)
_HIDDEN = (
    *("Where(seen[...], s, low)", "Add(s, added[...])", "s", "Where(w, s, low)", "Add(s, w)"),
    *("Where(hidden[...], Sub(s, large), s)", "Where(w, Sub(s, large), s)"),
)
_ADDITIVE = (
    "ReduceSum(Mul(Tanh(Add(Unsqueeze(x, of_queries[...]), Unsqueeze(y, of_keys[...]))), scale[...]), last[...], "
    "keepdims=0)"
)


def _of_scores(whole: str, scores: Sequence[str], hidden: Sequence[str] = _HIDDEN) -> tuple[str, ...]:
    """Formulas with each kind of scores, and each way of hiding some of them in place of HIDDEN."""
    return tuple(f"s = {score}; {whole.replace('HIDDEN', how)}" for score in scores for how in hidden)


# The formulas of each layer. The first one is written; all of them are recognized.
LAYERS: dict[str, tuple[str, ...]] = {
    "dense": ("Add(MatMul(x, kernel[...]), bias[...])",),
    "einsum": ("Add(Einsum(x, kernel[...], equation=equation), bias[...])",),
    "rescaling": ("Add(Mul(x, scale[...]), offset[...])",),
    # Keras's sparsemax. It is not exact: it adds up all partial sums, although only the last one is needed.
    "sums_of_sums": (
        "falling = TopK(x, length[...], axis=axis); sums = CumSum(falling, along);"
        "inside = Greater(Sub(falling, Div(Sub(sums, 1), count[...])), 0);"
        "number = Cast(ReduceSum(Cast(inside, to=int64), axes[...]), to=float);"
        "Clip(Sub(x, Div(Sub(ReduceSum(Where(inside, sums, 0), axes[...]), 1), number)), 0)",
    ),
    "steeper_softplus": ("z = Mul(x, beta); Where(Greater(z, 20), x, Div(Softplus(z), beta))",),
    "repeat": ("Expand(Unsqueeze(x, axes[...]), shape[...])",),
    "resized": (
        "Transpose(MatMul(MatMul(rows[...], Transpose(x, perm=to_first)), columns[...]), perm=to_last)",
        "MatMul(MatMul(rows[...], x), columns[...])",
    ),
    "attention": _of_scores("MatMul(Softmax(HIDDEN, axis=-1), v)", _SCORES),
    # Only the weights, if they are an output too.
    "attention_weights": _of_scores("Softmax(HIDDEN, axis=-1)", _SCORES),
    # A query that sees no key gets 0.
    "attention_or_0": tuple(
        text
        for seen, hidden in (("seen[...]", _HIDDEN[0]), ("w", _HIDDEN[3]))
        for text in _of_scores(f"MatMul(Where({seen}, Softmax(HIDDEN, axis=-1), 0), v)", _SCORES, [hidden])
    ),
    # PyTorch's way: softmax gives NaN for a query that sees no key, and 0 replaces it.
    "attention_without_nan": _of_scores("p = Softmax(HIDDEN, axis=-1); MatMul(Where(IsNaN(p), 0, p), v)", _SCORES),
    # All axes before the last two are merged into one, and restored afterwards.
    "last_axes_exchanged": ("Reshape(Transpose(Reshape(x, merged[...]), perm=perm), shape[...])",),
    "additive_attention": _of_scores("MatMul(Softmax(HIDDEN, axis=-1), v)", [_ADDITIVE]),
    "embedding": (
        "Gather(table[...], Cast(Clip(x, 0, last), to=int64))",
        "Gather(table[...], Cast(x, to=int64))",
        "Gather(table[...], x)",
        # PyTorch counts negative numbers from the end, which no layer takes.
        "Gather(table[...], Where(Less(x, 0), Add(x, rows), x))",
        "z = Cast(x, to=int64); Gather(table[...], Where(Less(z, 0), Add(z, rows), z))",
    ),
    "prelu": ("PRelu(x, slope[...])", "Add(Max(x, 0), Mul(Min(x, 0), slope[...]))"),
    # Rows where the mask is true; other rows are a number, or rows of another value.
    "chosen": ("Where(w, x, number)", "Where(w, x, y)"),
    # The mean over an axis of those rows that a mask shows.
    "masked_mean": (
        "Div(ReduceSum(Where(w, x, 0), axes[...], keepdims=keepdims),"
        "ReduceSum(Cast(w, to=float), axes[...], keepdims=keepdims))",
    ),
    "masking": ("Where(Greater(ReduceMax(Cast(Not(Equal(x, mask_value)), to=float), last[...]), 0), x, 0)",),
    "one_hot": (_INDICATORS,),
    "multi_hot": (f"ReduceMax({_INDICATORS}, axes[...], keepdims=0)",),
    "count": (f"ReduceSum({_INDICATORS}, axes[...], keepdims=0)",),
    "weighted_count": (f"ReduceSum(Mul({_INDICATORS}, Unsqueeze(y, last[...])), axes[...], keepdims=0)",),
    "discretization": (
        "ReduceSum(Cast(Not(Less(Unsqueeze(x, last[...]), limits[...])), to=float), last[...], keepdims=0)",
    ),
    "max_pooling": (_POOLING.format("MaxPool"),),
    "average_pooling": (_POOLING.format("AveragePool"),),
    "unit": (
        _UNIT.format("x"),
        # as PyTorch writes torch.nn.functional.normalize
        *(
            f"Div(x, {whole.format(bounded.format('ReduceL2(x, axes[...])'))})"
            for bounded in ("Clip({}, 1e-12)", "Max({}, 1e-12)")
            for whole in ("Expand({}, shape[...])", "{}")
        ),
    ),
    "cosine": (f"MatMul({_UNIT.format('x')}, Transpose({_UNIT.format('y')}, perm=perm))",),
    "root_mean_square": (
        "Mul(Div(x, Sqrt(Add(ReduceMean(Mul(x, x), axes[...]), epsilon))), scale[...])",
        "Mul(Div(x, Sqrt(Add(ReduceMean(Pow(x, 2), axes[...]), epsilon))), scale[...])",
        "Mul(Mul(x, Div(1, Sqrt(Add(ReduceMean(Pow(x, 2), axes[...]), epsilon)))), scale[...])",
        "Mul(Mul(x, Reciprocal(Sqrt(Add(ReduceMean(Pow(x, 2), axes[...]), epsilon)))), scale[...])",
    ),
    "group_normalization": (
        "unit = InstanceNormalization(Reshape(x, groups[...]), ones[...], zeros[...], epsilon=epsilon);"
        "Add(Mul(Reshape(unit, shape[...]), scale[...]), offset[...])",
    ),
    "standardized": (
        f"{_CENTERED} Div(c, Sqrt(Add(ReduceMean(Mul(c, c), axes[...]), epsilon)))",
        f"{_CENTERED} Div(c, Sqrt(Add(ReduceMean(Pow(c, 2), axes[...]), epsilon)))",
    ),
    "layer_normalization": (
        f"{_CENTERED} Add(Mul(Div(c, Sqrt(Add(ReduceMean(Mul(c, c), axes[...]), epsilon))), scale[...]), offset[...])",
        f"{_CENTERED} Add(Mul(Div(c, Sqrt(Add(ReduceMean(Pow(c, 2), axes[...]), epsilon))), scale[...]), offset[...])",
    ),
    "over_deviation": (f"{_CENTERED} Mul(Div(x, Sqrt(Add(ReduceMean(Mul(c, c), axes[...]), epsilon))), scale[...])",),
}
