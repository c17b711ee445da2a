"""Recurrent layers in NumPy: the loop over time steps. Cells are in `recurrent_cells`."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from cbackprop.reference import activations, random
from cbackprop.reference.layers.layer import Array, Batch, Fit, Layer

__all__ = ["Function", "Recurrence"]


class Function:
    """A function of gates, and its derivative."""

    def __init__(self, kernel: Any) -> None:
        self.numbers = kernel.numbers if kernel.axis is None else (-1,)
        self.forward_of, self.backward_of = activations.pair(kernel.name)

    def __call__(self, x: Array) -> Array:
        """f(x)."""
        return self.forward_of(x, *self.numbers)

    def back(self, delta: Array, x: Array, y: Array) -> Array:
        """delta f'(x), where y = f(x)."""
        return self.backward_of(delta, x, y, *self.numbers)


class Recurrence(Layer):
    """z = x W + b for all time steps; then, one time step after the other, h and other states from z and h U.

    A subclass for each cell has `step`, which returns the new states and values for the backward pass, and `back`.
    """

    @property
    def state_shape(self) -> tuple[int, ...]:
        """The shape of a state of a sample."""
        return (self.spec.units,)

    def weight_shapes(self) -> dict[str, tuple[int, ...]]:
        """The shapes of W, U and b."""
        spec = self.spec
        width, features = spec.gates * spec.units, self.input_shapes[0][1] // spec.input_masks
        bias = (2, width) if spec.has_recurrent_bias else (width,)
        return {"kernel": (features, width), "recurrent_kernel": (spec.units, width), "bias": bias}

    def fit(self) -> Fit:
        """The shapes that the layer works on."""
        spec, length, state = self.spec, self.input_shapes[0][0], self.state_shape
        inputs = [self.input_shapes[0], *[state] * (spec.n_states if spec.takes_states else 0)]
        inputs += [(length,)] if spec.takes_mask else []
        shape = (length, *state) if spec.return_sequences else state
        if spec.return_state:
            shape = (math.prod(shape) + spec.n_states * math.prod(state),)
        weights = self.weight_shapes()
        if not spec.use_bias:
            del weights["bias"]
        return Fit(tuple(inputs), shape, weights)

    def forward(self, inputs: list[Array], parameters: list[Array], batch: Batch) -> Array:
        """The outputs of all time steps, or the last, and the final states."""
        spec, x, n = self.spec, inputs[0], self.spec.units
        self.inner, self.outer = Function(spec.recurrent_function), Function(spec.outer_function)
        self.x, rows, length = x, len(x), x.shape[1]
        self.order = range(length)[::-1] if spec.go_backwards else range(length)
        self.mask = inputs[-1] != 0 if spec.takes_mask else np.ones((rows, length), bool)
        self.factors = self._factors(batch, rows)
        z = self.project(x, parameters)
        states = [np.zeros((rows, n), x.dtype) for _ in range(spec.n_states)]
        if spec.takes_states:
            states = [state.reshape(rows, n) for state in inputs[1 : 1 + spec.n_states]]
        elif spec.lasting:
            states = [array.reshape(rows, n).copy() for array in spec.lasting]
        self.kept: list[Any] = [None] * length
        self.passed: list[Any] = [None] * length  # the states before and after each time step
        outputs = np.zeros((rows, length, n), x.dtype)
        last = np.zeros((rows, n), x.dtype)
        for k, t in enumerate(self.order):
            there = self.mask[:, t, None]
            used = self.spread(states[0]) * self.factors
            new, self.kept[t] = self.step(z[:, t], used, states, parameters)
            before = states
            states = [np.where(there, after, old) for after, old in zip(new, before, strict=True)]
            self.passed[t] = before, states
            last = np.where(there, states[0], 0 if spec.zero_output_for_mask else last)
            outputs[:, t if spec.keeps_order else k] = last
        for array, state in zip(spec.lasting, states, strict=False):
            array[...] = state.reshape(array.shape)
        shown = outputs.reshape(rows, -1) if spec.return_sequences else last
        if spec.return_state:
            shown = np.concatenate([shown, *states], axis=1)
        return shown.reshape(rows, *self.output_shape)

    def spread(self, h: Array) -> Array:
        """The states as (rows, masks, units), with an axis for the dropout masks of the gates; its size may be 1."""
        return h[:, None]

    def mask_shape(self, rows: int) -> tuple[int, ...]:
        """The shape of the states' dropout factors."""
        return rows, self.spec.recurrent_masks, self.spec.units

    def _factors(self, batch: Batch, rows: int) -> Any:
        """The dropout factors of the states that are multiplied with U."""
        spec, keep, shape = self.spec, 1 - self.spec.recurrent_rate, self.mask_shape(rows)
        one, zero = self.x.dtype.type(1), self.x.dtype.type(0)
        if keep == 1 or not batch.training:
            return np.full(shape, one)
        width = math.prod(shape[1:])
        stays = random.mask(rows * width, keep, batch.iteration, spec.stream, self.node, batch.first * width)
        return np.where(stays.reshape(shape), self.x.dtype.type(1 / keep if keep > 0 else 0), zero)

    def product(self, used: Array, parameters: list[Array]) -> Array:
        """The states' term of z: (rows, width)."""
        return times(used, parameters[1])

    def product_back(self, used: Array, dz: Array, parameters: list[Array], gradients: list[Array]) -> Array:
        """The delta of `used`. Adds to the gradient of U."""
        return times_back(used, dz, parameters[1], gradients[1])

    def project(self, x: Array, parameters: list[Array]) -> Array:
        """z = x W + b of all time steps. If gates drop different inputs, x has a copy for each gate, side by side."""
        z = times(x.reshape(*x.shape[:2], self.spec.input_masks, -1), parameters[0])
        return z + self._bias(parameters)[0]

    def project_back(self, dz: Array, parameters: list[Array], gradients: list[Array]) -> Array:
        """Return dx = dz W^T, and add to the gradients of W and b."""
        spec = self.spec
        inputs = self.x.reshape(*self.x.shape[:2], spec.input_masks, -1)
        if spec.use_bias:
            first = gradients[2][0] if spec.has_recurrent_bias else gradients[2]
            first += dz.sum(axis=(0, 1))
        return times_back(inputs, dz, parameters[0], gradients[0]).reshape(self.x.shape)

    def _bias(self, parameters: list[Array]) -> Any:
        """The biases of both products."""
        if not self.spec.use_bias:
            return 0, 0
        return parameters[2] if self.spec.has_recurrent_bias else (parameters[2], 0)

    def backward(self, delta: Array, parameters: list[Array], wanted: list[bool]) -> tuple[list[Array], list[Array]]:
        """Back through the time steps, from the last to the first."""
        spec, (rows, length), n = self.spec, self.x.shape[:2], self.spec.units
        flat = delta.reshape(rows, -1)
        states = [np.zeros((rows, n), self.x.dtype) for _ in range(spec.n_states)]
        if spec.return_state:
            states = [part.copy() for part in np.split(flat[:, -spec.n_states * n :], spec.n_states, axis=1)]
            flat = flat[:, : -spec.n_states * n]
        # Masked time steps repeat the output before them. The sum of their deltas goes to the last unmasked output.
        repeated = np.zeros((rows, n), self.x.dtype) if spec.return_sequences else flat
        dz = np.zeros((rows, length, spec.gates * n), self.x.dtype)
        gradients = [np.zeros_like(parameter) for parameter in parameters]
        for k in reversed(range(length)):
            t = self.order[k]
            there = self.mask[:, t, None]
            if spec.return_sequences:
                repeated = repeated + flat.reshape(rows, length, n)[:, t if spec.keeps_order else k]
            arrived = [states[0] + repeated, *states[1:]]
            repeated = np.where(there, 0, 0 if spec.zero_output_for_mask else repeated)
            used, before, dz[:, t] = self.back(
                [np.where(there, state, 0) for state in arrived], self.kept[t], parameters, gradients
            )
            before[0] = before[0] + (used * self.factors).sum(axis=-2).reshape(rows, n)
            states = [np.where(there, b, state) for b, state in zip(before, states, strict=True)]
        self.dz = dz
        found = [self.project_back(dz, parameters, gradients)]
        found += [state.reshape(rows, *self.state_shape) for state in states] if spec.takes_states else []
        return [*found, *[self.mask] * spec.takes_mask], gradients

    def time_steps(self, with_deltas: bool) -> dict[str, Array]:
        """The numbers of each time step, (batch, time, ...), after both passes: states, `parts`, and dz."""
        names = ("h", "c")[: self.spec.n_states]
        steps = []
        for kept, (before, after) in zip(self.kept, self.passed, strict=True):
            old = {f"{name} before": state for name, state in zip(names, before, strict=True)}
            steps.append(old | self.parts(kept) | dict(zip(names, after, strict=True)))
        found = {name: np.stack([step[name] for step in steps], axis=1) for name in steps[0]}
        return found | ({"delta": self.dz} if with_deltas else {})

    def parts(self, kept: Any) -> dict[str, Array]:
        """z and gates of a time step, by the names in the cell's formula, from the values that `step` kept."""
        return {}

    def step(self, z: Array, used: Array, states: list[Array], parameters: list[Array]) -> tuple[list[Array], Any]:
        """Compute the new states, and values to keep for `back`, from z of a time step and the states.

        `used` is the state that is multiplied with U, (rows, masks, units), with a copy for each gate if gates drop
        different units.
        """
        raise NotImplementedError

    def back(
        self, deltas: list[Array], kept: Any, parameters: list[Array], gradients: list[Array]
    ) -> tuple[Array, list[Array], Array]:
        """From the deltas of the new states: the delta of h through U, the other deltas of all states, and dz.

        Adds to the gradients of U and of its bias.
        """
        raise NotImplementedError


def times(a: Array, matrix: Array) -> Array:
    """a (..., groups, n) times a matrix (n, columns): each group times its own part of the columns."""
    parts = np.split(matrix, a.shape[-2], axis=-1)
    return np.concatenate([a[..., g, :] @ part for g, part in enumerate(parts)], axis=-1)


def times_back(a: Array, delta: Array, matrix: Array, gradient: Array) -> Array:
    """The delta of a, from the delta of ``times(a, matrix)``. Adds to the gradient of the matrix."""
    parts = np.split(matrix, a.shape[-2], axis=-1)
    deltas, sums = np.split(delta, len(parts), axis=-1), np.split(gradient, len(parts), axis=-1)
    for g, total in enumerate(sums):
        total += a[..., g, :].reshape(-1, a.shape[-1]).T @ deltas[g].reshape(-1, deltas[g].shape[-1])
    return np.stack([d @ part.T for d, part in zip(deltas, parts, strict=True)], axis=-2)
