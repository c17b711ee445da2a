"""Random ONNX graphs, as exporters and people make them, read by `from_onnx` and run by ONNX Runtime.

    python tests/shared/onnx_graphs.py 20000 [FIRST_SEED]

prints how many graphs of so many seeds ONNX Runtime runs, how many of them are read, and each that gives other numbers
or another error than ValueError.
"""

from __future__ import annotations

import collections
import os
import sys
import tempfile
import warnings

import onnx
from onnx import helper
from onnx_graph_comparison import compared, is_rounding, run, with_nan
from onnx_graph_formulas import formula
from onnx_graph_maker import Maker
from onnx_graph_operators import (
    activation,
    batch_as_number,
    cast,
    clip,
    concat,
    cut,
    dropout,
    expand,
    flatten,
    gather,
    gemm,
    masked,
    matmul,
    matmul_of_values,
    normalization,
    of_values,
    powers,
    reduction,
    rescaled,
    reshape,
    residual,
    rows_of_a_table,
    scaled_by_constants,
    softmax,
    split,
    squeeze,
    transpose,
    unsqueeze,
    where,
    whole_numbers,
    with_constant,
)

import cbackprop as cb

BATCHES = (1, 2, 5)

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
