"""Parts of public classes: users meet only the name of the public class."""

import inspect

import pytest

import cbackprop as cb
from cbackprop.part_of import part_of


@part_of("Whole")
class Part:
    number = 3

    def method(self, argument):
        return argument

    @property
    def shown(self):
        return self.number


class Whole(Part):
    pass


def test_messages_name_the_public_class():
    with pytest.raises(TypeError, match=r"^Whole\.method\(\) got an unexpected keyword argument 'argumnet'"):
        Whole().method(argumnet=1)


def test_everything_else_stays():
    assert (Whole().method(2), Whole().shown, Part.__qualname__) == (2, 3, "Part")


@pytest.mark.parametrize("public", [cb.layers.Layer, cb.Model, cb.optimizers.Optimizer])
def test_no_public_class_shows_its_parts(public):
    parts = [base for base in public.__mro__ if base.__name__.endswith("Methods")]
    shown = {
        method.__qualname__.split(".")[0]
        for part in parts
        for method in vars(part).values()
        if inspect.isfunction(method)
    }
    assert parts
    assert shown <= {"Layer", "Model", "Optimizer"}
