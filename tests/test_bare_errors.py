"""Mistakes that ended in an exception of Python's own, which names nothing."""

import numpy as np
import pytest

import cbackprop as cb
from cbackprop import layers
from cbackprop.validation import check_memory


@pytest.mark.parametrize("shape", [(), (None,), (None, None), (0,)])
def test_what_is_halved_has_an_axis(shape):
    class Lies(layers.Dense):
        def compute_output_shape(self, input_shape):
            return shape

    def use():
        inputs = cb.Input((3,))
        cb.Model(inputs, Lies(4, activation="glu")(inputs)).predict(np.ones((2, 3)), verbose=0)

    with pytest.raises((ValueError, TypeError), match=r"\w+ \w+"):
        use()


def test_activation_says_which_axis_it_halves():
    kernel = cb.activations.glu.kernel()
    with pytest.raises(ValueError, match="glu halves axis -1 of samples, which must have a size"):
        kernel.input_shape(())


def test_sizes_of_numpy_are_multiplied_as_whole_numbers():
    with pytest.raises(ValueError, match=r"the output must stand for 2\*\*48 numbers at most"):
        check_memory("the output", (np.int64(2**40), 2**70, None))
    check_memory("the output", (np.int64(3), None, 4))


def test_a_list_of_callbacks_needs_a_model():
    with pytest.raises(TypeError, match="model must be a Model, but got dict"):
        cb.callbacks.CallbackList([], add_history=True, model={})


def test_what_activations_share_is_not_public():
    assert not hasattr(cb.activations, "are_apart")


@pytest.mark.parametrize("engine", ["compiled", "reference"])
def test_a_reduction_that_is_set_later_is_checked(engine):
    loss = cb.losses.MeanSquaredError()
    with pytest.raises(ValueError, match="reduction must be one of"):
        loss.reduction = "average"
    assert loss.reduction == "sum_over_batch_size"
    loss.reduction = "sum"
    assert loss(np.zeros((3, 2)), np.ones((3, 2))) == 3
    model = cb.Sequential([cb.Input((2,)), layers.Dense(2, kernel_initializer="zeros")])
    model.compile("sgd", loss, engine=engine)
    assert model.evaluate(np.ones((3, 2)), np.ones((3, 2)), verbose=0) == 3
    assert loss.get_config()["reduction"] == "sum"
