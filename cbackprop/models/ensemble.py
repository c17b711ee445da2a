"""Ensemble: several models that predict together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from cbackprop import losses
from cbackprop.callbacks import Callback
from cbackprop.callbacks.progress import Display
from cbackprop.config_reading import from_config
from cbackprop.config_writing import to_config
from cbackprop.engine import Engine
from cbackprop.layers import Activation, Input, Layer
from cbackprop.layers.mask_array import mask_of
from cbackprop.models.fit_many import fit_many
from cbackprop.models.model import Model
from cbackprop.models.prediction import predict_by_all
from cbackprop.models.sources import Check, is_dataset
from cbackprop.saving.contents import Path
from cbackprop.saving.ensemble_file import load_members, save_members
from cbackprop.tensor import flatten, map_structure
from cbackprop.validation import ArgumentTypeError

__all__ = ["Ensemble"]

# Losses of numbers, not of classes.
OF_NUMBERS = (
    *(losses.MeanSquaredError, losses.MeanAbsoluteError, losses.MeanAbsolutePercentageError, losses.Huber),
    *(losses.MeanSquaredLogarithmicError, losses.LogCosh, losses.Quantile, losses.Poisson),
    *(losses.GaussianNegativeLogLikelihood, losses.StudentTNegativeLogLikelihood),
)
# Activations whose outputs are probabilities.
PROBABILITIES = ("sigmoid", "hard_sigmoid", "sparse_sigmoid", "softmax", "sparsemax")


class Judge(Model):
    """A model whose `evaluate` is given the data of an ensemble, and whose inputs the ensemble makes of it.

    These are the ensemble's predictions and, if outputs have masks, the masks.
    """

    inputs_for: Callable[[Any], Any]

    def _evaluated(self, engine: Engine) -> Check:
        check = super()._evaluated(engine)
        return lambda x, *others: check(self.inputs_for(x), *others)


class Masked(Layer):
    """The first input, with the second as its mask."""

    def call(self, inputs: Any) -> Any:
        return inputs[0]

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> Any:
        return inputs[1] != 0

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape[0]


class Ensemble:
    """Several models that predict together: the mean, the spread and the vote of their predictions.

    Models with different initial weights or different data make different errors. So their mean is usually better than
    any single one, and where they disagree, the prediction is uncertain.

    Parameters
    ----------
    models : iterable of Model
        With the same inputs and outputs. Their architectures may differ.

    Attributes
    ----------
    models : list of Model

    Raises
    ------
    TypeError, ValueError
        If there is no model, something else than a model, or models whose inputs or outputs have different shapes.

    References
    ----------
    Lakshminarayanan, Pritzel, Blundell: Simple and scalable predictive uncertainty estimation using deep ensembles,
    2017, https://arxiv.org/abs/1612.01474.

    Examples
    --------
    >>> import numpy as np
    >>> import cbackprop as cb
    >>> cb.utils.set_random_seed(0)
    >>> x = np.linspace(-1, 1, 40).reshape(-1, 1)
    >>> models = []
    >>> for _ in range(5):
    ...     model = cb.Sequential([cb.Input((1,)), cb.layers.Dense(16, "tanh"), cb.layers.Dense(1)])
    ...     model.compile(cb.optimizers.Adam(0.02), "mse")
    ...     models.append(model)
    >>> ensemble = cb.Ensemble(models)
    >>> histories = ensemble.fit(x, x**2, epochs=50, verbose=0)
    >>> ensemble.predict(x).shape
    (40, 1)
    >>> within, outside = ensemble.spread([[0.5], [5.0]])
    >>> bool(outside > within)
    True
    """

    def __init__(self, models: Iterable[Any]) -> None:
        if getattr(models, "is_model", False) or not isinstance(models, Iterable):
            raise ArgumentTypeError(f"models must be a list of models, but got {type(models).__name__}.")
        self.models = list(models)
        if not self.models:
            raise ValueError("models must hold one model at least, but is empty.")
        for index, model in enumerate(self.models):
            if not getattr(model, "is_model", False):
                raise ArgumentTypeError(f"models must hold models, but models[{index}] is {type(model).__name__}.")
        self._check_shapes()

    def _check_shapes(self) -> None:
        """Refuse models whose known input or output shapes differ."""
        known = [(index, model) for index, model in enumerate(self.models) if model.built]
        for what in ("input", "output"):
            shapes = [map_structure(lambda tensor: tensor.shape, getattr(model, what)) for _, model in known]
            for (index, _), shape in zip(known, shapes, strict=True):
                if shape != shapes[0]:
                    raise ValueError(
                        f"models must have the same {what}s, but models[{known[0][0]}] has {shapes[0]} and "
                        f"models[{index}] has {shape}."
                    )

    def __len__(self) -> int:
        return len(self.models)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.models)

    def __getitem__(self, index: int) -> Any:
        return self.models[index]

    def __repr__(self) -> str:
        return f"<Ensemble of {len(self.models)} models>"

    def fit(self, x: Any = None, y: Any = None, **arguments: Any) -> list[Any]:
        """Train all models; see `fit_many`, which has the same arguments.

        Returns
        -------
        list of History
        """
        return fit_many(self.models, x, y, **arguments)

    # Predictions

    def predict_each(self, x: Any, batch_size: int | None = None, verbose: int | str = 0) -> Any:
        """The predictions of all models.

        Parameters
        ----------
        x, batch_size, verbose
            As in `Model.predict`. A dataset is read once, and each batch is predicted by all models, because its next
            pass may have another order; no progress is shown then.

        Returns
        -------
        ndarray (models, samples, ...), or list or dict of them
            In the structure of the models' outputs.

        Raises
        ------
        TypeError, ValueError
            See `Model.predict`.
        """
        self._check_shapes()
        if is_dataset(x):
            Display.check(verbose)
            found = predict_by_all(self.models, x, batch_size)
        else:
            found = [model.predict(x, batch_size, verbose) for model in self.models]
        by_output = zip(*map(flatten, found), strict=True)
        stacked = iter([np.stack(parts) for parts in by_output])
        return map_structure(lambda _: next(stacked), found[0])

    def predict(self, x: Any, batch_size: int | None = None, verbose: int | str = 0) -> Any:
        """The mean of the models' predictions. Arguments and errors as `predict_each`.

        Returns
        -------
        ndarray (samples, ...), or list or dict of them
        """
        return map_structure(_mean, self.predict_each(x, batch_size, verbose))

    def __call__(self, x: Any) -> Any:
        """Predict, see `predict`."""
        return self.predict(x)

    def spread(self, x: Any, batch_size: int | None = None, verbose: int | str = 0) -> Any:
        """The standard deviation of the models' predictions. Arguments and errors as `predict_each`.

        Returns
        -------
        ndarray (samples, ...), or list or dict of them
            sqrt(mean((p - mean(p))**2)), where p are the models' predictions of one number.
        """
        return map_structure(_deviation, self.predict_each(x, batch_size, verbose))

    def vote(self, x: Any, batch_size: int | None = None, verbose: int | str = 0) -> Any:
        """The class that most models choose. Arguments as `predict_each`.

        If an output has several numbers along its last axis, a model chooses the class with the largest one. If it has
        one number, the class is 1 if that is above 0.5, else 0. If classes have equally many votes, the lowest wins.

        Returns
        -------
        ndarray of int64 (samples, ...), or list or dict of them
            Without the last axis of the output.

        Raises
        ------
        TypeError, ValueError
            As `predict_each`; or if a model predicts numbers, not classes: it was compiled with a loss for regression,
            such as ``"mse"``, and its output has no activation that makes probabilities.
        """
        for model in self.models:
            _check_classes(model)
        return map_structure(_majority, self.predict_each(x, batch_size, verbose))

    def evaluate(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        verbose: int | str = "auto",
        sample_weight: Any = None,
        steps: int | None = None,
        callbacks: Sequence[Callback] | Callback | None = None,
        return_dict: bool = False,
    ) -> Any:
        """The loss and metrics of the mean prediction, as the first model was compiled with.

        Parameters
        ----------
        x, y, batch_size, verbose, sample_weight, steps, callbacks, return_dict
            As in `Model.evaluate`. A dataset is read once, and each batch is predicted by all models.

        Returns
        -------
        float, list of float, or dict
            As `Model.evaluate`. Penalties of regularizers are not included.

        Raises
        ------
        RuntimeError
            If the first model is not compiled.
        TypeError, ValueError
            If an argument or the data is wrong.
        """
        return self._judge().evaluate(x, y, batch_size, verbose, sample_weight, steps, callbacks, return_dict)

    def _judge(self) -> Judge:
        """A model that returns mean predictions unchanged, with the loss and metrics of the first model."""
        first = self.models[0]
        if not first.compiled:
            raise RuntimeError("Call compile before evaluate: the first model has no loss and metrics yet.")
        names, masked = iter(first.output_names), iter(self._may_have_masks())
        predictions = map_structure(lambda tensor: Input(tensor.shape[1:], dtype=first.dtype), first.output)
        masks: list[Any] = []

        def judged(tensor: Any) -> Any:
            if not next(masked):
                return Activation("linear", name=next(names), dtype=first.dtype)(tensor)
            masks.append(Input(tensor.shape[1:-1], dtype=first.dtype))
            return Masked(name=next(names), dtype=first.dtype)([tensor, masks[-1]])

        outputs = map_structure(judged, predictions)
        if masks:
            judge = Judge([*flatten(predictions), *masks], outputs)
            judge.inputs_for = lambda x: [*flatten(self.predict(x)), *self._masks(x)]
        else:
            judge = Judge(predictions, outputs)
            judge.inputs_for = self.predict
        judge.compile(None, **from_config(to_config(first.compile_settings())))
        return judge

    def _may_have_masks(self) -> list[bool]:
        """For each output of the first model whether it may have a mask. With open sizes only data can tell."""
        first = self.models[0]
        if first.has_open_inputs:
            return [len(tensor.shape) > 2 for tensor in first.outputs]
        return [mask is not None for mask in first.plan.output_masks[: len(first.outputs)]]

    def _masks(self, x: Any) -> list[Any]:
        """The masks of the first model's outputs, as numbers: ones if there is none."""
        first = self.models[0]
        found = []
        for output, has in zip(flatten(first(x)), self._may_have_masks(), strict=True):
            if has:
                mask = np.ones(output.shape[:-1]) if mask_of(output) is None else mask_of(output)
                found.append(mask.reshape(output.shape[:-1]).astype(first.dtype))
        return found

    # Files

    def save(self, filepath: Path, overwrite: bool = True) -> None:
        """Write all models to one safetensors file, with the state of their training.

        Parameters
        ----------
        filepath : str or path
        overwrite : bool, default True
            Whether an existing file may be replaced.

        Raises
        ------
        TypeError, ValueError, FileExistsError, OSError
            See `saving.save_model`. An existing file is then unchanged.

        Examples
        --------
        >>> import os, tempfile
        >>> import cbackprop as cb
        >>> ensemble = cb.Ensemble([cb.Sequential([cb.Input((2,)), cb.layers.Dense(1)]) for _ in range(3)])
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     ensemble.save(os.path.join(folder, "ensemble.safetensors"))
        ...     same = cb.Ensemble.load(os.path.join(folder, "ensemble.safetensors"))
        >>> bool((same.predict([[1.0, 2.0]]) == ensemble.predict([[1.0, 2.0]])).all())
        True
        """
        save_members(self.models, filepath, overwrite)

    @classmethod
    def load(cls, filepath: Path, custom_objects: dict[str, Any] | None = None, compile: bool = True) -> Self:
        """Load an ensemble that `save` wrote.

        Parameters
        ----------
        filepath, custom_objects, compile
            As in `saving.load_model`.

        Returns
        -------
        Ensemble

        Raises
        ------
        TypeError, ValueError, OSError
            See `saving.load_model`.
        """
        return cls(load_members(filepath, custom_objects, compile))


def _mean(each: NDArray[Any]) -> NDArray[Any]:
    """The mean over models, summed in float64."""
    return each.mean(axis=0, dtype=np.float64).astype(each.dtype)


def _deviation(each: NDArray[Any]) -> NDArray[Any]:
    return each.std(axis=0, dtype=np.float64).astype(each.dtype)


def _check_classes(model: Any) -> None:
    """Refuse a model whose loss for an output is one of regression, unless the output holds probabilities."""
    for name, tensor, objective in zip(model.output_names, model.outputs, model._objectives or (), strict=False):
        parts = objective.loss.parts if objective.loss else ()
        if parts and all(isinstance(loss, OF_NUMBERS) for loss in parts) and not _ends_in_probabilities(tensor):
            raise ValueError(
                f"vote counts the classes that models choose, but output {name!r} of model {model.name!r} is trained "
                f"by {type(parts[0]).__name__} to predict numbers: use predict, or predict_each for the predictions of "
                "all models."
            )


def _ends_in_probabilities(tensor: Any) -> bool:
    """Whether the last activation before a tensor may make probabilities. Those in Python, or within a model, may."""
    while True:
        layer = tensor.node.layer
        if layer.is_python or layer.is_model or layer.activates_in_python:
            return True
        if layer.function is not None:
            return layer.function.name in PROBABILITIES
        if layer.variables or not tensor.node.inputs:
            return False
        tensor = tensor.node.inputs[0]


def _majority(each: NDArray[Any]) -> NDArray[np.int64]:
    """The class that most models choose, of predictions (models, samples, ..., classes)."""
    if each.ndim < 3 or each.shape[-1] == 1:  # the probability of class 1
        each = each.reshape(*each.shape[: max(each.ndim - 1, 2)], 1)
        each = np.concatenate([each <= 0.5, each > 0.5], axis=-1)
    chosen = each.argmax(axis=-1)
    votes = np.stack([(chosen == number).sum(axis=0) for number in range(each.shape[-1])])
    return votes.argmax(axis=0)
