"""split_dataset of arrays and datasets of PyTorch and JAX."""

import jax.numpy as jnp
import numpy as np
import torch

import cbackprop as cb


def test_parts_feed_a_loader_of_torch():
    x, y = torch.arange(40.0).reshape(20, 2), torch.arange(20)
    left, right = cb.utils.split_dataset([x, y], left_size=0.8, preferred_backend="torch")
    batches = list(torch.utils.data.DataLoader(left, batch_size=8))
    assert [tuple(batch[0].shape) for batch in batches] == [(8, 2), (8, 2)]
    torch.testing.assert_close(torch.cat([batch[0] for batch in batches]), x[:16])
    assert len(right) == 4
    model = cb.Sequential([cb.Input((2,)), cb.layers.Dense(1)])
    model.compile("sgd", "mse")
    assert np.isfinite(model.fit(torch.utils.data.DataLoader(left, batch_size=4), verbose=0).history["loss"][0])


def test_dataset_of_torch():
    x, y = torch.arange(40.0).reshape(20, 2), torch.arange(20)
    (a, b), (c, d) = cb.utils.split_dataset(torch.utils.data.TensorDataset(x, y), right_size=5)
    np.testing.assert_array_equal(np.concatenate([a, c]), x)
    np.testing.assert_array_equal(np.concatenate([b, d]), y)


def test_arrays_of_jax():
    x, y = jnp.arange(40.0).reshape(20, 2), jnp.arange(20)
    (a, b), (c, _) = cb.utils.split_dataset((x, y), left_size=0.5)
    assert (a.shape, b.shape, c.shape) == ((10, 2), (10,), (10, 2))
    left, _ = cb.utils.split_dataset((x, y), left_size=0.5, preferred_backend="torch")
    np.testing.assert_array_equal(left[3][0], [6.0, 7.0])
