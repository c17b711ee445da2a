"""Traces: a training step with every z, a, delta, gradient and update. `Model.trace` makes them."""

from cbackprop.absent import explain
from cbackprop.trace.layer_trace import LayerTrace, Part, WeightTrace
from cbackprop.trace.recorder import Judged
from cbackprop.trace.rule import Rule
from cbackprop.trace.trace import Trace

__all__ = ["Judged", "LayerTrace", "Part", "Rule", "Trace", "WeightTrace"]


explain(__name__)
