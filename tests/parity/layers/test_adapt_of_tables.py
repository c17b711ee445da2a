"""Normalization and Discretization look at the tables and loaders of other libraries."""

import numpy as np
import pandas
import polars
import pyarrow
import pytest
import torch

from cbackprop import layers

X = np.random.default_rng(0).normal(3, 2, (24, 3)).astype("float32")
TABLES = {
    "pandas": lambda: pandas.DataFrame(X, columns=list("abc")),
    "polars": lambda: polars.DataFrame(X, schema=list("abc")),
    "pyarrow": lambda: pyarrow.table({name: X[:, i] for i, name in enumerate("abc")}),
    "tensor": lambda: torch.tensor(X),
    "loader": lambda: torch.utils.data.DataLoader(
        torch.utils.data.TensorDataset(torch.tensor(X), torch.zeros(24)), batch_size=8
    ),
}


@pytest.mark.parametrize("make", TABLES.values(), ids=TABLES)
def test_means_and_bins(make):
    layer = layers.Normalization()
    layer.adapt(make())
    np.testing.assert_allclose(layer.mean, X.mean(0, keepdims=True, dtype="float64"), rtol=1e-5)
    np.testing.assert_allclose(layer.variance, X.var(0, keepdims=True, dtype="float64"), rtol=1e-5)
    layer = layers.Discretization(num_bins=4)
    layer.adapt(make())
    np.testing.assert_allclose(layer.bin_boundaries, np.quantile(X, [0.25, 0.5, 0.75]), atol=0.2)
