"""Write traces as a page: a template, a style, a script, and the numbers as JSON."""

from __future__ import annotations

import errno
import html
import json
import re
from collections.abc import Sequence
from importlib.resources import files
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cbackprop.trace.layer_trace import LayerTrace, WeightTrace
from cbackprop.trace.loss_slope import loss_slope_in_figures
from cbackprop.trace.symbols import slope_formula

if TYPE_CHECKING:
    from cbackprop.trace.trace import Trace

__all__ = ["check_page_path", "page_of", "write_page"]

# Larger arrays are shown by their range and mean: the browser holds all numbers of all steps.
MOST_NUMBERS = 2000
# A page contains the explanations of a layer's units if there are at most this many, over all samples. It contains the
# central differences of a model's weights, which need two losses each, if there are at most this many weights.
MOST_EXPLAINED = 60


def check_page_path(path: str | PathLike[str]) -> Path:
    """Check the path of a page.

    Raises
    ------
    TypeError, ValueError
        If it is not a path, or its suffix is not that of a page.
    FileNotFoundError, IsADirectoryError
        If the folder does not exist, or the path is a folder.
    """
    if not isinstance(path, (str, PathLike)) or not isinstance(fspath(path), str):
        raise TypeError(f"path must be a str or a PathLike, but got {type(path).__name__}.")
    found = Path(fspath(path))
    if found.suffix.lower() not in (".html", ".htm"):
        raise ValueError(f"path must end in .html, because the file is a web page, but got {str(found)!r}.")
    if "\0" in str(found):
        raise ValueError(f"path must not contain a zero byte, but got {str(found)!r}.")
    if not found.parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, "There is no such folder", str(found.parent))
    if found.is_dir():
        raise IsADirectoryError(errno.EISDIR, "The page must be a file, but this is a folder", str(found))
    return found


def write_page(path: str | PathLike[str], traces: Sequence[Trace]) -> None:
    """Write a page that shows these training steps."""
    check_page_path(path).write_text(page_of(traces), encoding="utf-8")


def page_of(traces: Sequence[Trace]) -> str:
    """The page as a string."""
    folder = files("cbackprop.trace.page")
    template, style, script = (
        folder.joinpath(name).read_text(encoding="utf-8") for name in ("page.html", "page.css", "page.js")
    )
    frames = [_frame(trace) for trace in traces]
    if len(traces) == 1:
        _add_differences(traces[0], frames[0])
    data = json.dumps(frames, ensure_ascii=False, separators=(",", ":"))
    # A model's name may contain text that would end the script.
    data = data.replace("<", "\\u003c")
    title = html.escape(f"One step of {traces[0].model}" if len(traces) == 1 else f"Training of {traces[0].model}")
    # Replaced at once, because a model's name may contain a placeholder.
    texts = {"title": title, "style": style, "script": script, "data": data}
    return re.sub(r"\{\{(title|style|script|data)\}\}", lambda mark: texts[mark[1]], template)


def _frame(trace: Trace) -> dict[str, Any]:
    """A step as plain values."""
    rule = trace.rule
    return {
        "model": trace.model,
        "samples": trace.samples,
        "loss": _number(trace.loss),
        "lossAfter": _number(trace.loss_after),
        "rule": {"name": rule.name, "rate": rule.rate, "iteration": rule.iteration, "formula": rule.formula()},
        "inputs": {name: _array(array) for name, array in trace.inputs.items()},
        "outputs": [
            {
                "name": output.name,
                "loss": output.loss,
                "mean": _number(output.mean),
                "losses": _array(output.samples),
                "target": None if output.target is None else _array(output.target),
                "prediction": _array(output.prediction),
            }
            for output in trace.outputs
        ],
        "layers": [_layer(trace, layer) for layer in trace.layers],
    }


def _layer(trace: Trace, layer: LayerTrace) -> dict[str, Any]:
    arrays = {"z": layer.z, "a": layer.a, "slope": layer.slope, "above": layer.above, "delta": layer.delta}
    return {
        "title": layer.title,
        "name": layer.name,
        "kind": layer.kind,
        "function": layer.function,
        "slopeFormula": slope_formula(layer.function),
        "linked": layer.linked,
        "dense": layer.is_dense,
        "sources": layer.sources,
        "inputs": [_array(array) for array in layer.inputs],
        "arrays": {name: _array(array) for name, array in arrays.items() if array is not None},
        "times": {name: _array(array) for name, array in layer.times.items()},
        "heads": {name: _array(array) for name, array in layer.heads.items()},
        "weights": [_weight(weight) for weight in layer.weights],
        "explained": _explained(trace, layer),
        "fromLoss": _from_loss(trace, layer),
    }


def _explained(trace: Trace, layer: LayerTrace) -> list[list[list[str]]] | None:
    """The lines of `Trace.explain` for each sample and unit, if the page cannot compute them itself and they are
    few."""
    shape = layer.a.shape
    if layer.is_dense or not layer.weights or len(shape) != 2 or not 0 < layer.a.size <= MOST_EXPLAINED:
        return None
    return [[_lines(trace, layer, unit, sample) for unit in range(shape[1])] for sample in range(shape[0])]


def _from_loss(trace: Trace, layer: LayerTrace) -> list[list[str | None]] | None:
    """How dL/da follows from the loss, for each sample and unit of an output, if they are few."""
    if any(layer.name in other.sources for other in trace.layers) or layer.a.ndim != 2 or layer.a.size > MOST_EXPLAINED:
        return None
    samples, units = map(range, layer.a.shape)
    return [[loss_slope_in_figures(trace, layer, (sample, unit)) for unit in units] for sample in samples]


def _lines(trace: Trace, layer: LayerTrace, unit: int, sample: int) -> list[str]:
    """The lines of an explanation without the first one, which names the unit."""
    return trace.explain((layer.name, layer.call), unit=unit, sample=sample).splitlines()[1:]


def _add_differences(trace: Trace, frame: dict[str, Any]) -> None:
    """Central differences of the loss for the weights that the page draws as connections, if they are few."""
    drawn = [
        (weight, shown)
        for layer, part in zip(trace.layers, frame["layers"], strict=True)
        for weight, shown in zip(layer.weights, part["weights"], strict=True)
        if layer.is_dense and weight.name == "kernel" and weight.gradient is not None
    ]
    if trace.difference is None or sum(weight.before.size for weight, _ in drawn) > MOST_EXPLAINED:
        return
    for weight, shown in drawn:
        shown["differences"] = [_number(trace.difference(weight, index)) for index in np.ndindex(weight.before.shape)]


def _weight(weight: WeightTrace) -> dict[str, Any]:
    return {
        "name": weight.name,
        "before": _array(weight.before),
        "after": _array(weight.after),
        "gradient": None if weight.gradient is None else _array(weight.gradient),
        "memory": {name: _array(slot) for name, slot in weight.memory_before.items()},
        "memoryAfter": {name: _array(slot) for name, slot in weight.memory_after.items()},
    }


def _array(array: NDArray[Any]) -> dict[str, Any]:
    """An array: all numbers if it is small, otherwise its range and mean."""
    values = np.asarray(array, np.float64).ravel()
    found: dict[str, Any] = {"shape": list(array.shape)}
    if values.size <= MOST_NUMBERS:
        found["values"] = [_number(value) for value in values]
    elif values.size:
        found |= {"min": _number(values.min()), "max": _number(values.max()), "mean": _number(values.mean())}
    return found


def _number(value: Any) -> float | str:
    """A number with nine digits, enough for float32. NaN and infinity, which JSON lacks, become texts."""
    value = float(value)
    return float(f"{value:.9g}") if np.isfinite(value) else str(value)
