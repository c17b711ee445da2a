"""What ONNX Runtime computes from a graph, and whether other numbers differ by more than rounding."""

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

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
