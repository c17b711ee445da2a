"""Predict: run a model on arrays, and return its outputs in the structure that users expect."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cbackprop.callbacks import CallbackList
from cbackprop.engine import Data
from cbackprop.held_memory import is_mapped
from cbackprop.models.data import Samples, make_inputs
from cbackprop.models.engines import inference_engine, own_engine
from cbackprop.models.executions import Executions
from cbackprop.models.sources import ArraySource, Piece, open_source
from cbackprop.models.sources.order import batch_size_for
from cbackprop.tensor import KerasTensor, map_structure, output_dtype

__all__ = [
    "as_output",
    "inputs_alone",
    "predict_all",
    "predict_by_all",
    "predict_now",
    "predict_watched",
    "run_batch",
    "run_now",
    "without_list",
]


def predict_now(model: Any, x: Any, batch_size: int | None, steps: int | None) -> Any:
    """The outputs for one array, if an engine needs no preparation for it; else ``None``."""
    if type(x) is not np.ndarray or steps is not None:
        return None
    return _now(model, x, batch_size_for(batch_size, None, 0))


def run_now(model: Any, x: Any) -> Any:
    """The same for an array that is one batch."""
    return _now(model, x, len(x)) if type(x) is np.ndarray and x.ndim else None


def _now(model: Any, x: NDArray[Any], batch_size: int) -> Any:
    engine = model._engine or model._predictor
    if engine is not None and engine.pool is not None:
        engine = own_engine(model) or model._predictor
    base = x.base
    # Memory that another array owns is not mapped. If it is mapped, its file may have become shorter.
    if base is not None and getattr(base, "base", x) is not None and is_mapped(x):
        return None
    quick = None if engine is None else engine.predict_now(x, batch_size)
    return None if quick is None else as_output(model, [quick])


def run_batch(model: Any, x: Any, training: bool) -> Any:
    """The outputs for arrays, which are one batch, in the structure of the model's outputs."""
    outputs = None if training else run_now(model, x)
    return predict_all(model, x, training, None, None, together=True) if outputs is None else outputs


def predict_all(
    model: Any, x: Any, training: bool, batch_size: int | None, steps: int | None, together: bool = False
) -> Any:
    """The outputs for arrays or a dataset, in the structure of the model's outputs.

    With `together`, all samples that are in memory at the same time are one batch.
    """
    with open_source(x, batch_size=batch_size, steps=steps, at_once=model.steps_per_execution) as source:
        source.purpose = "prediction"
        model._build_for(source)
        given = x if isinstance(source, ArraySource) else None
        source.prepare(partial(inputs_alone if given is None else _unchecked_inputs, model))
        source.limit(steps, None)
        results: list[list[NDArray[Any]]] = []
        # Not a comprehension: those have a frame before Python 3.12 only, and warnings count frames.
        results.extend(_predict_piece(model, piece, training, given, together) for piece in source.sweep())
    return as_output(model, _joined(results))


def predict_by_all(models: Sequence[Any], x: Any, batch_size: int | None) -> list[Any]:
    """The outputs of several models for a dataset, which is read once: its order may change with each pass."""
    with open_source(x, batch_size=batch_size) as source:
        source.purpose = "prediction"
        for model in models:
            model._build_for(source)
        source.prepare(partial(_inputs_of_all, models))
        source.limit(None, None)
        results: list[list[list[NDArray[Any]]]] = [[] for _ in models]
        for piece in source.sweep():
            remaining = iter(piece.data.inputs)
            for model, found in zip(models, results, strict=True):
                own = piece._replace(data=Data([next(remaining) for _ in model.inputs]))
                found.append(_predict_piece(model, own, False, None, together=False))
    return [as_output(model, _joined(found)) for model, found in zip(models, results, strict=True)]


def predict_watched(model: Any, x: Any, batch_size: int | None, steps: int | None, run: CallbackList) -> Any:
    """The outputs, computed in executions for callbacks that watch batches."""
    results: list[list[NDArray[Any]]] = []
    told = 0  # the number of results that callbacks have seen

    def end(number: int) -> None:
        nonlocal told
        outputs, told = as_output(model, _joined(results[told:])), len(results)
        run.on_predict_batch_end(number, {"outputs": outputs})

    with open_source(x, batch_size=batch_size, steps=steps, at_once=model.steps_per_execution) as source:
        source.purpose = "prediction"
        model._build_for(source)
        source.prepare(partial(inputs_alone, model))
        source.limit(steps, None)
        executions = Executions(source.at_once, run.on_predict_batch_begin, end)
        for part in (part for piece in source.sweep() for part in executions.parts(piece)):
            part.data.check_held()
            results.append(_predict_piece(model, part, False, x, together=False))
            if executions.done(part) and model.stop_predicting:
                break
        executions.finish()
    return as_output(model, _joined(results))


def _predict_piece(model: Any, piece: Piece, training: bool, given: Any, together: bool) -> list[NDArray[Any]]:
    engine, batch_size = inference_engine(model, training), piece.size if together else piece.batch_size
    results = engine.predict(piece.samples().inputs, batch_size, training, check=given is not None)
    if results is None:
        make_inputs(model, given)  # raises an error that says where the number is
        raise ValueError("x must be finite, but was not when it was read.")
    return results


def inputs_alone(model: Any, x: Any, *_: Any, check: bool = True) -> Samples:
    """The inputs of a batch, without targets."""
    inputs = make_inputs(model, x, check)
    data = Data(inputs)
    return Samples(data, len(data))


def _inputs_of_all(models: Sequence[Any], x: Any, *_: Any) -> Samples:
    """The inputs of all models one after another: they may have other types, and other numbers that they refuse."""
    data = Data([array for model in models for array in make_inputs(model, x)])
    return Samples(data, len(data))


def _unchecked_inputs(model: Any, x: Any, *_: Any) -> Samples:
    """The inputs of a batch, not checked for NaN and infinity: the engine does that."""
    return inputs_alone(model, x, check=False)


def as_output(model: Any, arrays: list[NDArray[Any]]) -> Any:
    """Outputs in the structure of the model's outputs. A list of one output is unwrapped, as in Keras."""
    structure = model.output_structure
    if isinstance(structure, KerasTensor):  # a shortcut: walking through a structure takes half a microsecond
        return _in_its_type(structure, arrays[0])
    remaining = iter(arrays)
    return map_structure(lambda tensor: _in_its_type(tensor, next(remaining)), without_list(structure))


def without_list(structure: Any) -> Any:
    """The item of a list of one; any other structure as it is."""
    return structure[0] if isinstance(structure, (list, tuple)) and len(structure) == 1 else structure


def _in_its_type(tensor: KerasTensor, array: NDArray[Any]) -> NDArray[Any]:
    """An output, converted to integers if its layer returns integers."""
    dtype = output_dtype(tensor)
    return array if dtype is None else array.astype(dtype)


def _joined(results: list[list[NDArray[Any]]]) -> list[NDArray[Any]]:
    """The outputs of several pieces, each as one array."""
    for arrays in zip(*results, strict=True):
        shapes = {array.shape[1:] for array in arrays}
        if len(shapes) > 1:
            raise ValueError(
                f"The outputs of batches differ in shape: {', '.join(map(str, sorted(shapes)))} per sample, so they do "
                "not fit into one array. Predict each batch by itself, with predict_on_batch."
            )
    return results[0] if len(results) == 1 else [np.concatenate(arrays) for arrays in zip(*results, strict=True)]
