"""Convolutions: arguments and inputs that they refuse, sizes that come with the data, subclasses."""

import numpy as np
import pytest

import cbackprop as cb
from cbackprop import layers

RANKS = (1, 2, 3)
ALL = [f"Conv{rank}D{kind}" for kind in ("", "Transpose") for rank in RANKS]


def rank_of(name):
    return int(name[4])


def call(name, shape, *arguments, **options):
    """The output's shape for an input of this shape, the batch left out."""
    return getattr(layers, name)(*arguments, **options)(cb.Input(shape)).shape


# Arguments

WRONG = [
    ({"filters": 0}, ValueError, "filters must be at least 1, but got 0"),
    ({"filters": -3}, ValueError, "filters must be at least 1, but got -3"),
    ({"filters": 2.0}, TypeError, "filters must be .*, but got 2.0"),
    ({"filters": True}, TypeError, "filters must be .*, but got True"),
    ({"filters": "4"}, TypeError, "filters must be .*, but got '4'"),
    ({"filters": None}, TypeError, "filters must be .*, but got None"),
    ({"kernel_size": 0}, ValueError, "kernel_size must be at least 1, but got 0"),
    ({"kernel_size": True}, TypeError, "kernel_size must be a whole number or . of them, but got True"),
    ({"kernel_size": 1.5}, TypeError, "kernel_size must be a whole number or . of them, but got 1.5"),
    ({"kernel_size": "3"}, TypeError, "kernel_size must be a whole number or . of them, but got '3'"),
    ({"kernel_size": None}, TypeError, "kernel_size must be a whole number or . of them, but got None"),
    ({"kernel_size": (1,) * 4}, ValueError, r"kernel_size must be a whole number or . of them, but got \(1, 1, 1, 1\)"),
    ({"kernel_size": ()}, ValueError, r"kernel_size must be a whole number or . of them, but got \(\)"),
    ({"strides": 0}, ValueError, "strides must be at least 1, but got 0"),
    ({"strides": -1}, ValueError, "strides must be at least 1, but got -1"),
    ({"strides": 1.0}, TypeError, "strides must be a whole number or . of them, but got 1.0"),
    ({"dilation_rate": 0}, ValueError, "dilation_rate must be at least 1, but got 0"),
    ({"dilation_rate": False}, TypeError, "dilation_rate must be a whole number or . of them, but got False"),
    ({"strides": 2, "dilation_rate": 2}, ValueError, "strides > 1 cannot go together with dilation_rate > 1"),
    ({"padding": "full"}, ValueError, "padding must be .*'valid'.*, but got 'full'"),
    ({"padding": None}, (TypeError, ValueError), "padding must be .*'valid'.*, but got"),
    ({"data_format": "channels"}, ValueError, "data_format must be .*, but got 'channels'"),
    ({"use_bias": 1}, TypeError, "use_bias must be .*, but got 1"),
    ({"activation": "rellu"}, ValueError, "activation: .*'rellu'.* Did you mean 'relu'"),
    ({"kernel_initializer": 3}, TypeError, "kernel_initializer"),
    ({"kernel_regularizer": "l3"}, ValueError, "kernel_regularizer"),
    ({"bias_constraint": 0.5}, TypeError, "bias_constraint"),
]


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize(("arguments", "error", "message"), WRONG, ids=lambda value: str(value)[:40])
def test_wrong_argument(name, arguments, error, message):
    with pytest.raises(error, match=message):
        getattr(layers, name)(**{"filters": 2, "kernel_size": 3} | arguments)


@pytest.mark.parametrize("name", ["Conv2D", "Conv3D", *ALL[3:]])
def test_only_signals_have_causal_padding(name):
    with pytest.raises(ValueError, match=r"padding must be .*'valid'.*'same'.*, but got 'causal'"):
        getattr(layers, name)(2, 3, padding="causal")


@pytest.mark.parametrize("rank", RANKS)
@pytest.mark.parametrize(
    ("groups", "error", "message"),
    [
        (0, ValueError, "groups must be at least 1, but got 0"),
        (True, TypeError, "groups must be .*, but got True"),
        (3, ValueError, "filters must be divisible by groups, but got filters=4 and groups=3"),
        (8, ValueError, "filters must be divisible by groups, but got filters=4 and groups=8"),
    ],
)
def test_wrong_groups(rank, groups, error, message):
    with pytest.raises(error, match=message):
        getattr(layers, f"Conv{rank}D")(4, 2, groups=groups)


@pytest.mark.parametrize("rank", RANKS)
@pytest.mark.parametrize(
    ("value", "error", "message"),
    [
        (2, ValueError, "output_padding must be smaller than strides along each axis, but got output_padding="),
        (5, ValueError, "output_padding must be smaller than strides"),
        (-1, ValueError, "output_padding must be at least 0, but got -1"),
        (0.5, TypeError, "output_padding must be a whole number or . of them, but got 0.5"),
        (True, TypeError, "output_padding must be a whole number or . of them, but got True"),
    ],
)
def test_wrong_output_padding(rank, value, error, message):
    with pytest.raises(error, match=message):
        getattr(layers, f"Conv{rank}DTranspose")(4, 2, strides=2, output_padding=value)


def test_arguments_of_the_transposed_convolution_of_volumes_are_in_the_order_of_keras():
    layer = layers.Conv3DTranspose(2, 3, 2, "same", "channels_first", 1)
    assert (layer.data_format, layer.output_padding) == ("channels_first", (1, 1, 1))
    layer = layers.Conv2DTranspose(2, 3, 2, "same", 1, "channels_first")
    assert (layer.data_format, layer.output_padding) == ("channels_first", (1, 1))


# Inputs


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("more", [-1, 1])
def test_wrong_number_of_axes(name, more):
    rank = rank_of(name)
    with pytest.raises(ValueError, match=rf"needs inputs of {rank + 2} axes, the batch included, but got shape \(None"):
        call(name, (6,) * (rank + 1 + more), 2, 3)


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
@pytest.mark.parametrize("rank", RANKS)
def test_channels_that_groups_do_not_divide(rank, data_format):
    shape = (6,) * rank + (3,) if data_format == "channels_last" else (3, *(6,) * rank)
    with pytest.raises(ValueError, match="has 2 groups, but the 3 channels of its input are not divisible by that"):
        call(f"Conv{rank}D", shape, 4, 2, groups=2, data_format=data_format)


@pytest.mark.parametrize("rank", RANKS)
@pytest.mark.parametrize("arguments", [{"kernel_size": 5}, {"kernel_size": 3, "dilation_rate": 2}])
def test_a_kernel_larger_than_the_input(rank, arguments):
    name, shape = f"Conv{rank}D", (*(4,) * rank, 2)
    with pytest.raises(ValueError, match=r"needs larger inputs than .*: its output would be empty"):
        call(name, shape, 3, **arguments)
    assert call(name, shape, 3, padding="same", **arguments) == (None, *shape[:-1], 3)


@pytest.mark.parametrize("rank", RANKS)
def test_a_transposed_convolution_that_leaves_nothing(rank):
    with pytest.raises(ValueError, match=r"needs larger inputs than .*: its output would be empty"):
        call(f"Conv{rank}DTranspose", (*(1,) * rank, 2), 3, 2, strides=3, padding="same", output_padding=0)


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_other_channels_than_it_was_built_for(name, data_format):
    rank = rank_of(name)
    layer = getattr(layers, name)(2, 2, data_format=data_format)
    layer(cb.Input((4,) * (rank + 1)))
    kernel = layer.kernel.shape
    with pytest.raises(ValueError, match=r"was built with a kernel of shape \(2,.*, but the 5 channels of an input"):
        layer(cb.Input((4,) * rank + (5,) if data_format == "channels_last" else (5, *(4,) * rank)))
    assert layer.kernel.shape == kernel


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("channels", [0, None])
def test_no_channels(name, channels):
    with pytest.raises(ValueError, match=r"channels|must be at least 1|known"):
        call(name, (*(4,) * rank_of(name), channels), 2, 2)


TOO_LARGE = (ValueError, MemoryError, OverflowError)


@pytest.mark.parametrize("name", ALL)
def test_weights_beyond_all_memory(name):
    rank = rank_of(name)
    layer = getattr(layers, name)(2**31, 2**31)
    with pytest.raises(TOO_LARGE):
        layer(cb.Input((*(2**31,) * rank, 2**31)))


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("padding", ["valid", "same"])
def test_a_reach_beyond_all_memory(name, padding):
    shape = (*(3,) * rank_of(name), 1)
    layer = getattr(layers, name)(1, 3, dilation_rate=2**61, padding=padding)
    with pytest.raises(ValueError, match=r"reaches over more numbers than any memory holds|output would be empty"):
        layer(cb.Input(shape))


@pytest.mark.parametrize("rank", RANKS)
def test_an_image_beyond_all_memory(rank):
    layer = getattr(layers, f"Conv{rank}DTranspose")(1, 1, strides=2**54)
    with pytest.raises(ValueError, match="reaches over more numbers than any memory holds"):
        layer(cb.Input((*(3,) * rank, 1)))


@pytest.mark.parametrize(("rank", "stride"), [(1, 1000), (2, 2**40), (3, 2**62)])
def test_strides_beyond_the_input(rank, stride):
    """There is one position."""
    layer = getattr(layers, f"Conv{rank}D")(1, 2, strides=stride, kernel_initializer="ones")
    model = cb.Sequential([cb.Input((*(3,) * rank, 1)), layer])
    model.compile("sgd", "mse")
    x = np.ones((2, *(3,) * rank, 1))
    assert (model.predict(x, verbose=0) == 2**rank).all()
    assert np.isfinite(model.train_on_batch(x, np.ones((2, *(1,) * rank, 1))))


FAR = {1: 10**9, 2: 10**7, 3: 10**4}  # steps from one tap to the next, which no memory has room for in each sample
EVERY = [*ALL, "DepthwiseConv1D", "DepthwiseConv2D", "SeparableConv1D", "SeparableConv2D"]


@pytest.mark.parametrize("engine", ["compiled", "reference"])
@pytest.mark.parametrize("name", [*EVERY, "causal"])
def test_taps_beyond_the_image_cost_nothing(name, engine):
    """Only taps that reach the image count: the middle one, or the last one if the padding is causal."""
    kind = "Conv1D" if name == "causal" else name
    rank, padding = int(kind.split("Conv")[1][0]), "causal" if name == "causal" else "same"
    shape = (*(4,) * rank, 2)

    def made(size, rate):
        sizes = {"kernel_size": size, "dilation_rate": rate, "padding": padding}
        layer = getattr(layers, kind)(**sizes, **({} if kind[0] == "D" else {"filters": 5}))
        model = cb.Sequential([cb.Input(shape), layer])
        model.compile(cb.optimizers.SGD(0.1), "mse", engine=engine)
        return model

    far, near = made(3, FAR[rank]), made(1, 1)
    tap = (2 if name == "causal" else 1,) * rank
    near.set_weights([w[tap][(np.newaxis,) * rank] if w.shape[:rank] == (3,) * rank else w for w in far.get_weights()])
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(3, *shape)), rng.normal(size=(3, *far.output_shape[1:]))
    before = far.get_weights()
    assert far.train_on_batch(x, y) == pytest.approx(near.train_on_batch(x, y), rel=1e-6)
    for old, new, small in zip(before, far.get_weights(), near.get_weights(), strict=True):
        if new.shape[:rank] == (3,) * rank:
            np.testing.assert_allclose(new[tap], small[(0,) * rank], rtol=1e-5, atol=1e-7)
            old[tap] = new[tap]
            np.testing.assert_array_equal(new, old)
        else:
            np.testing.assert_allclose(new, small, rtol=1e-5, atol=1e-7)


# Sizes that come with the data


def twins(name, shape, **options):
    """A model whose sizes are unknown, and a function that makes one of known sizes with the same weights."""
    channels = shape[0] if options.get("data_format") == "channels_first" else shape[-1]
    unknown = [None] * (len(shape) - 1)
    first = options.get("data_format") == "channels_first"
    opened = (channels, *unknown) if first else (*unknown, channels)
    model = cb.Sequential([cb.Input(opened), getattr(layers, name)(4, **options)])

    def known(sizes):
        closed = (channels, *sizes) if first else (*sizes, channels)
        twin = cb.Sequential([cb.Input(closed), getattr(layers, name)(4, **options)])
        twin.set_weights(model.get_weights())
        return twin, closed

    return model, known


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize(
    "options",
    [
        {"kernel_size": 2},
        {"kernel_size": 3, "padding": "same", "strides": 2, "activation": "tanh"},
        {"kernel_size": 2, "padding": "same", "data_format": "channels_first"},
        {"kernel_size": 2, "dilation_rate": 2, "activation": "softmax"},
    ],
)
def test_sizes_that_change_from_batch_to_batch(name, options):
    rank, rng = rank_of(name), np.random.default_rng(0)
    model, known = twins(name, (2,) * (rank + 1), **options)
    model.compile("sgd", "mse")
    for size in (5, 9, 4, 5):
        twin, shape = known([size + axis for axis in range(rank)])
        twin.compile("sgd", "mse")
        x = rng.normal(size=(3, *shape))
        y = twin.predict(x, verbose=0)
        np.testing.assert_array_equal(model.predict(x, verbose=0), y)
        target = rng.normal(size=y.shape)
        assert model.train_on_batch(x, target) == twin.train_on_batch(x, target)
        for ours, theirs in zip(model.get_weights(), twin.get_weights(), strict=True):
            np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("rank", RANKS)
def test_data_too_small_for_the_kernel(rank):
    model, _ = twins(f"Conv{rank}D", (2,) * (rank + 1), kernel_size=5)
    model.compile("sgd", "mse")
    before = model.get_weights()
    with pytest.raises(ValueError, match=r"needs larger inputs than .*: its output would be empty"):
        model.predict(np.ones((2, *(4,) * rank, 2)), verbose=0)
    with pytest.raises(ValueError, match=r"needs larger inputs than .*: its output would be empty"):
        model.fit(np.ones((2, *(4,) * rank, 2)), np.ones((2, *(1,) * rank, 4)), verbose=0)
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


# Relations between the layers


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize("more", [{}, {"strides": 2}, {"dilation_rate": 2}, {"use_bias": False}])
def test_channels_first_is_the_same_with_the_axes_moved(name, padding, more):
    rank, rng = rank_of(name), np.random.default_rng(0)
    cb.config.set_floatx("float64")
    x = rng.normal(size=(3, *range(5, 5 + rank), 2))
    last, first = (
        getattr(layers, name)(4, 3, padding=padding, data_format=f"channels_{end}", activation="tanh", **more)
        for end in ("last", "first")
    )
    expected = np.moveaxis(last(x), -1, 1)
    first.build((None, 2, *range(5, 5 + rank)))
    first.set_weights(last.get_weights())
    np.testing.assert_array_equal(first(np.moveaxis(x, -1, 1)), expected)


@pytest.mark.parametrize("rank", RANKS)
@pytest.mark.parametrize("more", [{}, {"strides": 2}, {"dilation_rate": 2}])
def test_the_transposed_one_is_the_derivative_of_the_other(rank, more):
    rng = np.random.default_rng(0)
    cb.config.set_floatx("float64")
    forwards = cb.Sequential(
        [cb.Input((*(7,) * rank, 2)), getattr(layers, f"Conv{rank}D")(3, 3, use_bias=False, **more)]
    )
    forwards.compile("sgd", "mse")
    y = forwards.predict(np.zeros((2, *(7,) * rank, 2)), verbose=0)
    delta = rng.normal(size=y.shape)
    back = cb.Sequential(
        [cb.Input(y.shape[1:]), getattr(layers, f"Conv{rank}DTranspose")(2, 3, use_bias=False, **more)]
    )
    back.set_weights(forwards.get_weights())
    expected = forwards.backward(np.zeros((2, *(7,) * rank, 2)), delta, wrt="inputs")
    np.testing.assert_allclose(back.predict(delta, verbose=0), expected, rtol=1e-12, atol=1e-12)


def test_causal_outputs_depend_on_no_later_step():
    rng = np.random.default_rng(0)
    layer = layers.Conv1D(3, 3, padding="causal", dilation_rate=2)
    x = rng.normal(size=(1, 9, 2)).astype("float32")
    before = layer(x)
    x[:, 5:] += 1.0
    np.testing.assert_array_equal(layer(x)[:, :5], before[:, :5])
    assert not np.array_equal(layer(x)[:, 5], before[:, 5])


@pytest.mark.parametrize("rank", RANKS)
def test_aliases(rank):
    for kind in ("", "Transpose"):
        cls = getattr(layers, f"Conv{rank}D{kind}")
        assert getattr(layers, f"Convolution{rank}D{kind}") is cls
        config = {"class_name": f"Convolution{rank}D{kind}", "config": {"filters": 2, "kernel_size": 3}}
        assert type(layers.deserialize(config)) is cls


# Subclasses


@pytest.mark.parametrize("name", ALL)
def test_a_subclass_with_a_kernel_of_another_shape(name):
    class Own(getattr(layers, name)):
        def kernel_shape(self, channels):
            return (*super().kernel_shape(channels)[:-1], 7)

    model = cb.Sequential([cb.Input((*(4,) * rank_of(name), 2)), Own(3, 2)])
    with pytest.raises(ValueError, match=r"kernel.*shape"):
        model.predict(np.zeros((1, *(4,) * rank_of(name), 2)), verbose=0)


@pytest.mark.parametrize("name", ALL)
def test_a_subclass_without_its_kernel(name):
    class Own(getattr(layers, name)):
        def build(self, input_shape):
            self.bias = self.add_weight((self.filters,), "zeros", name="bias")

    def run():
        model = cb.Sequential([cb.Input((*(4,) * rank_of(name), 2)), Own(3, 2)])
        model.predict(np.zeros((1, *(4,) * rank_of(name), 2)), verbose=0)

    with pytest.raises(ValueError, match=r"kernel|weight"):
        run()
