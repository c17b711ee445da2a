"""Variables are made as Keras's are."""

import copy
import inspect
import pickle

import numpy as np
import pytest

import cbackprop as cb


def test_signature():
    names = list(inspect.signature(cb.Variable).parameters)
    keras = ["initializer", "shape", "dtype", "trainable", "autocast", "aggregation", "synchronization", "name"]
    assert names == [*keras, "regularizer", "constraint"]


@pytest.mark.parametrize(
    ("values", "dtype", "shape"),
    [
        ([1.0, 2.0], "float32", (2,)),
        (3.0, "float32", ()),
        (np.ones((2, 3)), "float64", (2, 3)),
        (np.ones(4, "float32"), "float32", (4,)),
        (np.float64(2.0), "float64", ()),
    ],
)
def test_values(values, dtype, shape):
    variable = cb.Variable(values)
    assert (variable.dtype, variable.shape, variable.trainable) == (dtype, shape, True)
    np.testing.assert_array_equal(variable, values)
    assert (variable.name, variable.path) == ("variable", "variable")


def test_values_are_copied():
    values = np.ones(3)
    variable = cb.Variable(values)
    values[:] = 5
    assert variable.value.tolist() == [1, 1, 1]


@pytest.mark.parametrize("start", ["ones", cb.initializers.Ones(), lambda shape, dtype: np.ones(shape, dtype)])
def test_initializers(start):
    variable = cb.Variable(start, shape=(2, 3), dtype="float64", trainable=False, name="count")
    assert (variable.name, variable.dtype, variable.trainable) == ("count", "float64", False)
    assert variable.value.tolist() == [[1.0] * 3] * 2
    assert cb.Variable(start, 4).shape == (4,)
    assert cb.Variable(start, ()).shape == ()


def test_the_default_type_is_that_of_the_process():
    cb.config.set_floatx("float64")
    try:
        assert cb.Variable("zeros", (1,)).dtype == cb.Variable([1.0]).dtype == "float64"
    finally:
        cb.config.set_floatx("float32")
    assert cb.Variable([1, 2], dtype="float32").value.tolist() == [1, 2]


def test_what_only_means_something_to_keras():
    given = {"autocast": False, "aggregation": "mean", "synchronization": "on_read"}
    assert cb.Variable([1.0], **given).value.tolist() == [1.0]


def test_the_order_of_arguments_of_earlier_versions():
    variable = cb.Variable((2,), cb.initializers.Ones(), "float64", "w", False)
    assert (variable.name, variable.dtype, variable.shape, variable.trainable) == ("w", "float64", (2,), False)
    assert cb.Variable((2,), cb.initializers.Ones(), "float64", "w").trainable is True


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: cb.Variable("ones"), ValueError, "shape must be given with an initializer"),
        (lambda: cb.Variable("onse", (2,)), ValueError, "Unknown initializer 'onse'"),
        (lambda: cb.Variable("ones", (2, None)), TypeError, "shape must be an integer"),
        (lambda: cb.Variable("ones", (-1,)), ValueError, "shape must be at least 0"),
        (lambda: cb.Variable("ones", (2**40, 2**40)), (MemoryError, ValueError), "shape"),
        (lambda: cb.Variable([1.0], (2,)), ValueError, r"shape must be that of the values, \(1,\), but got \(2,\)"),
        (lambda: cb.Variable([1, 2]), ValueError, "holds floats, but got values of dtype int64: give dtype='float32'"),
        (lambda: cb.Variable(["a"]), TypeError, "initializer must be numbers"),
        (lambda: cb.Variable([[1.0], [1.0, 2.0]]), ValueError, "initializer must be an array"),
        (lambda: cb.Variable(None), TypeError, "initializer must be numbers"),
        (lambda: cb.Variable([1.0], dtype="int32"), ValueError, "Expected dtype 'float32' or 'float64'"),
        (lambda: cb.Variable(np.ones(1, "float16")), ValueError, "Expected dtype 'float32' or 'float64'"),
        (lambda: cb.Variable([1.0], name="a/b"), ValueError, "name must not hold '/'"),
        (lambda: cb.Variable([1.0], name=3), TypeError, "name must be a string"),
        (lambda: cb.Variable([1.0], trainable="yes"), TypeError, "trainable must be"),
        (lambda: cb.Variable([np.nan]), ValueError, "cannot begin with NaN"),
    ],
)
def test_mistakes(make, error, message):
    with pytest.raises(error, match=message):
        make()


@pytest.mark.parametrize(("copied", "shares"), [(copy.copy, True), (copy.deepcopy, False)])
def test_copies_of_a_new_variable(copied, shares):
    """A copy of the variable alone shares its values, whether or not these have been used before."""
    variable = cb.Variable([1.0, 2.0])
    made = copied(variable)
    variable.assign([3.0, 4.0])
    assert made.numpy().tolist() == ([3.0, 4.0] if shares else [1.0, 2.0])


def test_a_pickle_of_a_new_variable():
    assert pickle.loads(pickle.dumps(cb.Variable([1.0, 2.0]))).numpy().tolist() == [1.0, 2.0]


def test_the_array_of_an_own_initializer_stays_the_users():
    values = np.ones(2, "float32")
    variable = cb.Variable(lambda shape, dtype: values, (2,))
    values[:] = 3
    assert variable.numpy().tolist() == [1.0, 1.0]


@pytest.mark.parametrize(
    ("name", "value", "error", "message"),
    [
        ("regularizer", "l7", ValueError, "regularizer"),
        ("regularizer", 0.1, TypeError, "regularizer"),
        ("regularizer", np.abs, TypeError, "needs a method gradient"),
        ("regularizer", cb.regularizers.OrthogonalRegularizer(), ValueError, "must have rank 2"),
        ("constraint", "most_norm", ValueError, "constraint"),
        ("constraint", 3, TypeError, "constraint"),
        ("constraint", np.sum, ValueError, "shape"),
    ],
)
def test_what_a_variable_cannot_take_is_refused_at_once(name, value, error, message):
    with pytest.raises(error, match=message):
        cb.Variable([1.0, 2.0], **{name: value})
    variable = cb.Variable([1.0, 2.0], **{name: None})
    with pytest.raises(error, match=message):
        setattr(variable, name, value)
    assert getattr(variable, name) is None


def test_a_regularizer_or_a_constraint_may_be_named():
    variable = cb.Variable([1.0, 2.0], regularizer="l2", constraint="non_neg")
    assert isinstance(variable.regularizer, cb.regularizers.L2)
    assert isinstance(variable.constraint, cb.constraints.NonNeg)
    variable.constraint = "unit_norm"
    assert isinstance(variable.constraint, cb.constraints.UnitNorm)
