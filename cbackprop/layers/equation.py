"""Equations of `EinsumDense`: what their letters mean for inputs of some shape, and where elements have to be moved to.

Every equation becomes one product of matrices for each value of the letters that input, kernel and output share::

    core[b, m, n] = sum over k of x[b, m, k] kernel[b, k, n]

b are the letters that all three have, k those that the output lacks, m the other letters of the input, and n the other
letters of the kernel.
"""

from __future__ import annotations

import math
import re
import string
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cbackprop.tensor import Shape

__all__ = ["Contraction", "Equation", "Places"]

FORM = re.compile(r"(\.\.\.)?([a-zA-Z]+)(\.\.\.)?,([a-zA-Z]+)->(\.\.\.)?([a-zA-Z]+)(\.\.\.)?")

Places = NDArray[np.intp]


class Equation:
    """An equation of sums and products of an input and a kernel, such as ``"abc,cd->abd"``.

    Parameters
    ----------
    text : str
        ``"[X],[Y]->[Z]"``, ``"...[X],[Y]->...[Z]"`` or ``"[X]...,[Y]->[Z]..."``, where X, Y and Z are letters.
    bias_axes : str or None
        Letters of Z.

    Raises
    ------
    ValueError
        If that is no such equation, or a letter stands where it means nothing.
    """

    def __init__(self, text: str, bias_axes: str | None) -> None:
        found = FORM.fullmatch(text)
        dots = found and tuple(found.group(place) is not None for place in (1, 3, 5, 7))
        if found is None or dots not in ((False,) * 4, (True, False) * 2, (False, True) * 2):
            raise ValueError(
                'equation must be of the form "[X],[Y]->[Z]", "...[X],[Y]->...[Z]" or "[X]...,[Y]->[Z]...", where X, Y '
                f"and Z are letters, but got {text!r}."
            )
        self.text, self.bias_axes = text, bias_axes
        self.input, self.kernel, self.output = found.group(2), found.group(4), found.group(6)
        self.elides_left, self.elides_right = dots[0], dots[1]
        self._check_letters()
        if not self.elides_left:
            self._check_batch(self.input, self.output)

    def _check_letters(self) -> None:
        twice = {letter for letter in self.output if self.output.count(letter) > 1}
        if twice:
            raise ValueError(f"equation {self.text!r} has {min(twice)!r} twice in its output.")
        for letter in self.output:
            if letter not in self.input + self.kernel:
                raise ValueError(f"equation {self.text!r} has {letter!r} in its output only.")
        for letter in self.kernel:
            if letter not in self.input + self.output:
                raise ValueError(f"equation {self.text!r} has {letter!r} in its kernel only.")
        for letter in self.bias_axes or "":
            if letter not in self.output:
                raise ValueError(
                    f"bias_axes must be letters of the output {self.output!r}, but got {self.bias_axes!r}."
                )

    def _check_batch(self, inputs: str, output: str) -> None:
        """Refuse an equation that does not keep the samples of a batch apart."""
        batch = inputs[0]
        if output[0] != batch or inputs.count(batch) > 1 or batch in self.kernel:
            raise ValueError(
                f"equation {self.text!r} must begin with the same letter in input and output, for the samples of a "
                "batch, and that letter must not appear elsewhere."
            )
        if batch in (self.bias_axes or ""):
            raise ValueError(
                f"bias_axes must not hold {batch!r}, the letter of the samples, but got {self.bias_axes!r}."
            )

    def contraction(self, input_shape: Shape, partial: Shape) -> Contraction:
        """What the equation is for inputs of this shape.

        Parameters
        ----------
        input_shape : tuple of (int or None)
        partial : tuple of (int or None)
            The sizes of the output's letters, without the batch and what stands for the ellipsis.

        Raises
        ------
        ValueError
            If they do not fit the equation.
        """
        elided = len(input_shape) - len(self.input)
        if elided < 0 or (elided and not (self.elides_left or self.elides_right)):
            raise ValueError(
                f"equation {self.text!r} needs inputs of {len(self.input)}{' or more' * self.elides_any} axes, but got "
                f"shape {input_shape}."
            )
        free = [letter for letter in string.ascii_letters if letter not in self.input + self.kernel]
        if elided > len(free):
            raise ValueError(f"equation {self.text!r} has no letters for the axes of shape {input_shape}.")
        more = "".join(free[:elided])
        left, right = (more, "") if self.elides_left else ("", more)
        inputs, output = left + self.input + right, left + self.output + right
        self._check_batch(inputs, output)
        named = self.output if left else self.output[1:]
        if len(partial) != len(named):
            raise ValueError(
                f"output_shape must have a size for each letter of {named!r} in equation {self.text!r}, "
                f"but got {partial}."
            )
        sizes = self._sizes(inputs, input_shape, named, partial)
        bias = None
        if self.bias_axes is not None:
            first = min(output.index(letter) for letter in self.bias_axes)
            bias = tuple(sizes[letter] if letter in self.bias_axes else 1 for letter in output[first:])
        return Contraction(inputs, self.kernel, output, sizes, bias)

    @property
    def elides_any(self) -> bool:
        """Whether there is an ellipsis."""
        return self.elides_left or self.elides_right

    def _sizes(self, inputs: str, shape: Shape, named: str, partial: Shape) -> dict[str, int | None]:
        """The size of each letter; ``None`` if it is not known yet."""
        sizes: dict[str, int | None] = {}
        for letter, size in zip(inputs, shape, strict=True):
            if sizes.get(letter) is not None and size not in (None, sizes[letter]):
                raise ValueError(
                    f"equation {self.text!r} has {letter!r} twice, for axes of {sizes[letter]} and {size}."
                )
            sizes[letter] = sizes.get(letter) if size is None else size
        for letter, size in zip(named, partial, strict=True):
            known = sizes.get(letter)
            if size is not None and known is not None and size != known:
                raise ValueError(
                    f"output_shape says {size} for {letter!r} of equation {self.text!r}, but inputs of shape {shape} "
                    f"have {known} there."
                )
            sizes[letter] = known if size is None else size
        for letter in self.kernel:
            if sizes[letter] is None and letter not in inputs:
                raise ValueError(f"output_shape must say the size of {letter!r} in equation {self.text!r}, not None.")
        return sizes


class Contraction(NamedTuple):
    """An equation for inputs with a certain number of axes: a letter for each, first that of the samples.

    Sizes that come with the data are ``None``.
    """

    input: str
    kernel: str
    output: str
    sizes: dict[str, Any]
    bias_shape: tuple[Any, ...] | None

    @property
    def text(self) -> str:
        """The equation without an ellipsis."""
        return f"{self.input},{self.kernel}->{self.output}"

    def shape_of(self, letters: str) -> tuple[Any, ...]:
        """The sizes of letters."""
        return tuple(self.sizes[letter] for letter in letters)

    @property
    def kernel_shape(self) -> tuple[Any, ...]:
        """The shape of the kernel."""
        return self.shape_of(self.kernel)

    @property
    def output_shape(self) -> Shape:
        """The shape of the output, with the batch."""
        return self.shape_of(self.output)

    @property
    def fan_axes(self) -> tuple[list[int], list[int]]:
        """Axes of the kernel that count as inputs, and axes that count as outputs, which the output has too."""
        axes = range(len(self.kernel))
        return (
            [axis for axis in axes if self.kernel[axis] not in self.output],
            [axis for axis in axes if self.kernel[axis] in self.output],
        )

    @property
    def groups(self) -> tuple[str, str, str, str]:
        """The letters b, m, k and n of the product, in the order that the output has, and the input for k."""
        inputs, output = dict.fromkeys(self.input[1:]), self.output[1:]
        return (
            "".join(letter for letter in output if letter in inputs and letter in self.kernel),
            "".join(letter for letter in output if letter in inputs and letter not in self.kernel),
            "".join(letter for letter in inputs if letter not in output),
            "".join(letter for letter in output if letter not in inputs),
        )

    @property
    def counts(self) -> tuple[int, int, int, int]:
        """How many values b, m, k and n have."""
        b, m, k, n = (math.prod(self.shape_of(letters)) for letters in self.groups)
        return b, m, k, n

    # Arrays of places. Each is as large as the result that is made of the elements.

    def input_places(self) -> Places:
        """(b, m, k): for each factor of the products, its place in a sample of the input."""
        b, m, k, _ = self.groups
        return self._places(b + m + k, self.input[1:]).reshape(*self.counts[:2], self.counts[2])

    def kernel_places(self) -> Places:
        """(b, k, n): for each factor of the products, its place in the kernel; one may occur several times."""
        b, _, k, n = self.groups
        return self._places(b + k + n, self.kernel).reshape(self.counts[0], *self.counts[2:])

    def core_places(self) -> Places:
        """The shape of a sample of the output: for each element, its place among the products (b, m, n)."""
        b, m, _, n = self.groups
        return self._places(self.output[1:], b + m + n)

    def bias_places(self) -> Places:
        """(b, m, n): for each product, the place of the number in the bias that is added to it."""
        assert self.bias_shape is not None
        b, m, _, n = self.groups
        places = np.arange(math.prod(self.bias_shape), dtype=np.intp).reshape(self.bias_shape)
        of_output = np.broadcast_to(places, self.shape_of(self.output[1:])).ravel()
        return of_output[self._places(b + m + n, self.output[1:])].reshape(*self.counts[:2], self.counts[3])

    def _places(self, order: str, letters: str) -> Places:
        """For all values of the letters `order`, the place in a C-contiguous array whose axes are `letters`.

        Along a letter that the array has twice, that is its diagonal; a letter that it lacks changes nothing.
        """
        strides = dict.fromkeys(order, 0)
        step = 1
        for letter in reversed(letters):
            strides[letter] += step
            step *= self.sizes[letter]
        places = np.zeros(self.shape_of(order), np.intp)
        for axis, letter in enumerate(order):
            along = np.arange(self.sizes[letter], dtype=np.intp) * strides[letter]
            places += along.reshape(-1, *(1,) * (len(order) - axis - 1))
        return places
