"""Normalization of channels over a batch, in NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np

from cbackprop.reference.layers.layer import Array, Batch, Fit, Layer

__all__ = ["BatchNormalization"]


class BatchNormalization(Layer):
    """y = gamma u + beta with u = (x - mean) / sqrt(variance + epsilon), each of shape (channels,).

    In training dx = gamma (g - mean(g) - u mean(g u)) / sqrt(variance + epsilon), with g = dy and means over the
    batch. Moving averages do not depend on x, so with them dx = gamma g / sqrt(variance + epsilon). If the input has a
    mask, only unmasked elements count in mean and variance and get a gradient through them.
    """

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.frozen = not self.spec.trainable
        ndim = len(self.output_shape) + 1
        axis = self.spec.axis % ndim
        self.others = tuple(other for other in range(ndim) if other != axis)
        self.shape = tuple(-1 if other == axis else 1 for other in range(ndim))

    def fit(self) -> Fit:
        """The shapes that the layer works on."""
        shape = self.input_shapes[0]
        axis = self.spec.axis % (len(shape) + 1) - 1
        names = ["gamma"] * self.spec.scale + ["beta"] * self.spec.center + ["moving_mean", "moving_variance"]
        names += ["moving_stddev", "renorm_mean", "renorm_stddev"] if self.spec.renorm else []
        masks = [shape[:-1]] if len(self.input_shapes) > 1 else []
        return Fit((shape, *masks), shape, dict.fromkeys(names, (shape[axis],)))

    def forward(self, inputs: list[Array], parameters: list[Array], batch: Batch) -> Array:
        """The normalized input."""
        x = inputs[0].astype(np.float64)
        self.own = batch.training and not self.frozen
        shown = inputs[1][..., np.newaxis] if len(inputs) > 1 else np.ones_like(x)
        self.shown = np.broadcast_to(shown, x.shape).astype(np.float64)
        self.size = self.shown.sum(axis=self.others, keepdims=True) + (1e-7 if len(inputs) > 1 else 0)
        if self.own:
            mean = (x * self.shown).sum(axis=self.others, keepdims=True) / self.size
            variance = ((x - mean) ** 2 * self.shown).sum(axis=self.others, keepdims=True) / self.size
            self.mean, self.variance = mean.ravel(), variance.ravel()
        else:
            self.mean, self.variance = (moving.astype(np.float64) for moving in self._moving(parameters)[:2])
        self.inverse = 1 / np.sqrt(self.variance + self.spec.epsilon).reshape(self.shape)
        self.u = (x - self.mean.reshape(self.shape)) * self.inverse
        self._renormalize(parameters)
        self.scaled = self.u * self.factor + self.shift
        y = self.scaled * parameters[0].reshape(self.shape) if self.spec.scale else self.scaled
        if self.spec.center:
            y = y + parameters[int(self.spec.scale)].reshape(self.shape)
        return y.astype(inputs[0].dtype)

    def backward(self, delta: Array, parameters: list[Array], wanted: list[bool]) -> tuple[list[Array], list[Array]]:
        """Sums over all axes except the channels."""
        g = delta.astype(np.float64)
        dx = g
        if self.own:
            through_mean = g.sum(axis=self.others, keepdims=True) / self.size
            through_variance = self.u * (g * self.u).sum(axis=self.others, keepdims=True) / self.size
            dx = g - self.shown * (through_mean + through_variance)
        dx = dx * self.inverse * self.factor
        if self.spec.scale:
            dx = dx * parameters[0].reshape(self.shape)
        sums = [g * self.scaled] * self.spec.scale + [g] * self.spec.center
        gradients = [s.sum(axis=self.others).astype(delta.dtype) for s in sums]
        unwanted = [delta] * (len(wanted) - 1)  # masks get no gradient
        return [dx.astype(delta.dtype), *unwanted], gradients + [np.zeros_like(p) for p in self._moving(parameters)]

    def _moving(self, parameters: list[Array]) -> list[Array]:
        """The moving averages: mean and variance; with renorm also moving_stddev, renorm_mean and renorm_stddev."""
        return parameters[self.spec.scale + self.spec.center :]

    def _renormalize(self, parameters: list[Array]) -> None:
        """Compute r and d, which turn the batch's statistics into moving ones. Gradients treat them as fixed."""
        self.factor, self.shift = np.ones(1), np.zeros(1)
        self.deviation = np.sqrt(self.variance + self.spec.epsilon)
        if not (self.spec.renorm and self.own):
            return
        _, _, _, mean, deviation = (moving.astype(np.float64) for moving in self._moving(parameters))
        least, most, farthest = self.spec.renorm_limits
        usual = np.maximum(deviation, np.sqrt(self.spec.epsilon))
        self.factor = np.clip(self.deviation / usual, least, most).reshape(self.shape)
        self.shift = np.clip((self.mean - mean) / usual, -farthest, farthest).reshape(self.shape)

    def finish(self, parameters: list[Array]) -> None:
        """Update the moving averages."""
        if not self.own:
            return
        moving = self._moving(parameters)
        if not self.spec.renorm:
            for average, new in zip(moving, (self.mean, self.variance), strict=True):
                _move(average, self.spec.momentum, new)
            return
        mean, variance, deviation, renorm_mean, renorm_deviation = moving
        _move(mean, self.spec.momentum, self.mean)
        _move(deviation, self.spec.momentum, self.deviation)
        variance[...] = np.maximum(deviation * deviation - deviation.dtype.type(self.spec.epsilon), 0)
        _move(renorm_mean, self.spec.renorm_momentum, self.mean)
        _move(renorm_deviation, self.spec.renorm_momentum, self.deviation)


def _move(average: Array, momentum: float, new: Array) -> None:
    average[...] = momentum * average + (1 - momentum) * new
