"""What new models do not share with others, and the work that is done once when they are made."""

import numpy as np
import pytest

import cbackprop as cb
from cbackprop.initializers.initializer import Initializer

CONTAINERS = (list, dict, set)


def make():
    return cb.Sequential([cb.Input((3,)), cb.layers.Dense(2, "relu"), cb.layers.Dense(1)])


@pytest.mark.parametrize("compiled", [False, True])
def test_new_models_share_no_containers(compiled):
    one, other = make(), make()
    if compiled:
        one.compile("adam", "mse")
        other.compile("adam", "mse")
    for a, b in [(one, other), *zip(one.layers, other.layers, strict=True)]:
        own = {name for name, value in vars(a).items() if isinstance(value, CONTAINERS)}
        assert own
        assert not [name for name in own if vars(a)[name] is vars(b)[name]]


@pytest.mark.parametrize("cls", [cb.Sequential, cb.Model, cb.layers.Dense])
def test_classes_hold_no_containers_that_objects_could_change(cls):
    owners = [owner for owner in cls.__mro__ if owner.__module__.startswith("cbackprop.")]
    held = {name for owner in owners for name, value in vars(owner).items() if isinstance(value, CONTAINERS)}
    # Python keeps some under names with underscores, such as the `__slotnames__` of what has been pickled.
    assert {name for name in held if not name.startswith("__")} <= {"input_arguments"}


def test_attributes_that_stand_in_the_class_are_set_in_one_model_alone():
    one, other = make(), make()
    one.compile("adam", "mse")
    one.stop_training = True
    one.fit(np.ones((4, 3)), np.ones((4, 1)), verbose=0)
    assert (other.compiled, other.optimizer, other.history, other.stop_training) == (False, None, None, False)
    assert other._engine is None
    assert make()._plan is None


def test_a_layer_computes_its_output_shape_once_when_it_is_connected(monkeypatch):
    asked, original = [], cb.layers.Dense.compute_output_shape

    def counted(self, shape):
        asked.append(self.name)
        return original(self, shape)

    monkeypatch.setattr(cb.layers.Dense, "compute_output_shape", counted)
    model = make()
    assert asked == [layer.name for layer in model.layers]


def test_values_of_an_initializer_of_a_wrong_shape_are_refused():
    class Wrong(Initializer):
        def _values(self, shape):
            return np.zeros((*shape, 2))

    with pytest.raises(ValueError, match="has shape"):
        cb.layers.Dense(2, kernel_initializer=Wrong())(cb.Input((3,)))
    with pytest.raises(ValueError, match="has shape"):
        cb.Variable(Wrong(), (3,))


def test_values_of_an_initializer_that_are_too_large_are_refused():
    class Large(Initializer):
        def _values(self, shape):
            return np.full(shape, 1e300)

    with pytest.raises(ValueError, match="too large"):
        cb.layers.Dense(2, kernel_initializer=Large())(cb.Input((3,)))


def test_values_of_an_own_call_are_checked():
    class Infinite(Initializer):
        def __call__(self, shape, dtype=None):
            return np.full(shape, np.inf, dtype)

    with pytest.raises(ValueError, match="NaN or infinity"):
        cb.layers.Dense(2, kernel_initializer=Infinite())(cb.Input((3,)))
