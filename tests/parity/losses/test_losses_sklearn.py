"""Losses that Keras does not have, against scikit-learn's and PyTorch's."""

import numpy as np
import pytest
import torch
from sklearn.metrics import mean_pinball_loss

from cbackprop import losses


@pytest.mark.parametrize("quantile", [0.1, 0.5, 0.8])
def test_quantile(quantile, rng):
    y_true, y_pred, weights = rng.normal(size=(30, 3)), rng.normal(size=(30, 3)), rng.uniform(size=30)
    loss = losses.Quantile(quantile, "mean_with_sample_weight", dtype="float64")
    expected = mean_pinball_loss(y_true, y_pred, sample_weight=weights, alpha=quantile)
    assert float(loss(y_true, y_pred, sample_weight=weights)) == pytest.approx(expected, rel=1e-12)


def test_gaussian_negative_log_likelihood(rng):
    y_true, y_pred = rng.normal(size=(30, 3)), rng.normal(size=(30, 6))
    mean, log_variance = (torch.tensor(half) for half in np.split(y_pred, 2, axis=1))
    expected = torch.nn.GaussianNLLLoss(full=True)(mean, torch.tensor(y_true), log_variance.exp())
    loss = losses.GaussianNegativeLogLikelihood(dtype="float64")
    assert float(loss(y_true, y_pred)) == pytest.approx(expected.item(), rel=1e-12)
