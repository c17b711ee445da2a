"""Losses of estimators. As in scikit-learn, they are divided by the sum of the sample weights."""

from __future__ import annotations

from typing import Any

from cbackprop import losses

__all__ = ["own_loss", "reduced"]


def reduced(loss: losses.Loss) -> losses.Loss:
    """Let `loss` divide by the sum of the weights of a batch, and return it."""
    loss.reduction = "mean_with_sample_weight"
    return loss


def own_loss(given: Any) -> losses.Loss:
    """The loss given by a name or a function, divided by the sum of weights; an object unchanged."""
    return given if isinstance(given, losses.Loss) else reduced(losses.as_loss(given))
