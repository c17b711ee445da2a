"""From a graph to steps, and where buffers go."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import cbackprop as cb
from cbackprop import layers
from cbackprop.plan.arena import Lifetime, arrange
from cbackprop.plan.backward import backward_steps
from cbackprop.plan.plan import Plan


def kinds(model):
    return [type(step.layer).__name__ for step in model.plan.steps]


def test_an_activation_is_a_step_in_place():
    model = cb.Sequential([cb.Input((3,)), layers.Dense(4, activation="relu"), layers.Dense(2)])
    assert kinds(model) == ["Dense", "AppliedActivation", "Dense"]
    first, second, _ = model.plan.steps
    assert second.inputs == (second.output,) == (first.output,)


def test_an_activation_that_reads_its_input_later_is_not_in_place():
    model = cb.Sequential([cb.Input((3,)), layers.Dense(4, activation="gelu"), layers.Dense(2)])
    first, second, _ = model.plan.steps
    assert second.output != first.output


def test_nothing_overwrites_what_another_reads():
    x = cb.Input((3,))
    z = layers.Dense(4)(x)
    model = cb.Model(x, layers.Add()([layers.Activation("relu")(z), z]))
    steps = {type(step.layer).__name__: step for step in model.plan.steps}
    assert steps["Activation"].output != steps["Dense"].output


def test_views_cost_nothing():
    x = cb.Input((2, 3))
    y = layers.Reshape((3, 2))(layers.Flatten()(layers.Identity()(x)))
    model = cb.Model(x, layers.Dense(1)(y))
    assert kinds(model) == ["Dense"]
    assert model.plan.steps[0].input_shapes == ((3, 2),)


def test_nested_models_unfold():
    inner = cb.Sequential([cb.Input((3,)), layers.Dense(3), layers.Dense(3)])
    x = cb.Input((3,))
    model = cb.Model(x, inner(inner(x)))
    assert kinds(model) == ["Dense"] * 4
    assert len(model.weights) == 4


def test_the_first_layer_computes_no_input_delta():
    model = cb.Sequential([cb.Input((3,)), layers.Dense(4, activation="relu"), layers.Dense(2)])
    plan = model.plan
    steps = backward_steps(plan.steps, set(plan.variables), plan.outputs)
    assert [step.position for step in steps] == [2, 1, 0]
    assert steps[-1].input_deltas == (None,)


def test_backward_stops_at_frozen_layers():
    frozen = layers.Dense(4)
    model = cb.Sequential([cb.Input((3,)), frozen, layers.Dense(2)])
    plan = model.plan
    steps = backward_steps(plan.steps, set(model.layers[1].variables), plan.outputs)
    assert [step.position for step in steps] == [1]
    assert steps[0].input_deltas == (None,)


def test_deltas_add_where_a_value_fans_out_and_gradients_where_a_layer_is_shared():
    x = cb.Input((3,))
    shared = layers.Dense(3)
    h = shared(x)
    model = cb.Model(x, layers.Add()([shared(h), h]))
    plan = model.plan
    steps = {step.position: step for step in backward_steps(plan.steps, set(plan.variables), plan.outputs)}
    assert steps[2].input_deltas == ("write", "write")
    assert steps[1].input_deltas == ("add",)
    assert steps[1].gradients == ("write", "write")
    assert steps[0].gradients == ("add", "add")


def test_outputs_never_share_a_buffer():
    x = cb.Input((3,))
    h = layers.Dense(3)(x)
    plan = Plan([x], [h, h, x])
    assert len({*plan.inputs, *plan.outputs}) == 4
    model = cb.Model(x, [h, h, x])
    data = np.arange(6.0).reshape(2, 3)
    a, b, c = model.predict(data, verbose=0)
    np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(c, data)


@pytest.mark.parametrize(
    ("last", "loss", "linked"),
    [
        ("softmax", "sparse_categorical_crossentropy", True),
        ("softmax", "categorical_crossentropy", True),
        ("sigmoid", "binary_crossentropy", True),
        ("sigmoid", "categorical_crossentropy", False),
        ("softmax", "mse", False),
        ("linear", "mse", False),
    ],
)
def test_a_loss_takes_over_the_link_that_cancels(last, loss, linked, rng):
    model = cb.Sequential([cb.Input((3,)), layers.Dense(3, activation=last)])
    model.compile("sgd", loss)
    model.test_on_batch(rng.normal(size=(2, 3)), [0, 1] if "sparse" in loss else np.eye(3)[:2])
    assert (model._engine.links != [None]) == linked


def test_a_value_that_is_also_used_elsewhere_keeps_its_link(rng):
    x = cb.Input((3,))
    p = layers.Dense(3, activation="softmax")(x)
    model = cb.Model(x, [p, layers.Dense(1)(p)])
    model.compile("sgd", ["sparse_categorical_crossentropy", "mse"])
    model.test_on_batch(rng.normal(size=(2, 3)), [np.array([0, 1]), np.ones((2, 1))])
    assert model._engine.links == [None, None]


def test_a_very_deep_network(rng):
    x = y = cb.Input((2,))
    shared = layers.Dense(2, activation="tanh")
    for _ in range(1000):
        y = shared(y)
    model = cb.Model(x, y)
    model.compile("sgd", "mse")
    before = model.get_weights()
    model.fit(rng.normal(size=(4, 2)), np.zeros((4, 2)), verbose=0)
    assert not np.array_equal(model.get_weights()[1], before[1])


def test_weights_are_listed_as_keras_lists_them():
    a, b = cb.Input((2,), name="a"), cb.Input((3,), name="b")
    left = layers.Dense(4, name="left")(a)
    right = layers.Dense(4, name="right")(layers.Dense(5, name="far")(b))
    model = cb.Model([a, b], layers.Dense(1, name="top")(layers.Add(name="add")([left, right])))
    assert [layer.name for layer in model.layers] == ["b", "a", "far", "left", "right", "add", "top"]


@pytest.mark.parametrize("scale", [1, 10_000])  # of small arenas, and of those for which several orders are tried
@given(rows=st.lists(st.tuples(st.integers(1, 300), st.integers(0, 20), st.integers(0, 20)), max_size=25))
def test_buffers_in_use_together_do_not_overlap(scale, rows):
    lifetimes = [Lifetime(scale * size, min(a, b), max(a, b)) for size, a, b in rows]
    offsets, total = arrange(lifetimes)
    for i, first in enumerate(lifetimes):
        assert 0 <= offsets[i] <= total - first.size
        assert offsets[i] % 16 == 0
        for j in range(i):
            second = lifetimes[j]
            if first.first <= second.last and second.first <= first.last:
                assert offsets[i] + first.size <= offsets[j] or offsets[j] + second.size <= offsets[i]


def test_equally_large_buffers_are_placed_in_the_order_of_time():
    """If the last one were placed before the third, the third would be above it, and the small one above both."""
    lifetimes = [Lifetime(128, 4, 4), Lifetime(64, 1, 3), Lifetime(128, 3, 4), Lifetime(128, 1, 2)]
    assert arrange(lifetimes)[1] == 256  # all that is in use at once
