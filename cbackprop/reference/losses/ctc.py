"""Connectionist temporal classification in NumPy, for all samples of a batch at once."""

from __future__ import annotations

import numpy as np

from cbackprop.reference.losses.row_function import Array, RowFunction

__all__ = ["CTC"]


class CTC(RowFunction):
    """-log of the sum of the probabilities of all alignments; all rows of a sample get its value, or their share.

    alpha[t, s] is the logarithm of the probability that the steps up to t emit the symbols up to s; beta[t, s] is that
    of the probability that the steps after t emit the symbols from s on.
    """

    reads = "given"

    def evaluate(self, y_true: Array, y_pred: Array) -> tuple[Array, Array, Array | None]:
        """With p the softmax of the logits: p(k at t) - p(k at t | labels)."""
        steps, classes = self.sample_shape
        x = y_pred.reshape(-1, steps, classes).astype(np.float64)
        log_p = x - np.logaddexp.reduce(x, axis=2, keepdims=True)
        labels = y_true.astype(np.int64)
        symbols = np.zeros((len(x), 2 * labels.shape[1] + 1), np.int64)
        symbols[:, 1::2] = labels
        last = 2 * (labels != 0).sum(axis=1)
        skips = np.zeros(symbols.shape, bool)
        skips[:, 2:] = (symbols[:, 2:] != 0) & (symbols[:, 2:] != symbols[:, :-2])
        emitted = np.take_along_axis(log_p, symbols[:, None, :], axis=2)
        with np.errstate(invalid="ignore"):
            alpha, beta = self._alpha(emitted, skips), self._beta(emitted, skips, last)
            likelihood = np.logaddexp.reduce(alpha[:, 0] + beta[:, 0], axis=1)
            weights = np.exp(alpha + beta - likelihood[:, None, None])
        gradient = np.exp(log_p)
        sample, step = np.ogrid[: len(x), :steps]
        np.subtract.at(gradient, (sample[..., None], step[..., None], symbols[:, None, :]), weights)
        gradient[np.isneginf(likelihood)] = 0
        self.rows = steps
        self.share = 1 / steps if self.spec.reduction == "sum" else 1.0
        values = np.repeat(-likelihood * self.share, steps)
        return y_pred, values, (gradient * self.share).reshape(y_pred.shape).astype(y_pred.dtype)

    def _alpha(self, emitted: Array, skips: Array) -> Array:
        """Forwards in time."""
        alpha = np.full(emitted.shape, -np.inf)
        alpha[:, 0, :2] = emitted[:, 0, :2]
        for t in range(1, emitted.shape[1]):
            before = alpha[:, t - 1]
            alpha[:, t] = before
            alpha[:, t, 1:] = np.logaddexp(alpha[:, t, 1:], before[:, :-1])
            alpha[:, t, 2:] = np.logaddexp(alpha[:, t, 2:], np.where(skips[:, 2:], before[:, :-2], -np.inf))
            alpha[:, t] += emitted[:, t]
        return alpha

    def _beta(self, emitted: Array, skips: Array, last: Array) -> Array:
        """Backwards in time. Only the last label and the blank after it may be the end."""
        beta = np.full(emitted.shape, -np.inf)
        places = np.arange(emitted.shape[2])
        ends = (places == last[:, None]) | ((places == last[:, None] - 1) & (last[:, None] > 0))
        beta[:, -1] = np.where(ends, 0.0, -np.inf)
        for t in range(emitted.shape[1] - 2, -1, -1):
            behind = beta[:, t + 1] + emitted[:, t + 1]
            beta[:, t] = behind
            beta[:, t, :-1] = np.logaddexp(beta[:, t, :-1], behind[:, 1:])
            beta[:, t, :-2] = np.logaddexp(beta[:, t, :-2], np.where(skips[:, 2:], behind[:, 2:], -np.inf))
        return beta

    def spread(self, coefficients: Array) -> Array:
        """Rows of a sample share their coefficients."""
        return np.repeat(coefficients.reshape(-1, self.rows).sum(axis=1), self.rows)
