"""Learning rate schedules in plain Python."""

from __future__ import annotations

import math
from typing import Any

__all__ = [
    "CosineDecay",
    "CosineDecayRestarts",
    "ExponentialDecay",
    "InverseTimeDecay",
    "PiecewiseConstantDecay",
    "PolynomialDecay",
    "Schedule",
]


class Schedule:
    """A learning rate for each step.

    Parameters
    ----------
    spec : cbackprop.optimizers.schedules.LearningRateSchedule
    """

    def __init__(self, spec: Any) -> None:
        self.spec = spec

    def rate(self, step: float) -> float:
        """The learning rate after `step` steps."""
        raise NotImplementedError


class ExponentialDecay(Schedule):
    """initial decay_rate^(step / decay_steps)."""

    def rate(self, step: float) -> float:
        """With `staircase`, the exponent or factor changes only every `decay_steps` steps."""
        p = step / self.spec.decay_steps
        p = math.floor(p) if self.spec.staircase else p
        try:
            return float(self.spec.initial_learning_rate * math.pow(self.spec.decay_rate, p))
        except OverflowError:
            return math.inf


class InverseTimeDecay(Schedule):
    """initial / (1 + decay_rate step / decay_steps)."""

    def rate(self, step: float) -> float:
        """With `staircase`, the exponent or factor changes only every `decay_steps` steps."""
        p = step / self.spec.decay_steps
        p = math.floor(p) if self.spec.staircase else p
        return float(self.spec.initial_learning_rate / (1 + self.spec.decay_rate * p))


class PiecewiseConstantDecay(Schedule):
    """The value after the last boundary that the step has passed."""

    def rate(self, step: float) -> float:
        """values[i] for boundaries[i - 1] < step <= boundaries[i]."""
        passed = sum(step > boundary for boundary in self.spec.boundaries)
        return float(self.spec.values[passed])


class PolynomialDecay(Schedule):
    """(initial - end) (1 - step / decay_steps)^power + end."""

    def rate(self, step: float) -> float:
        """With `cycle`, `decay_steps` is multiplied until it is not less than the step."""
        spec, steps = self.spec, self.spec.decay_steps
        if spec.cycle:
            steps *= math.ceil(step / steps) if step else 1
        p = min(step, steps) / steps
        start, end = spec.initial_learning_rate, spec.end_learning_rate
        return float((start - end) * math.pow(1 - p, spec.power) + end)


class CosineDecay(Schedule):
    """A linear warm-up to the target, then half a cosine down."""

    def rate(self, step: float) -> float:
        """(target - initial) step / warmup_steps + initial; then target ((1 - alpha) (1 + cos(pi p)) / 2 + alpha)."""
        spec, start, warmup = self.spec, self.spec.initial_learning_rate, 0
        if spec.warmup_target is not None:
            start, warmup = spec.warmup_target, spec.warmup_steps
        if warmup and step < warmup:
            return float((start - spec.initial_learning_rate) * (step / warmup) + spec.initial_learning_rate)
        t = min(step - warmup, spec.decay_steps)
        return float(start * ((1 - spec.alpha) * 0.5 * (1 + math.cos(math.pi * t / spec.decay_steps)) + spec.alpha))


class CosineDecayRestarts(Schedule):
    """Repeated half cosines, each `t_mul` times as long and `m_mul` times as high as the one before."""

    def begin_of(self, period: float) -> float:
        """The beginning of a period, in units of the first period's length."""
        t_mul = self.spec.t_mul
        return period if t_mul == 1 else (math.pow(t_mul, period) - 1) / (t_mul - 1)

    def rate(self, step: float) -> float:
        """initial ((1 - alpha) m_mul^i (1 + cos(pi p)) / 2 + alpha), p of the way through period i."""
        spec, t = self.spec, step / self.spec.first_decay_steps
        period = math.floor(t if spec.t_mul == 1 else math.log(1 + t * (spec.t_mul - 1)) / math.log(spec.t_mul))
        # the logarithm may be rounded to the wrong side of a restart
        if self.begin_of(period + 1) <= t:
            period += 1
        elif period > 0 and self.begin_of(period) > t:
            period -= 1
        done = (t - self.begin_of(period)) / math.pow(spec.t_mul, period)
        try:
            height = math.pow(spec.m_mul, period)
        except OverflowError:
            return math.inf
        return float(
            spec.initial_learning_rate * ((1 - spec.alpha) * 0.5 * height * (1 + math.cos(math.pi * done)) + spec.alpha)
        )
