"""BatchNormalization: normalize by the mean and variance of a batch."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from cbackprop import initializers
from cbackprop.contract.expansion import Mask, Steps, Value
from cbackprop.layers.affine import AffineLayer
from cbackprop.layers.layer import registry
from cbackprop.layers.normalization import normalized_axes
from cbackprop.tensor import Shape
from cbackprop.validation import ArgumentTypeError, check_boolean, check_integer, check_number, named
from cbackprop.variable import Variable

__all__ = ["BatchNormalization"]


@registry.register()
class BatchNormalization(AffineLayer):
    """Normalize each channel over the batch: ``gamma * (x - mean) / sqrt(variance + epsilon) + beta``.

    In training, mean and variance are those of the batch, and their moving averages are updated:
    ``moving = momentum * moving + (1 - momentum) * batch``. Outside of training, and when the layer is not trainable,
    the moving averages are used instead.

    Parameters
    ----------
    axis : int, default -1
        The axis of the channels. Mean and variance are taken over all other axes.
    momentum : float, default 0.99
        Of the moving averages, in [0, 1].
    epsilon : float, default 0.001
        Added to the variance, at least 0.
    center, scale : bool, default True
        Whether the layer has a beta (`center`) and a gamma (`scale`).
    beta_initializer, gamma_initializer : str or Initializer, default "zeros" and "ones"
    moving_mean_initializer, moving_variance_initializer : str or Initializer, default "zeros" and "ones"
    beta_regularizer, gamma_regularizer : str or Regularizer, optional
    beta_constraint, gamma_constraint : str or Constraint, optional
    renorm : bool, default False
        Batch renormalization: use moving averages in training as well, for small batches or batches that differ a
        lot. The output is ``gamma * (u * r + d) + beta``, where u is the input normalized by the batch's mean and
        standard deviation, ``r = batch stddev / renorm_stddev`` and ``d = (batch mean - renorm_mean) / renorm_stddev``.
        Gradients treat r and d as constants.
    renorm_clipping : dict, optional
        Limits: r is kept between ``"rmin"`` and ``"rmax"``, and d between minus and plus ``"dmax"``. A missing key
        means no limit.
    renorm_momentum : float, default 0.99
        Momentum of `renorm_mean` and `renorm_stddev`, in [0, 1].
    synchronized : bool, default False
        Must be False; accepted because configs of Keras contain it.
    **kwargs
        See `Layer`.

    Attributes
    ----------
    gamma, beta : Variable or None
        Shape (channels,).
    moving_mean, moving_variance : Variable
        Shape (channels,); not trainable.
    moving_stddev, renorm_mean, renorm_stddev : Variable or None
        Only with `renorm`. Then `moving_variance` is the square of `moving_stddev`, without epsilon.

    Notes
    -----
    Input of any shape, output of the same shape. With u the normalized input, g = dL/doutput and means over the batch:
    ``dL/dinput = gamma (g - mean(g) - u mean(g u)) / sqrt(variance + epsilon)``, ``dL/dgamma = sum of g u``,
    ``dL/dbeta = sum of g``. The variance of n numbers is divided by n, not by n - 1, as in Keras.

    If the input has a mask, only unmasked elements count in the batch's mean and variance; all elements are normalized.

    Only `fit` and `train_on_batch` change the moving averages; calling the layer or a model on arrays with
    ``training=True`` does not. Whether the layer is trainable is read in the first run after `compile`.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong type or out of range, or `axis` is not an axis of the input.

    References
    ----------
    Ioffe and Szegedy, "Batch normalization: accelerating deep network training by reducing internal covariate
    shift", ICML 2015. Ioffe, "Batch renormalization: towards reducing minibatch dependence in batch-normalized models",
    NIPS 2017. Arguments and defaults are those of Keras 3.

    Examples
    --------
    >>> import cbackprop as cb
    >>> layer = cb.layers.BatchNormalization(epsilon=0.0)
    >>> layer([[1.0, 10.0], [3.0, 30.0]])
    array([[ 1., 10.],
           [ 3., 30.]], dtype=float32)
    >>> layer([[1.0, 10.0], [3.0, 30.0]], training=True)
    array([[-1., -1.],
           [ 1.,  1.]], dtype=float32)
    """

    supports_masking = True
    reads_output = False

    adjustable = ("momentum", "epsilon")

    def __init__(
        self,
        axis: int = -1,
        momentum: float = 0.99,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        moving_mean_initializer: Any = "zeros",
        moving_variance_initializer: Any = "ones",
        beta_regularizer: Any = None,
        gamma_regularizer: Any = None,
        beta_constraint: Any = None,
        gamma_constraint: Any = None,
        renorm: bool = False,
        renorm_clipping: Any = None,
        renorm_momentum: float = 0.99,
        synchronized: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.axis = check_integer("axis", axis)
        self.momentum = check_number("momentum", momentum, minimum=0, maximum=1)
        self.epsilon = check_number("epsilon", epsilon, minimum=0)
        self._set_affine(
            center,
            scale,
            beta_initializer,
            gamma_initializer,
            beta_regularizer,
            gamma_regularizer,
            beta_constraint,
            gamma_constraint,
        )
        self.moving_mean_initializer = named("moving_mean_initializer", initializers.get, moving_mean_initializer)
        self.moving_variance_initializer = named(
            "moving_variance_initializer", initializers.get, moving_variance_initializer
        )
        self.renorm = check_boolean("renorm", renorm)
        self.renorm_clipping = check_clipping(renorm_clipping)
        self.renorm_momentum = check_number("renorm_momentum", renorm_momentum, minimum=0, maximum=1)
        if check_boolean("synchronized", synchronized):
            raise ValueError("synchronized must be False: there are no replicas to average over.")
        self.synchronized = False
        self.moving_mean: Variable | None = None
        self.moving_variance: Variable | None = None
        self.moving_stddev: Variable | None = None
        self.renorm_mean: Variable | None = None
        self.renorm_stddev: Variable | None = None

    @property
    def renorm_limits(self) -> tuple[float, float, float]:
        """(rmin, rmax, dmax), with infinities for limits that were not given."""
        limits = self.renorm_clipping or {}
        return limits.get("rmin", -math.inf), limits.get("rmax", math.inf), limits.get("dmax", math.inf)

    @property
    def couples_samples(self) -> str:  # type: ignore[override]
        """Unless it is frozen, the layer needs the whole batch in training."""
        return "in_training" if self.trainable else "never"

    def expand(self, steps: Steps, inputs: list[Value], shape: tuple[int, ...], mask: Mask | None) -> Value:
        """Add the step of the layer, which reads the mask of its input."""
        if type(self).couples_samples is not BatchNormalization.couples_samples:
            raise ValueError(
                f"{type(self).__name__} {self.name!r} must not change couples_samples: where it is not frozen, the "
                "layer needs the whole batch in training."
            )
        hidden = [] if inputs[0].mask is None else [inputs[0].mask]
        return self.expand_activation(steps, steps.add(self, [*inputs, *hidden], shape), shape)

    def build(self, input_shape: Shape) -> None:
        """Create gamma, beta and the moving averages."""
        shape = self._weight_shape(input_shape)
        self._add_affine(shape, self.scale, self.center)
        self.moving_mean = self.add_weight(shape, self.moving_mean_initializer, trainable=False, name="moving_mean")
        self.moving_variance = self.add_weight(
            shape, self.moving_variance_initializer, trainable=False, name="moving_variance"
        )
        if not self.renorm:
            return

        def root_of_variance(shape: Any, dtype: Any = None) -> Any:
            return np.sqrt(self.moving_variance_initializer(shape, dtype))

        self.moving_stddev = self.add_weight(shape, root_of_variance, trainable=False, name="moving_stddev")
        self.renorm_mean = self.add_weight(shape, self.moving_mean_initializer, trainable=False, name="renorm_mean")
        self.renorm_stddev = self.add_weight(shape, root_of_variance, trainable=False, name="renorm_stddev")

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """The input's shape."""
        self._weight_shape(input_shape)
        return input_shape

    def check_built_for(self, input_shape: Shape) -> None:
        """Refuse a shape with another number of channels."""
        if self.moving_mean is None:
            return  # a subclass may make other weights; the engine reports those that are missing
        if self._weight_shape(input_shape) != self.moving_mean.shape:
            raise ValueError(
                f"BatchNormalization {self.name!r} was built for {self.moving_mean.size} channels, "
                f"but got shape {input_shape}."
            )

    def _weight_shape(self, input_shape: Shape) -> tuple[int, ...]:
        (axis,) = normalized_axes(self, self.axis, input_shape)
        return (int(input_shape[axis] or 1),)


def check_clipping(clipping: Any) -> dict[str, float] | None:
    """Check `renorm_clipping`: return it without limits that are ``None``.

    Raises
    ------
    TypeError
        If this is not a dict of numbers.
    ValueError
        If there is an unknown key, or the limits contradict each other.
    """
    if clipping is None:
        return None
    if not isinstance(clipping, dict):
        raise ArgumentTypeError(f"renorm_clipping must be a dict, but got {type(clipping).__name__}.")
    keys = ["rmax", "rmin", "dmax"]
    if not set(clipping) <= set(keys):
        raise ValueError(f"Received invalid keys for renorm_clipping: {list(clipping)}. Supported are {keys}.")
    found = {
        key: check_number(f"renorm_clipping[{key!r}]", value) for key, value in clipping.items() if value is not None
    }
    if found.get("rmax", math.inf) < found.get("rmin", -math.inf):
        raise ValueError(f"In renorm_clipping, rmax should be at least rmin, but got {clipping}.")
    if found.get("dmax", 0.0) < 0:
        raise ValueError(f"In renorm_clipping, dmax should be non-negative, but got {found['dmax']}.")
    return found
