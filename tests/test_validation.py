"""Checks of arguments: what they refuse, and with which exceptions."""

import numpy as np
import pytest

from cbackprop import validation
from cbackprop.validation import ArgumentTypeError, named

CHECKS = {
    "check_boolean": lambda value: validation.check_boolean("n", value),
    "check_choice": lambda value: validation.check_choice("n", value, ["sum"]),
    "check_integer": lambda value: validation.check_integer("n", value),
    "check_items": lambda value: validation.check_items("n", value, "a list"),
    "check_name": validation.check_name,
    "check_number": lambda value: validation.check_number("n", value),
    "check_path": lambda value: validation.check_path("n", value),
    "check_verbose": validation.check_verbose,
}


@pytest.mark.parametrize("check", CHECKS.values(), ids=CHECKS)
@pytest.mark.parametrize("expected", [TypeError, ValueError])
def test_code_that_expects_pythons_or_keras_class_catches_a_wrong_type(check, expected):
    with pytest.raises(expected) as caught:
        check(object())
    assert type(caught.value) is ArgumentTypeError


def test_a_value_out_of_range_is_no_type_error():
    with pytest.raises(ValueError, match="at least 1") as caught:
        validation.check_integer("n", 0, 1)
    assert not isinstance(caught.value, TypeError)


@pytest.mark.parametrize("kind", [ArgumentTypeError, TypeError, ValueError])
def test_an_argument_is_named_and_the_class_of_the_error_stays(kind):
    def refuse(value):
        raise kind("must be a loss.")

    with pytest.raises(kind, match=r"^loss: must be a loss\.") as caught:
        named("loss", refuse, 3)
    assert type(caught.value) is kind


def test_sizes_of_numpy_are_multiplied_as_whole_numbers():
    with pytest.raises(ValueError, match=r"the output must stand for 2\*\*48 numbers at most"):
        validation.check_memory("the output", (np.int64(2**40), 2**70, None))
    validation.check_memory("the output", (np.int64(3), None, 4))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ([], "a list"),
        (3, "an int"),
        (np.float64(1), "a float64"),
        (KeyError("x"), "a KeyError"),
        (type("ImageBatches", (), {"__module__": "cbackprop.utils"}), "an ImageBatches"),
        (type("LSTM", (), {"__module__": "cbackprop.layers"}), "an LSTM"),
        (type("GRU", (), {"__module__": "cbackprop.layers"}), "a GRU"),
        (type("UserModel", (), {"__module__": "__main__"}), "a UserModel"),
        (type("Sequence", (), {"__module__": "images.sets"}), "a Sequence"),
    ],
)
def test_types_have_their_article(value, expected):
    assert validation.a_type(value) == expected
