"""The optimizer's update rule: how a gradient becomes a step, with its numbers."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from cbackprop.optimizers.optimizer import Optimizer
from cbackprop.trace.layer_trace import WeightTrace
from cbackprop.trace.numbers import factor, number, signed

__all__ = ["Rule"]


@dataclass(frozen=True)
class Rule:
    """An optimizer at one step.

    Attributes
    ----------
    name : str
        The optimizer's class.
    rate : float
        The learning rate of this step.
    iteration : int
        The number of steps before.
    settings : dict of str to float
        Its other hyperparameters, such as ``momentum``.
    """

    name: str
    rate: float
    iteration: int
    settings: dict[str, Any]

    @classmethod
    def of(cls, optimizer: Optimizer, rate: float, iteration: int) -> Rule:
        """The rule of an optimizer."""
        config = optimizer.get_config()
        settings = {name: value for name, value in config.items() if isinstance(value, (bool, int, float, str))}
        return cls(type(optimizer).__name__, rate, iteration, settings)

    def formula(self) -> str:
        """The rule in symbols."""
        known = FORMULAS.get(self.name)
        return known[0](self.settings) if known else f"w ← {self.name}(w, dL/dw)"

    def figures(self, weight: WeightTrace, index: tuple[int, ...]) -> list[str]:
        """The rule for one number of a weight, if its result agrees with the engine's."""
        old, new = float(weight.before[index]), float(weight.after[index])
        if weight.gradient is None:
            return [f"w stays {number(old)}: it is not trained"]
        memory = {name: slot[index] for name, slot in weight.memory_before.items() if slot.shape == weight.before.shape}
        known = FORMULAS.get(self.name)
        if known is not None:
            lines, found = known[1](self, old, float(weight.gradient[index]), {k: float(v) for k, v in memory.items()})
            scale = abs(new - old) + abs(old)
            if math.isclose(found, new, rel_tol=0, abs_tol=100 * float(np.finfo(weight.before.dtype).eps) * scale):
                return lines
        after = {name: slot[index] for name, slot in weight.memory_after.items() if slot.shape == weight.before.shape}
        lines = [f"{name}: {number(memory.get(name, 0))} → {number(value)}" for name, value in after.items()]
        return [*lines, f"w ← {number(old)} {signed(new - old)} = {number(new)}  ({self.name})"]


def sgd_formula(settings: dict[str, Any]) -> str:
    """SGD in symbols, with or without momentum."""
    if not settings.get("momentum"):
        return "w ← w − η·g"
    return "v ← μ·v − η·g;  w ← w + " + ("μ·v − η·g" if settings.get("nesterov") else "v")


def sgd(rule: Rule, w: float, g: float, memory: dict[str, float]) -> tuple[list[str], float]:
    """One number by SGD."""
    eta, mu = rule.rate, float(rule.settings.get("momentum") or 0)
    if not mu:
        new = w - eta * g
        return [f"w ← w − η·g = {number(w)} − {number(eta)}·{factor(g)} = {number(new)}"], new
    before = next(iter(memory.values()), 0.0)
    v = mu * before - eta * g
    lines = [f"v ← μ·v − η·g = {number(mu)}·{factor(before)} − {number(eta)}·{factor(g)} = {number(v)}"]
    if rule.settings.get("nesterov"):
        new = w + mu * v - eta * g
        return [*lines, f"w ← w + μ·v − η·g = {number(w)} {signed(mu * v - eta * g)} = {number(new)}"], new
    return [*lines, f"w ← w + v = {number(w)} {signed(v)} = {number(w + v)}"], w + v


def adam(rule: Rule, w: float, g: float, memory: dict[str, float]) -> tuple[list[str], float]:
    """One number by Adam."""
    b1, b2 = float(rule.settings["beta_1"]), float(rule.settings["beta_2"])
    epsilon, t = float(rule.settings["epsilon"]), rule.iteration + 1
    m0, v0 = [*memory.values(), 0.0, 0.0][:2]
    m, v = m0 + (1 - b1) * (g - m0), v0 + (1 - b2) * (g * g - v0)
    rate = rule.rate * math.sqrt(1 - b2**t) / (1 - b1**t)
    new = w - rate * m / (math.sqrt(v) + epsilon)
    return [
        f"m ← β₁·m + (1−β₁)·g = {number(b1)}·{factor(m0)} + {number(1 - b1)}·{factor(g)} = {number(m)}",
        f"v ← β₂·v + (1−β₂)·g² = {number(b2)}·{factor(v0)} + {number(1 - b2)}·{factor(g * g)} = {number(v)}",
        f"η' = η·√(1−β₂ᵗ)/(1−β₁ᵗ) = {number(rate)}  (t = {t})",
        f"w ← w − η'·m/(√v + ε) = {number(w)} − {number(rate)}·{factor(m)}/(√{number(v)} + {number(epsilon)}) = "
        f"{number(w)} {signed(new - w)} = {number(new)}",
    ], new


def rmsprop(rule: Rule, w: float, g: float, memory: dict[str, float]) -> tuple[list[str], float]:
    """One number by RMSprop, without momentum and centering."""
    rho, epsilon = float(rule.settings["rho"]), float(rule.settings["epsilon"])
    before = next(iter(memory.values()), 0.0)
    v = rho * before + (1 - rho) * g * g
    new = w - rule.rate * g / math.sqrt(v + epsilon)
    return [
        f"v ← ρ·v + (1−ρ)·g² = {number(rho)}·{factor(before)} + {number(1 - rho)}·{factor(g * g)} = {number(v)}",
        f"w ← w − η·g/√(v + ε) = {number(w)} − {number(rule.rate)}·{factor(g)}/√({number(v)} + {number(epsilon)}) = "
        f"{number(w)} {signed(new - w)} = {number(new)}",
    ], new


Figures = Callable[[Rule, float, float, dict[str, float]], tuple[list[str], float]]
FORMULAS: dict[str, tuple[Callable[[dict[str, Any]], str], Figures]] = {
    "SGD": (sgd_formula, sgd),
    "Adam": (lambda _: "m ← β₁·m + (1−β₁)·g;  v ← β₂·v + (1−β₂)·g²;  w ← w − η'·m/(√v + ε)", adam),
    "RMSprop": (lambda _: "v ← ρ·v + (1−ρ)·g²;  w ← w − η·g/√(v + ε)", rmsprop),
}
