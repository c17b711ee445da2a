"""Random ONNX graphs of attention, as modules of PyTorch and other programs write it.

    python tests/shared/onnx_attention_graphs.py 2000 [FIRST_SEED]

prints how many graphs are read, and each that gives other numbers than ONNX Runtime or another error than ValueError.
"""

from __future__ import annotations

import collections
import os
import sys
import tempfile

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper

import cbackprop as cb
from cbackprop.export.onnx_writer.graph import Graph

QUERIES, KEYS, HEADS, WIDTH = 4, 5, 2, 3
BATCHES = (1, 3)


class Maker:
    """A graph of attention of an input "x" to itself, or to "c", perhaps with a mask "m" for each sample."""

    def __init__(self, seed):
        self.rng = np.random.default_rng(seed)
        self.graph = Graph(onnx, "float32", ["x", "c", "m"])
        self.opset = int(self.pick([17, 20, 21, 23]))
        self.open = self.pick(["n", "n", "n", 3])
        self.crossed = self.chance(0.3)
        self.keys = KEYS if self.crossed else QUERIES
        self.inputs = {"x": (TensorProto.FLOAT, [self.open, QUERIES, HEADS * WIDTH])}
        if self.crossed:
            self.inputs["c"] = (TensorProto.FLOAT, [self.open, KEYS, HEADS * WIDTH])

    def pick(self, options):
        return options[int(self.rng.integers(len(options)))]

    def chance(self, probability):
        return self.rng.random() < probability

    def weights(self, *shape):
        return self.rng.normal(size=shape).astype("float32") / 2

    def shape(self, *sizes):
        """A shape in which "n" is the batch: its code, or its number."""
        known = [3 if size == "n" else 3 * HEADS if size == "nh" else size for size in sizes]
        if self.open == 3 and self.chance(0.5):
            return np.array(known, np.int64)
        return np.array([-1 if size in ("n", "nh") else size for size in sizes], np.int64)

    def projected(self, x, second, positions=QUERIES):
        """A dense layer of (batch, positions, features), or with the batch second of (positions, batch, features)."""
        width = HEADS * WIDTH
        if self.chance(0.5):
            y = self.graph.add("MatMul", x, self.weights(width, width))
            return self.graph.add("Add", y, self.weights(width)) if self.chance(0.7) else y
        y = self.graph.add("Reshape", x, np.array([-1, width]))
        y = self.graph.add("Gemm", y, self.weights(width, width), self.weights(width), transB=1)
        return self.graph.add("Reshape", y, self.shape(*((positions, "n") if second else ("n", positions)), width))

    def heads(self, x, positions, second, merged, turned=False):
        """(batch, heads, positions, features), or with the batch and the heads merged; perhaps with those turned."""
        add = self.graph.add
        if merged:
            y = x if second else add("Transpose", x, perm=[1, 0, 2])
            y = add("Reshape", y, self.shape(positions, "nh", WIDTH))
            return add("Transpose", y, perm=[1, 2, 0] if turned else [1, 0, 2])
        y = add("Reshape", x, self.shape(*((positions, "n") if second else ("n", positions)), HEADS, WIDTH))
        order = [1, 2, 0, 3] if second else [0, 2, 1, 3]
        return add("Transpose", y, perm=[*order[:2], order[3], order[2]] if turned else order)

    def scores(self, q, k):
        """Products of queries and turned keys with a factor."""
        add, factor = self.graph.add, float(self.pick([WIDTH**-0.5, 1.0, 0.3]))
        kind = int(self.rng.integers(4))
        if kind == 0:
            return add("Mul", add("MatMul", q, k), factor)
        if kind == 1:
            return add("Div", add("MatMul", q, k), 1 / factor)
        if kind == 2:
            return add("MatMul", add("Mul", q, factor**0.5), add("Mul", k, factor**0.5))
        return add("MatMul", add("Mul", q, factor), k)

    def hidden(self, merged, kinds=("none", "seen", "added", "padding", "whole", "both")):
        """(how a mask is used, its name), or nothing."""
        add, kind = self.graph.add, self.pick(kinds)
        if kind == "none":
            return None, None
        seen = self.rng.random((QUERIES, self.keys)) < 0.6
        seen[:, 0] = True
        if kind == "seen":
            return "Where", self.graph.flags(seen)
        fixed = np.where(seen, 0, -np.inf if self.chance(0.5) else -1e9).astype("float32")
        if kind == "added":
            return "Add", self.graph.constant(fixed if self.chance(0.5) else fixed[None])
        shape = [self.open, QUERIES, self.keys] if kind == "whole" else [self.open, self.keys]
        self.inputs["m"] = (TensorProto.BOOL, shape)
        y = add("Where", "m", np.float32(0), np.float32(-1e9)) if self.chance(0.7) else None
        given = y or "m"
        if kind == "whole":
            y = add("Unsqueeze", given, np.array([1]))
        else:
            y = add("Reshape", given, self.shape("n", 1, 1, self.keys))
        if merged:
            rows = QUERIES if kind == "whole" else 1
            y = add("Expand", y, np.array([1, HEADS, 1, 1]))
            y = add("Reshape", y, self.shape("nh", rows, self.keys))
        if kind == "both" and given != "m":
            y = add("Add", y, self.graph.constant(fixed[None] if merged else fixed))
        return ("Where" if given == "m" else "Add"), y

    def attention(self, second, merged):
        """The output of all heads, with their axes, and the weights."""
        add, source = self.graph.add, "c" if self.crossed else "x"
        x, c = (add("Transpose", name, perm=[1, 0, 2]) if second else name for name in ("x", source))
        q, k, v = (self.projected(*pair) for pair in ((x, second), (c, second, self.keys), (c, second, self.keys)))
        q, v = self.heads(q, QUERIES, second, merged), self.heads(v, self.keys, second, merged)
        scores = self.scores(q, self.heads(k, self.keys, second, merged, turned=True))
        use, mask = self.hidden(merged)
        if use == "Where":
            scores = add("Where", mask, scores, np.float32(-1e9))
        elif use == "Add":
            scores = add("Add", scores, mask)
        weights = add("Softmax", scores, axis=int(self.pick([-1, 2 if merged else 3])))
        return add("MatMul", weights, v), weights

    def operator(self):
        """The operator Attention of operator set 23."""
        add, source, options = self.graph.add, "c" if self.crossed else "x", {}
        q = self.projected("x", False)
        k, v = (self.projected(source, False, self.keys) for _ in range(2))
        if self.chance(0.5):
            q, k, v = self.heads(q, QUERIES, False, False), *(self.heads(y, self.keys, False, False) for y in (k, v))
        else:
            options = {"q_num_heads": HEADS, "kv_num_heads": HEADS}
        options |= {"is_causal": int(self.chance(0.4))} | ({"scale": 0.4} if self.chance(0.5) else {})
        # ONNX Runtime has no masks of other kinds.
        _, mask = self.hidden(False, ["none", "seen", "added", "whole"])
        y = add("Attention", q, k, v, *([mask] if mask else []), **options)
        return y if "q_num_heads" in options else self.back(y, False, False)

    def back(self, y, second, merged):
        """(batch, positions, features), or with the batch second, of heads."""
        add = self.graph.add
        if merged:
            y = add("Transpose", y, perm=[1, 0, 2])
            y = add("Reshape", y, self.shape(QUERIES, "n", HEADS * WIDTH))
            return y if second else add("Transpose", y, perm=[1, 0, 2])
        y = add("Transpose", y, perm=[2, 0, 1, 3] if second else [0, 2, 1, 3])
        return add("Reshape", y, self.shape(*((QUERIES, "n") if second else ("n", QUERIES)), HEADS * WIDTH))

    def model(self):
        add, second, merged = self.graph.add, self.chance(0.5), self.chance(0.5)
        outputs = {}
        if self.opset >= 23 and self.chance(0.8):
            second, y = False, self.operator()
        else:
            y, weights = self.attention(second, merged)
            if self.chance(0.3):
                if merged:
                    weights = add("Reshape", weights, self.shape("n", HEADS, QUERIES, self.keys))
                outputs["w"] = add("Identity", weights)
            y = self.back(y, second, merged)
        y = self.projected(y, second) if not self.crossed else y
        y = add("Transpose", y, perm=[1, 0, 2]) if second else y
        outputs["y"] = add("Add", y, "x") if self.chance(0.5) else add("Identity", y)
        infos = [helper.make_tensor_value_info(name, *kind) for name, kind in self.inputs.items()]
        shapes = {"w": [self.open, HEADS, QUERIES, self.keys], "y": [self.open, QUERIES, HEADS * WIDTH]}
        ends = [helper.make_tensor_value_info(made, TensorProto.FLOAT, shapes[name]) for name, made in outputs.items()]
        made = helper.make_graph(self.graph.nodes, "g", infos, ends, self.graph.constants)
        return helper.make_model(made, opset_imports=[helper.make_opsetid("", self.opset)], ir_version=10)


def data_for(model, samples, seed):
    rng = np.random.default_rng(seed)
    found = {}
    for value in model.graph.input:
        shape = [dim.dim_value or samples for dim in value.type.tensor_type.shape.dim]
        found[value.name] = rng.normal(size=shape).astype("float32")
        if value.name == "m":
            found["m"] = rng.random(shape) < 0.7
            found["m"][..., 0] = True
    return found


def outcome(seed, folder):
    """("same" | "refused" | a fault, what there is to say)."""
    model = Maker(seed).model()
    path = os.path.join(folder, "m.onnx")
    onnx.save(model, path)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    try:
        ours = cb.export.from_onnx(path)
    except ValueError as error:
        named = any(f"{node.op_type} '" in str(error) for node in model.graph.node)
        return ("refused" if named else "unclear refusal"), str(error)
    except Exception as error:
        return "raw error", f"{type(error).__name__}: {error}"
    again = os.path.join(folder, "again.onnx")
    cb.export.onnx(ours, again)
    written = onnxruntime.InferenceSession(again, options, providers=["CPUExecutionProvider"])
    fixed = model.graph.input[0].type.tensor_type.shape.dim[0].dim_value
    for samples in [fixed] if fixed else BATCHES:
        data = data_for(model, samples, seed)
        expected = session.run(None, data)
        found = ours.predict({name: data[name] for name in ours.input_names}, verbose=0)
        found = found if isinstance(found, list) else [found]
        own = {value.name: data[value.name].astype(KINDS[value.type]) for value in written.get_inputs()}
        for results in (found, written.run(None, own)):
            for mine, theirs in zip(results, expected, strict=True):
                if mine.shape != theirs.shape or not np.allclose(mine, theirs, rtol=1e-3, atol=1e-4):
                    return "other numbers", f"{mine.shape} {theirs.shape}"
    return "same", ""


KINDS = {"tensor(float)": np.float32, "tensor(bool)": np.bool_, "tensor(int64)": np.int64}


def survey(seeds):
    """How many graphs had which outcome, and those that should not have been."""
    counts, bad = collections.Counter(), []
    with tempfile.TemporaryDirectory() as folder:
        for seed in seeds:
            kind, what = outcome(seed, folder)
            counts[kind] += 1
            if kind not in ("refused", "same"):
                bad.append((seed, kind, what))
    return counts, bad


if __name__ == "__main__":
    number, begin = int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0
    totals, faults = survey(range(begin, begin + number))
    for fault in faults:
        print(*fault)
    print(dict(totals))
    sys.exit(bool(faults))
