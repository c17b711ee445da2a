"""The parts of the flat vectors that an optimizer updates, each in one loop."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cbackprop.contract.segment import Segment
from cbackprop.variable import Variable

if TYPE_CHECKING:
    from cbackprop.engine.engine import Engine

__all__ = ["ranges_of", "segments_of"]


def segments_of(engine: Engine) -> list[Segment]:
    """The segments of an engine: single variables if the optimizer's rule needs them whole, else longer ones."""
    assert engine.optimizer is not None
    assert engine.store is not None
    if engine.optimizer.whole_variables:
        trainable = set(engine.trainable)
        return [_whole(engine, variable) for variable in engine.store.variables if variable in trainable]
    values, gradients, slots = engine.store.values, engine.gradient_vector, engine.slots
    return [
        Segment(values[begin:end], gradients[begin:end], [slot[begin:end] for slot in slots], decay)
        for begin, end, decay in ranges_of(engine)
    ]


def _whole(engine: Engine, variable: Variable) -> Segment:
    assert engine.optimizer is not None
    gradient = engine.view(engine.gradient_vector, variable)
    return Segment(variable.array, gradient, engine.state.slots[variable], engine.optimizer.decay_of(variable))


def ranges_of(engine: Engine) -> list[tuple[int, int, float]]:
    """Segments of the flat vectors, as (begin, end, weight decay).

    Variables with only padding between them make one segment, unless the rule needs the norm of each variable. A new
    segment begins after a frozen variable, or after one of a model that no longer exists.
    """
    optimizer, store = engine.optimizer, engine.store
    assert optimizer is not None
    assert store is not None
    merge = optimizer.clipnorm is None
    ranges: list[tuple[int, int, float]] = []
    updated = set(engine.trainable) - engine.tables
    next_offset = -1  # of a variable that continues the last range
    for variable in store.variables:
        if variable not in updated:
            continue
        decay = optimizer.decay_of(variable)
        begin = variable.offset
        end = begin + variable.size
        if merge and begin == next_offset and ranges[-1][2] == decay:
            ranges[-1] = (ranges[-1][0], end, decay)
        else:
            ranges.append((begin, end, decay))
        next_offset = store.next_offset(end)
    return ranges
