"""Every optimizer of the registry: kernel against twin with all options, steps on plain arrays, mistakes."""

import json
import math

import families
import numpy as np
import pytest
from combinations import every
from numpy.testing import assert_allclose, assert_array_equal

import cbackprop as cb
from cbackprop import layers, optimizers
from cbackprop.compiled.optimizers.optimizer import SegmentList
from cbackprop.reference.optimizers.optimizer import Segment

CLASSES = families.stepping_optimizers()


# Every way to make an optimizer that takes another path through its kernel.
OWN = {
    "SGD": every(momentum=[0.0, 0.9, 1.0], nesterov=[False, True]),
    "Adam": every(amsgrad=[False, True], beta_1=[0.9, 0.0]),
    "AdamW": every(amsgrad=[False, True], weight_decay=[0.004, 0.2]),
    # Not centered with rho = 0: there v - a^2 is 0 but for rounding.
    "RMSprop": every(momentum=[0.0, 0.9], centered=[False, True]) + every(momentum=[0.0, 0.9], rho=[0.0]),
    "Adamax": [{}, {"beta_1": 0.0, "beta_2": 0.5}],
    "Nadam": [{}, {"beta_1": 0.0, "epsilon": 0.1}],
    "Lamb": [{}, {"beta_1": 0.0, "epsilon": 0.1}],
    "ScheduleFreeAdamW": [{}, {"beta_1": 0.0}, {"warmup_steps": 7}],
    "Adagrad": [{}, {"initial_accumulator_value": 0.0}],
    "Adadelta": [{}, {"rho": 0.0}],
    "Ftrl": [
        {"initial_accumulator_value": 0.0},
        {"learning_rate_power": -0.7, "l1_regularization_strength": 0.1, "beta": 0.2},
        {"l2_regularization_strength": 0.1, "l2_shrinkage_regularization_strength": 0.2, "learning_rate_power": 0.0},
    ],
    "Lion": [{}, {"beta_1": 1.0, "beta_2": 0.0}],
    "Rprop": [{}, {"eta_minus": 0.3, "eta_plus": 2.0, "min_step": 0.01, "max_step": 0.1}],
    "Adafactor": [{}, {"beta_2_decay": -0.5, "clip_threshold": 0.5, "epsilon_2": 1.0}],
    "Muon": [
        *every(nesterov=[False, True], rms_rate=[None, 0.2]),
        {"adam_lr_ratio": 2.0, "adam_weight_decay": None, "ns_steps": 2},
    ],
}
# Every way of what all optimizers share.
SHARED = [
    {**decay, **clip}
    for decay in [{}, {"weight_decay": 0.1}]
    for clip in [
        {},
        {"clipnorm": 0.5},
        {"clipvalue": 0.1},
        {"global_clipnorm": 0.7},
        {"gradient_accumulation_steps": 3, "clipvalue": 0.1},
        {"gradient_accumulation_steps": 2, "global_clipnorm": 0.7, "use_ema": True, "ema_overwrite_frequency": 2},
        {"use_ema": True, "ema_momentum": 0.5},
    ]
]
CASES = [(name, {**shared, **own}) for name in CLASSES for own in OWN.get(name, [{}]) for shared in SHARED]
EACH_CLASS = pytest.mark.parametrize("name", CLASSES)
EACH_CASE = pytest.mark.parametrize(("name", "options"), CASES)
EACH_TYPE = pytest.mark.parametrize("dtype", ["float32", "float64"])
# Relative to the largest weight.
LIMITS = {"float64": 1e-12, "float32": 1e-5}
STEPS = 20
# Odd lengths, so that the last elements of vector loops are there too; what is no multiple of a matrix is a vector.
SEGMENTS = [(0, 1, 0.0), (1, 41, 0.1), (41, 42, 0.0), (48, 177, 0.0), (177, 200, 0.1)]
SHAPES = [(), (5, 8), (1,), (43, 3), (23,)]


def segments_of(optimizer, values, gradients, slots):
    """The segments of some vectors; whole variables have their shapes, and slots of their own."""
    found = []
    for (begin, end, decay), shape in zip(SEGMENTS, SHAPES, strict=True):
        w, g = values[begin:end], gradients[begin:end]
        mine = [slot[begin:end] for slot in slots]
        if optimizer.whole_variables:
            w, g = w.reshape(shape), g.reshape(shape)
            mine = optimizer.new_slots("none", w)
        found.append(Segment(w, g, mine, decay if optimizer.weight_decay else 0.0))
    return found


def filled(optimizer, values):
    """Slot vectors before the first step."""
    return optimizer.new_slots("none", values)


def updates(optimizer, batches):
    return batches // (optimizer.gradient_accumulation_steps or 1)


def assert_close(a, b, dtype):
    assert_allclose(a, b, rtol=0, atol=LIMITS[dtype] * max(np.abs(b).max(), 1))


def test_every_optimizer_has_cases():
    assert set(OWN) == set(CLASSES), "add the options that change its path"


@EACH_CASE
def test_slots_and_config(name, options):
    optimizer = CLASSES[name](learning_rate=0.3, name="mine", **options)
    for dtype in ("float32", "float64"):
        assert optimizer.compiled_rule(dtype).n_slots == len(optimizer.slot_names)
    assert len(set(optimizer.slot_names)) == len(optimizer.slot_names)
    again = optimizers.deserialize(json.loads(json.dumps(optimizers.serialize(optimizer))))
    assert type(again) is CLASSES[name]
    assert again.get_config() == optimizer.get_config()
    assert again.get_config().items() >= {"learning_rate": 0.3, "name": "mine", **options}.items()


@EACH_CLASS
def test_names_stand_for_the_class(name):
    cls = CLASSES[name]
    for identifier in (name, name.lower(), cls, cls(), optimizers.serialize(cls())):
        assert type(optimizers.get(identifier)) is cls


# Steps


@EACH_TYPE
@EACH_CASE
def test_kernel_agrees_with_twin(name, options, dtype, rng):
    optimizer = CLASSES[name](learning_rate=0.05, **options)
    n = SEGMENTS[-1][1]
    values = rng.normal(size=n).astype(dtype)
    gradients = np.zeros(n, dtype)
    ours = values.copy(), gradients.copy()
    slots = [filled(optimizer, values) for _ in range(2)] if not optimizer.whole_variables else [[], []]
    compiled = optimizer.compiled_rule(dtype)
    twin = optimizer.implementation_in("reference")(optimizer)
    mine = segments_of(optimizer, *ours, slots[0])
    segments = segments_of(optimizer, values, gradients, slots[1])
    prepared = SegmentList(compiled, mine)
    start = values.copy()
    for step in range(STEPS):
        gradient = rng.normal(size=n).astype(dtype) * rng.choice([0.01, 1, 10])
        gradient[::7] = 0
        ours[1][:], gradients[:] = gradient, gradient
        optimizer.learning_rate = 0.05 / (step + 1)
        compiled.apply(step, prepared)
        twin.step(0.05 / (step + 1), step, segments)
    assert values.dtype == dtype
    assert_close(ours[0], values, dtype)
    for a, b in zip(mine, segments, strict=True):
        for x, y in zip(a.slots, b.slots, strict=True):
            assert (x is None) == (y is None)
            if x is not None:
                assert_close(x, y, dtype)
    assert_array_equal(ours[0][42:48], start[42:48])  # between segments nothing is touched
    inside = np.concatenate([np.arange(b, e) for b, e, _ in SEGMENTS])
    moved = ours[0][inside] != start[inside]
    assert moved[inside % 7 != 0].all()


@EACH_CASE
def test_steps_on_arrays(name, options, rng):
    """The same as the twin makes of each; arrays of any shape and layout, in place."""
    shapes = [(3, 4), (5,), (), (2, 1, 3)]
    arrays = [np.asarray(rng.normal(size=shape)) for shape in shapes]
    strided = np.zeros((4, 6))
    arrays.append(strided[::2, ::3])
    arrays[-1][...] = rng.normal(size=(2, 2))
    optimizer = CLASSES[name](**options)
    twin = optimizer.implementation_in("reference")(optimizer)
    segments = [
        Segment(a.copy(), np.zeros(a.shape), optimizer.new_slots("none", a), optimizer.decay_of(a)) for a in arrays
    ]
    for step in range(1, 7):
        gradients = [np.asarray(rng.normal(size=a.shape)) for a in arrays]
        before = [g.copy() for g in gradients]
        assert optimizer.apply(gradients, arrays) is None
        for segment, gradient in zip(segments, gradients, strict=True):
            segment.gradients[...] = gradient
        twin.step(optimizer.learning_rate, step - 1, segments)
        assert optimizer.batches == step
        assert optimizer.iterations == updates(optimizer, step)
        for a, b in zip(gradients, before, strict=True):
            assert_array_equal(a, b)
    for array, segment in zip(arrays, segments, strict=True):
        assert_close(array, segment.values, "float64")
    assert strided.astype(bool).sum() == 4


def test_formulas_of_one_step():
    """First and second steps, by hand."""
    g1, g2, rate = 2.0, -1.0, 0.1

    def after(optimizer, gradients):
        w = np.array([1.0])
        for g in gradients:
            optimizer.apply([np.array([g])], [w])
        return w[0]

    assert after(optimizers.SGD(rate), [g1]) == pytest.approx(0.8)
    assert after(optimizers.SGD(rate, momentum=0.5), [g1, g2]) == pytest.approx(1 - 0.2 - 0.5 * 0.2 + 0.1)
    v1, v2 = -0.2, 0.5 * -0.2 + 0.1
    nesterov = 1 + 0.5 * v1 - rate * g1 + 0.5 * v2 - rate * g2
    assert after(optimizers.SGD(rate, momentum=0.5, nesterov=True), [g1, g2]) == pytest.approx(nesterov)
    adam = 1 - rate * math.sqrt(0.001) / 0.1 * 0.2 / (math.sqrt(0.004) + 0.3)
    assert after(optimizers.Adam(rate, epsilon=0.3), [g1]) == pytest.approx(adam)
    assert after(optimizers.AdamW(rate, 0.5, epsilon=0.3), [g1]) == pytest.approx(adam - rate * 0.5)
    rms = 1 - rate * g1 / math.sqrt(0.1 * 4 + 0.3)
    assert after(optimizers.RMSprop(rate, epsilon=0.3), [g1]) == pytest.approx(rms)
    centered = 1 - rate * g1 / math.sqrt(0.1 * 4 - 0.04 + 0.3)
    assert after(optimizers.RMSprop(rate, epsilon=0.3, centered=True), [g1]) == pytest.approx(centered)
    momentum = rms - 0.5 * (1 - rms) - rate * g2 / math.sqrt(0.9 * 0.4 + 0.1 + 0.3)
    assert after(optimizers.RMSprop(rate, epsilon=0.3, momentum=0.5), [g1, g2]) == pytest.approx(momentum)
    assert after(optimizers.SGD(rate, weight_decay=0.5, clipvalue=1), [g1]) == pytest.approx(1 - 0.05 - 0.1)


def test_clipping_by_norm():
    a, b = np.zeros(2), np.zeros(1)
    optimizers.SGD(1.0, clipnorm=1).apply([np.array([3.0, 4.0]), np.array([0.5])], [a, b])
    assert_allclose(np.append(a, b), [-0.6, -0.8, -0.5])
    a, b = np.zeros(2), np.zeros(1)
    optimizers.SGD(1.0, global_clipnorm=1).apply([np.array([2.0, 3.0]), np.array([6.0])], [a, b])
    assert_allclose(np.append(a, b), [-2 / 7, -3 / 7, -6 / 7])


@pytest.mark.parametrize("momentum", [0.0, 0.9])
@EACH_TYPE
def test_centered_steps_stay_finite(dtype, momentum):
    """Where gradients shrink and then stay the same, v - a^2 is rounded to less than -epsilon."""
    w = np.ones(3, dtype)
    optimizer = optimizers.RMSprop(centered=True, momentum=momentum)
    twin = optimizer.implementation_in("reference")(optimizer)
    segment = Segment(w.copy(), w.copy(), [np.zeros(3, dtype) for _ in optimizer.slot_names], 0.0)
    for step in range(800):
        gradient = np.array([1e3, -777.7, 1e5], dtype) * (2 if step < 9 else 1)
        optimizer.apply([gradient], [w])
        segment.gradients[:] = gradient
        twin.step(optimizer.learning_rate, step, [segment])
    v, a = optimizer.slots[0][:2]
    assert (v - a * a < -optimizer.epsilon).any()
    assert np.isfinite(w).all()
    assert np.isfinite(segment.values).all()


@EACH_CASE
def test_nothing_becomes_nan_where_no_gradient_is(name, options):
    w = np.array([0.0, 1.0])
    optimizer = CLASSES[name](**options)
    for _ in range(3):
        optimizer.apply([np.zeros(2)], [w])
    assert w[0] == 0
    assert np.isfinite(w).all()
    # Ftrl's weights come from sums of gradients; half of those without a schedule is an average that is not decayed
    if name not in ("Ftrl", "ScheduleFreeAdamW") and not optimizer.use_ema:
        decay = optimizer.decay_of(w)
        steps = updates(optimizer, 3)
        assert w[1] == pytest.approx((1 - decay * optimizer.learning_rate) ** steps)


# Variables and models


def test_excluded_from_decay(rng):
    """By name or one by one; in `apply` and in training by both engines."""
    x, y = rng.normal(size=(8, 3)), rng.normal(size=(8, 2))
    for engine in ("apply", "compiled", "reference"):
        cb.utils.set_random_seed(1)
        model = cb.Sequential([cb.Input((3,)), layers.Dense(4, name="bias_layer"), layers.Dense(2)])
        for w in model.trainable_variables:
            w.assign(np.ones(w.shape))
        optimizer = optimizers.SGD(0.0, weight_decay=0.5)
        optimizer.exclude_from_weight_decay(var_names=["kernel"])
        optimizer.exclude_from_weight_decay([model.trainable_variables[2]], ["bias"])
        optimizer.learning_rate = 0.5
        model.compile(optimizer, loss="mse", engine="compiled" if engine == "apply" else engine)
        zero = [np.zeros(w.shape) for w in model.trainable_variables]
        if engine == "apply":
            optimizer.apply(zero, model.trainable_variables)
        else:
            model.fit(x, y, sample_weight=np.zeros(8), batch_size=8, verbose=0)
        assert [w.array.ravel()[0] for w in model.trainable_variables] == [0.75, 1, 1, 1]


def test_apply_and_fit_share_what_is_remembered(rng):
    x, y = rng.normal(size=(8, 3)), rng.normal(size=(8, 2))
    found = []
    for by_hand in (False, True):
        cb.utils.set_random_seed(1)
        model = cb.Sequential([cb.Input((3,)), layers.Dense(2)])
        model.compile(optimizers.Adam(0.1), loss="mse")
        for step in range(4):
            if by_hand and step in (0, 2):
                model.optimizer.apply(model.gradients(x, y), model.trainable_variables)
            else:
                model.train_on_batch(x, y)
        assert model.optimizer.iterations == 4
        found.append(model.get_weights())
    for a, b in zip(*found, strict=True):
        assert_allclose(a, b, rtol=1e-6)
