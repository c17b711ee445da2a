"""The node tests that ONNX generates for every operator: each graph is read right, or refused by name."""

import functools
import re
import warnings
from collections import defaultdict

import numpy as np
import onnx
from onnx import numpy_helper

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # NumPy's, from making the cases
    from onnx.backend.test.case.node import collect_testcases

from cbackprop import export
from cbackprop.export.onnx_reader.input_axes import batch_axes

# Operators of which at least one graph is read; the others have no layer, or none of samples.
READ = set(
    """
    Abs Add Attention AveragePool BatchNormalization Celu Clip Concat Conv ConvTranspose Div Dropout Elu Exp Flatten
    GRU Gather Gelu Gemm GlobalAveragePool GlobalMaxPool GroupNormalization HardSigmoid HardSwish Identity
    InstanceNormalization LSTM LayerNormalization LeakyRelu LogSoftmax MatMul Max MaxPool Mean Min Mish Mul Neg
    PRelu Pad Pow RNN RMSNormalization Reciprocal ReduceMax ReduceMean ReduceMin ReduceSum Relu Reshape Resize Selu
    Sigmoid Slice Softmax Softplus Softsign Split Sqrt Squeeze Sub Sum Swish Tanh ThresholdedRelu Transpose
    Unsqueeze
    """.split()  # noqa: SIM905
)


@functools.cache
def cases():
    """The cases of each operator."""
    found = defaultdict(list)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for case in collect_testcases(None):
            # A test of a function comes again with the function's operators, which are other operators.
            operator = re.sub("_expanded.*", "", case.name).removeprefix("test_")
            found[case.model.graph.node[0].op_type if len(case.model.graph.node) == 1 else operator].append(case)
    return found


def graphs(case):
    """The graph with all its inputs, with each of them while the others are constants, and with the first three."""
    inputs, outputs = case.data_sets[0]
    if not inputs or not all(isinstance(value, (np.ndarray, np.generic)) for value in (*inputs, *outputs)):
        return
    arrays = [np.asarray(value) for value in inputs]
    several = [range(3)] if len(arrays) > 3 else []  # queries, keys and values, of which the masks are constant
    for kept in [range(len(arrays)), *several, *([place] for place in range(len(arrays)) if len(arrays) > 1)]:
        model = onnx.ModelProto()
        model.CopyFrom(case.model)
        infos = list(model.graph.input)
        del model.graph.input[:]
        for place, (info, array) in enumerate(zip(infos, arrays, strict=True)):
            if place in kept:
                model.graph.input.append(info)
            else:
                model.graph.initializer.append(numpy_helper.from_array(array, info.name))
        yield model, [arrays[place] for place in kept], [np.asarray(value) for value in outputs]


def result(model, path):
    """The model that is read; ``None`` if the graph is refused by the name of an operator, an input or a constant."""
    onnx.save(model, path)
    try:
        return export.from_onnx(path)
    except ValueError as error:
        message = str(error)
    names = [node.op_type for node in model.graph.node]
    names += [part.name for part in (*model.graph.input, *model.graph.initializer, *model.graph.output)]
    general = ("operator set", "ir_version", "the graph has no inputs")
    assert any(name in message for name in (*names, *general) if name), message
    return None


def with_batch_first(model, inputs, outputs):
    """Inputs and outputs as the model that is read has them: recurrent operators have the batch at another axis."""
    axes = batch_axes(model)
    inputs = [np.moveaxis(array, axes[info.name], 0) for info, array in zip(model.graph.input, inputs, strict=True)]
    node = model.graph.node[0]
    if node.op_type in ("RNN", "LSTM", "GRU") and not any(a.name == "layout" and a.i for a in node.attribute):
        outputs = [np.moveaxis(array, 2 if array.ndim == 4 else 1, 0) for array in outputs]
    return inputs, outputs


def test_every_operator(tmp_path):
    path, right = str(tmp_path / "node.onnx"), set()
    for operator, several in cases().items():
        for case in several:
            for model, inputs, outputs in graphs(case):
                found = result(model, path)
                if found is None:
                    continue
                inputs, outputs = with_batch_first(model, inputs, outputs)
                got = found.predict(inputs if len(inputs) > 1 else inputs[0], verbose=0)
                for mine, theirs in zip(got if isinstance(got, list) else [got], outputs, strict=True):
                    np.testing.assert_allclose(mine, theirs, rtol=1e-3, atol=1e-5, err_msg=case.name)
                    assert mine.shape == theirs.shape
                right.add(operator)
    assert right >= READ
