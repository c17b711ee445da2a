"""A training step with all its numbers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from os import PathLike
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cbackprop.suggestions import nearest
from cbackprop.trace import explanation, latex, notebook, text
from cbackprop.trace.layer_trace import LayerTrace, WeightTrace
from cbackprop.trace.page import write_page
from cbackprop.trace.recorder import Judged
from cbackprop.trace.rule import Rule
from cbackprop.validation import check_integer

__all__ = ["Trace"]

Array = NDArray[Any]


@dataclass(frozen=True, repr=False)
class Trace:
    """Every number of one training step. `Model.trace` makes it.

    A unit computes z and a = f(z). The backward pass starts with the loss and gives dL/da (`above`). Multiplied by the
    slope f'(z), that is delta = dL/dz. Inputs and delta give the gradient of each weight, and the optimizer turns the
    gradient into a step.

    Attributes
    ----------
    model, engine, dtype : str
        The names of the model, its engine and its data type.
    training : bool
        Whether dropout and similar layers were active.
    inputs : dict of str to ndarray
        The samples, by the names of the model's inputs.
    outputs : list of Judged
        For each output with a loss: ``name``, ``loss``, ``prediction``, ``target``, the loss ``mean`` of the batch, and
        the loss of each of the ``samples``.
    layers : list of LayerTrace
        All calls of layers, in the order of the forward pass. ``trace["hidden"]`` finds one by its name, and
        ``trace["hidden", 1]`` is the second call of a layer.
    weights : dict of str to WeightTrace
        By path, such as ``"hidden/kernel"``.
    loss : float
        The loss of the batch, including the weights of the outputs' losses and the regularizers.
    loss_after : float
        The loss of the same samples after the step.
    rule : Rule
        The optimizer.

    Notes
    -----
    A trace can be pickled, without its model. Then `apply` is refused, and `explain` leaves out what it would compute
    anew: the central difference, and the sums of layers such as convolutions.

    Examples
    --------
    >>> import cbackprop as cb
    >>> model = cb.Sequential([cb.Input((1,)), cb.layers.Dense(1, kernel_initializer="ones", name="unit")])
    >>> model.compile(cb.optimizers.SGD(0.1), "mse")
    >>> trace = model.trace([[2.0], [3.0]], [[1.0], [1.0]])
    >>> trace.loss, trace.outputs[0].samples.tolist()
    (2.5, [1.0, 4.0])
    >>> print(trace.explain("unit", unit=0, sample=0))
    sample 0, unit 0 of 'unit'
    z = 1·2 + 0 = 2
    a = z = 2
    dL/da = 2·(ŷ − y)/n = 2·(2 − 1)/2 = 1   from the loss
    δ = dL/da·f'(z) = 1·1 = 1
    >>> trace.apply()
    >>> [round(weights.item(), 3) for weights in model.get_weights()]
    [0.2, -0.3]
    """

    model: str
    engine: str
    dtype: str
    training: bool
    inputs: dict[str, Array]
    outputs: list[Judged]
    layers: list[LayerTrace]
    weights: dict[str, WeightTrace]
    loss: float
    loss_after: float
    rule: Rule
    make_step: Callable[[], None] | None = field(compare=False)
    difference: Callable[[WeightTrace, tuple[int, ...]], float] | None = field(compare=False)

    @property
    def samples(self) -> int:
        """The number of samples."""
        return len(next(iter(self.inputs.values())))

    def __getitem__(self, key: Any) -> LayerTrace:
        """The call of a layer, by the layer's name, or by (name, number of the call)."""
        name, call = key if isinstance(key, tuple) and len(key) == 2 else (key, None)
        if not isinstance(name, str):
            raise TypeError(f"The key must be the name of a layer, or (name, call), but got {key!r}.")
        if call is not None:
            check_integer("call", call, 0)
        found = [layer for layer in self.layers if layer.name == name]
        found = found or [layer for layer in self.layers if layer.name.endswith(f"/{name}")]
        if not found:
            known = [layer.name for layer in self.layers]
            raise ValueError(f"There is no layer {name!r} in this trace. {nearest(name, known)}")
        if call is None and len(found) > 1:
            raise ValueError(
                f"Layer {name!r} is called {len(found)} times: give the number of the call, as in ({name!r}, 0)."
            )
        chosen = [layer for layer in found if layer.call == call] if call is not None else found
        if not chosen:
            raise ValueError(f"The call of layer {name!r} must be at most {len(found) - 1}, but is {call!r}.")
        return chosen[0]

    def apply(self) -> None:
        """Make exactly this step: set the weights and the state of the optimizer to those after the step.

        It is the step of `Model.train_on_batch`, with the same bits, if the trace was made with ``training=True``, or
        if `training` makes no difference for the network.

        Raises
        ------
        RuntimeError
            If the model or a setting of its optimizer has changed since the trace was made, or it was compiled again.
            Also for a trace from a pickle.
        """
        if self.make_step is None:
            raise RuntimeError("This trace was read from a pickle, without its model, and cannot make the step.")
        self.make_step()

    def explain(
        self,
        layer: Any = None,
        unit: Any = 0,
        sample: int = 0,
        weight: str | None = None,
        time: int | None = None,
    ) -> str:
        """The arithmetic of a unit, or of a weight, with its numbers.

        Parameters
        ----------
        layer : str or tuple (str, int), optional
            The layer's name, or (name, number of the call).
        unit : int or tuple of int, default 0
            The unit: an index along the last axis of the layer's output, or an index with an entry for each axis.
        sample : int, default 0
        weight : str, optional
            Instead of a layer: the path of a weight and an index, as in ``"hidden/kernel[1,0]"``.
        time : int, optional
            For an LSTM, a GRU or a SimpleRNN: the time step to show. By default, the one that made the output.

        Returns
        -------
        str
            For a unit: z, a, dL/da and delta; for a recurrent layer also the gates and states at a time step. For a
            weight: the sum over samples, the optimizer's update, and the central difference of the loss, computed in
            float64.

        Raises
        ------
        TypeError, ValueError
            If there is no such layer, unit, sample or weight.
        RuntimeError
            For a weight, if layers of the model have changed since the trace was made.
        """
        if (layer is None) == (weight is None):
            raise ValueError("Give either a layer or weight=..., and not both.")
        if weight is not None:
            return explanation.explain_weight(self, weight)
        with np.errstate(all="ignore"):  # the network may have diverged
            return explanation.explain_unit(self, self[layer], unit, sample, time)

    def to_dict(self) -> dict[str, Any]:
        """All arrays by name: for each layer as ``"hidden/z"``, ``"hidden/dkernel"``; also the losses and inputs.

        Returns
        -------
        dict of str to ndarray or float
            For shared layers, later calls have their number in the name: ``"hidden:1/z"``.
        """
        found: dict[str, Any] = {"loss": self.loss, "loss_after": self.loss_after, "learning_rate": self.rule.rate}
        found |= {f"inputs/{name}": array for name, array in self.inputs.items()}
        for output in self.outputs:
            named = {"prediction": output.prediction, "target": output.target, "losses": output.samples}
            found |= {f"outputs/{output.name}/{name}": array for name, array in named.items() if array is not None}
        for layer in self.layers:
            prefix = layer.name if layer.call == 0 else f"{layer.name}:{layer.call}"
            found |= {f"{prefix}/{name}": array for name, array in layer.arrays().items()}
        return found

    def to_latex(self) -> str:
        """The step as equations with matrices, for a document that uses ``amsmath``."""
        return latex.to_latex(self)

    def to_html(self, path: str | PathLike[str]) -> None:
        """Write a web page that shows the step. It needs no internet.

        The page draws the network. A click on a unit or a connection shows its equation. Buttons step through the
        forward and the backward pass.

        Parameters
        ----------
        path : str or PathLike
            The file, whose name ends in ``.html`` or ``.htm``.

        Raises
        ------
        ValueError
            If the name has another suffix.
        OSError
            If the file cannot be written.
        """
        write_page(path, [self])

    def __str__(self) -> str:
        """The step as text, at most 80 columns wide."""
        return text.to_text(self)

    def __repr__(self) -> str:
        """One line."""
        return f"<Trace of {self.model!r}: {self.samples} samples, loss {self.loss:.6g} → {self.loss_after:.6g}>"

    def _repr_html_(self) -> str:
        """Tables for a notebook, without scripts."""
        return notebook.to_notebook(self)
