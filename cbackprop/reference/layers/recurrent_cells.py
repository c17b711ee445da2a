"""The cells of recurrent layers in NumPy, each for one time step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from cbackprop.reference.layers.layer import Array
from cbackprop.reference.layers.recurrence import Recurrence, times, times_back

__all__ = ["GRU", "LSTM", "GRUResetBefore", "SimpleRNN"]


def named(letters: str, zs: Sequence[Array], gates: Sequence[Array]) -> dict[str, Array]:
    """z of each gate and its value, by the gate's letter."""
    inner = {f"z of {letter}": z for letter, z in zip(letters, zs, strict=True)}
    return inner | dict(zip(letters, gates, strict=True))


class SimpleRNN(Recurrence):
    """h = f(z + h U)."""

    def step(self, z: Array, used: Array, states: list[Array], parameters: list[Array]) -> tuple[list[Array], Any]:
        """The new h."""
        z = z + self.product(used, parameters)
        h = self.outer(z)
        return [h], (used, z, h)

    def parts(self, kept: Any) -> dict[str, Array]:
        """z, from x and h together."""
        return {"z": kept[1]}

    def back(
        self, deltas: list[Array], kept: Any, parameters: list[Array], gradients: list[Array]
    ) -> tuple[Array, list[Array], Array]:
        """dz = dh f'(z), dU = h^T dz."""
        used, z, h = kept
        dz = self.outer.back(deltas[0], z, h)
        return self.product_back(used, dz, parameters, gradients), [np.zeros_like(h)], dz


class LSTM(Recurrence):
    """Gates i, f, g, o of each position: c = f c + i g, h = o a(c)."""

    # The number of units of a position; the gates of a position are side by side. None: all units are one position.
    block: int | None = None

    def _gates(self, z: Array) -> list[Array]:
        """Each gate of all positions."""
        return np.split(z.reshape(-1, 4 * (self.block or self.spec.units)), 4, axis=1)

    def step(self, z: Array, used: Array, states: list[Array], parameters: list[Array]) -> tuple[list[Array], Any]:
        """The new h and c."""
        gates = self._gates(z + self.product(used, parameters))
        i, f, g, o = self.inner(gates[0]), self.inner(gates[1]), self.outer(gates[2]), self.inner(gates[3])
        before = states[1].reshape(f.shape)
        c = f * before + i * g
        a = self.outer(c)
        new = [(o * a).reshape(len(z), -1), c.reshape(len(z), -1)]
        return new, (used, before, gates, (i, f, g, o), c, a)

    def parts(self, kept: Any) -> dict[str, Array]:
        """z and the value of each gate."""
        rows = len(kept[0])
        return named("ifgo", *([gate.reshape(rows, -1) for gate in gates] for gates in (kept[2], kept[3])))

    def back(
        self, deltas: list[Array], kept: Any, parameters: list[Array], gradients: list[Array]
    ) -> tuple[Array, list[Array], Array]:
        """The deltas of the gates, dU = h^T dz."""
        used, c_before, z, (i, f, g, o), c, a = kept
        rows = len(deltas[0])
        dh, dc = (delta.reshape(c.shape) for delta in deltas)
        dc = dc + self.outer.back(dh * o, c, a)
        dz = np.concatenate(
            [
                self.inner.back(dc * g, z[0], i),
                self.inner.back(dc * c_before, z[1], f),
                self.outer.back(dc * i, z[2], g),
                self.inner.back(dh * a, z[3], o),
            ],
            axis=1,
        ).reshape(rows, -1)
        through = self.product_back(used, dz, parameters, gradients)
        return through, [np.zeros_like(deltas[0]), (dc * f).reshape(rows, -1)], dz


class GRU(Recurrence):
    """Gates z, r and the candidate g = f(x_g + r (h U_g + b_g)): h = z h + (1 - z) g."""

    def step(self, z: Array, used: Array, states: list[Array], parameters: list[Array]) -> tuple[list[Array], Any]:
        """The new h."""
        x_z, x_r, x_g = np.split(z, 3, axis=1)
        more_z, more_r, product = np.split(self.product(used, parameters) + self._bias(parameters)[1], 3, axis=1)
        x_z, x_r = x_z + more_z, x_r + more_r
        u, r = self.inner(x_z), self.inner(x_r)
        x_g = x_g + r * product
        g = self.outer(x_g)
        return [u * states[0] + (1 - u) * g], (used, states[0], product, (x_z, x_r, x_g), (u, r, g))

    def parts(self, kept: Any) -> dict[str, Array]:
        """z and the value of each gate."""
        return named("zrg", *kept[-2:])

    def back(
        self, deltas: list[Array], kept: Any, parameters: list[Array], gradients: list[Array]
    ) -> tuple[Array, list[Array], Array]:
        """The deltas of the gates. For the candidate, the product with U has a different delta."""
        used, before, product, (x_z, x_r, x_g), (u, r, g) = kept
        (dh,) = deltas
        dz = self.inner.back(dh * (before - g), x_z, u)
        dg = self.outer.back(dh * (1 - u), x_g, g)
        dr = self.inner.back(dg * product, x_r, r)
        more = np.concatenate([dz, dr, dg * r], axis=1)
        if self.spec.use_bias:
            gradients[2][1] += more.sum(axis=0)
        through = self.product_back(used, more, parameters, gradients)
        return through, [dh * u], np.concatenate([dz, dr, dg], axis=1)


class GRUResetBefore(Recurrence):
    """As `GRU`, but the candidate is g = f(x_g + (r h) U_g)."""

    def step(self, z: Array, used: Array, states: list[Array], parameters: list[Array]) -> tuple[list[Array], Any]:
        """The new h."""
        n = self.spec.units
        x_z, x_r, x_g = np.split(z, 3, axis=1)
        # The states for both gates, and the state for the candidate.
        gates, own = used[:, :2], used[:, -1]
        more_z, more_r = np.split(times(gates, parameters[1][:, : 2 * n]), 2, axis=1)
        x_z, x_r = x_z + more_z, x_r + more_r
        u, r = self.inner(x_z), self.inner(x_r)
        x_g = x_g + (r * own) @ parameters[1][:, 2 * n :]
        g = self.outer(x_g)
        return [u * states[0] + (1 - u) * g], (used, states[0], (x_z, x_r, x_g), (u, r, g))

    def parts(self, kept: Any) -> dict[str, Array]:
        """z and the value of each gate."""
        return named("zrg", *kept[-2:])

    def back(
        self, deltas: list[Array], kept: Any, parameters: list[Array], gradients: list[Array]
    ) -> tuple[Array, list[Array], Array]:
        """The deltas of the gates. The candidate comes first, because the reset gate's delta depends on it."""
        used, before, (x_z, x_r, x_g), (u, r, g) = kept
        (dh,) = deltas
        n, recurrent, own = self.spec.units, parameters[1], used[:, -1]
        dz = self.inner.back(dh * (before - g), x_z, u)
        dg = self.outer.back(dh * (1 - u), x_g, g)
        through = dg @ recurrent[:, 2 * n :].T
        dr = self.inner.back(through * own, x_r, r)
        gates = np.concatenate([dz, dr], axis=1)
        reached = np.zeros_like(used)
        reached[:, :2] = times_back(used[:, :2], gates, recurrent[:, : 2 * n], gradients[1][:, : 2 * n])
        reached[:, -1] += through * r
        gradients[1][:, 2 * n :] += (r * own).T @ dg
        return reached, [dh * u], np.concatenate([gates, dg], axis=1)
