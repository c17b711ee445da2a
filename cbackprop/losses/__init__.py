"""Losses: the numbers that training minimizes."""

from __future__ import annotations

from typing import Any

from cbackprop.absent import explain
from cbackprop.losses.crossentropy import (
    BinaryCrossentropy,
    CategoricalCrossentropy,
    SparseCategoricalCrossentropy,
    binary_crossentropy,
    categorical_crossentropy,
    sparse_categorical_crossentropy,
)
from cbackprop.losses.ctc import CTC, ctc
from cbackprop.losses.focal import (
    BinaryFocalCrossentropy,
    CategoricalFocalCrossentropy,
    binary_focal_crossentropy,
    categorical_focal_crossentropy,
)
from cbackprop.losses.likelihood import (
    GaussianNegativeLogLikelihood,
    StudentTNegativeLogLikelihood,
    gaussian_negative_log_likelihood,
    student_t_negative_log_likelihood,
)
from cbackprop.losses.loss import Loss, registry
from cbackprop.losses.margin import (
    CategoricalHinge,
    Hinge,
    SquaredHinge,
    categorical_hinge,
    hinge,
    squared_hinge,
)
from cbackprop.losses.overlap import CosineSimilarity, Dice, Tversky, cosine_similarity, dice, tversky
from cbackprop.losses.probabilistic import (
    CategoricalGeneralizedCrossEntropy,
    KLDivergence,
    Poisson,
    categorical_generalized_cross_entropy,
    kl_divergence,
    poisson,
)
from cbackprop.losses.python_loss import FunctionLoss
from cbackprop.losses.quantiles import Quantile, quantile
from cbackprop.losses.regression import (
    Huber,
    LogCosh,
    MeanAbsoluteError,
    MeanSquaredError,
    huber,
    log_cosh,
    mean_absolute_error,
    mean_squared_error,
)
from cbackprop.losses.relative_errors import (
    MeanAbsolutePercentageError,
    MeanSquaredLogarithmicError,
    mean_absolute_percentage_error,
    mean_squared_logarithmic_error,
)
from cbackprop.losses.row_function import owner

__all__ = [
    "CTC",
    "BinaryCrossentropy",
    "BinaryFocalCrossentropy",
    "CategoricalCrossentropy",
    "CategoricalFocalCrossentropy",
    "CategoricalGeneralizedCrossEntropy",
    "CategoricalHinge",
    "CosineSimilarity",
    "Dice",
    "FunctionLoss",
    "GaussianNegativeLogLikelihood",
    "Hinge",
    "Huber",
    "KLDivergence",
    "LogCosh",
    "Loss",
    "MeanAbsoluteError",
    "MeanAbsolutePercentageError",
    "MeanSquaredError",
    "MeanSquaredLogarithmicError",
    "Poisson",
    "Quantile",
    "SparseCategoricalCrossentropy",
    "SquaredHinge",
    "StudentTNegativeLogLikelihood",
    "Tversky",
    "as_loss",
    "binary_crossentropy",
    "binary_focal_crossentropy",
    "categorical_crossentropy",
    "categorical_focal_crossentropy",
    "categorical_generalized_cross_entropy",
    "categorical_hinge",
    "cosine_similarity",
    "ctc",
    "deserialize",
    "dice",
    "gaussian_negative_log_likelihood",
    "get",
    "hinge",
    "huber",
    "kl_divergence",
    "log_cosh",
    "mean_absolute_error",
    "mean_absolute_percentage_error",
    "mean_squared_error",
    "mean_squared_logarithmic_error",
    "poisson",
    "quantile",
    "registry",
    "serialize",
    "sparse_categorical_crossentropy",
    "squared_hinge",
    "student_t_negative_log_likelihood",
    "tversky",
]


def get(identifier: Any) -> Any:
    """Return the loss that is given by a name, a config, a class or an object.

    As in Keras, the name of a class gives an object of it, and the name of a function gives the function.

    Raises
    ------
    ValueError
        For an unknown name (the message lists similar known names).
    TypeError
        If the identifier is none of these.

    Examples
    --------
    >>> import cbackprop as cb
    >>> cb.losses.get("MeanSquaredError")
    MeanSquaredError()
    >>> cb.losses.get("mse") is cb.losses.mean_squared_error
    True
    """
    return registry.get(identifier)


def as_loss(identifier: Any) -> Loss:
    """Like `get`, but always return a `Loss` object: a loss function is replaced by an object of its class.

    Any other function becomes a `FunctionLoss`.

    Raises
    ------
    ValueError
        For an unknown name.
    TypeError
        For anything that is not a loss of this library.

    Examples
    --------
    >>> import cbackprop as cb
    >>> cb.losses.as_loss(cb.losses.huber)
    Huber()
    """
    found = registry.get(identifier) if owner(identifier) is None else identifier
    cls = owner(found)
    if cls is not None:
        name = identifier if isinstance(identifier, str) else found.__name__
        found = cls(name=name)  # type: ignore[call-arg]
    elif not isinstance(found, Loss) and callable(found):
        found = FunctionLoss(found)
    if isinstance(found, Loss) and not hasattr(found, "implementation"):
        raise TypeError(
            f"{type(found).__name__} must have a method call(y_true, y_pred) that returns value and gradient."
        )
    if not isinstance(found, Loss):
        raise TypeError(f"Expected a loss, its name or its config, but got {identifier!r}.")
    return found


def serialize(loss: Any) -> Any:
    """Describe a loss by plain values, which `deserialize` turns back into a loss."""
    return registry.serialize(loss)


def deserialize(config: Any, custom_objects: dict[str, Any] | None = None) -> Any:
    """Make the loss that `serialize` described."""
    return registry.deserialize(config, custom_objects)


explain(__name__)
