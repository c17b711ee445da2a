"""Recurrent layers in NumPy: the way through the time steps, and what each cell does at one of them."""

from __future__ import annotations

from typing import Any

import numpy as np

from cbackprop.reference import activations, random
from cbackprop.reference.layers.layer import Array, Batch, Fit, Layer

__all__ = ["GRU", "LSTM", "GRUResetBefore", "Recurrence", "SimpleRNN"]


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
    """z = x W + b for all time steps; then, for one after the other, h and other states from z and h U.

    A subclass for each cell has `step`, which returns the new states and what the way back needs, and `back`.
    """

    def fit(self) -> Fit:
        """The shapes that the layer works on."""
        spec = self.spec
        length, features = self.input_shapes[0]
        width, units, states = spec.gates * spec.units, spec.units, spec.n_states
        inputs = [(length, features), *[(units,)] * (states if spec.takes_states else 0)]
        inputs += [(length,)] if spec.takes_mask else []
        shape: tuple[int, ...] = (length, units) if spec.return_sequences else (units,)
        if spec.return_state:
            shape = (int(np.prod(shape)) + states * units,)
        weights: dict[str, tuple[int, ...]] = {"kernel": (features, width), "recurrent_kernel": (units, width)}
        if spec.use_bias:
            weights["bias"] = (2, width) if spec.has_recurrent_bias else (width,)
        return Fit(tuple(inputs), shape, weights)

    def forward(self, inputs: list[Array], parameters: list[Array], batch: Batch) -> Array:
        """The outputs of all time steps, or the last, and the final states."""
        spec, x, n = self.spec, inputs[0], self.spec.units
        self.inner, self.outer = Function(spec.recurrent_function), Function(spec.outer_function)
        self.x, rows, length = x, len(x), x.shape[1]
        self.order = range(length)[::-1] if spec.go_backwards else range(length)
        self.mask = inputs[-1] != 0 if spec.takes_mask else np.ones((rows, length), bool)
        self.factors = self._factors(batch, rows)
        z = x @ parameters[0] + (self._bias(parameters)[0])
        states = [np.zeros((rows, n), x.dtype) for _ in range(spec.n_states)]
        if spec.takes_states:
            states = list(inputs[1 : 1 + spec.n_states])
        elif spec.lasting:
            states = [array.copy() for array in spec.lasting]
        self.kept: list[Any] = [None] * length
        outputs = np.zeros((rows, length, n), x.dtype)
        last = np.zeros((rows, n), x.dtype)
        for k, t in enumerate(self.order):
            there = self.mask[:, t, None]
            used = states[0] * self.factors
            new, self.kept[t] = self.step(z[:, t], used, states, parameters)
            states = [np.where(there, after, before) for after, before in zip(new, states, strict=True)]
            last = np.where(there, states[0], 0 if spec.zero_output_for_mask else last)
            outputs[:, t if spec.keeps_order else k] = last
        for array, state in zip(spec.lasting, states, strict=False):
            array[...] = state
        shown = outputs.reshape(rows, -1) if spec.return_sequences else last
        if spec.return_state:
            shown = np.concatenate([shown, *states], axis=1)
        return shown.reshape(rows, *self.output_shape)

    def _factors(self, batch: Batch, rows: int) -> Any:
        """What the state is multiplied by where U multiplies it."""
        keep = 1 - self.spec.recurrent_dropout
        if keep == 1 or not batch.training:
            return 1
        count = rows * self.spec.units
        stays = random.mask(
            count, keep, batch.iteration, self.spec.stream, self.node, batch.first * self.spec.units
        ).reshape(rows, self.spec.units)
        return np.where(stays, self.x.dtype.type(1 / keep if keep > 0 else 0), self.x.dtype.type(0))

    def _bias(self, parameters: list[Array]) -> Any:
        """The biases of both products."""
        if not self.spec.use_bias:
            return 0, 0
        return parameters[2] if self.spec.has_recurrent_bias else (parameters[2], 0)

    def backward(self, delta: Array, parameters: list[Array], wanted: list[bool]) -> tuple[list[Array], list[Array]]:
        """Back through the time steps, from the last to the first."""
        spec, (rows, length), n = self.spec, self.x.shape[:2], self.spec.units
        kernel = parameters[0]
        flat = delta.reshape(rows, -1)
        states = [np.zeros((rows, n), self.x.dtype) for _ in range(spec.n_states)]
        if spec.return_state:
            states = [part.copy() for part in np.split(flat[:, -spec.n_states * n :], spec.n_states, axis=1)]
            flat = flat[:, : -spec.n_states * n]
        # What reaches the last output that a sample has, by way of those that repeat it.
        repeated = np.zeros((rows, n), self.x.dtype) if spec.return_sequences else flat
        dz = np.zeros((rows, length, kernel.shape[1]), self.x.dtype)
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
            before[0] = before[0] + used * self.factors
            states = [np.where(there, b, state) for b, state in zip(before, states, strict=True)]
        gradients[0] += np.einsum("rtf,rtw->fw", self.x, dz)
        if spec.use_bias:
            first = gradients[2][0] if spec.has_recurrent_bias else gradients[2]
            first += dz.sum(axis=(0, 1))
        found = [dz @ kernel.T, *(states if spec.takes_states else [])]
        return [*found, *[self.mask] * spec.takes_mask], gradients

    def step(self, z: Array, used: Array, states: list[Array], parameters: list[Array]) -> tuple[list[Array], Any]:
        """From z of a time step, the state as U multiplies it, and all states, to the new ones; and what is kept."""
        raise NotImplementedError

    def back(
        self, deltas: list[Array], kept: Any, parameters: list[Array], gradients: list[Array]
    ) -> tuple[Array, list[Array], Array]:
        """From what reaches the new states: what reaches h by way of U, what reaches all states else, and dz.

        Adds to the gradients of U and of its bias.
        """
        raise NotImplementedError


class SimpleRNN(Recurrence):
    """h = f(z + h U)."""

    def step(self, z: Array, used: Array, states: list[Array], parameters: list[Array]) -> tuple[list[Array], Any]:
        """The new h."""
        z = z + used @ parameters[1]
        h = self.outer(z)
        return [h], (used, z, h)

    def back(
        self, deltas: list[Array], kept: Any, parameters: list[Array], gradients: list[Array]
    ) -> tuple[Array, list[Array], Array]:
        """dz = dh f'(z), dU = h^T dz."""
        used, z, h = kept
        dz = self.outer.back(deltas[0], z, h)
        gradients[1] += used.T @ dz
        return dz @ parameters[1].T, [np.zeros_like(used)], dz


class LSTM(Recurrence):
    """Gates i, f, g, o: c = f c + i g, h = o a(c)."""

    def step(self, z: Array, used: Array, states: list[Array], parameters: list[Array]) -> tuple[list[Array], Any]:
        """The new h and c."""
        gates = np.split(z + used @ parameters[1], 4, axis=1)
        i, f, g, o = self.inner(gates[0]), self.inner(gates[1]), self.outer(gates[2]), self.inner(gates[3])
        c = f * states[1] + i * g
        a = self.outer(c)
        return [o * a, c], (used, states[1], gates, (i, f, g, o), c, a)

    def back(
        self, deltas: list[Array], kept: Any, parameters: list[Array], gradients: list[Array]
    ) -> tuple[Array, list[Array], Array]:
        """The deltas of the gates, dU = h^T dz."""
        used, c_before, z, (i, f, g, o), c, a = kept
        dh, dc = deltas
        dc = dc + self.outer.back(dh * o, c, a)
        dz = np.concatenate(
            [
                self.inner.back(dc * g, z[0], i),
                self.inner.back(dc * c_before, z[1], f),
                self.outer.back(dc * i, z[2], g),
                self.inner.back(dh * a, z[3], o),
            ],
            axis=1,
        )
        gradients[1] += used.T @ dz
        return dz @ parameters[1].T, [np.zeros_like(used), dc * f], dz


class GRU(Recurrence):
    """Gates z, r and the candidate g = f(x_g + r (h U_g + b_g)): h = z h + (1 - z) g."""

    def step(self, z: Array, used: Array, states: list[Array], parameters: list[Array]) -> tuple[list[Array], Any]:
        """The new h."""
        x_z, x_r, x_g = np.split(z, 3, axis=1)
        more_z, more_r, product = np.split(used @ parameters[1] + self._bias(parameters)[1], 3, axis=1)
        x_z, x_r = x_z + more_z, x_r + more_r
        u, r = self.inner(x_z), self.inner(x_r)
        x_g = x_g + r * product
        g = self.outer(x_g)
        return [u * states[0] + (1 - u) * g], (used, states[0], product, (x_z, x_r, x_g), (u, r, g))

    def back(
        self, deltas: list[Array], kept: Any, parameters: list[Array], gradients: list[Array]
    ) -> tuple[Array, list[Array], Array]:
        """The deltas of the gates; U's product has others for the candidate."""
        used, before, product, (x_z, x_r, x_g), (u, r, g) = kept
        (dh,) = deltas
        dz = self.inner.back(dh * (before - g), x_z, u)
        dg = self.outer.back(dh * (1 - u), x_g, g)
        dr = self.inner.back(dg * product, x_r, r)
        more = np.concatenate([dz, dr, dg * r], axis=1)
        gradients[1] += used.T @ more
        if self.spec.use_bias:
            gradients[2][1] += more.sum(axis=0)
        return more @ parameters[1].T, [dh * u], np.concatenate([dz, dr, dg], axis=1)


class GRUResetBefore(Recurrence):
    """As `GRU`, but the candidate is g = f(x_g + (r h) U_g)."""

    def step(self, z: Array, used: Array, states: list[Array], parameters: list[Array]) -> tuple[list[Array], Any]:
        """The new h."""
        n = self.spec.units
        x_z, x_r, x_g = np.split(z, 3, axis=1)
        more_z, more_r = np.split(used @ parameters[1][:, : 2 * n], 2, axis=1)
        x_z, x_r = x_z + more_z, x_r + more_r
        u, r = self.inner(x_z), self.inner(x_r)
        x_g = x_g + (r * used) @ parameters[1][:, 2 * n :]
        g = self.outer(x_g)
        return [u * states[0] + (1 - u) * g], (used, states[0], (x_z, x_r, x_g), (u, r, g))

    def back(
        self, deltas: list[Array], kept: Any, parameters: list[Array], gradients: list[Array]
    ) -> tuple[Array, list[Array], Array]:
        """The deltas of the gates, of which the candidate's comes first: the reset gate is in front of it."""
        used, before, (x_z, x_r, x_g), (u, r, g) = kept
        (dh,) = deltas
        n, recurrent = self.spec.units, parameters[1]
        dz = self.inner.back(dh * (before - g), x_z, u)
        dg = self.outer.back(dh * (1 - u), x_g, g)
        through = dg @ recurrent[:, 2 * n :].T
        dr = self.inner.back(through * used, x_r, r)
        gates = np.concatenate([dz, dr], axis=1)
        gradients[1][:, : 2 * n] += used.T @ gates
        gradients[1][:, 2 * n :] += (r * used).T @ dg
        return (
            gates @ recurrent[:, : 2 * n].T + through * r,
            [dh * u],
            np.concatenate([gates, dg], axis=1),
        )
