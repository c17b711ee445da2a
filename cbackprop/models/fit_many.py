"""fit_many: train many models at once."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from cbackprop import random, threads
from cbackprop.callbacks import Callback, History
from cbackprop.callbacks.callback_list import callbacks_in
from cbackprop.callbacks.progress import Display
from cbackprop.callbacks.progress_of_many import DisplayOfMany
from cbackprop.distribution.setting import distribution
from cbackprop.layers.layer import Layer
from cbackprop.layers.tracking import layers_within
from cbackprop.models.many_runs import ManyRuns
from cbackprop.models.sources import is_dataset
from cbackprop.optimizers import Optimizer
from cbackprop.validation import ArgumentTypeError, a_type, check_boolean, check_integer
from cbackprop.variable import Variable

__all__ = ["fit_many"]


def fit_many(
    models: Iterable[Any],
    x: Any = None,
    y: Any = None,
    batch_size: Any = None,
    epochs: Any = 1,
    verbose: int | str = "auto",
    callbacks: Callable[[int], Sequence[Callback]] | Sequence[Any] | None = None,
    validation_split: Any = 0.0,
    validation_data: Any = None,
    shuffle: Any = True,
    class_weight: Any = None,
    sample_weight: Any = None,
    initial_epoch: Any = 0,
    steps_per_epoch: Any = None,
    validation_steps: Any = None,
    validation_batch_size: Any = None,
    validation_freq: Any = 1,
    *,
    seeds: Sequence[int] | None = None,
    threads: int | None = None,
    return_exceptions: bool = False,
) -> list[Any]:
    """Train many models, several at a time, each by one thread.

    **One rule says what is for which model: a list has one entry for each model; everything else is for all models.**
    It holds for all arguments from `x` to `validation_freq`. If models have several inputs or outputs, give the arrays
    for all models as a tuple or a dict, not as a list.

    Parameters
    ----------
    models : iterable of Model
        Compiled models, each with its own layers, optimizer and metrics. They may have different architectures.
    x, y, batch_size, epochs, validation_split, validation_data, shuffle, class_weight, sample_weight, initial_epoch
        As in `Model.fit`, or a list with one entry for each model.
    steps_per_epoch, validation_steps, validation_batch_size, validation_freq
        As in `Model.fit`, or a list with one entry for each model.
    verbose : {"auto", 0, 1, 2}, default "auto"
        0 is silent; 1 and "auto" show one progress bar for all models on a terminal, and one line at the end; 2 prints
        a line for each model.
    callbacks : callable, or list, optional
        Callbacks remember what they have seen, so each model needs its own. Give a function that takes the index of a
        model and returns its callbacks, or a list with the callbacks of each model. They are called in the model's
        thread.
    seeds : list of int, optional
        The seed of each model, from 0 to 2**32 - 1. By default they are drawn from the generator that
        `utils.set_random_seed` seeds.
    threads : int, optional
        How many models are trained at the same time; by default as many as `config.set_num_threads` allows.
    return_exceptions : bool, default False
        Whether to go on if the training of a model raises an exception. The exception is then that model's entry in the
        result.

    Returns
    -------
    list
        The `callbacks.History` of each model. If Ctrl-C is pressed, running models stop after the current batch, a
        warning is given, and models that are not finished have ``None``.

    Raises
    ------
    TypeError, ValueError
        If an argument is wrong, a list does not have one entry for each model, or two models share layers, weights, an
        optimizer, metrics, callbacks or a dataset. Nothing is trained then.
    Exception
        What the `fit` of a model raises, with the index and name of the model. No more models are started, and running
        ones stop after the current batch.

    Notes
    -----
    The result for ``models[i]`` is, to the last bit, that of::

        with cb.utils.seeded(seeds[i]):
            models[i].fit(...)

    It does not depend on the other models, their order, or the number of threads.

    Examples
    --------
    >>> import numpy as np
    >>> import cbackprop as cb
    >>> x = np.linspace(-1, 1, 50).reshape(-1, 1)
    >>> y = x**2
    >>> rates = [0.01, 0.03, 0.1]
    >>> models = []
    >>> for rate in rates:
    ...     model = cb.Sequential([cb.Input((1,)), cb.layers.Dense(8, "tanh"), cb.layers.Dense(1)])
    ...     model.compile(cb.optimizers.Adam(rate), "mse")
    ...     models.append(model)
    >>> histories = cb.fit_many(models, x, y, epochs=5, verbose=0, seeds=[1, 2, 3])
    >>> [len(history.history["loss"]) for history in histories]
    [5, 5, 5]

    Each model with its own batch size, and its own early stopping:

    >>> histories = cb.fit_many(
    ...     models,
    ...     x,
    ...     y,
    ...     batch_size=[5, 10, 25],
    ...     epochs=5,
    ...     callbacks=lambda i: [cb.callbacks.EarlyStopping("loss", patience=2)],
    ...     verbose=0,
    ... )
    """
    if distribution() is not None:
        raise ValueError(
            "fit_many trains models in the threads of one process: call distribution.set_distribution(None) first, and "
            "let each rank train other models."
        )
    listed = _check_models(models)
    Display.check(verbose)
    goes_on = check_boolean("return_exceptions", return_exceptions)
    given = {
        "x": x,
        "y": y,
        "batch_size": batch_size,
        "epochs": epochs,
        "validation_split": validation_split,
        "validation_data": validation_data,
        "shuffle": shuffle,
        "class_weight": class_weight,
        "sample_weight": sample_weight,
        "initial_epoch": initial_epoch,
        "steps_per_epoch": steps_per_epoch,
        "validation_steps": validation_steps,
        "validation_batch_size": validation_batch_size,
        "validation_freq": validation_freq,
    }
    count = len(listed)
    for name, value in given.items():
        _check_list(name, value, count)
    _check_shared_data(given, count)
    display = DisplayOfMany(verbose, _epochs_of_each(given, count))
    callbacks_of = _callbacks_of_each(callbacks, count)
    chosen = _check_seeds(seeds, count)

    listed_values = {name: value for name, value in given.items() if isinstance(value, list)}
    listed_values["callbacks"] = callbacks_of

    def arguments(index: int) -> dict[str, Any]:
        return given | {name: values[index] for name, values in listed_values.items()}

    runs = ManyRuns(listed, arguments, chosen, display)
    workers = min(_worker_limit(threads), count)
    with display:
        completed = runs.run(workers, goes_on)
    if runs.failed is not None and not goes_on:
        _raise_for(runs.failed, listed[runs.failed], runs.results[runs.failed])
    if not completed:
        done = sum(isinstance(result, History) for result in runs.results)
        warnings.warn(
            f"fit_many was interrupted: {done} of {count} models are trained. The others have None in the result.",
            RuntimeWarning,
            stacklevel=2,
        )
    return list(runs.results)


# Checks before any model is trained


def _check_models(models: Any) -> list[Any]:
    """The models. They must be compiled, and share nothing that training changes."""
    if getattr(models, "is_model", False) or not isinstance(models, Iterable):
        raise ArgumentTypeError(f"models must be a list of models, but got {type(models).__name__}.")
    listed = list(models)
    owners: dict[int, tuple[int, Any]] = {}
    for index, model in enumerate(listed):
        if not getattr(model, "is_model", False):
            raise ArgumentTypeError(f"models must hold models, but models[{index}] is {type(model).__name__}.")
        if not model.compiled:
            raise RuntimeError(f"Call compile before fit_many: models[{index}], {model.name!r}, is not compiled.")
        if model.optimizer is None:
            raise ValueError(f"fit_many needs optimizers, but models[{index}], {model.name!r}, has none.")
        for part in _changing_parts(model):
            other, _ = owners.setdefault(id(part), (index, part))
            if other != index:
                what = "a model" if part is model else _title(part)
                raise ValueError(
                    f"models[{other}] and models[{index}] must not share {what}, because both would change it at the "
                    "same time. Make one for each model, for example with models.clone_model."
                )
    return listed


def _changing_parts(model: Any) -> list[Any]:
    """Everything that training changes in a model."""
    parts = [model, model.optimizer, *layers_within(model), *(model.variables if model.built else ())]
    for objective in model._objectives or ():
        parts += [metric for metric, _ in objective.metrics]
    return parts


def _title(part: Any) -> str:
    """What messages call a part of a model."""
    if isinstance(part, Optimizer):
        return "an optimizer"
    if isinstance(part, Variable):
        return f"weight {part.path!r}"
    return f"{'layer' if isinstance(part, Layer) else 'metric'} {part.name!r}"


def _check_list(name: str, value: Any, count: int) -> None:
    if isinstance(value, list) and len(value) != count:
        advice = "For all models alike, give an array, or a tuple of arrays if there are several inputs or outputs."
        if name == "callbacks":
            advice = "A function makes them for the index of each model: callbacks=lambda i: [EarlyStopping()]."
        raise ValueError(
            f"{name} is a list, so it must have one entry for each of the {count} models, but it has {len(value)}. "
            f"{advice}"
        )


def _check_shared_data(given: dict[str, Any], count: int) -> None:
    """Refuse a dataset for several models: which batches a model gets would depend on the others."""
    for name in ("x", "validation_data"):
        value = given[name]
        seen: set[int] = set()
        for entry in value if isinstance(value, list) else [value] * min(count, 2):
            if not is_dataset(entry):
                continue
            if id(entry) in seen and not hasattr(entry, "__array__"):
                raise ValueError(
                    f"{name} is {a_type(entry)} for several models, but a dataset can yield its batches to "
                    "only one. Give a list with a dataset for each model, or arrays."
                )
            seen.add(id(entry))


def _epochs_of_each(given: dict[str, Any], count: int) -> list[int]:
    """The number of epochs of each model."""

    def each(name: str) -> list[int]:
        value = given[name]
        if not isinstance(value, list):
            return [check_integer(name, value, 0)] * count
        return [check_integer(name, entry, 0) for entry in value]

    return [max(last - first, 0) for first, last in zip(each("initial_epoch"), each("epochs"), strict=True)]


def _callbacks_of_each(callbacks: Any, count: int) -> list[Any]:
    """The callbacks of each model."""
    if callbacks is None:
        return [None] * count
    if isinstance(callbacks, Callback) or not (callable(callbacks) or isinstance(callbacks, list)):
        raise ArgumentTypeError(
            "callbacks must be a function that returns the callbacks for the index of a model, or a list with the "
            f"callbacks of each model, but got {type(callbacks).__name__}. Callbacks remember what they have seen, so "
            "each model needs its own: callbacks=lambda i: [EarlyStopping()]."
        )
    found = [callbacks(index) for index in range(count)] if callable(callbacks) else callbacks
    _check_list("callbacks", found, count)
    owners: dict[int, int] = {}
    for index, entry in enumerate(found):
        for callback in callbacks_in(entry):
            if owners.setdefault(id(callback), index) != index:
                raise ValueError(
                    f"callbacks has the same {type(callback).__name__} for models[{owners[id(callback)]}] and "
                    f"models[{index}]. Callbacks remember what they have seen: make one for each model."
                )
    return list(found)


def _check_seeds(seeds: Any, count: int) -> list[int]:
    """The seed of each model."""
    if seeds is None:
        return [random.draw_seed() for _ in range(count)]
    if isinstance(seeds, (str, bytes)) or not isinstance(seeds, Iterable):
        raise ArgumentTypeError(f"seeds must be a list with a seed for each model, but got {seeds!r}.")
    listed = list(seeds)
    _check_list("seeds", listed, count)
    return [check_integer(f"seeds[{index}]", seed, 0, 2**32 - 1) for index, seed in enumerate(listed)]


def _worker_limit(asked: Any) -> int:
    return threads.limit() if asked is None else check_integer("threads", asked, 1)


def _raise_for(index: int, model: Any, error: Any) -> None:
    """Raise the exception of a model's `fit`, with a note that names the model."""
    where = f"models[{index}], {model.name!r}"
    if type(error) in (TypeError, ValueError, RuntimeError, ArgumentTypeError):
        raise type(error)(f"{where}: {error}") from error
    error.add_note(f"This was raised while fit_many trained {where}.")
    raise error
