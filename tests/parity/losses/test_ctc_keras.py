"""CTC against Keras and PyTorch: values, gradients, training, decoding."""

import inspect

import keras
import numpy as np
import pytest
import torch

import cbackprop as cb


def problem(seed):
    """Logits, and labels of any length that fit into the steps."""
    rng = np.random.default_rng(seed)
    samples, steps, classes = rng.integers([1, 4, 2], [7, 15, 8])
    most = rng.integers(1, steps // 2 + 1)
    labels = rng.integers(1, classes, size=(samples, most))
    return labels * (np.arange(most) < rng.integers(0, most + 1, size=(samples, 1))), 2 * rng.normal(
        size=(samples, steps, classes)
    )


@pytest.mark.parametrize("seed", range(12))
def test_values_and_gradients(seed):
    y, x = problem(seed)
    logits = torch.tensor(x, requires_grad=True)
    loss = torch.nn.CTCLoss(blank=0, reduction="none")(
        torch.log_softmax(logits, 2).transpose(0, 1),
        torch.tensor(y),
        torch.full((len(x),), x.shape[1]),
        torch.tensor((y != 0).sum(axis=1)),
    )
    loss.sum().backward()
    values, gradient = cb.losses.CTC(dtype="float64").sequence_values(y, x, with_gradient=True)
    np.testing.assert_allclose(values, loss.detach().numpy(), rtol=1e-10)
    np.testing.assert_allclose(gradient, logits.grad.numpy(), rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(cb.losses.ctc(y, x), keras.losses.ctc(y, torch.tensor(x)).cpu().numpy(), rtol=1e-5)
    weights = np.linspace(0.5, 2, len(x))
    for reduction in ("sum_over_batch_size", "sum", "mean", "mean_with_sample_weight", None):
        ours, theirs = (
            np.asarray(k.losses.CTC(reduction)(y, tensor(x), sample_weight=tensor(weights)))
            for k, tensor in ((cb, np.asarray), (keras, torch.tensor))
        )
        np.testing.assert_allclose(ours, theirs, rtol=1e-5)


def test_an_alignment_that_is_impossible():
    x = np.zeros((1, 2, 3))
    assert np.isinf(cb.losses.ctc([[1, 1]], x))
    assert np.isinf(keras.losses.ctc(np.array([[1, 1]]), torch.tensor(x)).cpu().numpy())


def test_arguments():
    for ours, theirs in ((cb.losses.CTC, keras.losses.CTC), (cb.utils.ctc_decode, keras.ops.ctc_decode)):
        parameters = [
            [(p.name, p.default) for p in inspect.signature(one).parameters.values()] for one in (ours, theirs)
        ]
        assert parameters[0] == parameters[1]
    assert cb.losses.CTC("sum").get_config() == keras.losses.CTC("sum").get_config() | {"dtype": "float32"}


def test_training():
    x = np.random.default_rng(0).normal(size=(40, 9, 3)).astype("float32")
    y = np.random.default_rng(0).integers(1, 5, size=(40, 3))
    models = []
    for k in (cb, keras):
        inner = [k.layers.LSTM(6, return_sequences=True), k.layers.Dense(5)]
        model = k.Sequential([k.Input((9, 3)), *inner])
        model.compile(k.optimizers.Adam(0.01), "ctc")
        models.append(model)
    models[0].set_weights(models[1].get_weights())
    histories = [model.fit(x, y, batch_size=8, epochs=3, shuffle=False, verbose=0).history["loss"] for model in models]
    np.testing.assert_allclose(*histories, rtol=1e-4)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("merge", [True, False])
def test_greedy_decoding(seed, merge):
    _, x = problem(seed)
    lengths = np.random.default_rng(seed).integers(1, x.shape[1] + 1, size=len(x))
    blank = seed % x.shape[2]
    ours = cb.utils.ctc_decode(x, lengths, merge_repeated=merge, mask_index=blank)
    theirs = keras.ops.ctc_decode(torch.tensor(x), lengths, merge_repeated=merge, mask_index=blank)
    np.testing.assert_array_equal(ours[0], theirs[0].cpu().numpy())
    np.testing.assert_allclose(ours[1], theirs[1].cpu().numpy(), rtol=1e-6)


@pytest.mark.parametrize("seed", range(8))
def test_beam_search(seed):
    _, x = problem(seed)
    lengths = np.random.default_rng(seed).integers(2, x.shape[1] + 1, size=len(x))
    options = {"strategy": "beam_search", "beam_width": 20, "top_paths": 2, "mask_index": seed % x.shape[2]}
    ours = cb.utils.ctc_decode(x, lengths, **options)
    theirs = [part.cpu().numpy() for part in keras.ops.ctc_decode(torch.tensor(x), lengths, **options)]
    np.testing.assert_array_equal(ours[0], theirs[0])
    # Keras adds up some hundreds of probabilities in float32, of which the largest are nearly 1.
    np.testing.assert_allclose(ours[1], theirs[1], rtol=1e-5, atol=1e-6)
