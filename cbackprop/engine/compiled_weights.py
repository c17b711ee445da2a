"""Tells the compiled network where weights, gradients and slots are in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cbackprop.compiled.constraints import projections
from cbackprop.compiled.engine.gradients import Gradients
from cbackprop.compiled.engine.tables import Table
from cbackprop.compiled.optimizers.optimizer import SegmentList
from cbackprop.compiled.regularizers import penalties
from cbackprop.engine.compiled_penalties import penalty_of, projection_of
from cbackprop.engine.segments import ranges_of
from cbackprop.variable import Variable

if TYPE_CHECKING:
    from cbackprop.engine.compiled import CompiledEngine

__all__ = ["CompiledWeights"]


class CompiledWeights:
    """What the network of an engine works on, beside its data.

    Parameters
    ----------
    engine : CompiledEngine

    Attributes
    ----------
    tables : dict of Variable to Table
        The variables that are updated by rows.
    gradients : Gradients or None
        What the gradient vector consists of; ``None`` in a network without weights.
    """

    def __init__(self, engine: CompiledEngine) -> None:
        self.engine = engine
        self.tables: dict[Variable, Table] = {}
        self.gradients: Gradients | None = None
        self._gradients_at: Any = None  # the addresses that they were made for

    def bind(self) -> None:
        """Tell the network the places that `Engine.bind` has found."""
        engine = self.engine
        assert engine.store is not None  # only a network with weights is bound
        offsets = [[engine.offsets[variable] for variable in variables] for variables in engine.plan.variables_of_steps]
        engine.network.set_weights(engine.store.values, offsets)
        place = offsets, id(engine.gradient_vector), engine.tables  # the compiled gradients keep these alive
        if place != self._gradients_at:
            self.bind_gradients()
            self._gradients_at = place
        if engine.optimizer is not None:
            self._bind_optimizer()
        self._bind_regularizers()

    def bind_gradients(self) -> None:
        """Tell the network which gradients are in the vector, and how their computation may be divided."""
        engine = self.engine
        whole, parts, portions, sums = engine.gradient_work.divide(engine.tables, engine.in_order)
        self.gradients = Gradients(engine.network.layers, engine.gradient_vector, whole, parts, portions, sums)
        if engine.in_order:
            self.gradients.cut(engine.learner.piece_begins)
        engine.network.set_gradients(self.gradients)

    def _bind_optimizer(self) -> None:
        """Give the network the segments and tables that the optimizer updates."""
        engine = self.engine
        engine.network.set_optimizer(engine.compiled_rule, SegmentList(engine.compiled_rule, engine.segments()))
        uses = engine.gradient_work.uses() if engine.tables else {}
        self.tables = {v: self._table(v, those) for v, those in uses.items() if v in engine.tables}
        engine.network.set_tables(list(self.tables.values()))
        if engine.ranks is not None:
            engine.ranks.set_segments(engine.gradient_vector, [(begin, end) for begin, end, _ in ranges_of(engine)])

    def _table(self, variable: Variable, uses: list[tuple[int, int]]) -> Table:
        engine = self.engine
        assert engine.optimizer is not None
        users = [(engine.network.layers[index], k) for index, k in uses]
        reads = sum(engine.plan.widths[engine.plan.steps[index].inputs[0]] for index, _ in uses)
        slots = [engine.view(slot, variable) for slot in engine.slots]
        return Table(users, variable.array, slots, engine.optimizer.decay_of(variable), reads)

    def _bind_regularizers(self) -> None:
        """Give the network the regularizers and constraints of trainable variables."""
        engine = self.engine
        added = [penalty_of(variable) for variable in engine.regularized]
        engine.network.set_penalties(penalties.Penalties(added, engine.gradient_vector) if added else None)
        held = [projection_of(variable) for variable in engine.trainable if variable.constraint is not None]
        engine.network.set_projections(projections.Projections(held) if held else None)

    def reserve(self, rows: int, in_blocks: bool) -> None:
        """Reserve memory for the gradients of batches of `rows` samples."""
        for table in self.tables.values():
            table.reserve(rows)
        if not in_blocks and self.gradients is not None:
            self.gradients.reserve(rows)
