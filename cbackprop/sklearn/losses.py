"""Losses as estimators want them: divided by the sum of weights, as scikit-learn divides them."""

from __future__ import annotations

from typing import Any

from cbackprop import losses

__all__ = ["own_loss", "reduced"]


def reduced(loss: losses.Loss) -> losses.Loss:
    """`loss`, made to divide by the sum of the weights of a batch."""
    loss.reduction = "mean_with_sample_weight"
    return loss


def own_loss(given: Any) -> losses.Loss:
    """The loss that a name or a function stands for, divided by the sum of weights; an object as it is."""
    return given if isinstance(given, losses.Loss) else reduced(losses.as_loss(given))
