"""Data that is not contiguous gives the same bits as a contiguous copy of it, and costs the memory of a batch."""

import tracemalloc

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view

import cbackprop as cb
from cbackprop.models import inputs
from cbackprop.models.sources import blocks

RNG = np.random.default_rng(0)


def columns(make):
    return make((70, 7))[:, 1:-2]


def every_other_row(make):
    return make((140, 4))[::2]


def backwards(make):
    return make((70, 4))[::-1]


def backwards_in_both(make):
    return make((70, 4))[::-1, ::-1]


def every_third_column(make):
    return make((70, 12))[:, ::3]


def fortran(make):
    return np.asfortranarray(make((70, 4)))


def windows(make):
    return sliding_window_view(make((73,)), 4)


def windows_of_columns(make):
    return sliding_window_view(make((71, 3)), 2, axis=0)  # (70, 3, 2): the time axis comes last


def windows_in_time(make):
    return sliding_window_view(make((71, 3)), 2, axis=0).transpose(0, 2, 1)


def channels_first(make):
    return make((70, 3, 4, 2)).transpose(0, 2, 3, 1)


def cropped(make):
    return make((70, 5, 6, 2))[:, 1:-1, ::2, ::-1]


def one_row_for_all(make):
    return np.broadcast_to(make((4,)), (70, 4))


def one_column_for_all(make):
    return np.broadcast_to(make((70, 1)), (70, 4))


def axes_of_one(make):
    return make((140, 1, 5, 1))[::2, :, 1:]


def unaligned(make):
    array = make((70, 4))
    raw = np.zeros(array.nbytes + 1, np.uint8)
    view = raw[1:].view(array.dtype).reshape(array.shape)
    view[...] = array
    return view


def read_only(make):
    array = make((70, 7))[:, ::2]
    array.flags.writeable = False
    return array


LAYOUTS = [
    *(columns, every_other_row, backwards, backwards_in_both, every_third_column, fortran, windows),
    *(windows_of_columns, windows_in_time, channels_first, cropped, one_row_for_all, one_column_for_all),
    *(axes_of_one, unaligned, read_only),
]
TYPES = [
    *("int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"),
    *("float16", "float32", "float64", "bool"),
]


@pytest.fixture
def as_it_lies(monkeypatch):
    """However small an array is, it is not copied."""
    monkeypatch.setattr(inputs, "LARGE", 0)
    monkeypatch.setattr(inputs, "LARGE_VIEW", 0)


def maker(dtype):
    """A function that makes an array of some shape, with numbers that all types can hold."""
    low = 0 if dtype == "bool" or dtype.startswith("u") else -3
    return lambda shape: RNG.integers(low, 2 if dtype == "bool" else 4, shape).astype(dtype)


def model_of(shape, dtype, engine, seed=1):
    cb.utils.set_random_seed(seed)
    layers = [cb.Input(shape, dtype=dtype), cb.layers.Flatten(), cb.layers.Dense(3, "tanh"), cb.layers.Dense(1)]
    model = cb.Sequential([layers[0], *(type(x).from_config(x.get_config() | {"dtype": dtype}) for x in layers[1:])])
    model.compile("adam", "mse", engine=engine)
    return model


def numbers_of(x, y, dtype, engine, **settings):
    """The results of training on these samples, evaluating and predicting."""
    model = model_of(x.shape[1:], dtype, engine)
    history = model.fit(x, y, batch_size=16, epochs=3, verbose=0, validation_split=0.2, **settings)
    return [
        *(np.array(values) for values in history.history.values()),
        np.array(model.evaluate(x, y, batch_size=9, verbose=0)),
        model.predict(x, verbose=0),
        model.predict(x[:3], verbose=0),
        model.predict_on_batch(x),
        np.array(model.train_on_batch(x, y)),
        *model.get_weights(),
    ]


def contiguous(x):
    return np.array(x, order="C", copy=True)


@pytest.mark.parametrize("engine", ["compiled", "reference"])
@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.__name__)
def test_layouts(layout, engine, as_it_lies):
    for stored in ("float32", "uint8", "float64"):
        x = layout(maker(stored))
        assert layout is unaligned or not x.flags.c_contiguous
        y = RNG.random((len(x), 1))
        for shuffle in (True, False):
            mine = numbers_of(x, y, "float32", engine, shuffle=shuffle)
            other = numbers_of(contiguous(x), y, "float32", engine, shuffle=shuffle)
            for a, b in zip(mine, other, strict=True):
                np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("stored", TYPES)
def test_types(stored, dtype, as_it_lies):
    for layout in (columns, every_third_column, windows_in_time, unaligned):
        x = layout(maker(stored))
        y = RNG.random((len(x), 1))
        mine = numbers_of(x, y, dtype, "compiled")
        for a, b in zip(mine, numbers_of(contiguous(x).astype(dtype), y, dtype, "compiled"), strict=True):
            np.testing.assert_array_equal(a, b)


def test_extreme_numbers_of_each_type(as_it_lies):
    """They are converted as NumPy converts them."""
    for stored in TYPES:
        if stored == "bool":
            continue
        info = np.finfo(stored) if stored.startswith("f") else np.iinfo(stored)
        small = [np.finfo(stored).tiny, np.finfo(stored).smallest_subnormal] if stored.startswith("f") else [0, 1]
        most = [info.max, info.min] if stored != "float64" else [3e38, -3e38]
        x = np.array([[*most, *small, 1, 3]] * 2, stored).T[::1]
        model = cb.Sequential([cb.Input((2,)), cb.layers.Rescaling(1.0)])
        np.testing.assert_array_equal(model.predict(x, verbose=0), contiguous(x).astype("float32"))


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_threads(threads, as_it_lies):
    x = sliding_window_view(maker("float64")((2003, 5)), 4, axis=0)
    y = RNG.random((len(x), 1))
    with cb.config.num_threads(threads):
        mine = numbers_of(x, y, "float32", "compiled")
    with cb.config.num_threads(1):
        other = numbers_of(contiguous(x), y, "float32", "compiled")
    for a, b in zip(mine, other, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.__name__)
def test_numbers_that_are_not_finite_are_found_and_named(layout, as_it_lies):
    base = []

    def keep(shape):
        base.append(maker("float32")(shape))
        return base[-1]

    x = layout(keep)
    if layout is unaligned:
        base[0] = x
    if layout is fortran:
        base[0] = x
    base[0][(0,) * (base[0].ndim - 1) + (-1,) if base[0].ndim == 1 else tuple(s // 2 for s in base[0].shape)] = np.nan
    where = np.argwhere(~np.isfinite(x))
    model = model_of(x.shape[1:], "float32", "compiled")
    y = np.zeros((len(x), 1))
    for call in (lambda: model.fit(x, y, verbose=0), lambda: model.predict(x, verbose=0)):
        if len(where):
            with pytest.raises(ValueError, match="nan at index") as raised:
                call()
            assert str(tuple(int(i) for i in where[0])) in str(raised.value)
        else:
            call()


def test_numbers_too_large_are_found_and_named(as_it_lies):
    x = np.zeros((300, 7))[::2, ::2]
    x[120, 3] = 1e300
    model = model_of((4,), "float32", "compiled")
    with pytest.raises(ValueError, match=r"x as float32 must be finite, but got inf at index \(120, 3\)"):
        model.fit(x, np.zeros((150, 1)), verbose=0)


def test_whole_numbers_that_are_looked_up(as_it_lies):
    x = RNG.integers(0, 9, (60, 8)).astype("int64")[:, ::2]
    y = RNG.random((60, 1))
    results = []
    for given in (x, contiguous(x)):
        cb.utils.set_random_seed(0)
        layers = [cb.Input((4,), dtype="int32"), cb.layers.Embedding(9, 3), cb.layers.Flatten(), cb.layers.Dense(1)]
        model = cb.Sequential(layers)
        model.compile("sgd", "mse")
        model.fit(given, y, verbose=0)
        results.append(model.predict(given, verbose=0))
    np.testing.assert_array_equal(*results)
    x[50, 2] = 9
    with pytest.raises(ValueError, match=r"whole numbers in \[0, 9\), but got 9"):
        model.fit(x, y, verbose=0)


# Memory


def peak_of(call):
    call()  # engines are made, modules imported
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


SERIES = np.sin(np.arange(2**18, dtype="float32"))[:, None]  # 1 MB
BIG = np.zeros((2**16, 130), "uint8")  # 8 MB


def big_views():
    wide = np.zeros((2**16, 65), "float32")  # 17 MB
    return {
        "windows": sliding_window_view(SERIES, 480, axis=0)[:, 0, :],  # 500 MB
        "windows of doubles": sliding_window_view(SERIES[:, 0].astype("float64"), 480),  # 1 GB
        "columns": wide[:, :-1],
        "every other row": wide[::2],
        "backwards": wide[::-1],
        "columns of doubles": wide.astype("float64")[:, 1:],
        "columns of bytes": BIG[:, ::2],
        "Fortran": np.asfortranarray(wide),
        "broadcast": np.broadcast_to(wide[0], (2**20, 65)),
    }


@pytest.mark.parametrize("engine", ["compiled", "reference"])
@pytest.mark.parametrize("what", list(big_views()))
def test_memory(what, engine):
    x = big_views()[what]
    n = 2**11 if engine == "reference" else len(x)
    x = x[-n:] if engine == "compiled" else x[: len(x) // n * n : len(x) // n]
    y = np.zeros((len(x), 1), "float32")
    model = model_of(x.shape[1:], "float32", engine)
    order = 8 * len(x)  # the order of samples, which is not part of the data
    runs = [
        lambda: model.evaluate(x, y, batch_size=32, verbose=0),
        lambda: model.fit(x, y, batch_size=32, verbose=0, validation_split=0.25),
        lambda: model.predict(x, batch_size=32, verbose=0),
    ]
    for run in runs:
        assert peak_of(run) < 4 * order + 2**21, f"{what}: {peak_of(run)} bytes"


def test_memory_of_part_of_a_file(tmp_path, monkeypatch):
    """A mapped file is copied a piece at a time."""
    monkeypatch.setattr(blocks, "PIECE", 2**20)
    data = np.lib.format.open_memmap(tmp_path / "x.npy", "w+", "float32", (2**15, 130))  # 17 MB
    y = np.zeros((len(data), 1), "float32")
    for x in (data[:, :-1], data[::-1, 1:], data[:, ::2]):
        for peak in peaks_of(x, y):
            assert peak < 2**23


def peaks_of(x, y):
    model = model_of(x.shape[1:], "float32", "compiled")
    yield peak_of(lambda: model.fit(x, y, verbose=0))
    yield peak_of(lambda: model.evaluate(x, y, verbose=0))
    yield peak_of(lambda: model.predict(x, verbose=0))
