"""Where the batch is among a value's axes, and how to reorder the axes so that it comes first.

ONNX has no rule for it. PyTorch's attention, for example, moves the batch behind the positions and merges it with the
heads: (batch, positions, features), (positions, batch, features), (batch * heads, positions, features of a head).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cbackprop.export.onnx_reader.inference import BATCH
from cbackprop.export.onnx_reader.open_sizes import Size, times

__all__ = ["Place", "place_of"]


@dataclass(frozen=True)
class Place:
    """A value's axes: `lead`, then one axis of ``before * batch * behind`` elements, then `tail`.

    With the batch first they are (batch, *lead, before, behind, *tail), without `before` or `behind` if they are 1.
    """

    lead: tuple[Size, ...]
    before: Size
    behind: Size
    tail: tuple[Size, ...]

    @property
    def axis(self) -> int:
        """The axis that holds the batch."""
        return len(self.lead)

    @property
    def rank(self) -> int:
        """The number of axes in the graph."""
        return len(self.lead) + 1 + len(self.tail)

    @property
    def from_end(self) -> int:
        """The axis that holds the batch, counted from the end."""
        return len(self.tail) + 1

    @property
    def factors(self) -> tuple[Size, ...]:
        """What the batch is merged with."""
        return tuple(size for size in (self.before, self.behind) if size != 1)

    @property
    def is_plain(self) -> bool:
        """Whether the batch has an axis of its own."""
        return self.before == self.behind == 1

    @property
    def is_first(self) -> bool:
        """Whether the batch is the first axis, so that nothing need be reordered."""
        return self.is_plain and not self.lead

    @property
    def sample(self) -> tuple[Size, ...]:
        """The shape of a sample."""
        return (*self.lead, *self.factors, *self.tail)

    @property
    def outer(self) -> Size:
        """How many elements there are before the batch."""
        return times([*self.lead, self.before])

    @property
    def inner(self) -> Size:
        """How many elements there are behind the batch."""
        return times([self.behind, *self.tail])

    def axes(self, axis: int) -> list[int]:
        """The axes that an axis of the graph becomes when the batch is first; the batch is not among them."""
        if axis == self.axis:
            return [1 + axis + number for number in range(len(self.factors))]
        return [axis + 1 if axis < self.axis else axis + len(self.factors)]

    @property
    def sizes(self) -> tuple[Size, ...]:
        """The shape in the graph for one sample."""
        return (*self.lead, times(self.factors), *self.tail)

    @property
    def ones(self) -> tuple[Size, ...]:
        """The shape in the graph, with 1 for the axis of the batch."""
        return (*self.lead, 1, *self.tail)

    def shape(self, batch: int | None) -> tuple[Size, ...]:
        """The shape in the graph; `batch` is the size of the batch if it is fixed."""
        return (*self.lead, times([*self.factors, BATCH if batch is None else batch]), *self.tail)

    def wider(self, axes: int) -> Place:
        """The place with this many axes of length 1 in front."""
        return Place((1,) * axes + self.lead, self.before, self.behind, self.tail)


def place_of(sizes: Sequence[Size], axis: int, before: Size = 1, behind: Size = 1) -> Place:
    """A place from the sizes in the graph. The size of `axis` itself is ignored."""
    return Place(tuple(sizes[:axis]), before, behind, tuple(sizes[axis + 1 :]))
