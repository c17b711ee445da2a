"""One call of a layer in a training step."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cbackprop.trace.numbers import shape_of

if TYPE_CHECKING:
    from cbackprop.variable import Variable

__all__ = ["LayerTrace", "Part", "WeightTrace", "paths_apart", "told_apart"]

Array = NDArray[Any]


@dataclass(frozen=True, repr=False)
class WeightTrace:
    """One weight in one training step.

    Attributes
    ----------
    name : str
        Such as ``"kernel"``. If a layer has several with the same name, the owner is added: ``"query/kernel"``.
    before, after : ndarray
        The weight before and after the step.
    gradient : ndarray or None
        dL/dweight, shaped like the weight; ``None`` for a weight that is not trained. If a layer is called several
        times, it is the sum over the calls.
    memory_before, memory_after : dict of str to ndarray
        The optimizer's state of the weight (such as moments), by the names of its slots.
    path : str
        The variable's path, such as ``"hidden/kernel"``. If weights of nested models have the same path, the names of
        these models are put in front: ``"encoder/hidden/kernel"``.
    """

    name: str
    before: Array
    after: Array
    gradient: Array | None
    memory_before: dict[str, Array]
    memory_after: dict[str, Array]
    path: str

    @property
    def step(self) -> Array:
        """The change of the weight: after - before."""
        with np.errstate(invalid="ignore", over="ignore"):  # a weight may have become infinite
            difference: Array = self.after - self.before
        return difference

    def __repr__(self) -> str:
        held = ["before", "after", *([] if self.gradient is None else ["gradient"])]
        memory = f"; memory {', '.join(self.memory_after)}" if self.memory_after else ""
        return f"<WeightTrace {self.path!r} {shape_of(self.before)}: {', '.join(held)}{memory}>"


@dataclass(frozen=True, repr=False)
class Part:
    """One step of the plan in a call of a layer.

    Attributes
    ----------
    name : str
    kind : str
        The class that computes it.
    inputs : list of ndarray
    output : ndarray
    delta : ndarray or None
        dL/doutput; ``None`` where it is not needed, because there is no trained weight before the step.
    """

    name: str
    kind: str
    inputs: list[Array]
    output: Array
    delta: Array | None

    def __repr__(self) -> str:
        read = ", ".join(shape_of(x) for x in self.inputs)
        return f"<Part {self.name!r}: {self.kind}, {read} → {shape_of(self.output)}>"


@dataclass(frozen=True, repr=False)
class LayerTrace:
    """One call of a layer in one training step. Samples are along the first axis of all arrays except weights.

    Attributes
    ----------
    name : str
        The layer's name. For nested models, their names are put in front: ``"encoder/hidden"``.
    call : int
        Which call of the layer this is, from 0.
    calls : int
        How often the model calls the layer.
    kind : str
        The layer's class.
    function : str
        The activation's name; ``"linear"`` without one.
    sources : list of str
        Where each input comes from: the names of layers, or of inputs of the model.
    inputs : list of ndarray
        The inputs of the call.
    z : ndarray
        The input of the activation. Without an activation, the output.
    a : ndarray
        The output, a = f(z).
    slope : ndarray or None
        f'(z), shaped like z. ``None`` if the activation couples the units, like softmax: its derivative is a matrix.
    above : ndarray or None
        dL/da, from the layers that read the output, or from the loss. ``None`` if there is no trained weight before it.
    delta : ndarray or None
        dL/dz.
    below : list of (ndarray or None)
        dL/dinput for each input, summed over all readers of that input; ``None`` where it is not needed.
    weights : list of WeightTrace
    parts : list of Part
        The steps of the plan in this call.
    times : dict of str to ndarray
        For a recurrent layer: z, gates, states and dL/dz at each time step, each (samples, time, ...).
    heads : dict of str to ndarray
        For attention: queries, keys and values (samples, time, heads, ...), the scores and their softmax, the weights
        (samples, heads, queries, keys), and the derivatives of the loss with respect to each.
    derived : tuple of str
        Names of attributes that the engine does not compute in a step. The NumPy twin has computed them for the trace.
    linked : bool
        Whether the engine computes loss and activation together. It then computes delta from z directly. `above` and
        `slope` are the two factors of delta.
    make_twin : callable or None
        From the number of the first sample: the forward and backward pass of the step that computes z, in NumPy, as
        functions of inputs and weights. ``None`` if running them would change the layer, and in a pickle.
    """

    name: str
    call: int
    calls: int
    kind: str
    function: str
    sources: list[str]
    inputs: list[Array]
    z: Array
    a: Array
    slope: Array | None
    above: Array | None
    delta: Array | None
    below: list[Array | None]
    weights: list[WeightTrace]
    parts: list[Part]
    times: dict[str, Array] = field(default_factory=dict)
    heads: dict[str, Array] = field(default_factory=dict)
    derived: tuple[str, ...] = ()
    linked: bool = False
    make_twin: Callable[[int], tuple[Any, Any]] | None = field(default=None, compare=False, repr=False)

    def __repr__(self) -> str:
        named = {"z": self.z, "a": self.a, "slope": self.slope, "above": self.above, "delta": self.delta}
        held = [f"{name} {shape_of(array)}" for name, array in named.items() if array is not None]
        held += [f"{weight.name} {shape_of(weight.before)}" for weight in self.weights]
        return f"<LayerTrace {self.title!r}: {self.what}; {', '.join(held)}>"

    @property
    def title(self) -> str:
        """The name, with the number of the call if there are several."""
        return self.name if self.calls == 1 else f"{self.name} (call {self.call})"

    @property
    def what(self) -> str:
        """The layer's class, and its activation if it has one."""
        return self.kind if self.function == "linear" else f"{self.kind}, {self.function}"

    @property
    def is_dense(self) -> bool:
        """Whether z = x W + b for each row of x."""
        return self.kind == "Dense" and bool(self.weights)

    def weight(self, name: str) -> WeightTrace:
        """The weight of this name.

        Raises
        ------
        ValueError
            If there is none.
        """
        for weight in self.weights:
            if weight.name == name:
                return weight
        known = ", ".join(repr(weight.name) for weight in self.weights) or "none"
        raise ValueError(f"Layer {self.name!r} has no weight {name!r}: it has {known}.")

    def arrays(self) -> dict[str, Array]:
        """All arrays by name."""
        named: dict[str, Any] = {}
        named |= {"x" if len(self.inputs) == 1 else f"x{k}": array for k, array in enumerate(self.inputs)}
        named |= {"z": self.z, "a": self.a, "slope": self.slope, "above": self.above, "delta": self.delta}
        named |= {"below" if len(self.below) == 1 else f"below{k}": array for k, array in enumerate(self.below)}
        for weight in self.weights:
            named[weight.name] = weight.before
            named[f"d{weight.name}"] = weight.gradient
            named |= {f"{weight.name}/{slot}": array for slot, array in weight.memory_before.items()}
            named |= {f"{weight.name}/{slot} after": array for slot, array in weight.memory_after.items()}
            named[f"{weight.name} step"] = None if weight.gradient is None else weight.step
            named[f"{weight.name} after"] = weight.after
        named |= {f"times/{name}": array for name, array in self.times.items()}
        named |= {f"heads/{name}": array for name, array in self.heads.items()}
        return {name: np.asarray(array) for name, array in named.items() if array is not None}


def paths_apart(
    calls: Iterable[tuple[LayerTrace, list[Variable]]], variables: Iterable[Variable]
) -> dict[Variable, str]:
    """A unique path for each variable: its own, with the names of nested models in front where needed."""
    listed = list(variables)
    owners: dict[Variable, str] = {}
    for layer, used in calls:
        for variable in used:
            owners.setdefault(variable, layer.name.rpartition("/")[0])
    counts = Counter(variable.path for variable in listed)
    found: dict[Variable, str] = {}
    for variable in listed:
        alone = counts[variable.path] == 1 or not owners.get(variable)
        path = wanted = variable.path if alone else f"{owners[variable]}/{variable.path}"
        number = 1
        while path in found.values():
            number += 1
            path = f"{wanted}:{number}"
        found[variable] = path
    return found


def told_apart(weights: Iterable[WeightTrace]) -> list[WeightTrace]:
    """The weights of a layer. If several have the same name, enough of their paths is added to distinguish them."""
    found = list(weights)
    for name in {weight.name for weight in found}:
        alike = [weight for weight in found if weight.name == name]
        if len(alike) > 1:
            owners = dict(zip((weight.path for weight in alike), owners_of(alike), strict=True))
            found = [
                replace(weight, name=f"{owners[weight.path]}/{name}") if weight.path in owners else weight
                for weight in found
            ]
    return found


def owners_of(weights: list[WeightTrace]) -> list[str]:
    """The parts of the weights' paths that differ, without the last part."""
    paths = [weight.path.split("/")[:-1] for weight in weights]
    if len({len(path) for path in paths}) > 1:
        return ["/".join(path) for path in paths]
    differs = [len(set(parts)) > 1 for parts in zip(*paths, strict=True)]
    return ["/".join(part for part, apart in zip(path, differs, strict=True) if apart) for path in paths]
