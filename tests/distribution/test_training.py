"""Several ranks train a model to the numbers that one process gets."""

from pathlib import Path

import numpy as np
import pytest
import rank_cases
from mpi_ranks import needs_mpi, succeed

pytestmark = needs_mpi
PROGRAM = Path(rank_cases.__file__).read_text(encoding="utf-8")
NAMES = list(rank_cases.CASES)


def trained(folder, ranks, kind, dtype, *names):
    """The arrays that rank 0 has written, by case and name."""
    path = folder / f"{kind}-{ranks}.npz"
    succeed(ranks, folder, PROGRAM, kind, path, dtype, *names, alone=kind == "alone")
    with np.load(path) as found:
        return {name: found[name] for name in found.files}


@pytest.fixture(scope="module")
def alone_and_three(tmp_path_factory):
    folder = tmp_path_factory.mktemp("three")
    return trained(folder, 1, "alone", "float64"), trained(folder, 3, "ranks", "float64")


@pytest.fixture(scope="module")
def in_order(tmp_path_factory):
    folder = tmp_path_factory.mktemp("in_order")
    return {ranks: trained(folder, ranks, "in_order", "float32") for ranks in (1, 2, 4, 8)}


def of_case(found, case):
    mine = {name: value for name, value in found.items() if name.partition("/")[0] == case}
    assert mine
    return mine


@pytest.mark.parametrize("kind", ["two_machines", "no_shared_memory"])
@pytest.mark.parametrize("ranks", [4, 8])
def test_the_bits_do_not_depend_on_where_the_ranks_are(tmp_path, in_order, ranks, kind):
    names = ["classes", "dropout_and_penalties", "frozen_and_clipped", "masks_over_weights", "one_step"]
    found = trained(tmp_path, ranks, kind, "float32", *names)
    for name, value in found.items():
        if "/weight " in name:
            assert value.tobytes() == in_order[1][name].tobytes(), name


# These layers see only the samples of one rank: see below.
APART = [name for name in NAMES if "BatchNormalization" in name]


@pytest.mark.parametrize("case", [name for name in NAMES if name not in APART])
def test_three_ranks_compute_what_one_process_does(alone_and_three, case):
    alone, three = (of_case(found, case) for found in alone_and_three)
    assert set(alone) == set(three)
    for name, expected in alone.items():
        np.testing.assert_allclose(three[name], expected, rtol=1e-11, atol=1e-12, err_msg=name)


@pytest.mark.parametrize("case", NAMES)
@pytest.mark.parametrize("ranks", [2, 4, 8])
def test_the_bits_do_not_depend_on_the_number_of_ranks(in_order, ranks, case):
    one, several = of_case(in_order[1], case), of_case(in_order[ranks], case)
    if f"{case}/refused" in one:
        assert f"{case}/refused" in several
        return
    weights = [name for name in one if "/weight " in name]
    assert weights
    for name in weights:
        assert one[name].tobytes() == several[name].tobytes(), name
    for name in set(one) - set(weights):
        np.testing.assert_allclose(several[name], one[name], rtol=1e-6, atol=1e-7, err_msg=name)


@pytest.mark.parametrize("case", APART)
def test_layers_that_see_the_samples_of_one_rank(alone_and_three, in_order, case):
    assert f"{case}/refused" in of_case(in_order[2], case)
    alone, three = (of_case(found, case) for found in alone_and_three)
    for name, expected in alone.items():
        assert three[name].shape == expected.shape
        assert np.isfinite(three[name]).all()


STATISTICS = """
    import sys
    import numpy as np
    import cbackprop as cb

    cb.distribution.set_distribution(ranks := cb.distribution.DataParallel())
    x = np.random.default_rng(0).normal(size=(20, 3))
    for train in ("fit", "train_on_batch"):
        model = cb.Sequential([cb.Input((3,)), cb.layers.BatchNormalization(momentum=0.9), cb.layers.Dense(1)])
        model.compile("sgd", "mse")
        if train == "fit":
            model.fit(x, x[:, :1], batch_size=20, shuffle=False, verbose=0)
        else:
            model.train_on_batch(x, x[:, :1])
        halves = [x[:10], x[10:]]
        mean = 0.1 * np.mean([half.mean(axis=0) for half in halves], axis=0)
        variance = 0.9 + 0.1 * np.mean([half.var(axis=0) for half in halves], axis=0)
        np.testing.assert_allclose(model.layers[0].moving_mean, mean, rtol=1e-5, atol=1e-7)
        np.testing.assert_allclose(model.layers[0].moving_variance, variance, rtol=1e-5)
"""


def test_moving_averages_are_averaged_over_ranks(tmp_path):
    succeed(2, tmp_path, STATISTICS)


OWN = """
    import sys
    import numpy as np
    import cbackprop as cb

    own = sys.argv[1] == "own"
    if own:
        cb.distribution.set_distribution(ranks := cb.distribution.DataParallel(auto_shard_dataset=False))
    rng = np.random.default_rng(0)
    x, weights = rng.normal(size=(30, 4)).astype("float32"), rng.uniform(0.1, 1, 30)
    y = x[:, :1] ** 2
    cb.utils.set_random_seed(1)
    loss = cb.losses.MeanSquaredError(reduction=sys.argv[2])
    model = cb.Sequential([cb.Input((4,)), cb.layers.Dense(8, "tanh"), cb.layers.Dense(1)])
    model.compile("adam", loss, metrics=["mae"])
    # Ranks have 4 and 6 samples of each batch of 10.
    def batches():
        for begin in range(0, 30, 10):
            rows = slice(begin, begin + 10)
            if own:
                rows = slice(begin, begin + 4) if ranks.rank == 0 else slice(begin + 4, begin + 10)
            yield x[rows], y[rows], weights[rows]
    history = model.fit(batches(), verbose=0, validation_data=None)
    if not own or ranks.rank == 0:
        np.savez(sys.argv[3], *model.get_weights(), loss=history.history["loss"], mae=history.history["mae"])
"""


@pytest.mark.parametrize("reduction", ["sum_over_batch_size", "sum", "mean_with_sample_weight"])
def test_ranks_with_data_of_their_own(tmp_path, reduction):
    succeed(1, tmp_path, OWN, "alone", reduction, tmp_path / "alone.npz", alone=True)
    succeed(2, tmp_path, OWN, "own", reduction, tmp_path / "own.npz")
    with np.load(tmp_path / "alone.npz") as alone, np.load(tmp_path / "own.npz") as own:
        assert set(alone.files) == set(own.files)
        for name in alone.files:
            np.testing.assert_allclose(own[name], alone[name], rtol=1e-4, atol=1e-6, err_msg=name)
